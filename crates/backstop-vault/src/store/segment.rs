//! Segments: the write-ahead files in which a record, and with it a small object, first becomes durable.
//!
//! A segment is filled with zeros before it is used, so that a group of puts costs one fdatasync of
//! data blocks and no new metadata. Its head binds it to the record that it begins after. A frame is a
//! magic, two lengths, the first record of its group, a record's line, the object's bytes, and a hash over
//! all but the bytes, which their own name covers. The frames of one group were written at once, so that
//! a crash may have kept a later one and not an earlier. No files are opened here.

use backstop_core::digest::Digest;
use ring::digest::{Context, SHA256};

use super::record::{Event, Head, Record};
use crate::{
    error::{Result, VaultError},
    seal::{digest, sha256},
};

/// How long a segment is, in bytes.
pub(crate) const SIZE: u64 = 16 << 20;
const MAGIC: &[u8; 8] = b"BvSeg1\r\n";
const FRAME: &[u8; 4] = b"BvF1";
/// The length of a segment's head: magic, sequence, chain, and a hash over them.
pub(crate) const HEAD: usize = 8 + 8 + 32 + 32;
/// What a frame has besides line and object: magic, two lengths, group, hash.
pub(crate) const FRAME_EXTRA: usize = 4 + 4 + 4 + 8 + 32;

/// The head of a segment that begins after `after`.
pub(crate) fn head(after: &Head) -> Vec<u8> {
    let start = [
        MAGIC.as_slice(),
        &after.sequence.to_be_bytes(),
        &after.hash.0,
    ]
    .concat();
    let hash = sha256(&start);
    [start.as_slice(), &hash.0].concat()
}

/// Appends a frame to `out`; `group` is the first record that is written together with this one.
///
/// # Errors
/// [`VaultError::Protocol`] when a length is beyond 32 bits.
pub(crate) fn write_frame(out: &mut Vec<u8>, group: u64, line: &[u8], object: &[u8]) -> Result<()> {
    let length = |part: &[u8]| {
        u32::try_from(part.len())
            .map(u32::to_be_bytes)
            .map_err(|_| VaultError::protocol("a record is too long for a frame"))
    };
    let group = group.to_be_bytes();
    let lengths = [&length(line)?[..], &length(object)?, &group].concat();
    out.extend_from_slice(FRAME);
    out.extend_from_slice(&lengths);
    out.extend_from_slice(line);
    out.extend_from_slice(object);
    out.extend_from_slice(&frame_hash(&lengths, line).0);
    Ok(())
}

fn frame_hash(lengths: &[u8], line: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in [FRAME.as_slice(), lengths, line] {
        context.update(part);
    }
    digest(context)
}

/// A frame as read.
#[derive(Debug, Clone)]
pub(crate) struct Frame<'a> {
    /// The first record of its group.
    pub(crate) group: u64,
    pub(crate) record: Record,
    pub(crate) hash: Digest,
    /// The object's bytes, if it came in one frame.
    pub(crate) object: &'a [u8],
}

/// A segment as read.
#[derive(Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) frames: Vec<Frame<'a>>,
    /// The chain after its last whole frame.
    pub(crate) end: Head,
    /// Where the whole frames end, and how many bytes after that are not zero, if any are.
    pub(crate) torn: Option<(usize, usize)>,
}

