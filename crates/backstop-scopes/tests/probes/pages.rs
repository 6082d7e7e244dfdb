//! AWS: lists of several pages are read to their end, and lists that never end are not read for ever. The front answers
//! in the shapes that AWS's API references give; moto has no page that is not the last for so few things.

use std::collections::BTreeMap;

use backstop_scopes::probe::Provider;
use backstop_testing::doubles::{AnsweringDouble, RecordedRequest, reply};
use serde_json::json;

use super::support::{Asked, ask, planted, reads_only, token};

/// Pages of a list that ends.
const FULL: usize = 3;

/// One page of a call that lists: which one is asked for, and the token of the next.
struct Page {
    number: usize,
    next: Option<String>,
}

/// What a call lists, and the parameter that says from where.
fn list(request: &RecordedRequest) -> Option<(String, Option<String>)> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let of = |text: &[u8], name: &str| {
        let mut pairs = url::form_urlencoded::parse(text);
        pairs.find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
    };
    if path == "/" && request.method == "GET" {
        return Some((
            "ListBuckets".into(),
            of(query.as_bytes(), "continuation-token"),
        ));
    }
    if path.starts_with("/backup-vaults/") {
        let name = if path.ends_with("/recovery-points/") {
            "ListPoints"
        } else {
            "ListVaults"
        };
        return Some((name.into(), of(query.as_bytes(), "nextToken")));
    }
    if let Some(target) = request.header("x-amz-target") {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let after = body["ExclusiveStartTableName"].as_str().map(str::to_owned);
        return target
            .ends_with("ListTables")
            .then(|| ("ListTables".into(), after));
    }
    let action = of(&request.body, "Action")?;
    let lists = [
        "DescribeDBInstances",
        "DescribeDBClusters",
        "DescribeDBSnapshots",
        "DescribeDBClusterSnapshots",
        "DescribeDBInstanceAutomatedBackups",
        "DescribeVolumes",
        "DescribeSnapshots",
        "SimulatePrincipalPolicy",
    ];
    let from = ["Marker", "NextToken"]
        .iter()
        .find_map(|name| of(&request.body, name));
    lists.contains(&action.as_str()).then_some((action, from))
}

fn xml(body: &str) -> Vec<u8> {
    reply(200, &[("content-type", "text/xml")], body)
}

fn answer(request: &RecordedRequest, endless: bool) -> Vec<u8> {
    let text = request.text();
    if text.contains("Action=GetCallerIdentity") {
        return xml(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/deploy</Arn><UserId>x</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        );
    }
    let Some((name, from)) = list(request) else {
        return other(request);
    };
    // A table's name is the token itself.
    let number = from.map_or(0, |token| {
        token.rsplit('-').next().unwrap().parse().unwrap()
    });
    let next = (endless || number + 1 < FULL).then(|| format!("t-{}", number + 1));
    page(&name, &Page { number, next }, request)
}

/// What is asked of single things.
fn other(request: &RecordedRequest) -> Vec<u8> {
    let text = request.text();
    if let Some(target) = request.header("x-amz-target") {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let name = body["TableName"].as_str().unwrap();
        let value = if target.ends_with("DescribeTable") {
            json!({ "Table": { "TableName": name, "TableArn": format!("arn:aws:dynamodb:eu-west-1:123456789012:table/{name}") } })
        } else {
            json!({ "ContinuousBackupsDescription": { "ContinuousBackupsStatus": "ENABLED" } })
        };
        return reply(200, &[], &value.to_string());
    }
    assert_eq!(request.method, "GET", "{text}");
    xml("<VersioningConfiguration/>")
}

