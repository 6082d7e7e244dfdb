//! Opening a journal: what the segments hold is checked, published again, and put into a fresh one.
//!
//! Only a tail that was never reported durable is cut; anything else that does not fit is an
//! integrity error that names its place. The signed checkpoint must be of this very tree. Everything
//! that is kept is written anew and synced, for after a failed fdatasync the page cache may show what
//! the disk does not have.

use crate::{
    bundle::WIDTH,
    checkpoint::{self, Checkpoint},
    commit::OpenSegment,
    error::{JournalError, Result},
    frame::{FrameBuilder, Item},
    hash::{Hash, leaf_hash},
    key::SigningKey,
    layout,
    segment::{self, Segment},
    store::Store,
    texts::{self, Texts},
    view::{Publish, View, Written},
};

/// What opening found and mended.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Recovery {
    /// How many entries the journal holds.
    pub entries: u64,
    /// How many of them the last signed checkpoint did not yet cover.
    pub unsigned: u64,
    /// How many bytes of an unfinished write were cut off.
    pub cut_bytes: u64,
    /// Published files that had another content than the segments call for, and were replaced.
    pub mended: Vec<String>,
}

/// An open journal's state.
pub(crate) struct Recovered {
    pub(crate) view: View,
    pub(crate) segment: OpenSegment,
    pub(crate) texts: Texts,
    pub(crate) recovery: Recovery,
}

/// Recovers the journal in the store's directory, or starts one if there is none.
pub(crate) fn recover(store: &Store, key: &SigningKey) -> Result<Recovered> {
    store.make_layout()?;
    store.clear_temporaries()?;
    let bases = segment_bases(store)?;
    let checkpoint = match read_checkpoint(store, key)? {
        Some(checkpoint) => checkpoint,
        None => start(store, key, &bases)?,
    };
    if checkpoint.size() == 0 && bases.is_empty() {
        OpenSegment::create(store, 0)?;
        return replay(store, key, checkpoint, &[0]);
    }
    replay(store, key, checkpoint, &bases)
}

/// The first checkpoint of a new log; refused where there already was one.
fn start(store: &Store, key: &SigningKey, bases: &[u64]) -> Result<Checkpoint> {
    let used = !bases.is_empty()
        || !store.list(layout::TILE)?.is_empty()
        || !store.list(layout::TEXTS)?.is_empty();
    if used {
        return Err(JournalError::integrity(
            layout::CHECKPOINT,
            None,
            "the checkpoint is missing",
        ));
    }
    let checkpoint = Checkpoint::sign(store.origin(), 0, Hash::empty_root(), key)?;
    store.publish(layout::CHECKPOINT, checkpoint.note(), true)?;
    store.sync(&[store.path(layout::CHECKPOINT)])?;
    Ok(checkpoint)
}

fn read_checkpoint(store: &Store, key: &SigningKey) -> Result<Option<Checkpoint>> {
    let Some(note) = store.read(layout::CHECKPOINT)? else {
        return Ok(None);
    };
    Checkpoint::parse(&note, store.origin(), key.verifier())
        .map(Some)
        .map_err(|error| integrity_of(layout::CHECKPOINT, &error))
}

fn read_minimum(store: &Store, key: &SigningKey) -> Result<u64> {
    let Some(note) = store.read(layout::MINIMUM)? else {
        return Ok(0);
    };
    checkpoint::parse_minimum(&note, store.origin(), key.verifier())
        .map_err(|error| integrity_of(layout::MINIMUM, &error))
}

fn integrity_of(file: &str, error: &JournalError) -> JournalError {
    let said = error.to_string();
    JournalError::integrity(file, None, said.lines().next().unwrap_or_default())
}

