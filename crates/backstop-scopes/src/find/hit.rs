//! One thing found in one text, before it has a place and a fingerprint.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use zeroize::Zeroizing;

use super::finding::Confidence;

/// How much a find is worth beside another one in the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// A name that says no more than `password` or `token`.
    Name,
    /// A published rule that goes by a name nearby.
    Rule,
    /// A name that says whose it is, or a format that leaves no doubt.
    Known,
    /// Read from a file whose structure is known.
    Structure,
}

/// A secret in a text.
pub(crate) struct Hit {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) rule: Cow<'static, str>,
    /// The text that holds the secret.
    pub(crate) span: Range<usize>,
    /// The secret, decoded.
    pub(crate) secret: Zeroizing<Vec<u8>>,
    pub(crate) facts: BTreeMap<String, String>,
    pub(crate) confidence: Confidence,
    pub(crate) rank: Rank,
}

impl Hit {
    pub(crate) fn new(
        kind: &'static str,
        rule: &'static str,
        span: Range<usize>,
        secret: &[u8],
        rank: Rank,
    ) -> Self {
        Self {
            kind: Cow::Borrowed(kind),
            rule: Cow::Borrowed(rule),
            span,
            secret: Zeroizing::new(secret.to_vec()),
            facts: BTreeMap::new(),
            confidence: Confidence::Sure,
            rank,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &[u8]) -> Self {
        if !value.is_empty() && value.len() <= 256 {
            let shown = super::name::Name::new(value).to_string();
            self.facts.insert(name.to_owned(), shown);
        }
        self
    }

    pub(crate) fn doubted(mut self, why: &str) -> Self {
        if !self.confidence.is_doubtful() {
            self.confidence = Confidence::Doubtful {
                why: why.to_owned(),
            };
        }
        self
    }

    pub(crate) fn likely(mut self) -> Self {
        self.confidence = Confidence::Likely;
        self
    }
}

/// Of hits in the same bytes the best stays, with what the others knew beside it.
pub(crate) fn best(mut hits: Vec<Hit>) -> Vec<Hit> {
    // Certain before likely before doubtful within a rank; then the longer text.
    hits.sort_by(|a, b| {
        b.rank
            .cmp(&a.rank)
            .then(a.confidence.cmp(&b.confidence))
            .then(b.span.len().cmp(&a.span.len()))
    });
    // What is kept does not overlap, so that only the last one that begins before a hit ends can touch it.
    let mut kept: BTreeMap<usize, Hit> = BTreeMap::new();
    for hit in hits {
        let over = kept
            .range_mut(..hit.span.end.max(hit.span.start + 1))
            .next_back()
            .map(|(_, other)| other)
            .filter(|other| hit.span.start < other.span.end);
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
                kept.insert(hit.span.start, hit);
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