fn page(name: &str, page: &Page, request: &RecordedRequest) -> Vec<u8> {
    let n = page.number;
    let tag = |tag: &str| {
        page.next
            .as_ref()
            .map_or(String::new(), |next| format!("<{tag}>{next}</{tag}>"))
    };
    let rds = |list: &str, item: &str| {
        xml(&format!(
            "<{name}Response><{name}Result><{list}>{item}</{list}>{}</{name}Result></{name}Response>",
            tag("Marker")
        ))
    };
    let ec2 = |list: &str, item: &str| {
        xml(&format!(
            "<{name}Response><{list}><item>{item}</item></{list}>{}</{name}Response>",
            tag("nextToken")
        ))
    };
    match name {
        "DescribeDBInstances" => rds(
            "DBInstances",
            &format!(
                "<DBInstance><DBInstanceIdentifier>db-{n}</DBInstanceIdentifier><DBInstanceArn>arn:aws:rds:eu-west-1:123456789012:db:db-{n}</DBInstanceArn><BackupRetentionPeriod>7</BackupRetentionPeriod></DBInstance>"
            ),
        ),
        "DescribeDBSnapshots" => rds(
            "DBSnapshots",
            &format!(
                "<DBSnapshot><DBSnapshotIdentifier>s-{n}</DBSnapshotIdentifier><DBSnapshotArn>arn:aws:rds:eu-west-1:123456789012:snapshot:s-{n}</DBSnapshotArn><DBInstanceIdentifier>db-0</DBInstanceIdentifier><SnapshotType>manual</SnapshotType><SnapshotCreateTime>2026-03-0{}T00:00:00Z</SnapshotCreateTime></DBSnapshot>",
                n % 9 + 1
            ),
        ),
        "DescribeDBClusters" => rds("DBClusters", ""),
        "DescribeDBClusterSnapshots" => rds("DBClusterSnapshots", ""),
        "DescribeDBInstanceAutomatedBackups" => rds("DBInstanceAutomatedBackups", ""),
        "DescribeVolumes" => ec2("volumeSet", &format!("<volumeId>vol-{n}</volumeId>")),
        "DescribeSnapshots" => ec2(
            "snapshotSet",
            &format!(
                "<snapshotId>snap-{n}</snapshotId><volumeId>vol-0</volumeId><startTime>2026-03-01T00:00:00Z</startTime>"
            ),
        ),
        "ListBuckets" => xml(&format!(
            "<ListAllMyBucketsResult><Buckets><Bucket><Name>bucket-{n}</Name><BucketRegion>eu-west-1</BucketRegion></Bucket></Buckets>{}</ListAllMyBucketsResult>",
            tag("ContinuationToken")
        )),
        "ListTables" => {
            let mut value = json!({ "TableNames": [format!("table-{n}")] });
            if let Some(next) = &page.next {
                value["LastEvaluatedTableName"] = json!(next);
            }
            reply(200, &[], &value.to_string())
        }
        "ListVaults" => paged(
            json!({ "BackupVaultList": [{ "BackupVaultName": format!("vault-{n}") }] }),
            page,
        ),
        "ListPoints" => paged(
            json!({ "RecoveryPoints": [{ "RecoveryPointArn": format!("arn:aws:backup:eu-west-1:123456789012:recovery-point:{n}"), "ResourceArn": "arn:aws:rds:eu-west-1:123456789012:db:db-0", "CreationDate": 1_764_288_000, "Status": "COMPLETED" }] }),
            page,
        ),
        "SimulatePrincipalPolicy" => simulated(request, page),
        other => panic!("{other}"),
    }
}

fn paged(mut value: serde_json::Value, page: &Page) -> Vec<u8> {
    if let Some(next) = &page.next {
        value["NextToken"] = json!(next);
    }
    reply(200, &[], &value.to_string())
}

/// The last page alone says that a database can be deleted: whoever stops before it does not know.
fn simulated(request: &RecordedRequest, page: &Page) -> Vec<u8> {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect();
    let all = |start: &str| -> Vec<&str> {
        form.iter()
            .filter(|(n, _)| n.starts_with(start))
            .map(|(_, v)| v.as_str())
            .collect()
    };
    let (actions, resources) = (all("ActionNames.member."), all("ResourceArns.member."));
    let mut members = String::new();
    // Each page has every third action.
    for action in actions
        .iter()
        .enumerate()
        .filter(|(n, _)| n % FULL == page.number % FULL)
        .map(|(_, a)| a)
    {
        let decide = |resource: &str| {
            if *action == "rds:DeleteDBInstance" && resource.ends_with(":db-2") {
                "allowed"
            } else {
                "implicitDeny"
            }
        };
        let single: String = resources
            .iter()
            .map(|r| format!("<member><EvalResourceName>{r}</EvalResourceName><EvalResourceDecision>{}</EvalResourceDecision></member>", decide(r)))
            .collect();
        members.push_str(&format!("<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{}</EvalResourceName><EvalDecision>implicitDeny</EvalDecision><ResourceSpecificResults>{single}</ResourceSpecificResults></member>", resources.first().unwrap_or(&"*")));
    }
    let more = page
        .next
        .as_ref()
        .map_or(String::new(), |next| format!("<Marker>{next}</Marker>"));
    xml(&format!(
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>{}</IsTruncated>{more}<EvaluationResults>{members}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>",
        page.next.is_some()
    ))
}

