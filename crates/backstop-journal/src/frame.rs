//! Frames: what one group commit writes to a segment, in one piece.
//!
//! A frame is `magic, payload length, first index, count, payload, chain`. The chain is a SHA-256
//! over the frame before's chain and this frame without the bytes of its texts: those are covered by
//! their own digests, so that a text can be erased in place. Pure encoding and decoding, no files.

use ring::digest::{Context, SHA256};

use crate::{
    bundle::MAX_ENTRY,
    error::{JournalError, Result},
    hash::{HASH_LEN, finish},
    text::{SealedText, TextDigest},
};

/// What every frame begins with.
pub(crate) const MAGIC: [u8; 4] = *b"BjF1";

const HEAD: usize = 4 + 4 + 8 + 4;
const PLAIN: u8 = 0;
const WITH_TEXT: u8 = 1;

/// The running hash that ties a frame to all before it in its segment.
pub(crate) type Chain = [u8; HASH_LEN];

/// A frame being filled.
#[derive(Debug)]
pub(crate) struct FrameBuilder {
    bytes: Vec<u8>,
    /// Where texts lie in `bytes`: start and length.
    texts: Vec<(usize, usize)>,
    first: u64,
    count: u32,
}

impl FrameBuilder {
    /// An empty frame whose first entry will be `first`; reuses the memory of `bytes`.
    pub(crate) fn new(first: u64, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        bytes.resize(HEAD, 0);
        Self {
            bytes,
            texts: Vec::new(),
            first,
            count: 0,
        }
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends an entry.
    pub(crate) fn push(&mut self, entry: &[u8], text: Option<&SealedText>) -> Result<()> {
        let too_large = || JournalError::TooLarge {
            what: "an entry",
            size: entry.len(),
            limit: MAX_ENTRY,
        };
        let len = u16::try_from(entry.len()).map_err(|_| too_large())?;
        self.bytes
            .push(if text.is_some() { WITH_TEXT } else { PLAIN });
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(entry);
        if let Some(text) = text {
            self.push_text(text.digest(), text.bytes());
        }
        self.count += 1;
        Ok(())
    }

    /// Appends an entry read from another frame, its text as it is there, erased or not.
    pub(crate) fn push_item(&mut self, item: &Item<'_>) -> Result<()> {
        self.push(item.entry, None)?;
        if let Some(text) = &item.text {
            let kind = self.bytes.len() - item.entry.len() - 3;
            if let Some(kind) = self.bytes.get_mut(kind) {
                *kind = WITH_TEXT;
            }
            self.push_text(text.digest, text.bytes);
        }
        Ok(())
    }

    fn push_text(&mut self, digest: TextDigest, bytes: &[u8]) {
        // INVARIANT: `SealedText` holds at most MAX_TEXT bytes, which fits.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(&digest.0);
        self.texts.push((self.bytes.len(), bytes.len()));
        self.bytes.extend_from_slice(bytes);
    }

    /// Splits off all but the first `count` entries into a frame of their own.
    pub(crate) fn split_off(&mut self, count: u32) -> Result<Self> {
        let mut rest = Self::new(self.first + u64::from(count), Vec::new());
        let mut kept = Self::new(self.first, Vec::with_capacity(self.bytes.len()));
        for (n, item) in items(self.bytes.get(HEAD..).unwrap_or_default()).enumerate() {
            let item =
                item.ok_or_else(|| JournalError::integrity("", None, "a frame in memory"))?;
            let to = if n < count as usize {
                &mut kept
            } else {
                &mut rest
            };
            to.push_item(&item)?;
        }
        *self = kept;
        Ok(rest)
    }

    /// Completes the frame: fills in its head and appends its chain.
    pub(crate) fn seal(mut self, before: &Chain) -> SealedFrame {
        // INVARIANT: the queue's limit keeps a payload far below 4 GiB.
        let payload = u32::try_from(self.bytes.len() - HEAD).unwrap_or(u32::MAX);
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&payload.to_be_bytes());
        head.extend_from_slice(&self.first.to_be_bytes());
        head.extend_from_slice(&self.count.to_be_bytes());
        for (to, from) in self.bytes.iter_mut().zip(head) {
            *to = from;
        }
        let chain = chain(before, &self.bytes, &self.texts);
        self.bytes.extend_from_slice(&chain);
        SealedFrame {
            bytes: self.bytes,
            first: self.first,
            count: self.count,
            chain,
        }
    }
}

