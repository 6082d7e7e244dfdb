//! What to change, derived from what happened.

use std::collections::BTreeSet;

use backstop_core::action::Ask;
use backstop_core::entry::Event;
use backstop_core::hold::{Hold, HoldState};
use backstop_core::lease::LeaseState;
use backstop_store::State;

use super::acts::Act;
use super::lost::Lost;
use super::say::Say;

/// What it is derived from.
pub(super) struct Facts<'a> {
    /// What the control log says of the incident.
    pub(super) events: &'a [&'a Event],
    /// What agents did.
    pub(super) acts: &'a [Act],
    /// As everything stands now.
    pub(super) state: &'a State,
    /// The leases of it.
    pub(super) leases: &'a [String],
    /// What was lost.
    pub(super) lost: &'a Lost,
    /// Whether the configuration has a vault, and whether that is on this machine.
    pub(super) vault: Option<bool>,
    /// Whether the vault has cosigned both logs.
    pub(super) cosigned: bool,
    /// Whether both logs verify.
    pub(super) sound: bool,
}

/// The list; never empty.
pub(super) fn of(facts: &Facts<'_>) -> Vec<Say> {
    let mut all = vec![];
    if !facts.sound {
        all.push(Say::new(
            "Find out who changed the journal, before anything else: keep its directory as it is, compare it with a backup, and take whatever could write there for lost.",
        ));
    }
    credentials(facts, &mut all);
    rules(facts, &mut all);
    people(facts, &mut all);
    standing(facts, &mut all);
    keeping(facts, &mut all);
    if all.is_empty() {
        all.push(Say::new(
            "Nothing in this part of the journal calls for a change.",
        ));
    }
    all
}

/// A credential that was where it should not have been.
fn credentials(facts: &Facts<'_>, all: &mut Vec<Say>) {
    let mut told = BTreeSet::new();
    for event in facts.events {
        let Event::Mismatch { what, .. } = event else {
            continue;
        };
        if !told.insert(what) {
            continue;
        }
        if what.contains("refused the gate's own credential") {
            all.push(
                Say::new("Mend the gate's own credential: ")
                    .words(what)
                    .ours(". Make a new one at the target, seal it, and let the lease act again; an agent must not look for another way."),
            );
        } else {
            all.push(
                Say::new("Revoke or rotate the credential that was presented (")
                    .words(what)
                    .ours(
                        "), wherever else it is in use, and take it away from where agents work. ",
                    )
                    .theirs("backstop scopes --home")
                    .ours(" finds others that lie about."),
            );
        }
    }
}

/// What a rule that stopped something asks of whoever set the agent to work.
fn rules(facts: &Facts<'_>, all: &mut Vec<Say>) {
    let holds = facts.events.iter().filter_map(|event| match event {
        Event::Held { hold, .. } if is_action(hold) => Some(hold.rule.as_str()),
        _ => None,
    });
    let denied = facts
        .acts
        .iter()
        .filter(|act| matches!(act.verdict.as_str(), "deny" | "halt"))
        .map(|act| act.rule.as_str());
    let rules: BTreeSet<&str> = holds.chain(denied).collect();
    for rule in rules {
        if let Some(advice) = advice(rule) {
            all.push(
                Say::new("The rule ")
                    .theirs(rule)
                    .ours(format!(" stopped something. {advice}")),
            );
        }
    }
}

