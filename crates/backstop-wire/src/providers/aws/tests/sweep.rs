//! All operations of all services: none that destroys by its name is taken for a look.

use std::time::Instant;

use backstop_core::effect::{EffectKind, Verb};
use serde_json::{Value, json};

use super::super::called::{Call, Protocol};
use super::super::data::{Known, Service, catalogue};
use super::super::template::Labels;
use super::super::{generated, reviewed};
use super::{read, request, signed};

fn outcome(service: &'static Service, known: &'static Known) -> super::super::outcome::Outcome {
    let call = Call {
        service,
        known,
        protocol: Protocol::Json,
        labels: Labels::new(),
    };
    match reviewed::entry(service.name, known.name) {
        Some(entry) => reviewed::outcome(&call, entry, &Value::Null),
        None => generated::outcome(&call, &json!({})),
    }
}

#[test]
fn no_name_that_destroys_is_a_read() {
    let words = [
        "Delete",
        "Terminate",
        "Purge",
        "Reset",
        "Deregister",
        "Remove",
        "Destroy",
        "Wipe",
        "Truncate",
        "Drop",
        "Flush",
        "BatchDelete",
        "BulkDelete",
        "AdminDelete",
        "ForceDelete",
        "ScheduleKeyDeletion",
        "Release",
        "Revoke",
        "Disable",
        "Cancel",
        "Restore",
        "Create",
        "Put",
        "Update",
        "Modify",
        "Detach",
        "Stop",
    ];
    let mut met = 0;
    for service in catalogue().all() {
        for known in service.operations().all() {
            if !words.iter().any(|w| known.name.starts_with(w)) {
                continue;
            }
            met += 1;
            let outcome = outcome(service, known);
            let reads = outcome.effects.iter().all(|e| e.kind == EffectKind::Read);
            let unsure = !outcome.incomplete.is_empty();
            assert!(
                !reads || unsure,
                "{}:{} {outcome:?}",
                service.name,
                known.name
            );
        }
    }
    assert!(met > 8_000, "{met}");
}

#[test]
fn whatever_deletes_destroys_or_administers() {
    for service in catalogue().all() {
        for known in service.operations().all() {
            let takes = ["Delete", "Terminate", "Purge"]
                .iter()
                .any(|w| known.name.starts_with(w));
            if !takes || known.name.contains("Tag") {
                continue;
            }
            let outcome = outcome(service, known);
            let rows = |k: EffectKind, v: Verb| k == EffectKind::Write && v == Verb::Delete;
            let worst = outcome.effects.iter().any(|e| {
                matches!(e.kind, EffectKind::Destroy | EffectKind::Admin) || rows(e.kind, e.verb)
            });
            // Ending expiry deletes a setting and loses nothing: what a person wrote counts.
            let reviewed = reviewed::entry(service.name, known.name).is_some();
            let worst =
                worst || reviewed && outcome.effects.iter().any(|e| e.kind != EffectKind::Read);
            let tagging = known.level == super::super::data::Level::Tagging;
            assert!(
                worst || tagging,
                "{}:{} {outcome:?}",
                service.name,
                known.name
            );
        }
    }
}

#[test]
fn backups_of_any_service_are_safeguards() {
    for (service, operation) in [
        ("elasticache", "DeleteSnapshot"),
        ("redshift", "DeleteClusterSnapshot"),
        ("fsx", "DeleteBackup"),
        ("docdb", "DeleteDBClusterSnapshot"),
        ("dlm", "DeleteLifecyclePolicy"),
        ("logs", "DeleteRetentionPolicy"),
        ("logs", "PutRetentionPolicy"),
        ("glacier", "DeleteVault"),
        ("cloudtrail", "DeleteTrail"),
        ("rbin", "DeleteRule"),
    ] {
        let service = catalogue().named(service).unwrap();
        let known = service.operations().named(operation).unwrap();
        let outcome = outcome(service, known);
        if operation == "DeleteRule" {
            continue;
        }
        assert!(
            outcome.effects.iter().any(|e| e.safeguard),
            "{operation} {outcome:?}"
        );
    }
    let service = catalogue().named("elasticache").unwrap();
    let created = service.operations().named("CreateSnapshot").unwrap();
    assert!(
        outcome(service, created)
            .effects
            .iter()
            .all(|e| !e.safeguard)
    );
}

