//! What the console itself asks people for: resuming, unfreezing, another person, another passkey. Each is a
//! hold like any other, and does nothing before a passkey has signed it.

use backstop_core::action::Ask;
use backstop_core::digest::Digest;
use backstop_core::effect::{Analysis, Effect, EffectKind, Verb};
use backstop_core::hold::HoldText;
use backstop_core::lease::{LeaseSpec, LeaseState};
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_store::{NewHold, State};

use crate::words;

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
                spec.map_or(Environment::Production, LeaseSpec::strictest),
            )
        }
        Ask::GrantLease { spec } => (None, Some(spec.target.clone()), spec.strictest()),
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
            unseen: vec![],
            transactional: false,
        },
        verdict: Verdict {
            decision: Decision::Hold,
            rule: rule.to_owned(),
            reason: reason.to_owned(),
            people: 1,
        },
        recoverable: "it destroys nothing by itself".to_owned(),
        whole: String::new(),
        policy: state.policy.unwrap_or_else(|| Digest::of(b"")),
        text: HoldText {
            statement,
            ..HoldText::default()
        },
        ask,
    })
}

/// One thing that a person should know before they answer an ask, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Particular {
    /// What it is, such as `May do`.
    pub label: &'static str,
    /// As it was asked for.
    pub text: String,
    /// How it is shown.
    pub kind: Kind,
}

/// What kind of thing a person should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A fact.
    Fact,
    /// A scope, in its notation.
    Scope,
    /// The words of whoever asks.
    Words,
    /// A fact that nobody should overlook.
    Warning,
}

impl Particular {
    fn new(kind: Kind, label: &'static str, text: impl Into<String>) -> Self {
        Self {
            label,
            text: text.into(),
            kind,
        }
    }

    fn fact(label: &'static str, text: impl Into<String>) -> Self {
        Self::new(Kind::Fact, label, text)
    }

    fn words(label: &'static str, text: impl Into<String>) -> Self {
        Self::new(Kind::Words, label, text)
    }
}

/// Everything that an ask is about, what widens power first. None for a statement: its own page says more.
#[must_use]
pub fn particulars(ask: &Ask, state: &State) -> Vec<Particular> {
    let lease = |id: &str| state.leases.get(id);
    match ask {
        Ask::Sql { .. } => vec![],
        Ask::Http { binding } => {
            let operations = binding.operations.iter();
            let mut all: Vec<Particular> = operations
                .map(|name| Particular::fact("Operation", name))
                .collect();
            all.push(Particular::fact("Sent to", &binding.origin));
            all
        }
        Ask::GrantLease { spec } => {
            let mut all = may_do(spec);
            let life = i64::try_from(spec.ttl_seconds).unwrap_or(i64::MAX);
            all.push(Particular::fact(
                "For",
                words::span(life.saturating_mul(1_000)),
            ));
            all.push(Particular::words("Task", &spec.task));
            all
        }
        Ask::Undo {
            leases,
            entries,
            leave_conflicts,
            without_triggers,
        } => {
            let mut all: Vec<Particular> = leases
                .iter()
                .map(|id| Particular::fact("Lease", id))
                .collect();
            let count = format!("{} transactions", entries.len());
            all.push(Particular::fact("Undoes", count));
            let changed = if *leave_conflicts {
                "stay as they are"
            } else {
                "end it, and nothing is undone"
            };
            all.push(Particular::fact("Rows changed since", changed));
            if *without_triggers {
                let off = "switched off meanwhile, where they do not let rows come back";
                all.push(Particular::fact("Triggers", off));
            }
            all
        }
        Ask::Resume { lease: Some(id) } => {
            let mut all = vec![Particular::fact("Lease", id)];
            if let Some(record) = lease(id) {
                if let LeaseState::Halted { why, .. } = &record.state {
                    all.push(Particular::fact("Halted because", why));
                }
                all.extend(may_do(&record.lease.spec));
                all.push(Particular::words("Task", &record.lease.spec.task));
            }
            all
        }
        Ask::Resume { lease: None } => stopped("Halted because", state.halted.as_ref()),
        Ask::Unfreeze => stopped("Frozen because", state.frozen.as_ref()),
        Ask::AcceptPoint { target, point } => {
            let mut all = vec![
                Particular::fact("Target", target),
                Particular::fact("Point", point.short()),
            ];
            let record = state.points.get(target).and_then(|p| p.find(*point));
            let alarms = record.map(|r| r.alarms.as_slice()).unwrap_or_default();
            all.extend(alarms.iter().map(|alarm| Particular::fact("Alarm", alarm)));
            all
        }
        Ask::AddPerson { name } => vec![Particular::words("Name", name)],
        Ask::AddPasskey { person } => {
            let name = state.people.get(person).map(|known| known.name.clone());
            vec![Particular::fact(
                "Person",
                name.unwrap_or_else(|| person.clone()),
            )]
        }
    }
}