fn segment_bases(store: &Store) -> Result<Vec<u64>> {
    let mut bases = Vec::new();
    for name in store.list(layout::SEGMENTS)? {
        let path = format!("{}/{name}", layout::SEGMENTS);
        match layout::place(&path) {
            layout::Place::Segment(base) => bases.push(base),
            _ => {
                return Err(JournalError::integrity(
                    path,
                    None,
                    "no such file belongs here",
                ));
            }
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

fn replay(store: &Store, key: &SigningKey, signed: Checkpoint, bases: &[u64]) -> Result<Recovered> {
    let oldest = bases.first().copied().ok_or_else(|| {
        JournalError::integrity(
            layout::SEGMENTS,
            Some(signed.size()),
            "all segments are missing",
        )
    })?;
    if oldest > signed.size() {
        let what = format!(
            "the checkpoint covers {} entries, but the oldest segment begins at {oldest}: the checkpoint is older than the journal",
            signed.size()
        );
        return Err(JournalError::integrity(
            layout::CHECKPOINT,
            Some(signed.size()),
            what,
        ));
    }
    let files = read_segments(store, bases)?;
    let (segments, cut_bytes) = parse_segments(store, &files, signed.size())?;
    let minimum = read_minimum(store, key)?;
    let mut replay = Replay {
        store,
        view: View::load(store, oldest, signed.clone(), minimum)?,
        leaves: Vec::new(),
        oldest,
        signed,
        written: Written::default(),
    };
    replay.run(&segments)?;
    nothing_beyond(store, replay.view.edge.size())?;
    let Replay {
        view,
        written,
        signed,
        ..
    } = replay;
    let recovery = Recovery {
        entries: view.edge.size(),
        unsigned: view.edge.size() - signed.size(),
        cut_bytes,
        mended: written.mended.clone(),
    };
    compact(store, key, view, &segments, written, recovery)
}

fn read_segments(store: &Store, bases: &[u64]) -> Result<Vec<(u64, Vec<u8>)>> {
    let read = |base: &u64| {
        let name = layout::segment(*base);
        let missing = || JournalError::integrity(&name, Some(*base), "the segment is missing");
        Ok((*base, store.read(&name)?.ok_or_else(missing)?))
    };
    bases.iter().map(read).collect()
}

fn parse_segments<'a>(
    store: &Store,
    files: &'a [(u64, Vec<u8>)],
    signed: u64,
) -> Result<(Vec<Segment<'a>>, u64)> {
    let mut segments = Vec::new();
    for (base, bytes) in files {
        segments.push(segment::read(bytes, store.origin(), *base)?);
    }
    let mut cut = 0;
    if let Some(last) = segments.last_mut() {
        last.drop_torn_text(signed);
        cut = last.torn.map_or(0, |torn| torn.bytes as u64);
    }
    Ok((segments, cut))
}

/// Adds the segments' entries to the tree and holds them against the signed checkpoint.
struct Replay<'a> {
    store: &'a Store,
    view: View,
    /// Leaf hashes from `oldest` on, for entries that two segments hold.
    leaves: Vec<Hash>,
    oldest: u64,
    signed: Checkpoint,
    written: Written,
}

impl Replay<'_> {
    fn run(&mut self, segments: &[Segment<'_>]) -> Result<()> {
        self.check_root()?;
        for segment in segments {
            let size = self.view.edge.size();
            // After a crash while opening, the newest segment repeats the end of the one before.
            if segment.base > size {
                let name = layout::segment(segment.base);
                let what = format!("entries {size} to {} are in no segment", segment.base - 1);
                return Err(JournalError::integrity(name, Some(size), what));
            }
            for (_, frame) in &segment.frames {
                for (index, item) in (frame.first..).zip(&frame.items) {
                    self.add(index, item, segment.base)?;
                }
            }
        }
        let (size, signed) = (self.view.edge.size(), self.signed.size());
        if size < signed {
            let what = format!("{signed} entries were signed, {size} are there");
            let last = segments.last().map_or(self.oldest, |segment| segment.base);
            return Err(JournalError::integrity(
                layout::segment(last),
                Some(size),
                what,
            ));
        }
        Ok(())
    }

    fn add(&mut self, index: u64, item: &Item<'_>, segment: u64) -> Result<()> {
        if index < self.view.edge.size() {
            let known = usize::try_from(index - self.oldest)
                .ok()
                .and_then(|place| self.leaves.get(place));
            if known != Some(&leaf_hash(item.entry)) {
                let what = "two segments hold different entries for one index";
                return Err(JournalError::integrity(
                    layout::segment(segment),
                    Some(index),
                    what,
                ));
            }
            return Ok(());
        }
        let leaf = self
            .view
            .push(self.store, item.entry, Publish::Mend, &mut self.written)?;
        self.leaves.push(leaf);
        self.check_root()
    }

    fn check_root(&self) -> Result<()> {
        if self.view.edge.size() != self.signed.size()
            || self.view.edge.root() == self.signed.root()
        {
            return Ok(());
        }
        let what = format!(
            "the root over the first {} entries is not the signed one",
            self.signed.size()
        );
        Err(JournalError::integrity(layout::CHECKPOINT, None, what))
    }
}

/// Refuses a journal that has published full bundles or tiles beyond the entries that its segments hold: these are
/// published only once their entries are durable, so that no crash leaves them alone.
fn nothing_beyond(store: &Store, size: u64) -> Result<()> {
    let next = size / WIDTH;
    for kind in [layout::Kind::Entries, layout::Kind::Hashes(0)] {
        let path = layout::Resource::full(kind, next).path();
        if store.path(&path).exists() {
            let what = format!(
                "{} entries were published, the segments hold {size}",
                (next + 1) * WIDTH
            );
            return Err(JournalError::integrity(path, Some(size), what));
        }
    }
    Ok(())
}

/// Makes bundles, texts and a fresh segment with the newest entries durable; then the old segments go.
fn compact(
    store: &Store,
    key: &SigningKey,
    mut view: View,
    segments: &[Segment<'_>],
    written: Written,
    mut recovery: Recovery,
) -> Result<Recovered> {
    let full = view.edge.size() / WIDTH * WIDTH;
    for (n, segment) in segments.iter().enumerate() {
        let next = segments.get(n + 1).map_or(u64::MAX, |next| next.base);
        let to = segment.end().min(next).min(full);
        texts::write_file(store, segment, to)?;
    }
    written.settle(store)?;
    let texts = Texts::load(store)?;
    let segment = fresh_segment(store, segments, full, &texts)?;
    for old in segments.iter().filter(|old| old.base != full) {
        store.remove(&layout::segment(old.base))?;
    }
    store.sync(&[store.path(&layout::segment(full))])?;
    recovery.mended.extend(view.mend_partials(store)?);
    view.publish_checkpoint(store, key)?;
    store.sync(&[store.path(layout::CHECKPOINT)])?;
    Ok(Recovered {
        view,
        segment,
        texts,
        recovery,
    })
}

/// A segment from `base` on that holds all entries from there in one frame, durable under its name.
fn fresh_segment(
    store: &Store,
    segments: &[Segment<'_>],
    base: u64,
    texts: &Texts,
) -> Result<OpenSegment> {
    let (mut bytes, mut chain) = segment::head(store.origin(), base);
    let mut frame = FrameBuilder::new(base, Vec::new());
    for segment in segments {
        for (index, item) in segment
            .frames
            .iter()
            .flat_map(|(_, frame)| (frame.first..).zip(&frame.items))
        {
            if index == frame.end() {
                frame.push_item(item)?;
            }
        }
    }
    if frame.count() > 0 {
        let sealed = frame.seal(&chain);
        for item in sealed.items().flatten() {
            if let Some(text) = item.text {
                let at = (bytes.len() + text.offset) as u64;
                texts.add(text.digest, base, at, text.bytes.len());
            }
        }
        chain = sealed.chain;
        bytes.extend_from_slice(&sealed.bytes);
    }
    let file = store.create(&layout::segment(base), &bytes)?;
    Ok(OpenSegment {
        base,
        file,
        chain,
        len: bytes.len() as u64,
    })
}