/// A complete frame, as written.
#[derive(Debug)]
pub(crate) struct SealedFrame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) chain: Chain,
}

impl SealedFrame {
    /// The index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// The entries, with offsets relative to the frame's start.
    pub(crate) fn items(&self) -> impl Iterator<Item = Option<Item<'_>>> {
        let payload = self
            .bytes
            .get(HEAD..self.bytes.len().saturating_sub(HASH_LEN));
        items(payload.unwrap_or_default())
    }
}

/// An entry in a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) entry: &'a [u8],
    pub(crate) text: Option<TextAt<'a>>,
}

/// A text in a frame, and where its bytes begin, counted from the frame's start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextAt<'a> {
    pub(crate) digest: TextDigest,
    pub(crate) bytes: &'a [u8],
    pub(crate) offset: usize,
}

/// A frame that was read and whose chain holds.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) first: u64,
    pub(crate) items: Vec<Item<'a>>,
    pub(crate) chain: Chain,
    /// The frame's length in the segment.
    pub(crate) len: usize,
}

impl Frame<'_> {
    /// The index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// They end before the frame does.
    Short,
    /// They are not what was written.
    Damaged(&'static str),
    /// They have another chain hash than the one that follows from them.
    Chain {
        /// What the chain would be if only the stored hash were wrong.
        computed: Chain,
        /// The frame's length in the segment.
        len: usize,
    },
}

/// Whether bytes that are no whole frame can be the beginning of one with `next` as its first entry:
/// written in order up to some byte, or zeros where the disk never got it.
pub(crate) fn can_be_unfinished(bytes: &[u8], next: u64) -> bool {
    if bytes.iter().take(MAGIC.len()).all(|byte| *byte == 0) {
        return true;
    }
    let matches = |at: usize, wanted: &[u8]| {
        let found = bytes.get(at..).unwrap_or_default();
        found
            .iter()
            .zip(wanted)
            .all(|(found, wanted)| found == wanted)
    };
    matches(0, &MAGIC) && matches(8, &next.to_be_bytes())
}

/// Reads the frame that `bytes` begins with.
pub(crate) fn parse<'a>(bytes: &'a [u8], before: &Chain) -> std::result::Result<Frame<'a>, Fault> {
    let (head, _) = bytes.split_first_chunk::<HEAD>().ok_or(Fault::Short)?;
    let (magic, rest) = take::<4>(head)?;
    let (payload_len, rest) = take::<4>(rest)?;
    let (first, rest) = take::<8>(rest)?;
    let (count, _) = take::<4>(rest)?;
    if magic != MAGIC {
        return Err(Fault::Damaged("a frame does not begin as frames do"));
    }
    let end = HEAD + u32::from_be_bytes(payload_len) as usize;
    let framed = bytes.get(..end).ok_or(Fault::Short)?;
    let stored = bytes.get(end..end + HASH_LEN).ok_or(Fault::Short)?;
    let items: Vec<Item<'_>> = items(framed.get(HEAD..).unwrap_or_default())
        .collect::<Option<_>>()
        .ok_or(Fault::Damaged("a frame's entries do not fit into it"))?;
    let spans: Vec<_> = items
        .iter()
        .filter_map(|item| item.text.map(|text| (text.offset, text.bytes.len())))
        .collect();
    let chain = chain(before, framed, &spans);
    if chain != stored {
        return Err(Fault::Chain {
            computed: chain,
            len: end + HASH_LEN,
        });
    }
    if u32::from_be_bytes(count) as usize != items.len() {
        return Err(Fault::Damaged(
            "a frame has another number of entries than it says",
        ));
    }
    Ok(Frame {
        first: u64::from_be_bytes(first),
        items,
        chain,
        len: end + HASH_LEN,
    })
}

fn take<const N: usize>(bytes: &[u8]) -> std::result::Result<([u8; N], &[u8]), Fault> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(Fault::Short)?;
    Ok((*head, rest))
}

