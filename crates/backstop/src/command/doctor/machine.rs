//! What can be checked on this machine: files and who can read them, keys, room, time, the console's name.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Finding;
use crate::config::Config;
use crate::control::client::Client;
use crate::home::{Authority, Home, Identity, Keys};
use crate::serve::{channels, free_bytes};

/// Below this the journal's disk is nearly full.
const LITTLE_ROOM: u64 = 1024 * 1024 * 1024;
/// Users below this number are the system's own, which no agent logs in as.
const FIRST_PERSON: u32 = 1000;

/// Looks at everything on this machine.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let home = Home::at(&config.data_dir);
    let meta = match std::fs::metadata(home.root()) {
        Ok(meta) => meta,
        // A directory above it is closed already.
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return vec![from_outside(&home)],
        Err(_) => {
            return vec![Finding::bad(
                format!("there is no data directory `{}`", home.root().display()),
                "`backstop init` makes it",
            )];
        }
    };
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return vec![from_outside(&home)];
    }
    let mut all = vec![Finding::good(format!(
        "`{}` can be read and is usable",
        config.path.display()
    ))];
    all.extend(directory(&home));
    all.push(separate_user(meta.uid()));
    all.extend(open_files(&home));
    all.push(keys(&home));
    all.push(ca(config, &home));
    all.extend(gate_identity(config));
    all.extend(console(config));
    all.push(calls(config));
    all.push(room(&home));
    all.push(clock(&home));
    all.push(running(&home));
    all
}

/// As an agent's user would try: the keys must be out of reach (invariant 9).
fn from_outside(home: &Home) -> Finding {
    let key = home.keys().join("seal.key");
    match std::fs::read(&key) {
        Ok(_) => Finding::bad(
            format!(
                "this user is not Backstop's own, and can read `{}`",
                key.display()
            ),
            format!("chmod 700 {}", home.root().display()),
        ),
        Err(_) => Finding::good("this user is not Backstop's own, and cannot reach its keys"),
    }
}

fn directory(home: &Home) -> Vec<Finding> {
    match home.check() {
        Ok(()) => vec![Finding::good(format!(
            "`{}` is closed to others",
            home.root().display()
        ))],
        Err(failure) => vec![Finding::failed(&failure)],
    }
}

fn separate_user(uid: u32) -> Finding {
    match uid {
        0 => Finding::warning(
            "Backstop runs as root",
            "run it as a user of its own: packaging/ has a systemd unit that does",
        ),
        1..FIRST_PERSON => Finding::good("Backstop has a user of its own"),
        _ => Finding::warning(
            "Backstop runs as a person's user: whatever runs as that user, agents too, can read its keys",
            "run it as a user of its own: packaging/ has a systemd unit that does",
        ),
    }
}

/// Files in the data directory that others could read if they came in.
fn open_files(home: &Home) -> Option<Finding> {
    let open = |dir: PathBuf| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries
            .map(|e| e.path())
            .filter(|p| others_can(p))
            .collect()
    };
    let found: Vec<PathBuf> = ["keys", "credentials"]
        .iter()
        .flat_map(|d| open(home.root().join(d)))
        .collect();
    let first = found.first()?;
    Some(Finding::bad(
        format!("others can read `{}`", first.display()),
        format!("chmod 600 {}", first.display()),
    ))
}

fn others_can(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o077 != 0)
}

fn keys(home: &Home) -> Finding {
    match Keys::load(home) {
        Ok(_) => Finding::good("the keys are there and usable"),
        Err(failure) => Finding::failed(&failure),
    }
}

fn ca(config: &Config, home: &Home) -> Finding {
    let file = &config.gate.ca_file;
    match (Authority::load(home), std::fs::read_to_string(file)) {
        (Err(failure), _) => Finding::failed(&failure),
        (Ok(ca), Ok(text)) if text == ca.pem() => {
            Finding::good(format!("agents can trust `{}`", file.display()))
        }
        (Ok(_), Err(error)) => Finding::bad(
            format!("agents cannot read `{}`: {error}", file.display()),
            "`backstop init` or `serve` writes it anew",
        ),
        _ => Finding::bad(
            format!("`{}` is not the local CA's certificate", file.display()),
            "`backstop init` or `serve` writes it anew",
        ),
    }
}

fn gate_identity(config: &Config) -> Option<Finding> {
    let (certificate, key) = config.gate.identity.as_ref()?;
    Some(match Identity::from_files(certificate, key) {
        Ok(_) => Finding::good("the gate's certificate and key belong together"),
        Err(failure) => Finding::failed(&failure),
    })
}

fn console(config: &Config) -> Vec<Finding> {
    let origin = config.console.origin();
    let mut all = vec![];
    if config.console.origin.scheme() == "http" {
        all.push(Finding::warning(
            format!("the console is for this machine only: {origin}"),
            "`backstop init --origin https://…` in a new data directory makes one for phones",
        ));
    } else {
        all.push(Finding::good(format!("the console is {origin}")));
    }
    if let Some((certificate, key)) = &config.console.identity {
        all.push(match backstop_console::Tls::from_files(certificate, key) {
            Ok(_) => Finding::good("the console's certificate and key belong together"),
            Err(error) => Finding::bad(error, "name PEM files that belong together in [console]"),
        });
    }
    all
}

fn calls(config: &Config) -> Finding {
    match channels(&config.notify) {
        Ok(notifier) if notifier.is_silent() => Finding::warning(
            "nobody is called when something is held",
            "set up a command, a webhook or mail in [notify]",
        ),
        Ok(_) => Finding::good("the ways to call people are usable"),
        Err(failure) => Finding::failed(&failure),
    }
}

fn room(home: &Home) -> Finding {
    let mib = |bytes: u64| bytes / (1024 * 1024);
    match free_bytes(home.root()) {
        Some(free) if free >= LITTLE_ROOM => {
            Finding::good(format!("{} MiB are free for the journal", mib(free)))
        }
        Some(free) => Finding::warning(
            format!(
                "only {} MiB are free for the journal; when there are none, nothing acts",
                mib(free)
            ),
            "make room, or move data_dir",
        ),
        None => Finding::warning(
            "how much room there is cannot be found out",
            "look at the disk that holds data_dir",
        ),
    }
}

/// A clock that is behind what was already written would make leases live longer.
fn clock(home: &Home) -> Finding {
    let newest =
        std::fs::metadata(home.journal("control").join("checkpoint")).and_then(|m| m.modified());
    match newest {
        Ok(written) if written > SystemTime::now() => Finding::bad(
            "the clock is behind the journal's newest entry",
            "set it right; until then Backstop goes by the journal's time",
        ),
        _ => Finding::good("the clock is not behind the journal"),
    }
}

fn running(home: &Home) -> Finding {
    match Client::find(home) {
        Ok(Some(_)) => Finding::good("backstop is running and answers"),
        Ok(None) => Finding::warning(
            "backstop is not running: no agent can connect",
            "start it with `backstop serve`",
        ),
        Err(failure) => Finding::failed(&failure),
    }
}
