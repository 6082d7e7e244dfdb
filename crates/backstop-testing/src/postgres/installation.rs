//! Where a major version's programs lie.
//!
//! It must not install anything: `scripts/setup.sh` does.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Major;
use crate::account::Account;
use crate::cache;

/// Debian keeps each major version in a folder of its own here.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Holds `16/bin`, `17/bin`, …; for those who keep them elsewhere.
const OVERRIDE: &str = "BACKSTOP_TEST_POSTGRES_DIR";

/// One major version's programs.
#[derive(Debug, Clone)]
pub struct Installation {
    major: Major,
    bin: PathBuf,
}

impl Installation {
    /// Finds a major version's server.
    ///
    /// # Errors
    /// When it is not installed, or not where the user that servers run as may go.
    pub fn find(major: Major) -> Result<Self> {
        let account = Account::for_servers()?;
        let number = major.number().to_string();
        let bin = roots()
            .into_iter()
            .map(|root| root.join(&number).join("bin"))
            .find(|bin| is_usable(bin, account));
        match bin {
            Some(bin) => Ok(Self { major, bin }),
            None => bail!("{major} is not installed; hint: run scripts/setup.sh postgres servers"),
        }
    }

    /// Which major version it is.
    pub fn major(&self) -> Major {
        self.major
    }

    /// A server-side program: `postgres`, `initdb`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// A folder with all programs of this major version, server and clients alike; `None` where there is none.
    pub fn whole(&self) -> Option<PathBuf> {
        let number = self.major.number().to_string();
        let tools = roots()
            .into_iter()
            .map(|root| root.join("tools").join(&number).join("bin"));
        std::iter::once(self.bin.clone())
            .chain(tools)
            .find(|bin| bin.join("pg_dump").is_file() && bin.join("initdb").is_file())
    }

    /// A client program (`psql`, `pgbench`, `pg_dump`): this version's own, or, where
    /// the package carries none, the newest of Debian's.
    ///
    /// # Errors
    /// When there is none.
    pub fn client(&self, name: &str) -> Result<PathBuf> {
        let mut candidates = vec![self.bin.join(name)];
        candidates.extend(
            debian_newest_first()
                .into_iter()
                .map(|root| root.join("bin").join(name)),
        );
        match cache::first_existing(candidates.iter().map(PathBuf::as_path)) {
            Some(path) => Ok(path.to_owned()),
            None => bail!(
                "`{name}` was not found; hint: apt-get install postgresql-client postgresql-contrib"
            ),
        }
    }
}

fn roots() -> Vec<PathBuf> {
    let named = env::var_os(OVERRIDE).map(PathBuf::from);
    let cached = cache::folders()
        .into_iter()
        .map(|folder| folder.join("postgres"));
    named
        .into_iter()
        .chain([PathBuf::from(DEBIAN)])
        .chain(cached)
        .collect()
}

fn is_usable(bin: &Path, account: Account) -> bool {
    bin.join("postgres").is_file()
        && bin.join("initdb").is_file()
        && account.can_enter(&bin.join("postgres"))
}

fn debian_newest_first() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, path))
        })
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, path)| path).collect()
}
