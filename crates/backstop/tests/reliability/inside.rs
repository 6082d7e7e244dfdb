//! A gate in the test's own process, over a disk and a clock that the test holds in its hand.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use backstop_core::digest::Digest;
use backstop_core::effect::Analysis;
use backstop_core::entry::{Control, Event};
use backstop_core::hold::{HoldState, HoldText};
use backstop_core::lease::LeaseSpec;
use backstop_core::passkey;
use backstop_core::policy::Policy;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_gates::postgres::{
    Gate, GateConfig, GateLimits, Host, TargetConfig, TrafficLog, Upstream, UpstreamTls,
};
use backstop_journal::{
    Appender, Disk, Journal, Options as JournalOptions, RealDisk, SealedText, SigningKey,
    TextDigest, TextState, VerifyOptions, verify,
};
use backstop_store::{
    Clock, Ledger, LedgerError, LedgerFuture, Limits, NewHold, Opened, Options, SealKey, Store,
    StoreError,
};
use backstop_testing::authenticator::Authenticator;
use backstop_testing::postgres::{PostgresServer, Server};

use crate::raw::Login;

const ORIGIN: &str = "http://localhost:7777";

/// A disk that can be full, and one whose syncs can be made to wait.
#[derive(Clone, Default)]
pub struct Grip {
    full: Arc<AtomicBool>,
    stalled: Arc<AtomicBool>,
}

impl Grip {
    pub fn fill(&self) {
        self.full.store(true, Ordering::SeqCst);
    }

    /// From now on nothing becomes durable.
    pub fn stall(&self) {
        self.stalled.store(true, Ordering::SeqCst);
    }

    pub fn let_go(&self) {
        self.stalled.store(false, Ordering::SeqCst);
    }
}

struct File {
    grip: Grip,
    file: Box<dyn Appender>,
}

impl Appender for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.grip.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        while self.grip.stalled.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.file.sync()
    }
}

