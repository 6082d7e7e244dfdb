//! Verifying the tree: every entry, every tile at every level, full and partial, and the signed root.
//!
//! Two passes, neither holding the log in memory. The first computes the root over the lowest tiles
//! alone; if it is the signed one, these tiles are the truth that all else is held against, and else
//! the entries are. So a finding blames the file that is wrong.

use crate::{
    bundle::{self, WIDTH},
    checkpoint::{self, Checkpoint},
    error::Result,
    hash::{Hash, leaf_hash},
    key::VerifierKey,
    layout::{self, Kind, Place, Resource},
    tree::{RightEdge, partial_width},
    view::decode,
};

use super::{FindingKind, Report, segments::Segments, source::Source, texts::TextCheck};

/// Checks everything that follows from the entries.
pub(super) fn check(
    source: &Source<'_>,
    key: &VerifierKey,
    signed: &Checkpoint,
    earlier: &[Checkpoint],
    segments: &Segments,
    texts: &mut TextCheck<'_>,
    report: &mut Report,
) -> Result<()> {
    let known = signed.size().max(segments.end());
    report.entries = known;
    let mut pass = Pass {
        source,
        key,
        signed,
        earlier,
        segments,
        known,
        tiles_are_true: tiles_root(source, signed.size())? == Some(signed.root()),
        edge: RightEdge::default(),
        report,
    };
    pass.check_roots();
    for index in 0..known.div_ceil(WIDTH) {
        if !pass.bundle(index, texts)? {
            return Ok(());
        }
    }
    pass.partial_tiles()
}

/// The root over the lowest tiles as they are; `None` where one is missing or malformed.
fn tiles_root(source: &Source<'_>, size: u64) -> Result<Option<Hash>> {
    let mut edge = RightEdge::default();
    for index in 0..size.div_ceil(WIDTH) {
        let Some(hashes) = Versions::read(source, Kind::Hashes(0), index, size)?.hashes() else {
            return Ok(None);
        };
        let wanted = usize::try_from((size - index * WIDTH).min(WIDTH)).unwrap_or(usize::MAX);
        let Some(hashes) = hashes.get(..wanted) else {
            return Ok(None);
        };
        for hash in hashes {
            edge.push(*hash);
        }
    }
    Ok(Some(edge.root()))
}

/// A tile or bundle as it lies on disk: the version that the checkpoint calls for.
struct Versions {
    main: Option<(String, Vec<u8>)>,
}

impl Versions {
    /// Reads the full version, or else the partial one of a tree of `size`.
    fn read(source: &Source<'_>, kind: Kind, index: u64, size: u64) -> Result<Self> {
        let level = match kind {
            Kind::Hashes(level) => level,
            Kind::Entries => 0,
        };
        let full = Resource::full(kind, index).path();
        let on_edge = size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0) == index;
        let width = partial_width(size, level);
        let partial = (on_edge && width > 0).then(|| Resource { kind, index, width }.path());
        // A live writer may replace the partial version by the full one between two looks.
        for name in [Some(&full), partial.as_ref(), Some(&full)]
            .into_iter()
            .flatten()
        {
            if let Some(bytes) = source.read(name)? {
                return Ok(Self {
                    main: Some((name.clone(), bytes)),
                });
            }
        }
        Ok(Self { main: None })
    }

    fn hashes(&self) -> Option<Vec<Hash>> {
        self.main.as_ref().and_then(|(_, bytes)| decode(bytes))
    }
}

struct Pass<'a, 'r> {
    source: &'a Source<'a>,
    key: &'a VerifierKey,
    signed: &'a Checkpoint,
    earlier: &'a [Checkpoint],
    segments: &'a Segments,
    known: u64,
    tiles_are_true: bool,
    edge: RightEdge,
    report: &'r mut Report,
}

