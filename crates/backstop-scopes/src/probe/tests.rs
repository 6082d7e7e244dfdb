use super::call::Call;
use super::region::Region;
use super::*;

/// One of every call, so that a new one cannot be forgotten here: the match has no wildcard.
fn every_call() -> Vec<Call> {
    let region = Region::first();
    let name = "n".to_owned();
    let marker = None;
    vec![
        Call::StsIdentity {
            region: region.clone(),
        },
        Call::IamRole { name: name.clone() },
        Call::IamSimulate {
            principal: name.clone(),
            actions: &["s3:DeleteBucket"],
            resources: vec![],
            marker: marker.clone(),
        },
        Call::RdsInstances {
            region: region.clone(),
            marker: marker.clone(),
        },
        Call::RdsClusters {
            region: region.clone(),
            marker: marker.clone(),
        },
        Call::RdsSnapshots {
            region: region.clone(),
            marker: marker.clone(),
        },
        Call::RdsClusterSnapshots {
            region: region.clone(),
            marker: marker.clone(),
        },
        Call::RdsAutomatedBackups {
            region: region.clone(),
            marker: marker.clone(),
        },
        Call::S3Buckets {
            region: region.clone(),
            token: marker.clone(),
        },
        Call::S3Versioning {
            region: region.clone(),
            bucket: name.clone(),
        },
        Call::S3ObjectLock {
            region: region.clone(),
            bucket: name.clone(),
        },
        Call::BackupVaults {
            region: region.clone(),
            token: marker.clone(),
        },
        Call::BackupPoints {
            region: region.clone(),
            vault: name.clone(),
            token: marker.clone(),
        },
        Call::Ec2Volumes {
            region: region.clone(),
            token: marker.clone(),
        },
        Call::Ec2Snapshots {
            region: region.clone(),
            token: marker.clone(),
        },
        Call::DynamoTables {
            region: region.clone(),
            after: marker.clone(),
        },
        Call::DynamoTable {
            region: region.clone(),
            table: name.clone(),
        },
        Call::DynamoContinuous {
            region,
            table: name.clone(),
        },
        Call::GithubUser,
        Call::GithubRepositories { page: 1 },
        Call::KubeRules {
            namespace: name.clone(),
        },
        Call::KubeNamespaces,
        Call::KubeClaims,
        Call::KubeVolumes,
        Call::KubeSnapshots,
        Call::RailwayProjectToken,
        Call::RailwayMe,
        Call::RailwayProjects { after: None },
        Call::RailwayProject { id: name.clone() },
        Call::RailwayEnvironment { id: name.clone() },
        Call::RailwayBackups { volume: name },
    ]
}

#[test]
fn every_call_is_on_the_list_and_the_list_has_no_other() {
    let calls = every_call();
    assert_eq!(calls.len(), LIST.len());
    for (call, listed) in calls.iter().zip(LIST) {
        assert_eq!(call.listed(), Some(listed));
        let plain = call.plain();
        assert_eq!(plain.method, listed.method, "{}", listed.name);
        let reads = ["Describe", "List", "Get", "Simulate"];
        if let Some((_, action)) = plain.body.split_once("Action=") {
            assert!(
                reads.iter().any(|verb| action.starts_with(verb)),
                "{action}"
            );
        }
        if listed.provider == "railway" {
            let body: serde_json::Value = serde_json::from_str(&plain.body).unwrap();
            assert!(body["query"].as_str().unwrap().starts_with("query "));
        }
    }
}

/// Nothing in the crate but the wire knows how to send.
#[test]
fn one_place_sends() {
    fn search(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                search(&path, found);
            } else if path.file_name().unwrap() != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                if ["Endpoint", "TcpStream", "hyper", "::connect("]
                    .iter()
                    .any(|word| text.contains(word))
                {
                    found.push(path.file_name().unwrap().to_string_lossy().into_owned());
                }
            }
        }
    }
    let mut found = vec![];
    search(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe"),
        &mut found,
    );
    assert_eq!(found, ["wire.rs"]);
}

#[test]
fn another_host_is_only_this_machine() {
    let mut hosts = Hosts::default();
    hosts.put(Provider::Aws, "http://127.0.0.1:5000").unwrap();
    for bad in [
        "https://evil.example",
        "http://localhost:5000",
        "http://127.0.0.1.evil.example:1",
        "http://127.0.0.1:1@evil.example",
        "http://user@127.0.0.1:1",
        "http://10.0.0.1:1",
        "ftp://127.0.0.1",
        "127.0.0.1:5000",
        "",
    ] {
        assert!(hosts.put(Provider::Aws, bad).is_err(), "{bad}");
    }
}
