//! Says where in a text a known secret could stand, by looking at one place in many.
//!
//! Every way to write a secret has some length, so that places no farther apart than the shortest allows cannot all miss
//! it. Four bytes at such a place are compared with every four bytes that one of them may have there. Nearly all of a
//! text is none of them, and saying so is what costs: an automaton has to follow each of its bytes.

use std::ops::Range;

use zeroize::Zeroizing;

/// Bytes that are compared at a place.
const GRAM: usize = 4;
/// With shorter needles too many places would have to be looked at.
const SHORTEST: usize = 2 * GRAM;

/// The beginnings of all needles, four bytes at a time.
pub(super) struct Sieve {
    /// How far the places are apart.
    stride: usize,
    longest: usize,
    /// A bit for each hash of a gram.
    map: Zeroizing<Vec<u64>>,
    shift: u32,
    /// In order.
    grams: Zeroizing<Vec<u32>>,
}

impl Sieve {
    /// For needles of these bytes; none where they are too short for it, or there are none.
    pub(super) fn of<'n>(needles: impl Iterator<Item = &'n [u8]> + Clone) -> Option<Self> {
        let shortest = needles.clone().map(<[u8]>::len).min()?;
        let longest = needles.clone().map(<[u8]>::len).max()?;
        if shortest < SHORTEST {
            return None;
        }
        let stride = shortest - (GRAM - 1);
        let mut grams: Zeroizing<Vec<u32>> = Zeroizing::new(
            needles
                .flat_map(|needle| (0..stride).filter_map(move |at| gram(needle, at)))
                .collect(),
        );
        grams.sort_unstable();
        grams.dedup();
        let bits = (grams.len() * 16)
            .next_power_of_two()
            .clamp(1 << 12, 1 << 22);
        let mut sieve = Self {
            stride,
            longest,
            map: Zeroizing::new(vec![0; bits / 64]),
            shift: u32::BITS - bits.trailing_zeros(),
            grams: Zeroizing::new(Vec::new()),
        };
        for gram in grams.iter() {
            let bit = sieve.bit(*gram);
            if let Some(bits) = sieve.map.get_mut(bit / 64) {
                *bits |= 1 << (bit % 64);
            }
        }
        sieve.grams = grams;
        Some(sieve)
    }

    /// Where a needle could stand, in order and apart from each other: each that is in the text is in one of these.
    pub(super) fn places(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while let Some(gram) = gram(text, at) {
            if self.has(gram) {
                let from = (at + GRAM).saturating_sub(self.longest);
                let until = (at + self.longest).min(text.len());
                match places.last_mut() {
                    Some(last) if from <= last.end => last.end = until,
                    _ => places.push(from..until),
                }
            }
            at += self.stride;
        }
        places
    }

    #[inline]
    fn has(&self, gram: u32) -> bool {
        let bit = self.bit(gram);
        let may = self
            .map
            .get(bit / 64)
            .is_some_and(|bits| bits >> (bit % 64) & 1 == 1);
        may && self.grams.binary_search(&gram).is_ok()
    }

    /// By Fibonacci hashing.
    #[inline]
    const fn bit(&self, gram: u32) -> usize {
        (gram.wrapping_mul(0x9e37_79b1) >> self.shift) as usize
    }
}

#[inline]
fn gram(text: &[u8], at: usize) -> Option<u32> {
    let bytes = text.get(at..at + GRAM)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_is_none_for_short_needles() {
        assert!(Sieve::of([&b"seven77"[..], b"longer than that"].into_iter()).is_none());
        assert!(Sieve::of(std::iter::empty()).is_none());
    }

    #[test]
    fn ordinary_text_is_passed_over() {
        let sieve = Sieve::of([&b"bk_Zx81qPvQ2mLx8ZbN4rW"[..]].into_iter()).unwrap();
        let text = b"some words and more of them ".repeat(100);
        assert!(sieve.places(&text).is_empty());
        assert!(sieve.places(b"").is_empty());
    }

    proptest! {
        /// Whatever stands around and between needles, each lies within one place, and places are apart.
        #[test]
        fn none_is_passed_over(
            needles in prop::collection::vec("[abc]{8,20}", 1..6),
            around in prop::collection::vec("[abcd]{0,40}", 2..8),
            which in prop::collection::vec(0usize..6, 1..7),
        ) {
            let sieve = Sieve::of(needles.iter().map(String::as_bytes)).unwrap();
            let mut text = String::new();
            for (noise, which) in around.iter().zip(which.iter().cycle()) {
                text.push_str(noise);
                text.push_str(&needles[which % needles.len()]);
            }
            text.push_str(&around[0]);
            let places = sieve.places(text.as_bytes());
            for pair in places.windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
            for needle in &needles {
                for at in 0..text.len() {
                    if text[at..].starts_with(needle.as_str()) {
                        let end = at + needle.len();
                        prop_assert!(places.iter().any(|p| p.start <= at && end <= p.end));
                    }
                }
            }
        }
    }
}
