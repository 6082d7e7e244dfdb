//! The gate's own process: this program again, told by a mark in its environment to be the gate.
//!
//! Own threads and memory, so that nothing of the measuring is measured. [`serve`] runs in the child, [`Child`]
//! stands for it in the parent. They speak in lines: `lease SCOPE…`, `halt LEASE`, `approve`, `undo`; the end of the
//! input ends it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use backstop_testing::postgres::{Connection, Server};
use backstop_testing::tls::Identity;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::installation::Installation;
use crate::machine::{disk, threads};

/// The environment variable that makes this program the gate.
pub const MARK: &str = "BACKSTOP_BENCH_GATE";

/// The first line to the child.
#[derive(Serialize, Deserialize)]
struct Order {
    folder: PathBuf,
    host: String,
    port: u16,
    user: String,
    password: String,
    database: String,
    threads: usize,
    certificate_pem: String,
    key_pem: String,
    vault: bool,
}

/// A gate in a process of its own; dropping it ends it.
pub struct Child {
    process: std::process::Child,
    pipes: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    port: u16,
    /// The certificate that it shows, PEM.
    pub certificate_pem: String,
    _folder: tempfile::TempDir,
}

impl Child {
    /// A gate before `server`, its journal in a new folder on the disk that this program lies on.
    pub fn start(server: &Server) -> Result<Self> {
        Self::begin(server, false)
    }

    /// The same with a vault: what is written is measured and kept.
    pub fn keeping(server: &Server) -> Result<Self> {
        Self::begin(server, true)
    }

    fn begin(server: &Server, vault: bool) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("backstop-bench-")
            .tempdir_in(disk()?)
            .context("making the gate's folder")?;
        let identity = Identity::self_signed()?;
        let owner = server.owner();
        let order = Order {
            folder: folder.path().to_owned(),
            host: owner.host,
            port: owner.port,
            user: owner.user,
            password: owner.password,
            database: owner.database,
            threads: threads(),
            certificate_pem: identity.certificate_pem.clone(),
            key_pem: identity.key_pem,
            vault,
        };
        let mut process = Command::new(std::env::current_exe()?)
            .env(MARK, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the gate's process")?;
        let input = process.stdin.take().context("a pipe to the gate")?;
        let output = process.stdout.take().context("a pipe from the gate")?;
        let mut child = Self {
            process,
            pipes: Mutex::new(Some((input, BufReader::new(output)))),
            port: 0,
            certificate_pem: identity.certificate_pem,
            _folder: folder,
        };
        let answer = child.tell(&serde_json::to_string(&order)?)?;
        child.port = answer.parse().context("the gate's port")?;
        Ok(child)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A new lease: the way to `direct`'s database with it.
    pub fn lease(&self, direct: &Connection, scopes: &[&str]) -> Result<Connection> {
        let answer = self.tell(&format!("lease {}", scopes.join(" ")))?;
        let (lease, secret) = answer.split_once(' ').context("a lease and its secret")?;
        Ok(direct
            .as_role(lease, secret)
            .through("127.0.0.1", self.port))
    }

    /// Halts a lease; returns when the halt is durable.
    pub fn halt(&self, lease: &str) -> Result<()> {
        self.tell(&format!("halt {lease}")).map(drop)
    }

    /// Approves the hold that waits, or the next one that comes.
    pub fn approve(&self) -> Result<()> {
        self.tell("approve").map(drop)
    }

    /// Undoes the newest transaction that was kept; how long it took, in seconds.
    pub fn undo(&self) -> Result<f64> {
        Ok(self.tell("undo")?.parse()?)
    }

    /// Copies a table into the vault, as before it is dropped, and brings it back into the empty database `into`:
    /// how long each took, in seconds.
    pub fn copy(&self, table: &str, into: &str) -> Result<(f64, f64)> {
        let said = self.tell(&format!("copy {table} {into}"))?;
        let (out, back) = said.split_once(' ').context("two times")?;
        Ok((out.parse()?, back.parse()?))
    }

    fn tell(&self, line: &str) -> Result<String> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = pipes.as_mut().context("the gate's process has ended")?;
        writeln!(input, "{line}")?;
        let mut answer = String::new();
        output.read_line(&mut answer)?;
        match answer.trim_end().split_once(' ') {
            Some(("ok", rest)) => Ok(rest.to_owned()),
            _ => bail!("the gate's process said `{}`", answer.trim_end()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Its input's end is its end.
        self.pipes
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let _ = self.process.wait();
    }
}

/// What the child does.
pub fn serve() -> Result<()> {
    let mut lines = std::io::stdin().lines();
    let order = lines.next().context("no order came")??;
    let order: Order = serde_json::from_str(&order)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(order.threads.max(2))
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut installation = begin(&order).await?;
        println!("ok {}", installation.port());
        // Reading blocks this thread only: the gate's and the runtime's are others.
        for line in lines {
            match answer(&mut installation, &line?).await {
                Ok(said) => println!("ok {said}"),
                Err(error) => println!("error {error:#}"),
            }
        }
        installation.shutdown().await;
        Ok(())
    })
}

async fn begin(order: &Order) -> Result<Installation> {
    let owner = Connection {
        host: order.host.clone(),
        port: order.port,
        user: order.user.clone(),
        password: order.password.clone(),
        database: order.database.clone(),
    };
    let certificate = CertificateDer::from_pem_slice(order.certificate_pem.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(order.key_pem.as_bytes())?;
    let shown = certificate.to_vec();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let tls = Some((Arc::new(tls), shown));
    Installation::start(&order.folder, &owner, order.threads, tls, order.vault).await
}

async fn answer(installation: &mut Installation, line: &str) -> Result<String> {
    let mut words = line.split(' ');
    match words.next() {
        Some("lease") => {
            let scopes: Vec<&str> = words.collect();
            let (lease, secret) = installation.lease(&scopes).await?;
            Ok(format!("{lease} {secret}"))
        }
        Some("halt") => {
            let lease = words.next().context("which lease?")?;
            installation.halt(lease).await?;
            Ok("halted".to_owned())
        }
        Some("approve") => {
            installation.approve_next().await?;
            Ok("approved".to_owned())
        }
        Some("undo") => Ok(installation.undo_newest().await?.to_string()),
        Some("copy") => {
            let table = words.next().context("which table?")?;
            let into = words.next().context("into which database?")?;
            let (out, back) = installation.copy(table, into).await?;
            Ok(format!("{out} {back}"))
        }
        _ => bail!("unknown word"),
    }
}
