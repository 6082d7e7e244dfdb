//! What is decided about an action, by which rule, and why in one sentence.

use serde::{Deserialize, Serialize};

/// The five things that can be said about an action, from mild to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Act at once.
    Allow,
    /// Act in a transaction the gate controls and judge by what it did.
    Measure,
    /// Wait for people.
    Hold,
    /// Never, for this lease.
    Deny,
    /// Never, and freeze the lease.
    Halt,
}

impl Decision {
    /// The word used in the journal and `--json`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Measure => "measure",
            Self::Hold => "hold",
            Self::Deny => "deny",
            Self::Halt => "halt",
        }
    }
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// A decision with the rule that made it.
#[must_use = "a verdict that nobody enforces protects nothing"]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was decided.
    #[serde(rename = "verdict")]
    pub decision: Decision,
    /// The `@id` of the policy that decided.
    pub rule: String,
    /// Why, in one sentence for a person.
    pub reason: String,
    /// How many different people must approve; 0 unless the decision is `hold`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub people: u8,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's `skip_serializing_if` passes a reference
fn is_zero(n: &u8) -> bool {
    *n == 0
}
