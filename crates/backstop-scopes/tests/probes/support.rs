//! A folder with credentials, looked through and asked about as the command does; and the list of calls that may be
//! made, stated here once more and by hand, so that a mistake in the crate's own list is found.

use std::cell::RefCell;
use std::path::Path;

use backstop_scopes::find::Look;
use backstop_scopes::probe::{self, Hosts, Provider};
use backstop_scopes::report::{self, Answer, Answers, Ranked, groups};
use backstop_testing::doubles::RecordedRequest;
use tempfile::TempDir;

/// What came of asking.
pub struct Asked {
    pub findings: Vec<Ranked>,
    /// Every call as it was said, in order.
    pub said: Vec<String>,
}

impl Asked {
    pub fn one(&self, kind: &str) -> &Ranked {
        let mut all = self.findings.iter().filter(|f| f.kind == kind);
        let found = all
            .next()
            .unwrap_or_else(|| panic!("no {kind} among {:#?}", self.findings));
        assert!(all.next().is_none());
        found
    }
}

/// Files of a folder: names and what is in them.
pub fn planted(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Looks through a folder and asks.
pub fn ask(folder: &Path, at: &[(Provider, &str)]) -> Asked {
    let mut look = Look::new().unwrap();
    look.paths = vec![folder.to_path_buf()];
    look.history = false;
    let found = look.run().unwrap();
    let groups = groups(found.findings);
    let mut hosts = Hosts::default();
    for (provider, url) in at {
        hosts.put(*provider, url).unwrap();
    }
    let (ways, not) = probe::plan(&groups);
    let said = RefCell::new(vec![]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tell = |call: &str| said.borrow_mut().push(call.to_owned());
    let answered = runtime.block_on(probe::ask(ways, &hosts, &tell));
    let mut answers = Answers::new();
    for (n, answer) in not.into_iter().chain(answered) {
        answers.insert(n, answer.map(|learnt| Answer::Provider(Box::new(learnt))));
    }
    let report = report::report(None, groups, answers, found.looked, |_| None);
    Asked {
        findings: report.findings,
        said: said.into_inner(),
    }
}

/// Fails on any request that is not known to only read.
pub fn reads_only(requests: &[RecordedRequest]) {
    assert!(!requests.is_empty(), "nothing was asked");
    for request in requests {
        assert!(
            reads(request),
            "{} {} {}",
            request.method,
            request.path,
            request.text()
        );
    }
}

fn reads(request: &RecordedRequest) -> bool {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let names: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split('=').next().unwrap())
        .collect();
    let only = |allowed: &[&str]| names.iter().all(|name| allowed.contains(name));
    match (request.method.as_str(), path) {
        ("GET", _) if !request.body.is_empty() => false,
        // S3: the list of buckets, and two settings of one.
        ("GET", "/") => only(&["max-buckets", "continuation-token"]),
        ("GET", path) if path.starts_with("/backup-vaults/") => {
            let parts = path.trim_end_matches('/').split('/').count();
            only(&["nextToken"]) && (parts == 2 || path.ends_with("/recovery-points/"))
        }
        ("GET", "/user") => names.is_empty(),
        ("GET", "/user/repos") => only(&["per_page", "page"]),
        (
            "GET",
            "/api/v1/namespaces"
            | "/api/v1/persistentvolumeclaims"
            | "/api/v1/persistentvolumes"
            | "/apis/snapshot.storage.k8s.io/v1/volumesnapshots",
        ) => only(&["limit"]),
        ("GET", path) if path.matches('/').count() == 1 => {
            names == ["versioning"] || names == ["object-lock"]
        }
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews") => {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            body["kind"] == "SelfSubjectRulesReview"
                && body.as_object().unwrap().len() == 3
                && body["spec"].as_object().unwrap().len() == 1
        }
        ("POST", "/graphql/v2") => {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let text = body["query"].as_str().unwrap();
            text.starts_with("query ")
                && !text.contains("mutation")
                && !text.contains("subscription")
        }
        ("POST", "/") if query.is_empty() => match request.header("x-amz-target") {
            Some(target) => [
                "DynamoDB_20120810.ListTables",
                "DynamoDB_20120810.DescribeTable",
                "DynamoDB_20120810.DescribeContinuousBackups",
            ]
            .contains(&target),
            None => {
                let text = request.text();
                let actions: Vec<&str> = text
                    .split('&')
                    .filter_map(|pair| pair.strip_prefix("Action="))
                    .collect();
                let allowed = [
                    "GetCallerIdentity",
                    "GetRole",
                    "SimulatePrincipalPolicy",
                    "DescribeDBInstances",
                    "DescribeDBClusters",
                    "DescribeDBSnapshots",
                    "DescribeDBClusterSnapshots",
                    "DescribeDBInstanceAutomatedBackups",
                    "DescribeVolumes",
                    "DescribeSnapshots",
                ];
                actions.len() == 1 && actions.iter().all(|action| allowed.contains(action))
            }
        },
        _ => false,
    }
}

/// A token that no scanner takes for a live one: put together at run time.
pub fn token(prefix: &str, rest: &str) -> String {
    [prefix, rest].concat()
}
