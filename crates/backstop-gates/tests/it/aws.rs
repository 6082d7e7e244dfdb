//! The HTTP gate before AWS, which is moto here: curl signs with the lease's placeholder, the gate with the real key.
//!
//! moto checks signatures where it is told to, and gets those for S3 wrong, boto3's own among them: S3 is asked without
//! that check, and its signatures are compared with botocore's in `tests/http/sigv4.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use backstop_core::approval::Answer;
use backstop_core::lease::LeaseState;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_gates::http::gate::config::{Api, Placing};
use backstop_gates::http::gate::{Reachable, environment, placeholder_at, placeholder_key};
use backstop_gates::http::{Reach, Site, Target, TargetSetting, machine_roots};
use backstop_testing::clients;
use backstop_testing::doubles::S3Double;
use backstop_wire::http::Scheme;

use crate::front::{self, Front, Making};

const PACK: &str = "aws/*";

struct Account {
    front: Front,
    moto: S3Double,
    secret: String,
}

struct Agent {
    lease: String,
    proxy: String,
    key: String,
    secret: String,
}

impl Account {
    /// Strict where it checks signatures; `key` is sealed in place of the one that it knows.
    async fn open(environment: Environment, strict: bool, key: Option<&str>) -> Result<Self> {
        let (moto, id, secret) = tokio::task::spawn_blocking(move || {
            if strict {
                return S3Double::strict();
            }
            let moto = S3Double::start()?;
            moto.make_bucket("uploads", false)?;
            Ok((moto, "AKIAIOSFODNN7REAL000".to_owned(), "r".repeat(40)))
        })
        .await??;
        let setting = TargetSetting {
            reach: Reach::Private,
            ..TargetSetting::default()
        };
        let site = moto.url().trim_start_matches("http://").to_owned();
        let sealed = key.map_or_else(|| format!("{id}:{secret}"), ToOwned::to_owned);
        let api = Api {
            name: "account".into(),
            environment,
            scheme: Scheme::Http,
            site: Site::parse(&site, None)?,
            base: "/".into(),
            hosts: vec![],
            pack: Some(PACK.into()),
            placing: Placing::Aws,
            secret: Some(Secret::new(sealed)),
            target: Arc::new(Target::new("account", &machine_roots(), &setting)?),
            everyone: false,
            reverse: None,
            own: None,
            lives: BTreeMap::new(),
        };
        let reachable = Reachable {
            apis: vec![Arc::new(api)],
            allow: vec![],
            public: Arc::new(front::public()?),
        };
        Ok(Self {
            front: Making::default().before(reachable).await?,
            moto,
            secret,
        })
    }

    async fn lease(&self, environment: Environment, scopes: &[&str]) -> Result<Agent> {
        let granted = self
            .front
            .grant(&[("account", environment, scopes)])
            .await?;
        let (lease, key) = (granted.lease, self.front.world.store.key());
        Ok(Agent {
            proxy: granted.proxy,
            key: placeholder_at(key, &lease, "account", Some(PACK), "127.0.0.1"),
            secret: placeholder_key(key, &lease, "account"),
            lease,
        })
    }

    /// Signs as curl does, with the agent's placeholder.
    async fn ask(&self, agent: &Agent, service: &str, args: &[&str]) -> Result<(u16, String)> {
        let user = format!("{}:{}", agent.key, agent.secret);
        self.ask_as(agent, Some((&user, service)), args).await
    }

    async fn ask_as(
        &self,
        agent: &Agent,
        signer: Option<(&str, &str)>,
        args: &[&str],
    ) -> Result<(u16, String)> {
        let mut curl = tokio::process::Command::new("curl");
        curl.env_clear().env("http_proxy", &agent.proxy);
        curl.args(["-sS", "-m", "30", "-w", "\n%{http_code}"]);
        if let Some((user, service)) = signer {
            let for_what = format!("aws:amz:us-east-1:{service}");
            curl.args(["--aws-sigv4", &for_what, "--user", user]);
        }
        let output = curl.args(args).stdin(Stdio::null()).output().await?;
        let text = String::from_utf8(output.stdout)?;
        let (body, status) = text.rsplit_once('\n').context("no status")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(status != "000", "{told}");
        ensure!(!body.contains(&self.secret), "the key came back");
        Ok((status.parse()?, body.to_owned()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.moto.url())
    }

    fn halted(&self, agent: &Agent) -> Option<(String, bool)> {
        match self.front.world.store.lease(&agent.lease)?.state {
            LeaseState::Halted { why, reads, .. } => Some((why, reads)),
            _ => None,
        }
    }
}

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
    assert!(body.contains("\"verdict\":\"hold\""), "{body}");
    // Approved, the identical call passes once; its signature and its date are others by then.
    let id = account
        .front
        .world
        .store
        .state()
        .holds
        .iter()
        .find(|(_, record)| record.hold.target.as_deref() == Some("account"))
        .map(|(id, _)| id.clone())
        .context("no hold")?;
    account.front.world.decide(&id, Answer::Approve, "").await?;
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
    assert!(body.contains("\"verdict\":\"deny\""), "{body}");
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

impl Account {
    /// What an agent's program finds in its environment.
    fn environment(&self, agent: &Agent) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut all = environment(&agent.proxy, &self.front.ca.display().to_string());
        all.extend([
            pair("AWS_ACCESS_KEY_ID", &agent.key),
            pair("AWS_SECRET_ACCESS_KEY", &agent.secret),
            pair("AWS_DEFAULT_REGION", "us-east-1"),
            pair("AWS_EC2_METADATA_DISABLED", "true"),
            pair("AWS_ENDPOINT_URL", &self.moto.url()),
            pair("STRAY_ID", "AKIAIOSFODNN7EXAMPLE"),
            pair("STRAY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ]);
        all
    }

    async fn program(
        &self,
        name: &'static str,
        mode: &'static str,
        with: Vec<(String, String)>,
    ) -> Result<String> {
        tokio::task::spawn_blocking(move || clients::over_http(name, mode, &with)).await?
    }
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
    assert!(refused.starts_with("403"), "{name}: {refused}");
    assert_eq!(account.front.holds(&agent.lease).len(), 1, "{name}");
    let refused = account.program(name, "stray", environment).await?;
    assert!(refused.starts_with("403"), "{name}: {refused}");
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
