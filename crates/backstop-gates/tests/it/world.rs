//! A whole installation for a test: a real server, journals, store, gate, and a person with a passkey.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use backstop_core::digest::Digest;
use backstop_core::effect::Analysis;
use backstop_core::entry::{Control, Event};
use backstop_core::hold::{HoldRecord, HoldState, HoldText};
use backstop_core::lease::LeaseSpec;
use backstop_core::measure::Limits as Measures;
use backstop_core::passkey;
use backstop_core::policy::Policy;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_gates::postgres::{
    Gate, GateConfig, GateLimits, Host, TargetConfig, TrafficLog, Upstream, UpstreamTls,
};
use backstop_journal::{
    Journal, Options as JournalOptions, SealedText, SigningKey, TextDigest, TextState,
};
use backstop_store::{
    Ledger, LedgerError, LedgerFuture, Limits, NewHold, Opened, Options, SealKey, Store,
    SystemClock,
};
use backstop_testing::authenticator::Authenticator;
use backstop_testing::postgres::{Connection, Major, PostgresServer, Server};
use backstop_vault::Recipients;
use backstop_vault::client::{Address, Client};
use backstop_vault::reader::Identity;
use backstop_vault::server::{Listen, People, Server as VaultServer, Vault};
use backstop_vault::store::Options as VaultOptions;
use backstop_vault::store::clock::MachineTime;

pub const ORIGIN: &str = "http://localhost:7777";

/// The control log behind the store.
pub struct TestLedger(pub Arc<Journal>);

impl Ledger for TestLedger {
    fn append<'a>(&'a self, entry: &'a Control, texts: Vec<(Digest, Vec<u8>)>) -> LedgerFuture<'a> {
        Box::pin(async move {
            let bytes = serde_json::to_vec(entry).map_err(|e| LedgerError(e.to_string()))?;
            let text = texts
                .into_iter()
                .next()
                .map(|(_, bytes)| SealedText::new(bytes))
                .transpose();
            let text = text.map_err(|e| LedgerError(e.to_string()))?;
            let ticket = self
                .0
                .append(&bytes, text.as_ref())
                .map_err(|e| LedgerError(e.to_string()))?;
            self.0
                .durable(ticket.index)
                .await
                .map_err(|e| LedgerError(e.to_string()))?;
            Ok(ticket.index)
        })
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, index: u64) -> Result<Control, LedgerError> {
        let bytes = self.0.read(index).map_err(|e| LedgerError(e.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|e| LedgerError(e.to_string()))
    }

    fn text(&self, digest: Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        match self
            .0
            .text(TextDigest(digest.0))
            .map_err(|e| LedgerError(e.to_string()))?
        {
            TextState::Present(text) => Ok(Some(text)),
            _ => Ok(None),
        }
    }
}

/// Everything that a test needs.
pub struct World {
    pub server: Server,
    pub store: Store,
    pub gate: Gate,
    pub traffic: Arc<Journal>,
    pub control: Arc<Journal>,
    pub person: String,
    authenticator: Mutex<Authenticator>,
    pub folder: tempfile::TempDir,
    /// The vault, where what is written is measured.
    pub vault: Option<Kept>,
    pub measures: Option<Measures>,
}

/// A vault in this process, with the key that opens what is in it.
pub struct Kept {
    pub identity: Identity,
    pub folder: std::path::PathBuf,
    pub client: Client,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Kept {
    async fn new(within: &Path) -> Result<Self> {
        let folder = within.join("vault");
        backstop_vault::init::make(&folder, "vault.test")?;
        let time = Arc::new(MachineTime::default());
        let vault = Vault::open(&folder, VaultOptions::default(), People::default(), time)?;
        let socket = within.join("vault.sock");
        let listen = Listen {
            unix: Some((socket.clone(), vec![rustix::process::geteuid().as_raw()])),
            tcp: None,
        };
        let server = VaultServer::bind(Arc::new(vault), listen).await?;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        tokio::spawn(server.run(stopped, Duration::from_secs(1)));
        let identity = Identity::generate();
        let recipients = Recipients::parse([identity.recipient()])?;
        let client = Client::new(Address::Unix(socket), recipients, Client::TIMEOUT);
        Ok(Self {
            identity,
            folder,
            client,
            stop,
        })
    }

    /// It is gone.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
    }

