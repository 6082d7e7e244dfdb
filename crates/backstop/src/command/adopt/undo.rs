//! Putting back what was there: byte for byte where the file is still what was written, otherwise each value that is.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use backstop_core::digest::Digest;
use backstop_store::SealKey;
use serde_json::json;

use super::book::Book;
use super::edit::revert;
use super::file::{Found, temporary};
use super::record::{self, Record, State};
use super::{USUAL, alone, recover};
use crate::cli::Adopt;
use crate::config::Config;
use crate::control::protocol::AdoptNote;
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;
use crate::output::{Output, safe};

/// What came of undoing one file.
struct Undone {
    path: String,
    whole: bool,
    left: Vec<String>,
    leases: Vec<String>,
    targets: BTreeSet<String>,
}

/// Undoes the adoption of each file.
///
/// # Errors
/// At the first that cannot be put back; it is as it was then, and its original is kept.
pub(super) fn run(
    config: &Config,
    home: &Home,
    key: &SealKey,
    args: &Adopt,
    output: Output,
) -> Outcome {
    let _alone = alone(home)?;
    let named = match args.files.as_slice() {
        [] => vec![PathBuf::from(USUAL)],
        files => files.to_vec(),
    };
    let paths: Vec<PathBuf> = named.iter().map(|path| whole(path)).collect();
    if let Some(new) = &args.original {
        return original(home, key, &paths, new, output);
    }
    recover::run(config, home, key, &paths.iter().cloned().collect(), output)?;
    let mut book = None;
    let mut undone = vec![];
    for path in &paths {
        let all = record::all(home, key)?;
        let own: Vec<&Record> = all
            .iter()
            .filter(|r| r.path() == *path && r.state != State::Left)
            .collect();
        if own.is_empty() {
            return Err(nothing(&all, path));
        }
        let book = match &mut book {
            Some(book) => book,
            none => none.insert(Book::any(config, home)?),
        };
        undone.push(file(path, &own, &all, home, key, book)?);
    }
    tell(&undone, output)
}

/// The path as records have it. A file that is gone is still known by its name.
pub(super) fn whole(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        folder.join(path.file_name().unwrap_or_default())
    })
}

fn nothing(all: &[Record], path: &Path) -> Failure {
    let shown = path.display();
    if all.iter().any(|r| r.path() == *path) {
        return Failure::new(format!(
            "nothing that was written into `{shown}` is left to be put back"
        ))
        .hint("its original is kept: `--original NEW_FILE` writes it beside");
    }
    let known: BTreeSet<String> = all.iter().map(|r| format!("`{}`", r.path)).collect();
    let known: Vec<String> = known.into_iter().collect();
    Failure::usage(format!("`{shown}` was not adopted")).hint(match known.is_empty() {
        true => "no file was".to_owned(),
        false => format!("these were: {}", known.join(", ")),
    })
}

fn file(
    path: &Path,
    own: &[&Record],
    all: &[Record],
    home: &Home,
    key: &SealKey,
    book: &mut Book,
) -> Outcome<Undone> {
    let found = Found::open(path).map_err(|f| {
        f.hint("its original is kept: `--original NEW_FILE` writes it where you say")
    })?;
    // Later adoptions first: what they wrote stands on what the earlier ones did.
    let mut text = found.bytes.clone();
    let mut left = vec![];
    for record in own.iter().rev() {
        if Digest::of(&text) == record.written {
            text.clone_from(&record.original);
            continue;
        }
        let reverted = revert(&text, &record.changes);
        text = reverted.text;
        left.extend(reverted.left);
    }
    left.sort();
    left.dedup();
    let whole = own.first().is_some_and(|first| first.original == text);
    let left = if whole { vec![] } else { left };
    let leases: BTreeSet<String> = own
        .iter()
        .flat_map(|record| {
            let others: Vec<Record> = all
                .iter()
                .filter(|r| r.number == record.number || r.path() != *path)
                .cloned()
                .collect();
            recover::leases_of(&others, record)
        })
        .collect();
    let leases: Vec<String> = leases.into_iter().collect();
    let temporary = temporary();
    for record in own {
        let undoing = Record {
            state: State::Undoing,
            temporary: temporary.clone(),
            ..(*record).clone()
        };
        undoing.write(home, key)?;
    }
    book.note(AdoptNote::Undone {
        file: found_name(own),
        whole,
        left: left.clone(),
        leases: leases.clone(),
    })?;
    if text != found.bytes {
        found.swap(&text, &temporary)?;
    }
    for lease in &leases {
        book.revoke(lease)?;
    }
    for record in own {
        match left.is_empty() {
            true => record.remove(home)?,
            // What was not put back is nowhere else.
            false => Record {
                state: State::Left,
                ..(*record).clone()
            }
            .write(home, key)?,
        }
    }
    let targets = own
        .iter()
        .flat_map(|r| r.credentials.iter().filter_map(|c| c.opens.as_ref()))
        .map(|opens| opens.target.clone())
        .collect();
    Ok(Undone {
        path: found_name(own),
        whole,
        left,
        leases,
        targets,
    })
}

fn found_name(own: &[&Record]) -> String {
    own.first().map_or_else(String::new, |r| r.path.to_string())
}

fn tell(undone: &[Undone], output: Output) -> Outcome {
    if output.json {
        return undone.iter().try_for_each(|one| {
            output.value(&json!({
                "file": one.path,
                "whole": one.whole,
                "left": one.left,
                "leases_ended": one.leases,
                "targets_that_remain": one.targets,
            }))
        });
    }
    let paint = output.paint_err;
    for one in undone {
        let how = match (one.whole, one.left.is_empty()) {
            (true, _) => "is byte for byte what it was before".to_owned(),
            (false, true) => "was edited since; what had been replaced is back".to_owned(),
            (false, false) => format!(
                "was edited since; {} is no longer what was written and was left as it is (its original is kept: `--original NEW_FILE` writes it beside)",
                one.left
                    .iter()
                    .map(|l| safe(l))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        output.say(&format!("{} {} {how}", paint.good("put back"), one.path));
        for lease in &one.leases {
            output.say(&format!("ended {lease}"));
        }
        for target in &one.targets {
            output.say(&format!(
                "the target `{target}` remains in the configuration, its password sealed; take its [[target]] out if nothing else needs it"
            ));
        }
        output.say(&paint.dim("whoever reads the file has the real credentials again"));
    }
    Ok(())
}

/// Writes the oldest original to a new file.
fn original(home: &Home, key: &SealKey, paths: &[PathBuf], new: &Path, output: Output) -> Outcome {
    let [path] = paths else {
        return Err(Failure::usage("--original is for one file at a time"));
    };
    let all = record::all(home, key)?;
    let record = all
        .iter()
        .find(|r| r.path() == *path)
        .ok_or_else(|| nothing(&all, path))?;
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(new)?;
        file.write_all(&record.original)?;
        file.sync_all()
    };
    write().doing(format!("cannot write `{}`", new.display()))?;
    output.say(&format!(
        "wrote what `{}` was to {}; real credentials are in it",
        record.path,
        new.display()
    ));
    Ok(())
}
