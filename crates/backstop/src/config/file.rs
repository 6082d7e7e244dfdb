//! The configuration file as it is written, before it is checked. Unknown keys are refused here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use crate::duration::Span;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) data_dir: Spanned<PathBuf>,
    #[serde(default)]
    pub(super) gate: Gate,
    #[serde(default)]
    pub(super) console: Console,
    #[serde(default, rename = "target")]
    pub(super) targets: Vec<Spanned<Target>>,
    #[serde(default)]
    pub(super) http: Option<Http>,
    #[serde(default)]
    pub(super) policy: Policy,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) journal: Journal,
    #[serde(default)]
    pub(super) vault: Option<Spanned<super::vault::VaultFile>>,
    #[serde(default)]
    pub(super) measure: super::vault::MeasureFile,
    #[serde(default)]
    pub(super) notify: crate::notify::NotifyConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Gate {
    pub(super) listen: Option<Vec<Spanned<String>>>,
    pub(super) unix_socket: Option<PathBuf>,
    pub(super) require_tls: Option<bool>,
    pub(super) certificate: Option<Spanned<PathBuf>>,
    pub(super) key: Option<Spanned<PathBuf>>,
    pub(super) hosts: Vec<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) pause: Option<Spanned<Span>>,
    pub(super) worker_threads: Option<Spanned<usize>>,
    pub(super) connections_per_lease: Option<Spanned<usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Console {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) origin: Option<Spanned<String>>,
    pub(super) certificate: Option<Spanned<PathBuf>>,
    pub(super) key: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub(super) name: Spanned<String>,
    pub(super) kind: Option<Spanned<String>>,
    pub(super) environment: Option<Spanned<String>>,
    // PostgreSQL's.
    pub(super) dsn: Option<Spanned<String>>,
    pub(super) tls: Option<Spanned<String>>,
    pub(super) ca: Option<PathBuf>,
    pub(super) pin: Option<Spanned<String>>,
    pub(super) points: Option<Spanned<String>>,
    pub(super) pg_bin: Option<PathBuf>,
    // An HTTP API's; `ca` is of both.
    pub(super) url: Option<Spanned<String>>,
    pub(super) hosts: Option<Vec<Spanned<String>>>,
    pub(super) pack: Option<Spanned<String>>,
    pub(super) credential: Option<Spanned<String>>,
    pub(super) private: Option<Spanned<bool>>,
    pub(super) everyone: Option<Spanned<bool>>,
    pub(super) opaque: Option<Spanned<bool>>,
    pub(super) reverse: Option<Spanned<String>>,
    pub(super) lives: Option<BTreeMap<String, Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) allow: Option<Vec<Spanned<String>>>,
    pub(super) judged: Option<Spanned<usize>>,
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Policy {
    pub(super) files: Vec<Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) open_holds: Option<Spanned<usize>>,
    pub(super) holds_per_hour: Option<Spanned<usize>>,
    pub(super) denials_before_halt: Option<Spanned<u32>>,
    pub(super) decide_within: Option<Spanned<Span>>,
    pub(super) execute_within: Option<Spanned<Span>>,
    pub(super) alone_delay: Option<Spanned<Span>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Journal {
    pub(super) keep_traffic: Option<Spanned<String>>,
}
