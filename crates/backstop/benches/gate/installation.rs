//! A whole Backstop in the child process: journals on a disk, store, gate, and a person with a passkey.
//!
//! It must not be gentler than `backstop serve`: the same journal options, durability and threads.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use backstop_core::hold::HoldState;
use backstop_core::lease::LeaseSpec;
use backstop_core::measure::Limits as Measures;
use backstop_core::policy::Policy;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_gates::postgres::{
    Gate, GateConfig, GateLimits, Host, TargetConfig, UndoAsk, Upstream, UpstreamTls,
};
use backstop_testing::postgres::Connection;

use crate::kept::Kept;
use crate::people::{ORIGIN, People};

const LEASE_SECONDS: u64 = 4 * 3600;

/// What runs in the child.
pub struct Installation {
    people: People,
    gate: Gate,
    kept: Option<Kept>,
    owner: Connection,
}

impl Installation {
    /// Everything up and listening on a free port, with `threads` that serve connections.
    pub async fn start(
        folder: &Path,
        owner: &Connection,
        threads: usize,
        tls: Option<(Arc<rustls::ServerConfig>, Vec<u8>)>,
        vault: bool,
    ) -> Result<Self> {
        let kept = match vault {
            true => Some(Kept::new(folder).await?),
            false => None,
        };
        let people = People::new(folder).await?;
        let gate = Gate::start(
            config(threads, tls, kept.as_ref())?,
            vec![target(owner, vault)],
            people.store.clone(),
            people.log(),
            Arc::new(Policy::with("")?),
        )
        .await?;
        Ok(Self {
            people,
            gate,
            kept,
            owner: owner.clone(),
        })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.gate
            .local_addrs()
            .first()
            .map_or(0, std::net::SocketAddr::port)
    }

    /// A lease for `scopes`, approved by the person: its name and its secret.
    pub async fn lease(&mut self, scopes: &[&str]) -> Result<(String, String)> {
        let spec = LeaseSpec {
            target: "prod".into(),
            environment: Environment::Production,
            task: "to be measured".into(),
            ttl_seconds: LEASE_SECONDS,
            scopes: scopes
                .iter()
                .map(|s| s.parse().map_err(|e: String| anyhow!(e)))
                .collect::<Result<_>>()?,
            also: vec![],
            parent: None,
        };
        let granted = self.people.lease(spec).await?;
        self.gate.provision(&granted.lease).await?;
        Ok((granted.lease.id, granted.secret.reveal().clone()))
    }

    /// The red button.
    pub async fn halt(&self, lease: &str) -> Result<()> {
        let halting = self.people.store.halt(Some(lease), "the benchmark", false);
        Ok(halting.await?)
    }

    /// Approves the hold that waits, or the next one that comes.
    pub async fn approve_next(&mut self) -> Result<()> {
        let deadline = std::time::Instant::now() + Duration::from_secs(600);
        while std::time::Instant::now() < deadline {
            let waiting = {
                let state = self.people.store.state();
                let mut open = state.holds.values();
                open.find(|record| matches!(record.state, HoldState::Waiting { .. }))
                    .map(|record| record.hold.id.clone())
            };
            if let Some(hold) = waiting {
                return self.people.approve(&hold).await;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Err(anyhow!("nothing was held"))
    }

    /// Undoes the newest transaction that was kept; how long it took, in seconds.
    pub async fn undo_newest(&self) -> Result<f64> {
        let kept = self.kept.as_ref().context("there is no vault")?;
        let newest = self
            .people
            .traffic
            .iter(0)
            .filter_map(Result::ok)
            .filter_map(|(index, bytes)| {
                let entry: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
                let object = entry.get("object")?.as_str()?.to_owned();
                (entry.get("entry")? == "images").then_some((index, object))
            });
        let (index, object) = newest.last().context("nothing was kept")?;
        let begun = std::time::Instant::now();
        let content = kept.content(&object)?;
        let done = self
            .gate
            .undo(UndoAsk {
                images: vec![(index, content)],
                apply: true,
                leave_conflicts: false,
                without_triggers: false,
            })
            .await
            .map_err(|e| anyhow!("{e}"))?;
        ensure!(done.conflicts == 0, "there were conflicts");
        Ok(begun.elapsed().as_secs_f64())
    }

    /// Copies a table into the vault, as before it is dropped, and brings it back into the empty database `into`:
    /// how long each took, in seconds.
    pub async fn copy(&self, table: &str, into: &str) -> Result<(f64, f64)> {
        let kept = self.kept.as_ref().context("there is no vault")?;
        kept.copy(&self.owner, table, into).await
    }

    /// Stops in good order.
    pub async fn shutdown(self) {
        self.gate.shutdown(Duration::from_secs(2)).await;
    }
}

fn config(
    threads: usize,
    tls: Option<(Arc<rustls::ServerConfig>, Vec<u8>)>,
    kept: Option<&Kept>,
) -> Result<GateConfig> {
    Ok(GateConfig {
        listen: vec!["127.0.0.1:0".parse()?],
        unix_socket: None,
        tls,
        require_tls: false,
        // What is held here waits until it is approved.
        pause: Duration::from_secs(3600),
        worker_threads: threads,
        console_url: ORIGIN.to_owned(),
        rehearsals: None,
        vault: kept.map(|kept| kept.client.clone()),
        limits: GateLimits::default(),
    })
}

/// Rows enough for a benchmark that writes all the time; a whole table still waits for a person.
const LIMITS: Measures = Measures {
    rows: 1_000,
    share: 10_000,
    few: 1_000,
    lease_rows: u64::MAX / 4,
    target_rows: u64::MAX / 4,
    window_ms: 3_600_000,
};

fn target(owner: &Connection, vault: bool) -> TargetConfig {
    TargetConfig {
        name: "prod".into(),
        environment: Environment::Production,
        measures: vault.then_some(LIMITS),
        ca: None,
        pg_bin: None,
        upstream: Upstream {
            host: Host::Tcp(owner.host.clone(), owner.port),
            database: owner.database.clone(),
            user: owner.user.clone(),
            password: Secret::new(owner.password.clone()),
            tls: UpstreamTls::Disable,
            require_binding: false,
        },
    }
}
