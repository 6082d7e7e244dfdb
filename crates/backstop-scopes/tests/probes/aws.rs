//! AWS, as moto plays it: with signatures and policies checked by moto itself. What moto has not (the policy simulator,
//! what is in a backup vault) the front answers in the shape that AWS's API reference gives.

use std::sync::{Arc, Mutex};

use backstop_scopes::probe::{Can, Provider};
use backstop_scopes::report::{Probed, Severity};
use backstop_testing::doubles::{AnsweringDouble, RecordedRequest, S3Double, reply};

use super::support::{ask, planted, reads_only};

const REGION: &str = "eu-west-1";
const NUMBER: &str = "123456789012";

type Decide = fn(action: &str, resource: &str) -> &'static str;

/// An account, and the front before it.
struct Account {
    moto: S3Double,
    front: AnsweringDouble,
    decide: Arc<Mutex<Option<Decide>>>,
}

impl Account {
    fn start() -> Self {
        let moto = S3Double::start().unwrap();
        let decide: Arc<Mutex<Option<Decide>>> = Arc::default();
        let (pass, decides) = (moto.passing(), Arc::clone(&decide));
        let front = AnsweringDouble::start(move |request| {
            if request.path.contains("/recovery-points/") {
                return Ok(reply(200, &[("content-type", "application/json")], POINTS));
            }
            if request.text().contains("Action=SimulatePrincipalPolicy") {
                return Ok(match *decides.lock().unwrap() {
                    Some(decide) => simulated(request, decide),
                    None => denied(),
                });
            }
            if request.path != "/backup-vaults/" {
                return pass(request);
            }
            // moto's check takes the variables of a path for a body here, and refuses every signature; the list itself
            // is moto's.
            checked(&pass, false)?;
            let answer = pass(request)?;
            checked(&pass, true)?;
            Ok(later(&answer))
        })
        .unwrap();
        Self {
            moto,
            front,
            decide,
        }
    }

    /// Does something as the account's owner, unrecorded.
    fn act(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=owner/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let mut all = vec![
            (
                "host".to_owned(),
                format!("{service}.{REGION}.amazonaws.com"),
            ),
            ("authorization".to_owned(), scope),
        ];
        all.extend(
            headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        );
        let request = RecordedRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: all,
            body: body.as_bytes().to_vec(),
        };
        let answer =
            String::from_utf8_lossy(&(self.moto.passing())(&request).unwrap()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 2"), "{path} {body}: {answer}");
        answer
    }

    fn form(&self, service: &str, body: &str) -> String {
        self.act(
            service,
            "POST",
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
            body,
        )
    }

    fn table(&self, target: &str, body: &str) {
        let target = format!("DynamoDB_20120810.{target}");
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.0"),
        ];
        self.act("dynamodb", "POST", "/", &headers, body);
    }

    /// Databases, buckets, a table, a volume, a vault.
    fn furnish(&self) {
        for (name, protected) in [("shop", "false"), ("ledger", "true")] {
            self.form("rds", &format!("Action=CreateDBInstance&Version=2014-10-31&DBInstanceIdentifier={name}&DBInstanceClass=db.t3.micro&Engine=postgres&AllocatedStorage=20&MasterUsername=root&MasterUserPassword=not-a-secret&BackupRetentionPeriod=7&DeletionProtection={protected}"));
        }
        self.form("rds", "Action=CreateDBSnapshot&Version=2014-10-31&DBInstanceIdentifier=shop&DBSnapshotIdentifier=before");
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        );
        self.act("s3", "PUT", "/plain-bucket", &[], &place);
        self.act(
            "s3",
            "PUT",
            "/locked-bucket",
            &[("x-amz-bucket-object-lock-enabled", "true")],
            &place,
        );
        self.act("s3", "PUT", "/locked-bucket?object-lock", &[], "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>");
        self.table("CreateTable", r#"{"TableName":"carts","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST"}"#);
        self.table("UpdateContinuousBackups", r#"{"TableName":"carts","PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":true}}"#);
        let volume = self.form(
            "ec2",
            &format!("Action=CreateVolume&Version=2016-11-15&AvailabilityZone={REGION}a&Size=8"),
        );
        let id = between(&volume, "<volumeId>", "<");
        self.form(
            "ec2",
            &format!("Action=CreateSnapshot&Version=2016-11-15&VolumeId={id}"),
        );
        self.act(
            "backup",
            "PUT",
            "/backup-vaults/deep",
            &[("content-type", "application/json")],
            "{}",
        );
        self.act(
            "backup",
            "PUT",
            "/backup-vaults/deep/vault-lock",
            &[("content-type", "application/json")],
            r#"{"MinRetentionDays":30,"MaxRetentionDays":90,"ChangeableForDays":3}"#,
        );
    }

    /// A user with a policy; from then on moto checks who asks. Gives the key's id and secret.
    fn user(&self, policy: &str) -> (String, String) {
        self.form(
            "iam",
            "Action=CreateUser&Version=2010-05-08&UserName=deploy",
        );
        let policy: String = policy.bytes().map(|b| format!("%{b:02X}")).collect();
        self.form("iam", &format!("Action=PutUserPolicy&Version=2010-05-08&UserName=deploy&PolicyName=p&PolicyDocument={policy}"));
        let key = self.form(
            "iam",
            "Action=CreateAccessKey&Version=2010-05-08&UserName=deploy",
        );
        checked(&self.moto.passing(), true).unwrap();
        (
            between(&key, "<AccessKeyId>", "<"),
            between(&key, "<SecretAccessKey>", "<"),
        )
    }

    fn decide(&self, decide: Decide) {
        *self.decide.lock().unwrap() = Some(decide);
    }

    fn ask(&self, key: &(String, String)) -> super::support::Asked {
        let profile = format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\nregion = {REGION}\n",
            key.0, key.1
        );
        let folder = planted(&[
            (".aws/credentials", &profile),
            (
                ".aws/config",
                "[profile prod]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n",
            ),
        ]);
        let asked = ask(folder.path(), &[(Provider::Aws, &self.front.url())]);
        reads_only(&self.front.requests());
        asked
    }
}

