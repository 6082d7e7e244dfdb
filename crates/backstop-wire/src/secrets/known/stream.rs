//! Known secrets in a text that comes in pieces.

use std::ops::{Deref, Range};

use zeroize::Zeroizing;

use super::forms::Form;
use super::view::View;
use super::{DEEPEST, Known, Match};

/// Looks through a text as it comes. A byte is given on as soon as it can no longer be part of one of them, so that
/// what streams keeps streaming; what is kept back is no longer than the longest way to write one of them.
///
/// A secret shorter than [`SHORTEST`](super::SHORTEST) bytes is not looked for.
///
/// `K` is how it has the secrets: borrowed, or shared with other streams.
pub struct Stream<K> {
    known: K,
    masks: bool,
    /// What came and was not given on, as it came.
    held: Zeroizing<Vec<u8>>,
    /// Which of those bytes are in one of them.
    masked: Vec<bool>,
    /// How many bytes were given on.
    given: u64,
    /// How many bytes have been looked through.
    seen: u64,
}

/// So many bytes of a piece are looked at together with what waits before it.
const NEAR: usize = 1024;

/// The number of a needle, where it is written from the stream's start, and how.
type Hit = (usize, Range<u64>, Form);

impl<I, K: Deref<Target = Known<I>>> Stream<K> {
    /// Finds what `known` has, and passes it on as it is.
    #[must_use]
    pub fn finder(known: K) -> Self {
        Self::new(known, false)
    }

    /// Finds what `known` has, and passes it on with `*` over it.
    #[must_use]
    pub fn masker(known: K) -> Self {
        Self::new(known, true)
    }

    fn new(known: K, masks: bool) -> Self {
        Self {
            known,
            masks,
            held: Zeroizing::new(Vec::new()),
            masked: Vec::new(),
            given: 0,
            seen: 0,
        }
    }

    /// Takes the next piece, appends what can be given on to `out`, and says what ended in this piece.
    #[must_use]
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Vec<Match<'_, I>> {
        let mut found = Vec::new();
        // What waits is short: a little more decides it, and the rest need not wait with it.
        let near = match self.held.is_empty() {
            true => 0,
            false => piece.len().min(NEAR),
        };
        let (near, far) = piece.split_at(near);
        if !near.is_empty() {
            found.extend(self.take(near, out));
        }
        match self.untouched(far) {
            Some(free) => out.extend_from_slice(far.get(..free).unwrap_or_default()),
            None => found.extend(self.take(far, out)),
        }
        let mut found: Vec<Match<'_, I>> = found
            .into_iter()
            .filter_map(|(needle, range, form)| self.known.told(needle, range, form))
            .collect();
        found.sort_by_key(|found| (found.range.end, found.range.start));
        found.dedup_by(|a, b| a.range == b.range && std::ptr::eq(a.id, b.id));
        found
    }

    /// The slow way: what waits and the piece, side by side.
    fn take(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Vec<Hit> {
        self.held.extend_from_slice(piece);
        self.masked.resize(self.held.len(), false);
        let found = self.look();
        let view = View::plain(&self.held);
        let free = self.known.pending(&view, DEEPEST);
        self.give(free, out);
        found
    }

    /// How much of the next piece may be given on as it came, if nothing is in it and nothing waits before it; the rest
    /// is kept. Where it is `None`, the piece was not taken: it is to be [fed](Self::feed).
    #[must_use]
    pub fn untouched(&mut self, piece: &[u8]) -> Option<usize> {
        if !self.held.is_empty() {
            return None;
        }
        let (view, mut clean) = (View::plain(piece), true);
        self.known
            .each(&view, DEEPEST, &mut |_, _, _| clean = false);
        if !clean {
            return None;
        }
        let free = self.known.pending(&view, DEEPEST).min(piece.len());
        let rest = piece.get(free..).unwrap_or_default();
        self.held.extend_from_slice(rest);
        self.masked.resize(rest.len(), false);
        self.given += free as u64;
        self.seen = self.given + rest.len() as u64;
        Some(free)
    }

    /// The text is over: appends the rest of it to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.flush(out);
    }

    /// The same for whoever cannot give it away.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.give(self.held.len(), out);
    }

    /// How many bytes are kept back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn look(&mut self) -> Vec<Hit> {
        let (given, seen) = (self.given, self.seen);
        let (mut found, masked) = (Vec::new(), &mut self.masked);
        self.known.each(
            &View::plain(&self.held),
            DEEPEST,
            &mut |needle, range, form| {
                if let Some(bytes) = masked.get_mut(range.clone()) {
                    bytes.fill(true);
                }
                // What ended before was told before.
                if given + range.end as u64 > seen {
                    let range = given + range.start as u64..given + range.end as u64;
                    found.push((needle, range, form));
                }
            },
        );
        self.seen = self.given + self.held.len() as u64;
        found
    }

    fn give(&mut self, free: usize, out: &mut Vec<u8>) {
        let bytes = self.held.iter().zip(&self.masked).take(free);
        if self.masks {
            out.extend(bytes.map(|(byte, masked)| if *masked { b'*' } else { *byte }));
        } else {
            out.extend(bytes.map(|(byte, _)| *byte));
        }
        let free = free.min(self.held.len());
        let rest = Zeroizing::new(self.held.split_off(free));
        self.held = rest;
        self.masked.drain(..free);
        self.given += free as u64;
    }
}
