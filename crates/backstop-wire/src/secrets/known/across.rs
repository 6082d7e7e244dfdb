//! A known secret that was cut into pieces, each in a value of its own.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::{Form, Known, Match, SHORTEST};

/// A shorter piece is a value of its own that stands there by chance.
pub(super) const PIECE: usize = 4;

/// The numbers of the secrets that may be cut, by how they begin: a piece of one has to begin it, and hardly any value
/// begins so.
pub(super) fn firsts(secrets: &[Zeroizing<Vec<u8>>]) -> HashMap<[u8; PIECE], Vec<usize>> {
    let mut firsts: HashMap<[u8; PIECE], Vec<usize>> = HashMap::new();
    for (number, secret) in secrets.iter().enumerate() {
        if let Some(first) = secret.first_chunk().filter(|_| secret.len() >= SHORTEST) {
            firsts.entry(*first).or_default().push(number);
        }
    }
    firsts
}

impl<I> Known<I> {
    /// The secrets that these values make up when they are joined by nothing: in their order, wherever they are cut; or
    /// in any order, if each piece is all of a value and at least four bytes long. The ranges are numbers of values.
    #[must_use]
    pub fn across(&self, values: &[&[u8]]) -> Vec<Match<'_, I>> {
        let mut found = self.in_order(values);
        let mut begun: Vec<usize> = values
            .iter()
            .filter_map(|value| self.firsts.get(value.first_chunk()?))
            .flatten()
            .copied()
            .collect();
        if begun.is_empty() {
            return found;
        }
        begun.sort_unstable();
        begun.dedup();
        let mut numbers: HashMap<&[u8], usize> = HashMap::new();
        for (number, value) in values.iter().enumerate() {
            if value.len() >= PIECE {
                numbers.entry(value).or_insert(number);
            }
        }
        for at in begun {
            let (Some(secret), Some(id)) = (self.whole.get(at), self.ids.get(at)) else {
                continue;
            };
            if let Some(pieces) = pieces(secret, &numbers) {
                let (first, last) = (pieces.iter().min(), pieces.iter().max());
                let range =
                    first.map_or(0, |first| *first as u64)..last.map_or(0, |last| *last as u64 + 1);
                let found_already = found
                    .iter()
                    .any(|found| std::ptr::eq(found.id, id) && found.range == range);
                if pieces.len() > 1 && !found_already {
                    found.push(Match {
                        id,
                        range,
                        form: Form::Plain,
                    });
                }
            }
        }
        found
    }

    fn in_order(&self, values: &[&[u8]]) -> Vec<Match<'_, I>> {
        let joined = Zeroizing::new(values.concat());
        let mut ends = Vec::with_capacity(values.len());
        let mut end = 0u64;
        for value in values {
            end += value.len() as u64;
            ends.push(end);
        }
        self.find_in(&joined)
            .into_iter()
            .filter_map(|mut found| {
                let first = ends.partition_point(|end| *end <= found.range.start) as u64;
                let last = ends.partition_point(|end| *end < found.range.end) as u64;
                // One that a single value holds is found there.
                found.range = first..last + 1;
                (first < last).then_some(found)
            })
            .collect()
    }
}

/// The numbers of the values that make up `secret`, whole ones only.
fn pieces(secret: &[u8], numbers: &HashMap<&[u8], usize>) -> Option<Vec<usize>> {
    let starts = |at: usize| {
        (at + PIECE..=secret.len()).filter_map(move |end| {
            let piece = secret.get(at..end)?;
            numbers.get(piece).map(|number| (end, *number))
        })
    };
    // How each place in the secret was reached: from where, by which value.
    let mut reached: Vec<Option<(usize, usize)>> = vec![None; secret.len() + 1];
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        for (end, number) in starts(at) {
            if let Some(slot @ None) = reached.get_mut(end) {
                *slot = Some((at, number));
                open.push(end);
            }
        }
    }
    let (mut at, mut pieces) = (secret.len(), Vec::new());
    while at > 0 {
        let (before, number) = (*reached.get(at)?)?;
        pieces.push(number);
        at = before;
    }
    Some(pieces)
}
