//! Recovery to a moment: a base backup and the archived write-ahead log, both the operator's own, become a data
//! directory as it was then.
//!
//! Server and archive were in reach of whoever did the damage, so nothing that they say is run: the configuration of
//! the base backup is not read, nobody can connect while it recovers, and no code of the database's is loaded.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::points::{PointError, Progress, Tools};

/// How many of the server's lines are kept, to say why it failed.
const LINES: usize = 12;
/// How long the server may take to stop once it is done.
const STOP: Duration = Duration::from_secs(600);
/// What the server is told before anything else, instead of the base backup's own configuration.
const CONFIGURATION: &str = "backstop-recovery.conf";
/// Who may connect meanwhile: nobody.
const NOBODY: &str = "backstop-recovery.hba";
/// What `ALTER SYSTEM` writes, and where it is put aside.
const SYSTEM: &str = "postgresql.auto.conf";
const ASIDE: &str = "backstop-recovery.aside";
/// What `postgres` says when it is done.
const READY: &str = "database system is ready to accept connections";

/// From what, to when, and where to.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// A base backup as `pg_basebackup` makes it, in plain format.
    pub base: PathBuf,
    /// The folder that the server's `archive_command` copied segments into.
    pub wal: PathBuf,
    /// The moment.
    pub until: OffsetDateTime,
    /// The data directory to make.
    pub data: PathBuf,
    /// How long it may take.
    pub longest: Duration,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// The data directory, with a server that was stopped in order.
    pub data: PathBuf,
    /// The moment that was asked for.
    pub until: String,
    /// Where the server stopped, in its own words.
    pub stopped: Option<String>,
    /// The last transaction that it has, in its own words.
    pub last: Option<String>,
    /// Whether the base backup's files were checked against its manifest.
    pub verified: bool,
}

/// Reads a moment, which must say its time zone.
///
/// # Errors
/// [`PointError::Refused`] when it is none.
pub fn moment(text: &str) -> Result<OffsetDateTime, PointError> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        refused(format!(
            "`{}` is no moment; hint: write it with its zone, as in 2026-04-25T13:07:09Z",
            text.escape_debug()
        ))
    })
}

/// The major version of the server that a base backup is of.
///
/// # Errors
/// When it is no base backup that can be used.
pub async fn major(base: &Path) -> Result<u32, PointError> {
    let text = tokio::fs::read_to_string(base.join("PG_VERSION"))
        .await
        .map_err(PointError::io(format!(
            "reading the base backup `{}`",
            base.display()
        )))?;
    let major = text.trim().parse().map_err(|_| {
        refused(format!(
            "`{}` says no version of PostgreSQL's",
            base.display()
        ))
    })?;
    if !base.join("backup_label").is_file() {
        return Err(refused(format!(
            "`{}` is no base backup: it has no backup_label; hint: `pg_basebackup --pgdata DIR` makes one",
            base.display()
        )));
    }
    Ok(major)
}

/// Restores. What was made of the data directory goes when it fails.
///
/// # Errors
/// When the base backup or the archive cannot be used, or does not reach the moment.
pub async fn restore(
    wanted: &Wanted,
    tools: &Tools,
    progress: &dyn Progress,
) -> Result<Reached, PointError> {
    if rustix::process::geteuid().is_root() {
        return Err(refused(
            "PostgreSQL does not run as root; hint: run this as the user that the server is to run as, \
             as in `runuser -u postgres -- backstop vault restore --until …`",
        ));
    }
    no_links(&wanted.base).await?;
    progress.at("checking the base backup", 0, None);
    let verified = verify(&wanted.base, tools).await?;
    let made = Made::at(&wanted.data).await?;
    progress.at("copying the base backup", 0, None);
    copy(&wanted.base, &wanted.data).await?;
    prepare(&wanted.data).await?;
    progress.at("replaying the archived log", 0, None);
    let recovering = replay(wanted, tools);
    let (stopped, last) = tokio::time::timeout(wanted.longest, recovering)
        .await
        .map_err(|_| refused("it had not ended in time; hint: allow it more with --longest"))??;
    for file in [CONFIGURATION, NOBODY] {
        // A file that stays does no harm.
        let _ = tokio::fs::remove_file(wanted.data.join(file)).await;
    }
    let (aside, system) = (wanted.data.join(ASIDE), wanted.data.join(SYSTEM));
    if aside.exists() {
        let giving = PointError::io(format!("giving `{}` back", system.display()));
        tokio::fs::rename(aside, system).await.map_err(giving)?;
    }
    made.keep();
    Ok(Reached {
        data: wanted.data.clone(),
        until: at(wanted.until)?,
        stopped,
        last,
        verified,
    })
}

