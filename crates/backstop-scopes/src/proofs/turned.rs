//! Policy sets turned so that Cedar's own question, "does this set always deny?", is a question about verdicts.
//!
//! A verdict is the strictest of the rules that match (`core/policy.rs`). So it is at least some limit exactly if a rule
//! of at least that limit matches, or none does. Take every rule and let it forbid if it reaches the limit, and permit if
//! it does not: the turned set allows a question exactly if its verdict is milder than the limit. Questions that a sentence
//! is not about are forbidden by one more policy, so that they count for nothing.

use std::str::FromStr as _;

use backstop_core::policy::{Policy, RuleView};
use backstop_core::verdict::Decision;
use cedar_policy::{Effect, PolicyId, PolicySet};
use serde_json::Value;

use super::statement::FACTS;

/// Why a set cannot be turned: in words. It is a fault of this program or of a sentence.
pub(super) type Fault = String;

/// The questions that a sentence is about, as an expression.
pub(super) fn premise(about: &str) -> String {
    format!("({FACTS}) && ({about})")
}

/// The set that allows a question of the premise exactly if its verdict is milder than the limit.
pub(super) fn milder(
    policy: &Policy,
    limit: (Decision, u8),
    about: &str,
) -> Result<PolicySet, Fault> {
    let mut out = only_about(about)?;
    for rule in policy.rules() {
        let effect = if (rule.decision, rule.people) >= limit {
            Effect::Forbid
        } else {
            Effect::Permit
        };
        add(&mut out, rule, effect, None)?;
    }
    Ok(out)
}

/// The set that allows every question but those of the premise that a rule reaching the limit matches.
pub(super) fn not_reached(policy: &Policy, limit: (Decision, u8)) -> Result<PolicySet, Fault> {
    let mut out = parse("permit (principal, action, resource);")?;
    for rule in policy.rules() {
        if (rule.decision, rule.people) >= limit {
            add(&mut out, rule, Effect::Forbid, None)?;
        }
    }
    Ok(out)
}

/// The set that allows a question if a rule matches it, or it is not of the premise.
pub(super) fn matched(policy: &Policy, about: &str) -> Result<PolicySet, Fault> {
    let others = format!(
        "permit (principal, action, resource) unless {{ {} }};",
        premise(about)
    );
    let mut out = parse(&others)?;
    for rule in policy.rules() {
        add(&mut out, rule, Effect::Permit, None)?;
    }
    Ok(out)
}

/// One rule as it stands, but asked about questions of the premise alone.
pub(super) fn alone(rule: RuleView<'_>, about: &str) -> Result<cedar_policy::Policy, Fault> {
    let set = only_about(about)?;
    let premise = set.policies().next().ok_or("no premise")?;
    let mut conditions = json(premise)?
        .get("conditions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    for condition in &mut conditions {
        // It was written as `unless`.
        if let Some(kind) = condition.get_mut("kind") {
            *kind = Value::String("when".into());
        }
    }
    turned(rule, rule.cedar.effect(), Some(conditions))
}

/// The set that allows the questions of the premise and no others.
pub(super) fn questions(about: &str) -> Result<PolicySet, Fault> {
    parse(&format!(
        "permit (principal, action, resource) when {{ {} }};",
        premise(about)
    ))
}

fn only_about(about: &str) -> Result<PolicySet, Fault> {
    parse(&format!(
        "forbid (principal, action, resource) unless {{ {} }};",
        premise(about)
    ))
}

fn parse(text: &str) -> Result<PolicySet, Fault> {
    PolicySet::from_str(text).map_err(|e| format!("a sentence cannot be read: {e}"))
}

fn json(policy: &cedar_policy::Policy) -> Result<Value, Fault> {
    policy
        .to_json()
        .map_err(|e| format!("a policy cannot be taken apart: {e}"))
}

fn add(
    set: &mut PolicySet,
    rule: RuleView<'_>,
    effect: Effect,
    first: Option<Vec<Value>>,
) -> Result<(), Fault> {
    set.add(turned(rule, effect, first)?)
        .map_err(|e| format!("policy `{}` cannot be turned: {e}", rule.id))
}

fn turned(
    rule: RuleView<'_>,
    effect: Effect,
    first: Option<Vec<Value>>,
) -> Result<cedar_policy::Policy, Fault> {
    let fault = |why: String| format!("policy `{}` cannot be turned: {why}", rule.id);
    let mut parts = json(rule.cedar)?;
    let object = parts
        .as_object_mut()
        .ok_or_else(|| fault("it is no object".into()))?;
    let word = match effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    };
    object.insert("effect".into(), Value::String(word.into()));
    if let Some(mut conditions) = first {
        if let Some(own) = object.get("conditions").and_then(Value::as_array) {
            conditions.extend(own.iter().cloned());
        }
        object.insert("conditions".into(), Value::Array(conditions));
    }
    cedar_policy::Policy::from_json(Some(PolicyId::new(format!("rule {}", rule.id))), parts)
        .map_err(|e| fault(e.to_string()))
}
