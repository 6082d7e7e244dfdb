//! `backstop holds`.

use std::path::Path;

use super::running;
use crate::cli::Holds;
use crate::control::protocol::Request;
use crate::failure::Outcome;
use crate::output::{Output, Paint, safe};
use crate::serve::HoldRow;
use crate::when;

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
    format!(
        "{} {}{left}\n  {}{on}{who}{asked}\n  {} ({}); {}\n  {}",
        paint.strong(&row.hold),
        paint.warn(&row.state),
        safe(&row.summary),
        safe(&row.reason),
        row.rule,
        row.recoverable,
        row.link,
    )
}
