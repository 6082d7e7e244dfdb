//! Secrets that are known, a lease's placeholders and the gate's own credentials, wherever and however they are
//! written.
//!
//! It must not print what it looks for, and it tells nothing of a secret but its id.

mod across;
mod forms;
mod sieve;
mod stream;
mod view;

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use backstop_core::secret::Secret;
use zeroize::Zeroizing;

use super::decode::decodings;
use sieve::Sieve;
use view::View;

pub use forms::Form;
pub use stream::Stream;

/// A shorter secret is in longer texts by chance, and is known only where it is all there is.
pub const SHORTEST: usize = 8;

/// Decodings one inside of the other that are followed.
const DEEPEST: u8 = 2;

/// Known secrets by their ids, ready to be looked for.
///
/// Inside of a text each is found plain and in lower case (as a host name would be), percent-encoded once and twice,
/// in base64 at each of its three alignments and in both alphabets, in hexadecimal of either case, and escaped as JSON
/// and HTML have it.
pub struct Known<I> {
    ids: Vec<I>,
    /// Each secret, in the order of their ids.
    whole: Vec<Zeroizing<Vec<u8>>>,
    search: Option<AhoCorasick>,
    /// Says where to search; none where everything has to be searched.
    sieve: Option<Sieve>,
    /// In the order of the automaton's patterns.
    needles: Vec<forms::Needle>,
    begins: Begins,
    /// The numbers of the secrets that begin with these bytes.
    firsts: HashMap<[u8; across::PIECE], Vec<usize>>,
    /// Whether one is so short that it is known only where it is all there is.
    has_short: bool,
}

/// Where one of them stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'k, I> {
    /// Which.
    pub id: &'k I,
    /// The bytes that it is written in: from the start of what was given, or of the stream.
    pub range: Range<u64>,
    /// How it is written.
    pub form: Form,
}

/// There are too many to look for at once, or they are too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the known secrets are too many to be looked for at once; hint: give the lease fewer targets"
)]
pub struct TooMany;

impl<I> Known<I> {
    /// Of these secrets, as their servers take them. Empty ones are left out.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn new(secrets: impl IntoIterator<Item = (I, Secret<String>)>) -> Result<Self, TooMany> {
        let (mut ids, mut whole, mut needles) = (Vec::new(), Vec::new(), Vec::new());
        for (id, secret) in secrets {
            let secret = Zeroizing::new(secret.reveal().as_bytes().to_vec());
            if secret.is_empty() {
                continue;
            }
            if secret.len() >= SHORTEST {
                needles.extend(forms::of(ids.len(), &secret));
            }
            whole.push(secret);
            ids.push(id);
        }
        let search = (!needles.is_empty())
            .then(|| {
                AhoCorasick::builder()
                    .match_kind(MatchKind::Standard)
                    .build(needles.iter().map(|needle| needle.bytes.as_slice()))
            })
            .transpose()
            .map_err(|_| TooMany)?;
        let begins = Begins::of(&needles);
        Ok(Self {
            firsts: across::firsts(&whole),
            has_short: whole.iter().any(|secret| secret.len() < SHORTEST),
            ids,
            whole,
            search,
            sieve: Sieve::of(needles.iter().map(|needle| needle.bytes.as_slice())),
            needles,
            begins,
        })
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The secret that `value` is: all of it, however short, plain or encoded.
    #[must_use]
    pub fn whole(&self, value: &[u8]) -> Option<&I> {
        let known = |value: &[u8]| {
            let at = self
                .whole
                .iter()
                .position(|secret| secret.as_slice() == value)?;
            self.ids.get(at)
        };
        known(value).or_else(|| decodings(value).iter().find_map(|decoded| known(decoded)))
    }

