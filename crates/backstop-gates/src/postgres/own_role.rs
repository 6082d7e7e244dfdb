//! The gate's own role at the target: whoever changes it takes Backstop's place, so no lease may ask people to.
//! It must not be confused with a schema or database of the same name.

use backstop_core::effect::{Analysis, EffectKind};
use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::sql;

/// Whether an action changes the role `user`, drops what it owns, or takes somebody into it or out of it.
pub(crate) fn is_touched(analysis: &Analysis, user: &str) -> bool {
    analysis.worst() >= EffectKind::Destroy && {
        let name = sql::ident(user);
        analysis.effects.iter().any(|effect| {
            matches!(effect.kind, EffectKind::Admin | EffectKind::Destroy)
                && effect.object.as_deref() == Some(name.as_str())
                && effect
                    .because
                    .as_deref()
                    .is_some_and(|b| b.contains("role"))
        })
    }
}

/// As the policy that guards the rest of Backstop says it.
pub(crate) fn verdict() -> Verdict {
    Verdict {
        decision: Decision::Deny,
        rule: "safeguards".into(),
        reason: "this touches the role by which Backstop itself works, which no lease may".into(),
        people: 0,
    }
}

#[cfg(test)]
mod tests {
    use backstop_core::effect::{Effect, Verb};

    use super::*;

    #[test]
    fn a_role_is_told_from_a_schema_of_the_same_name() {
        let with = |because: &str| Analysis {
            effects: vec![
                Effect::new(EffectKind::Destroy, Verb::Drop, "shop".to_owned()).because(because),
            ],
            ..Analysis::default()
        };
        assert!(is_touched(
            &with("drops everything that a role owns"),
            "shop"
        ));
        assert!(!is_touched(&with("drops a schema"), "shop"));
        assert!(!is_touched(&with("drops a role"), "Shop"));
    }
}