fn advice(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "production-destroy" | "staging-destroy" => {
            "Do not give the task to an agent again as it was put: say in it that nothing may be dropped or emptied, or let it work on a copy."
        }
        "production-write-out-of-scope" | "out-of-scope-read" | "not-in-lease" => {
            "The agent went past its lease. If the task needs that, ask for a lease that names it; if not, the task or the agent is to be looked at."
        }
        "production-write-unbounded" | "production-write-over-limit" => {
            "Have the agent name the rows it means, by their keys; with a vault such writes are measured before COMMIT and can be undone."
        }
        "measured-rows" | "measured-share" | "lease-budget" | "target-budget" => {
            "It wrote more than passes without a person. If such amounts are ordinary there, raise the limits of that target; if not, the task is to be looked at."
        }
        "not-recoverable" => {
            "See why the vault did not take the rows: until it does, such writes wait for people."
        }
        "production-safeguards" | "staging-safeguards" => {
            "Nobody's task should take away backups, retention or deletion protection. Where it is meant, a person does it, at the provider."
        }
        "safeguards" => {
            "It reached for Backstop itself. Find out why before the agent works again."
        }
        "production-admin" | "staging-admin-escape" => {
            "Rights, roles and code that others run are changed by people; an agent can prepare such a change and not make it."
        }
        "production-escape" | "unknown" => {
            "What the gate cannot see, or cannot take back, is better done by a person; a plainer statement may pass."
        }
        "reveal" => "Give the agent what the credential is for, not the credential.",
        "foreign-credential" => {
            "An agent that tries a credential which nobody gave it is to be looked at before it works again."
        }
        "ambiguous" | "unsearched" => {
            "A request that can be read in two ways is refused: see what made it so."
        }
        _ => return None,
    })
}

/// What people decided.
fn people(facts: &Facts<'_>, all: &mut Vec<Say>) {
    if facts.lost.gone > 0 {
        let approved = facts
            .acts
            .iter()
            .any(|act| act.hold.is_some() && act.rule != "undo");
        if approved {
            all.push(Say::new(
                "A person approved what took something away for good. Read that hold again together, and consider a policy that asks for two people.",
            ));
        }
        if facts.vault.is_some() {
            all.push(Say::new(
                "Something took effect of which the vault has nothing: see which kinds of act the vault does not cover, and forbid them where nobody needs them.",
            ));
        }
    }
    let expired = facts
        .events
        .iter()
        .any(|event| matches!(event, Event::Expired { .. }));
    if expired {
        all.push(Say::new(
            "A hold ran out undecided: see that the people who decide are called, and are awake.",
        ));
    }
}

/// What is still open.
fn standing(facts: &Facts<'_>, all: &mut Vec<Say>) {
    let halted: Vec<&String> = facts
        .leases
        .iter()
        .filter(|id| {
            facts
                .state
                .leases
                .get(*id)
                .is_some_and(|record| matches!(record.state, LeaseState::Halted { .. }))
        })
        .collect();
    if !halted.is_empty() {
        all.push(
            Say::new("Decide on what is still halted: ")
                .list(&halted)
                .ours(". ")
                .theirs("backstop lease revoke")
                .ours(" ends a lease, and a passkey lets it act again."),
        );
    }
    let open: Vec<&String> = facts
        .state
        .holds
        .values()
        .filter(|record| {
            let ours = record
                .hold
                .lease
                .as_ref()
                .is_some_and(|l| facts.leases.contains(l));
            let open = matches!(
                record.state,
                HoldState::Waiting { .. } | HoldState::Approved { .. }
            );
            ours && open && is_action(&record.hold)
        })
        .map(|record| &record.hold.id)
        .collect();
    if !open.is_empty() {
        all.push(
            Say::new("Decide on what still waits, or is approved and not spent: ")
                .list(&open)
                .ours("."),
        );
    }
}

/// What would bring back, and what would be believed.
fn keeping(facts: &Facts<'_>, all: &mut Vec<Say>) {
    match facts.vault {
        None => all.push(
            Say::new("Set up a vault (")
                .theirs("backstop vault init")
                .ours("), better on another machine: without one nothing is measured and nothing can be brought back."),
        ),
        Some(true) => all.push(Say::new(
            "Move the vault to another machine: it is not isolated, since what takes this machine takes gate and vault.",
        )),
        Some(false) => {}
    }
    if facts.sound && !facts.cosigned {
        all.push(Say::new(
            "Let a vault cosign the journal, or keep a checkpoint of each log elsewhere: an older copy of the whole journal could stand in its place unnoticed.",
        ));
    }
}

/// Whether an agent asked for it, to act.
fn is_action(hold: &Hold) -> bool {
    matches!(hold.ask, Ask::Sql { .. } | Ask::Http { .. })
}
