//! The HTTP gate before AWS, which is moto here: curl signs with the lease's placeholder, the gate with the real key.
//!
//! moto checks signatures where it is told to, and gets those for S3 wrong, boto3's own among them: S3 is asked without
//! that check, and its signatures are compared with botocore's in `tests/http/sigv4.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use backstop_core::lease::{Also, LeaseSpec, LeaseState};
use backstop_core::policy::Policy;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_gates::http::gate::config::{Api, HttpConfig, Placing};
use backstop_gates::http::gate::explain::Silent;
use backstop_gates::http::gate::{HttpShared, Reachable, placeholder_at, placeholder_key};
use backstop_gates::http::{
    Authority, Leaves, Limits, Listener, Mode, Proxy, Reach, Site, System, Target, TargetSetting,
    machine_roots,
};
use backstop_gates::postgres::TrafficLog;
use backstop_testing::doubles::S3Double;
use backstop_wire::http::Scheme;

use crate::world::World;

const PACK: &str = "aws/*";

struct Account {
    world: World,
    moto: S3Double,
    secret: String,
    proxy: Proxy,
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
        let (moto, id, secret) = tokio::task::spawn_blocking(move || match strict {
            true => S3Double::strict(),
            false => {
                let moto = S3Double::start()?;
                moto.make_bucket("uploads", false)?;
                Ok((moto, "AKIAIOSFODNN7REAL000".to_owned(), "r".repeat(40)))
            }
        })
        .await??;
        let world = World::new("").await?;
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
            lives: BTreeMap::new(),
        };
        let public = Target::new("elsewhere", &machine_roots(), &TargetSetting::default())?;
        let log = TrafficLog::new(Arc::clone(&world.traffic), world.store.key().clone());
        let shared = HttpShared::new(
            HttpConfig {
                judged: 1 << 20,
                pause: Duration::from_millis(200),
                console_url: "http://localhost:7480".into(),
                denials_before_halt: 50,
                kept: world.folder.path().join("revealed"),
                explain: Arc::new(Silent),
            },
            Reachable {
                apis: vec![Arc::new(api)],
                allow: vec![],
                public: Arc::new(public),
            },
            world.store.clone(),
            Arc::new(log),
            Arc::new(Policy::with("")?),
        );
        let proxy = Proxy::start(
            vec![Listener {
                name: "proxy".into(),
                address: "127.0.0.1:0".parse()?,
                mode: Mode::Forward,
                tls: None,
            }],
            Limits::default(),
            Arc::new(Leaves::new(Authority::generate(
                "test",
                &[],
                SystemTime::now(),
            )?)?),
            Arc::new(System),
            Arc::new(shared.map_err(anyhow::Error::msg)?),
        )
        .await?;
        Ok(Self {
            world,
            moto,
            secret,
            proxy,
        })
    }

    async fn lease(&self, environment: Environment, scopes: &[&str]) -> Result<Agent> {
        let spec = LeaseSpec {
            target: "prod".into(),
            environment: Environment::Production,
            task: "sort the uploads".into(),
            ttl_seconds: 600,
            scopes: vec!["read".parse().unwrap()],
            also: vec![Also {
                target: "account".into(),
                environment,
                scopes: scopes.iter().map(|s| s.parse().unwrap()).collect(),
            }],
            parent: None,
        };
        let hold = self.world.ask(Ask::GrantLease { spec }).await?;
        self.world.decide(&hold, Answer::Approve, "").await?;
        let store = self.world.store.clone();
        let verifier = move |secret: &str| {
            backstop_gates::postgres::lease_verifier(&store, secret)
                .ok_or_else(|| "no verifier".to_owned())
        };
        let granted = self.world.store.grant_lease(&hold, verifier).await?;
        let (lease, key) = (granted.lease.id, self.world.store.key());
        let address = self.proxy.local_addrs()[0];
        Ok(Agent {
            proxy: format!("http://{lease}:{}@{address}", granted.secret.reveal()),
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
        match self.world.store.lease(&agent.lease)?.state {
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
    let file = account.world.folder.path().join("file");
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
        .world
        .store
        .state()
        .holds
        .iter()
        .find(|(_, record)| record.hold.target.as_deref() == Some("account"))
        .map(|(id, _)| id.clone())
        .context("no hold")?;
    account.world.decide(&id, Answer::Approve, "").await?;
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
