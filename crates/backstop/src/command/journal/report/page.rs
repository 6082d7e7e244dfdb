//! The page before it has a form: what stands on it, in order.

use serde::Serialize;

use super::say::Say;

/// An incident, ready to be rendered.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Page {
    /// What it is called.
    pub(super) title: Say,
    /// What is wrong with the journal, before anything else; empty where nothing is.
    pub(super) alarms: Vec<Say>,
    /// Three sentences: what was tried, what stopped it, what was lost.
    pub(super) summary: Vec<Say>,
    /// Second by second.
    pub(super) timeline: Vec<Moment>,
    /// What is not in the timeline.
    pub(super) left_out: Vec<Say>,
    /// What agents asked for, and got.
    pub(super) tried: Vec<Tried>,
    /// What stopped it.
    pub(super) stopped: Vec<Say>,
    /// Whether the journal proves that nothing was.
    pub(super) nothing_lost: bool,
    /// What was lost: the answer, and what it is made of.
    pub(super) lost: Vec<Say>,
    /// What to change.
    pub(super) change: Vec<Say>,
    /// Why to believe it, or not.
    pub(super) proof: Vec<Say>,
    /// The last line.
    pub(super) foot: Say,
}

/// A line of the timeline.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Moment {
    /// Milliseconds since the first line.
    pub(super) after_ms: i64,
    /// Unix time in milliseconds.
    pub(super) at_ms: i64,
    /// The log that it stands in.
    pub(super) log: &'static str,
    /// Its index there.
    pub(super) index: u64,
    /// What happened.
    pub(super) what: Say,
}

/// Something that was asked for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Tried {
    /// What it was, and what came of it.
    pub(super) what: Say,
    /// What was sent, line by line; none where it is not shown.
    pub(super) text: Option<Vec<String>>,
}