    /// The content of an object, as the holder of the key reads it.
    pub fn content(&self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(name, &mut bytes)?;
        let mut content = vec![];
        let mut reader = backstop_vault::reader::open(&self.folder, Digest(bytes), &self.identity)?;
        std::io::Read::read_to_end(&mut reader, &mut content)?;
        Ok(content)
    }
}

fn config(vault: Option<&Kept>) -> Result<GateConfig> {
    Ok(GateConfig {
        listen: vec!["127.0.0.1:0".parse()?],
        unix_socket: None,
        tls: None,
        require_tls: false,
        pause: Duration::from_millis(300),
        worker_threads: 1,
        console_url: ORIGIN.to_owned(),
        rehearsals: None,
        vault: vault.map(|kept| kept.client.clone()),
        limits: GateLimits::default(),
    })
}

/// As they lie after somebody with the key has opened them.
pub fn files(images: Vec<(u64, Vec<u8>)>) -> Result<Vec<(u64, std::fs::File)>> {
    let opened = images.into_iter().map(|(index, content)| {
        let mut file = tempfile::tempfile()?;
        std::io::Write::write_all(&mut file, &content)?;
        Ok((index, file))
    });
    opened.collect()
}

/// A lease with what its agent presents.
#[derive(Debug, Clone)]
pub struct Agent {
    pub lease: String,
    pub secret: String,
}

impl World {
    /// On any server there is, with this schema made by the owner.
    pub async fn new(schema: &str) -> Result<Self> {
        Self::on(Major::any()?, schema, |_| {}).await
    }

    /// On a server of this major version, with the gate configured by `tune`.
    pub async fn on(
        major: Major,
        schema: &str,
        tune: impl FnOnce(&mut GateConfig),
    ) -> Result<Self> {
        let server = PostgresServer::start(major)?;
        if !schema.is_empty() {
            server.psql_as(&server.owner(), schema)?;
        }
        Self::before(server, tune).await
    }

    /// Before a server that runs already.
    pub async fn before(server: Server, tune: impl FnOnce(&mut GateConfig)) -> Result<Self> {
        Self::begin(server, tune, None).await
    }

    /// Where what is written is measured and kept.
    pub async fn measuring(schema: &str, limits: Measures) -> Result<Self> {
        Self::measuring_on(Major::any()?, schema, limits).await
    }

    /// As [`Self::measuring`], on a server of this major version.
    pub async fn measuring_on(major: Major, schema: &str, limits: Measures) -> Result<Self> {
        let server = PostgresServer::start(major)?;
        server.psql_as(&server.owner(), schema)?;
        Self::begin(server, |_| {}, Some(limits)).await
    }

    /// Before a server that runs already.
    pub async fn begin(
        server: Server,
        tune: impl FnOnce(&mut GateConfig),
        measures: Option<Measures>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (control, traffic) = (
            journal(folder.path(), "control")?,
            journal(folder.path(), "traffic")?,
        );
        let key = SealKey::generate()?;
        let store = Store::open(Options {
            index: folder.path().join("store.sqlite"),
            ledger: Arc::new(TestLedger(Arc::clone(&control))),
            clock: Arc::new(SystemClock::default()),
            key: key.clone(),
            limits: Limits::default(),
        })?;
        let installed = Event::Installed {
            installation: "test".into(),
            rp_id: "localhost".into(),
            origin: ORIGIN.into(),
        };
        store.note(installed).await?;
        let vault = match measures {
            Some(_) => Some(Kept::new(folder.path()).await?),
            None => None,
        };
        let mut config = config(vault.as_ref())?;
        tune(&mut config);
        let target = TargetConfig {
            measures,
            ..target(&server.owner())
        };
        let log = Arc::new(TrafficLog::new(Arc::clone(&traffic), key));
        let gate = Gate::start(
            config,
            vec![target],
            store.clone(),
            log,
            Arc::new(Policy::with("")?),
        )
        .await?;
        let mut world = Self {
            server,
            store,
            gate,
            traffic,
            control,
            person: String::new(),
            authenticator: Mutex::new(Authenticator::new()),
            folder,
            vault,
            measures,
        };
        let invitation = world.store.invite_first()?;
        world.person = world.enrol(&invitation).await?;
        Ok(world)
    }

