//! The sentences that are proved.

use std::borrow::Cow;

use backstop_core::verdict::Decision;

/// What is true of every question that a gate can put: the words that there are, numbers that count something, and that
/// what was measured is not still to be measured. `asked.rs` holds it against questions as the gate
/// makes them.
pub const FACTS: &str = r#"
  (context.kind == "read" || context.kind == "define" || context.kind == "write" || context.kind == "destroy" ||
   context.kind == "reveal" || context.kind == "admin" || context.kind == "escape") &&
  (context.verb == "read" || context.verb == "insert" || context.verb == "update" || context.verb == "delete" ||
   context.verb == "truncate" || context.verb == "create" || context.verb == "alter" || context.verb == "drop" ||
   context.verb == "execute" || context.verb == "other") &&
  (context.environment == "production" || context.environment == "staging" || context.environment == "development") &&
  context.rows >= -1 &&
  context.share >= 0 && context.share <= 4294967295 && context.mostShare >= 0 && context.mostShare <= 4294967295 &&
  context.leaseRows >= 0 && context.targetRows >= 0 && context.mostRows >= 0 && context.fewRows >= 0 &&
  context.mostLeaseRows >= 0 && context.mostTargetRows >= 0 &&
  !(context.measured && context.measurable) &&
  (context.measured ||
   (context.share == 0 && context.leaseRows == 0 && context.targetRows == 0 && !context.recoverable))"#;

/// What a sentence says of the questions that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The verdict is this one, with so many people, or a stricter one.
    AtLeast(Decision, u8),
    /// Some rule decides; it is not left to what happens when none does.
    Decided,
    /// Every policy can be evaluated. (One that cannot denies.)
    Evaluates,
    /// Whatever the default policies hold or deny is not milder for policies that were added.
    NoMilderThanDefault,
}

/// A sentence about a policy set.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its name.
    pub id: &'static str,
    /// What it says, for people.
    pub sentence: Cow<'static, str>,
    /// Which questions it is about, beyond [`FACTS`]: an expression of Cedar.
    pub about: Cow<'static, str>,
    /// What it says of them.
    pub claim: Claim,
}

pub(super) const HOLD: Claim = Claim::AtLeast(Decision::Hold, 1);
pub(super) const DENY: Claim = Claim::AtLeast(Decision::Deny, 0);
pub(super) const MEASURE: Claim = Claim::AtLeast(Decision::Measure, 0);

/// What belongs to Backstop at a target.
pub(super) const BACKSTOPS_OWN: &str = r#"!context.own &&
  (context.kind == "admin" || context.kind == "destroy" || context.kind == "escape" || context.kind == "write") &&
  (context.object like "backstop_*" || context.object like "lease_*" || context.object like "backstop.*" ||
   context.object == "current_user")"#;

const fn of(
    id: &'static str,
    claim: Claim,
    sentence: &'static str,
    about: &'static str,
) -> Statement {
    Statement {
        id,
        sentence: Cow::Borrowed(sentence),
        about: Cow::Borrowed(about),
        claim,
    }
}

