//! The tree as far as it has been published: its right edge, and the newest, not yet full bundle.
//!
//! Entries come in their order and once each, after they are durable; tiles and bundles go out as
//! they fill. Nothing here decides when.

use std::path::PathBuf;

use crate::{
    bundle::{self, MAX_ENTRY, WIDTH},
    checkpoint::Checkpoint,
    error::{JournalError, Result},
    hash::{HASH_LEN, Hash, leaf_hash, subtree_hash},
    key::SigningKey,
    layout::{self, Kind, Resource},
    store::Store,
    tree::{FullTile, RightEdge, partial_width},
};

/// How a full tile or bundle is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publish {
    /// It cannot exist yet.
    New,
    /// It may exist from before a crash; replaced only if it differs.
    Mend,
}

/// The published tree.
pub(crate) struct View {
    pub(crate) edge: RightEdge,
    /// The newest bundle as far as it goes.
    bundle: Vec<u8>,
    /// The newest checkpoint.
    pub(crate) checkpoint: Checkpoint,
    /// The oldest entry that retention keeps.
    pub(crate) minimum: u64,
}

impl View {
    /// The view at `size`, a multiple of 256, from the full tiles before it.
    pub(crate) fn load(
        store: &Store,
        size: u64,
        checkpoint: Checkpoint,
        minimum: u64,
    ) -> Result<Self> {
        let mut levels = vec![Vec::new()];
        for level in 1..8u8 {
            let width = partial_width(size, level);
            let start = size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0) * WIDTH;
            let mut hashes = Vec::new();
            for index in start..start + width {
                hashes.push(tile_root(store, level - 1, index)?);
            }
            levels.push(hashes);
        }
        let edge = RightEdge::at(size, levels).ok_or_else(|| {
            JournalError::integrity(
                layout::SEGMENTS,
                Some(size),
                "the oldest segment does not begin where a tile does",
            )
        })?;
        Ok(Self {
            edge,
            bundle: Vec::new(),
            checkpoint,
            minimum,
        })
    }

    /// Adds the next entry; the files this fills are published and appended to `written`, and those
    /// that existed with another content to `mended`.
    pub(crate) fn push(
        &mut self,
        store: &Store,
        entry: &[u8],
        publish: Publish,
        written: &mut Written,
    ) -> Result<Hash> {
        bundle::push(&mut self.bundle, entry).ok_or(JournalError::TooLarge {
            what: "an entry",
            size: entry.len(),
            limit: MAX_ENTRY,
        })?;
        let leaf = leaf_hash(entry);
        for tile in self.edge.push(leaf) {
            if tile.level == 0 {
                let resource = Resource::full(Kind::Entries, tile.index);
                written.publish(store, resource, &self.bundle, publish)?;
                self.bundle.clear();
            }
            let FullTile {
                level,
                index,
                hashes,
            } = tile;
            let resource = Resource::full(Kind::Hashes(level), index);
            written.publish(store, resource, &encode(&hashes), publish)?;
        }
        Ok(leaf)
    }

    /// Publishes the partial tiles and a signed checkpoint of all entries so far.
    pub(crate) fn publish_checkpoint(&mut self, store: &Store, key: &SigningKey) -> Result<()> {
        let size = self.edge.size();
        for level in 0..self.edge.height() {
            let hashes = self.edge.partial(level);
            if hashes.is_empty() {
                continue;
            }
            let index = size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
            let width = hashes.len() as u64;
            if level == 0 {
                let entries = Resource {
                    kind: Kind::Entries,
                    index,
                    width,
                };
                store.mend(&entries.path(), &self.bundle)?;
            }
            let tile = Resource {
                kind: Kind::Hashes(level),
                index,
                width,
            };
            store.mend(&tile.path(), &encode(hashes))?;
        }
        let checkpoint = Checkpoint::sign(store.origin(), size, self.edge.root(), key)?;
        // The checkpoint is what everything else is checked against: never let a crash leave it empty.
        store.publish(layout::CHECKPOINT, checkpoint.note(), true)?;
        self.checkpoint = checkpoint;
        Ok(())
    }

    /// Mends the older partial versions of the newest tiles and bundle: nothing has synced them, so
    /// a power loss may have left them torn. Gives the names of those that had another content.
    pub(crate) fn mend_partials(&self, store: &Store) -> Result<Vec<String>> {
        let mut mended = Vec::new();
        for level in 0..self.edge.height() {
            let index = self
                .edge
                .size()
                .checked_shr(8 * (u32::from(level) + 1))
                .unwrap_or(0);
            let hashes = self.edge.partial(level);
            let tile = |width: usize| hashes.get(..width).map(encode);
            mend_versions(store, Kind::Hashes(level), index, tile, &mut mended)?;
        }
        let (first, newest) = self.newest();
        let bundle = |width: usize| {
            let mut bytes = Vec::new();
            let entries = newest.get(..width)?;
            entries
                .iter()
                .try_for_each(|entry| bundle::push(&mut bytes, entry))?;
            Some(bytes)
        };
        mend_versions(store, Kind::Entries, first / WIDTH, bundle, &mut mended)?;
        Ok(mended)
    }

    /// The newest entries, of the bundle that is not yet full, and the index of the first of them.
    pub(crate) fn newest(&self) -> (u64, Vec<&[u8]>) {
        let first = self.edge.size() / WIDTH * WIDTH;
        (first, bundle::parse(&self.bundle).unwrap_or_default())
    }
}

