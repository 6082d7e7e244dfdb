//! What an action does to a target: the seven kinds of effect, on which objects, how many rows.
//!
//! Effects are facts (invariant 6): the gate parsed or measured them. Nothing the agent says enters here.

use serde::{Deserialize, Serialize};

/// What an action does, ordered from harmless to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectKind {
    /// Looks, changes nothing.
    Read,
    /// Adds structure and loses nothing.
    Define,
    /// Inserts, updates or deletes rows.
    Write,
    /// Drops, truncates, loses data or structure, or writes beyond every bound.
    Destroy,
    /// Returns a credential.
    Reveal,
    /// Grants, roles, credentials, safeguards, or code that others will run.
    Admin,
    /// Reaches beyond the target or its transactions: what ROLLBACK cannot take back.
    Escape,
}

impl EffectKind {
    /// The word used in policies, the journal and `--json`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Define => "define",
            Self::Write => "write",
            Self::Destroy => "destroy",
            Self::Reveal => "reveal",
            Self::Admin => "admin",
            Self::Escape => "escape",
        }
    }
}

impl std::fmt::Display for EffectKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// The verb on the object, as a lease's scope names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// SELECT, COPY TO, locks that only readers take.
    Read,
    /// INSERT, COPY FROM, the insert arm of MERGE and ON CONFLICT.
    Insert,
    /// UPDATE, the update arm of MERGE and ON CONFLICT, SELECT FOR UPDATE.
    Update,
    /// DELETE, the delete arm of MERGE.
    Delete,
    /// TRUNCATE.
    Truncate,
    /// CREATE of a new object.
    Create,
    /// ALTER of an existing object.
    Alter,
    /// DROP.
    Drop,
    /// Calling a function or procedure, DO.
    Execute,
    /// Everything else: session state, grants, maintenance.
    Other,
}

/// How many rows an effect can touch, as far as it is known before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// Not an effect on rows.
    Structure,
    /// At most this many rows, proved from the statement and the target's unique keys.
    Rows(u64),
    /// No bound could be proved.
    Unbounded,
}

/// One effect of an action.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Effect {
    /// What kind of effect.
    pub kind: EffectKind,
    /// The verb as scopes name it.
    pub verb: Verb,
    /// The object in the target's own naming (`schema.name`, quoted where PostgreSQL would), if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Whether ROLLBACK or an undo can bring it back, as far as is known now.
    pub reversible: bool,
    /// How many rows, as far as is known before it runs.
    pub bound: Bound,
    /// Whether the object belongs to the lease itself (a temporary table, an object it made).
    #[serde(default)]
    pub own: bool,
    /// Whether the object is a part of the target's own catalogue (`pg_catalog`, `information_schema`).
    #[serde(default)]
    pub system: bool,
    /// Whether it takes away or weakens what would bring data back: backups, snapshots, retention, locks, deletion
    /// protection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub safeguard: bool,
    /// Why, where the object and verb do not say it: `calls dblink_exec`, `cascades from public.customers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

impl Effect {
    /// An effect on the structure of `object`, which cannot be brought back unless said otherwise.
    #[must_use]
    pub fn new(kind: EffectKind, verb: Verb, object: impl Into<Option<String>>) -> Self {
        Self {
            kind,
            verb,
            object: object.into(),
            reversible: matches!(kind, EffectKind::Read | EffectKind::Define),
            bound: Bound::Structure,
            own: false,
            system: false,
            safeguard: false,
            because: None,
        }
    }

    /// The same effect with a bound on its rows.
    #[must_use]
    pub fn bounded(mut self, bound: Bound) -> Self {
        self.bound = bound;
        self
    }

    /// The same effect with a reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.because = Some(why.into());
        self
    }
}

/// Everything that analysis found out about an action.
///
/// INVARIANT 1: `incomplete` non-empty means the effects are a lower bound, and the action is never allowed
/// on their strength.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// The effects found, worst last is not promised; duplicates are merged.
    pub effects: Vec<Effect>,
    /// Why the analysis does not know everything: one sentence fragment each. Empty means complete.
    pub incomplete: Vec<String>,
    /// What of it a measurement of what the action did would not show either. Empty: measuring settles the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
    /// False for what cannot run inside a transaction block (VACUUM, CREATE DATABASE, ...).
    pub transactional: bool,
}

impl Analysis {
    /// Whether the effects are all there is.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.incomplete.is_empty()
    }

    /// The worst kind of effect found; `Read` for an action without effects.
    #[must_use]
    pub fn worst(&self) -> EffectKind {
        self.effects
            .iter()
            .map(|e| e.kind)
            .max()
            .unwrap_or(EffectKind::Read)
    }

    /// Whether the action is proved to do nothing but look.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.is_complete() && self.worst() == EffectKind::Read
    }
}
