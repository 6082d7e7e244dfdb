//! A running throwaway server.
//!
//! It must not leave anything behind: process, folder and shared memory go with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Connection, Installation, Major, PostgresServer, psql, template};
use crate::account::Account;
use crate::port;
use crate::supervised::{Plan, Supervised};

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(60);

/// How often another port is tried, or the backends of a killed server waited for.
const ATTEMPTS: u32 = 40;

/// A unix socket's path ends at 107 bytes; beyond this the name of the temporary folder is not used.
const LONGEST_TEMPORARY_FOLDER: usize = 60;

/// A running server; dropping it stops the server and removes its data.
#[derive(Debug)]
pub struct Server {
    installation: Installation,
    pub(super) account: Account,
    pub(super) folder: PathBuf,
    plan: PostgresServer,
    port: u16,
    process: Option<Supervised>,
}

/// A file system in memory, and how many free megabytes make it worth using: a container
/// may have 64 of them.
const MEMORY: &str = "/dev/shm";
const PLENTY: u64 = 4096;

/// Why a start failed.
enum Failure {
    /// Another program took the port, or an earlier server still holds the data.
    Busy(String),
    Other(String),
}

pub(super) fn start(plan: PostgresServer) -> Result<Server> {
    let installation = Installation::find(plan.major)?;
    let account = Account::for_servers()?;
    let folder = new_folder(account, plan.on_disk)?;
    let mut server = Server {
        installation,
        account,
        folder,
        plan,
        port: 0,
        process: None,
    };
    server.lay_out()?;
    for _ in 0..ATTEMPTS {
        server.port = port::free()?;
        match server.launch()? {
            Ok(()) => return Ok(server),
            Err(Failure::Busy(_)) => continue,
            Err(Failure::Other(log)) => bail!("{} did not start: {log}", server.major()),
        }
    }
    bail!(
        "{} found no free port in {ATTEMPTS} attempts",
        server.major()
    )
}

impl Server {
    /// Its major version.
    pub fn major(&self) -> Major {
        self.installation.major()
    }

    /// Its programs, and client programs that fit it.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The address it listens on.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// The port it listens on; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its unix socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// As the superuser, in the database `app`.
    pub fn superuser(&self) -> Connection {
        self.connection(template::SUPERUSER, template::SUPERUSER_PASSWORD)
    }

    /// As the role that owns the database `app`: may create roles and databases, is no superuser.
    pub fn owner(&self) -> Connection {
        self.connection(template::OWNER, template::OWNER_PASSWORD)
    }

    /// Runs SQL as the superuser in `app` and gives back psql's plain output.
    ///
    /// # Errors
    /// When a statement fails; the error carries psql's message.
    pub fn psql(&self, sql: &str) -> Result<String> {
        self.psql_as(&self.superuser(), sql)
    }

    /// Runs SQL as somebody else.
    ///
    /// # Errors
    /// As [`Server::psql`].
    pub fn psql_as(&self, connection: &Connection, sql: &str) -> Result<String> {
        self.psql_with(connection, &[], sql)
    }

