//! The major versions of PostgreSQL that Backstop supports, and which are here.
//!
//! It must not skip a missing one silently.

use std::fmt;

use anyhow::{Result, bail};

use super::Installation;
use crate::cache;

/// A supported major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Major {
    /// PostgreSQL 15, Debian 12's own.
    V15,
    /// PostgreSQL 16.
    V16,
    /// PostgreSQL 17.
    V17,
    /// PostgreSQL 18.
    V18,
}

impl Major {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V15, Self::V16, Self::V17, Self::V18];

    /// Its number.
    pub fn number(self) -> u32 {
        match self {
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V17 => 17,
            Self::V18 => 18,
        }
    }

    /// Those that can be started here, oldest first. What is missing is said on
    /// standard error.
    ///
    /// # Errors
    /// When one is missing and `CI=true` or `BACKSTOP_REQUIRE_ALL=1`; when there is none at all.
    pub fn available() -> Result<Vec<Self>> {
        let (here, missing): (Vec<Self>, Vec<Self>) = Self::ALL
            .into_iter()
            .partition(|major| Installation::find(*major).is_ok());
        if !missing.is_empty() {
            let names = missing
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            if here.is_empty() || cache::everything_required() {
                bail!("missing: {names}; hint: run scripts/setup.sh postgres servers");
            }
            eprintln!(
                "WARNING: NOT TESTED against {names}: not installed; hint: run scripts/setup.sh postgres servers"
            );
        }
        Ok(here)
    }

    /// The oldest that can be started here: Debian's 15 where that is installed.
    ///
    /// # Errors
    /// When there is none.
    pub fn any() -> Result<Self> {
        match Self::ALL
            .into_iter()
            .find(|major| Installation::find(*major).is_ok())
        {
            Some(major) => Ok(major),
            None => bail!("no PostgreSQL 15 to 18 was found; hint: apt-get install postgresql"),
        }
    }
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {}", self.number())
    }
}
