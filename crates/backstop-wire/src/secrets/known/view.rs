//! A text and what it decodes to, with where each decoded byte was written.

use std::borrow::Cow;

/// Bytes, and where in the text that was given each of them is written.
pub(super) struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// Where each byte begins, and where the last one ends; none where nothing was decoded.
    starts: Option<Vec<usize>>,
}

/// An escape at the start of a text.
enum Escape {
    /// It stands for a byte and is so long.
    Whole(u8, usize),
    /// It may be one, but the text ends.
    Half,
}

type Reader = fn(&[u8]) -> Option<Escape>;

impl<'a> View<'a> {
    /// The text as it is.
    pub(super) const fn plain(bytes: &'a [u8]) -> Self {
        Self {
            bytes: Cow::Borrowed(bytes),
            starts: None,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn is_decoded(&self) -> bool {
        self.starts.is_some()
    }

    /// Where the bytes in `range` are written.
    pub(super) fn place(&self, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        self.source_at(range.start)..self.source_at(range.end)
    }

    /// Where the byte `at` begins; of the end, where the text ends.
    pub(super) fn source_at(&self, at: usize) -> usize {
        match &self.starts {
            None => at,
            Some(starts) => starts.get(at).or(starts.last()).copied().unwrap_or(0),
        }
    }

    /// Where half of an escape stands at the end, if one does.
    pub(super) fn half(&self) -> Option<usize> {
        let from = self.bytes.len().saturating_sub(5);
        (from..self.bytes.len()).find(|at| {
            let end = self.bytes.get(*at..).unwrap_or_default();
            [percent as Reader, json]
                .iter()
                .any(|read| matches!(read(end), Some(Escape::Half)))
        })
    }

    /// What it decodes to, by each kind of escape that is in it.
    pub(super) fn decoded(&self) -> impl Iterator<Item = View<'static>> {
        [(b'%', percent as Reader), (b'\\', json as Reader)]
            .into_iter()
            .filter_map(|(mark, read)| self.decode(mark, read))
    }

    fn decode(&self, mark: u8, read: Reader) -> Option<View<'static>> {
        let first = memchr::memchr_iter(mark, &self.bytes)
            .find(|at| self.bytes.get(*at..).is_some_and(|rest| counts(read(rest))))?;
        let mut bytes = self.bytes.get(..first)?.to_vec();
        let mut starts: Vec<usize> = (0..first).map(|at| self.source_at(at)).collect();
        let mut at = first;
        while let Some(byte) = self.bytes.get(at) {
            let escape = if *byte == mark {
                self.bytes.get(at..).and_then(read)
            } else {
                None
            };
            let (byte, length) = match escape {
                Some(Escape::Whole(byte, length)) => (byte, length),
                // What it may become is not known: the view ends before it.
                Some(Escape::Half) => break,
                None => (*byte, 1),
            };
            bytes.push(byte);
            starts.push(self.source_at(at));
            at += length;
        }
        starts.push(self.source_at(at));
        Some(View {
            bytes: Cow::Owned(bytes),
            starts: Some(starts),
        })
    }
}

/// Whether an escape is a reason to decode: plain ones, such as JSON's `\n`, are in every text, and needles have them.
fn counts(escape: Option<Escape>) -> bool {
    match escape {
        Some(Escape::Whole(_, length)) => length > 2,
        Some(Escape::Half) => true,
        None => false,
    }
}

/// `%41`.
fn percent(text: &[u8]) -> Option<Escape> {
    let rest = text.strip_prefix(b"%")?;
    hex(rest, 2).map(|found| found.map_or(Escape::Half, |byte| Escape::Whole(byte, 3)))
}

/// `\u0041`, `\x41`, `\/`. A character beyond one byte is left as it is.
fn json(text: &[u8]) -> Option<Escape> {
    let rest = text.strip_prefix(b"\\")?;
    Some(match rest {
        [] => Escape::Half,
        [b'x', digits @ ..] => hex(digits, 2)?.map_or(Escape::Half, |byte| Escape::Whole(byte, 4)),
        [b'u', digits @ ..] => match digits.strip_prefix(b"00") {
            Some(digits) => hex(digits, 2)?.map_or(Escape::Half, |byte| Escape::Whole(byte, 6)),
            None if b"00".starts_with(digits) => Escape::Half,
            None => return None,
        },
        [byte @ (b'"' | b'\\' | b'/' | b'\''), ..] => Escape::Whole(*byte, 2),
        _ => return None,
    })
}

/// A byte of two hexadecimal digits; `Some(None)` where the text ends before them.
fn hex(text: &[u8], digits: usize) -> Option<Option<u8>> {
    let there = text.get(..digits.min(text.len()))?;
    if !there.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    if there.len() < digits {
        return Some(None);
    }
    let text = std::str::from_utf8(there).ok()?;
    u8::from_str_radix(text, 16).ok().map(Some)
}
