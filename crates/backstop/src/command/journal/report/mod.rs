//! `backstop journal report`: an incident as a page that can be published.
//!
//! Everything on it comes from the journal, by computing and not by guessing; the page says first whether the journal
//! verifies. It works on what the running `serve` hands out, or on the directory.

mod acts;
mod change;
mod events;
mod gather;
mod html;
mod lost;
mod markdown;
mod mask;
mod page;
mod proof;
mod read;
mod say;
mod select;
mod stopped;
mod story;
mod tried;

use backstop_core::action::Ask;
use backstop_core::entry::Event;
use serde_json::{Value, json};

use super::{Checked, check, not_what_was_written};
use crate::cli::JournalReport;
use crate::config::Config;
use crate::failure::{Code, Failure, Outcome};
use crate::home::{Home, LOGS};
use crate::output::{Output, Paint};
use crate::page::write;
use crate::when;

use acts::Texts;
use gather::Acts;
use page::Page;
use read::{Decisions, Traffic};
use select::Scope;
use story::Story;

/// Runs it.
///
/// # Errors
/// When there is nothing to report; exit code 4 when the journal does not verify, after the page was written.
pub(super) fn run(config: &Config, home: &Home, args: &JournalReport, output: Output) -> Outcome {
    let checked = LOGS
        .into_iter()
        .map(|log| check(config, home, log, args.vault.as_deref(), &[]))
        .collect::<Outcome<Vec<Checked>>>()?;
    let broken: Vec<&str> = checked
        .iter()
        .filter(|c| !c.report.is_sound())
        .map(|c| c.log)
        .collect();
    let page = told(config, home, args, &checked).map_err(|failure| {
        // A journal that cannot even be read is broken first of all.
        if broken.is_empty() || failure.code == Code::Usage {
            return failure;
        }
        let causes = std::iter::once(failure.what.clone()).chain(failure.causes);
        causes.fold(not_what_was_written(&broken), Failure::because)
    })?;
    put(&page, args, output)?;
    if broken.is_empty() {
        return Ok(());
    }
    Err(not_what_was_written(&broken))
}

fn told(config: &Config, home: &Home, args: &JournalReport, checked: &[Checked]) -> Outcome<Page> {
    let decisions = read::decisions(home)?;
    let scope = Scope::of(args, &decisions, when::now_ms())?;
    let traffic = read::traffic(home, scope.since_ms)?;
    let acts = gathered(&decisions, &traffic, &scope);
    let texts = texts(home, &acts)?;
    let vault = config.vault.as_ref().map(|vault| vault.place.is_near());
    Story {
        scope: &scope,
        read: &decisions,
        traffic: &traffic,
        acts: &acts,
        texts: &texts,
        checked,
        vault,
        no_texts: args.no_texts,
    }
    .page()
}

fn gathered(decisions: &Decisions, traffic: &Traffic, scope: &Scope) -> Acts {
    let events = decisions
        .all
        .iter()
        .filter_map(|(row, control)| Some((row.at_ms, &control.as_ref()?.event)));
    let starts: Vec<i64> = events
        .filter(|(_, event)| matches!(event, Event::Started { .. }))
        .map(|(at_ms, _)| at_ms)
        .collect();
    // Undos of several leases are of none, and name the images that they take back.
    let holds: Vec<&String> = decisions
        .state
        .holds
        .values()
        .filter(|record| match &record.hold.ask {
            Ask::Undo { leases, .. } => leases.iter().any(|lease| scope.has(lease)),
            _ => false,
        })
        .map(|record| &record.hold.id)
        .collect();
    let undone: Vec<u64> = traffic
        .rows
        .iter()
        .filter(|row| row.kind == "intent")
        .filter(|row| row.entry.get("rule").and_then(Value::as_str) == Some("undo"))
        .filter(|row| row.hold.as_ref().is_some_and(|hold| holds.contains(&hold)))
        .map(|row| row.index)
        .collect();
    gather::gather(&traffic.rows, scope, &starts, &undone)
}

/// The texts that are shown, and those that say whether something was committed.
fn texts(home: &Home, acts: &Acts) -> Outcome<Texts> {
    let mut indexes = tried::wanted(&acts.told);
    indexes.extend(acts.told.iter().flat_map(acts::Act::wants));
    indexes.sort_unstable();
    indexes.dedup();
    read::texts(home, &indexes)
}

/// Writes the page where it was asked for.
fn put(page: &Page, args: &JournalReport, output: Output) -> Outcome {
    for alarm in &page.alarms {
        output.warn(&alarm.text());
    }
    if let Some(path) = &args.html {
        write(path, &html::page(page))?;
        output.say(&format!("wrote {}", path.display()));
    }
    if let Some(path) = &args.out {
        write(path, &format!("{}\n", markdown::page(page, Paint::plain())))?;
        output.say(&format!("wrote {}", path.display()));
    }
    if output.json {
        return output.value(&json!({ "sound": page.alarms.is_empty(), "page": page }));
    }
    if args.html.is_none() && args.out.is_none() {
        return output.data(&markdown::page(page, output.paint));
    }
    Ok(())
}
