//! The lease view: what an agent really holds under Backstop with a lease.
//!
//! Pure: it is given the lease, the policies, the answer of the target's catalogue for the lease's role and what was
//! proved, and says what they come to. Its JSON form is stable.

mod answers;
mod role;
mod verdict;

use backstop_core::lease::Lease;
use backstop_core::measure::Limits;
use backstop_core::policy::{Asker, Policy};
use serde::{Deserialize, Serialize};

use crate::postgres::Audit;
use crate::proofs::Proofs;
use crate::report::Severity;

pub use answers::Answer;
pub use role::RoleView;

/// A lease that was narrowed from this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its id.
    pub lease: String,
    /// `active`, `expired`, `halted` or `ended`.
    pub state: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Unix time in milliseconds.
    pub expires_ms: i64,
}

/// How much may still be written without a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Rows of one table in one transaction.
    pub rows: u64,
    /// The share of a table in one transaction, in hundredths of a percent.
    pub share: u32,
    /// So few rows are never a mass write.
    pub few: u64,
    /// The window, in milliseconds.
    pub window_ms: i64,
    /// Rows that the lease and its children may change or delete within the window.
    pub lease_rows: u64,
    /// Of these, what is left.
    pub lease_left: u64,
    /// Rows that all leases may change or delete at the target within the window.
    pub target_rows: u64,
    /// Of these, what is left.
    pub target_left: u64,
}

impl Budget {
    /// What is left of `limits` when the lease's line has changed `spent.0` rows and all leases `spent.1`.
    #[must_use]
    pub const fn of(limits: Limits, spent: (u64, u64)) -> Self {
        Self {
            rows: limits.rows,
            share: limits.share,
            few: limits.few,
            window_ms: limits.window_ms,
            lease_rows: limits.lease_rows,
            lease_left: limits.lease_rows.saturating_sub(spent.0),
            target_rows: limits.target_rows,
            target_left: limits.target_rows.saturating_sub(spent.1),
        }
    }

    /// The limits again.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        Limits {
            rows: self.rows,
            share: self.share,
            few: self.few,
            lease_rows: self.lease_rows,
            target_rows: self.target_rows,
            window_ms: self.window_ms,
        }
    }
}

/// What the running gate knows of a lease.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Held {
    /// The lease; its verifier is left out.
    pub lease: Lease,
    /// `active`, `expired`, `halted` or `ended`.
    pub state: String,
    /// Why, if it is not active.
    pub why: Option<String>,
    /// The leases narrowed from it, and those from them.
    pub children: Vec<Child>,
    /// The budgets, where writes are measured and kept in a vault.
    pub budget: Option<Budget>,
    /// What could be brought back, in a sentence.
    pub recoverable: String,
    /// The newest recovery point of the target that was drilled: how old it is, in seconds.
    pub drilled_age_s: Option<u64>,
    /// Whether everything is halted, or only reads pass: in a sentence.
    pub stopped: Option<String>,
    /// The version of the policies that the gate runs.
    pub policies: Option<String>,
    /// The answer of the target's catalogue for the lease's role.
    pub audit: Option<Audit>,
    /// Why there is none.
    pub unanswered: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct LeaseReport {
    /// The version of this form.
    pub version: u32,
    /// One line that says how bad it is.
    pub verdict: String,
    /// How bad that is.
    pub worst: Severity,
    /// What the gate knows.
    pub held: Held,
    /// What the policies say to what it could ask for.
    pub answers: Vec<Answer>,
    /// What its role could do if no gate judged what it says.
    pub role: RoleView,
    /// What is proved of the policies, for every question of any lease.
    pub proofs: Proofs,
    /// What is proved for the questions that this lease can put.
    pub lease_proofs: Proofs,
}

/// What a lease holds.
#[must_use]
pub fn report(held: Held, policy: &Policy, proofs: Proofs, lease_proofs: Proofs) -> LeaseReport {
    let asker = Asker {
        lease: Some(&held.lease),
        target: &held.lease.spec.target,
        environment: held.lease.spec.environment,
        limits: held.budget.as_ref().map(Budget::limits),
    };
    let answers = answers::all(asker, &held, policy);
    let role = role::view(&held);
    let (worst, verdict) = verdict::of(&held, &role, &proofs, &lease_proofs);
    LeaseReport {
        version: 1,
        verdict,
        worst,
        held,
        answers,
        role,
        proofs,
        lease_proofs,
    }
}
