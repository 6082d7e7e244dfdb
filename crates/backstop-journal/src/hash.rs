//! RFC 6962 hashing: leaves, inner nodes and perfect subtrees.
//!
//! Pure functions over bytes; nothing here reads a file.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest::{Context, SHA256};
use serde::{Serialize, Serializer};

/// A SHA-256 hash in the tree; shown and serialised in base64, as checkpoints show it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; HASH_LEN]);

/// The length of a hash in bytes.
pub const HASH_LEN: usize = 32;

impl Hash {
    /// The root of the empty tree: SHA-256 of nothing.
    pub fn empty_root() -> Self {
        sha256(&[])
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<Hash> for tlog_tiles::Hash {
    fn from(hash: Hash) -> Self {
        Self(hash.0)
    }
}

impl From<tlog_tiles::Hash> for Hash {
    fn from(hash: tlog_tiles::Hash) -> Self {
        Self(hash.0)
    }
}

/// The hash of an entry as a leaf: `SHA-256(0x00 || entry)` (RFC 6962, 2.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)` (RFC 6962, 2.1).
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    sha256(&[&[1], &left.0, &right.0])
}

/// The root over a perfect subtree's leaves; `None` unless their number is a power of two.
pub(crate) fn subtree_hash(leaves: &[Hash]) -> Option<Hash> {
    if !leaves.len().is_power_of_two() {
        return None;
    }
    let mut row = leaves.to_vec();
    while row.len() > 1 {
        row = row
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node_hash(*left, *right)),
                _ => None,
            })
            .collect();
    }
    row.first().copied()
}

/// SHA-256 over the parts as if they were one.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    finish(context)
}

/// The hash that a running SHA-256 context arrives at.
pub(crate) fn finish(context: Context) -> Hash {
    let digest = context.finish();
    let mut out = [0; HASH_LEN];
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    Hash(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_tlog_crate() {
        let (a, b) = (leaf_hash(b"one"), leaf_hash(b"two"));
        assert_eq!(a, tlog_tiles::record_hash(b"one").into());
        assert_eq!(
            node_hash(a, b),
            tlog_tiles::node_hash(a.into(), b.into()).into()
        );
        assert_eq!(Hash::empty_root(), tlog_tiles::EMPTY_HASH.into());
    }

    #[test]
    fn a_subtree_is_perfect_or_nothing() {
        let leaves: Vec<Hash> = (0u8..4).map(|n| leaf_hash(&[n])).collect();
        let left = node_hash(leaves[0], leaves[1]);
        let right = node_hash(leaves[2], leaves[3]);
        assert_eq!(subtree_hash(&leaves), Some(node_hash(left, right)));
        assert_eq!(subtree_hash(&leaves[..3]), None);
        assert_eq!(subtree_hash(&[]), None);
    }
}
