//! The throwaway server: made, filled and read inside the sandbox, reached by its socket alone.
//!
//! Its superuser makes roles and the empty database and then connects no more: from the moment at which the
//! archive goes in, nobody who connects is one.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use backstop_core::secret::Secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::sandbox::{INSIDE, Sandbox};
use crate::points::database::{self, LeftOut, Manifest, Role, Table};
use crate::points::progress::Progress;
use crate::points::question::Question;
use crate::points::session::random;
use crate::points::{PointError, Session, Source, Tls, Tools, sql};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// The database that the archive goes into.
pub(crate) const DATABASE: &str = "drill";

/// For a server that is thrown away: nothing needs to outlive it.
const SETTINGS: &str = "\
listen_addresses = ''
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = '4GB'
autovacuum = off
jit = off
log_min_messages = fatal
log_min_error_statement = panic
max_connections = 20
";

/// A running server; dropping it ends it and removes all it left.
pub(crate) struct Throwaway {
    process: Child,
    sandbox: Sandbox,
    tools: Tools,
    bootstrap: String,
    restorer: String,
    inspector: String,
    password: String,
    stays: bool,
}

/// For a server that stays up and runs what agents ask for: what one session can take is bounded by what no session
/// can change. Nobody cleans up behind rollbacks but autovacuum.
const STAYING: &str = "\
autovacuum = on
temp_file_limit = '4GB'
max_worker_processes = 4
max_prepared_transactions = 0
";

/// The most address space of a process of a server that stays, in KiB.
const ADDRESSES: &str = "4194304";

impl Throwaway {
    /// Makes and starts a server that is like the one that the manifest is of.
    pub(crate) async fn start(
        sandbox: Sandbox,
        tools: &Tools,
        manifest: &Manifest,
        stays: bool,
    ) -> Result<Self, PointError> {
        if tools.major() != manifest.major() {
            return Err(PointError::Refused(format!(
                "a point of PostgreSQL {} is drilled with a server of that version, not {}; hint: set \
                 `pg_bin` to its programs",
                manifest.major(),
                tools.major()
            )));
        }
        let name = random()?;
        let short = name.get(..8).unwrap_or_default();
        // Grants name the role that made the cluster, so it has the same name here.
        let bootstrap = match manifest.bootstrap.as_str() {
            "" => "postgres",
            name => name,
        };
        let password = random()?;
        make(&sandbox, tools, bootstrap, &password, stays).await?;
        let process = launch(&sandbox, tools, stays).await?;
        Ok(Self {
            process,
            sandbox,
            tools: tools.clone(),
            bootstrap: bootstrap.to_owned(),
            restorer: format!("backstop_restorer_{short}"),
            inspector: format!("backstop_inspector_{short}"),
            password,
            stays,
        })
    }

    /// Runs the roles' script, says what is not as the manifest has it, and makes the empty database.
    pub(crate) async fn restore_roles<R>(
        &mut self,
        roles: &mut R,
        manifest: &Manifest,
    ) -> Result<Vec<String>, PointError>
    where
        R: AsyncRead + Unpin,
    {
        let mut psql = self.client("psql", &self.bootstrap, "postgres");
        psql.args(["--no-psqlrc", "--quiet", "--no-password", "--file=-"]);
        feed(psql, roles).await?;
        let mut session = self.session(&self.bootstrap, "postgres").await?;
        let found = database::roles(&mut session).await?;
        let differences = compare(&manifest.roles, &found);
        session
            .ask("SET default_transaction_read_only = off")
            .await?;
        for statement in self.preparations(&found, manifest) {
            session.ask(&statement).await?;
        }
        session.close().await;
        self.add_extensions(manifest).await?;
        Ok(differences)
    }

    /// Restores the archive as a role that is no superuser and may become none.
    pub(crate) async fn restore_archive<A>(
        &mut self,
        archive: &mut A,
    ) -> Result<Vec<LeftOut>, PointError>
    where
        A: AsyncRead + Unpin,
    {
        let mut command = self.client("pg_restore", &self.restorer, DATABASE);
        command
            .args(["--no-password", "--format=custom", "--verbose"])
            .arg(format!("--dbname={DATABASE}"));
        database::run_pg_restore(command, archive).await
    }

    /// Counts and digests what came back, as a role that may read everything and write nothing.
    pub(crate) async fn measure(
        &mut self,
        progress: &dyn Progress,
    ) -> Result<Vec<Table>, PointError> {
        let mut session = self.session(&self.inspector, DATABASE).await?;
        let tables = database::measure(&mut session, progress).await?;
        session.close().await;
        Ok(tables)
    }

    /// Ends it and waits for its end.
    pub(crate) async fn stop(mut self) {
        let _ = self.process.kill().await; // it may have ended by itself
    }