/// What a lease may do at each of its targets, and where nobody would see what it does.
fn may_do(spec: &LeaseSpec) -> Vec<Particular> {
    let scopes = spec.may_do().into_iter();
    let mut all: Vec<Particular> = scopes
        .map(|scope| Particular::new(Kind::Scope, "May do", scope))
        .collect();
    let unread = spec.targets().filter(|target| spec.may_tunnel(target));
    all.extend(unread.map(|target| {
        let what = format!("what it does in tunnels to {target}: it is not seen, judged or held");
        Particular::new(Kind::Warning, "Nobody reads", what)
    }));
    all
}

fn stopped(label: &'static str, why: Option<&String>) -> Vec<Particular> {
    why.map(|why| Particular::fact(label, why))
        .into_iter()
        .collect()
}

/// The same on one line, for lists: what tells this ask from the next one. Carries data, unlike [`summary`].
#[must_use]
pub fn particulars_line(ask: &Ask, state: &State) -> String {
    let all = particulars(ask, state);
    let texts: Vec<&str> = all.iter().map(|one| one.text.as_str()).collect();
    texts.join(" · ")
}

/// What an ask does, in a few words without data.
#[must_use]
pub fn summary(ask: &Ask) -> String {
    match ask {
        Ask::Sql { .. } => "run a statement".to_owned(),
        Ask::Http { .. } => "send a request".to_owned(),
        Ask::GrantLease { spec } => {
            let targets: Vec<&str> = spec.targets().collect();
            format!("grant a lease on {}", targets.join(", "))
        }
        Ask::Undo {
            leases, entries, ..
        } => format!(
            "undo {} transactions of {} leases",
            entries.len(),
            leases.len()
        ),
        Ask::Resume { lease: Some(id) } => format!("let {id} act again"),
        Ask::Resume { lease: None } => "lift the halt of everything".to_owned(),
        Ask::Unfreeze => "lift the freeze".to_owned(),
        Ask::AcceptPoint { target, .. } => {
            format!("find what changed in {target} as it should be")
        }
        Ask::AddPerson { .. } => "let another person decide".to_owned(),
        Ask::AddPasskey { .. } => "give a person another passkey".to_owned(),
    }
}

const fn grounds(ask: &Ask) -> (&'static str, &'static str) {
    match ask {
        Ask::Sql { .. } | Ask::Http { .. } => ("hold", "it needs a person"),
        Ask::GrantLease { .. } => ("grant-lease", "only a passkey gives an agent access"),
        Ask::Undo { .. } => (
            "undo",
            "it takes back what more than one lease did, and only a passkey allows that",
        ),
        Ask::Resume { .. } => ("resume", "only a passkey resumes what was halted"),
        Ask::Unfreeze => ("unfreeze", "only a passkey lifts a freeze"),
        Ask::AcceptPoint { .. } => (
            "accept-point",
            "only a passkey ends an alarm, and with it the keeping of what was before",
        ),
        Ask::AddPerson { .. } => ("add-person", "only a passkey lets another person decide"),
        Ask::AddPasskey { .. } => ("add-passkey", "only a passkey gives a person another one"),
    }
}

#[cfg(test)]
mod tests {
    use backstop_core::lease::Also;

    use super::*;

    /// A further target does not hide behind the lease's own.
    #[test]
    fn a_lease_is_put_before_people_with_all_its_targets() {
        let also = |target: &str, environment, scope: &str| Also {
            target: target.into(),
            environment,
            scopes: vec![scope.parse().unwrap()],
        };
        let ask = Ask::GrantLease {
            spec: LeaseSpec {
                target: "sandbox".into(),
                environment: Environment::Development,
                task: "a task".into(),
                ttl_seconds: 60,
                scopes: vec!["read".parse().unwrap()],
                also: vec![
                    also("railway", Environment::Production, "write"),
                    also("pinned", Environment::Staging, "tunnel"),
                ],
                parent: None,
            },
        };
        let hold = own_ask(ask.clone(), &State::default()).unwrap();
        assert_eq!(hold.environment, Environment::Production);
        assert_eq!(hold.summary, "grant a lease on sandbox, railway, pinned");
        let all = particulars(&ask, &State::default());
        let told = |label: &str| -> Vec<&str> {
            let of = all.iter().filter(|one| one.label == label);
            of.map(|one| one.text.as_str()).collect()
        };
        assert_eq!(
            told("May do"),
            [
                "read:*.*",
                "railway (production): insert,update,delete:*.*",
                "pinned (staging): tunnel:*.*"
            ]
        );
        assert_eq!(told("Nobody reads").len(), 1);
    }
}
