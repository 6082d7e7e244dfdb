//! A protected system and the environment it belongs to.

use serde::{Deserialize, Serialize};

/// How much a mistake costs there, most first. What is not stated is production.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Data that cannot be lost.
    #[default]
    Production,
    /// A rehearsal.
    Staging,
    /// A developer's own.
    Development,
}

impl Environment {
    /// The word used in configuration and policies.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
        }
    }
}

impl std::str::FromStr for Environment {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "production" => Ok(Self::Production),
            "staging" => Ok(Self::Staging),
            "development" => Ok(Self::Development),
            other => Err(format!(
                "`{other}` is not an environment; hint: use production, staging or development"
            )),
        }
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
