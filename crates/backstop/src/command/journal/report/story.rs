//! The incident as a page: what is told, and in which order.

use backstop_core::action::Ask;
use backstop_core::effect::Verb;
use backstop_core::entry::{Control, Event};
use backstop_core::hold::Hold;
use backstop_core::target::Environment;
use backstop_store::State;

use super::super::Checked;
use super::acts::{Act, Texts};
use super::change::{self, Facts};
use super::events::{name, sentence};
use super::gather::Acts;
use super::lost::{self, Lost, Whole};
use super::page::{Moment, Page};
use super::read::{Decisions, Traffic};
use super::say::{Say, count};
use super::select::Scope;
use super::stopped::in_short;
use super::tried;
use crate::entries::Row;
use crate::failure::{Failure, Outcome};
use crate::when;

/// Lines of the timeline at most.
const MOST: usize = 500;
/// A hold and the act that was held are written at about the same time, in milliseconds.
const SAME_MS: i64 = 2_000;

/// Everything that the page is made of.
pub(super) struct Story<'a> {
    pub(super) scope: &'a Scope,
    pub(super) read: &'a Decisions,
    pub(super) traffic: &'a Traffic,
    pub(super) acts: &'a Acts,
    pub(super) texts: &'a Texts,
    pub(super) checked: &'a [Checked],
    /// Whether the configuration has a vault, and whether that is on this machine.
    pub(super) vault: Option<bool>,
    /// Whether what agents sent is left out.
    pub(super) no_texts: bool,
}

