//! What the journal says: the entries of the control log and of the traffic log.
//!
//! The store is a fold over the control entries, so each holds all that it changes.

use serde::{Deserialize, Serialize};

use crate::approval::Decision;
use crate::digest::Digest;
use crate::effect::EffectKind;
use crate::hold::Hold;
use crate::lease::Lease;
use crate::passkey::Passkey;
use crate::person::Person;
use crate::point::{Drill, Point};
use crate::rehearsal::Rehearsal;
use crate::scope::Scope;
use crate::verdict::Decision as Verdict;

/// An entry of the control log, which is kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened to leases, holds, people and safeguards.
#[allow(clippy::large_enum_variant)] // one is alive at a time
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The first entry.
    Installed {
        /// The installation's id.
        installation: String,
        /// The WebAuthn relying party id.
        rp_id: String,
        /// The console's origin.
        origin: String,
    },
    /// The gate began to serve under this policy.
    Started {
        /// The program's version.
        version: String,
        /// The policy version.
        policy: Digest,
    },
    /// The gate stopped in order.
    Stopped,
    /// A changed configuration was taken up while serving.
    Reloaded {
        /// The targets that came, went, or have other values now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        targets: Vec<TargetChange>,
        /// The policy version until now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy_before: Option<Digest>,
        /// The policy version from now on.
        policy: Digest,
    },
    /// Entries of the traffic log that retention no longer keeps are removed.
    Pruned {
        /// The oldest entry that is kept.
        before: u64,
        /// What is removed is older than this: Unix time in milliseconds.
        older_than_ms: i64,
    },
    /// A person was enrolled with a passkey.
    Enrolled {
        /// Who, with the passkeys they came with.
        person: Person,
        /// The hold that allowed it; none for the first person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
    },
    /// A person got a further passkey.
    PasskeyAdded {
        /// Who.
        person: String,
        /// The passkey.
        passkey: Passkey,
    },
    /// A person got a recovery code.
    RecoverySet {
        /// Who.
        person: String,
        /// Its digest.
        code: Digest,
    },
    /// A recovery code was used.
    RecoveryUsed {
        /// Who.
        person: String,
    },
    /// An action waits for people.
    Held {
        /// The hold.
        hold: Hold,
        /// Digest of the sealed [`crate::hold::HoldText`] beside the log.
        text: Digest,
    },
    /// A held action was run on a drill's copy, or could not be.
    Rehearsed {
        /// The hold.
        hold: String,
        /// What it did there, as the copy's keeper says.
        rehearsal: Box<Rehearsal>,
    },
    /// A person decided.
    Decided {
        /// The hold.
        hold: String,
        /// The decision and its proof.
        decision: Decision,
    },
    /// The agent took a hold back, or its lease ended.
    Withdrawn {
        /// The hold.
        hold: String,
        /// Why.
        why: String,
    },
    /// A hold or an unused approval ran out.
    Expired {
        /// The hold.
        hold: String,
    },
    /// An approval was spent; what it released follows in the traffic log.
    Consumed {
        /// The hold.
        hold: String,
        /// The action's digest.
        digest: Digest,
    },
    /// A lease was granted.
    LeaseGranted {
        /// The lease.
        lease: Lease,
        /// The hold that granted it; none for a child lease, which can only be narrower.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
    },
    /// A lease lost scopes or time.
    LeaseNarrowed {
        /// The lease.
        lease: String,
        /// The scopes that are left.
        scopes: Vec<Scope>,
        /// The new expiry, never later than before.
        expires_ms: i64,
    },
    /// A lease is over, and its children with it.
    LeaseEnded {
        /// The lease.
        lease: String,
        /// `revoked`, `expired` or `parent ended`.
        why: String,
    },
    /// One lease, or everything, was halted.
    Halted {
        /// The lease; none for everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<String>,
        /// Why.
        why: String,
        /// Whether reads still pass.
        reads: bool,
    },
    /// A halt was lifted by a passkey.
    Resumed {
        /// The lease; none for everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<String>,
        /// The hold that allowed it.
        hold: String,
    },
    /// Only reads pass from now on.
    Frozen {
        /// Why.
        why: String,
    },
    /// The freeze was lifted by a passkey.
    Unfrozen {
        /// The hold that allowed it.
        hold: String,
    },
    /// A credential was presented that should not have been.
    Mismatch {
        /// The lease that presented it, where it is known to be it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<String>,
        /// Where it came from.
        source: String,
        /// What was wrong, without the credential.
        what: String,
    },
    /// A recovery point of a target's whole database is in the vault.
    PointTaken {
        /// The target.
        target: String,
        /// The point.
        point: Point,
    },
    /// A recovery point that was due could not be taken.
    PointFailed {
        /// The target.
        target: String,
        /// Why.
        why: String,
    },
    /// The point whose entry follows is unlike those before it.
    PointAlarm {
        /// The target.
        target: String,
        /// The point's name in the vault.
        point: Digest,
        /// What is unusual, one sentence each.
        alarms: Vec<String>,
    },
    /// A person said that what was unusual about a point, and those before it, is as it should be.
    PointAccepted {
        /// The target.
        target: String,
        /// The point's name in the vault.
        point: Digest,
        /// The hold that was approved for it.
        hold: String,
    },
    /// The vault keeps a point for longer than others.
    PointKept {
        /// The target.
        target: String,
        /// The point's name in the vault.
        point: Digest,
        /// Until when at least: Unix time in milliseconds.
        until_ms: i64,
    },
    /// Drills are believed from now on only if this key signed them.
    DrillKey {
        /// The public half, as signed notes write it.
        key: String,
        /// The key until now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
    },
    /// Credentials in a file are about to be replaced; the original is sealed before this is written.
    Adopted {
        /// The file, as a person may safely see its name.
        file: String,
        /// Salted digest of the file until now.
        original: Digest,
        /// Salted digest of the file from now on.
        written: Digest,
        /// What is replaced.
        credentials: Vec<AdoptedCredential>,
    },
    /// What adopting a file replaced was put back.
    AdoptionUndone {
        /// The file, as a person may safely see its name.
        file: String,
        /// Whether it is byte for byte what it was.
        whole: bool,
        /// What was not put back, since it is no longer what was written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<String>,
        /// The leases that end with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        leases: Vec<String>,
    },
    /// A point was drilled, whatever came of it.
    Drilled {
        /// What the report says.
        drill: Drill,
        /// The report as it was signed: a note that whoever has the key can check.
        report: String,
        /// The key that it was checked with.
        key: String,
    },
}

