//! The settling thread: gives what is durable in a segment its place among the files that other tools open,
//! and lets go of a segment only when all of it is there.
//!
//! Order: objects, then a sync, then the lines of the index, then a sync, then the segment may go. A crash
//! anywhere in between is mended from the segment by `recover.rs`.

use std::{
    collections::{BTreeSet, HashSet},
    fs::File,
    io::Write as _,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use backstop_core::digest::Digest;

use super::{
    commit::{SPARE, Written, weight},
    dir::{Dir, is_missing},
    record::Event,
    segment,
    shared::{Dirs, Shared},
};
use crate::error::{Result, VaultError};

/// Bytes of objects that wait at most before they are settled.
const HEAP: usize = 8 << 20;
/// How often the clock is written down.
const CLOCK: Duration = Duration::from_secs(10);

/// What the settling thread is told.
pub(crate) enum Settle {
    /// A record is durable in a segment.
    Written(Box<Written>),
    /// A segment was begun after this record.
    Begun(u64),
    /// Do it now, and say so.
    Now(mpsc::Sender<Result<()>>),
}

pub(crate) struct Settler {
    shared: Arc<Shared>,
    index: File,
    spare: mpsc::SyncSender<Result<File>>,
    heap: Vec<Written>,
    heap_bytes: usize,
    since: Option<Instant>,
    segments: BTreeSet<u64>,
    kept_clock: Instant,
}

impl Settler {
    pub(crate) fn new(
        shared: Arc<Shared>,
        index: File,
        spare: mpsc::SyncSender<Result<File>>,
    ) -> Self {
        Self {
            shared,
            index,
            spare,
            heap: Vec::new(),
            heap_bytes: 0,
            since: None,
            segments: BTreeSet::new(),
            kept_clock: Instant::now(),
        }
    }

    /// Runs until nobody writes any more, then settles what is left.
    pub(crate) fn run(mut self, told: &mpsc::Receiver<Settle>) {
        self.offer_spare();
        loop {
            let more = told.recv_timeout(self.patience());
            let over = matches!(more, Err(mpsc::RecvTimeoutError::Disconnected));
            let asked = more.ok().and_then(|one| self.take(one));
            if over || asked.is_some() || self.is_due() {
                let done = self.settle();
                if let Err(error) = &done {
                    self.shared.fail(error);
                }
                if let Some(asked) = asked {
                    let _ = asked.send(done);
                }
            }
            if over {
                self.leave();
                return;
            }
            self.keep_clock();
        }
    }

    /// An orderly end: everything has its place, so that no segment is left to be doubted.
    fn leave(&mut self) {
        let left = || -> Result<()> {
            self.shared.check()?;
            let wal = &self.shared.dirs.wal;
            for base in &self.segments {
                wal.remove(&segment::file_name(*base))?;
            }
            wal.remove(SPARE)?;
            self.shared.keep_clock()
        };
        if let Err(error) = left() {
            tracing::warn!(%error, "the vault was not left in order; it mends that when it starts");
        }
    }

    fn patience(&self) -> Duration {
        let left = self
            .since
            .map(|since| self.shared.options.settle.saturating_sub(since.elapsed()));
        left.unwrap_or(CLOCK).min(CLOCK)
    }

    fn take(&mut self, told: Settle) -> Option<mpsc::Sender<Result<()>>> {
        match told {
            Settle::Written(one) => {
                self.heap_bytes += one.object.len();
                self.heap.push(*one);
                self.since.get_or_insert_with(Instant::now);
            }
            Settle::Begun(base) => {
                self.segments.insert(base);
                self.offer_spare();
            }
            Settle::Now(asked) => return Some(asked),
        }
        None
    }

    fn is_due(&self) -> bool {
        let late = self
            .since
            .is_some_and(|since| since.elapsed() >= self.shared.options.settle);
        late || self.heap_bytes >= HEAP
    }

    /// Gets the next segment ready, so that no put waits for that.
    fn offer_spare(&self) {
        let made = make_spare(&self.shared.dirs.wal);
        let _ = self.spare.try_send(made);
    }

    fn keep_clock(&mut self) {
        if self.kept_clock.elapsed() < CLOCK {
            return;
        }
        self.kept_clock = Instant::now();
        self.shared.stamp();
        if let Err(error) = self.shared.keep_clock() {
            self.shared.fail(&error);
        }
    }

    fn settle(&mut self) -> Result<()> {
        self.since = None;
        self.heap_bytes = 0;
        let heap = std::mem::take(&mut self.heap);
        let Some(last) = heap.last().map(|one| one.record.sequence) else {
            return Ok(());
        };
        place(&self.shared.dirs, &heap)?;
        append(&mut self.index, &heap)?;
        self.shared.unqueue(weight(&heap));
        self.let_go(last)
    }

    /// Removes the segments of which everything is settled.
    fn let_go(&mut self, settled: u64) -> Result<()> {
        while let (Some(first), Some(second)) = {
            let mut bases = self.segments.iter().copied();
            (bases.next(), bases.next())
        } {
            // A segment ends where the next begins.
            if second > settled {
                break;
            }
            self.shared.dirs.wal.remove(&segment::file_name(first))?;
            self.segments.remove(&first);
        }
        Ok(())
    }
}

/// Writes the files of some records' objects and makes them durable.
pub(crate) fn place(dirs: &Dirs, heap: &[Written]) -> Result<()> {
    let mut made = Vec::new();
    let mut folders = HashSet::new();
    for one in heap {
        let Event::Stored(object) = &one.record.event else {
            continue;
        };
        let hex = object.name.to_hex();
        let folder = folder(&dirs.objects, &object.name)?;
        if object.sums.is_some() {
            adopt(dirs, &folder, &object.name)?;
        } else {
            made.push(create(&folder, &hex, &one.object)?);
        }
        folders.insert(hex.chars().take(2).collect::<String>());
    }
    // A few files are synced one by one, so that nobody waits for what others write to this disk.
    if made.len() > 16 {
        return dirs.objects.sync_all();
    }
    for file in &made {
        file.sync_data()
            .map_err(|e| VaultError::io("sync", dirs.objects.path(), e))?;
    }
    for name in folders {
        dirs.objects.existing(&name)?.sync()?;
    }
    dirs.objects.sync()
}

/// The folder that an object's file lies in, named by its first two letters.
fn folder(objects: &Dir, name: &Digest) -> Result<Dir> {
    let hex = name.to_hex();
    objects.subdir(hex.get(..2).unwrap_or_default())
}

/// Writes a small object's file; one that a crash left half-written is written anew.
fn create(folder: &Dir, hex: &str, bytes: &[u8]) -> Result<File> {
    folder.remove(hex)?;
    let mut file = folder.create(hex, 0o400)?;
    file.write_all(bytes)
        .map_err(|e| VaultError::io("write to", folder.path().join(hex), e))?;
    Ok(file)
}

/// Moves a large object, which is durable already, to its place; a crash may have done so before.
fn adopt(dirs: &Dirs, folder: &Dir, name: &Digest) -> Result<()> {
    let hex = name.to_hex();
    let sums = format!("{hex}.sums");
    for (from, to, new) in [(&sums, &dirs.sums, &hex), (&hex, folder, &hex)] {
        match dirs.tmp.rename(from, to, new) {
            Err(error) if is_missing(&error) => drop(to.read(new)?),
            other => other?,
        }
    }
    dirs.sums.sync()
}

/// Appends the records' lines to the index and makes them durable.
pub(crate) fn append(index: &mut File, heap: &[Written]) -> Result<()> {
    let lines: Vec<u8> = heap
        .iter()
        .flat_map(|one| one.line.iter().copied())
        .collect();
    index
        .write_all(&lines)
        .and_then(|()| index.sync_data())
        .map_err(|e| VaultError::io("write to", "index", e))
}

/// A segment full of zeros, synced.
fn make_spare(wal: &Dir) -> Result<File> {
    wal.remove(SPARE)?;
    let mut file = wal.create(SPARE, 0o600)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..segment::SIZE >> 20 {
        file.write_all(&zeros)
            .map_err(|e| VaultError::io("write to", wal.path(), e))?;
    }
    file.sync_all()
        .map_err(|e| VaultError::io("sync", wal.path(), e))?;
    wal.sync()?;
    Ok(file)
}
