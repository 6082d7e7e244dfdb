//! What stands in the control log, as sentences for somebody who was not there.

use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use backstop_core::entry::Event;
use backstop_core::hold::Hold;
use backstop_store::State;

use super::say::Say;
use crate::entries::Row;
use crate::when;

/// Whoever an entry knows by an id, by their name.
pub(super) fn name<'a>(state: &'a State, person: &'a str) -> &'a str {
    state.people.get(person).map_or(person, |p| p.name.as_str())
}

/// One sentence. `row` has one for what this page has none of its own.
pub(super) fn sentence(event: &Event, row: &Row, state: &State) -> Say {
    match event {
        Event::Held { hold, .. } => held(hold),
        Event::Decided { hold, decision } => {
            let word = match decision.challenge.answer {
                Answer::Deny => " denied ",
                Answer::Approve | Answer::None => " approved ",
            };
            let say = Say::default()
                .theirs(name(state, &decision.challenge.person))
                .ours(word)
                .theirs(hold)
                .ours(", with a passkey");
            if decision.reason.is_empty() {
                say.ours(".")
            } else {
                say.ours(", in these words: ")
                    .words(&decision.reason)
                    .ours(".")
            }
        }
        Event::Rehearsed { hold, rehearsal } => Say::default()
            .theirs(hold)
            .ours(" was tried on a copy of the database: ")
            .theirs(rehearsal.sentence())
            .ours("."),
        Event::Withdrawn { hold, why } => Say::default()
            .theirs(hold)
            .ours(" was withdrawn: ")
            .words(why)
            .ours("."),
        Event::Expired { hold } => Say::default()
            .theirs(hold)
            .ours(" ran out; nobody decided, or nobody used the approval, in time."),
        Event::Consumed { hold, .. } => Say::new("The approval of ")
            .theirs(hold)
            .ours(" was spent: what it was for was released, once."),
        Event::LeaseGranted { lease, .. } => {
            let say = Say::default()
                .theirs(name(state, &lease.person))
                .ours(" answers for the new lease ")
                .theirs(&lease.id)
                .ours(" at ")
                .theirs(&lease.spec.target)
                .ours(format!(
                    " ({}) for the task ",
                    lease.spec.environment.word()
                ))
                .words(&lease.spec.task)
                .ours(", until ")
                .ours(when::stamp(lease.expires_ms))
                .ours("; it may ")
                .list(&lease.spec.scopes);
            let also = lease.spec.also.iter().fold(say, |say, also| {
                say.ours(", and at ")
                    .theirs(&also.target)
                    .ours(" ")
                    .list(&also.scopes)
            });
            also.ours(".")
        }
        Event::LeaseNarrowed { lease, scopes, .. } => Say::new("The lease ")
            .theirs(lease)
            .ours(" was narrowed to ")
            .list(scopes)
            .ours("."),
        Event::LeaseEnded { lease, why } => Say::new("The lease ")
            .theirs(lease)
            .ours(" ended: ")
            .words(why)
            .ours("."),
        Event::Halted { lease, why, reads } => {
            let say = match lease {
                Some(lease) => Say::new("The lease ").theirs(lease).ours(" was halted"),
                None => Say::new("Everything was halted"),
            };
            let how = if *reads { ", but for reads: " } else { ": " };
            say.ours(how).words(why).ours(".")
        }
        Event::Resumed { lease, hold } => {
            let say = match lease {
                Some(lease) => Say::new("The lease ").theirs(lease),
                None => Say::new("Everything"),
            };
            say.ours(" may act again, by ").theirs(hold).ours(".")
        }
        Event::Frozen { why } => Say::new("Everything was frozen, so that only reads pass: ")
            .words(why)
            .ours("."),
        Event::Unfrozen { hold } => Say::new("The freeze was lifted, by ")
            .theirs(hold)
            .ours("."),
        Event::Mismatch {
            lease,
            source,
            what,
        } => {
            let say = match lease {
                Some(lease) => {
                    Say::new("A credential that does not fit, by the lease ").theirs(lease)
                }
                None => Say::new("A credential that does not fit, by nobody who is known"),
            };
            say.ours(" from ")
                .theirs(source)
                .ours(": ")
                .words(what)
                .ours(".")
        }
        Event::Started { version, .. } => Say::new("The gate began to serve, version ")
            .theirs(version)
            .ours("."),
        Event::Stopped => Say::new("The gate stopped in order."),
        _ => Say::default().theirs(&row.summary),
    }
}

fn held(hold: &Hold) -> Say {
    let people = super::say::count(u64::from(hold.people), "person", "people");
    let say = match &hold.ask {
        Ask::GrantLease { spec } => Say::new("A lease at ")
            .list(spec.targets())
            .ours(" was asked for, for the task ")
            .words(&spec.task),
        Ask::Resume { .. } | Ask::Unfreeze => {
            Say::new("It was asked to go on: ").theirs(&hold.summary)
        }
        Ask::Sql { .. } | Ask::Http { .. } => {
            let say = Say::default().theirs(&hold.summary);
            let say = match &hold.target {
                Some(target) => say.ours(" at ").theirs(target),
                None => say,
            };
            say.ours(" was held before it ran")
        }
        _ => Say::default().theirs(&hold.summary).ours(" was held"),
    };
    say.ours(" as ")
        .theirs(&hold.id)
        .ours(", by the rule ")
        .theirs(&hold.rule)
        .ours(": ")
        .words(&hold.reason)
        .ours(format!(". {people} must say yes."))
}
