//! The sentences that are proved.

use std::borrow::Cow;

use backstop_core::lease::LeaseSpec;
use backstop_core::scope::ScopeVerb;
use backstop_core::verdict::Decision;

/// What is true of every question that a gate can put: the words that there are, numbers that count something, and that
/// what was measured is not still to be measured. A test holds it against questions as the gate makes them.
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

const HOLD: Claim = Claim::AtLeast(Decision::Hold, 1);
const DENY: Claim = Claim::AtLeast(Decision::Deny, 0);
const MEASURE: Claim = Claim::AtLeast(Decision::Measure, 0);

const BACKSTOPS_OWN: &str = r#"!context.own &&
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
            "Every question is decided by a rule, but for a write by known code that no scope names, which is denied.",
            r#"!(context.kind == "write" && context.verb == "execute" && context.complete)"#,
        ),
        of(
            "every-policy-evaluates",
            Claim::Evaluates,
            "No policy fails on a question; one that did would deny.",
            "true",
        ),
    ]
}

/// What is asked of one lease: of the questions that can come up under its scopes, at its target, with or without a
/// vault that keeps what is changed.
#[must_use]
pub fn of_lease(spec: &LeaseSpec, vault: bool) -> Vec<Statement> {
    let mut where_ = format!("context.environment == \"{}\"", spec.environment);
    let grants = |wanted: &[ScopeVerb]| {
        let mut verbs = spec.scopes.iter().flat_map(|s| &s.verbs);
        verbs.any(|verb| wanted.contains(verb))
    };
    let writes = grants(&[ScopeVerb::Insert, ScopeVerb::Update, ScopeVerb::Delete]);
    let creates = grants(&[ScopeVerb::Create, ScopeVerb::Temp]);
    // What a scope can name is decided in core, by the scope's verbs alone.
    if !writes {
        where_.push_str(" && (context.kind != \"write\" || !context.inScope || context.own)");
    }
    if !creates {
        where_.push_str(
            " && (context.kind != \"define\" || !context.inScope || context.own) && !context.own",
        );
    }
    if !vault {
        where_.push_str(" && !context.measurable && !context.measured");
    }
    let mut out = vec![];
    let mut add = |id, claim, sentence: &'static str, about: &str| {
        out.push(Statement {
            id,
            sentence: Cow::Borrowed(sentence),
            about: Cow::Owned(format!("{where_} && {about}")),
            claim,
        });
    };
    add(
        "lease-destroys-nothing",
        HOLD,
        "Whatever this lease would destroy, beyond what is its own, waits for a person.",
        "context.kind == \"destroy\" && !context.own",
    );
    if vault {
        add(
            "lease-writes-are-measured",
            MEASURE,
            "Whatever this lease writes is measured before COMMIT, unless it waits for a person.",
            "context.kind == \"write\" && !context.own && context.measurable",
        );
        add(
            "lease-loses-nothing",
            HOLD,
            "Nothing that this lease overwrites or deletes is committed before the old rows are in the vault.",
            "context.kind == \"write\" && !context.own && context.measured && !context.recoverable",
        );
        add(
            "lease-unmeasured-writes-wait",
            HOLD,
            "What this lease does that the gate does not know and cannot measure waits for a person.",
            "!context.complete && !context.measurable",
        );
    } else {
        add(
            "lease-loses-nothing",
            HOLD,
            "Whatever this lease would overwrite or delete waits for a person: nothing is kept of it.",
            "context.kind == \"write\" && !context.own",
        );
    }
    add(
        "lease-gains-nothing",
        HOLD,
        "Whatever of this lease changes rights or code, or reaches beyond the database, waits for a person.",
        "(context.kind == \"admin\" || context.kind == \"escape\")",
    );
    add(
        "lease-reaches-no-safeguard",
        DENY,
        "This lease cannot change Backstop itself, whoever approves.",
        BACKSTOPS_OWN,
    );
    out
}