/// A credential that was replaced in a file; its name and kind, and never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptedCredential {
    /// The variable, or the line.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The target whose lease stands in its place; none where a placeholder does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// That lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
}

/// What became of a target in the configuration; names of keys, and no values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetChange {
    /// The target.
    pub name: String,
    /// What happened to it.
    pub what: Changed,
    /// The keys whose values changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// What happened to a part of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changed {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has other values.
    Changed,
}

impl Event {
    /// The event's word, as in the log.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Installed { .. } => "installed",
            Self::Started { .. } => "started",
            Self::Stopped => "stopped",
            Self::Reloaded { .. } => "reloaded",
            Self::Pruned { .. } => "pruned",
            Self::Enrolled { .. } => "enrolled",
            Self::PasskeyAdded { .. } => "passkey-added",
            Self::RecoverySet { .. } => "recovery-set",
            Self::RecoveryUsed { .. } => "recovery-used",
            Self::Held { .. } => "held",
            Self::Rehearsed { .. } => "rehearsed",
            Self::Decided { .. } => "decided",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Expired { .. } => "expired",
            Self::Consumed { .. } => "consumed",
            Self::LeaseGranted { .. } => "lease-granted",
            Self::LeaseNarrowed { .. } => "lease-narrowed",
            Self::LeaseEnded { .. } => "lease-ended",
            Self::Halted { .. } => "halted",
            Self::Resumed { .. } => "resumed",
            Self::Frozen { .. } => "frozen",
            Self::Unfrozen { .. } => "unfrozen",
            Self::Mismatch { .. } => "mismatch",
            Self::PointTaken { .. } => "point-taken",
            Self::PointFailed { .. } => "point-failed",
            Self::PointAlarm { .. } => "point-alarm",
            Self::PointAccepted { .. } => "point-accepted",
            Self::PointKept { .. } => "point-kept",
            Self::DrillKey { .. } => "drill-key",
            Self::Adopted { .. } => "adopted",
            Self::AdoptionUndone { .. } => "adoption-undone",
            Self::Drilled { .. } => "drilled",
        }
    }
}