/// Has moto check who asks from now on, or not.
fn checked(
    pass: &impl Fn(&RecordedRequest) -> std::io::Result<Vec<u8>>,
    on: bool,
) -> std::io::Result<Vec<u8>> {
    pass(&RecordedRequest {
        method: "POST".into(),
        path: "/moto-api/reset-auth".into(),
        headers: vec![("host".into(), "127.0.0.1".into())],
        body: if on {
            b"0".to_vec()
        } else {
            b"1000000".to_vec()
        },
    })
}

/// The answer as it will be when the vault's lock can be taken off no more.
fn later(answer: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
    for vault in value["BackupVaultList"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        assert!(vault["LockDate"].as_f64().unwrap() > 1.7e9, "{vault}");
        vault["LockDate"] = 1_764_000_000.into();
    }
    reply(
        200,
        &[("content-type", "application/json")],
        &value.to_string(),
    )
}

fn between(text: &str, from: &str, to: &str) -> String {
    text.split_once(from)
        .unwrap_or_else(|| panic!("{text}"))
        .1
        .split(to)
        .next()
        .unwrap()
        .to_owned()
}

const POINTS: &str = r#"{"RecoveryPoints":[{"RecoveryPointArn":"arn:aws:backup:eu-west-1:123456789012:recovery-point:1","BackupVaultName":"deep","BackupVaultArn":"arn:aws:backup:eu-west-1:123456789012:backup-vault:deep","ResourceArn":"arn:aws:rds:eu-west-1:123456789012:db:ledger","ResourceType":"RDS","CreationDate":1764288000.5,"Status":"COMPLETED","CalculatedLifecycle":{"DeleteAt":1924905600.0}}]}"#;

fn denied() -> Vec<u8> {
    reply(
        403,
        &[("content-type", "text/xml")],
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized</Message></Error><RequestId>1</RequestId></ErrorResponse>",
    )
}

/// One result an action, the strictest decision on top and each resource's own below it, as AWS answers now.
fn simulated(request: &RecordedRequest, decide: Decide) -> Vec<u8> {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect();
    let all = |start: &str| -> Vec<String> {
        form.iter()
            .filter(|(n, _)| n.starts_with(start))
            .map(|(_, v)| v.clone())
            .collect()
    };
    let mut resources = all("ResourceArns.member.");
    let named = !resources.is_empty();
    if !named {
        resources.push("*".into());
    }
    let mut members = String::new();
    for action in all("ActionNames.member.") {
        let decisions: Vec<&str> = resources.iter().map(|r| decide(&action, r)).collect();
        let top = ["explicitDeny", "implicitDeny", "allowed"]
            .into_iter()
            .find(|d| decisions.contains(d))
            .unwrap();
        members.push_str(&format!("<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{}</EvalResourceName><EvalDecision>{top}</EvalDecision><MatchedStatements/><MissingContextValues/>", resources[0]));
        if named {
            members.push_str("<ResourceSpecificResults>");
            for (resource, decision) in resources.iter().zip(&decisions) {
                members.push_str(&format!("<member><EvalResourceName>{resource}</EvalResourceName><EvalResourceDecision>{decision}</EvalResourceDecision><MissingContextValues/></member>"));
            }
            members.push_str("</ResourceSpecificResults>");
        }
        members.push_str("</member>");
    }
    reply(
        200,
        &[("content-type", "text/xml")],
        &format!(
            "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>{members}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        ),
    )
}

const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["rds:Describe*","s3:List*","s3:Get*","dynamodb:List*","dynamodb:Describe*","ec2:Describe*","backup:List*","backup:Describe*","iam:Simulate*","iam:Get*"],"Resource":"*"}]}"#;

