//! What was adopted: whether the old credential still opens the database round the gate, and whether it lies anywhere
//! else within an agent's reach. Each road that still leads round the gate is a finding of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use backstop_scopes::find::{Identity, Look, Place};
use backstop_store::SealKey;
use serde::{Deserialize, Serialize};

use super::{Finding, way};
use crate::cli::Doctor;
use crate::command::adopt::{Opens, Record, fingerprints, of_role, records};
use crate::config::{Config, Dsn};
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, Keys};
use crate::serve::{LeaseRow, connect_with};

/// How long an old credential is tried for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// How long before its end a standing lease is worth a warning, in milliseconds.
const SOON_MS: i64 = 14 * 86_400_000;
/// What to do then.
const RENEW: &str =
    "`backstop adopt --renew` asks for another one with the same scopes, and a person says yes";

/// What came of trying an old credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "came", rename_all = "kebab-case")]
pub(super) enum Tried {
    /// The server let it in.
    Opened,
    /// The server refused it.
    Refused,
    /// It was not found out.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Looks at everything that was adopted. Nothing, where nothing was.
pub(super) fn look(config: &Config, args: &Doctor) -> Vec<Finding> {
    let home = Home::at(&config.data_dir);
    if home.check_or_root().is_err() {
        return vec![];
    }
    let Ok(key) = Keys::seal(&home) else {
        return vec![];
    };
    let records = match records(&home, &key) {
        Ok(records) if records.is_empty() => return vec![],
        Ok(records) => records,
        Err(failure) => return vec![Finding::failed(&failure)],
    };
    let identity = match args.user.as_deref().map(Identity::of).transpose() {
        Ok(identity) => identity,
        Err(error) => return vec![Finding::bad(error, "name a user of this machine with --as")],
    };
    let mut all = vec![];
    if identity.is_none() {
        all.push(Finding::warning(
            "old credentials are looked for with this user's eyes, which are not an agent's",
            "name the user that agents run as with --as",
        ));
    }
    if !args.offline {
        all.extend(logins(&records, config, identity.as_ref()));
    }
    all.extend(elsewhere(&records, &key, identity.as_ref()));
    all.extend(leases(&records, &home));
    all
}

/// Whether the leases in the old credentials' place are still good for a while.
fn leases(records: &[Record], home: &Home) -> Vec<Finding> {
    let rows = match Client::find(home) {
        Ok(Some(mut client)) => client.ask::<Vec<LeaseRow>>(&Request::Leases { all: true }),
        _ => return vec![],
    };
    let rows = match rows {
        Ok(rows) => rows,
        Err(failure) => return vec![Finding::failed(&failure)],
    };
    // A later record of the same file and variable stands on the earlier one.
    let mut standing = BTreeMap::new();
    for (name, path, opens) in records.iter().flat_map(Record::logins) {
        standing.insert((path.to_string(), name), opens.lease());
    }
    let now = crate::when::now_ms();
    let mut all = vec![];
    for ((path, name), lease) in standing {
        let row = rows.iter().find(|row| row.lease == lease);
        let over = match row {
            Some(row) if row.state == "active" && row.expires_ms - now > SOON_MS => continue,
            Some(row) if row.state == "active" => {
                all.push(Finding::warning(
                    format!(
                        "{lease}, by which {name} in {path} works, ends {}",
                        crate::when::from_now(row.expires_ms, now)
                    ),
                    RENEW,
                ));
                continue;
            }
            Some(row) => row.state.as_str(),
            None => "unknown",
        };
        all.push(Finding::bad(
            format!(
                "{lease}, by which {name} in {path} worked, is {over}: the program is not let in"
            ),
            RENEW,
        ));
    }
    all
}

/// Each old login, tried once.
fn logins(records: &[Record], config: &Config, identity: Option<&Identity>) -> Vec<Finding> {
    let mut all = vec![];
    let mut tried: BTreeSet<(String, String)> = BTreeSet::new();
    for (name, path, opens) in records.iter().flat_map(Record::logins) {
        let dsn = match opens.dsn() {
            Ok(dsn) => dsn,
            Err(failure) => {
                all.push(Finding::failed(&failure));
                continue;
            }
        };
        if !tried.insert((dsn.to_string(), opens.password().to_owned())) {
            continue;
        }
        let own = config.targets.iter().find(|t| t.name == opens.target());
        let own = own.filter(|t| t.dsn.user == dsn.user).map(|t| &t.name);
        let what = format!("the old login of {name} in {path}, {dsn},");
        all.push(match attempt(opens, &dsn, identity) {
            Tried::Opened => {
                let (how, at) = of_role(&dsn, own);
                Finding::bad(
                    format!("{what} still opens the database round the gate"),
                    format!("{how}; {at}"),
                )
            }
            Tried::Refused => Finding::good(format!("{what} is refused by the server")),
            Tried::Unknown { why } => Finding::warning(
                format!("{what} could not be tried, so whether it still leads round the gate is unknown: {why}"),
                "try it from where agents run",
            ),
        });
    }
    all
}

/// Logs in and asks nothing but a constant. As the agent's user, where this is root and that user is known: sockets
/// and firewalls may tell users apart.
fn attempt(opens: &Opens, dsn: &Dsn, identity: Option<&Identity>) -> Tried {
    let other = identity.filter(|i| i.uid != rustix::process::geteuid().as_raw());
    match other {
        Some(identity) if rustix::process::geteuid().is_root() => {
            as_user(opens, identity).unwrap_or_else(|failure| Tried::Unknown { why: failure.what })
        }
        _ => login(dsn, opens.password()),
    }
}

fn login(dsn: &Dsn, password: &str) -> Tried {
    let unknown = |why: String| Tried::Unknown { why };
    let secret = backstop_core::secret::Secret::new(password.to_owned());
    let asked = async {
        let upstream = connect_with(dsn, secret).map_err(|f| unknown(f.what))?;
        let client = way(&upstream).connect().await.map_err(|e| {
            let text = e.to_string();
            match is_refusal(&text) {
                true => Tried::Refused,
                false => unknown(text.split("; hint:").next().unwrap_or_default().to_owned()),
            }
        })?;
        // In already: a question only shows that the session is one.
        let _ = client.simple_query("select 1").await;
        Ok::<_, Tried>(Tried::Opened)
    };
    let runtime = match crate::command::runtime(1) {
        Ok(runtime) => runtime,
        Err(failure) => return unknown(failure.what),
    };
    let limited = async { tokio::time::timeout(PATIENCE, asked).await };
    match runtime.block_on(limited) {
        Ok(Ok(tried) | Err(tried)) => tried,
        Err(_) => unknown("the server does not answer".to_owned()),
    }
}

/// What a server says that knows the role's password to be another, or lets the role in no more.
fn is_refusal(text: &str) -> bool {
    [
        "28P01",
        "28000",
        "password authentication failed",
        "is not permitted to log in",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

/// The same, by a process of the agent's user. It reads the login from a pipe: neither arguments nor environment show it.
fn as_user(opens: &Opens, identity: &Identity) -> Outcome<Tried> {
    let program = std::env::current_exe().doing("cannot find this program")?;
    let group = identity.groups.first().copied().unwrap_or(identity.uid);
    let mut child = Command::new(program)
        .args(["doctor", "--try-login"])
        .env_clear()
        .current_dir("/")
        .uid(identity.uid)
        .gid(group)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .doing("cannot become the agent's user")?;
    if let Some(mut input) = child.stdin.take() {
        let text = serde_json::to_vec(opens).doing("cannot hand the login over")?;
        let _ = input.write_all(&text);
    }
    let output = child
        .wait_with_output()
        .doing("cannot become the agent's user")?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| Failure::new("the agent's user cannot run this program"))
}

/// The other end: tries the login on standard input and says what came of it.
///
/// # Errors
/// When it is none.
pub(super) fn try_login(output: crate::output::Output) -> Outcome {
    let opens: Opens =
        serde_json::from_reader(std::io::stdin().lock()).map_err(|_| Failure::usage("no login"))?;
    let dsn = opens.dsn()?;
    output.value(&login(&dsn, opens.password()))
}

/// Where the old credentials still lie: other files, what repositories remember, environments.
fn elsewhere(records: &[Record], key: &SealKey, identity: Option<&Identity>) -> Vec<Finding> {
    let mut wanted = BTreeMap::new();
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    for record in records {
        folders.extend(record.path().parent().map(PathBuf::from));
        for (name, print) in record.fingerprints() {
            wanted.insert(print.clone(), format!("{name} in {}", record.path));
        }
    }
    if wanted.is_empty() {
        return vec![];
    }
    let Ok(mut look) = Look::new() else {
        return vec![Finding::bad(
            "it could not look for old credentials",
            "is /dev/urandom there?",
        )];
    };
    look.salt = fingerprints(key);
    look.paths = folders
        .into_iter()
        .filter(|folder| folder.exists())
        .collect();
    look.home = identity
        .map(|i| i.home.clone())
        .filter(|home| home.is_dir());
    look.environment = false;
    look.processes = true;
    look.identity = identity.cloned();
    let report = match look.run() {
        Ok(report) => report,
        Err(error) => return vec![Finding::bad(error, "install another build")],
    };
    let mut all: Vec<Finding> = report
        .findings
        .iter()
        .filter_map(|found| Some((wanted.get(found.fingerprint.as_ref()?)?, found)))
        .map(|(name, found)| {
            let (place, fix) = place(&found.place);
            Finding::bad(
                format!("the old credential of {name} still lies {place}"),
                fix,
            )
        })
        .collect();
    all.dedup();
    if all.is_empty() {
        all.push(Finding::good(format!(
            "no old credential of {} lies anywhere else that was looked at",
            wanted.len()
        )));
    }
    let unseen = report.looked.unreadable.count + report.looked.histories_not_read.count;
    if unseen > 0 {
        all.push(Finding::warning(
            format!("{unseen} files or histories could not be looked into: whether old credentials lie there is unknown"),
            "run it as root with --as",
        ));
    }
    all
}

fn place(place: &Place) -> (String, String) {
    match place {
        Place::File { path, line, .. } => (
            format!("in {path}:{line}"),
            format!("`backstop adopt {path}` takes it out"),
        ),
        Place::History {
            repository, path, ..
        } => (
            format!(
                "in the history of {repository}{}",
                path.as_ref()
                    .map_or_else(String::new, |p| format!(", as {p}"))
            ),
            "replace the credential: histories are copied, and cannot be taken back".to_owned(),
        ),
        Place::Environment {
            process,
            command,
            variable,
        } => (
            format!("in ${variable} of process {process} ({command})"),
            "start that process anew, without it".to_owned(),
        ),
        Place::Socket { path } => (format!("at {path}"), "close it to agents".to_owned()),
    }
}