/// A directory that goes if it is not kept.
struct Made(Option<PathBuf>);

impl Made {
    async fn at(path: &Path) -> Result<Self, PointError> {
        let mut builder = tokio::fs::DirBuilder::new();
        builder
            .mode(0o700)
            .create(path)
            .await
            .map_err(PointError::io(format!(
                "making the data directory `{}`",
                path.display()
            )))?;
        Ok(Self(Some(path.to_owned())))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It was made by this, and is of no use.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Links in a base backup lead out of it, perhaps into the server that it was taken of.
async fn no_links(base: &Path) -> Result<(), PointError> {
    for folder in [base.to_owned(), base.join("pg_tblspc")] {
        let reading = || PointError::io(format!("reading the base backup `{}`", base.display()));
        let mut entries = tokio::fs::read_dir(&folder).await.map_err(reading())?;
        while let Some(entry) = entries.next_entry().await.map_err(reading())? {
            let kind = entry.file_type().await.map_err(reading())?;
            if kind.is_symlink() || (folder.ends_with("pg_tblspc") && kind.is_dir()) {
                return Err(refused(format!(
                    "the base backup has `{}` outside of itself; hint: bring back servers with tablespaces, or with \
                     their log elsewhere, by PostgreSQL's own means",
                    entry.file_name().display()
                )));
            }
        }
    }
    Ok(())
}

/// Checks the files against the backup's own manifest, where it has one.
async fn verify(base: &Path, tools: &Tools) -> Result<bool, PointError> {
    if !base.join("backup_manifest").is_file() {
        return Ok(false);
    }
    let mut command = tools.command("pg_verifybackup");
    command.args(["--no-parse-wal", "--quiet"]).arg(base);
    done(command, "pg_verifybackup").await.map(|()| true)
}

async fn copy(base: &Path, data: &Path) -> Result<(), PointError> {
    let mut command = Command::new("/bin/cp");
    command
        .args(["--archive", "--reflink=auto", "--"])
        .arg(base.join("."))
        .arg(data)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    done(command, "cp").await
}

async fn done(mut command: Command, tool: &str) -> Result<(), PointError> {
    let output = command
        .output()
        .await
        .map_err(PointError::io(format!("running {tool}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first: Vec<&str> = said.lines().take(LINES).collect();
    Err(PointError::tool(tool, &first.join("\n")))
}

/// Puts in place what makes it recover, and takes away what a running server left.
async fn prepare(data: &Path) -> Result<(), PointError> {
    use std::os::unix::fs::PermissionsExt as _;
    let writing = || PointError::io(format!("preparing `{}`", data.display()));
    let private = std::fs::Permissions::from_mode(0o700);
    tokio::fs::set_permissions(data, private)
        .await
        .map_err(writing())?;
    for file in ["postmaster.pid", "postmaster.opts", "standby.signal"] {
        match tokio::fs::remove_file(data.join(file)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(writing()(error));
            }
            _ => {}
        }
    }
    // The only file that a server reads besides the one it is told.
    match tokio::fs::rename(data.join(SYSTEM), data.join(ASIDE)).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(writing()(error)),
        _ => {}
    }
    for (file, text) in [
        ("recovery.signal", ""),
        (CONFIGURATION, ""),
        (NOBODY, "local all all reject\n"),
    ] {
        tokio::fs::write(data.join(file), text)
            .await
            .map_err(writing())?;
    }
    Ok(())
}

/// The server's settings, instead of any file's.
fn settings(wanted: &Wanted) -> Result<Vec<String>, PointError> {
    let data = wanted.data.display();
    let mut settings = vec![
        format!("config_file={data}/{CONFIGURATION}"),
        format!("hba_file={data}/{NOBODY}"),
        format!("restore_command={}", restore_command(&wanted.wal)?),
        format!("recovery_target_time={}", at(wanted.until)?),
    ];
    // Its own folder, which nobody else can enter: a server without any socket does not start.
    let fixed = [
        "recovery_target_action=promote",
        "recovery_target_inclusive=on",
        "recovery_target_timeline=latest",
        "listen_addresses=",
        "unix_socket_directories=.",
        "hot_standby=off",
        "archive_mode=off",
        "max_prepared_transactions=1000",
        "autovacuum=off",
        "logging_collector=off",
        "log_destination=stderr",
        "log_min_messages=log",
        "log_line_prefix=",
        "lc_messages=C",
        "timezone=UTC",
        "log_timezone=UTC",
        "ssl=off",
    ];
    settings.extend(fixed.map(str::to_owned));
    Ok(settings)
}

/// The server runs it by a shell, with `%f` and `%p` put in.
fn restore_command(wal: &Path) -> Result<String, PointError> {
    let text = wal.to_str().filter(|text| !text.contains(char::is_control));
    let text =
        text.ok_or_else(|| refused("the archive's folder has a name that no command can hold"))?;
    let quoted = text.replace('%', "%%").replace('\'', "'\\''");
    Ok(format!("/bin/cp -- '{quoted}/%f' '%p'"))
}

/// Runs the server until it has recovered, and stops it; gives its words on where.
async fn replay(
    wanted: &Wanted,
    tools: &Tools,
) -> Result<(Option<String>, Option<String>), PointError> {
    let mut command = tools.command("postgres");
    command.arg("-D").arg(&wanted.data);
    for setting in settings(wanted)? {
        command.args(["-c", &setting]);
    }
    command.stdout(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(PointError::io("starting postgres"))?;
    let said = child
        .stderr
        .take()
        .ok_or_else(|| PointError::tool("postgres", "it has no pipes"))?;
    let mut lines = BufReader::new(said).lines();
    let (mut all, mut stopped, mut last) = (Vec::<String>::new(), None, None);
    let mut ready = false;
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, words)) = line.split_once("LOG:  ") {
            if words.starts_with("recovery stopping") {
                stopped = Some(words.to_owned());
            } else if words.starts_with("last completed transaction") {
                last = Some(words.to_owned());
            } else if words == READY {
                ready = true;
                interrupt(&child)?;
            }
        }
        // Copying is not found for what is not archived yet; the server says so itself.
        if !line.starts_with("/bin/cp:") {
            all.push(line);
        }
    }
    let ended = tokio::time::timeout(STOP, child.wait());
    let status = ended
        .await
        .map_err(|_| refused("the server did not stop"))?
        .map_err(PointError::io("waiting for postgres"))?;
    if ready && status.success() {
        return Ok((stopped, last));
    }
    let from = all.len().saturating_sub(LINES);
    let words = all.get(from..).unwrap_or_default().join("\n");
    if words.contains("recovery ended before configured recovery target was reached") {
        return Err(refused(format!(
            "the archive ends before that moment: {}; hint: choose an earlier one, or wait until the server has \
             archived it (`SELECT pg_switch_wal()` hurries it)",
            last.unwrap_or_else(|| "it has no transaction after the base backup".to_owned())
        )));
    }
    Err(PointError::tool("postgres", &words))
}

/// As `pg_ctl stop --mode=fast` does.
fn interrupt(child: &Child) -> Result<(), PointError> {
    let id = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw)
        .ok_or_else(|| PointError::tool("postgres", "it has gone"))?;
    rustix::process::kill_process(id, rustix::process::Signal::INT)
        .map_err(|error| PointError::io("stopping postgres")(error.into()))
}

