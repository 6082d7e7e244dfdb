//! Inclusion and consistency proofs (RFC 6962, 2.1), read from the published tiles.
//!
//! Making proofs needs the journal's files; checking them needs nothing but hashes.

use std::{cell::RefCell, collections::HashMap};

use tlog_tiles::HashReader;

use crate::{
    bundle::WIDTH,
    error::{JournalError, Result},
    hash::{Hash, subtree_hash},
    store::Store,
    tree::RightEdge,
    view::read_tile,
};

/// Reads the tree's hashes from full tiles and from the right edge.
pub(crate) struct Tiles<'a> {
    store: &'a Store,
    edge: RightEdge,
    read: RefCell<HashMap<(u8, u64), Vec<Hash>>>,
    failed: RefCell<Option<JournalError>>,
}

impl<'a> Tiles<'a> {
    pub(crate) fn new(store: &'a Store, edge: RightEdge) -> Self {
        Self {
            store,
            edge,
            read: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    /// The proof that entry `index` is in the tree of `size` entries.
    pub(crate) fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>> {
        if index >= size || size > self.edge.size() {
            return Err(no_proof(format!(
                "entry {index} in a tree of {size} entries; the journal holds {}",
                self.edge.size()
            )));
        }
        self.proof(tlog_tiles::prove_record(size, index, self))
    }

    /// The proof that the tree of `old` entries is a prefix of the tree of `new` ones.
    pub(crate) fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        if old > new || new > self.edge.size() {
            return Err(no_proof(format!(
                "from {old} to {new} entries; the journal holds {}",
                self.edge.size()
            )));
        }
        if old == 0 {
            return Ok(Vec::new());
        }
        self.proof(tlog_tiles::prove_tree(new, old, self))
    }

    /// The root of the tree over the first `size` entries.
    pub(crate) fn root(&self, size: u64) -> Result<Hash> {
        if size > self.edge.size() {
            return Err(no_proof(format!(
                "a root over {size} of {} entries",
                self.edge.size()
            )));
        }
        let root = tlog_tiles::tree_hash(size, self).map(|root| vec![root]);
        let root = self.proof(root)?;
        root.first()
            .copied()
            .ok_or_else(|| no_proof("the tree has no root".to_owned()))
    }

    fn proof(
        &self,
        made: std::result::Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error>,
    ) -> Result<Vec<Hash>> {
        match made {
            Ok(hashes) => Ok(hashes.into_iter().map(Hash::from).collect()),
            Err(error) => Err(self
                .failed
                .take()
                .unwrap_or_else(|| no_proof(error.to_string()))),
        }
    }

    /// The hash over the leaves `n << level .. (n + 1) << level`.
    fn hash(&self, level: u8, n: u64) -> Result<Hash> {
        let (tile_level, height) = (level / 8, level % 8);
        let (start, count) = (n << height, 1usize << height);
        let hashes = self.tile(tile_level, start / WIDTH)?;
        let from = usize::try_from(start % WIDTH).unwrap_or(usize::MAX);
        hashes
            .get(from..from.saturating_add(count))
            .and_then(subtree_hash)
            .ok_or_else(|| no_proof("a hash beyond the tree".to_owned()))
    }

    fn tile(&self, level: u8, index: u64) -> Result<Vec<Hash>> {
        let full = self
            .edge
            .size()
            .checked_shr(8 * (u32::from(level) + 1))
            .unwrap_or(0);
        if index >= full {
            return Ok(self.edge.partial(level).to_vec());
        }
        if let Some(hashes) = self.read.borrow().get(&(level, index)) {
            return Ok(hashes.clone());
        }
        let hashes = read_tile(self.store, level, index)?;
        self.read
            .borrow_mut()
            .insert((level, index), hashes.clone());
        Ok(hashes)
    }
}

impl HashReader for Tiles<'_> {
    fn read_hashes(
        &self,
        indexes: &[u64],
    ) -> std::result::Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let read = |index: &u64| {
            let (level, n) = tlog_tiles::split_stored_hash_index(*index);
            self.hash(level, n).map(tlog_tiles::Hash::from)
        };
        indexes
            .iter()
            .map(read)
            .collect::<Result<_>>()
            .map_err(|error| {
                self.failed.replace(Some(error));
                tlog_tiles::Error::IndexesNotInTree
            })
    }
}

/// Whether `proof` shows that `leaf` is entry `index` of the tree of `size` entries with this root.
pub fn check_inclusion(proof: &[Hash], size: u64, root: Hash, index: u64, leaf: Hash) -> bool {
    let proof = foreign(proof);
    tlog_tiles::check_record(&proof, size, root.into(), index, leaf.into()).is_ok()
}

/// Whether `proof` shows that the tree of `old` entries is a prefix of the tree of `new` ones.
pub fn check_consistency(
    proof: &[Hash],
    new: u64,
    new_root: Hash,
    old: u64,
    old_root: Hash,
) -> bool {
    if old == 0 {
        return proof.is_empty() && old_root == Hash::empty_root();
    }
    let proof = foreign(proof);
    tlog_tiles::check_tree(&proof, new, new_root.into(), old, old_root.into()).is_ok()
}

fn foreign(proof: &[Hash]) -> Vec<tlog_tiles::Hash> {
    proof.iter().map(|hash| (*hash).into()).collect()
}

fn no_proof(what: String) -> JournalError {
    JournalError::NoProof { what }
}