/// An entry of the traffic log. Borrowed, because one is written twice for each statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
pub enum Traffic<'a> {
    /// Written before the action is released.
    Intent(Intent<'a>),
    /// Written when the target has answered.
    Outcome(Outcome<'a>),
    /// Written before a transaction is committed: where its rows' old and new versions are.
    Images(Images<'a>),
    /// Written before an approved action runs: where the objects are that it takes.
    Objects(Images<'a>),
    /// Written when the target was asked what became of a transaction whose COMMIT nobody saw answered.
    Settled(Settled<'a>),
}

/// What became of a transaction, as the target says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settled<'a> {
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The target.
    pub target: &'a str,
    /// The index of the entry that says where its images are.
    pub images: u64,
    /// The transaction's number at the server, 64 bits.
    pub xid: &'a str,
    /// `committed`, `rolled back`, `in progress`, or `unknown` where the server does not remember it.
    pub result: &'a str,
}

/// Where the images of a transaction are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Images<'a> {
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The lease.
    pub lease: &'a str,
    /// The target.
    pub target: &'a str,
    /// The connection, as numbered since the gate began.
    pub connection: u64,
    /// The first action of the transaction.
    pub first: u64,
    /// The last one: its COMMIT, or the statement that was a transaction of its own.
    pub action: u64,
    /// The transaction's number at the server, 64 bits: `pg_xact_status` tells what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xid: Option<&'a str>,
    /// The vault's name for the object: SHA-256 of its stored bytes.
    pub object: Digest,
    /// Salted digest of its content.
    pub content: Digest,
    /// How many bytes the vault stores.
    pub bytes: u64,
    /// The vault's own number for it.
    pub sequence: u64,
    /// Rows that count against the budgets of the lease and the target.
    pub lost: u64,
    /// Whether people approved what was measured: the lease's budget begins anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub approved: bool,
    /// How many rows of which relation.
    pub rows: Vec<RowsOf<'a>>,
}

/// How many rows of a relation images hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowsOf<'a> {
    /// The relation, as PostgreSQL prints it.
    pub relation: &'a str,
    /// Old versions: of rows that were changed or deleted.
    pub old: u64,
    /// New versions: of rows that were changed or inserted.
    pub new: u64,
}

/// What is about to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Intent<'a> {
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The lease.
    pub lease: &'a str,
    /// The target.
    pub target: &'a str,
    /// The connection, as numbered since the gate began.
    pub connection: u64,
    /// The action within the connection.
    pub action: u64,
    /// Salted digest of the statement: the name of its sealed text.
    pub text: Digest,
    /// Salted digest of the parameters, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Digest>,
    /// The worst kind of effect.
    pub effect: EffectKind,
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: &'a str,
    /// The hold whose approval released it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<&'a str>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome<'a> {
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The connection.
    pub connection: u64,
    /// The action within the connection.
    pub action: u64,
    /// The server's command tag, `held`, `denied`, `lost` (the connection ended first), or `error`.
    pub result: &'a str,
    /// The SQLSTATE of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<&'a str>,
}