    /// Runs SQL with psql variables set.
    ///
    /// # Errors
    /// As [`Server::psql`].
    pub fn psql_with(
        &self,
        connection: &Connection,
        variables: &[(&str, &str)],
        sql: &str,
    ) -> Result<String> {
        psql::run(
            &self.installation.client("psql")?,
            connection,
            variables,
            sql,
        )
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Ends sessions and stops it in good order; [`Server::start_again`] brings it back.
    ///
    /// # Errors
    /// When the supervisor cannot be told.
    pub fn stop(&mut self) -> Result<()> {
        self.stop_with("INT")
    }

    /// Kills its main process with SIGKILL, as a crash does.
    ///
    /// # Errors
    /// When the supervisor cannot be told.
    pub fn kill(&mut self) -> Result<()> {
        self.stop_with("KILL")
    }

    /// Starts it again on the same port and data.
    ///
    /// # Errors
    /// When it does not start; the error carries its log.
    pub fn start_again(&mut self) -> Result<()> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match self.launch()? {
                Ok(()) => return Ok(()),
                Err(Failure::Busy(log)) => last = log,
                Err(Failure::Other(log)) => bail!("{} did not start again: {log}", self.major()),
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("{} did not start again: {last}", self.major())
    }

    /// Stops it in good order and starts it again.
    ///
    /// # Errors
    /// As [`Server::start_again`].
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Kills it and removes its whole data directory, as one wrong command does.
    ///
    /// # Errors
    /// When the supervisor cannot be told, or a file does not go.
    pub fn lose_everything(&mut self) -> Result<()> {
        self.kill()?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            // Its backends may be writing still.
            match fs::remove_dir_all(self.data()) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("the data directory did not go: {last:?}")
    }

    /// After [`Server::lose_everything`]: a new, empty server on the same port.
    ///
    /// # Errors
    /// When it does not start; the error carries its log.
    pub fn begin_anew(&mut self) -> Result<()> {
        self.lay_out()?;
        self.start_again()
    }

    fn lay_out(&self) -> Result<()> {
        template::lay_out(&self.installation, self.account, &self.data())?;
        write_configuration(self, &self.plan)
    }

    fn stop_with(&mut self, signal: &str) -> Result<()> {
        match self.process.take() {
            Some(process) => process.stop_with(signal),
            None => Ok(()),
        }
    }

    fn connection(&self, user: &str, password: &str) -> Connection {
        Connection {
            host: self.host().to_owned(),
            port: self.port,
            user: user.to_owned(),
            password: password.to_owned(),
            database: template::DATABASE.to_owned(),
        }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn launch(&mut self) -> Result<Result<(), Failure>> {
        let begins = self.log().len();
        let data = self.data();
        // A killed server leaves its pid file behind, and that says `ready`.
        let stale = pid_file(&data);
        let process = self.supervise(
            &self.installation.program("postgres"),
            vec![
                "-D".to_owned(),
                data.display().to_string(),
                "-p".to_owned(),
                self.port.to_string(),
            ],
        )?;
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if is_ready(&pid_file(&data), &stale) {
                self.process = Some(process);
                return Ok(Ok(()));
            }
            let log = self.log().split_off(begins);
            if gave_up(&log) {
                process.stop_with("QUIT")?;
                return Ok(Err(classify(log)));
            }
            thread::sleep(Duration::from_millis(5));
        }
        process.stop_with("QUIT")?;
        Ok(Err(Failure::Other(format!(
            "not ready after {} s\n{}",
            START.as_secs(),
            self.log()
        ))))
    }

    fn supervise(&self, program: &Path, arguments: Vec<String>) -> Result<Supervised> {
        Supervised::start(Plan {
            account: self.account,
            folder: &self.folder,
            program,
            arguments,
            log: &self.log_path(),
            stop: "QUIT",
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_none() {
            // Stopped or killed earlier: a supervisor with nothing to do still
            // removes the folder and the shared memory.
            self.process = self.supervise(Path::new("/bin/true"), Vec::new()).ok();
        }
    }
}

fn classify(log: String) -> Failure {
    let busy = [
        "could not create any TCP/IP sockets",
        "pre-existing shared memory block",
        "lock file \"",
    ];
    if busy.iter().any(|sign| log.contains(sign)) {
        Failure::Busy(log)
    } else {
        Failure::Other(log)
    }
}

fn pid_file(data: &Path) -> String {
    fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default()
}

/// The server writes `ready` into the eighth line of its pid file.
fn is_ready(pid_file: &str, stale: &str) -> bool {
    pid_file != stale
        && pid_file
            .lines()
            .nth(7)
            .is_some_and(|status| status.trim() == "ready")
}

/// Whether the server itself gave up. Clients that come too early are refused with FATAL
/// too, but their lines carry `user@database`.
fn gave_up(log: &str) -> bool {
    ["] FATAL:", " @ FATAL:"]
        .iter()
        .any(|sign| log.contains(sign))
}

fn new_folder(account: Account, on_disk: bool) -> Result<PathBuf> {
    let base = if on_disk {
        disk()
    } else {
        memory().unwrap_or_else(disk)
    };
    let folder = tempfile::Builder::new()
        .prefix("backstop-pg-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(base)
        .context("making the server's folder")?
        .keep();
    let socket = folder.join("socket");
    fs::create_dir(&socket).context("making the socket's folder")?;
    account.own(&socket)?;
    account.own(&folder)?;
    Ok(folder)
}

fn disk() -> PathBuf {
    match std::env::temp_dir() {
        long if long.as_os_str().len() > LONGEST_TEMPORARY_FOLDER => PathBuf::from("/tmp"),
        short => short,
    }
}

/// Memory, where there is plenty of it: a data folder is more than a thousand small files.
fn memory() -> Option<PathBuf> {
    let output = Command::new("df")
        .args(["--output=avail", "--block-size=1M", MEMORY])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let free: u64 = text.lines().nth(1)?.trim().parse().ok()?;
    (free >= PLENTY).then(|| PathBuf::from(MEMORY))
}

fn write_configuration(server: &Server, plan: &PostgresServer) -> Result<()> {
    let data = server.data();
    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\n\
         unix_socket_directories = '{}'\n\
         max_connections = 200\n\
         log_line_prefix = '%m [%p] %u@%d '\n\
         # POSIX shared memory would stay behind after SIGKILL; files go with the folder.\n\
         dynamic_shared_memory_type = mmap\n",
        server.socket_folder().display()
    );
    if let Some(identity) = &plan.tls {
        write_private(server, "server.crt", &identity.certificate_pem)?;
        write_private(server, "server.key", &identity.key_pem)?;
        settings.push_str("ssl = on\n");
    }
    for (name, value) in &plan.settings {
        settings.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
    }
    // Read after postgresql.conf, and absent from the template.
    let path = data.join("postgresql.auto.conf");
    fs::write(&path, settings).context("writing the server's settings")?;
    fs::write(data.join("pg_hba.conf"), hba(plan)).context("writing pg_hba.conf")
}

fn hba(plan: &PostgresServer) -> String {
    let tcp = if plan.require_tls { "hostssl" } else { "host" };
    let mut lines = plan.hba.clone();
    lines.push("local all,replication all scram-sha-256".to_owned());
    for address in ["127.0.0.1/32", "::1/128"] {
        lines.push(format!("{tcp} all,replication all {address} scram-sha-256"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn write_private(server: &Server, name: &str, text: &str) -> Result<()> {
    let path = server.data().join(name);
    fs::write(&path, text).with_context(|| format!("writing {name}"))?;
    // PostgreSQL refuses a key that others can read.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
        .with_context(|| format!("closing {name}"))?;
    server.account.own(&path)
}
