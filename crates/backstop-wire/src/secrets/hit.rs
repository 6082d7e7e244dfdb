//! One thing found in one text, before it has a place and a fingerprint.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use zeroize::Zeroizing;

use super::confidence::Confidence;
use super::name::Name;

/// How much a find is worth beside another one in the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A name that says no more than `password` or `token`.
    Name,
    /// A published rule that goes by a name nearby.
    Rule,
    /// A name that says whose it is, or a format that leaves no doubt.
    Known,
    /// Read from a file whose structure is known.
    Structure,
}

/// A secret in a text. It has no debug output.
pub struct Hit {
    /// What kind of credential it is, as the scope audit names it: `railway.token`.
    pub kind: Cow<'static, str>,
    /// What found it: a published rule's id, or a reader of Backstop's own.
    pub rule: Cow<'static, str>,
    /// The part of the text that holds the secret, in bytes: of a DSN all of it.
    pub range: Range<usize>,
    /// The secret, decoded: of a DSN the password.
    pub secret: Zeroizing<Vec<u8>>,
    /// What is known beside it and no secret.
    pub facts: BTreeMap<String, String>,
    /// How sure it is.
    pub confidence: Confidence,
    /// What it is worth beside another find in the same bytes.
    pub rank: Rank,
    /// When it ends, where it says so itself: seconds since 1970.
    pub ends: Option<u64>,
}

impl Hit {
    /// A find that leaves no doubt, of which nothing more is known.
    #[must_use]
    pub fn new(
        kind: &'static str,
        rule: &'static str,
        range: Range<usize>,
        secret: &[u8],
        rank: Rank,
    ) -> Self {
        Self {
            kind: Cow::Borrowed(kind),
            rule: Cow::Borrowed(rule),
            range,
            secret: Zeroizing::new(secret.to_vec()),
            facts: BTreeMap::new(),
            confidence: Confidence::Sure,
            rank,
            ends: None,
        }
    }

    /// With a fact beside it, unless that is empty or longer than 256 bytes; made safe to show.
    #[must_use]
    pub fn with(mut self, name: &str, value: &[u8]) -> Self {
        if !value.is_empty() && value.len() <= 256 {
            let shown = Name::new(value).to_string();
            self.facts.insert(name.to_owned(), shown);
        }
        self
    }

    /// With something that speaks against it, unless something does already.
    #[must_use]
    pub fn doubted(mut self, why: &str) -> Self {
        if !self.confidence.is_doubtful() {
            self.confidence = Confidence::Doubtful {
                why: why.to_owned(),
            };
        }
        self
    }

    /// As one that only looks like it.
    #[must_use]
    pub fn likely(mut self) -> Self {
        self.confidence = Confidence::Likely;
        self
    }
}

/// Of hits in the same bytes the best stays, with what the others knew beside it.
#[must_use]
pub fn best(mut hits: Vec<Hit>) -> Vec<Hit> {
    // Certain before likely before doubtful within a rank; then the longer text.
    hits.sort_by(|a, b| {
        b.rank
            .cmp(&a.rank)
            .then(a.confidence.cmp(&b.confidence))
            .then(b.range.len().cmp(&a.range.len()))
    });
    // What is kept does not overlap, so that only the last one that begins before a hit ends can touch it.
    let mut kept: BTreeMap<usize, Hit> = BTreeMap::new();
    for hit in hits {
        let over = kept
            .range_mut(..hit.range.end.max(hit.range.start + 1))
            .next_back()
            .map(|(_, other)| other)
            .filter(|other| hit.range.start < other.range.end);
        match over {
            Some(other) => {
                // `GITHUB_TOKEN` says whose it is, and `github_pat_…` which of theirs.
                if is_general(&other.kind) && provider(&hit.kind) == provider(&other.kind) {
                    other.kind = hit.kind;
                }
                for (name, value) in hit.facts {
                    other.facts.entry(name).or_insert(value);
                }
            }
            None => {
                kept.insert(hit.range.start, hit);
            }
        }
    }
    kept.into_values().collect()
}

fn provider(kind: &str) -> Option<&str> {
    kind.split_once('.').map(|(provider, _)| provider)
}

fn is_general(kind: &str) -> bool {
    kind.ends_with(".token")
}