#[test]
fn an_administrator_is_critical_with_what_dies_and_what_does_not() {
    let account = Account::start();
    account.furnish();
    let key = account.user(EVERYTHING);
    account.decide(|_, _| "allowed");
    let asked = account.ask(&key);
    let found = asked.one("aws.access-key");
    assert_eq!(found.probed, Probed::Answered, "{found:#?}");
    assert_eq!(found.severity, Severity::Critical);
    assert!(
        found.sentence.contains(&format!(
            "As `user/deploy` of AWS account {NUMBER} it can give itself every right"
        )),
        "{}",
        found.sentence
    );
    assert!(
        found
            .sentence
            .contains("2 databases, 2 buckets, 1 table and 1 volume"),
        "{}",
        found.sentence
    );
    assert!(
        found
            .backups_say
            .contains("Your backups die with your data."),
        "{}",
        found.backups_say
    );
    assert!(
        found.backups_say.contains("`shop`") && found.backups_say.contains("minutes old"),
        "{}",
        found.backups_say
    );
    // What is locked is out of its reach, and it says until when.
    assert!(found.backups_say.contains("those of `ledger` are out of its reach until 2030-12-31: vault `deep` is locked in compliance mode"), "{}", found.backups_say);
    let provider = found.provider.as_ref().unwrap();
    let store = |name: &str| provider.stores.iter().find(|s| s.name == name).unwrap();
    assert_eq!(store("shop").destroyed, Can::Yes);
    assert_eq!(
        store("locked-bucket").destroyed,
        Can::No,
        "{:#?}",
        store("locked-bucket")
    );
    assert!(
        store("locked-bucket")
            .protection
            .as_ref()
            .unwrap()
            .contains("30 days")
    );
    assert_eq!(store("plain-bucket").destroyed, Can::Yes);
    assert!(
        store("ledger")
            .protection
            .as_ref()
            .unwrap()
            .contains("`rds:ModifyDBInstance` takes off")
    );
    assert!(store("carts").backups[0].what.contains("35 days"));
    assert!(store("shop").restored.is_none());
    assert!(
        provider
            .unknown
            .iter()
            .any(|u| u.contains("only eu-west-1 was looked at"))
    );
    assert!(
        provider
            .unknown
            .iter()
            .any(|u| u.contains("`prod` takes on a role")),
        "{:?}",
        provider.unknown
    );
    // Every call was said before it was made: as many as came in.
    assert_eq!(asked.said.len(), account.front.requests().len());
    assert_eq!(provider.asked, asked.said);
    assert!(!format!("{found:?}{:?}", asked.said).contains(&key.1));
}

#[test]
fn a_key_that_only_reads_falls_in_rank() {
    let account = Account::start();
    account.furnish();
    let key = account.user(READ);
    account.decide(|_, _| "implicitDeny");
    let asked = account.ask(&key);
    let found = asked.one("aws.access-key");
    let provider = found.provider.as_ref().unwrap();
    assert_eq!(found.severity, Severity::Medium, "{found:#?}");
    assert!(
        found
            .sentence
            .contains("can delete none of the 2 databases"),
        "{}",
        found.sentence
    );
    assert!(provider.stores.iter().all(|s| s.destroyed == Can::No));
    assert!(!found.backups_say.contains("die"), "{}", found.backups_say);
}

