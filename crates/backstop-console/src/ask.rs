//! What the console itself asks people for: resuming, unfreezing, another person, another passkey. Each is a
//! hold like any other, and does nothing before a passkey has signed it.

use backstop_core::action::Ask;
use backstop_core::digest::Digest;
use backstop_core::effect::{Analysis, Effect, EffectKind, Verb};
use backstop_core::hold::HoldText;
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_store::{NewHold, State};

/// The hold to open for an ask that comes from a person rather than from an agent's statement.
///
/// # Errors
/// When the ask cannot be written as JSON.
pub fn own_ask(ask: Ask, state: &State) -> Result<NewHold, serde_json::Error> {
    let statement = serde_json::to_string_pretty(&ask)?;
    let (rule, reason) = grounds(&ask);
    let (lease, target, environment) = match &ask {
        Ask::Resume { lease: Some(id) } => {
            let spec = state.leases.get(id).map(|record| &record.lease.spec);
            let target = spec.map(|spec| spec.target.clone());
            (
                None,
                target,
                spec.map_or(Environment::Production, |spec| spec.environment),
            )
        }
        Ask::GrantLease { spec } => (None, Some(spec.target.clone()), spec.environment),
        _ => (None, None, Environment::Production),
    };
    let effect = Effect::new(EffectKind::Admin, Verb::Other, None).because(summary(&ask));
    Ok(NewHold {
        lease,
        target,
        environment,
        summary: summary(&ask),
        analysis: Analysis {
            effects: vec![effect],
            incomplete: vec![],
            transactional: false,
        },
        verdict: Verdict {
            decision: Decision::Hold,
            rule: rule.to_owned(),
            reason: reason.to_owned(),
            people: 1,
        },
        recoverable: "it destroys nothing by itself".to_owned(),
        policy: state.policy.unwrap_or_else(|| Digest::of(b"")),
        text: HoldText {
            statement,
            ..HoldText::default()
        },
        ask,
    })
}

/// What an ask does, in a few words without data.
#[must_use]
pub fn summary(ask: &Ask) -> String {
    match ask {
        Ask::Sql { .. } => "run a statement".to_owned(),
        Ask::GrantLease { spec } => format!("grant a lease on {}", spec.target),
        Ask::Resume { lease: Some(id) } => format!("let {id} act again"),
        Ask::Resume { lease: None } => "lift the halt of everything".to_owned(),
        Ask::Unfreeze => "lift the freeze".to_owned(),
        Ask::AddPerson { .. } => "let another person decide".to_owned(),
        Ask::AddPasskey { .. } => "give a person another passkey".to_owned(),
    }
}

const fn grounds(ask: &Ask) -> (&'static str, &'static str) {
    match ask {
        Ask::Sql { .. } => ("hold", "it needs a person"),
        Ask::GrantLease { .. } => ("grant-lease", "only a passkey gives an agent access"),
        Ask::Resume { .. } => ("resume", "only a passkey resumes what was halted"),
        Ask::Unfreeze => ("unfreeze", "only a passkey lifts a freeze"),
        Ask::AddPerson { .. } => ("add-person", "only a passkey lets another person decide"),
        Ask::AddPasskey { .. } => ("add-passkey", "only a passkey gives a person another one"),
    }
}
