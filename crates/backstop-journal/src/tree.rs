//! The right edge of the Merkle tree: what is needed to grow it and to know its root.
//!
//! Holds at most 255 hashes a level. It must not touch files: tiles that fill are handed back.

use crate::{
    bundle::WIDTH,
    hash::{Hash, node_hash, subtree_hash},
};

/// A tile that has just become full: 256 hashes, never to change again.
#[derive(Debug)]
pub(crate) struct FullTile {
    pub(crate) level: u8,
    pub(crate) index: u64,
    pub(crate) hashes: Vec<Hash>,
}

/// The tree's size and, for each tile level, the hashes of its newest, not yet full tile.
#[derive(Debug, Clone, Default)]
pub(crate) struct RightEdge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl RightEdge {
    /// An edge at `size` whose partial tiles are already known, lowest level first.
    ///
    /// `None` if a level's width is not what the size calls for.
    pub(crate) fn at(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let edge = Self { size, levels };
        let fits = (0u8..8).all(|level| {
            let width = edge.partial(level).len();
            u64::try_from(width).ok() == Some(partial_width(size, level))
        });
        fits.then_some(edge)
    }

    /// How many leaves the tree has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the partial tile at `level`; empty if there is none.
    pub(crate) fn partial(&self, level: u8) -> &[Hash] {
        self.levels
            .get(usize::from(level))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The number of levels that were ever reached.
    pub(crate) fn height(&self) -> u8 {
        u8::try_from(self.levels.len()).unwrap_or(u8::MAX)
    }

    /// Adds a leaf; gives the tiles that it filled, lowest level first.
    pub(crate) fn push(&mut self, leaf: Hash) -> Vec<FullTile> {
        self.size += 1;
        let mut filled = Vec::new();
        let (mut level, mut carried) = (0u8, Some(leaf));
        while let Some(hash) = carried {
            let full = self.put(level, hash);
            carried = full.as_deref().and_then(subtree_hash);
            if let Some(hashes) = full {
                let index = (self.size >> (8 * (u32::from(level) + 1))).saturating_sub(1);
                filled.push(FullTile {
                    level,
                    index,
                    hashes,
                });
            }
            level += 1;
        }
        filled
    }

    /// Puts a hash at a level; gives the level's tile if that filled it.
    fn put(&mut self, level: u8, hash: Hash) -> Option<Vec<Hash>> {
        let place = usize::from(level);
        if self.levels.len() <= place {
            self.levels.resize_with(place + 1, Vec::new);
        }
        let tile = self.levels.get_mut(place)?;
        tile.push(hash);
        (tile.len() as u64 == WIDTH).then(|| std::mem::take(tile))
    }

    /// The tree's root (RFC 6962, 2.1): its perfect subtrees folded from right to left.
    pub(crate) fn root(&self) -> Hash {
        let mut peaks = Vec::new();
        for level in self.levels.iter().rev() {
            push_peaks(level, &mut peaks);
        }
        peaks
            .into_iter()
            .rev()
            .reduce(|right, left| node_hash(left, right))
            .unwrap_or_else(Hash::empty_root)
    }
}

/// How wide the partial tile of `level` is in a tree of `size` leaves.
pub(crate) fn partial_width(size: u64, level: u8) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0) % WIDTH
}

/// Splits a partial tile into perfect subtrees, largest first, and appends their hashes.
fn push_peaks(mut hashes: &[Hash], peaks: &mut Vec<Hash>) {
    while let Some(top) = hashes.len().checked_ilog2() {
        let Some((perfect, rest)) = hashes.split_at_checked(1 << top) else {
            return;
        };
        peaks.extend(subtree_hash(perfect));
        hashes = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    /// RFC 6962, 2.1, word by word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::empty_root(),
            [one] => *one,
            _ => {
                let k = 1 << (leaves.len() - 1).ilog2();
                node_hash(mth(&leaves[..k]), mth(&leaves[k..]))
            }
        }
    }

    #[test]
    fn every_root_up_to_two_levels_is_rfc_6962s() {
        let leaves: Vec<Hash> = (0u32..70_000)
            .map(|n| leaf_hash(&n.to_be_bytes()))
            .collect();
        let mut edge = RightEdge::default();
        let mut tiles = Vec::new();
        for (n, leaf) in leaves.iter().enumerate() {
            let size = n + 1;
            tiles.extend(edge.push(*leaf));
            if size < 600 || size % 9_973 == 0 || size == 65_536 || size == leaves.len() {
                assert_eq!(edge.root(), mth(&leaves[..size]), "size {size}");
            }
        }
        // The example of the tlog-tiles specification.
        assert_eq!(tiles.iter().filter(|t| t.level == 0).count(), 273);
        assert_eq!(tiles.iter().filter(|t| t.level == 1).count(), 1);
        assert_eq!(edge.partial(0).len(), 112);
        assert_eq!(edge.partial(1).len(), 17);
        assert_eq!(edge.partial(2).len(), 1);
        let level_zero: Vec<u64> = tiles
            .iter()
            .filter(|t| t.level == 0)
            .map(|t| t.index)
            .collect();
        assert!(level_zero.iter().copied().eq(0..273));
        assert_eq!(tiles.iter().find(|t| t.level == 1).unwrap().index, 0);
    }

    #[test]
    fn an_edge_of_the_wrong_width_is_refused() {
        assert!(RightEdge::at(256, vec![vec![], vec![leaf_hash(b"")]]).is_some());
        assert!(RightEdge::at(256, vec![vec![leaf_hash(b"")], vec![]]).is_none());
        assert!(RightEdge::at(1, vec![]).is_none());
    }
}
