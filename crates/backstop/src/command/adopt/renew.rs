//! Renewing: a new lease in the place of one that is over, or soon will be. A lease is never made longer; a person says
//! yes to another one with the same scopes.
//!
//! It stands on what was written before as one more adoption, so that `--undo` and a crash find what they always find.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use backstop_core::digest::Digest;
use backstop_core::entry::AdoptedCredential;
use backstop_core::scope::Scope;
use backstop_store::SealKey;
use serde_json::json;

use super::book::Book;
use super::edit::Change;
use super::file::{Found, temporary};
use super::record::{self, Record, State};
use super::{alone, lease, now, recover, undo};
use crate::cli::Adopt;
use crate::config::Config;
use crate::control::protocol::{AdoptNote, Grant, LeaseAsk, Request};
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;
use crate::output::{Output, safe};
use crate::serve::LeaseRow;
use crate::when;

/// An old lease by the newest record that has it, and the new one.
struct Renewed {
    old: String,
    /// The old one's secret, as files have it.
    secret: String,
    grant: Grant,
}

/// Renews the leases of the files that are named, or of all.
///
/// # Errors
/// When a lease is not granted, or a file cannot be rewritten. What was not done is as it was.
pub(super) fn run(
    config: &Config,
    home: &Home,
    key: &SealKey,
    args: &Adopt,
    output: Output,
) -> Outcome {
    let _alone = alone(home)?;
    let paths = paths(home, key, args)?;
    recover::run(config, home, key, &paths, output)?;
    let all = record::all(home, key)?;
    let mut book = Book::running(home)?;
    let newest = newest(&all, &paths);
    if newest.is_empty() {
        return Err(Failure::usage("no lease stands in these files")
            .hint("`backstop adopt FILE` puts one there"));
    }
    let mut renewed = vec![];
    for (old, record) in &newest {
        let asked = ask(old, record, &all, &mut book, args, output);
        match asked {
            Ok(Some(one)) => renewed.push(one),
            Ok(None) => {}
            Err(failure) => {
                end(&renewed, &mut book);
                return Err(failure);
            }
        }
    }
    if renewed.len() < newest.len() {
        end(&renewed, &mut book);
        output
            .say("nothing was changed yet: run the same command again once a person has said yes");
        return Ok(());
    }
    let mut told = vec![];
    for path in &paths {
        match write(path, &all, &renewed, home, key, &mut book) {
            Ok(Some(file)) => told.push(file),
            Ok(None) => {}
            Err(failure) => {
                // Those that stand in a file already stay.
                let all = record::all(home, key)?;
                renewed.retain(|one| !all.iter().any(|r| has(r, &one.grant.lease)));
                end(&renewed, &mut book);
                return Err(failure);
            }
        }
    }
    let all = record::all(home, key)?;
    for one in &renewed {
        finish(one, &all, &paths, &mut book, output)?;
    }
    tell(&told, &renewed, output)
}

/// The files, as records name them.
fn paths(home: &Home, key: &SealKey, args: &Adopt) -> Outcome<HashSet<PathBuf>> {
    if !args.files.is_empty() {
        return Ok(args.files.iter().map(|path| undo::whole(path)).collect());
    }
    let all = record::all(home, key)?;
    Ok(all.iter().map(Record::path).collect())
}

fn has(record: &Record, lease: &str) -> bool {
    record.leases().any(|l| l == lease)
}

/// Every lease that stands in one of these files now, with the record that put it there: a later record of the same
/// file and variable takes an earlier one's place.
fn newest<'a>(all: &'a [Record], paths: &HashSet<PathBuf>) -> BTreeMap<String, &'a Record> {
    let mut standing: BTreeMap<(PathBuf, &str), (&str, &Record)> = BTreeMap::new();
    let own = |r: &&Record| r.state == State::Done && paths.contains(&r.path());
    for record in all.iter().filter(own) {
        for (name, _, opens) in record.logins() {
            standing.insert((record.path(), name), (opens.lease(), record));
        }
    }
    let leases = standing.into_values();
    leases
        .map(|(lease, record)| (lease.to_owned(), record))
        .collect()
}