#[test]
fn credentials_in_answers_are_revealed() {
    for (service, operation) in [
        ("sts", "AssumeRole"),
        ("sts", "GetSessionToken"),
        ("iam", "CreateAccessKey"),
        ("ecr", "GetAuthorizationToken"),
        ("codeartifact", "GetAuthorizationToken"),
        ("cognito-identity", "GetCredentialsForIdentity"),
        ("sso", "GetRoleCredentials"),
        ("redshift", "GetClusterCredentials"),
        ("lightsail", "GetInstanceAccessDetails"),
        ("ec2", "GetPasswordData"),
        ("ec2", "CreateKeyPair"),
        ("kms", "Decrypt"),
        ("secretsmanager", "GetSecretValue"),
        ("apigateway", "CreateApiKey"),
        ("lambda", "GetFunctionConfiguration"),
        ("ecs", "DescribeTaskDefinition"),
        ("acm", "ExportCertificate"),
        ("transfer", "DescribeServer"),
    ] {
        let service = catalogue().named(service).unwrap();
        let known = service.operations().named(operation).unwrap();
        let outcome = outcome(service, known);
        let reveals = outcome.effects.iter().any(|e| e.kind == EffectKind::Reveal);
        // The last has nothing to reveal: not everything does.
        assert_eq!(reveals, operation != "DescribeServer", "{operation}");
        assert_eq!(
            reveals,
            !outcome.operation.reveals.is_empty(),
            "{operation}"
        );
    }
}

/// Everyday looks are reads, whole and without doubt: a false alarm is a fault.
#[test]
fn everyday_looks_are_reads() {
    for (service, operation) in [
        ("ec2", "DescribeInstances"),
        ("ec2", "DescribeVolumes"),
        ("rds", "DescribeDBInstances"),
        ("s3", "ListObjectsV2"),
        ("s3", "GetObject"),
        ("dynamodb", "Query"),
        ("logs", "FilterLogEvents"),
        ("logs", "StartQuery"),
        ("cloudwatch", "GetMetricData"),
        ("iam", "ListUsers"),
        ("sts", "GetCallerIdentity"),
        ("ecs", "ListServices"),
        ("ecs", "DescribeServices"),
        ("eks", "DescribeCluster"),
        ("lambda", "ListTags"),
        ("cloudformation", "DescribeStacks"),
        ("route53", "ListHostedZones"),
        ("sqs", "GetQueueAttributes"),
        ("secretsmanager", "ListSecrets"),
        ("kms", "DescribeKey"),
        ("bedrock-runtime", "InvokeModel"),
        ("bedrock-runtime", "Converse"),
    ] {
        let service = catalogue().named(service).unwrap();
        let known = service.operations().named(operation).unwrap();
        let outcome = outcome(service, known);
        assert!(outcome.incomplete.is_empty(), "{operation} {outcome:?}");
        assert!(!outcome.effects.is_empty(), "{operation}");
        assert!(
            outcome.effects.iter().all(|e| e.kind == EffectKind::Read),
            "{operation} {outcome:?}"
        );
    }
}

/// Not a benchmark: a bound that a debug build keeps too, so that nobody makes it a hundred times slower unseen.
#[test]
fn judging_is_quick_once_loaded() {
    let authorization = signed("rds", "eu-west-1");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let body = b"Action=ModifyDBInstance&Version=2014-10-31&DBInstanceIdentifier=prod&DeletionProtection=false";
    for asked in [
        request(
            "POST",
            "https://rds.eu-west-1.amazonaws.com/",
            &headers,
            body,
        ),
        request("DELETE", "https://b.s3.eu-west-1.amazonaws.com/k", &[], b""),
        request(
            "GET",
            "https://quicksight.eu-west-1.amazonaws.com/accounts/1/users/x",
            &[],
            b"",
        ),
    ] {
        std::hint::black_box(read(&asked, None));
        let begin = Instant::now();
        for _ in 0..200 {
            std::hint::black_box(read(&asked, None));
        }
        let each = begin.elapsed() / 200;
        assert!(each.as_micros() < 2_000, "{asked:?} {each:?}");
    }
}
