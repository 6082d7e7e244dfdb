//! Where in a text any of some hundred keywords stands, whatever the case of its letters.
//!
//! Nearly all of a text is none of them, and saying so is what costs. So each byte is a class of five bits, and the
//! last four classes are a bit in a map: one look for each byte that waits for no other, where an automaton would have
//! to follow its states one after the other (`aho-corasick`'s took half of the finder's time; a test holds this against
//! it). What the map lets through is compared with the few keywords that begin so.

use std::ops::Range;

/// Bits of the map: four classes of five bits.
const BITS: usize = 1 << 20;

/// Keywords, ready to be looked for.
pub(crate) struct Keywords {
    words: Vec<Box<[u8]>>,
    classes: [u8; 256],
    map: Box<[u64; BITS / 64]>,
    /// Each keyword by how it begins, in the order of `bucket`.
    begins: Vec<(u32, u16)>,
    /// Where in `begins` each bucket starts.
    buckets: Vec<u16>,
}

impl Keywords {
    /// Of these words, each of at least three bytes and in lower case.
    ///
    /// # Errors
    /// The word that is shorter, or that too many are.
    pub(crate) fn new(words: &[String]) -> Result<Self, String> {
        let mut classes = [0; 256];
        for (byte, class) in (0..=u8::MAX).zip(classes.iter_mut()) {
            *class = class_of(byte);
        }
        let (mut map, mut begins) = (Box::new([0; BITS / 64]), Vec::new());
        for (number, word) in words.iter().enumerate() {
            let number = u16::try_from(number).map_err(|_| "too many keywords".to_owned())?;
            let start = word
                .bytes()
                .take(4)
                .fold(0, |begin, byte| begin << 5 | u32::from(class_of(byte)));
            match word.len() {
                0..3 => return Err(format!("the keyword `{word}` is too short")),
                // Whatever follows it.
                3 => begins.extend((0..32).map(|next| (start << 5 | next, number))),
                _ => begins.push((start, number)),
            }
        }
        begins.sort_unstable_by_key(|(begin, _)| bucket(*begin));
        let starts = |number: usize| begins.partition_point(|(begin, _)| bucket(*begin) < number);
        let buckets = (0..=BUCKETS)
            .map(|number| u16::try_from(starts(number)).map_err(|_| "too many keywords".to_owned()))
            .collect::<Result<_, _>>()?;
        for (begin, _) in &begins {
            let bits: Option<&mut u64> = map.get_mut(*begin as usize / 64);
            if let Some(bits) = bits {
                *bits |= 1 << (begin % 64);
            }
        }
        let words = words.iter().map(|word| word.as_bytes().into()).collect();
        Ok(Self {
            words,
            classes,
            map,
            begins,
            buckets,
        })
    }

    /// Calls `found` with each keyword's number and place, by where it begins, until that says to stop.
    pub(crate) fn find(&self, text: &[u8], mut found: impl FnMut(usize, Range<usize>) -> bool) {
        let mut last = 0u32;
        for (at, byte) in text.iter().enumerate() {
            last = last << 5 | u32::from(self.class(*byte));
            if self.may_begin(last) && at >= 3 && !self.verify(text, at - 3, last, &mut found) {
                return;
            }
        }
        // A word of three at the very end has nothing after it.
        if let Some(start) = text.len().checked_sub(3) {
            last <<= 5;
            if self.may_begin(last) {
                self.verify(text, start, last, &mut found);
            }
        }
    }

    #[inline]
    fn class(&self, byte: u8) -> u8 {
        self.classes.get(usize::from(byte)).copied().unwrap_or(0)
    }

    #[inline]
    fn may_begin(&self, last: u32) -> bool {
        let bit = last as usize % BITS;
        self.map
            .get(bit / 64)
            .is_some_and(|bits| bits >> (bit % 64) & 1 == 1)
    }

    fn verify(
        &self,
        text: &[u8],
        start: usize,
        last: u32,
        found: &mut impl FnMut(usize, Range<usize>) -> bool,
    ) -> bool {
        let begin = last % (1 << 20);
        let edge = |number| {
            self.buckets
                .get(number)
                .map_or(0, |edge| usize::from(*edge))
        };
        let number = bucket(begin);
        let candidates = self.begins.get(edge(number)..edge(number + 1));
        for (_, number) in candidates
            .into_iter()
            .flatten()
            .filter(|(other, _)| *other == begin)
        {
            let number = usize::from(*number);
            let Some(word) = self.words.get(number) else {
                continue;
            };
            let place = start..start + word.len();
            let is = text
                .get(place.clone())
                .is_some_and(|text| text.eq_ignore_ascii_case(word));
            if is && !found(number, place) {
                return false;
            }
        }
        true
    }
}

/// Buckets of beginnings; few hold more than one.
const BUCKETS: usize = 4096;

/// The bucket of a beginning, by Fibonacci hashing.
const fn bucket(begin: u32) -> usize {
    (begin.wrapping_mul(0x9e37_79b1) >> 20) as usize % BUCKETS
}

/// Letters by themselves, digits as one; 0 is everything that no keyword has.
const fn class_of(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => byte - b'a' + 1,
        b'A'..=b'Z' => byte - b'A' + 1,
        b'0'..=b'9' => 27,
        b'_' => 28,
        b'-' => 29,
        b'.' | b':' => 30,
        b'!'..=b'~' | b' ' => 31,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use aho_corasick::{AhoCorasick, MatchKind};

    use super::*;
    use crate::secrets::rules::Rules;

    /// Against an automaton that others wrote, over texts made of keywords, pieces of them, and chance.
    #[test]
    fn it_finds_what_an_automaton_finds() {
        let rules = Rules::published().unwrap();
        let mut words: Vec<String> = rules
            .all
            .iter()
            .flat_map(|rule| &rule.keywords)
            .map(|word| word.to_ascii_lowercase())
            .collect();
        words.extend(["://", "://x", "mux", "muxes", "-----begin "].map(str::to_owned));
        words.sort();
        words.dedup();
        let ours = Keywords::new(&words).unwrap();
        let theirs = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&words)
            .unwrap();
        let mut seed = 7u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        for _ in 0..300 {
            let mut text = Vec::new();
            while text.len() < 400 {
                let word = words[random(words.len())].as_bytes();
                match random(4) {
                    0 => text.extend_from_slice(&word[..random(word.len()) + 1]),
                    1 => text.extend(word.iter().map(u8::to_ascii_uppercase)),
                    2 => text.extend_from_slice(word),
                    _ => text.push(random(256) as u8),
                }
            }
            text.truncate(text.len() - random(30));
            let mut found = Vec::new();
            ours.find(&text, |number, place| {
                found.push((number, place.start, place.end));
                true
            });
            let mut expected: Vec<_> = theirs
                .find_overlapping_iter(&text)
                .map(|word| (word.pattern().as_usize(), word.start(), word.end()))
                .collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
        assert!(Keywords::new(&["ab".to_owned()]).is_err());
    }
}