/// A policy that names one database denies all of them together, and still that one dies.
#[test]
fn a_policy_on_one_resource_is_found() {
    let account = Account::start();
    account.furnish();
    let key = account.user(READ);
    account.decide(|action, resource| {
        if action == "rds:DeleteDBInstance" && resource.ends_with(":db:shop") {
            "allowed"
        } else {
            "implicitDeny"
        }
    });
    let found = account.ask(&key);
    let found = found.one("aws.access-key");
    assert!(
        found.sentence.contains("it can delete 1 database."),
        "{}",
        found.sentence
    );
    assert!(found.severity >= Severity::High);
    // Its snapshot, made by hand, is not in this key's reach.
    let store = found
        .provider
        .as_ref()
        .unwrap()
        .stores
        .iter()
        .find(|s| s.name == "shop")
        .unwrap();
    let by_hand = store
        .backups
        .iter()
        .find(|c| c.what.starts_with("snapshots"))
        .unwrap();
    assert_eq!(by_hand.destroyed, Can::No);
}

/// What may not be asked is unknown, not absent: the key keeps its rank.
#[test]
fn a_denied_call_leaves_its_part_unknown() {
    let account = Account::start();
    account.furnish();
    let key = account.user(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"rds:Describe*","Resource":"*"}]}"#);
    let found = account.ask(&key);
    let found = found.one("aws.access-key");
    assert_eq!(found.probed, Probed::Answered);
    assert_eq!(found.severity, Severity::High);
    let provider = found.provider.as_ref().unwrap();
    for part in [
        "buckets: it may not ask",
        "tables in eu-west-1: it may not ask",
        "volumes in eu-west-1",
        "what its policies allow",
    ] {
        assert!(
            provider.unknown.iter().any(|u| u.contains(part)),
            "{part}: {:#?}",
            provider.unknown
        );
    }
    assert!(
        found.sentence.contains("was not answered"),
        "{}",
        found.sentence
    );
    assert!(provider.stores.iter().all(|s| s.destroyed == Can::Unknown));
}

/// moto checks the signature: another secret is refused, and that is said.
#[test]
fn a_dead_key_is_said_to_be_one() {
    let account = Account::start();
    let (id, secret) = account.user(EVERYTHING);
    let wrong: String = secret.chars().rev().collect();
    let asked = account.ask(&(id, wrong));
    let found = asked.one("aws.access-key");
    assert!(
        matches!(&found.probed, Probed::Failed { why } if why.contains("does not take it")),
        "{:?}",
        found.probed
    );
    assert_eq!(
        account.front.requests().len(),
        1,
        "nothing more is asked with a key that is none"
    );
}

/// Temporary credentials go with their session's token, or not at all.
#[test]
fn a_session_is_asked_with_its_token() {
    let front = AnsweringDouble::start(|request| {
        let text = request.text();
        if text.contains("GetCallerIdentity") {
            return Ok(reply(200, &[], "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/Ops/me</Arn><UserId>x</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"));
        }
        if text.contains("GetRole&") {
            return Ok(reply(200, &[], "<GetRoleResponse><GetRoleResult><Role><Arn>arn:aws:iam::123456789012:role/teams/Ops</Arn></Role></GetRoleResult></GetRoleResponse>"));
        }
        if text.contains("SimulatePrincipalPolicy") {
            // The role's own path is in what is simulated.
            assert!(text.contains("role%2Fteams%2FOps"), "{text}");
            return Ok(simulated(request, |_, _| "allowed"));
        }
        Ok(denied())
    })
    .unwrap();
    let id = super::support::token("ASIA", "Q3EGZ7TMLVX2KD5W");
    let secret = super::support::token("wJalrXUtn", "FEMI/K7MDENG/bPxRfiCYzQ8sT2uVwX");
    let session = super::support::token(
        "IQoJb3JpZ2luX2VjEJr",
        "aCXVzLWVhc3QtMSJHMEUCIQDx8s7d6f5g4h3j2k1",
    );
    let env = format!(
        "AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\nAWS_SESSION_TOKEN={session}\n"
    );
    let folder = planted(&[(".env", &env)]);
    let asked = ask(folder.path(), &[(Provider::Aws, &front.url())]);
    reads_only(&front.requests());
    assert!(
        front
            .requests()
            .iter()
            .all(|r| r.header("x-amz-security-token") == Some(&session))
    );
    for kind in ["aws.access-key", "aws.session"] {
        assert_eq!(asked.one(kind).severity, Severity::Critical, "{kind}");
    }
    let alone = planted(&[(
        ".env",
        &format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n"),
    )]);
    let asked = ask(alone.path(), &[(Provider::Aws, &front.url())]);
    assert!(asked.said.is_empty());
    assert!(
        matches!(&asked.one("aws.access-key").probed, Probed::Failed { why } if why.contains("session"))
    );
}
