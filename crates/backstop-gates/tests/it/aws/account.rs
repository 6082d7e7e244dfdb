//! An account of AWS behind the gate: moto in its place, and leases whose clients sign with a placeholder.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use backstop_core::approval::Answer;
use backstop_core::lease::LeaseState;
use backstop_core::target::Environment;
use backstop_gates::http::gate::config::{Api, Placing};
use backstop_gates::http::gate::{Reachable, environment, placeholder_at, placeholder_key};
use backstop_testing::clients;
use backstop_testing::doubles::S3Double;

use crate::front::{self, Front, Making};

const PACK: &str = "aws/*";
const ID: &str = "AKIAIOSFODNN7REAL000";

/// The account.
pub struct Account {
    pub front: Front,
    pub moto: S3Double,
    id: String,
    secret: String,
}

/// A lease, and what its agent holds.
pub struct Agent {
    pub lease: String,
    pub proxy: String,
    pub key: String,
    pub secret: String,
}

impl Account {
    /// Strict where it checks signatures; `key` is sealed in place of the one that it knows.
    pub async fn open(environment: Environment, strict: bool, key: Option<&str>) -> Result<Self> {
        let (moto, id, secret) = tokio::task::spawn_blocking(move || {
            if strict {
                return S3Double::strict();
            }
            let moto = S3Double::start()?;
            moto.make_bucket("uploads", false)?;
            Ok((moto, ID.to_owned(), "r".repeat(40)))
        })
        .await??;
        let site = moto.url().trim_start_matches("http://").to_owned();
        let sealed = key.map_or_else(|| format!("{id}:{secret}"), ToOwned::to_owned);
        let api = Api {
            environment,
            pack: Some(PACK.into()),
            placing: Placing::Aws,
            ..front::api("account", &site, &sealed, None)?
        };
        let reachable = Reachable {
            apis: vec![Arc::new(api)],
            allow: vec![],
            public: Arc::new(front::public()?),
        };
        Ok(Self {
            front: Making::default().before(reachable).await?,
            moto,
            id,
            secret,
        })
    }

    pub async fn lease(&self, environment: Environment, scopes: &[&str]) -> Result<Agent> {
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
    pub async fn ask(&self, agent: &Agent, service: &str, args: &[&str]) -> Result<(u16, String)> {
        let user = format!("{}:{}", agent.key, agent.secret);
        self.ask_as(agent, Some((&user, service)), args).await
    }

    pub async fn ask_as(
        &self,
        agent: &Agent,
        signer: Option<(&str, &str)>,
        args: &[&str],
    ) -> Result<(u16, String)> {
        let (status, body) = curl(Some(&agent.proxy), signer, args).await?;
        ensure!(!body.contains(&self.secret), "the key came back");
        Ok((status, body))
    }

    /// With the account's own key and nobody between.
    pub async fn straight(&self, service: &str, args: &[&str]) -> Result<String> {
        let user = format!("{}:{}", self.id, self.secret);
        let (status, body) = curl(None, Some((&user, service)), args).await?;
        ensure!(status == 200, "{args:?}: {status} {body}");
        Ok(body)
    }

    /// Approves what the agent waits for.
    pub async fn approve(&self, agent: &Agent) -> Result<()> {
        let holds = self.front.holds(&agent.lease);
        let open = holds.iter().find(|record| record.state.is_open());
        let id = &open.context("nothing waits")?.hold.id;
        self.front.world.decide(id, Answer::Approve, "").await?;
        Ok(())
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.moto.url())
    }

    pub fn halted(&self, agent: &Agent) -> Option<(String, bool)> {
        match self.front.world.store.lease(&agent.lease)?.state {
            LeaseState::Halted { why, reads, .. } => Some((why, reads)),
            _ => None,
        }
    }

    /// What an agent's program finds in its environment.
    pub fn environment(&self, agent: &Agent) -> Vec<(String, String)> {
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

    /// Runs a program of `scripts/clients` in one of its modes.
    pub async fn program(
        &self,
        name: &'static str,
        mode: &'static str,
        with: Vec<(String, String)>,
    ) -> Result<String> {
        tokio::task::spawn_blocking(move || clients::over_http(name, mode, &with)).await?
    }
}

/// Status and body. `signer` is a key, id and secret, and the service that it signs for.
async fn curl(
    proxy: Option<&str>,
    signer: Option<(&str, &str)>,
    args: &[&str],
) -> Result<(u16, String)> {
    let mut curl = tokio::process::Command::new("curl");
    curl.env_clear();
    curl.envs(proxy.map(|proxy| ("http_proxy", proxy)));
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
    Ok((status.parse()?, body.to_owned()))
}