    /// The gate stops, and another one starts with the same store, journals and vault.
    pub async fn restart(self) -> Result<Self> {
        self.gate.shutdown(Duration::from_secs(1)).await;
        let target = TargetConfig {
            measures: self.measures,
            ..target(&self.server.owner())
        };
        let key = self.store.key().clone();
        let gate = Gate::start(
            config(self.vault.as_ref())?,
            vec![target],
            self.store.clone(),
            Arc::new(TrafficLog::new(Arc::clone(&self.traffic), key)),
            Arc::new(Policy::with("")?),
        )
        .await?;
        Ok(Self { gate, ..self })
    }

    async fn enrol(&self, invitation: &str) -> Result<String> {
        let asked = self.store.ask_to_enrol(invitation)?;
        let made = {
            let mut authenticator = self.authenticator.lock().unwrap();
            authenticator.register(ORIGIN, &asked.rp_id, b"person", "Ada", &asked.challenge)?
        };
        let registration = passkey::Registration {
            credential_id: made.credential_id,
            client_data_json: made.client_data_json,
            attestation_object: made.attestation_object,
        };
        Ok(self
            .store
            .enrol(invitation, &asked.nonce, "Ada", "key", &registration)
            .await?
            .person)
    }

    /// The person decides, with their passkey.
    pub async fn decide(&self, hold: &str, answer: Answer, reason: &str) -> Result<HoldState> {
        let asked = self
            .store
            .ask_to_decide(&self.person, hold, answer, reason)?;
        let assertion = self.sign(&asked)?;
        Ok(self.store.decide(&asked.nonce, reason, assertion).await?)
    }

    /// What the person's authenticator answers to a challenge.
    pub fn sign(&self, asked: &backstop_store::Asked) -> Result<passkey::Assertion> {
        let mut authenticator = self.authenticator.lock().unwrap();
        let signed = authenticator.assert(ORIGIN, &asked.rp_id, &asked.challenge, &asked.allow)?;
        Ok(passkey::Assertion {
            credential_id: signed.credential_id,
            client_data_json: signed.client_data_json,
            authenticator_data: signed.authenticator_data,
            signature: signed.signature,
            user_handle: signed.user_handle,
        })
    }

    /// A lease for `scopes`, approved by the person.
    pub async fn lease(&self, scopes: &[&str]) -> Result<Agent> {
        self.lease_for(scopes, 3600).await
    }

    pub async fn lease_for(&self, scopes: &[&str], ttl_seconds: u64) -> Result<Agent> {
        let spec = LeaseSpec {
            target: "prod".into(),
            environment: Environment::Production,
            task: "a test".into(),
            ttl_seconds,
            scopes: scopes
                .iter()
                .map(|s| s.parse().map_err(|e: String| anyhow!(e)))
                .collect::<Result<_>>()?,
            also: vec![],
            parent: None,
        };
        let hold = self.ask(Ask::GrantLease { spec }).await?;
        self.decide(&hold, Answer::Approve, "").await?;
        let store = self.store.clone();
        let granted = self
            .store
            .grant_lease(&hold, move |secret| {
                backstop_gates::postgres::lease_verifier(&store, secret)
                    .ok_or_else(|| "no verifier".to_owned())
            })
            .await?;
        self.gate.provision(&granted.lease).await?;
        Ok(Agent {
            lease: granted.lease.id,
            secret: granted.secret.reveal().clone(),
        })
    }

    /// A hold of the console's own.
    pub async fn ask(&self, ask: Ask) -> Result<String> {
        let opened = self
            .store
            .open_hold(NewHold {
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
            })
            .await?;
        match opened {
            Opened::Waiting(record) | Opened::Approved(record) => Ok(record.hold.id),
        }
    }

    /// How the agent connects.
    pub fn through(&self, agent: &Agent) -> Connection {
        let port = self
            .gate
            .local_addrs()
            .first()
            .map_or(0, std::net::SocketAddr::port);
        self.server
            .owner()
            .as_role(&agent.lease, &agent.secret)
            .through("127.0.0.1", port)
    }

