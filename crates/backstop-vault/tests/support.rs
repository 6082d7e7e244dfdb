//! A vault for a test: its own directory, its own socket, a server in this process.

use std::{path::PathBuf, sync::Arc, time::Duration};

use backstop_vault::{
    Class, Label, Recipients,
    client::{Address, Client},
    init,
    reader::Identity,
    server::{Listen, People, Server, Vault},
    store::{
        Options,
        clock::{MachineTime, Reading, Time},
    },
};
use tokio::{sync::watch, task::JoinHandle};

/// A vault that is being served.
pub struct Served {
    pub home: tempfile::TempDir,
    pub identity: Identity,
    pub vault: Arc<Vault>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

pub fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

impl Served {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let home = tempfile::tempdir().unwrap();
        init::make(&home.path().join("vault"), "vault.test").unwrap();
        Self::serve(home, Identity::generate(), options, People::default()).await
    }

    pub async fn serve(
        home: tempfile::TempDir,
        identity: Identity,
        options: Options,
        people: People,
    ) -> Self {
        let time = Arc::new(MachineTime::default());
        Self::start(home, identity, options, people, time, vec![uid()]).await
    }

    /// A vault that these users may call.
    pub async fn serve_for(home: tempfile::TempDir, users: Vec<u32>) -> Self {
        let time = Arc::new(MachineTime::default());
        let (options, people) = (Options::default(), People::default());
        Self::start(home, Identity::generate(), options, people, time, users).await
    }

    pub async fn start(
        home: tempfile::TempDir,
        identity: Identity,
        options: Options,
        people: People,
        time: Arc<dyn Time>,
        users: Vec<u32>,
    ) -> Self {
        let dir = home.path().join("vault");
        let vault = Vault::open(&dir, options, people, time).unwrap();
        let vault = Arc::new(vault);
        let listen = Listen {
            unix: Some((home.path().join("gate.sock"), users)),
            tcp: None,
        };
        let server = Server::bind(vault.clone(), listen).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(server.run(stopped, Duration::from_secs(5)));
        Self {
            home,
            identity,
            vault,
            stop,
            running,
        }
    }

    pub fn dir(&self) -> PathBuf {
        self.home.path().join("vault")
    }

    pub fn socket(&self) -> PathBuf {
        self.home.path().join("gate.sock")
    }

    pub fn client(&self) -> Client {
        let recipients = Recipients::parse([self.identity.recipient()]).unwrap();
        Client::new(Address::Unix(self.socket()), recipients, Client::TIMEOUT)
    }

    /// Nobody is left who could stop it: it ends by itself.
    pub async fn forsake(self) {
        drop(self.stop);
        let ended = tokio::time::timeout(Duration::from_secs(30), self.running);
        ended.await.expect("it goes on for ever").unwrap();
    }

    /// Stops it in an orderly way; gives its directory.
    pub async fn stop(self) -> (tempfile::TempDir, Identity) {
        self.stop.send(true).unwrap();
        self.running.await.unwrap();
        let vault = Arc::into_inner(self.vault).expect("nobody else holds the vault");
        vault.close().unwrap();
        (self.home, self.identity)
    }
}

pub fn label(class: Class) -> Label {
    Label {
        class,
        target: "shop".to_owned(),
        lease: Some("lease_1".to_owned()),
        note: "public.orders".to_owned(),
    }
}

/// A clock that a test sets.
pub struct SetTime(std::sync::Mutex<Reading>);

impl SetTime {
    pub fn new(wall_ms: i64) -> Arc<Self> {
        Arc::new(Self(std::sync::Mutex::new(Reading {
            wall_ms,
            boot_ms: 1_000_000,
            boot_id: "first".to_owned(),
        })))
    }

    /// Time passes, as it should.
    pub fn pass(&self, ms: i64) {
        let mut now = self.0.lock().unwrap();
        now.wall_ms += ms;
        now.boot_ms += ms;
    }

    /// Somebody sets the wall clock.
    pub fn set(&self, by_ms: i64) {
        self.0.lock().unwrap().wall_ms += by_ms;
    }

    /// The machine is off for a while, and starts with the wall clock off by so much.
    pub fn reboot(&self, off_ms: i64, wrong_by_ms: i64) {
        let mut now = self.0.lock().unwrap();
        now.wall_ms += off_ms + wrong_by_ms;
        now.boot_ms = 20_000;
        now.boot_id.push('+');
    }
}

impl Time for SetTime {
    fn read(&self) -> Reading {
        self.0.lock().unwrap().clone()
    }
}