/// The entries of a payload; a `None` ends it early where it cannot be read.
fn items(payload: &[u8]) -> impl Iterator<Item = Option<Item<'_>>> {
    let mut rest = Some(payload);
    std::iter::from_fn(move || {
        let now = rest?;
        if now.is_empty() {
            return None;
        }
        let at = HEAD + payload.len() - now.len();
        let read = split_item(now, at);
        rest = read.map(|(_, rest)| rest);
        Some(read.map(|(item, _)| item))
    })
}

fn split_item(bytes: &[u8], at: usize) -> Option<(Item<'_>, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    match *kind {
        PLAIN => Some((Item { entry, text: None }, rest)),
        WITH_TEXT => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            let (digest, rest) = rest.split_first_chunk::<HASH_LEN>()?;
            let offset = at + bytes.len() - rest.len();
            let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
            let text = TextAt {
                digest: TextDigest(*digest),
                bytes: text,
                offset,
            };
            Some((
                Item {
                    entry,
                    text: Some(text),
                },
                rest,
            ))
        }
        _ => None,
    }
}

/// The chain after a frame: everything but the texts' bytes, each of which its digest covers.
fn chain(before: &Chain, framed: &[u8], texts: &[(usize, usize)]) -> Chain {
    let mut context = Context::new(&SHA256);
    context.update(before);
    let mut from = 0;
    for (start, len) in texts {
        context.update(framed.get(from..*start).unwrap_or_default());
        from = start + len;
    }
    context.update(framed.get(from..).unwrap_or_default());
    finish(context).0
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Chain = [9; 32];

    fn text(fill: u8) -> SealedText {
        SealedText::new(vec![fill; 40]).unwrap()
    }

    fn sample() -> FrameBuilder {
        let mut frame = FrameBuilder::new(5, Vec::new());
        frame.push(b"plain", None).unwrap();
        frame.push(b"texted", Some(&text(1))).unwrap();
        frame.push(b"", None).unwrap();
        frame
    }

    #[test]
    fn a_frame_reads_back() {
        let sealed = sample().seal(&BEFORE);
        let frame = parse(&sealed.bytes, &BEFORE).unwrap();
        assert_eq!(
            (frame.first, frame.end(), frame.len),
            (5, 8, sealed.bytes.len())
        );
        let entries: Vec<_> = frame.items.iter().map(|item| item.entry).collect();
        assert_eq!(entries, [&b"plain"[..], b"texted", b""]);
        let found = frame.items[1].text.unwrap();
        assert_eq!(
            (found.digest, found.bytes),
            (text(1).digest(), text(1).bytes())
        );
        assert_eq!(&sealed.bytes[found.offset..][..40], text(1).bytes());
        assert_eq!(sealed.items().count(), 3);
    }

    #[test]
    fn every_cut_is_short_and_every_flip_damages_frame_or_text() {
        let sealed = sample().seal(&BEFORE);
        for cut in 0..sealed.bytes.len() {
            let fault = parse(&sealed.bytes[..cut], &BEFORE).unwrap_err();
            assert_eq!(fault, Fault::Short, "cut at {cut}");
        }
        for at in 0..sealed.bytes.len() {
            let mut flipped = sealed.bytes.clone();
            flipped[at] ^= 0x10;
            let sound = parse(&flipped, &BEFORE).is_ok_and(|frame| {
                let text = frame.items[1].text.unwrap();
                crate::text::condition(text.digest, text.bytes) == crate::text::Condition::Whole
            });
            assert!(!sound, "flip at {at}");
        }
        assert!(parse(&sealed.bytes, &[8; 32]).is_err());
    }

    #[test]
    fn a_split_frame_is_two_whole_ones() {
        let mut head = sample();
        let tail = head.split_off(2).unwrap().seal(&BEFORE);
        let head = head.seal(&BEFORE);
        assert_eq!(
            (head.first, head.end(), tail.first, tail.end()),
            (5, 7, 7, 8)
        );
        let read = parse(&head.bytes, &BEFORE).unwrap();
        assert_eq!(read.items[1].text.unwrap().bytes, text(1).bytes());
        assert_eq!(parse(&tail.bytes, &BEFORE).unwrap().items[0].entry, b"");
    }
}