    /// A role that other roles may become must not be more than a role: what only superusers do is not tried.
    fn preparations(&self, roles: &[Role], manifest: &Manifest) -> Vec<String> {
        let password = sql::literal(&self.password);
        let restorer = sql::ident(&self.restorer);
        let inspector = sql::ident(&self.inspector);
        let mut statements = vec![
            format!("CREATE ROLE {restorer} LOGIN NOSUPERUSER PASSWORD {password}"),
            format!("CREATE ROLE {inspector} LOGIN NOSUPERUSER BYPASSRLS PASSWORD {password}"),
            format!("GRANT pg_read_all_data TO {inspector}"),
        ];
        for role in roles.iter().filter(|role| role.name != self.bootstrap) {
            let name = sql::ident(&role.name);
            statements.push(format!(
                "ALTER ROLE {name} NOSUPERUSER NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS"
            ));
            if self.stays {
                // Nobody but us knows the password.
                statements.push(format!(
                    "ALTER ROLE {name} LOGIN PASSWORD {password} VALID UNTIL 'infinity' CONNECTION LIMIT -1"
                ));
            }
            statements.push(format!("ALTER ROLE {name} RESET ALL"));
            for member in &role.member_of {
                let group = member.strip_suffix(" (admin)").unwrap_or(member);
                if group.starts_with("pg_") || group == self.bootstrap {
                    statements.push(format!("REVOKE {} FROM {name} CASCADE", sql::ident(group)));
                }
            }
        }
        for role in roles.iter().filter(|role| role.name != self.bootstrap) {
            statements.push(format!("GRANT {} TO {restorer}", sql::ident(&role.name)));
        }
        // Who owns a thing must be allowed to make it where it is, as the database's owner is in `public`.
        let owner = match manifest.owner.as_str() {
            owner if roles.iter().any(|role| role.name == owner) && owner != self.bootstrap => {
                sql::ident(owner)
            }
            _ => restorer,
        };
        statements.push(format!(
            "CREATE DATABASE {DATABASE} OWNER {owner} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            sql::literal(&manifest.encoding),
            sql::literal(&manifest.collate),
            sql::literal(&manifest.ctype)
        ));
        statements
    }

    /// Extensions come from the server's own files, not from the archive, and most need a superuser.
    async fn add_extensions(&mut self, manifest: &Manifest) -> Result<(), PointError> {
        let mut session = self.session(&self.bootstrap, DATABASE).await?;
        session
            .ask("SET default_transaction_read_only = off")
            .await?;
        for extension in &manifest.extensions {
            let schema = sql::ident(&extension.schema);
            let statements = [
                format!(
                    "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {}",
                    sql::ident(&self.restorer)
                ),
                format!(
                    "CREATE EXTENSION IF NOT EXISTS {} SCHEMA {schema} VERSION {}",
                    sql::ident(&extension.name),
                    sql::literal(&extension.version)
                ),
            ];
            for statement in statements {
                // What is not to be had here shows as what the archive then misses.
                if let Err(why) = session.ask(&statement).await {
                    tracing::info!(extension = extension.name, %why, "not added before the restore");
                }
            }
        }
        session.close().await;
        Ok(())
    }

    /// A session as a role that may read everything and write nothing.
    pub(crate) async fn inspecting(&self) -> Result<Session, PointError> {
        self.session(&self.inspector, DATABASE).await
    }

    /// A session as a role that owns what the restored roles own.
    pub(crate) async fn maintaining(&self) -> Result<Session, PointError> {
        self.session(&self.restorer, DATABASE).await
    }

    /// A session as one of the restored roles, by `psql`: for no text of others' that could hold a backslash.
    pub(crate) async fn acting(&self, role: &str) -> Result<Session, PointError> {
        self.session(role, DATABASE).await
    }

    /// The copy as one of its roles, for programs that run in the sandbox.
    pub(crate) fn source(&self, role: &str) -> Source {
        Source {
            host: format!("{INSIDE}/socket"),
            port: 5432,
            user: role.to_owned(),
            password: Some(Secret::new(self.password.clone())),
            database: DATABASE.to_owned(),
            tls: Tls::Off,
            tools: self.tools.within(self.sandbox.room()),
        }
    }

