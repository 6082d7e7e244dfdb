//! Opening a vault: what was durable is there, what was torn is cut, what is damaged is said.
//!
//! The index may end in a torn line only if the segments have the record; the newest segment may end in a
//! torn group, which was never reported durable. Everything else is integrity broken, and the vault does
//! not open.

use std::{fs::File, io::Read as _};

use super::{
    commit::Written,
    dir::Dir,
    index::{self, INDEX, Tail},
    record::Head,
    segment,
    settle::{append, place},
    shared::Dirs,
    state::State,
};
use crate::error::{Result, VaultError};

/// What opening a vault found and mended.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Recovery {
    /// Records that were taken from segments into the index.
    pub replayed: u64,
    /// Bytes that were cut off the end of the newest segment: a write that never ended.
    pub torn_bytes: u64,
    /// Bytes that were cut off the end of the index and written anew.
    pub index_bytes: u64,
    /// Uploads that never ended and were removed.
    pub unfinished: u64,
}

/// Brings the directory in order; gives the state and the index, open for appending.
pub(crate) fn recover(dirs: &Dirs) -> Result<(State, File, Recovery)> {
    let mut state = State::default();
    let tail = index::read(&dirs.root, |record, hash| state.apply(&record, hash))?;
    let mut recovery = Recovery::default();
    let bases = segments(&dirs.wal)?;
    let late = read_segments(dirs, &bases, &tail, &mut recovery)?;
    if tail.good < tail.length && late.is_empty() {
        return Err(tail.fault());
    }
    cut_index(&dirs.root, &tail, &mut recovery)?;
    let mut index = dirs.root.append(INDEX)?;
    recovery.replayed = late.len() as u64;
    if !late.is_empty() {
        place(dirs, &late)?;
        append(&mut index, &late)?;
    }
    for one in late {
        let (_, hash) = one.record.to_line()?;
        state.apply(&one.record, hash);
    }
    for base in bases {
        dirs.wal.remove(&segment::file_name(base))?;
    }
    dirs.wal.sync()?;
    clear(&dirs.tmp, &mut recovery)?;
    Ok((state, index, recovery))
}

/// The segments that are there, by the record that each begins after.
pub(crate) fn segments(wal: &Dir) -> Result<Vec<u64>> {
    let names = wal.list()?;
    Ok(names
        .iter()
        .filter_map(|(name, _)| segment::base_of(name))
        .collect())
}

/// A segment's bytes.
pub(crate) fn segment_bytes(wal: &Dir, base: u64) -> Result<Vec<u8>> {
    let name = segment::file_name(base);
    let mut bytes = Vec::new();
    wal.read(&name)?
        .take(segment::SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| VaultError::io("read", wal.path().join(&name), e))?;
    Ok(bytes)
}

/// The records of the segments that the index does not have yet.
fn read_segments(
    dirs: &Dirs,
    bases: &[u64],
    tail: &Tail,
    recovery: &mut Recovery,
) -> Result<Vec<Written>> {
    let mut late = Vec::new();
    let mut head = tail.head;
    for (at, base) in bases.iter().enumerate() {
        let file = format!("wal/{}", segment::file_name(*base));
        let bytes = segment_bytes(&dirs.wal, *base)?;
        let newest = at + 1 == bases.len();
        if newest && is_unborn(&bytes) {
            continue;
        }
        let read = segment::read(&bytes, &file, *base)?;
        if let Some((offset, torn)) = read.torn {
            if !newest {
                let what = format!("bytes from {offset} on are not what was written");
                return Err(VaultError::integrity(file, what));
            }
            recovery.torn_bytes = torn as u64;
        }
        for frame in read.frames {
            if frame.record.sequence <= head.sequence {
                continue;
            }
            if !head.is_followed_by(&frame.record) {
                let what = format!(
                    "record {} does not follow the one before it",
                    frame.record.sequence
                );
                return Err(VaultError::integrity(file, what));
            }
            head = Head::after(&frame.record, frame.hash);
            let (line, _) = frame.record.to_line()?;
            late.push(Written {
                object: bytes::Bytes::copy_from_slice(frame.object),
                record: frame.record,
                line,
            });
        }
        // A segment may end before the index does, never after it with a gap.
        if read.end.sequence > head.sequence {
            return Err(VaultError::integrity(file, "records before it are missing"));
        }
    }
    Ok(late)
}

/// Whether a segment has its name and not yet its head: the write of the head was torn.
pub(crate) fn is_unborn(bytes: &[u8]) -> bool {
    bytes
        .get(segment::HEAD..)
        .unwrap_or_default()
        .iter()
        .all(|b| *b == 0)
        && bytes
            .get(..8)
            .is_some_and(|magic| magic.iter().all(|b| *b == 0))
}

fn cut_index(root: &Dir, tail: &Tail, recovery: &mut Recovery) -> Result<()> {
    recovery.index_bytes = tail.length - tail.good;
    if recovery.index_bytes == 0 {
        return Ok(());
    }
    let file = root.write(INDEX)?;
    file.set_len(tail.good)
        .and_then(|()| file.sync_all())
        .map_err(|e| VaultError::io("cut", root.path().join(INDEX), e))
}

fn clear(tmp: &Dir, recovery: &mut Recovery) -> Result<()> {
    for (name, _) in tmp.list()? {
        recovery.unfinished += u64::from(!name.ends_with(".sums"));
        tmp.remove(&name)?;
    }
    tmp.sync()
}