/// What must hold of every policy set that a gate runs, whoever asks and wherever.
#[must_use]
pub fn everywhere() -> Vec<Statement> {
    vec![
        of(
            "unknown-is-not-harmless",
            HOLD,
            "What the gate does not wholly know, and a measurement would not show, is never let through, in any environment.",
            "!context.complete && !context.measurable",
        ),
        of(
            "unknown-is-measured",
            MEASURE,
            "What the gate does not wholly know is at least measured before COMMIT, in any environment.",
            "!context.complete",
        ),
        of(
            "destroy-needs-a-person",
            HOLD,
            "No policy lets an agent destroy in production, beyond what is its own, without a person's approval.",
            r#"context.environment == "production" && context.kind == "destroy" && !context.own"#,
        ),
        of(
            "loss-needs-a-recovery-point",
            HOLD,
            "No measured write in production passes unless the old rows can be brought back.",
            r#"context.environment == "production" && context.kind == "write" && !context.own &&
               context.measured && !context.recoverable"#,
        ),
        of(
            "mass-writes-need-a-person",
            HOLD,
            "No measured write in production passes beyond a limit on rows, on the share of a table, or on what the lease or all leases have changed.",
            r#"context.environment == "production" && context.kind == "write" && !context.own && context.measured &&
               (context.rows > context.mostRows ||
                (context.rows > context.fewRows && context.share >= context.mostShare) ||
                context.leaseRows > context.mostLeaseRows || context.targetRows > context.mostTargetRows)"#,
        ),
        of(
            "unmeasured-writes-are-bounded",
            HOLD,
            "Where nothing is measured, no write in production passes without a proved bound on its rows within the limit.",
            r#"context.environment == "production" && context.kind == "write" && !context.own &&
               !context.measured && !context.measurable && (context.rows < 0 || context.rows > context.mostRows)"#,
        ),
        of(
            "writes-are-measured",
            MEASURE,
            "Where writes are measured, none in production passes on the strength of its text alone.",
            r#"context.environment == "production" && context.kind == "write" && !context.own && context.measurable"#,
        ),
        of(
            "backstop-is-out-of-reach",
            DENY,
            "No agent can change Backstop itself: its roles, its tables, the gate's own role. No person can approve it either.",
            BACKSTOPS_OWN,
        ),
        of(
            "safeguards-are-out-of-reach",
            DENY,
            "No agent takes away or weakens a backup, a snapshot, a retention, a lock or a deletion protection of production through an API. No person can approve it either.",
            r#"context.environment == "production" && context.safeguard"#,
        ),
        of(
            "staging-safeguards-need-a-person",
            HOLD,
            "No agent takes away what would bring data of staging back without a person.",
            r#"context.environment == "staging" && context.safeguard"#,
        ),
        of(
            "backups-are-out-of-reach",
            Claim::AtLeast(Decision::Hold, 2),
            "No agent can reach a backup: files, programs, replication slots, other servers and settings of production are out of its reach without two people.",
            r#"context.environment == "production" && (context.kind == "escape" || context.kind == "admin")"#,
        ),
        of(
            "rights-need-a-person",
            HOLD,
            "No agent changes rights, roles or code that others run, or reaches beyond the database, in production or staging, without a person.",
            r#"context.environment != "development" && (context.kind == "admin" || context.kind == "escape")"#,
        ),
        of(
            "nothing-outside-the-scope",
            HOLD,
            "In production nothing that the lease's scopes do not name passes, save its own objects and reads of the catalogue.",
            r#"context.environment == "production" && context.complete && !context.inScope && !context.own &&
               !(context.system && context.kind == "read")"#,
        ),
        of(
            "no-reads-outside-the-scope",
            DENY,
            "No lease reads what its scopes do not name, in any environment.",
            r#"context.kind == "read" && context.complete && !(context.inScope || context.system || context.own)"#,
        ),
        of(
            "no-credential-is-shown",
            HOLD,
            "No credential is returned in production or staging without a person.",
            r#"context.environment != "development" && context.kind == "reveal""#,
        ),
        of(
            "staging-is-not-dropped",
            HOLD,
            "No policy lets an agent destroy in staging, beyond what is its own, without a person's approval.",
            r#"context.environment == "staging" && context.kind == "destroy" && !context.own"#,
        ),
        of(
            "added-policies-only-restrict",
            Claim::NoMilderThanDefault,
            "No policy of this installation lets through what the default policies hold, or puts before people what they deny.",
            "true",
        ),
        of(
            "every-question-is-decided",
            Claim::Decided,
            "Every question is decided by a rule; none is denied by silence, which any further policy could break.",
            "true",
        ),
        of(
            "every-policy-evaluates",
            Claim::Evaluates,
            "No policy fails on a question; one that did would deny.",
            "true",
        ),
    ]
}