impl Pass<'_, '_> {
    /// Checks the entries `256 * index ..` in all files that hold them; `false` if the tree cannot go on.
    fn bundle(&mut self, index: u64, texts: &mut TextCheck<'_>) -> Result<bool> {
        let first = index * WIDTH;
        let count = (self.known - first).min(WIDTH);
        let tile = Versions::read(self.source, Kind::Hashes(0), index, self.signed.size())?;
        let entries = Versions::read(self.source, Kind::Entries, index, self.signed.size())?;
        let tile_hashes = tile.hashes().unwrap_or_default();
        let stored = self.stored_entries(&entries);
        let stored_hashes: Vec<Hash> = stored.iter().map(|entry| leaf_hash(entry)).collect();
        let Some(truth) = self.truth(first, count, &tile_hashes, &stored_hashes) else {
            return Ok(false);
        };
        self.require(Kind::Hashes(0), index, tile.main.is_some());
        if entries.main.is_none() {
            self.look_for_pruning(first)?;
        }
        if first >= self.report.minimum {
            self.require(Kind::Entries, index, entries.main.is_some());
        }
        self.check_entries(first, &entries, &stored_hashes, &truth);
        self.check_segments(first, &truth);
        self.check_partial_bundles(index, &truth)?;
        self.check_texts(first, &stored, &truth, texts);
        self.grow(&truth)?;
        Ok(true)
    }

    /// A live writer may have pruned what was still there when the verification began.
    fn look_for_pruning(&mut self, first: u64) -> Result<()> {
        if !self.report.live || first < self.report.minimum {
            return Ok(());
        }
        if let Some(note) = self.source.read(layout::MINIMUM)?
            && let Ok(minimum) = checkpoint::parse_minimum(&note, self.source.origin, self.key)
        {
            self.report.minimum = self.report.minimum.max(minimum);
        }
        Ok(())
    }

    /// The leaf hashes that all files are held against.
    fn truth(
        &mut self,
        first: u64,
        count: u64,
        tile: &[Hash],
        stored: &[Hash],
    ) -> Option<Vec<Hash>> {
        let mut truth = Vec::new();
        for (place, index) in (first..first + count).enumerate() {
            let (tile, stored) = (tile.get(place).copied(), stored.get(place).copied());
            let segment = self.segments.leaf(index);
            let order = match index < self.signed.size() && self.tiles_are_true {
                true => [tile, stored, segment],
                false => [segment, stored, tile],
            };
            let Some(leaf) = order.into_iter().flatten().next() else {
                let name = Resource::full(Kind::Entries, index / WIDTH).path();
                let what =
                    "neither the entry nor its hash is anywhere; what follows was not checked";
                self.report
                    .find(FindingKind::Missing, name, Some(index), what);
                return None;
            };
            truth.push(leaf);
        }
        Some(truth)
    }

    /// A file that the checkpoint calls for must be there.
    fn require(&mut self, kind: Kind, index: u64, there: bool) {
        let level = match kind {
            Kind::Hashes(level) => level,
            Kind::Entries => 0,
        };
        let hashes = self
            .signed
            .size()
            .checked_shr(8 * u32::from(level))
            .unwrap_or(0);
        if there || index * WIDTH >= hashes {
            return;
        }
        let width = (hashes - index * WIDTH).min(WIDTH);
        let file = Resource { kind, index, width }.path();
        self.report
            .find(FindingKind::Missing, file, None, "the file is missing");
    }

