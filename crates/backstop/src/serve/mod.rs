//! What `backstop serve` runs: store, journals, gate, console and control socket, put together.

mod answer;
mod assemble;
mod changes;
mod cosign;
mod deletions;
mod explain;
mod grant;
mod held;
mod http;
mod notices;
mod notifier;
mod points;
mod ready;
mod reload;
mod retention;
mod run;
mod standing;
mod timeline;

use std::net::SocketAddr;
use std::sync::Arc;

use backstop_core::rehearsal::Rehearsal;
use backstop_gates::postgres::Gate;
use backstop_journal::Journal;
use backstop_store::Store;
use serde::Serialize;

use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::home::{Authority, Home};

pub use answer::{entry_of, rows_of};
pub use assemble::{connect_with, two_environments, upstream, vault as vault_client};
pub use cosign::CosignStanding;
pub(crate) use http::{api, unfit};
pub(crate) use notices::free_bytes;
pub(crate) use notifier::channels;
pub(crate) use points::DRILL_REPORT;
pub use points::PointsStanding;
pub(crate) use ready::notify as notify_systemd;
pub use retention::pruned_before;
pub use run::{Opened, Run, console, console_listener, open, run};
pub use standing::{RECOVERABLE, Standing, TargetStanding};

/// Everything that serves. The control socket answers from it.
pub struct Service {
    home: Home,
    config: tokio::sync::watch::Sender<Arc<Config>>,
    /// Keys that were changed and wait for the next start.
    pending: tokio::sync::watch::Sender<Vec<String>>,
    store: Store,
    control: Arc<Journal>,
    traffic: Arc<Journal>,
    /// None once it is stopping.
    gate: tokio::sync::RwLock<Option<Gate>>,
    addresses: Vec<SocketAddr>,
    /// The HTTP gate, where there is one; none once it is stopping.
    http: tokio::sync::RwLock<Option<http::HttpGate>>,
    http_address: Option<SocketAddr>,
    key: backstop_store::SealKey,
    since_ms: i64,
    /// Held while a changed configuration is taken up.
    reloading: tokio::sync::Mutex<()>,
    /// Held while the report of a drill is judged and written down.
    drilling: tokio::sync::Mutex<()>,
    /// Held while a target is asked what a lease's role could do: one at a time, for it is work for the target.
    looking: tokio::sync::Mutex<()>,
    /// The vault, where there is one.
    vault: Option<backstop_vault::client::Client>,
    /// How far the vault has cosigned the logs.
    cosigned: cosign::Cosigning,
}

impl Service {
    /// The configuration as of the last reload.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    fn log(&self, name: &str) -> Outcome<&Arc<Journal>> {
        match name {
            "control" => Ok(&self.control),
            "traffic" => Ok(&self.traffic),
            other => Err(Failure::usage(format!("there is no log `{other}`"))
                .hint("the logs are control and traffic")),
        }
    }
}

/// A lease as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct LeaseRow {
    /// The lease.
    pub lease: String,
    /// `active`, `expired`, `halted` or `ended`.
    pub state: String,
    /// Why, when it is halted or ended.
    pub why: Option<String>,
    /// The target.
    pub target: String,
    /// The target's environment.
    pub environment: String,
    /// Why the agent has access.
    pub task: String,
    /// What it may do at its target.
    pub scopes: Vec<String>,
    /// What it may do at others, as in `railway (production): read:*.*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// The lease it was narrowed from.
    pub parent: Option<String>,
    /// Who answers for it.
    pub person: String,
    /// Unix time in milliseconds.
    pub created_ms: i64,
    /// Unix time in milliseconds.
    pub expires_ms: i64,
}

/// A hold as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct HoldRow {
    /// The hold.
    pub hold: String,
    /// `waiting`, `approved`, `denied`, `withdrawn`, `expired` or `consumed`.
    pub state: String,
    /// One sentence without data.
    pub summary: String,
    /// What a person asked for, on one line: a lease's scopes, life and task, for instance. None for a statement.
    pub asked: Option<String>,
    /// The lease that asks.
    pub lease: Option<String>,
    /// The target.
    pub target: Option<String>,
    /// The rule that held it.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// What could be brought back.
    pub recoverable: String,
    /// What it did on a drill's copy of the database, where it was run there. Not a fact of the gate's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed: Option<Box<Rehearsal>>,
    /// When the recovery point was taken that the copy is of: Unix time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of_ms: Option<i64>,
    /// How many people must approve.
    pub people: u8,
    /// Unix time in milliseconds.
    pub requested_ms: i64,
    /// Unix time in milliseconds.
    pub decide_by_ms: i64,
    /// Its page.
    pub link: String,
}

/// Where agents connect, for DSNs: the name they use and the file they trust.
pub(crate) struct Doorway {
    host: String,
    port: u16,
    trust: String,
}

impl Doorway {
    /// As the configuration and the gate's own addresses say.
    pub(crate) fn of(config: &Config, addresses: &[SocketAddr]) -> Outcome<Self> {
        let first = addresses.first().ok_or_else(|| {
            Failure::new("the gate listens on no TCP address").hint("set `listen` in [gate]")
        })?;
        let own = if first.ip().is_unspecified() {
            "localhost".to_owned()
        } else {
            first.ip().to_string()
        };
        let host = config.gate.hosts.first().cloned().unwrap_or(own);
        let trust = match config.gate.identity {
            None => config.gate.ca_file.display().to_string(),
            Some(_) => "system".to_owned(),
        };
        Ok(Self {
            host,
            port: first.port(),
            trust,
        })
    }

    /// The agent's connection string. All that is in it but the secret is public.
    pub(crate) fn dsn(&self, lease: &str, secret: &str, database: &str) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        format!(
            "postgresql://{lease}:{secret}@{host}:{}/{}?sslmode=verify-full&sslrootcert={}&channel_binding=prefer",
            self.port,
            crate::config::encode(database),
            crate::config::encode_path(&self.trust),
        )
    }
}

/// Puts the local CA's certificate where agents can read it.
pub(crate) fn publish_ca(config: &Config, authority: &Authority) -> Outcome {
    let known = std::fs::read_to_string(&config.gate.ca_file).unwrap_or_default();
    if known == authority.pem() {
        return Ok(());
    }
    crate::home::write_public(&config.gate.ca_file, authority.pem().as_bytes())
}

impl Service {
    /// Where agents send HTTP requests.
    pub fn http_address(&self) -> Option<String> {
        self.http_address.map(|address| address.to_string())
    }

    /// Where agents connect.
    pub fn gate_addresses(&self) -> Vec<String> {
        self.addresses.iter().map(ToString::to_string).collect()
    }

    /// The link by which the first person comes in, while there is nobody.
    pub fn invitation(&self) -> Option<String> {
        let token = self.store.invite_first().ok()?;
        Some(self.config().console.enrol_link(&token))
    }
}

impl Service {
    /// Both logs, in the order of [`crate::home::LOGS`].
    pub fn journals(&self) -> [&Journal; 2] {
        [&self.control, &self.traffic]
    }
}
