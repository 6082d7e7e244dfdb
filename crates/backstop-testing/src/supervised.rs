//! A server that cannot outlive the test that started it.
//!
//! Between test and server stands a shell that reads a pipe from the test. When
//! the test ends, however it ends (SIGKILL too), the pipe closes, and the shell
//! stops the server and removes its folder. It must not be put into the test's
//! process group: what kills the group would kill the one that cleans up.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::account::Account;

/// Reads one word: a signal to stop the server with, its folder kept; nothing (the
/// pipe closed) means stop it and remove the folder. The System V segment that a
/// PostgreSQL killed with SIGKILL leaves behind stands in its `postmaster.pid`.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM PIPE
folder=$1; last=$2; shift 2
"$@" </dev/null &
server=$!
if read -r signal; then
    kill -s "$signal" "$server" 2>/dev/null
    wait "$server"
    exit
fi
kill -s "$last" "$server" 2>/dev/null
wait "$server"
segment=$(sed -n 7p "$folder/data/postmaster.pid" 2>/dev/null | awk '{ print $2 }')
[ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null
# Helpers of the server may outlive it for a moment and write into the folder.
for _ in 1 2 3 4 5; do
    rm -rf "$folder" 2>/dev/null
    [ -e "$folder" ] || exit
    sleep 0.2
done
"#;

/// How long the server's helpers may outlive it.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// What to run and how to end it.
pub(crate) struct Plan<'a> {
    /// As whom.
    pub account: Account,
    /// The server's own folder, removed at the end.
    pub folder: &'a Path,
    /// Its program and arguments.
    pub program: &'a Path,
    /// See `program`.
    pub arguments: Vec<String>,
    /// Where its output goes.
    pub log: &'a Path,
    /// The signal that ends it at once, without the prefix `SIG`.
    pub stop: &'static str,
}

/// A running server; dropping it stops the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Supervised {
    shell: Child,
    folder: PathBuf,
}

impl Supervised {
    /// Starts the server; it may not be ready yet.
    pub(crate) fn start(plan: Plan<'_>) -> Result<Self> {
        let log = append_to(plan.log)?;
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(plan.folder)
            .arg(plan.stop)
            .arg(plan.program)
            .args(plan.arguments)
            .env_clear()
            .envs([
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("LC_ALL", "C.UTF-8"),
            ])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().context("opening the server's log twice")?)
            .stderr(log)
            .process_group(0);
        plan.account.apply(&mut shell);
        let shell = shell
            .spawn()
            .with_context(|| format!("starting {}", plan.program.display()))?;
        Ok(Self {
            shell,
            folder: plan.folder.to_owned(),
        })
    }

    /// The server's own folder.
    #[cfg(feature = "browser")]
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops the server with a signal (`INT`, `KILL`, …), keeping its folder, and waits for its end.
    pub(crate) fn stop_with(mut self, signal: &str) -> Result<()> {
        if let Some(mut pipe) = self.shell.stdin.take() {
            writeln!(pipe, "{signal}").context("telling the supervisor to stop the server")?;
        }
        self.shell.wait().context("waiting for the server's end")?;
        Ok(())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if self.shell.stdin.take().is_none() {
            return; // stopped already, by `stop_with`
        }
        let _ = self.shell.wait();
        // Chromium's helpers end a little later than Chromium.
        let deadline = Instant::now() + STRAGGLERS;
        while group_lives(self.shell.id()) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        // The supervisor cannot remove what root put there: the log.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a process group has members: the shell leads one, and all it started is in it.
fn group_lives(group: u32) -> bool {
    let group = group.to_string();
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // After the name, which may hold anything, come state, parent and group.
            stat.rsplit_once(") ")
                .and_then(|(_, rest)| rest.split(' ').nth(2))
                .is_some_and(|found| found == group)
        })
}

fn append_to(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("opening the server's log {}", path.display()))
}