    /// The entries of the stored bundle, as far as it can be read.
    fn stored_entries<'b>(&mut self, entries: &'b Versions) -> Vec<&'b [u8]> {
        let Some((name, bytes)) = &entries.main else {
            return Vec::new();
        };
        bundle::parse(bytes).unwrap_or_else(|what| {
            self.report.find(FindingKind::Bundle, name, None, what);
            Vec::new()
        })
    }

    fn check_entries(&mut self, first: u64, entries: &Versions, stored: &[Hash], truth: &[Hash]) {
        let Some((name, _)) = &entries.main else {
            return;
        };
        let width = match layout::place(name) {
            Place::Resource(resource) => resource.width,
            _ => WIDTH,
        };
        if stored.len() as u64 != width {
            let what = format!("it holds {} entries, not {width}", stored.len());
            self.report
                .find(FindingKind::Bundle, name, Some(first), what);
        }
        for ((index, stored), truth) in (first..).zip(stored).zip(truth) {
            if stored != truth {
                let what = "the entry is not the one in the tree";
                self.report
                    .find(FindingKind::Bundle, name, Some(index), what);
            }
        }
    }

    fn check_segments(&mut self, first: u64, truth: &[Hash]) {
        for (index, truth) in (first..).zip(truth) {
            for (file, leaf) in self.segments.leaves(index) {
                if leaf != *truth {
                    let what = "the entry is not the one in the tree";
                    self.report
                        .find(FindingKind::Segment, file, Some(index), what);
                }
            }
        }
    }

    /// Every partial bundle that is still there holds the first entries of its bundle.
    fn check_partial_bundles(&mut self, index: u64, truth: &[Hash]) -> Result<()> {
        for partial in self.partials(Kind::Entries, index)? {
            let name = partial.path();
            let Some(bytes) = self.source.read(&name)? else {
                continue;
            };
            let hashes = bundle::parse(&bytes)
                .map(|entries| entries.into_iter().map(leaf_hash).collect::<Vec<_>>())
                .unwrap_or_default();
            self.compare(FindingKind::Bundle, partial, &hashes, truth);
        }
        Ok(())
    }

    fn check_texts(
        &mut self,
        first: u64,
        stored: &[&[u8]],
        truth: &[Hash],
        texts: &mut TextCheck<'_>,
    ) {
        for (place, index) in (first..).take(truth.len()).enumerate() {
            let entry = stored
                .get(place)
                .copied()
                .or_else(|| self.segments.entry(index));
            if let Some(entry) = entry {
                texts.check_entry(index, entry, self.report);
            }
        }
    }

    /// Adds the leaves to the tree, and checks the tiles that this fills.
    fn grow(&mut self, leaves: &[Hash]) -> Result<()> {
        for leaf in leaves {
            for tile in self.edge.push(*leaf) {
                self.tile(tile.level, tile.index, &tile.hashes)?;
            }
            self.check_roots();
        }
        Ok(())
    }

    /// The tiles that are not full.
    fn partial_tiles(&mut self) -> Result<()> {
        for level in 0..self.edge.height() {
            let hashes = self.edge.partial(level).to_vec();
            if !hashes.is_empty() {
                let index = self
                    .known
                    .checked_shr(8 * (u32::from(level) + 1))
                    .unwrap_or(0);
                self.tile(level, index, &hashes)?;
            }
        }
        Ok(())
    }

    /// Checks all versions of a tile against its hashes.
    fn tile(&mut self, level: u8, index: u64, truth: &[Hash]) -> Result<()> {
        let kind = Kind::Hashes(level);
        let full = Resource::full(kind, index);
        let main = Versions::read(self.source, kind, index, self.signed.size())?;
        self.require(kind, index, main.main.is_some());
        let mut versions = self.partials(kind, index)?;
        versions.push(full);
        for version in versions {
            if let Some(bytes) = self.source.read(&version.path())? {
                let hashes = decode(&bytes).unwrap_or_default();
                self.compare(FindingKind::Tile, version, &hashes, truth);
            }
        }
        Ok(())
    }

    /// Holds a version's hashes against the true ones; it may not be wider than is known of the tree.
    fn compare(&mut self, kind: FindingKind, version: Resource, hashes: &[Hash], truth: &[Hash]) {
        let name = version.path();
        if hashes.len() as u64 != version.width {
            let what = format!("it has not the content of width {}", version.width);
            self.report.find(kind, name, None, what);
            return;
        }
        // What a live writer has published since is beyond what was read of the segments; the walk
        // tells whether there is such a writer.
        let differs = hashes
            .iter()
            .zip(truth)
            .position(|(hash, truth)| hash != truth);
        if let Some(place) = differs {
            let what = format!("its hash {place} is not that of the tree");
            let entry = (version.index * WIDTH + place as u64).checked_shl(match version.kind {
                Kind::Hashes(level) => 8 * u32::from(level),
                Kind::Entries => 0,
            });
            self.report.find(kind, name, entry, what);
        }
    }

    fn partials(&self, kind: Kind, index: u64) -> Result<Vec<Resource>> {
        let dir = Resource::full(kind, index).partials_dir();
        let names = self.source.list(&dir)?;
        let resources =
            names
                .iter()
                .filter_map(|name| match layout::place(&format!("{dir}/{name}")) {
                    Place::Resource(resource) => Some(resource),
                    _ => None,
                });
        Ok(resources.collect())
    }

    /// At the sizes that were signed, the root must be the signed one.
    fn check_roots(&mut self) {
        let size = self.edge.size();
        if size != self.signed.size() && !self.earlier.iter().any(|one| one.size() == size) {
            return;
        }
        let root = self.edge.root();
        if size == self.signed.size() && root != self.signed.root() {
            let what = format!("the root over the {size} entries is not the signed one");
            self.report
                .find(FindingKind::Root, layout::CHECKPOINT, None, what);
        }
        for one in self.earlier.iter().filter(|one| one.size() == size) {
            if root != one.root() {
                let what =
                    format!("the first {size} entries are not those that were signed before");
                self.report
                    .find(FindingKind::Rollback, layout::CHECKPOINT, None, what);
            }
        }
    }
}