    /// Runs SQL as the agent, through the gate, with psql: standard output and error together.
    pub async fn psql(&self, agent: &Agent, sql: &str) -> String {
        self.psql_args(agent, &["-c", sql]).await
    }

    /// The same with any arguments.
    pub async fn psql_args(&self, agent: &Agent, args: &[&str]) -> String {
        let program = self
            .server
            .installation()
            .client("psql")
            .expect("psql is installed");
        let output = tokio::process::Command::new(program)
            .args([
                "-X",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=0",
                "-v",
                "VERBOSITY=verbose",
            ])
            .args(args)
            .env("PGDATABASE", "")
            .arg(self.through(agent).dsn() + " sslmode=disable")
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .expect("psql runs");
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }

    /// A tokio-postgres session as the agent.
    pub async fn client(&self, agent: &Agent) -> Result<tokio_postgres::Client> {
        let (client, connection) =
            tokio_postgres::connect(&self.through(agent).dsn(), tokio_postgres::NoTls)
                .await
                .context("connecting through the gate")?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The newest hold that waits.
    pub async fn waiting(&self) -> Result<HoldRecord> {
        for _ in 0..200 {
            let found = {
                let state = self.store.state();
                state
                    .holds
                    .values()
                    .filter(|r| r.state.is_open())
                    .max_by_key(|r| r.hold.requested_ms)
                    .cloned()
            };
            if let Some(found) = found {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("nothing waits")
    }

    /// The person decides on the next hold, as soon as there is one.
    pub async fn decide_next(&self, answer: Answer, reason: &str) -> Result<HoldRecord> {
        let record = self.waiting().await?;
        self.decide(&record.hold.id, answer, reason).await?;
        Ok(record)
    }

    /// Takes up the default policies with `more` after them, as a reload does.
    pub async fn new_policy(&self, more: &str) -> Result<()> {
        self.reload(more, self.measures).await
    }

    /// The same with other limits on what is measured.
    pub async fn reload(&self, more: &str, measures: Option<Measures>) -> Result<()> {
        let target = TargetConfig {
            measures,
            ..target(&self.server.owner())
        };
        let policy = Arc::new(Policy::with(more)?);
        Ok(self.gate.reload(vec![target], policy).await.map(drop)?)
    }

    /// One value, asked of the server directly, as the owner.
    pub fn direct(&self, sql: &str) -> String {
        self.server
            .psql_as(&self.server.owner(), sql)
            .expect("the owner can ask")
            .trim()
            .to_owned()
    }

    /// The same as the superuser.
    pub fn superuser(&self, sql: &str) -> String {
        let superuser = self
            .server
            .superuser()
            .in_database(&self.server.owner().database);
        self.server
            .psql_as(&superuser, sql)
            .expect("the superuser can ask")
            .trim()
            .to_owned()
    }

    /// Every entry of the traffic log, as JSON.
    pub fn entries(&self) -> Vec<serde_json::Value> {
        entries_of(&self.traffic)
    }

    /// Every entry of the control log, as JSON.
    pub fn decisions(&self) -> Vec<serde_json::Value> {
        entries_of(&self.control)
    }
}

fn entries_of(journal: &Journal) -> Vec<serde_json::Value> {
    journal.checkpoint_now().expect("the journal works");
    journal
        .iter(0)
        .map(|entry| serde_json::from_slice(&entry.expect("it reads").1).expect("it is JSON"))
        .collect()
}

fn journal(folder: &Path, name: &str) -> Result<Arc<Journal>> {
    let origin = format!("backstop.test/{name}");
    let key = SigningKey::generate(&origin)?;
    Ok(Arc::new(Journal::open(
        &folder.join(name),
        &origin,
        key,
        JournalOptions::default(),
    )?))
}

fn target(owner: &Connection) -> TargetConfig {
    TargetConfig {
        name: "prod".into(),
        environment: Environment::Production,
        upstream: upstream(owner),
        measures: None,
        ca: None,
        pg_bin: None,
    }
}

fn upstream(owner: &Connection) -> Upstream {
    Upstream {
        host: Host::Tcp(owner.host.clone(), owner.port),
        database: owner.database.clone(),
        user: owner.user.clone(),
        password: Secret::new(owner.password.clone()),
        tls: UpstreamTls::Disable,
        require_binding: false,
    }
}
