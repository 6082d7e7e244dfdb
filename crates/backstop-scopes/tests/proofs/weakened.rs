//! Every default rule carries some sentence: without it the sentence is refuted.

use std::str::FromStr as _;

use backstop_core::policy::{DEFAULT, Policy};
use backstop_core::verdict::Decision;
use backstop_scopes::proofs::{Claim, everywhere, prove};
use cedar_policy::PolicySet;

use super::{refuted, solver, statement};

/// Lets through whatever no rule forbids.
const HOLE: &str = "@id(\"hole\") permit (principal, action, resource);";

/// What each rule carries. Without a rule that forbids, the sentence is asked of a set that permits all else; without a
/// rule that permits, some question is left to silence.
const CARRIES: &[(&str, &str)] = &[
    ("reads", "every-question-is-decided"),
    ("out-of-scope-read", "no-reads-outside-the-scope"),
    ("unknown", "unknown-is-not-harmless"),
    ("measured", "unknown-is-measured"),
    ("safeguards", "backstop-is-out-of-reach"),
    ("own-definitions", "every-question-is-decided"),
    ("production-define", "nothing-outside-the-scope"),
    ("own-objects", "every-question-is-decided"),
    ("scoped-writes", "every-question-is-decided"),
    ("measured-writes", "writes-are-measured"),
    ("production-write-out-of-scope", "nothing-outside-the-scope"),
    (
        "production-write-unbounded",
        "unmeasured-writes-are-bounded",
    ),
    (
        "production-write-over-limit",
        "unmeasured-writes-are-bounded",
    ),
    ("measured-rows", "mass-writes-need-a-person"),
    ("measured-share", "mass-writes-need-a-person"),
    ("lease-budget", "mass-writes-need-a-person"),
    ("target-budget", "mass-writes-need-a-person"),
    ("not-recoverable", "loss-needs-a-recovery-point"),
    ("production-destroy", "destroy-needs-a-person"),
    ("production-safeguards", "safeguards-are-out-of-reach"),
    ("production-admin", "backups-are-out-of-reach"),
    ("production-escape", "backups-are-out-of-reach"),
    ("reveal", "no-credential-is-shown"),
    ("staging", "every-question-is-decided"),
    ("staging-destroy", "staging-is-not-dropped"),
    ("staging-safeguards", "staging-safeguards-need-a-person"),
    ("staging-admin-escape", "rights-need-a-person"),
    ("development", "every-question-is-decided"),
];

/// The default policies but one.
fn without(id: &str) -> String {
    let set = PolicySet::from_str(DEFAULT).unwrap();
    let (gone, kept): (Vec<_>, Vec<_>) = set
        .policies()
        .partition(|policy| policy.annotation("id") == Some(id));
    assert_eq!(gone.len(), 1, "there is one rule `{id}`");
    kept.iter().map(|policy| format!("{policy}\n")).collect()
}

#[tokio::test]
async fn no_default_rule_can_be_taken_away_unnoticed() {
    let Some(solver) = solver().await else { return };
    let default = Policy::with("").unwrap();
    let mut rules: Vec<&str> = default.rules().map(|rule| rule.id).collect();
    let mut told: Vec<&str> = CARRIES.iter().map(|(rule, _)| *rule).collect();
    rules.sort_unstable();
    told.sort_unstable();
    assert_eq!(rules, told, "every default rule has its line here");
    for (rule, id) in CARRIES {
        let statement = statement(id);
        let more = if statement.claim == Claim::Decided {
            ""
        } else {
            HOLE
        };
        let policy = Policy::exactly(&format!("{}{more}", without(rule))).unwrap();
        let proofs = prove(&solver, &policy, std::slice::from_ref(&statement));
        let case = refuted(&proofs, id, &policy);
        let before = default.judge_one(&case.question);
        assert_eq!(before.rule, *rule, "{case:?}");
        match statement.claim {
            Claim::Decided => assert_eq!(case.verdict.rule, "not-permitted"),
            _ => assert!(
                (case.verdict.decision, case.verdict.people) < (before.decision, before.people),
                "{case:?}"
            ),
        }
    }
}

