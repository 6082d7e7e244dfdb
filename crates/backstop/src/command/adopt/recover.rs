//! What a run that was cut short left: brought to one of the two ends, with the original in hand all the while.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use backstop_core::digest::Digest;
use backstop_store::SealKey;

use super::book::Book;
use super::edit::{Change, revert};
use super::file;
use super::record::{self, Record, State};
use crate::config::Config;
use crate::failure::Outcome;
use crate::home::Home;
use crate::output::Output;

/// What a file is, seen from a record.
enum Stands {
    /// What was written is in it, at least in part.
    Written,
    /// Nothing that was written is in it.
    Before,
}

/// Settles what was begun and not finished for these files. Says whether anything was.
///
/// # Errors
/// When it cannot be settled; everything is kept then.
pub(super) fn run(
    config: &Config,
    home: &Home,
    key: &SealKey,
    paths: &HashSet<PathBuf>,
    output: Output,
) -> Outcome<bool> {
    let all = record::all(home, key)?;
    let open =
        |r: &&Record| matches!(r.state, State::Begun | State::Undoing) && paths.contains(&r.path());
    let mut book = None;
    let mut any = false;
    for record in all.iter().filter(open) {
        any = true;
        let path = record.path();
        file::clear(&path, &record.temporary);
        if matches!(stands(&path, record), Stands::Written) {
            let done = Record {
                state: State::Done,
                ..record.clone()
            };
            done.write(home, key)?;
            output.say(&format!(
                "{} was rewritten, and the run cut short after it",
                record.path
            ));
            continue;
        }
        if book.is_none() {
            book = Some(Book::any(config, home)?);
        }
        if let Some(book) = &mut book {
            for lease in leases_of(&all, record) {
                book.revoke(&lease)?;
            }
        }
        record.remove(home)?;
        output.say(&format!(
            "{} is as it was before the run that was cut short",
            record.path
        ));
    }
    Ok(any)
}

fn stands(path: &Path, record: &Record) -> Stands {
    // A file that cannot be read may be written: its original is kept.
    let Ok(bytes) = std::fs::read(path) else {
        return Stands::Written;
    };
    if bytes == record.original {
        return Stands::Before;
    }
    let mut ours = record
        .changes
        .iter()
        .filter(|c| !matches!(c, Change::Value { .. }));
    let any = ours.any(|change| {
        let wanted = change.new_text().as_bytes();
        bytes.windows(wanted.len().max(1)).any(|w| w == wanted)
    });
    match any || Digest::of(&bytes) == record.written || revert(&bytes, &record.changes).done > 0 {
        true => Stands::Written,
        false => Stands::Before,
    }
}

/// The leases of one record that no other still needs.
pub(super) fn leases_of(all: &[Record], one: &Record) -> Vec<String> {
    let others = |lease: &str| {
        let mut others = all
            .iter()
            .filter(|r| r.number != one.number && r.state != State::Left);
        others.any(|r| r.leases().any(|l| l == lease))
    };
    let own: HashSet<&str> = one.leases().filter(|lease| !others(lease)).collect();
    let mut own: Vec<String> = own.into_iter().map(str::to_owned).collect();
    own.sort();
    own
}
