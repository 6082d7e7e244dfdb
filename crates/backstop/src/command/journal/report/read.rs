//! Reading both logs: what people and the gate decided, whole; what agents did, from some moment on.
//!
//! Must not judge: it hands on what stands there, and says what it could not read.

use std::collections::BTreeMap;

use backstop_core::entry::Control;
use backstop_store::State;
use serde_json::Value;

use super::super::{AT_A_TIME, Source, word};
use crate::cli::Log;
use crate::control::protocol::{EntryWithText, Request};
use crate::entries::Row;
use crate::failure::Outcome;
use crate::home::{Home, Keys};
use crate::serve::entry_of;

/// Entries of the traffic log that are looked through at most.
const MOST: usize = 500_000;
/// Clocks step back now and then: so much before the beginning is looked through, too, in milliseconds.
const SLACK_MS: i64 = 60_000;

/// The control log.
pub(super) struct Decisions {
    /// Its entries; none in place of one that this version cannot read.
    pub(super) all: Vec<(Row, Option<Control>)>,
    /// What they come to.
    pub(super) state: State,
}

/// Reads the control log.
pub(super) fn decisions(home: &Home) -> Outcome<Decisions> {
    let mut source = Source::open(home, Log::Control)?;
    let mut read = Decisions {
        all: vec![],
        state: State::default(),
    };
    loop {
        let from = read.all.last().map_or(0, |(row, _)| row.index + 1);
        let rows = source.rows(Log::Control, Some(from), AT_A_TIME)?;
        if rows.is_empty() {
            return Ok(read);
        }
        for row in rows {
            let control: Option<Control> = serde_json::from_value(row.entry.clone()).ok();
            if let Some(control) = &control {
                read.state.apply(control);
            }
            read.all.push((row, control));
        }
    }
}

/// A part of the traffic log.
pub(super) struct Traffic {
    /// Its entries, in order.
    pub(super) rows: Vec<Row>,
    /// Whether entries that should be in it were pruned.
    pub(super) pruned: bool,
    /// Whether it was too much to be read to its end.
    pub(super) cut: bool,
}

/// Reads the traffic log from a moment to its end: what came of an action may stand long after it.
pub(super) fn traffic(home: &Home, since_ms: i64) -> Outcome<Traffic> {
    let mut source = Source::open(home, Log::Traffic)?;
    let (from, pruned) = first(&mut source, since_ms.saturating_sub(SLACK_MS))?;
    let mut read = Traffic {
        rows: vec![],
        pruned,
        cut: false,
    };
    let mut next = from;
    loop {
        let rows = source.rows(Log::Traffic, Some(next), AT_A_TIME)?;
        let Some(last) = rows.last() else {
            return Ok(read);
        };
        next = last.index + 1;
        read.rows.extend(rows);
        if read.rows.len() >= MOST {
            read.cut = true;
            return Ok(read);
        }
    }
}

/// The first entry that is not before a moment, by halving, and whether entries before it that might be were pruned.
fn first(source: &mut Source, since_ms: i64) -> Outcome<(u64, bool)> {
    let Some(newest) = source.rows(Log::Traffic, None, 1)?.pop() else {
        return Ok((0, false));
    };
    let Some(oldest) = source.rows(Log::Traffic, Some(0), 1)?.pop() else {
        return Ok((0, false));
    };
    if oldest.at_ms >= since_ms {
        return Ok((oldest.index, oldest.index > 0));
    }
    let (mut before, mut end) = (oldest.index, newest.index + 1);
    while before + 1 < end {
        let middle = before + (end - before) / 2;
        let late = source
            .rows(Log::Traffic, Some(middle), 1)?
            .first()
            .is_none_or(|row| row.at_ms >= since_ms);
        if late {
            end = middle;
        } else {
            before = middle;
        }
    }
    Ok((end, false))
}

/// What an agent sent, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    /// There is none.
    None,
    /// It was erased.
    Erased,
    /// As it was sealed: its credentials were taken out then.
    Said(String),
}

/// The texts of entries of the traffic log, by their indexes.
pub(super) fn texts(home: &Home, indexes: &[u64]) -> Outcome<BTreeMap<u64, Text>> {
    let mut source = Source::open(home, Log::Traffic)?;
    let mut all = BTreeMap::new();
    for &index in indexes {
        let log = word(Log::Traffic);
        let text = match &mut source {
            Source::Running(client) => {
                let whole: EntryWithText = client.ask(&Request::Entry {
                    log: log.to_owned(),
                    index,
                })?;
                whole.text
            }
            Source::Files(journal) => entry_of(journal, log, index, &Keys::seal(home)?)?.1,
        };
        let text = match text {
            Value::String(text) => Text::Said(text),
            Value::Object(_) => Text::Erased,
            _ => Text::None,
        };
        all.insert(index, text);
    }
    Ok(all)
}
