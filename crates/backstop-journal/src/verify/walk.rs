//! Accounting for every file: what was not checked elsewhere does not belong in a journal.

use std::fs;

use crate::{
    bundle::WIDTH,
    error::{JournalError, Result},
    layout::{self, Kind, Place, Resource},
};

use super::{FindingKind, Report, source::Source};

/// Walks the whole directory; `known` is how many entries the tree was checked for, if it could be.
pub(super) fn walk(source: &Source<'_>, known: Option<u64>, report: &mut Report) -> Result<()> {
    let mut dirs = vec![String::new()];
    while let Some(dir) = dirs.pop() {
        for name in source.list(&dir)? {
            let path = if dir.is_empty() {
                name
            } else {
                format!("{dir}/{name}")
            };
            let meta = match fs::symlink_metadata(source.path(&path)) {
                Ok(meta) => meta,
                // A live writer has removed it meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(JournalError::io("look at", source.path(&path), error)),
            };
            if meta.is_dir() {
                dirs.push(path);
            } else if meta.is_file() {
                report.files += 1;
                file(&path, meta.len(), known, report);
            } else {
                let what = "neither a file nor a directory";
                report.find(FindingKind::Unknown, path, None, what);
            }
        }
    }
    Ok(())
}

fn file(path: &str, len: u64, known: Option<u64>, report: &mut Report) {
    match layout::place(path) {
        Place::Checkpoint | Place::Minimum | Place::Segment(_) | Place::Texts { .. } => {}
        Place::Lock if len == 0 => {}
        Place::Lock => report.find(
            FindingKind::Unknown,
            path,
            None,
            "the lock file is not empty",
        ),
        Place::Temporary => {
            report.note(format!(
                "`{path}` is of a write under way or interrupted; opening removes it"
            ));
        }
        Place::Resource(resource) => {
            let Some(known) = known else { return };
            if end(resource).is_some_and(|end| end <= known) {
                return;
            }
            if report.live {
                report.note(format!(
                    "`{path}` was published meanwhile and was not checked"
                ));
            } else {
                let what = "it is of entries that the journal does not have";
                report.find(FindingKind::Unknown, path, None, what);
            }
        }
        Place::Unknown => {
            report.find(
                FindingKind::Unknown,
                path,
                None,
                "no such file belongs in a journal",
            );
        }
    }
}

/// The index after the last entry that a tile or bundle covers.
fn end(resource: Resource) -> Option<u64> {
    let level = match resource.kind {
        Kind::Hashes(level) => u32::from(level),
        Kind::Entries => 0,
    };
    let hashes = resource
        .index
        .checked_mul(WIDTH)?
        .checked_add(resource.width)?;
    let span = 1u64.checked_shl(8 * level)?;
    hashes.checked_mul(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_ends_where_its_entries_do() {
        let end = |kind, index, width| end(Resource { kind, index, width });
        assert_eq!(end(Kind::Entries, 2, 3), Some(515));
        assert_eq!(end(Kind::Hashes(1), 1, 1), Some(257 * 256));
        assert_eq!(end(Kind::Hashes(9), 0, 1), None);
        assert_eq!(end(Kind::Hashes(0), u64::MAX, 256), None);
    }
}