#[tokio::test]
async fn one_person_in_the_place_of_two_is_noticed() {
    let Some(solver) = solver().await else { return };
    let weak = DEFAULT.replace("@people(\"2\")", "@people(\"1\")");
    assert_ne!(weak, DEFAULT);
    let policy = Policy::exactly(&weak).unwrap();
    let proofs = prove(&solver, &policy, &everywhere());
    for id in ["backups-are-out-of-reach", "added-policies-only-restrict"] {
        let case = refuted(&proofs, id, &policy);
        assert_eq!(
            (case.verdict.decision, case.verdict.people),
            (Decision::Hold, 1)
        );
    }
    assert_eq!(
        proofs
            .proofs
            .iter()
            .filter(|p| p.standing.is_proved())
            .count(),
        everywhere().len() - 2
    );
}

/// A `permit` of everything opens nothing: what the default policies keep back, a rule of theirs forbids.
#[tokio::test]
async fn no_permit_of_an_operator_opens_what_the_default_policies_keep_shut() {
    let Some(solver) = solver().await else { return };
    let policy = Policy::with(HOLE).unwrap();
    let proofs = prove(&solver, &policy, &everywhere());
    assert!(proofs.all_proved(), "{proofs:#?}");
}

/// As the rule once was: known code that no scope names was denied by silence alone.
#[tokio::test]
async fn a_hole_that_a_permit_can_open_is_shown_as_a_request() {
    let Some(solver) = solver().await else { return };
    let was = DEFAULT.replace(
        "!(context.measurable && !context.complete && context.verb == \"execute\")",
        "!(context.measurable && context.verb == \"execute\")",
    );
    assert_ne!(was, DEFAULT);
    let silent = Policy::exactly(&was).unwrap();
    let decided = statement("every-question-is-decided");
    let proofs = prove(&solver, &silent, &[decided]);
    let case = refuted(&proofs, "every-question-is-decided", &silent);
    assert_eq!(case.verdict.rule, "not-permitted");
    let operators = format!(
        "{was}\n@id(\"procedures\") permit (principal, action, resource) when {{ context.verb == \"execute\" }};"
    );
    let policy = Policy::exactly(&operators).unwrap();
    let proofs = prove(&solver, &policy, &everywhere());
    for id in [
        "writes-are-measured",
        "nothing-outside-the-scope",
        "added-policies-only-restrict",
    ] {
        let case = refuted(&proofs, id, &policy);
        assert_eq!(case.verdict.rule, "procedures", "{case:?}");
        let context = &case.request["context"];
        assert_eq!(
            (
                &context["verb"],
                &context["inScope"],
                &context["measurable"]
            ),
            (&"execute".into(), &false.into(), &true.into())
        );
        assert!(
            case.told.starts_with("in production: write (execute) on "),
            "{}",
            case.told
        );
        // The default policies as they are hold it.
        let now = Policy::with("").unwrap().judge_one(&case.question);
        assert_eq!(
            (now.decision, now.rule.as_str()),
            (Decision::Hold, "production-write-out-of-scope")
        );
    }
}

/// A policy that cannot be evaluated denies whatever it is asked about.
#[tokio::test]
async fn a_policy_that_can_fail_is_shown_with_what_it_fails_on() {
    let Some(solver) = solver().await else { return };
    let policy = Policy::with(
        "@id(\"weighed\") forbid (principal, action, resource) when { context.rows * 1000 > 5000000 };",
    )
    .unwrap();
    let id = "every-policy-evaluates";
    let proofs = prove(&solver, &policy, &[statement(id)]);
    let case = refuted(&proofs, id, &policy);
    assert_eq!(
        (case.verdict.decision, case.verdict.rule.as_str()),
        (Decision::Deny, "policy-error")
    );
    assert!(case.request["context"]["rows"].as_i64().unwrap() > i64::MAX / 1000);
}
