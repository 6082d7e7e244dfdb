//! `backstop holds`.

use std::path::Path;

use backstop_core::rehearsal::{Ended, Rehearsal};

use super::running;
use crate::cli::Holds;
use crate::control::protocol::Request;
use crate::failure::Outcome;
use crate::output::{Output, Paint, safe};
use crate::serve::HoldRow;
use crate::when;

/// How many tables and objects are named on a terminal.
const SHOWN: usize = 5;

/// Lists holds.
///
/// # Errors
/// When nothing serves.
pub fn run(path: &Path, args: &Holds, output: Output) -> Outcome {
    let mut client = running(path, output)?;
    let rows: Vec<HoldRow> = client.ask(&Request::Holds { all: args.all })?;
    if output.json {
        return rows.iter().try_for_each(|r| output.value(r));
    }
    if rows.is_empty() {
        output.say("nothing waits for a person");
        return Ok(());
    }
    let now = when::now_ms();
    rows.iter()
        .try_for_each(|r| output.data(&shown(r, now, output.paint)))
}

fn shown(row: &HoldRow, now_ms: i64, paint: Paint) -> String {
    let who = row
        .lease
        .as_deref()
        .map_or_else(String::new, |l| format!(" by {l}"));
    let on = match (&row.target, &row.asked) {
        (Some(target), None) => format!(" on {target}"),
        _ => String::new(),
    };
    let asked = row
        .asked
        .as_deref()
        .map_or_else(String::new, |text| format!("\n  {}", safe(text)));
    let left = if row.state == "waiting" {
        format!(", expires {}", when::from_now(row.decide_by_ms, now_ms))
    } else {
        String::new()
    };
    let rehearsed = row.rehearsed.as_deref().map_or_else(String::new, |told| {
        let copy = row.copy_of_ms.map_or_else(
            || "on a copy of the database".to_owned(),
            |at| {
                format!(
                    "on a copy of the database from {}",
                    when::from_now(at, now_ms)
                )
            },
        );
        format!("\n  {}: {}", paint.strong(&copy), figures(told))
    });
    format!(
        "{} {}{left}\n  {}{on}{who}{asked}\n  {} ({}); {}{rehearsed}\n  {}",
        paint.strong(&row.hold),
        paint.warn(&row.state),
        safe(&row.summary),
        safe(&row.reason),
        row.rule,
        row.recoverable,
        row.link,
    )
}

/// What a rehearsal found, on one line. Whoever holds the copy says so, not the gate.
fn figures(told: &Rehearsal) -> String {
    let mut parts = vec![told.sentence()];
    for one in told.tables.iter().take(SHOWN) {
        let counts = [
            ("inserted", one.inserted),
            ("updated", one.updated),
            ("deleted", one.deleted),
        ];
        let counts: Vec<String> = counts
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(word, n)| format!("{n} {word}"))
            .collect();
        parts.push(format!("{}: {}", safe(&one.table), counts.join(", ")));
    }
    if let Some(more @ 1..) = told.tables.len().checked_sub(SHOWN) {
        parts.push(format!("and {more} tables more"));
    }
    let gone = told.gone.iter().take(SHOWN).map(|name| safe(name));
    let gone: Vec<String> = gone.collect();
    if !gone.is_empty() {
        let more = (told.gone.len() - gone.len()) as u64;
        let more = match more.saturating_add(told.gone_more) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        parts.push(format!("gone: {}{more}", gone.join(", ")));
    }
    if told.end == Ended::Ran {
        parts.push(told.undo.sentence());
    }
    parts.join("; ")
}
