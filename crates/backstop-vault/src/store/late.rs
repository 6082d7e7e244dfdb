//! What lies in segments and has no place of its own yet, read beside whoever serves the vault. Read-only.

use backstop_core::digest::Digest;

use super::{
    dir::{Dir, is_missing},
    record::{Event, Object, Record},
    recover, segment,
};
use crate::error::Result;

/// Whether a frame carries its object's bytes, which were checked against its name when it was read.
pub(crate) fn in_segment(frame: &segment::Frame<'_>) -> bool {
    !frame.object.is_empty()
}

/// An object's record that lies in a segment, with its bytes if they came with it; read beside whoever serves
/// the vault.
pub(crate) fn in_segments(root: &Dir, name: &Digest) -> Result<Option<(Object, Vec<u8>)>> {
    let wal = root.existing("wal")?;
    for base in recover::segments(&wal)? {
        let bytes = match recover::segment_bytes(&wal, base) {
            Ok(bytes) => bytes,
            Err(error) if is_missing(&error) => continue,
            Err(error) => return Err(error),
        };
        // A group that is being written looks torn, and is no concern of a reader's.
        let Ok(segment) = segment::read(&bytes, &segment::file_name(base), base) else {
            continue;
        };
        for frame in segment.frames {
            if let Event::Stored(object) = frame.record.event
                && object.name == *name
            {
                return Ok(Some((object, frame.object.to_vec())));
            }
        }
    }
    Ok(None)
}

/// The records that lie in segments, oldest first, read beside whoever serves the vault.
pub(crate) fn late_records(root: &Dir) -> Result<Vec<Record>> {
    let wal = root.existing("wal")?;
    let mut late = Vec::new();
    for base in recover::segments(&wal)? {
        let bytes = match recover::segment_bytes(&wal, base) {
            Ok(bytes) => bytes,
            Err(error) if is_missing(&error) => continue,
            Err(error) => return Err(error),
        };
        if recover::is_unborn(&bytes) {
            continue;
        }
        let read = segment::read(&bytes, &format!("wal/{}", segment::file_name(base)), base)?;
        late.extend(read.frames.into_iter().map(|frame| frame.record));
    }
    Ok(late)
}