    /// Each of them in `bytes`, in the order of their ends; one that is written in several ways at once more than once.
    #[must_use]
    pub fn find_in(&self, bytes: &[u8]) -> Vec<Match<'_, I>> {
        let mut found = Vec::new();
        if let Some(at) = (self.has_short && bytes.len() < SHORTEST)
            .then(|| self.whole(bytes))
            .flatten()
        {
            found.push(Match {
                id: at,
                range: 0..bytes.len() as u64,
                form: Form::Plain,
            });
        }
        self.each(&View::plain(bytes), DEEPEST, &mut |needle, range, form| {
            found.extend(self.found(needle, range, form, 0));
        });
        found.sort_by_key(|found| (found.range.end, found.range.start));
        found.dedup_by(|a, b| a.range == b.range && std::ptr::eq(a.id, b.id));
        found
    }

    /// Puts `*` over each of them, and says how many there were. Of one in base64 up to four bits may stay at each end,
    /// in characters that it shares with its neighbours.
    pub fn mask(&self, bytes: &mut [u8]) -> usize {
        let ranges: Vec<Range<u64>> = self
            .find_in(bytes)
            .into_iter()
            .map(|found| found.range)
            .collect();
        for range in &ranges {
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            if let Some(bytes) = bytes.get_mut(place(range.start)..place(range.end)) {
                bytes.fill(b'*');
            }
        }
        ranges.len()
    }

    /// Looks for them in a text that comes in pieces, and passes it on as it is.
    #[must_use]
    pub fn finder(&self) -> Stream<&Self> {
        Stream::finder(self)
    }

    /// Looks for them in a text that comes in pieces, and passes it on with `*` over each.
    #[must_use]
    pub fn masker(&self) -> Stream<&Self> {
        Stream::masker(self)
    }

    fn found(
        &self,
        needle: usize,
        range: Range<usize>,
        form: Form,
        offset: u64,
    ) -> Option<Match<'_, I>> {
        let range = offset + range.start as u64..offset + range.end as u64;
        self.told(needle, range, form)
    }

    fn told(&self, needle: usize, range: Range<u64>, form: Form) -> Option<Match<'_, I>> {
        let id = self.ids.get(self.needles.get(needle)?.secret)?;
        Some(Match { id, range, form })
    }

    /// Calls `found` with each needle in `view` and in what it decodes to: its number, where it is written, and how.
    fn each(&self, view: &View<'_>, deeper: u8, found: &mut impl FnMut(usize, Range<usize>, Form)) {
        let Some(search) = &self.search else { return };
        let places = match &self.sieve {
            Some(sieve) => sieve.places(view.bytes()),
            None => vec![Range {
                start: 0,
                end: view.bytes().len(),
            }],
        };
        for place in places {
            let text = view.bytes().get(place.clone()).unwrap_or_default();
            for hit in search.find_overlapping_iter(text) {
                let number = hit.pattern().as_usize();
                let Some(needle) = self.needles.get(number) else {
                    continue;
                };
                let form = if view.is_decoded() {
                    Form::Escaped
                } else {
                    needle.form
                };
                let range = place.start + hit.start()..place.start + hit.end();
                found(number, view.place(range), form);
            }
        }
        if deeper > 0 {
            for decoded in view.decoded() {
                self.each(&decoded, deeper - 1, found);
            }
        }
    }

    /// Where in `view` the first one begins that what follows may complete; its length if none does.
    fn pending(&self, view: &View<'_>, deeper: u8) -> usize {
        let mut first = view.source_at(self.begins.first(view.bytes()));
        if deeper > 0 {
            for decoded in view.decoded() {
                first = first.min(self.pending(&decoded, deeper - 1));
            }
            // Half of an escape may become any byte.
            if let Some(half) = view.half() {
                first = first.min(view.source_at(half));
            }
        }
        first
    }
}

/// How needles begin, in order.
struct Begins {
    sorted: Vec<Zeroizing<Vec<u8>>>,
    first_bytes: [bool; 256],
    longest: usize,
}

impl Begins {
    fn of(needles: &[forms::Needle]) -> Self {
        let mut sorted: Vec<_> = needles.iter().map(|needle| needle.bytes.clone()).collect();
        sorted.sort_by(|a, b| a.as_slice().cmp(b.as_slice()));
        let mut first_bytes = [false; 256];
        for first in sorted.iter().filter_map(|needle| needle.first()) {
            if let Some(is) = first_bytes.get_mut(usize::from(*first)) {
                *is = true;
            }
        }
        Self {
            longest: sorted.iter().map(|needle| needle.len()).max().unwrap_or(0),
            sorted,
            first_bytes,
        }
    }

    /// Where the longest end of `bytes` starts that a needle begins with and goes beyond.
    fn first(&self, bytes: &[u8]) -> usize {
        let from = (bytes.len() + 1).saturating_sub(self.longest.max(1));
        (from..bytes.len())
            .find(|at| self.goes_beyond(bytes.get(*at..).unwrap_or_default()))
            .unwrap_or(bytes.len())
    }

    fn goes_beyond(&self, end: &[u8]) -> bool {
        let starts = end
            .first()
            .and_then(|first| self.first_bytes.get(usize::from(*first)));
        if starts != Some(&true) {
            return false;
        }
        // Those that go beyond it come right after it.
        let at = self
            .sorted
            .partition_point(|needle| needle.as_slice() <= end);
        self.sorted
            .get(at)
            .is_some_and(|needle| needle.starts_with(end))
    }
}

/// Shows how many there are, and none of them.
impl<I> std::fmt::Debug for Known<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} known secrets", self.ids.len())
    }
}

#[cfg(test)]
mod tests;
