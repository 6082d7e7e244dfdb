//! Segments: the append-only files in which an entry first becomes durable.
//!
//! A segment is a head (magic, index of its first entry, a hash that binds both to the log's origin)
//! and frames. Reading tells a torn tail (a write that never ended, hence was never reported durable)
//! from damage (a frame with another whole frame after it). No files are opened here.

use crate::{
    error::{JournalError, Result},
    frame::{self, Chain, Fault, Frame},
    hash::{HASH_LEN, sha256},
    layout,
    text::{Condition, condition},
};

const MAGIC: &[u8; 8] = b"BjSeg1\r\n";

/// The length of a segment's head in bytes.
pub(crate) const HEAD: usize = 8 + 8 + HASH_LEN;

/// The head of a segment, and the chain that its first frame continues.
pub(crate) fn head(origin: &str, base: u64) -> (Vec<u8>, Chain) {
    let chain = sha256(&[
        b"backstop journal segment v1\n",
        origin.as_bytes(),
        b"\n",
        &base.to_be_bytes(),
    ]);
    let head = [&MAGIC[..], &base.to_be_bytes(), &chain.0].concat();
    (head, chain.0)
}

/// A segment as read.
#[derive(Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) base: u64,
    /// Its whole frames, each with its offset in the file.
    pub(crate) frames: Vec<(usize, Frame<'a>)>,
    /// What follows the last whole frame, if anything does.
    pub(crate) torn: Option<Torn>,
}

/// The end of a write that was never completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Torn {
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
}

impl Segment<'_> {
    /// The index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.frames
            .last()
            .map_or(self.base, |(_, frame)| frame.end())
    }

    /// Drops the last frame if one of its texts never arrived whole and it lies beyond `signed`:
    /// then the write was torn inside a text, and the frame was never reported durable.
    pub(crate) fn drop_torn_text(&mut self, signed: u64) {
        let torn = self.frames.last().is_some_and(|(_, frame)| {
            frame.first >= signed
                && frame.items.iter().any(|item| {
                    item.text.is_some_and(|text| {
                        condition(text.digest, text.bytes) == Condition::Damaged
                    })
                })
        });
        if !torn {
            return;
        }
        if let Some((offset, frame)) = self.frames.pop() {
            let after = self.torn.map_or(0, |torn| torn.bytes);
            self.torn = Some(Torn {
                offset,
                bytes: frame.len + after,
            });
        }
    }
}

/// Reads the segment named after `base`.
///
/// # Errors
/// [`JournalError::Integrity`] for anything but whole frames and at most one torn tail.
pub(crate) fn read<'a>(bytes: &'a [u8], origin: &str, base: u64) -> Result<Segment<'a>> {
    let (expected, mut chain) = head(origin, base);
    if bytes.get(..HEAD) != Some(expected.as_slice()) {
        return Err(damaged(
            base,
            base,
            "the segment's head is not that of this log and place",
        ));
    }
    let (mut at, mut next) = (HEAD, base);
    let mut frames = Vec::new();
    let torn = loop {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.is_empty() {
            break None;
        }
        match frame::parse(rest, &chain) {
            Ok(frame) if frame.first == next => {
                let (offset, len) = (at, frame.len);
                (at, next, chain) = (at + len, frame.end(), frame.chain);
                frames.push((offset, frame));
            }
            Ok(_) => return Err(damaged(base, next, "a frame is out of its order")),
            Err(fault) => {
                let unfinished = frame::can_be_unfinished(rest, next);
                if !unfinished || whole_frame_after(rest, next, fault) {
                    return Err(damaged(base, next, describe(fault, unfinished)));
                }
                break Some(Torn {
                    offset: at,
                    bytes: rest.len(),
                });
            }
        }
    };
    Ok(Segment { base, frames, torn })
}

fn describe(fault: Fault, unfinished: bool) -> &'static str {
    match fault {
        Fault::Chain { .. } => "a frame's chain hash is not that of its content",
        Fault::Damaged(why) => why,
        Fault::Short if unfinished => "a frame's length is not that of its content",
        Fault::Short => "bytes follow that no write of the journal left",
    }
}

/// Whether a whole frame with a later entry follows somewhere: then what precedes it was once
/// durable, for a frame is only written when the one before it is.
fn whole_frame_after(bytes: &[u8], next: u64, fault: Fault) -> bool {
    if let Fault::Chain { computed, len } = fault {
        let after = bytes.get(len..).unwrap_or_default();
        if frame::parse(after, &computed).is_ok() {
            return true;
        }
    }
    let starts = bytes
        .windows(frame::MAGIC.len())
        .enumerate()
        .skip(HASH_LEN)
        .filter(|(_, window)| *window == frame::MAGIC);
    for (at, _) in starts {
        let chain = bytes
            .get(at - HASH_LEN..at)
            .and_then(|chain| Chain::try_from(chain).ok());
        let later = chain
            .and_then(|chain| frame::parse(bytes.get(at..)?, &chain).ok())
            .is_some_and(|frame| frame.first > next);
        if later {
            return true;
        }
    }
    false
}

fn damaged(base: u64, entry: u64, what: &str) -> JournalError {
    JournalError::integrity(layout::segment(base), Some(entry), what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frame::FrameBuilder, text::SealedText};

    const ORIGIN: &str = "backstop.local/control";

    fn sample(frames: u64) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut chain) = head(ORIGIN, 256);
        let mut ends = vec![bytes.len()];
        for n in 0..frames {
            let mut frame = FrameBuilder::new(256 + n, Vec::new());
            let text = SealedText::new(vec![u8::try_from(n).unwrap(); 30]).unwrap();
            frame.push(b"entry", (n % 2 == 0).then_some(&text)).unwrap();
            let sealed = frame.seal(&chain);
            chain = sealed.chain;
            bytes.extend_from_slice(&sealed.bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn a_cut_loses_whole_frames_only_and_says_what_is_torn() {
        let (bytes, ends) = sample(4);
        for cut in HEAD..=bytes.len() {
            let segment = read(&bytes[..cut], ORIGIN, 256).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
            assert_eq!(segment.end(), 256 + whole, "cut at {cut}");
            assert_eq!(segment.torn.is_none(), ends.contains(&cut));
        }
        assert!(read(&bytes[..HEAD - 1], ORIGIN, 256).is_err());
    }

    #[test]
    fn a_flip_before_the_last_frame_is_damage_not_a_tail() {
        let (bytes, ends) = sample(4);
        for at in 0..ends[3] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            let Ok(segment) = read(&flipped, ORIGIN, 256) else {
                continue;
            };
            let damaged_text = segment.frames.iter().any(|(_, frame)| {
                frame.items.iter().any(|item| {
                    item.text
                        .is_some_and(|t| condition(t.digest, t.bytes) == Condition::Damaged)
                })
            });
            assert!(damaged_text, "flip at {at} went unseen");
        }
    }

    #[test]
    fn a_segment_is_of_one_log_and_place() {
        let (bytes, _) = sample(1);
        assert!(read(&bytes, "else", 256).is_err());
        assert!(read(&bytes, ORIGIN, 512).is_err());
    }

    #[test]
    fn a_text_torn_in_the_last_unsigned_frame_is_cut() {
        let (mut bytes, _) = sample(3);
        let at = bytes.len() - 40;
        bytes[at] ^= 1;
        let mut segment = read(&bytes, ORIGIN, 256).unwrap();
        segment.drop_torn_text(259);
        assert_eq!(segment.end(), 259, "a signed entry is never cut");
        segment.drop_torn_text(258);
        assert_eq!(segment.end(), 258);
        assert!(segment.torn.is_some());
    }
}