impl Disk for Grip {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        let file = RealDisk.create(path)?;
        Ok(Box::new(File {
            grip: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        RealDisk.overwrite(path, offset, bytes)
    }

    fn sync(&self, root: &Path, files: &[PathBuf]) -> io::Result<()> {
        RealDisk.sync(root, files)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
}

/// What outlives the gate: the database, the data folder, the keys, the person.
pub struct Site {
    pub server: Server,
    folder: tempfile::TempDir,
    seal: SealKey,
    authenticator: Mutex<Authenticator>,
}

/// A running gate.
pub struct Life {
    pub store: Store,
    pub gate: Gate,
    /// The disks under the two logs.
    pub control: Grip,
    pub traffic: Grip,
}

impl Site {
    /// A server with tables, and nobody enrolled yet.
    pub fn new() -> Self {
        let server = PostgresServer::start_any().unwrap();
        let schema =
            "create table marks (marker bigint, how text); create table precious (marker bigint)";
        server.psql_as(&server.owner(), schema).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for log in ["control", "traffic"] {
            let key = SigningKey::generate(&origin(log)).unwrap();
            key.save(&folder.path().join(format!("{log}.key"))).unwrap();
        }
        Self {
            server,
            folder,
            seal: SealKey::generate().unwrap(),
            authenticator: Mutex::new(Authenticator::new()),
        }
    }

    /// Starts a gate over what is there.
    pub async fn live(&self, clock: Arc<dyn Clock>) -> Life {
        let (control, traffic) = (Grip::default(), Grip::default());
        let open = |name: &str, grip: &Grip| {
            let key = SigningKey::load(&self.folder.path().join(format!("{name}.key"))).unwrap();
            let options = JournalOptions {
                disk: Arc::new(grip.clone()),
                ..JournalOptions::default()
            };
            let dir = self.folder.path().join(name);
            Journal::open(&dir, &origin(name), key, options)
        };
        // In one process the life before may still be letting go of the directory.
        let log = |name: &str, grip: &Grip| {
            for _ in 0..200 {
                match open(name, grip) {
                    Err(backstop_journal::JournalError::Locked { .. }) => {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    opened => return Arc::new(opened.unwrap()),
                }
            }
            panic!("the {name} log stays locked");
        };
        let store = Store::open(Options {
            index: self.folder.path().join("store.sqlite"),
            ledger: Arc::new(ControlLog(log("control", &control))),
            clock,
            key: self.seal.clone(),
            limits: Limits::default(),
        })
        .unwrap();
        let target = TargetConfig {
            name: "prod".into(),
            environment: Environment::Production,
            measures: None,
            ca: None,
            pg_bin: None,
            upstream: self.upstream(),
        };
        let traffic_log = Arc::new(TrafficLog::new(log("traffic", &traffic), self.seal.clone()));
        let policy = Arc::new(Policy::with("").unwrap());
        let gate = Gate::start(config(), vec![target], store.clone(), traffic_log, policy)
            .await
            .unwrap();
        Life {
            store,
            gate,
            control,
            traffic,
        }
    }

    fn upstream(&self) -> Upstream {
        let owner = self.server.owner();
        Upstream {
            host: Host::Tcp(owner.host.clone(), owner.port),
            database: owner.database.clone(),
            user: owner.user.clone(),
            password: Secret::new(owner.password),
            tls: UpstreamTls::Disable,
            require_binding: false,
        }
    }

    /// Enrols the one person there is.
    pub async fn enrol(&self, life: &Life) -> String {
        let installed = Event::Installed {
            installation: "test".into(),
            rp_id: "localhost".into(),
            origin: ORIGIN.into(),
        };
        life.store.note(installed).await.unwrap();
        let invitation = life.store.invite_first().unwrap();
        let asked = life.store.ask_to_enrol(&invitation).unwrap();
        let made = {
            let mut authenticator = self.authenticator.lock().unwrap();
            authenticator
                .register(ORIGIN, &asked.rp_id, b"person", "Ada", &asked.challenge)
                .unwrap()
        };
        let registration = passkey::Registration {
            credential_id: made.credential_id,
            client_data_json: made.client_data_json,
            attestation_object: made.attestation_object,
        };
        life.store
            .enrol(&invitation, &asked.nonce, "Ada", "key", &registration)
            .await
            .unwrap()
            .person
    }

    /// The person says yes.
    pub async fn approve(
        &self,
        life: &Life,
        person: &str,
        hold: &str,
    ) -> Result<HoldState, StoreError> {
        self.decide(life, person, hold, Answer::Approve).await
    }

    /// The person says yes or no.
    pub async fn decide(
        &self,
        life: &Life,
        person: &str,
        hold: &str,
        answer: Answer,
    ) -> Result<HoldState, StoreError> {
        let asked = life.store.ask_to_decide(person, hold, answer, "")?;
        let signed = {
            let mut authenticator = self.authenticator.lock().unwrap();
            authenticator
                .assert(ORIGIN, &asked.rp_id, &asked.challenge, &asked.allow)
                .unwrap()
        };
        let assertion = passkey::Assertion {
            credential_id: signed.credential_id,
            client_data_json: signed.client_data_json,
            authenticator_data: signed.authenticator_data,
            signature: signed.signature,
            user_handle: signed.user_handle,
        };
        life.store.decide(&asked.nonce, "", assertion).await
    }

    /// A lease for an hour, approved by the person, with how its agent logs in.
    pub async fn lease(&self, life: &Life, person: &str) -> Login {
        let spec = LeaseSpec {
            target: "prod".into(),
            environment: Environment::Production,
            task: "a test".into(),
            ttl_seconds: 3600,
            scopes: vec!["read,insert:public.marks".parse().unwrap()],
            also: vec![],
            parent: None,
        };
        let hold = ask(life, Ask::GrantLease { spec }).await;
        self.approve(life, person, &hold).await.unwrap();
        let store = life.store.clone();
        let verifier = move |secret: &str| {
            backstop_gates::postgres::lease_verifier(&store, secret)
                .ok_or_else(|| "no verifier".to_owned())
        };
        let granted = life.store.grant_lease(&hold, verifier).await.unwrap();
        life.gate.provision(&granted.lease).await.unwrap();
        Login {
            port: life.gate.local_addrs()[0].port(),
            user: granted.lease.id,
            secret: granted.secret.reveal().clone(),
            database: self.server.owner().database,
        }
    }

    /// How many rows a table has, by the server itself.
    pub fn count(&self, table: &str) -> u32 {
        let sql = format!("select count(*) from {table}");
        self.server
            .psql_as(&self.server.owner(), &sql)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    /// Both journals, verified from their files.
    pub fn assert_sound(&self) {
        for log in ["control", "traffic"] {
            let key = SigningKey::load(&self.folder.path().join(format!("{log}.key"))).unwrap();
            let dir = self.folder.path().join(log);
            let options = VerifyOptions::default();
            let report = verify(&dir, &origin(log), key.verifier(), &options).unwrap();
            assert!(report.is_sound(), "{log}: {report:#?}");
        }
    }
}

impl Life {
    /// Ends, in order if it still can.
    pub async fn end(self) {
        self.gate.shutdown(Duration::from_millis(200)).await;
        drop(self.store);
    }

    /// The newest hold that waits for a decision on an action.
    pub fn waiting(&self) -> Option<String> {
        let state = self.store.state();
        let open = state.holds.values().filter(|r| r.state.is_open());
        open.max_by_key(|r| r.hold.requested_ms)
            .map(|r| r.hold.id.clone())
    }
}

fn config() -> GateConfig {
    GateConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        unix_socket: None,
        tls: None,
        require_tls: false,
        pause: Duration::from_millis(50),
        worker_threads: 2,
        console_url: ORIGIN.to_owned(),
        rehearsals: None,
        vault: None,
        limits: GateLimits::default(),
    }
}

async fn ask(life: &Life, ask: Ask) -> String {
    let new = NewHold {
        ask,
        lease: None,
        target: None,
        environment: Environment::Production,
        summary: "a test asks".into(),
        analysis: Analysis::default(),
        verdict: Verdict {
            decision: Decision::Hold,
            rule: "test".into(),
            reason: "a test asks".into(),
            people: 1,
        },
        recoverable: String::new(),
        whole: String::new(),
        policy: Digest::of(b""),
        text: HoldText::default(),
    };
    match life.store.open_hold(new).await.unwrap() {
        Opened::Waiting(record) | Opened::Approved(record) => record.hold.id,
    }
}

fn origin(log: &str) -> String {
    format!("backstop.test/{log}")
}

/// The control log under the store.
struct ControlLog(Arc<Journal>);

impl Ledger for ControlLog {
    fn append<'a>(&'a self, entry: &'a Control, texts: Vec<(Digest, Vec<u8>)>) -> LedgerFuture<'a> {
        Box::pin(async move {
            let bytes = serde_json::to_vec(entry).map_err(told)?;
            let text = texts.into_iter().next().map(|(_, b)| SealedText::new(b));
            let text = text.transpose().map_err(told)?;
            let ticket = self.0.append(&bytes, text.as_ref()).map_err(told)?;
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
            _ => Ok(None),
        }
    }
}

fn told(error: impl std::fmt::Display) -> LedgerError {
    LedgerError(error.to_string())
}