/// As PostgreSQL reads it.
fn at(until: OffsetDateTime) -> Result<String, PointError> {
    let format = format_description!(
        "[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]+00"
    );
    until
        .to_offset(time::UtcOffset::UTC)
        .format(&format)
        .map_err(|why| refused(why.to_string()))
}

fn refused(what: impl Into<String>) -> PointError {
    PointError::Moment(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_a_zone() {
        let there = moment("2026-04-25T15:07:09.5+02:00").unwrap();
        assert_eq!(at(there).unwrap(), "2026-04-25 13:07:09.500000+00");
        for text in ["2026-04-25T15:07:09", "yesterday", "", "2026-04-25", "'; x"] {
            assert!(
                moment(text).unwrap_err().to_string().contains("hint: "),
                "{text}"
            );
        }
    }

    #[test]
    fn an_archives_name_stays_a_name_in_the_shell() {
        let command = |name: &str| restore_command(Path::new(name));
        assert_eq!(command("/wal").unwrap(), "/bin/cp -- '/wal/%f' '%p'");
        assert_eq!(
            command("/w'; rm -rf %p/ '").unwrap(),
            "/bin/cp -- '/w'\\''; rm -rf %%p/ '\\''/%f' '%p'"
        );
        assert!(command("/w\nal").is_err());
    }
}