/// Reads a segment that begins after record `base`.
///
/// # Errors
/// [`VaultError::Integrity`] for a wrong head, or a frame that is damaged and has another after it.
pub(crate) fn read<'a>(bytes: &'a [u8], file: &str, base: u64) -> Result<Segment<'a>> {
    let damaged = |what: String| VaultError::integrity(file, what);
    let start = bytes.get(..HEAD).unwrap_or_default();
    let hash = start.get(16..48).and_then(|h| <[u8; 32]>::try_from(h).ok());
    let mut end = Head {
        sequence: base,
        hash: Digest(hash.unwrap_or_default()),
        at_ms: 0,
    };
    if start != head(&end) {
        return Err(damaged(format!(
            "bytes 0 to {HEAD}, its head, are not what was written"
        )));
    }
    let (mut at, mut frames) = (HEAD, Vec::new());
    while let Some((frame, length)) =
        parse(bytes, at).filter(|(f, _)| end.is_followed_by(&f.record))
    {
        end = Head::after(&frame.record, frame.hash);
        frames.push(frame);
        at += length;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let torn = last_written(rest).map(|last| (at, last + 1));
    let written = rest.get(..torn.map_or(0, |(_, length)| length));
    if another_after(written.unwrap_or_default(), end.sequence) {
        return Err(damaged(format!(
            "the frame of record {} at byte {at} is damaged, and whole ones follow it",
            end.sequence + 1
        )));
    }
    Ok(Segment { frames, end, torn })
}

/// Where the last byte stands that is not zero. Most of a segment is room that nobody has written to yet: it is compared
/// by the block.
fn last_written(bytes: &[u8]) -> Option<usize> {
    const NOTHING: [u8; 4096] = [0; 4096];
    let mut end = bytes.len();
    for block in bytes.rchunks(NOTHING.len()) {
        let begin = end - block.len();
        if NOTHING.get(..block.len()) != Some(block) {
            let last = block.iter().rposition(|byte| *byte != 0)?;
            return Some(begin + last);
        }
        end = begin;
    }
    None
}

fn parse(bytes: &[u8], offset: usize) -> Option<(Frame<'_>, usize)> {
    let rest = bytes.get(offset..)?;
    let (magic, rest) = rest.split_at_checked(4)?;
    let (lengths, rest) = rest.split_at_checked(16)?;
    let number = |part: &[u8]| part.try_into().ok().map(u32::from_be_bytes);
    let line_length = number(lengths.get(..4)?)? as usize;
    let object_length = number(lengths.get(4..8)?)? as usize;
    let group = u64::from_be_bytes(lengths.get(8..)?.try_into().ok()?);
    let (line, rest) = rest.split_at_checked(line_length)?;
    let (object, rest) = rest.split_at_checked(object_length)?;
    let hash = rest.get(..32)?;
    if magic != FRAME || hash != frame_hash(lengths, line).0 {
        return None;
    }
    let (record, hash) = Record::from_line(line.strip_suffix(b"\n")?)?;
    if !object.is_empty() {
        let Event::Stored(stored) = &record.event else {
            return None;
        };
        if stored.name != sha256(object) {
            return None;
        }
    }
    let frame = Frame {
        group,
        record,
        hash,
        object,
    };
    Some((frame, FRAME_EXTRA + line_length + object_length))
}

/// Whether a whole frame of a later group stands anywhere in here: a group is begun when the one before is
/// durable, so what stands before it was reported durable and is now something else.
fn another_after(rest: &[u8], sequence: u64) -> bool {
    (1..rest.len())
        .filter(|at| rest.get(*at..*at + 4) == Some(FRAME))
        .filter_map(|at| parse(rest, at))
        .any(|(frame, _)| frame.group > sequence + 1)
}

/// A segment's file name.
pub(crate) fn file_name(base: u64) -> String {
    format!("{base:020}")
}

/// The record that a segment of this name begins after.
pub(crate) fn base_of(name: &str) -> Option<u64> {
    (name.len() == 20).then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_is_found_wherever_it_stands() {
        assert_eq!(last_written(&[]), None);
        for length in [1, 4095, 4096, 4097, 10_000] {
            let mut bytes = vec![0; length];
            assert_eq!(last_written(&bytes), None);
            for at in [0, length / 3, length / 2, length - 1] {
                bytes.fill(0);
                bytes[..=at].fill(7);
                assert_eq!(last_written(&bytes), Some(at), "{length}");
                bytes[..at].fill(0);
                assert_eq!(last_written(&bytes), Some(at), "{length}");
            }
        }
    }
}
