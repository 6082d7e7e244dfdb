//! The one line, and how bad it is. "Nothing for good" is said only where it is proved.

use backstop_core::scope::ScopeVerb;
use backstop_core::target::Environment;

use super::{Held, RoleView};
use crate::proofs::{Claim, Proofs};
use crate::report::Severity;

pub(super) fn of(
    held: &Held,
    role: &RoleView,
    proofs: &Proofs,
    lease_proofs: &Proofs,
) -> (Severity, String) {
    let spec = &held.lease.spec;
    if held.state == "ended" || held.state == "expired" {
        return (
            Severity::Low,
            format!("This lease is over ({}): it holds nothing.", held.state),
        );
    }
    if role.takes_server {
        return (
            Severity::Critical,
            format!(
                "The role of this lease could take over the server of `{}` if a statement were misjudged: {}.",
                spec.target,
                first(&role.beyond)
            ),
        );
    }
    if !role.beyond.is_empty() || !role.backups.is_empty() {
        let first = if role.beyond.is_empty() {
            first(&role.backups)
        } else {
            first(&role.beyond)
        };
        return (
            Severity::High,
            format!(
                "Only the gate's judgement keeps this lease from destroying at `{}`: its role has a road beyond its scopes, {first}.",
                spec.target
            ),
        );
    }
    let by_environment = match spec.environment {
        Environment::Production => Severity::High,
        Environment::Staging | Environment::Development => Severity::Medium,
    };
    if let Some((proof, case)) = lease_proofs.refuted() {
        return (
            by_environment,
            format!(
                "This lease can lose data of `{}` for good without a person. Not so: \"{}\" The policies say `{}` to: {}.",
                spec.target, proof.sentence, case.verdict.decision, case.told
            ),
        );
    }
    if let Some((proof, case)) = proofs.refuted() {
        // A policy that fails, and a question that no rule decides, deny.
        let strict = matches!(proof.claim, Claim::Decided | Claim::Evaluates);
        return (
            if strict {
                Severity::Medium
            } else {
                Severity::High
            },
            format!(
                "The policies have a hole. Not so: \"{}\" They say `{}` to: {}.",
                proof.sentence, case.verdict.decision, case.told
            ),
        );
    }
    let unknown = |why: &str| {
        (
            Severity::Unknown,
            format!("Whether this lease can destroy anything for good is not known: {why}."),
        )
    };
    if let Some(why) = &role.why {
        return unknown(&format!("its role could not be looked at, {why}"));
    }
    if let Some((_, why)) = lease_proofs.unknown_one().or(proofs.unknown_one()) {
        return unknown(&format!("nothing is proved of the policies, {why}"));
    }
    if !lease_proofs.all_proved() || !proofs.all_proved() {
        return unknown("nothing was proved of the policies");
    }
    let count = lease_proofs.proofs.len() + proofs.proofs.len();
    (Severity::Low, nothing(held, count))
}

fn nothing(held: &Held, count: usize) -> String {
    let mut verbs = held.lease.spec.scopes.iter().flat_map(|s| &s.verbs);
    let reads = verbs.all(|verb| *verb == ScopeVerb::Read);
    let how = match (reads, held.budget.is_some()) {
        (true, _) => "it can only read, and all else waits for a person or is denied",
        (false, true) => {
            "what it overwrites or deletes is in the vault before it is committed, and what destroys waits for a person"
        }
        (false, false) => "all that could lose something waits for a person",
    };
    format!(
        "This lease can destroy nothing for good: {how} ({count} statements about the policies are proved, and its role has no other road)."
    )
}

fn first(list: &[String]) -> &str {
    list.first().map_or("unknown", String::as_str)
}