fn ask(
    old: &str,
    record: &Record,
    all: &[Record],
    book: &mut Book,
    args: &Adopt,
    output: Output,
) -> Outcome<Option<Renewed>> {
    let rows: Vec<LeaseRow> = book.client()?.ask(&Request::Leases { all: true })?;
    let row = rows
        .into_iter()
        .find(|row| row.lease == old)
        .ok_or_else(|| {
            Failure::new(format!("the gate knows no lease `{old}` any more"))
                .hint("`backstop adopt --undo` brings the file back; adopt it anew then")
        })?;
    let secret = secret(record, old).ok_or_else(|| {
        Failure::new(format!(
            "`{old}` does not stand in {} as it was written",
            record.path
        ))
    })?;
    let scopes = row.scopes.iter().map(|s| s.parse::<Scope>());
    let request = LeaseAsk {
        target: row.target,
        task: row.task,
        ttl_seconds: args.ttl.seconds(),
        scopes: scopes
            .collect::<Result<_, _>>()
            .map_err(|e| Failure::new("the old lease's scopes cannot be read").because(e))?,
        also: vec![],
        wait: !args.no_wait,
        standing: true,
    };
    let granted = lease::one(request, all, book.client()?, args, output)?;
    Ok(granted.map(|grant| Renewed {
        old: old.to_owned(),
        secret,
        grant,
    }))
}

fn end(renewed: &[Renewed], book: &mut Book) {
    for one in renewed {
        let _ = book.revoke(&one.grant.lease);
    }
}

/// The secret of a lease, by what was written with it.
fn secret(record: &Record, lease: &str) -> Option<String> {
    let after = format!("{lease}:");
    let of_url = |text: &str| {
        let (_, rest) = text.split_once(&after)?;
        rest.split_once('@').map(|(secret, _)| secret.to_owned())
    };
    let of_variable = |change: &Change| match change {
        Change::Text { name, new, .. } | Change::Value { name, new, .. }
            if name == "PGPASSWORD" =>
        {
            Some(new.clone())
        }
        _ => None,
    };
    let texts = record.changes.iter();
    texts
        .clone()
        .find_map(|change| of_url(change.new_text()))
        .or_else(|| texts.clone().find_map(of_variable))
        .or_else(|| {
            let pairs = texts
                .clone()
                .map(Change::new_text)
                .find(|text| text.contains(lease))?;
            let (_, rest) = pairs.split_once("password=")?;
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
            Some(rest.get(..end.unwrap_or(rest.len()))?.to_owned())
        })
        .filter(|secret| secret.len() >= 16)
}

/// The same text with the new lease in it.
fn with(text: &str, one: &Renewed) -> Outcome<String> {
    let (_, rest) = one
        .grant
        .dsn
        .split_once(&format!("{}:", one.grant.lease))
        .ok_or_else(|| Failure::new("the lease came in another form than this version knows"))?;
    let secret = rest.split('@').next().unwrap_or_default();
    Ok(text
        .replace(&one.old, &one.grant.lease)
        .replace(&one.secret, secret))
}

