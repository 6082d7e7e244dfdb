//! The HTTP gate before AWS, which is moto here: curl signs with the lease's placeholder, the gate with the real key.
//!
//! moto checks signatures where it is told to, and gets those for S3 wrong, boto3's own among them: S3 is asked without
//! that check, and its signatures are compared with botocore's in `tests/http/sigv4.rs`.

pub mod account;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use backstop_core::target::Environment;

use account::{Account, Agent};

fn upload(path: &Path) -> String {
    format!("@{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_through_however_they_are_called() -> Result<()> {
    let account = Account::open(Environment::Development, false, None).await?;
    let scopes = ["read", "create", "write", "delete"];
    let agent = account.lease(Environment::Development, &scopes).await?;
    let file = account.front.world.folder.path().join("file");
    std::fs::write(&file, "the text of it\n")?;
    // Paths and queries that have to be encoded to be signed, and a type that is signed with them.
    let object = account.url("/uploads/a%20folder/f%C3%BCr%20J%C3%BCrgen%2B1.txt");
    let (status, body) = account
        .ask(
            &agent,
            "s3",
            &[
                "-X",
                "PUT",
                "-H",
                "Content-Type: text/plain; charset=utf-8",
                "--data-binary",
                &upload(&file),
                &object,
            ],
        )
        .await?;
    assert_eq!(status, 200, "{body}");
    let (status, body) = account.ask(&agent, "s3", &[&object]).await?;
    assert_eq!((status, body.as_str()), (200, "the text of it\n"));
    let list = account.url("/uploads?list-type=2&prefix=a%20folder%2F");
    let (status, body) = account.ask(&agent, "s3", &[&list]).await?;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("Jürgen"), "{body}");
    assert_eq!(account.halted(&agent), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_signs_with_its_placeholder_the_gate_signs_with_the_key() -> Result<()> {
    let account = Account::open(Environment::Development, true, None).await?;
    let agent = account.lease(Environment::Development, &["read"]).await?;
    // The query protocol, and one that answers in JSON.
    let form = [
        "-d",
        "Action=GetCallerIdentity&Version=2011-06-15",
        &account.url("/"),
    ];
    let (status, body) = account.ask(&agent, "sts", &form).await?;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("user/gate"), "{body}");
    let tables = [
        "-H",
        "X-Amz-Target: DynamoDB_20120810.ListTables",
        "-H",
        "Content-Type: application/x-amz-json-1.0",
        "-d",
        "{}",
        &account.url("/"),
    ];
    let (status, body) = account.ask(&agent, "dynamodb", &tables).await?;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("TableNames"), "{body}");
    assert_eq!(account.halted(&agent), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destroys_at_aws_is_held_and_what_guards_backups_is_denied() -> Result<()> {
    let account = Account::open(Environment::Production, false, None).await?;
    let agent = account
        .lease(Environment::Production, &["read", "delete"])
        .await?;
    let (status, body) = account
        .ask(
            &agent,
            "s3",
            &["-X", "DELETE", &account.url("/uploads/all")],
        )
        .await?;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("<Verdict>hold</Verdict>"), "{body}");
    // Approved, the identical call passes once; its signature and its date are others by then.
    account.approve(&agent).await?;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (status, body) = account
        .ask(
            &agent,
            "s3",
            &["-X", "DELETE", &account.url("/uploads/all")],
        )
        .await?;
    assert_eq!(status, 204, "{body}");
    let versioning =
        "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    let (status, body) = account
        .ask(
            &agent,
            "s3",
            &[
                "-X",
                "PUT",
                "-d",
                versioning,
                "-H",
                "Content-Type: application/xml",
                &account.url("/uploads?versioning"),
            ],
        )
        .await?;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("<Verdict>deny</Verdict>"), "{body}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_halts_and_no_key_is_refused() -> Result<()> {
    let account = Account::open(Environment::Development, false, None).await?;
    let list = account.url("/uploads?list-type=2");
    let agent = account.lease(Environment::Development, &["read"]).await?;
    let (status, body) = account.ask_as(&agent, None, &[&list]).await?;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("unsigned"), "{body}");
    assert_eq!(account.halted(&agent), None);
    // Signed for one service, sent to another: what it would do is not clear.
    let (status, body) = account
        .ask(&agent, "rds", &["-X", "DELETE", &account.url("/uploads")])
        .await?;
    assert_eq!(status, 403, "{body}");
    let other = account.lease(Environment::Development, &["read"]).await?;
    for (signer, presigned) in [
        (
            "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            false,
        ),
        (format!("{}:{}", other.key, other.secret), false),
        ("AKIAIOSFODNN7EXAMPLE".to_owned(), true),
    ] {
        let agent = account.lease(Environment::Development, &["read"]).await?;
        let (status, body) = if presigned {
            let url = format!(
                "{list}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={signer}%2F20260424%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260424T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=6e8f6e8f6e8f6e8f6e8f6e8f6e8f6e8f6e8f6e8f6e8f6e8f6e8f6e8f6e8f6e8f"
            );
            account.ask_as(&agent, None, &[&url]).await?
        } else {
            account
                .ask_as(&agent, Some((&signer, "s3")), &[&list])
                .await?
        };
        assert_eq!(status, 403, "{signer}: {body}");
        assert!(account.halted(&agent).is_some(), "{signer}: {body}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_aws_refuses_stops_the_writes() -> Result<()> {
    let key = "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let account = Account::open(Environment::Development, true, Some(key)).await?;
    let agent = account.lease(Environment::Development, &["read"]).await?;
    let form = [
        "-d",
        "Action=GetCallerIdentity&Version=2011-06-15",
        &account.url("/"),
    ];
    let (status, body) = account.ask(&agent, "sts", &form).await?;
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("mismatch"), "{body}");
    let (_, reads) = account.halted(&agent).context("it goes on")?;
    assert!(reads);
    Ok(())
}

/// What a client showed of a held call leads to the hold that waits.
#[track_caller]
fn shows_the_link(account: &Account, agent: &Agent, shown: &str) -> Result<()> {
    let holds = account.front.holds(&agent.lease);
    let open = holds.iter().find(|record| record.state.is_open());
    let id = &open.context("nothing waits")?.hold.id;
    assert!(shown.starts_with("AccessDenied"), "{shown}");
    assert!(
        shown.contains(&format!("http://localhost:7480/holds/{id}")),
        "{shown}"
    );
    Ok(())
}

async fn conforms(name: &'static str) -> Result<()> {
    let account = Account::open(Environment::Staging, false, None).await?;
    account.moto.make_bucket("bucket", false)?;
    let scopes = ["read", "create", "write", "delete"];
    let agent = account.lease(Environment::Staging, &scopes).await?;
    let environment = account.environment(&agent);
    // Straight, without the proxy: moto lets everybody in here.
    let straight = environment
        .iter()
        .filter(|(name, _)| !name.to_ascii_lowercase().ends_with("_proxy"))
        .cloned()
        .collect();
    let straight = account.program(name, "ordinary", straight).await?;
    let through = account
        .program(name, "ordinary", environment.clone())
        .await?;
    assert_eq!(through, straight, "{name}");
    for line in ["small ", "large 3145728 ", "keys ", "identity "] {
        assert!(
            straight.lines().any(|l| l.starts_with(line)),
            "{name}: {line}: {straight}"
        );
    }
    assert_eq!(account.halted(&agent), None);
    let refused = account
        .program(name, "destroys", environment.clone())
        .await?;
    shows_the_link(&account, &agent, &refused)?;
    let refused = account.program(name, "stray", environment).await?;
    assert!(
        refused.contains("this lease is halted"),
        "{name}: {refused}"
    );
    assert!(account.halted(&agent).is_some(), "{name}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_conforms() -> Result<()> {
    conforms("boto3").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_conforms() -> Result<()> {
    conforms("aws-cli").await
}

const TABLE: &str = r#"{"TableName":"orders","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}"#;
const ITEM: &str = r#"{"TableName":"orders","Item":{"id":{"S":"1"}}}"#;

async fn dynamodb(account: &Account, operation: &str, body: &str) -> Result<String> {
    let target = format!("X-Amz-Target: DynamoDB_20120810.{operation}");
    let media = "Content-Type: application/x-amz-json-1.0";
    let url = account.url("/");
    let args = ["-H", target.as_str(), "-H", media, "-d", body, url.as_str()];
    account.straight("dynamodb", &args).await
}

async fn instances(account: &Account) -> Result<usize> {
    let form = "Action=DescribeInstances&Version=2016-11-15";
    let said = account
        .straight("ec2", &["-d", form, &account.url("/")])
        .await?;
    Ok(said.matches("<instanceId>").count())
}

/// A call that its client gives a new idempotency token each time: held, approved, done once, and held anew.
async fn passes_once(account: &Account, agent: &Agent, name: &'static str) -> Result<()> {
    let call = async || {
        let environment = account.environment(agent);
        account.program(name, "repeats", environment).await
    };
    let said = call().await?;
    assert_eq!(account.front.holds(&agent.lease).len(), 1, "{name}: {said}");
    shows_the_link(account, agent, &said)?;
    account.approve(agent).await?;
    let said = call().await?;
    assert_eq!(said.trim(), "done", "{name}");
    let said = call().await?;
    assert_eq!(account.front.holds(&agent.lease).len(), 2, "{name}: {said}");
    shows_the_link(account, agent, &said)?;
    assert_eq!(account.halted(agent), None, "{name}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_call_of_boto3_is_the_one_that_was_approved() -> Result<()> {
    let account = Account::open(Environment::Production, false, None).await?;
    dynamodb(&account, "CreateTable", TABLE).await?;
    dynamodb(&account, "PutItem", ITEM).await?;
    let agent = account.lease(Environment::Production, &["read"]).await?;
    passes_once(&account, &agent, "boto3").await?;
    let left = dynamodb(&account, "Scan", r#"{"TableName":"orders"}"#).await?;
    assert!(left.contains(r#""Count": 0"#), "{left}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_call_of_the_aws_cli_is_the_one_that_was_approved() -> Result<()> {
    let account = Account::open(Environment::Production, false, None).await?;
    let agent = account.lease(Environment::Production, &["read"]).await?;
    assert_eq!(instances(&account).await?, 0);
    passes_once(&account, &agent, "aws-cli").await?;
    assert_eq!(instances(&account).await?, 1);
    Ok(())
}
