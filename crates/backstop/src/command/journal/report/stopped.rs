//! What stopped it: rules, verdicts, halts, and what people decided, by their names.

use backstop_core::approval::Answer;
use backstop_core::entry::{Control, Event};
use backstop_core::hold::Hold;

use super::events::{name, sentence};
use super::say::{Say, after, count};
use super::story::{Story, is_action};
use crate::entries::Row;

impl Story<'_> {
    /// What stopped it, in order; never empty.
    pub(super) fn stopped(&self, events: &[(&Row, &Control)], begun_ms: i64) -> Vec<Say> {
        let mut all = vec![];
        let since = |ms: i64| after(ms.saturating_sub(begun_ms));
        for (row, control) in events {
            match &control.event {
                Event::Halted { .. } | Event::Frozen { .. } => {
                    all.push(Say::new(format!("{}: ", since(row.at_ms))).then(sentence(
                        &control.event,
                        row,
                        &self.read.state,
                    )))
                }
                Event::Held { hold, .. } if is_action(hold) => {
                    all.push(self.held(hold, row.at_ms, events, &since));
                }
                _ => {}
            }
        }
        let mut denied: Vec<(&str, &str, usize)> = vec![];
        for act in &self.acts.told {
            let by = (act.rule.as_str(), act.verdict.as_str());
            if !matches!(by.1, "deny" | "halt") {
                continue;
            }
            match denied.iter_mut().find(|(r, v, _)| (*r, *v) == by) {
                Some((.., n)) => *n += 1,
                None => denied.push((by.0, by.1, 1)),
            }
        }
        for (rule, verdict, n) in denied {
            all.push(
                Say::new(format!(
                    "{} met the verdict ",
                    count(n as u64, "act", "acts")
                ))
                .theirs(verdict)
                .ours(", by the rule ")
                .theirs(rule)
                .ours("."),
            );
        }
        if all.is_empty() {
            all.push(Say::new(
                "Nothing stopped it: everything that was asked for passed.",
            ));
        }
        all
    }

    /// A hold and what people made of it.
    fn held(
        &self,
        hold: &Hold,
        at_ms: i64,
        events: &[(&Row, &Control)],
        since: &dyn Fn(i64) -> String,
    ) -> Say {
        let mut say = Say::new(format!("{}: the rule ", since(at_ms)))
            .theirs(&hold.rule)
            .ours(" held ")
            .theirs(&hold.summary)
            .ours(" (")
            .theirs(&hold.id)
            .ours("): ")
            .words(&hold.reason)
            .ours(".");
        for (row, control) in events {
            let of_it = row.hold.as_deref() == Some(hold.id.as_str());
            match &control.event {
                Event::Decided { decision, .. } if of_it => {
                    let word = match decision.challenge.answer {
                        Answer::Deny => "denied",
                        Answer::Approve | Answer::None => "approved",
                    };
                    say = say
                        .ours(format!(" {}: ", since(row.at_ms)))
                        .theirs(name(&self.read.state, &decision.challenge.person))
                        .ours(format!(" {word} it."));
                }
                Event::Consumed { .. } if of_it => {
                    say = say.ours(format!(" {}: the approval was spent.", since(row.at_ms)));
                }
                Event::Expired { .. } if of_it => {
                    say = say.ours(format!(" {}: it ran out.", since(row.at_ms)));
                }
                Event::Withdrawn { why, .. } if of_it => {
                    say = say
                        .ours(format!(" {}: it was withdrawn, ", since(row.at_ms)))
                        .words(why)
                        .ours(".");
                }
                _ => {}
            }
        }
        say
    }
}

/// The same for the summary: the first thing, and how many more there are.
pub(super) fn in_short(stopped: &[Say]) -> Say {
    let first = stopped.first().cloned().unwrap_or_default();
    match stopped.len() {
        0 | 1 => first,
        n => Say::new(format!("It was stopped in {n} ways; the first: ")).then(first),
    }
}