impl Story<'_> {
    /// Tells it.
    ///
    /// # Errors
    /// When there is nothing to tell.
    pub(super) fn page(&self) -> Outcome<Page> {
        let events: Vec<(&Row, &Control)> = self
            .read
            .all
            .iter()
            .filter(|(row, _)| self.scope.at(row.at_ms))
            .filter_map(|(row, control)| Some((row, control.as_ref()?)))
            .filter(|(_, control)| self.scope.tells(&control.event, self.read))
            .collect();
        if events.is_empty() && self.acts.told.is_empty() && self.acts.reads == 0 {
            return Err(self.empty());
        }
        let (timeline, left_out) = self.timeline(&events);
        let begun_ms = timeline.first().map_or(self.scope.since_ms, |m| m.at_ms);
        let sound = self.checked.iter().all(|c| c.report.is_sound());
        let lost = self.lost(sound);
        let told: Vec<&Event> = events.iter().map(|(_, control)| &control.event).collect();
        let leases = self.leases(&told);
        let stopped = self.stopped(&events, begun_ms);
        let change = change::of(&Facts {
            events: &told,
            acts: &self.acts.told,
            state: &self.read.state,
            leases: &leases,
            lost: &lost,
            vault: self.vault,
            cosigned: self.checked.iter().all(|c| c.cosigned.is_some()),
            sound,
        });
        let first = self.summary(&leases, begun_ms);
        let second = in_short(&stopped);
        let third = lost.said.first().cloned().unwrap_or_default();
        Ok(Page {
            title: title(&told, &self.acts.told, begun_ms),
            alarms: self.alarms(),
            summary: vec![first, second, third],
            timeline,
            left_out,
            tried: tried::of(
                &self.acts.told,
                self.acts.reads,
                self.texts,
                self.no_texts,
                begun_ms,
            ),
            stopped,
            nothing_lost: lost.nothing,
            lost: lost.said,
            change,
            proof: self.proof(),
            foot: Say::new(format!(
                "Written by backstop {} from the journal of the installation ",
                env!("CARGO_PKG_VERSION")
            ))
            .theirs(&self.read.state.installation)
            .ours(" on ")
            .ours(when::stamp(when::now_ms()))
            .ours(". What stands in code was chosen by agents, people or targets, and is no word of Backstop's."),
        })
    }

    fn empty(&self) -> Failure {
        let what = match (&self.scope.hold, &self.scope.leases) {
            (Some(hold), _) => format!(" of the hold `{}`", super::say::plain(hold)),
            (None, Some(leases)) => {
                let all: Vec<&str> = leases.iter().map(String::as_str).collect();
                format!(" of `{}`", super::say::plain(&all.join("`, `")))
            }
            (None, None) => String::new(),
        };
        Failure::new(format!(
            "there is nothing to report: between {} and {} the journal has nothing{what}",
            when::stamp(self.scope.since_ms),
            when::stamp(self.scope.until_ms)
        ))
        .hint("choose another span with --since and --until; `backstop journal tail` shows the newest entries")
    }

    /// Every lease that it is about.
    fn leases(&self, events: &[&Event]) -> Vec<String> {
        let of_acts = self.acts.told.iter().map(|act| act.lease.clone());
        let of_events = events.iter().filter_map(|event| match event {
            Event::Halted { lease, .. } | Event::Mismatch { lease, .. } => lease.clone(),
            Event::LeaseGranted { lease, .. } => Some(lease.id.clone()),
            Event::Held { hold, .. } => hold.lease.clone(),
            _ => None,
        });
        let mut all: Vec<String> = match &self.scope.leases {
            Some(leases) => leases.iter().cloned().collect(),
            None => of_acts.chain(of_events).collect(),
        };
        all.retain(|id| id != "none");
        all.sort();
        all.dedup();
        all
    }

    fn timeline(&self, events: &[(&Row, &Control)]) -> (Vec<Moment>, Vec<Say>) {
        let mut all: Vec<Moment> = events
            .iter()
            .map(|(row, control)| Moment {
                after_ms: 0,
                at_ms: row.at_ms,
                log: "control",
                index: row.index,
                what: sentence(&control.event, row, &self.read.state),
            })
            .collect();
        let acts = self.acts.told.iter().filter(|act| !is_told(act, events));
        all.extend(acts.map(|act| Moment {
            after_ms: 0,
            at_ms: act.at_ms,
            log: "traffic",
            index: act.index,
            what: tried::sentence(act),
        }));
        // At the same millisecond what was decided stands before what was done by it.
        all.sort_by_key(|moment| (moment.at_ms, moment.log, moment.index));
        let begun_ms = all.first().map_or(0, |moment| moment.at_ms);
        for moment in &mut all {
            moment.after_ms = moment.at_ms.saturating_sub(begun_ms);
        }
        let mut left_out = vec![];
        if all.len() > MOST {
            let more = all.len() - MOST;
            all.truncate(MOST);
            left_out.push(Say::new(format!(
                "And {} more, which are in the journal and not here.",
                count(more as u64, "line", "lines")
            )));
        }
        if self.acts.reads > 0 {
            left_out.push(Say::new(format!(
                "Besides, {} passed and are not listed.",
                count(
                    self.acts.reads,
                    "statement or request that only reads",
                    "statements or requests that only read"
                )
            )));
        }
        (all, left_out)
    }

    /// Who was sent to do what, and what it asked for.
    fn summary(&self, leases: &[String], begun_ms: i64) -> Say {
        let say = Say::new(format!("On {}, ", when::stamp(begun_ms)));
        let say = match leases {
            [] => say.ours("agents"),
            [one] => {
                let say = say.ours("an agent with the lease ").theirs(one);
                match self.read.state.leases.get(one) {
                    Some(record) => say
                        .ours(" for the task ")
                        .words(&record.lease.spec.task)
                        .ours(", for which ")
                        .theirs(name(&self.read.state, &record.lease.person))
                        .ours(" answers,"),
                    None => say,
                }
            }
            many => say.ours(format!("agents with {} leases", many.len())),
        };
        let told = self.acts.told.iter().filter(|act| act.rule != "undo");
        let (stopped, passed): (Vec<&Act>, Vec<&Act>) = told.partition(|act| act.is_stopped());
        let mut targets: Vec<&str> = stopped
            .iter()
            .chain(&passed)
            .map(|act| act.target.as_str())
            .filter(|target| !target.is_empty())
            .collect();
        targets.sort_unstable();
        targets.dedup();
        let all = self.acts.reads + self.acts.more + (stopped.len() + passed.len()) as u64;
        if all == 0 {
            return say.ours(" asked for nothing that the journal has in this time.");
        }
        let say = say.ours(format!(" asked for {}", count(all, "thing", "things")));
        let say = if targets.is_empty() {
            say
        } else {
            say.ours(" at ").list(targets)
        };
        say.ours(format!(
            ": {} only read, {} did more and passed, {} did not pass.",
            self.acts.reads,
            passed.len(),
            stopped.len()
        ))
    }

    fn lost(&self, sound: bool) -> Lost {
        let mut gaps = vec![];
        if self.traffic.pruned {
            gaps.push(Say::new(
                "The beginning of this time is in the traffic log no more: it was pruned.",
            ));
        }
        if self.traffic.cut {
            gaps.push(Say::new(
                "The traffic log holds more after this time than was read: choose a shorter span, or a later one.",
            ));
        }
        if self.acts.more > 0 {
            gaps.push(Say::new(format!(
                "{} were too much to be looked at one by one: choose a shorter span.",
                count(self.acts.more, "act", "acts")
            )));
        }
        let unread = self.read.all.iter().filter(|(_, c)| c.is_none()).count();
        if unread > 0 {
            gaps.push(Say::new(format!(
                "{} of the control log cannot be read by this version.",
                count(unread as u64, "entry", "entries")
            )));
        }
        let state = &self.read.state;
        let measured = |act: &Act| environment(state, act) == Environment::Production;
        let only_rows = |act: &Act| {
            let hold = act.hold.as_ref().and_then(|id| state.holds.get(id));
            hold.is_some_and(|record| {
                let mut effects = record.hold.effects.iter();
                effects.all(|effect| {
                    matches!(
                        effect.verb,
                        Verb::Read | Verb::Insert | Verb::Update | Verb::Delete
                    )
                })
            })
        };
        lost::of(&Whole {
            acts: &self.acts.told,
            texts: self.texts,
            sound,
            gaps,
            measured: &measured,
            only_rows: &only_rows,
        })
    }
}

