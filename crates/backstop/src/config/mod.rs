//! The configuration file: read, checked whole, and turned into what the floors below take.
//!
//! Nothing with a wrong or unknown value starts; every error says file, line, column, what is wrong and what
//! would be right.

mod api;
mod check;
mod dsn;
mod fault;
mod file;
mod password;
pub mod template;
mod vault;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backstop_core::target::Environment;
use url::Url;

use crate::failure::{Failure, Outcome};

pub use api::{Api, Http, Usual};
pub(crate) use check::{fingerprint, origin, target_name};
pub use dsn::{Dsn, Host, Tls};
pub(crate) use dsn::{encode, encode_path};
pub(crate) use fault::of_toml;
pub use password::Pgpass;
pub use vault::{Measure, Vault, Whereabouts};

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// Keys, journal, store and socket.
    pub data_dir: PathBuf,
    /// The gate.
    pub gate: Gate,
    /// The console.
    pub console: Console,
    /// The protected databases.
    pub targets: Vec<Target>,
    /// The protected HTTP APIs.
    pub apis: Vec<Api>,
    /// The HTTP gate; none where the section is absent.
    pub http: Option<Http>,
    /// Policies after the default ones.
    pub policy: String,
    /// The files they came from.
    pub policy_files: Vec<PathBuf>,
    /// Bounds on holds.
    pub limits: backstop_store::Limits,
    /// Where old rows go; without one nothing is measured.
    pub vault: Option<Vault>,
    /// What is measured, and how much passes.
    pub measure: Measure,
    /// The journal's retention.
    pub journal: Journal,
    /// Where people are called.
    pub notify: crate::notify::NotifyConfig,
}

/// The gate's own settings.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Where agents connect.
    pub listen: Vec<SocketAddr>,
    /// A unix socket for agents.
    pub unix_socket: Option<PathBuf>,
    /// Whether agents must use TLS.
    pub require_tls: bool,
    /// The gate's own certificate and key, instead of one by the local CA.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Names of the gate besides `localhost`, for its certificate and the agents' DSN.
    pub hosts: Vec<String>,
    /// Where the local CA's certificate is put for agents to read.
    pub ca_file: PathBuf,
    /// How long a held call waits.
    pub pause: Duration,
    /// Threads that do the gate's work.
    pub worker_threads: usize,
    /// Connections of one lease at a time.
    pub connections_per_lease: Option<usize>,
}

/// The console's settings.
#[derive(Debug, Clone)]
pub struct Console {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its name for browsers: fixed once somebody is enrolled.
    pub origin: Url,
    /// Certificate and key, for https.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Console {
    /// The origin as browsers spell it.
    pub fn origin(&self) -> String {
        self.origin.origin().ascii_serialization()
    }

    /// The WebAuthn relying party id: the origin's host.
    pub fn rp_id(&self) -> String {
        self.origin.host_str().unwrap_or("localhost").to_owned()
    }

    /// The page on which the bearer of an invitation enrols.
    pub fn enrol_link(&self, token: &str) -> String {
        format!("{}/enrol/{token}", self.origin())
    }

    /// The page of a hold.
    pub fn hold_link(&self, hold: &str) -> String {
        format!("{}/holds/{hold}", self.origin())
    }
}

/// The journal's settings. The control log is kept for ever.
#[derive(Debug, Clone)]
pub struct Journal {
    /// How long entries of the traffic log are kept; none is for ever.
    pub keep_traffic: Option<Duration>,
}

/// A protected system.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name here.
    pub name: String,
    /// How much a mistake costs there.
    pub environment: Environment,
    /// Where it is, without the password.
    pub dsn: Dsn,
    /// How often a recovery point of it is taken; none is never.
    pub points: Option<Duration>,
    /// The folder with PostgreSQL's own programs, if they are not to be looked for.
    pub pg_bin: Option<PathBuf>,
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or anything in it is wrong.
    pub fn load(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?;
        Self::parse(path, &text)
    }

    /// Checks `text` as if it stood in `path`.
    ///
    /// # Errors
    /// When anything in it is wrong.
    pub fn parse(path: &Path, text: &str) -> Outcome<Self> {
        let raw: file::File = toml::from_str(text).map_err(|e| fault::of_toml(path, text, &e))?;
        check::check(path, text, raw)
    }

    /// The data directory that a configuration names, even when the rest of it is not usable.
    pub fn data_dir_of(path: &Path) -> Option<PathBuf> {
        let text = std::fs::read_to_string(path).ok()?;
        // A file that is not TOML at all may still have the one line.
        let dir = match text.parse::<toml::Table>() {
            Ok(table) => table.get("data_dir")?.as_str()?.to_owned(),
            Err(_) => {
                let line = text
                    .lines()
                    .find(|l| l.trim_start().starts_with("data_dir"))?;
                line.parse::<toml::Table>()
                    .ok()?
                    .get("data_dir")?
                    .as_str()?
                    .to_owned()
            }
        };
        let joined = path.parent().unwrap_or(Path::new("")).join(dir);
        Some(std::path::absolute(&joined).unwrap_or(joined))
    }

    /// The database or API of this name, and its environment.
    ///
    /// # Errors
    /// When there is neither.
    pub fn any_target(&self, name: &str) -> Outcome<(&str, Environment)> {
        match self.apis.iter().find(|api| api.name == name) {
            Some(api) => Ok((&api.name, api.environment)),
            None => self.target(name).map(|t| (t.name.as_str(), t.environment)),
        }
    }

    /// The target of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn target(&self, name: &str) -> Outcome<&Target> {
        self.targets.iter().find(|t| t.name == name).ok_or_else(|| {
            let names: Vec<String> = self
                .targets
                .iter()
                .map(|t| format!("`{}`", t.name))
                .collect();
            Failure::usage(format!(
                "there is no target `{name}` in `{}`",
                self.path.display()
            ))
            .hint(format!("it has {}", names.join(", ")))
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::usage(format!(
        "cannot read the configuration `{}`",
        path.display()
    ))
    .because(error);
    match error.kind() {
        std::io::ErrorKind::NotFound => failure
            .hint("`backstop init` writes one; `--config PATH` or BACKSTOP_CONFIG names another"),
        std::io::ErrorKind::PermissionDenied => failure.hint("run as Backstop's own user"),
        _ => failure,
    }
}
