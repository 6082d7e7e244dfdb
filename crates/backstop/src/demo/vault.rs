//! The demo's vault: real, but in this process and on this machine, which the screen says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backstop_journal::SigningKey;
use backstop_vault::reader::Identity;
use backstop_vault::server::{Listen, People, Server, Vault};
use backstop_vault::store::Options;
use backstop_vault::store::clock::MachineTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::{Context, Outcome};

/// How often a recovery point is taken here: nobody wants to watch a day.
const POINTS: &str = "15s";

/// A vault that is being served.
pub(super) struct DemoVault {
    /// Its directory.
    pub(super) dir: PathBuf,
    /// The file with the private half of the recovery key.
    pub(super) identity: PathBuf,
    /// The key that signs what came of drills.
    pub(super) drill_key: String,
    /// The lines of `backstop.toml` that go with it.
    pub(super) snippet: String,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl DemoVault {
    /// Makes one and serves it.
    pub(super) async fn open(folder: &Path) -> Outcome<Self> {
        let (dir, socket) = (folder.join("vault"), folder.join("vault.sock"));
        let identity_file = folder.join("recovery.txt");
        backstop_vault::init::make(&dir, "vault.demo").doing("cannot make the demo's vault")?;
        let identity = Identity::generate();
        backstop_vault::init::keep_identity(&identity, &identity_file, &dir)
            .doing("cannot write the demo's recovery key")?;
        let signing =
            SigningKey::generate("vault.demo/drills").doing("cannot make the demo's drill key")?;
        let signing_file = folder.join("drills.signing");
        signing
            .save(&signing_file)
            .doing("cannot keep the demo's drill key")?;
        let drill_key =
            std::fs::read_to_string(&signing_file).doing("cannot read the demo's drill key")?;
        let time = Arc::new(MachineTime::default());
        let vault = Vault::open(&dir, Options::default(), People::default(), time)
            .doing("cannot open the demo's vault")?;
        let user = rustix::process::geteuid().as_raw();
        let listen = Listen {
            unix: Some((socket.clone(), vec![user])),
            tcp: None,
        };
        let server = Server::bind(Arc::new(vault), listen)
            .await
            .doing("the demo's vault cannot listen")?;
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(server.run(stopped, Duration::from_secs(2)));
        let quoted = |text: &str| toml::Value::String(text.to_owned());
        Ok(Self {
            snippet: format!(
                "\n[vault]\nsocket = {}\nrecipients = [{}]\npoints = \"{POINTS}\"\ndrill_key = {}\n",
                quoted(&socket.display().to_string()),
                quoted(&identity.recipient()),
                quoted(signing.verifier().text())
            ),
            dir,
            drill_key,
            identity: identity_file,
            stop,
            running,
        })
    }

    /// Puts it away.
    pub(super) async fn close(self) {
        let _ = self.stop.send(true);
        let _ = self.running.await;
    }
}
