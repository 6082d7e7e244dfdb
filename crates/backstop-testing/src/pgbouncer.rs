//! PgBouncer before a throwaway server: what the gate's speed is compared with,
//! and, in transaction mode, what `backstop init` must refuse.
//!
//! It must not be tuned to look slow: only what is needed to run is set.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::account::Account;
use crate::cache;
use crate::port;
use crate::postgres::{Connection, Server};
use crate::supervised::{Plan, Supervised};

const START: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 10;

/// How long a client keeps its server connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// Until the client disconnects.
    Session,
    /// Until the transaction ends.
    Transaction,
}

/// A running PgBouncer; dropping it stops it.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    _process: Supervised,
}

impl PgBouncer {
    /// Starts one before a server, for the server's superuser and owner and for `roles` besides.
    ///
    /// # Errors
    /// When PgBouncer is not installed or does not start; the error carries its log.
    pub fn start(server: &Server, mode: PoolMode, roles: &[Connection]) -> Result<Self> {
        let program = find()?;
        let mut all = vec![server.superuser(), server.owner()];
        all.extend_from_slice(roles);
        for _ in 0..ATTEMPTS {
            let port = port::free()?;
            if let Some(process) = launch(
                &program,
                &configuration(server, mode, port),
                &users(&all),
                port,
            )? {
                return Ok(Self {
                    port,
                    _process: process,
                });
            }
        }
        bail!("PgBouncer found no free port in {ATTEMPTS} attempts")
    }

    /// The port of 127.0.0.1 it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection to the server, by way of the pooler.
    #[must_use]
    pub fn connection(&self, direct: &Connection) -> Connection {
        direct.through("127.0.0.1", self.port)
    }
}

fn find() -> Result<PathBuf> {
    match cache::first_existing([
        Path::new("/usr/sbin/pgbouncer"),
        Path::new("/usr/bin/pgbouncer"),
    ]) {
        Some(path) => Ok(path.to_owned()),
        None => bail!("pgbouncer is not installed; hint: apt-get install pgbouncer"),
    }
}

/// `None` when another program took the port.
fn launch(
    program: &Path,
    configuration: &str,
    users: &str,
    port: u16,
) -> Result<Option<Supervised>> {
    let account = Account::for_servers()?;
    let folder = tempfile::Builder::new()
        .prefix("backstop-pgbouncer-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .context("making PgBouncer's folder")?
        .keep();
    account.own(&folder)?;
    let (settings, log) = (folder.join("pgbouncer.ini"), folder.join("log"));
    fs::write(
        &settings,
        format!(
            "{configuration}auth_file = {}\n",
            folder.join("users").display()
        ),
    )
    .context("writing PgBouncer's settings")?;
    fs::write(folder.join("users"), users).context("writing PgBouncer's users")?;
    let arguments = vec![settings.display().to_string()];
    let process = Supervised::start(Plan {
        account,
        folder: &folder,
        program,
        arguments,
        log: &log,
        stop: "TERM",
    })?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        let said = fs::read_to_string(&log).unwrap_or_default();
        if said.contains("Address already in use") {
            return Ok(None);
        }
        if said.contains("FATAL") {
            bail!("PgBouncer did not start: {said}");
        }
        if said.contains("process up") && TcpStream::connect(address).is_ok() {
            return Ok(Some(process));
        }
        thread::sleep(Duration::from_millis(5));
    }
    bail!(
        "PgBouncer was not ready after {} s: {}",
        START.as_secs(),
        fs::read_to_string(&log).unwrap_or_default()
    )
}

fn configuration(server: &Server, mode: PoolMode, port: u16) -> String {
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    };
    format!(
        "[databases]\n\
         * = host={} port={}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         pool_mode = {mode}\n\
         auth_type = scram-sha-256\n\
         max_client_conn = 500\n\
         default_pool_size = 100\n\
         ignore_startup_parameters = extra_float_digits,options\n",
        server.host(),
        server.port()
    )
}

fn users(roles: &[Connection]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    roles
        .iter()
        .map(|role| format!("{} {}\n", quoted(&role.user), quoted(&role.password)))
        .collect()
}