/// Rewrites one file: sealed first, then the journal, then the file.
fn write(
    path: &PathBuf,
    all: &[Record],
    renewed: &[Renewed],
    home: &Home,
    key: &SealKey,
    book: &mut Book,
) -> Outcome<Option<String>> {
    let own: Vec<&Record> = all
        .iter()
        .filter(|r| r.path() == *path && r.state == State::Done)
        .collect();
    let Some(last) = own.last() else {
        return Ok(None);
    };
    let found = Found::open(path)?;
    let mut text = String::from_utf8(found.bytes.clone())
        .doing(format!("`{}` is no text any more", path.display()))?;
    let mut changes: Vec<Change> = vec![];
    let mut credentials = vec![];
    for one in renewed {
        if !text.contains(&one.old) {
            continue;
        }
        text = with(&text, one)?;
        for change in own.iter().flat_map(|r| &r.changes) {
            let old = change.new_text().to_owned();
            let new = with(&old, one)?;
            let name = change.name().to_owned();
            if new == old || changes.iter().any(|c| c.new_text() == new) {
                continue;
            }
            changes.push(match change {
                Change::Value { .. } => Change::Value { name, old, new },
                Change::Text { .. } | Change::Line { .. } => Change::Text { name, old, new },
            });
        }
        let mut names = HashSet::new();
        for credential in own.iter().rev().flat_map(|r| &r.credentials) {
            let opens = credential.opens.as_ref().filter(|o| o.lease == one.old);
            if let Some(opens) = opens.filter(|_| names.insert(credential.name.as_str())) {
                let mut new = credential.clone();
                new.opens = Some(opens.by(&one.grant.lease));
                credentials.push(new);
            }
        }
    }
    if text.as_bytes() == found.bytes {
        return Err(Failure::new(format!(
            "none of the leases stands in `{}` any more",
            path.display()
        ))
        .hint("it was edited since; `backstop adopt --undo` puts back what can be"));
    }
    let mut record = Record {
        number: record::all(home, key)?.last().map_or(1, |r| r.number + 1),
        path: last.path.clone(),
        state: State::Begun,
        at_ms: now(),
        original: found.bytes.clone(),
        written: Digest::of(text.as_bytes()),
        temporary: temporary(),
        changes,
        credentials,
    };
    record.write(home, key)?;
    let note = note(&record, text.as_bytes(), key);
    let swapped = book
        .note(note)
        .and_then(|()| found.swap(text.as_bytes(), &record.temporary));
    if let Err(failure) = swapped {
        if found.is_unchanged() {
            record.remove(home)?;
        }
        return Err(failure);
    }
    record.state = State::Done;
    record.write(home, key)?;
    Ok(Some(record.path.to_string()))
}

fn note(record: &Record, bytes: &[u8], key: &SealKey) -> AdoptNote {
    let credentials = record.credentials.iter().map(|c| AdoptedCredential {
        name: c.name.clone(),
        kind: c.kind.clone(),
        target: c.opens.as_ref().map(|o| o.target.clone()),
        lease: c.opens.as_ref().map(|o| o.lease.clone()),
    });
    AdoptNote::Adopted {
        file: record.path.to_string(),
        original: key.salted(&record.original),
        written: key.salted(bytes),
        credentials: credentials.collect(),
    }
}

/// Ends the old lease, unless it stands in a file that was not renewed.
fn finish(
    one: &Renewed,
    all: &[Record],
    paths: &HashSet<PathBuf>,
    book: &mut Book,
    output: Output,
) -> Outcome {
    let elsewhere: BTreeSet<String> = all
        .iter()
        .filter(|r| r.state == State::Done && !paths.contains(&r.path()) && has(r, &one.old))
        .map(|r| r.path.to_string())
        .collect();
    if elsewhere.is_empty() {
        return book.revoke(&one.old);
    }
    output.warn(&format!(
        "{} stands in other files, too, and goes on there until it is over: {}",
        one.old,
        elsewhere.into_iter().collect::<Vec<_>>().join(", ")
    ));
    Ok(())
}

fn tell(files: &[String], renewed: &[Renewed], output: Output) -> Outcome {
    if output.json {
        let leases: Vec<_> = renewed
            .iter()
            .map(|one| {
                json!({ "old": one.old, "lease": one.grant.lease, "target": one.grant.target, "expires_ms": one.grant.expires_ms })
            })
            .collect();
        return output.value(&json!({ "renewed": leases, "files": files }));
    }
    for one in renewed {
        output.data(&format!(
            "{} {} by {} on `{}`, which ends {}",
            output.paint.good("renewed"),
            one.old,
            one.grant.lease,
            one.grant.target,
            when::from_now(one.grant.expires_ms, when::now_ms())
        ))?;
    }
    for file in files {
        output.data(&format!("  in {}", safe(file)))?;
    }
    output
        .say("programs that are running go on with the old one, which has ended: start them anew");
    Ok(())
}
