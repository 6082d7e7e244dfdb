//! `backstop journal tail|show|verify|report|rebuild`.

mod report;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::remembered;

use backstop_journal::{Journal, Report, TextDigest, VerifyOptions};
use serde_json::{Value, json};

use crate::cli::{JournalShow, JournalTail, JournalVerb, JournalVerify, Log};
use crate::config::Config;
use crate::control::client::Client;
use crate::control::protocol::{EntryWithText, Request};
use crate::entries::Row;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{ControlLedger, Home, Keys, LOGS, open_journal};
use crate::output::{Output, Paint, safe};
use crate::serve::{entry_of, pruned_before, rows_of};

/// How often a follower looks for new entries.
const LOOK: Duration = Duration::from_millis(250);
/// Entries asked for at a time.
const AT_A_TIME: u64 = 500;

/// Runs one of the verbs.
///
/// # Errors
/// Why it failed; exit code 4 when verifying found something.
pub fn run(path: &Path, verb: JournalVerb, output: Output) -> Outcome {
    let config = Config::load(path)?;
    let home = Home::at(&config.data_dir);
    home.check()?;
    match verb {
        JournalVerb::Tail(args) => tail(&home, &args, output),
        JournalVerb::Show(args) => show(&home, &args, output),
        JournalVerb::Verify(args) => verify(&config, &home, &args, output),
        JournalVerb::Report(args) => report::run(&config, &home, &args, output),
        JournalVerb::Rebuild => rebuild(&home, output),
    }
}

/// Where entries come from: the running `serve`, which has the logs open, or the logs themselves.
enum Source {
    Running(Client),
    Files(Arc<Journal>),
}

impl Source {
    fn open(home: &Home, log: Log) -> Outcome<Self> {
        if let Some(client) = Client::find(home)? {
            return Ok(Self::Running(client));
        }
        let keys = Keys::load(home)?;
        let key = match log {
            Log::Control => keys.control,
            Log::Traffic => keys.traffic,
        };
        open_journal(home, word(log), key).map(Self::Files)
    }

    fn rows(&mut self, log: Log, from: Option<u64>, count: u64) -> Outcome<Vec<Row>> {
        match self {
            Self::Running(client) => client.ask(&Request::Entries {
                log: word(log).to_owned(),
                from,
                count,
            }),
            Self::Files(journal) => rows_of(journal, word(log), from, count),
        }
    }
}

const fn word(log: Log) -> &'static str {
    match log {
        Log::Control => "control",
        Log::Traffic => "traffic",
    }
}

fn tail(home: &Home, args: &JournalTail, output: Output) -> Outcome {
    let mut source = Source::open(home, args.log)?;
    let wanted = args.lines.min(AT_A_TIME);
    let mut rows = source.rows(args.log, None, wanted)?;
    // The newest entries are whole; where there are fewer than asked for, the rest was pruned.
    if let Some(first) = rows.first().filter(|r| r.index > 0)
        && u64::try_from(rows.len()).is_ok_and(|n| n < wanted)
    {
        output.say(&pruned_before(word(args.log), first.index));
    }
    if !args.follow {
        if rows.is_empty() {
            output.say(&format!("the {} log is empty", word(args.log)));
        }
        return print(&rows, output);
    }
    if let Source::Files(_) = source {
        output.warn("backstop is not running: nothing will be added to the journal");
    }
    // An empty log begins at 0.
    let mut next = 0;
    loop {
        print(&rows, output)?;
        next = rows.last().map_or(next, |r| r.index + 1);
        std::thread::sleep(LOOK);
        rows = source.rows(args.log, Some(next), AT_A_TIME)?;
    }
}

fn print(rows: &[Row], output: Output) -> Outcome {
    rows.iter().try_for_each(|row| {
        if output.json {
            output.value(&json!({ "log": row.log, "index": row.index, "entry": row.entry }))
        } else {
            output.data(&row.line())
        }
    })
}

fn show(home: &Home, args: &JournalShow, output: Output) -> Outcome {
    let log = word(args.log);
    let (row, text) = match Source::open(home, args.log)? {
        Source::Running(mut client) => {
            let whole: EntryWithText = client.ask(&Request::Entry {
                log: log.to_owned(),
                index: args.index,
            })?;
            (whole.row, whole.text)
        }
        Source::Files(journal) => entry_of(&journal, log, args.index, &Keys::seal(home)?)?,
    };
    let value = json!({ "log": log, "index": row.index, "entry": row.entry, "text": text });
    output.either(&value, |paint| whole(&row, &text, paint))
}

fn whole(row: &Row, text: &Value, paint: Paint) -> String {
    let entry = serde_json::to_string_pretty(&row.entry).unwrap_or_default();
    let mut out = format!("{}\n{entry}", paint.strong(&row.line()));
    match text {
        Value::Null => {}
        Value::String(statement) => {
            let lines: Vec<String> = statement.lines().map(safe).collect();
            out.push_str(&format!("\n{}\n{}", paint.strong("text"), lines.join("\n")));
        }
        Value::Object(parts) if parts.contains_key("statement") => {
            for (name, part) in parts {
                out.push_str(&said(name, part, paint));
            }
        }
        other => {
            let shown = serde_json::to_string_pretty(other).unwrap_or_default();
            out.push_str(&format!("\n{}\n{shown}", paint.strong("text")));
        }
    }
    out
}