    /// The server's socket, as it is outside the sandbox.
    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.sandbox.folder().join("socket/.s.PGSQL.5432")
    }

    /// The sandbox's folder, as it is outside.
    pub(crate) fn folder(&self) -> &Path {
        self.sandbox.folder()
    }

    /// The password of its roles.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    async fn session(&self, role: &str, database: &str) -> Result<Session, PointError> {
        let mut command = self.client("psql", role, database);
        command.args(Session::ARGUMENTS);
        Session::start(command).await
    }

    /// A client program inside the sandbox, as one of the server's roles.
    fn client(&self, tool: &str, role: &str, database: &str) -> Command {
        let source = Source {
            database: database.to_owned(),
            ..self.source(role)
        };
        let mut command = self.sandbox.command(&self.tools.bin().join(tool));
        command.envs(source.environment());
        command
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        // So that the sandbox, dropped next, finds its folder left alone.
        let _ = self.process.start_kill();
        let deadline = Instant::now() + Duration::from_secs(2);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn compare(wanted: &[Role], found: &[Role]) -> Vec<String> {
    wanted
        .iter()
        .filter_map(
            |was| match found.iter().find(|role| role.name == was.name) {
                None => Some(format!("role {} is missing", was.name)),
                Some(is) if is != was => Some(format!("role {} is not as it was", was.name)),
                Some(_) => None,
            },
        )
        .collect()
}

async fn make(
    sandbox: &Sandbox,
    tools: &Tools,
    bootstrap: &str,
    password: &str,
    stays: bool,
) -> Result<(), PointError> {
    let write = |name: &str, text: &str| -> Result<(), PointError> {
        let path = sandbox.folder().join(name);
        fs::write(&path, text).map_err(PointError::io("writing the throwaway server's files"))?;
        sandbox.own(&path)
    };
    let socket = sandbox.folder().join("socket");
    fs::create_dir(&socket).map_err(PointError::io("making the throwaway server's folder"))?;
    sandbox.own(&socket)?;
    write("password", password)?;
    let mut initdb = sandbox.command(&tools.bin().join("initdb"));
    initdb
        .args([
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ])
        .arg(format!("--username={bootstrap}"))
        .arg(format!("--pwfile={INSIDE}/password"))
        .arg(format!("--pgdata={INSIDE}/data"));
    let output = initdb
        .output()
        .await
        .map_err(PointError::io("starting initdb"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(PointError::tool("initdb", &said));
    }
    let socket = format!("unix_socket_directories = '{INSIDE}/socket'\n");
    // The last word counts.
    let staying = if stays { STAYING } else { "" };
    write(
        "data/postgresql.auto.conf",
        &format!("{SETTINGS}{staying}{socket}"),
    )
}

async fn launch(sandbox: &Sandbox, tools: &Tools, stays: bool) -> Result<Child, PointError> {
    let path = sandbox.folder().join("log");
    let log = File::create(&path).map_err(PointError::io("making the throwaway server's log"))?;
    let program = tools.bin().join("postgres");
    let mut postgres = if stays {
        let mut shell = sandbox.command(Path::new("/bin/sh"));
        shell
            .args([
                "-c",
                "ulimit -v \"$1\"; shift; exec \"$@\"",
                "sh",
                ADDRESSES,
            ])
            .arg(program);
        shell
    } else {
        sandbox.command(&program)
    };
    postgres
        .args(["-D", &format!("{INSIDE}/data")])
        .stdout(Stdio::null())
        .stderr(log);
    let mut process = postgres
        .spawn()
        .map_err(PointError::io("starting the throwaway server"))?;
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if is_ready(&sandbox.folder().join("data/postmaster.pid")) {
            return Ok(process);
        }
        let ended = process
            .try_wait()
            .map_err(PointError::io("waiting for the throwaway server"))?;
        if ended.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let said = fs::read_to_string(&path).unwrap_or_default();
    Err(PointError::tool("postgres", &said))
}

/// The server writes `ready` into the eighth line of its pid file.
fn is_ready(pid_file: &Path) -> bool {
    fs::read_to_string(pid_file).is_ok_and(|text| {
        text.lines()
            .nth(7)
            .is_some_and(|status| status.trim() == "ready")
    })
}

/// Gives a script to `psql`, which goes on past what is there already: what matters is compared afterwards.
async fn feed<R>(mut psql: Command, script: &mut R) -> Result<(), PointError>
where
    R: AsyncRead + Unpin,
{
    psql.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = psql.spawn().map_err(PointError::io("starting psql"))?;
    let gone = || PointError::tool("psql", "it has no pipes");
    let mut input = child.stdin.take().ok_or_else(gone)?;
    let mut errors = child.stderr.take().ok_or_else(gone)?;
    let feeding = async move {
        tokio::io::copy(script, &mut input).await?;
        input.shutdown().await
    };
    let listening = async move {
        let mut said = Vec::new();
        let _ = (&mut errors).take(16 << 10).read_to_end(&mut said).await;
        let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
        String::from_utf8_lossy(&said).into_owned()
    };
    let (fed, said) = tokio::join!(feeding, listening);
    let status = child
        .wait()
        .await
        .map_err(PointError::io("waiting for psql"))?;
    match fed {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(PointError::unread("the roles")(why));
        }
        _ => {}
    }
    if status.success() {
        return Ok(());
    }
    Err(PointError::tool("psql", &said))
}
