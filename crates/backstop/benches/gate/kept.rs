//! The vault of the gate under measurement, in the same process: what it costs is in that process's memory, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use backstop_core::digest::Digest;
use backstop_core::secret::Secret;
use backstop_testing::postgres::Connection;
use backstop_vault::client::{Address, Client};
use backstop_vault::points::objects::{
    Act, Address as Root, Patience, bring_back, closure, hold_still,
};
use backstop_vault::points::{Question as _, Session, Source, Tls, Tools, keep};
use backstop_vault::reader::Identity;
use backstop_vault::server::{Listen, People, Server, Vault};
use backstop_vault::store::Options;
use backstop_vault::store::clock::MachineTime;
use backstop_vault::{Class, Label, Recipients};

/// A vault that is served, and the key that opens what is in it.
pub struct Kept {
    /// The gate's way to it.
    pub client: Client,
    identity: Identity,
    dir: PathBuf,
    _stop: tokio::sync::watch::Sender<bool>,
}

impl Kept {
    /// A new one below `within`, on its disk.
    pub async fn new(within: &Path) -> Result<Self> {
        let dir = within.join("vault");
        backstop_vault::init::make(&dir, "vault.bench")?;
        let time = Arc::new(MachineTime::default());
        let options = Options {
            capacity: 1 << 40,
            reserve_images: 0,
            reserve_points: 0,
            per_lease: 1 << 40,
            ..Options::default()
        };
        let vault = Vault::open(&dir, options, People::default(), time)?;
        let socket = within.join("vault.sock");
        let listen = Listen {
            unix: Some((socket.clone(), vec![rustix::process::geteuid().as_raw()])),
            tcp: None,
        };
        let server = Server::bind(Arc::new(vault), listen).await?;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        tokio::spawn(server.run(stopped, Duration::from_secs(1)));
        // The recovery key's and a drill's.
        let identity = Identity::generate();
        let recipients =
            Recipients::parse([identity.recipient(), Identity::generate().recipient()])?;
        let client = Client::new(Address::Unix(socket), recipients, Client::TIMEOUT);
        Ok(Self {
            client,
            identity,
            dir,
            _stop: stop,
        })
    }

    /// A file with the content of an object, as the holder of the key opens it.
    pub fn content(&self, name: &str) -> Result<std::fs::File> {
        let name = Digest::from_hex(name).context("the name of an object")?;
        let mut content = tempfile::tempfile_in(&self.dir)?;
        let mut reader = backstop_vault::reader::open(&self.dir, name, &self.identity)?;
        std::io::copy(&mut reader, &mut content)?;
        Ok(content)
    }

    /// Copies a table with all that belongs to it, as before it is dropped, and brings it back into the empty
    /// database `into`: how long each took, in seconds.
    pub async fn copy(&self, owner: &Connection, table: &str, into: &str) -> Result<(f64, f64)> {
        let source = source(owner, &owner.database).await?;
        let mut session = Session::open(&source).await?;
        let begun = Instant::now();
        session.ask("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let rows = session
            .ask(&format!("SELECT '{table}'::regclass::oid"))
            .await?;
        let oid = rows.first().and_then(|row| row.first()).cloned().flatten();
        let oid: u32 = oid.context("the table")?.parse()?;
        let act = Act::Drop { cascade: false };
        let what = closure(&mut session, act, &[Root::relation(oid)]).await?;
        let (what, snapshot) = hold_still(&mut session, &what, Patience::default()).await?;
        let label = Label {
            class: Class::Objects,
            target: "prod".into(),
            lease: None,
            note: table.into(),
        };
        let (_, stored) = keep::store_copy(&self.client, &label, &what, &source, &snapshot).await?;
        let out = begun.elapsed().as_secs_f64();
        session.ask("ROLLBACK").await?;
        session.close().await;
        let begun = Instant::now();
        let mut script = keep::open_object(&self.dir, stored.name, &self.identity)?;
        let target = self::source(owner, into).await?;
        bring_back(&mut script, &target)
            .await
            .map_err(|e| anyhow!("{e}"))?;
        Ok((out, begun.elapsed().as_secs_f64()))
    }
}

async fn source(owner: &Connection, database: &str) -> Result<Source> {
    Ok(Source {
        host: owner.host.clone(),
        port: owner.port,
        user: owner.user.clone(),
        password: Some(Secret::new(owner.password.clone())),
        database: database.to_owned(),
        tls: Tls::Off,
        tools: Tools::find(None, 15).await?,
    })
}
