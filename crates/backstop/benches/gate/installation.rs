//! A whole Backstop in the child process: journals on a disk, store, gate, and a person with a passkey.
//!
//! It must not be gentler than `backstop serve`: the same journal options, durability and threads.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use backstop_core::digest::Digest;
use backstop_core::effect::Analysis;
use backstop_core::entry::{Control, Event};
use backstop_core::hold::HoldState;
use backstop_core::hold::HoldText;
use backstop_core::lease::LeaseSpec;
use backstop_core::measure::Limits as Measures;
use backstop_core::passkey;
use backstop_core::policy::Policy;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_gates::postgres::{
    Gate, GateConfig, GateLimits, Host, TargetConfig, TrafficLog, UndoAsk, Upstream, UpstreamTls,
};
use backstop_journal::{
    Journal, Options as JournalOptions, SealedText, SigningKey, TextDigest, TextState,
};
use backstop_store::{
    Ledger, LedgerError, LedgerFuture, Limits, NewHold, Opened, Options, SealKey, Store,
    SystemClock,
};
use backstop_testing::authenticator::Authenticator;
use backstop_testing::postgres::Connection;

use crate::kept::Kept;

const ORIGIN: &str = "http://localhost:7777";
const LEASE_SECONDS: u64 = 4 * 3600;

/// The control log as the store sees it.
struct ControlLog(Arc<Journal>);

/// What runs in the child.
pub struct Installation {
    store: Store,
    gate: Gate,
    person: String,
    authenticator: Authenticator,
    traffic: Arc<Journal>,
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
        let key = SealKey::generate()?;
        let store = Store::open(Options {
            index: folder.join("store.sqlite"),
            ledger: Arc::new(ControlLog(journal(folder, "control")?)),
            clock: Arc::new(SystemClock::default()),
            key: key.clone(),
            limits: Limits::default(),
        })?;
        let installed = Event::Installed {
            installation: "bench".into(),
            rp_id: "localhost".into(),
            origin: ORIGIN.into(),
        };
        store.note(installed).await?;
        let traffic = journal(folder, "traffic")?;
        let gate = Gate::start(
            config(threads, tls, kept.as_ref())?,
            vec![target(owner, vault)],
            store.clone(),
            Arc::new(TrafficLog::new(Arc::clone(&traffic), key)),
            Arc::new(Policy::with("")?),
        )
        .await?;
        let mut installation = Self {
            store,
            gate,
            person: String::new(),
            authenticator: Authenticator::new(),
            traffic,
            kept,
            owner: owner.clone(),
        };
        installation.enrol().await?;
        Ok(installation)
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
        let hold = self.ask(Ask::GrantLease { spec }).await?;
        self.approve(&hold).await?;
        let store = self.store.clone();
        let granted = self
            .store
            .grant_lease(&hold, move |secret| {
                backstop_gates::postgres::lease_verifier(&store, secret)
                    .ok_or_else(|| "no verifier".to_owned())
            })
            .await?;
        self.gate.provision(&granted.lease).await?;
        Ok((granted.lease.id, granted.secret.reveal().clone()))
    }

    /// The red button.
    pub async fn halt(&self, lease: &str) -> Result<()> {
        Ok(self.store.halt(Some(lease), "the benchmark", false).await?)
    }

    /// Approves the hold that waits, or the next one that comes.
    pub async fn approve_next(&mut self) -> Result<()> {
        let deadline = std::time::Instant::now() + Duration::from_secs(600);
        while std::time::Instant::now() < deadline {
            let waiting = {
                let state = self.store.state();
                let mut open = state.holds.values();
                open.find(|record| matches!(record.state, HoldState::Waiting { .. }))
                    .map(|record| record.hold.id.clone())
            };
            if let Some(hold) = waiting {
                return self.approve(&hold).await;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Err(anyhow!("nothing was held"))
    }

    /// Undoes the newest transaction that was kept; how long it took, in seconds.
    pub async fn undo_newest(&self) -> Result<f64> {
        let kept = self.kept.as_ref().context("there is no vault")?;
        let newest = self
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

    async fn enrol(&mut self) -> Result<()> {
        let invitation = self.store.invite_first()?;
        let asked = self.store.ask_to_enrol(&invitation)?;
        let made = self.authenticator.register(
            ORIGIN,
            &asked.rp_id,
            b"person",
            "Ada",
            &asked.challenge,
        )?;
        let registration = passkey::Registration {
            credential_id: made.credential_id,
            client_data_json: made.client_data_json,
            attestation_object: made.attestation_object,
        };
        let enrolled = self
            .store
            .enrol(&invitation, &asked.nonce, "Ada", "key", &registration)
            .await?;
        self.person = enrolled.person;
        Ok(())
    }

    async fn ask(&self, ask: Ask) -> Result<String> {
        let reason = "a benchmark asks";
        let opened = self
            .store
            .open_hold(NewHold {
                ask,
                lease: None,
                target: None,
                environment: Environment::Production,
                summary: reason.into(),
                analysis: Analysis::default(),
                verdict: Verdict {
                    decision: Decision::Hold,
                    rule: "bench".into(),
                    reason: reason.into(),
                    people: 1,
                },
                recoverable: String::new(),
                whole: String::new(),
                policy: Digest::of(b""),
                text: HoldText::default(),
            })
            .await?;
        match opened {
            Opened::Waiting(record) | Opened::Approved(record) => Ok(record.hold.id),
        }
    }

    async fn approve(&mut self, hold: &str) -> Result<()> {
        let asked = self
            .store
            .ask_to_decide(&self.person, hold, Answer::Approve, "")?;
        let signed =
            self.authenticator
                .assert(ORIGIN, &asked.rp_id, &asked.challenge, &asked.allow)?;
        let assertion = passkey::Assertion {
            credential_id: signed.credential_id,
            client_data_json: signed.client_data_json,
            authenticator_data: signed.authenticator_data,
            signature: signed.signature,
            user_handle: signed.user_handle,
        };
        self.store.decide(&asked.nonce, "", assertion).await?;
        Ok(())
    }
}

impl Ledger for ControlLog {
    fn append<'a>(&'a self, entry: &'a Control, texts: Vec<(Digest, Vec<u8>)>) -> LedgerFuture<'a> {
        Box::pin(async move {
            let bytes = serde_json::to_vec(entry).map_err(told)?;
            let text = texts.into_iter().next();
            let text = text.map(|(_, bytes)| SealedText::new(bytes)).transpose();
            let ticket = self
                .0
                .append(&bytes, text.map_err(told)?.as_ref())
                .map_err(told)?;
            self.0.durable(ticket.index).await.map_err(told)?;
            Ok(ticket.index)
        })
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, index: u64) -> Result<Control, LedgerError> {
        serde_json::from_slice(&self.0.read(index).map_err(told)?).map_err(told)
    }

    fn text(&self, digest: Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        match self.0.text(TextDigest(digest.0)).map_err(told)? {
            TextState::Present(text) => Ok(Some(text)),
            TextState::Erased | TextState::Unknown => Ok(None),
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn told(error: impl std::fmt::Display) -> LedgerError {
    LedgerError(error.to_string())
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

fn journal(folder: &Path, name: &str) -> Result<Arc<Journal>> {
    let origin = format!("backstop.bench/{name}");
    let key = SigningKey::generate(&origin)?;
    Journal::open(&folder.join(name), &origin, key, JournalOptions::default())
        .map(Arc::new)
        .with_context(|| format!("opening the {name} log"))
}