/// Whether an agent asked for it, to act.
pub(super) fn is_action(hold: &Hold) -> bool {
    matches!(hold.ask, Ask::Sql { .. } | Ask::Http { .. })
}

/// Whether the line of a hold tells of an act already.
fn is_told(act: &Act, events: &[(&Row, &Control)]) -> bool {
    let held = matches!(&act.result, Some((result, _)) if result == "held");
    held && events.iter().any(|(row, control)| match &control.event {
        Event::Held { hold, .. } => {
            hold.rule == act.rule
                && hold.lease.as_deref() == Some(act.lease.as_str())
                && (row.at_ms - act.at_ms).abs() <= SAME_MS
        }
        _ => false,
    })
}

/// The environment that a lease's target was said to be when it was granted.
fn environment(state: &State, act: &Act) -> Environment {
    let record = state.leases.get(&act.lease);
    let at = record.and_then(|record| record.lease.spec.at(&act.target));
    // Unknown is taken for the one with the least trust.
    at.map_or(Environment::Development, |(environment, _)| environment)
}

fn title(events: &[&Event], acts: &[Act], begun_ms: i64) -> Say {
    let mut what = "What agents did";
    let mut at = acts.first().map(|act| act.target.clone());
    for event in events {
        match event {
            Event::Held { hold, .. } if is_action(hold) => {
                if what == "What agents did" {
                    what = "An action of an agent was held";
                }
                at = hold.target.clone().or(at);
            }
            Event::Halted { lease: None, .. } => what = "Everything was halted",
            Event::Halted { .. } if what != "Everything was halted" => what = "An agent was halted",
            _ => {}
        }
    }
    let say = Say::new(what);
    let say = match at.filter(|target| !target.is_empty()) {
        Some(target) => say.ours(" at ").theirs(target),
        None => say,
    };
    let day: String = when::stamp(begun_ms).chars().take(10).collect();
    say.ours(format!(", {day}"))
}