/// Gives every partial version the content that `content` knows for its width; removes the others.
fn mend_versions(
    store: &Store,
    kind: Kind,
    index: u64,
    content: impl Fn(usize) -> Option<Vec<u8>>,
    mended: &mut Vec<String>,
) -> Result<()> {
    let dir = Resource::full(kind, index).partials_dir();
    for name in store.list(&dir)? {
        let path = format!("{dir}/{name}");
        let layout::Place::Resource(version) = layout::place(&path) else {
            continue;
        };
        let width = usize::try_from(version.width).unwrap_or(usize::MAX);
        let changed = match content(width) {
            Some(bytes) => store.mend(&path, &bytes)?,
            None => store.remove(&path).map(|()| true)?,
        };
        if changed {
            mended.push(path);
        }
    }
    Ok(())
}

/// What has been published and is not yet known to be durable.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) files: Vec<PathBuf>,
    /// Full resources whose partial versions can go once these are durable.
    pub(crate) full: Vec<Resource>,
    /// Files that existed and had another content.
    pub(crate) mended: Vec<String>,
}

impl Written {
    fn publish(
        &mut self,
        store: &Store,
        resource: Resource,
        bytes: &[u8],
        how: Publish,
    ) -> Result<()> {
        let name = resource.path();
        match how {
            Publish::New => store.publish(&name, bytes, false)?,
            Publish::Mend => {
                if store.mend(&name, bytes)? {
                    self.mended.push(name.clone());
                }
            }
        }
        self.files.push(store.path(&name));
        self.full.push(resource);
        Ok(())
    }

    /// Makes the files durable, then drops the partial versions that they replace.
    pub(crate) fn settle(self, store: &Store) -> Result<()> {
        store.sync(&self.files)?;
        for resource in self.full {
            store.remove_dir(&resource.partials_dir())?;
        }
        Ok(())
    }
}

/// A tile's bytes.
pub(crate) fn encode(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// A tile's hashes; `None` unless the length is a whole number of them.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_LEN>();
    rest.is_empty()
        .then(|| hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// A full tile's hashes.
pub(crate) fn read_tile(store: &Store, level: u8, index: u64) -> Result<Vec<Hash>> {
    let name = Resource::full(Kind::Hashes(level), index).path();
    let bytes = store
        .read(&name)?
        .ok_or_else(|| JournalError::integrity(&name, None, "the tile is missing"))?;
    decode(&bytes)
        .filter(|hashes| hashes.len() as u64 == WIDTH)
        .ok_or_else(|| JournalError::integrity(&name, None, "the tile is not 8,192 bytes long"))
}

fn tile_root(store: &Store, level: u8, index: u64) -> Result<Hash> {
    let hashes = read_tile(store, level, index)?;
    subtree_hash(&hashes).ok_or_else(|| {
        let name = Resource::full(Kind::Hashes(level), index).path();
        JournalError::integrity(name, None, "the tile is not full")
    })
}