/// One part of a hold's text, as it was written; what is empty is left out.
fn said(name: &str, part: &Value, paint: Paint) -> String {
    let name = paint.strong(&name.replace('_', " "));
    match part {
        Value::String(text) if text.is_empty() => String::new(),
        Value::String(text) => {
            let lines: Vec<String> = text.lines().map(safe).collect();
            format!("\n{name}\n{}", lines.join("\n"))
        }
        Value::Array(all) if all.is_empty() => String::new(),
        other => format!("\n{name} {other}"),
    }
}

fn verify(config: &Config, home: &Home, args: &JournalVerify, output: Output) -> Outcome {
    let logs: Vec<&str> = args
        .log
        .map_or_else(|| LOGS.to_vec(), |log| vec![word(log)]);
    let earlier = match &args.at_least {
        None => vec![],
        Some(file) => {
            vec![std::fs::read(file).map_err(|e| {
                Failure::usage(format!("cannot read the checkpoint `{}`", file.display()))
                    .because(e)
            })?]
        }
    };
    let mut broken = vec![];
    for log in logs {
        let checked = check(config, home, log, args.vault.as_deref(), &earlier)?;
        let report = &checked.report;
        output.either(
            &json!({ "log": log, "sound": report.is_sound(), "cosigned": checked.cosigned, "report": report }),
            |paint| told(log, report, paint),
        )?;
        if !report.is_sound() {
            broken.push(log);
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(not_what_was_written(&broken))
}

fn not_what_was_written(broken: &[&str]) -> Failure {
    Failure::integrity(format!(
        "the {} log is not what was written",
        broken.join(" and the ")
    ))
    .hint("keep the directory as it is, and compare it with a backup")
}

/// What came of verifying one log.
struct Checked {
    log: &'static str,
    report: Report,
    /// How many entries the vault has cosigned, if it has.
    cosigned: Option<u64>,
}

/// Verifies one log, with what the vault remembers of it.
fn check(
    config: &Config,
    home: &Home,
    log: &'static str,
    vault: Option<&Path>,
    earlier: &[Vec<u8>],
) -> Outcome<Checked> {
    let known = remembered::by_vault(config, vault, &Keys::verifier(home, log)?)?;
    let mut must_contain = earlier.to_vec();
    must_contain.extend(known.checkpoint());
    let mut report = verify_log(home, log, &must_contain)?;
    known.add_to(&mut report);
    Ok(Checked {
        log,
        report,
        cosigned: known.size(),
    })
}

/// Recomputes one log from its files, believing nothing but the key.
///
/// # Errors
/// When its directory or the key cannot be read.
pub fn verify_log(home: &Home, log: &str, earlier: &[Vec<u8>]) -> Outcome<Report> {
    let key = Keys::verifier(home, log)?;
    let named: &dyn Fn(&[u8]) -> Option<TextDigest> = &named_text;
    let options = VerifyOptions {
        at_least: earlier,
        text_of: (log == "control").then_some(named),
    };
    backstop_journal::verify(&home.journal(log), key.name(), &key, &options)
        .doing(format!("cannot verify the {log} log"))
}

/// The sealed text that a control entry names.
fn named_text(entry: &[u8]) -> Option<TextDigest> {
    let entry: Value = serde_json::from_slice(entry).ok()?;
    let name = entry.get("text")?.as_str()?;
    backstop_core::digest::Digest::from_hex(name).map(|d| TextDigest(d.0))
}

fn told(log: &str, report: &Report, paint: Paint) -> String {
    let root = report
        .root
        .map_or_else(|| "no checkpoint".to_owned(), |r| format!("root {r}"));
    let size = format!(
        "{} entries, {} signed, {} texts, {root}",
        report.entries, report.size, report.texts
    );
    let mut lines = vec![];
    if report.is_sound() {
        lines.push(format!("{} {log}: {size}", paint.good("sound")));
    } else {
        lines.push(format!("{} {log}: {size}", paint.error("broken")));
    }
    if report.minimum > 0 {
        let what = pruned_before(log, report.minimum);
        lines.push(format!("  {} {what}", paint.dim("note:")));
    }
    for finding in &report.findings {
        let entry = finding
            .entry
            .map_or_else(String::new, |e| format!(" entry {e}"));
        lines.push(format!(
            "  {}{entry}: {}",
            safe(&finding.file),
            safe(&finding.what)
        ));
    }
    if report.more_findings > 0 {
        lines.push(format!("  and {} findings more", report.more_findings));
    }
    lines.extend(
        report
            .notes
            .iter()
            .map(|n| format!("  {} {}", paint.dim("note:"), safe(n))),
    );
    lines.join("\n")
}

fn rebuild(home: &Home, output: Output) -> Outcome {
    let _alone = home.serve_alone()?;
    let journal = open_journal(home, "control", Keys::load(home)?.control)?;
    let entries = backstop_store::Store::rebuild(&home.index(), &ControlLedger::new(journal))
        .doing("cannot build the store anew")?;
    output.either(&json!({ "entries": entries }), |paint| {
        format!(
            "{} the store from {entries} journal entries",
            paint.good("rebuilt")
        )
    })
}
