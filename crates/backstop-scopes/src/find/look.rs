//! One look for credentials: what to look through, and what came of it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use backstop_wire::secrets::Engine;
use serde::Serialize;

use super::finding::{Finding, Place, Salt};
use super::identity::Identity;
use super::reader::{Reader, Shared};
use super::seen::{Counts, Looked};
use super::walk::Walk;
use super::{environment, hba, history, sockets};

/// Folders of a home that hold what programs fetched, by the hundred thousand files, and nobody's credentials.
const CACHES: &[&str] = &[
    ".cache",
    ".cargo/registry",
    ".cargo/git",
    ".rustup",
    ".npm/_cacache",
    ".npm/_npx",
    "go/pkg",
    ".gradle/caches",
    ".m2/repository",
    ".local/share/pnpm/store",
    ".pnpm-store",
    ".bun/install/cache",
    ".nvm/versions",
    ".pyenv/versions",
    ".vscode/extensions",
    ".vscode-server",
    ".cursor/extensions",
    ".cursor-server",
    "Library/Caches",
    ".local/share/containers",
    ".local/share/docker",
    ".local/share/Steam",
    "snap",
    ".var/app",
    ".ollama/models",
];

/// What to look through. Reads only: it opens regular files, lists directories, and asks an agent for its list of keys.
#[derive(Debug)]
pub struct Look {
    /// Files and directories, walked whole, ignored files included.
    pub paths: Vec<PathBuf>,
    /// A home directory, walked but for caches of fetched programs.
    pub home: Option<PathBuf>,
    /// Whether what repositories remember is read, too.
    pub history: bool,
    /// The longest that one repository's history is read.
    pub history_limit: Duration,
    /// Whether this process's environment is read.
    pub environment: bool,
    /// Whether the environments and arguments of all processes that may be read are.
    pub processes: bool,
    /// Whether sockets that give power are looked for.
    pub sockets: bool,
    /// With whose eyes, if not with one's own. What one cannot read oneself stays unseen.
    pub identity: Option<Identity>,
    /// When it looks no further in files; what was found until then is in the report.
    pub until: Option<Instant>,
    /// How many threads read.
    pub threads: usize,
    /// What fingerprints are salted with.
    pub salt: Salt,
}

/// What a look found and what it could not look into.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Every credential, by place.
    pub findings: Vec<Finding>,
    /// What was looked at and what was not.
    pub looked: Looked,
}

/// Why a look could not begin.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The system gave no randomness for the salt.
    #[error("the system gave no random salt; hint: is /dev/urandom there?")]
    NoRandomness,
    /// The rules that were compiled in are not whole.
    #[error("the detection rules cannot be read: {0}; hint: this build is broken, install another")]
    BrokenRules(String),
}

impl Look {
    /// A look through nothing yet, with a fresh salt, two threads, and history on.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn new() -> Result<Self, FindError> {
        Ok(Self {
            paths: Vec::new(),
            home: None,
            history: true,
            history_limit: Duration::from_secs(60),
            environment: false,
            processes: false,
            sockets: false,
            identity: None,
            until: None,
            threads: 2,
            salt: Salt::random().map_err(|_| FindError::NoRandomness)?,
        })
    }

    /// Looks.
    ///
    /// # Errors
    /// Only if it cannot begin; what cannot be read is in the report.
    pub fn run(&self) -> Result<Report, FindError> {
        let engine = Engine::new().map_err(FindError::BrokenRules)?;
        let counts = Counts::default();
        let shared = Shared {
            engine: &engine,
            salt: &self.salt,
            counts: &counts,
        };
        let mut findings = self.files(shared);
        if self.environment || self.processes {
            findings.extend(environment::look(shared, self));
        }
        if self.sockets {
            findings.extend(sockets::look(self.identity.as_ref()));
            findings.extend(hba::look(&self.salt, self.identity.as_ref()));
        }
        sort(&mut findings);
        Ok(Report {
            findings,
            looked: counts.looked(),
        })
    }

    fn files(&self, shared: Shared<'_>) -> Vec<Finding> {
        let roots: Vec<PathBuf> = self.paths.iter().chain(&self.home).cloned().collect();
        let caches: Vec<PathBuf> = self
            .home
            .iter()
            .flat_map(|home| CACHES.iter().map(move |cache| home.join(cache)))
            .collect();
        let mut readers: Vec<Reader<'_>> = (0..self.threads.clamp(1, 64))
            .map(|_| Reader::new(shared))
            .collect();
        Walk::new(&roots, &caches, self.identity.as_ref(), shared.counts)
            .until(self.until)
            .run(&mut readers);
        let (mut findings, mut repositories) = (Vec::new(), BTreeSet::new());
        for reader in readers {
            findings.extend(reader.findings);
            repositories.extend(
                reader
                    .repositories
                    .iter()
                    .filter_map(|found| history::common(found, self.identity.as_ref())),
            );
        }
        for repository in repositories.iter().filter(|_| self.history) {
            findings.extend(history::look(shared, repository, self.history_limit));
        }
        findings
    }
}

/// By place; and a secret that a file holds twice over on one line (a link, a root given twice) only once.
fn sort(findings: &mut Vec<Finding>) {
    let mut seen = HashMap::new();
    findings.retain(|finding| {
        let key = (
            format!("{:?}", finding.place),
            finding.fingerprint.clone(),
            finding.facts.get("public_key").cloned(),
        );
        seen.insert(key, ()).is_none()
    });
    findings.sort_by_cached_key(|finding| match &finding.place {
        Place::File { path, offset, .. } => (0, path.clone(), *offset, String::new()),
        Place::History {
            repository,
            blob,
            line,
            ..
        } => (1, repository.clone(), *line, blob.clone()),
        Place::Environment {
            process, variable, ..
        } => (2, variable.clone(), u64::from(*process), String::new()),
        Place::Socket { path } => (3, path.clone(), 0, format!("{:?}", finding.facts)),
    });
}
