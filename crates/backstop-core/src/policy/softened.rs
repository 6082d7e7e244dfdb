//! The one default that people may change: what is denied on production because it takes away what would bring data
//! back can be made to ask them, by repeating the policy with another verdict.
//!
//! Nothing else of the defaults can be replaced, and no condition.

use std::str::FromStr;

use cedar_policy::{Policy, PolicySet};
use serde_json::Value;

use super::{DEFAULT, PolicyError};

/// What may be softened.
const SOFT: [&str; 1] = ["production-safeguards"];
/// So many people at least.
const PEOPLE: u8 = 2;

/// The default policies, without those that `more` repeats in a softer form.
pub(super) fn default_for(more: &str) -> Result<String, PolicyError> {
    let Ok(parsed) = PolicySet::from_str(more) else {
        // It is told where all of it is read.
        return Ok(DEFAULT.to_owned());
    };
    let mut text = DEFAULT.to_owned();
    for policy in parsed.policies() {
        let Some(id) = policy.annotation("id").filter(|id| SOFT.contains(id)) else {
            continue;
        };
        check(id, policy)?;
        let (before, own, after) = cut(&text, id)?;
        let own = Policy::from_str(own).map_err(|e| PolicyError::Syntax(e.to_string()))?;
        if meaning(policy) != meaning(&own) {
            return Err(fault(
                id,
                "it must be repeated as it is in the defaults; only its verdict, people and reason may be others",
            ));
        }
        text = format!("{before}{after}");
    }
    Ok(text)
}

fn check(id: &str, policy: &Policy) -> Result<(), PolicyError> {
    let people: u8 = policy
        .annotation("people")
        .and_then(|n| n.parse().ok())
        .unwrap_or_default();
    if policy.annotation("verdict") == Some("hold") && people >= PEOPLE {
        return Ok(());
    }
    Err(fault(
        id,
        "it can only be made to ask: @verdict(\"hold\") with @people(\"2\") or more",
    ))
}

/// What stands before a default policy, itself, and what comes after it.
fn cut<'t>(text: &'t str, id: &str) -> Result<(&'t str, &'t str, &'t str), PolicyError> {
    let parts = || {
        let at = text.find(&format!("@id(\"{id}\")"))?;
        let (before, rest) = text.split_at(at);
        let end = rest.find("};")? + 2;
        let (own, after) = rest.split_at(end);
        Some((before, own, after))
    };
    parts().ok_or_else(|| fault(id, "the defaults have no such policy"))
}

/// All but its annotations.
fn meaning(policy: &Policy) -> Option<Value> {
    let mut value = policy.to_json().ok()?;
    value.as_object_mut()?.remove("annotations");
    Some(value)
}

fn fault(id: &str, problem: &str) -> PolicyError {
    PolicyError::Annotation {
        policy: id.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Policy;
    use crate::verdict::Decision;

    const SOFTENED: &str = "@id(\"production-safeguards\") @verdict(\"hold\") @people(\"2\") @reason(\"backups\") \
        forbid (principal, action == Action::\"act\", resource) \
        when { context.environment == \"production\" && context.safeguard };";

    #[test]
    fn what_is_denied_can_be_made_to_ask_two_people() {
        let rule = |policy: &Policy| {
            let found = policy
                .rules()
                .find(|rule| rule.id == "production-safeguards");
            found.map(|rule| (rule.decision, rule.people)).unwrap()
        };
        let (usual, softened) = (Policy::with("").unwrap(), Policy::with(SOFTENED).unwrap());
        assert_eq!(rule(&usual).0, Decision::Deny);
        assert_eq!(rule(&softened), (Decision::Hold, 2));
        assert_ne!(usual.version(), softened.version());
        assert_eq!(usual.rules().count(), softened.rules().count());
    }

    #[test]
    fn nothing_else_can_be_softened_and_no_condition() {
        for (from, to, expected) in [
            ("\"2\"", "\"1\"", "only be made to ask"),
            ("@verdict(\"hold\")", "", "only be made to ask"),
            ("\"hold\"", "\"halt\"", "only be made to ask"),
            (
                "context.safeguard",
                "context.safeguard && context.inScope",
                "as it is in the defaults",
            ),
            (
                "== \"production\"",
                "== \"staging\"",
                "as it is in the defaults",
            ),
            ("production-safeguards", "production-destroy", "used twice"),
            ("production-safeguards", "safeguards", "used twice"),
        ] {
            let text = SOFTENED.replace(from, to);
            let error = Policy::with(&text)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