fn asked(endless: bool) -> (Asked, Vec<RecordedRequest>) {
    let front = AnsweringDouble::start(move |request| Ok(answer(request, endless))).unwrap();
    let profile = format!(
        "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\nregion = eu-west-1\n",
        token("AKIA", "Q3EGZ7TMLVX2KD5W"),
        token("wJalrXUtn", "FEMI/K7MDENG/bPxRfiCYzQ8sT2uVwX")
    );
    let folder = planted(&[(".aws/credentials", &profile)]);
    let asked = ask(folder.path(), &[(Provider::Aws, &front.url())]);
    let requests = front.requests();
    reads_only(&requests);
    (asked, requests)
}

/// How often each list was asked for; of what is in a vault, of each vault.
fn calls(requests: &[RecordedRequest]) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for request in requests {
        if let Some((name, _)) = list(request) {
            let of = match name.as_str() {
                "ListPoints" => request.path.split('/').nth(2).unwrap().to_owned(),
                "SimulatePrincipalPolicy" => {
                    let body = request.text();
                    body.split('&')
                        .find(|p| p.starts_with("ResourceArns.member.1="))
                        .unwrap_or("")
                        .to_owned()
                }
                _ => String::new(),
            };
            *all.entry(format!("{name} {of}")).or_default() += 1;
        }
    }
    all
}

#[test]
fn every_page_is_read() {
    let (asked, requests) = asked(false);
    for (what, times) in calls(&requests) {
        assert_eq!(times, FULL, "{what}");
    }
    let found = asked.one("aws.access-key");
    let provider = found.provider.as_ref().unwrap();
    for n in 0..FULL {
        for name in [
            format!("db-{n}"),
            format!("bucket-{n}"),
            format!("table-{n}"),
            format!("vol-{n}"),
        ] {
            assert!(
                provider.stores.iter().any(|s| s.name == name),
                "{name}: {:?}",
                provider.stores
            );
        }
    }
    let first = provider.stores.iter().find(|s| s.name == "db-0").unwrap();
    let counts: Vec<Option<usize>> = first.backups.iter().map(|b| b.count).collect();
    assert!(
        counts.contains(&Some(FULL)),
        "snapshots of every page: {counts:?}"
    );
    // What one page of the simulator says of one resource.
    assert!(
        found.sentence.contains("it can delete 1 database."),
        "{}",
        found.sentence
    );
    assert!(
        !provider
            .unknown
            .iter()
            .any(|u| u.contains("there are more") || u.contains("too many")),
        "{:?}",
        provider.unknown
    );
}

#[test]
fn a_list_that_never_ends_is_read_for_a_while_and_said_to_be_more() {
    let (asked, requests) = asked(true);
    let all = calls(&requests);
    for (what, times) in &all {
        assert!(*times <= 20, "{what}: {times}");
    }
    assert!(requests.len() < 20 * all.len() + 200, "{}", requests.len());
    let found = asked.one("aws.access-key");
    let unknown = &found.provider.as_ref().unwrap().unknown;
    for part in [
        "DB instances in",
        "DB snapshots in",
        "automated backups in",
        "volumes in",
        "snapshots in",
        "buckets",
        "tables in",
        "backup vaults in",
        "what is in backup vault `vault-0`",
        "what its policies allow",
    ] {
        let of_part = |u: &&String| u.starts_with(part) || u.contains(part);
        let told = unknown.iter().find(of_part);
        let told = told.unwrap_or_else(|| panic!("{part}: {unknown:#?}"));
        assert!(told.contains("more") || told.contains("too many"), "{told}");
    }
    // What was not read to its end keeps its rank.
    assert_eq!(
        found.severity,
        backstop_scopes::report::Severity::High,
        "{found:#?}"
    );
}
