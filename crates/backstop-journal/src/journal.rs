//! The journal as its callers see it: append, wait until durable, read, prove, close.
//!
//! Opaque to what entries mean. Nothing here acts on anything: whoever acts first appends, then waits
//! for `durable`, and does nothing when that gives an error.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    bundle::{self, WIDTH},
    checkpoint::{self, Checkpoint},
    commit::Committer,
    disk::{Disk, RealDisk},
    durable::Durable,
    error::{JournalError, Result},
    hash::Hash,
    key::SigningKey,
    layout::{self, Kind, Resource},
    proofs::Tiles,
    publish::{CHECKPOINT_EVERY, Publisher, Work},
    recover::{self, Recovery},
    retire,
    shared::Shared,
    store::Store,
    text::{SealedText, TextDigest, TextState},
    view::Written,
};

/// Frames on their way to the publish thread before commits wait for it.
const FRAMES_AHEAD: usize = 64;

/// How a journal commits and publishes.
#[derive(Clone)]
pub struct Options {
    /// How long an entry that nobody waits for may stay in memory.
    pub linger: Duration,
    /// A frame of this many bytes goes out even if nobody waits.
    pub flush_bytes: usize,
    /// Beyond this many bytes in memory, `append` blocks.
    pub queue_bytes: usize,
    /// A segment of this many bytes ends at the next full bundle.
    pub segment_bytes: u64,
    /// The longest time between checkpoints while entries come.
    pub checkpoint_every: Duration,
    /// How files are written.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(50),
            flush_bytes: 1 << 20,
            queue_bytes: 8 << 20,
            segment_bytes: 32 << 20,
            checkpoint_every: CHECKPOINT_EVERY,
            disk: Arc::new(RealDisk),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("linger", &self.linger)
            .field("flush_bytes", &self.flush_bytes)
            .field("queue_bytes", &self.queue_bytes)
            .field("segment_bytes", &self.segment_bytes)
            .field("checkpoint_every", &self.checkpoint_every)
            .finish_non_exhaustive()
    }
}

/// The place of an appended entry. It is not yet durable: see [`Journal::durable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[must_use = "an appended entry is not durable until `durable` has said so"]
pub struct Ticket {
    /// The entry's index; the first entry of a log is 0.
    pub index: u64,
}

/// A log in a directory, open for writing. One directory has one writer.
pub struct Journal {
    shared: Arc<Shared>,
    publisher: SyncSender<Work>,
    threads: Vec<JoinHandle<()>>,
    recovery: Recovery,
    _lock: File,
}

impl Journal {
    /// Opens the log in `dir`, or starts it. `origin` names the log for ever; `key` signs its checkpoints.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Io`], and [`JournalError::Integrity`] if what is there
    /// is anything but a log with at most an unfinished last write.
    pub fn open(dir: &Path, origin: &str, key: SigningKey, options: Options) -> Result<Self> {
        options
            .disk
            .create_dir(dir)
            .map_err(|source| JournalError::io("create the directory", dir, source))?;
        let lock = take_lock(dir)?;
        let store = Store::new(dir, origin, Arc::clone(&options.disk));
        let recovered = recover::recover(&store, &key)?;
        let recovery = recovered.recovery;
        if recovery.cut_bytes > 0 || !recovery.mended.is_empty() {
            tracing::warn!(
                ?recovery,
                "the journal was not closed properly; it has been mended"
            );
        }
        let base = recovered.segment.base;
        let shared = Shared::new(store, key, options, recovered.view, recovered.texts, base);
        let shared = Arc::new(shared);
        let (publisher, frames) = mpsc::sync_channel(FRAMES_AHEAD);
        let (retirer, retirements) = mpsc::channel();
        let committing = Committer {
            shared: Arc::clone(&shared),
            segment: recovered.segment,
            publisher: publisher.clone(),
        };
        let publishing = Publisher {
            shared: Arc::clone(&shared),
            work: frames,
            retirer,
            written: Written::default(),
            asked: Vec::new(),
            due: None,
        };
        let retiring = Arc::clone(&shared);
        let threads = vec![
            spawn("journal-commit", move || committing.run())?,
            spawn("journal-publish", move || publishing.run())?,
            spawn("journal-retire", move || {
                retire::run(&retiring, &retirements)
            })?,
        ];
        Ok(Self {
            shared,
            publisher,
            threads,
            recovery,
            _lock: lock,
        })
    }

    /// What opening found and mended.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Appends an entry of at most [`crate::MAX_ENTRY`] bytes, with its sealed text if it has one.
    /// Cheap, callable from any thread; the index is given in the order of calls.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`]; [`JournalError::Failed`] after any failure; [`JournalError::Closed`].
    pub fn append(&self, entry: &[u8], text: Option<&SealedText>) -> Result<Ticket> {
        self.shared.push(entry, text).map(|index| Ticket { index })
    }

    /// Resolves when the entry and all before it are durable. Calling it is what makes the journal
    /// hurry: entries that nobody waits for share a later write.
    pub fn durable(&self, index: u64) -> Durable {
        self.shared.want(index);
        Durable::new(Arc::clone(&self.shared.progress), index)
    }

    /// Blocks until the entry and all before it are durable. Not for async code.
    ///
    /// # Errors
    /// [`JournalError::Failed`] if it never will be.
    pub fn wait_durable(&self, index: u64) -> Result<()> {
        self.durable(index).wait()
    }

    /// Why the journal has stopped, if it has.
    pub fn failure(&self) -> Option<JournalError> {
        self.shared.progress.failure()
    }

    /// How many entries are durable.
    pub fn size(&self) -> u64 {
        self.shared.progress.durable()
    }

    /// The oldest entry that is kept: 0 until something was pruned.
    pub fn oldest(&self) -> u64 {
        self.shared.view().minimum
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        self.shared.store.origin()
    }

    /// The Merkle root over the first `size` durable entries.
    ///
    /// # Errors
    /// [`JournalError::NoProof`] if there are not so many; reading errors.
    pub fn root(&self, size: u64) -> Result<Hash> {
        self.tiles()?.root(size)
    }

    /// The newest published checkpoint. It may be up to an interval behind [`Journal::size`].
    pub fn checkpoint(&self) -> Checkpoint {
        self.shared.view().checkpoint.clone()
    }

    /// Makes everything appended so far durable and publishes a checkpoint of it. Blocks.
    ///
    /// # Errors
    /// [`JournalError::Failed`] or [`JournalError::Closed`].
    pub fn checkpoint_now(&self) -> Result<Checkpoint> {
        let size = self.shared.appended();
        if let Some(last) = size.checked_sub(1) {
            self.wait_durable(last)?;
        }
        let (reply, answer) = mpsc::sync_channel(1);
        let stopped = || self.failure().unwrap_or(JournalError::Closed);
        self.publisher
            .send(Work::Checkpoint { size, reply })
            .map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())?
    }

    /// The bytes of a durable entry.
    ///
    /// # Errors
    /// [`JournalError::NoEntry`], [`JournalError::Pruned`], reading errors.
    pub fn read(&self, index: u64) -> Result<Vec<u8>> {
        let (_, bundle) = self.bundle(index)?;
        let place = usize::try_from(index % WIDTH).unwrap_or(usize::MAX);
        bundle.into_iter().nth(place).ok_or_else(|| {
            let name = Resource::full(Kind::Entries, index / WIDTH).path();
            JournalError::integrity(name, Some(index), "the bundle lacks the entry")
        })
    }

    /// The first kept entry that `late` says yes to, or the log's size. `late` must say yes to all entries after one
    /// that it says yes to: few entries are read, by halving.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub fn first_where(&self, late: impl Fn(&[u8]) -> bool) -> Result<u64> {
        let (mut low, mut high) = (self.oldest(), self.size());
        while low < high {
            let middle = low + (high - low) / 2;
            if late(&self.read(middle)?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// The durable entries from `from` on, with their indexes, until there are no more.
    pub fn iter(&self, from: u64) -> impl Iterator<Item = Result<(u64, Vec<u8>)>> + '_ {
        let mut next = from;
        let mut ready = Vec::new().into_iter();
        std::iter::from_fn(move || {
            if ready.len() == 0 {
                if next >= self.size() {
                    return None;
                }
                match self.bundle(next) {
                    Ok((first, entries)) => {
                        let skip = usize::try_from(next - first).unwrap_or(usize::MAX);
                        ready = entries
                            .into_iter()
                            .skip(skip)
                            .collect::<Vec<_>>()
                            .into_iter();
                    }
                    Err(error) => {
                        next = u64::MAX;
                        return Some(Err(error));
                    }
                }
            }
            let entry = ready.next()?;
            let index = next;
            next += 1;
            Some(Ok((index, entry)))
        })
    }

    /// The entries of the bundle that holds `index`, and the index of the first.
    fn bundle(&self, index: u64) -> Result<(u64, Vec<Vec<u8>>)> {
        let own = |entries: Vec<&[u8]>| entries.into_iter().map(<[u8]>::to_vec).collect();
        {
            let view = self.shared.settled_view()?;
            let size = view.edge.size();
            if index >= size {
                return Err(JournalError::NoEntry { index, size });
            }
            if index < view.minimum {
                return Err(JournalError::Pruned {
                    index,
                    minimum: view.minimum,
                });
            }
            let (first, newest) = view.newest();
            if index >= first {
                return Ok((first, own(newest)));
            }
        }
        let name = Resource::full(Kind::Entries, index / WIDTH).path();
        let Some(bytes) = self.shared.store.read(&name)? else {
            // It may have been pruned between the look above and now.
            let minimum = self.oldest();
            return Err(if index < minimum {
                JournalError::Pruned { index, minimum }
            } else {
                JournalError::integrity(&name, Some(index), "the bundle is missing")
            });
        };
        let entries = bundle::parse(&bytes)
            .map_err(|what| JournalError::integrity(&name, Some(index), what))?;
        Ok((index / WIDTH * WIDTH, own(entries)))
    }

    /// The proof that entry `index` is in the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`JournalError::NoProof`] if there is none; reading errors.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>> {
        self.tiles()?.inclusion(index, size)
    }

    /// The proof that the tree of `old` entries is a prefix of the tree of `new` ones.
    ///
    /// # Errors
    /// [`JournalError::NoProof`] if there is none; reading errors.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        self.tiles()?.consistency(old, new)
    }

    fn tiles(&self) -> Result<Tiles<'_>> {
        let edge = self.shared.settled_view()?.edge.clone();
        Ok(Tiles::new(&self.shared.store, edge))
    }

    /// A sealed text by its digest.
    ///
    /// # Errors
    /// [`JournalError::Integrity`] if what is stored is not the text; reading errors.
    pub fn text(&self, digest: TextDigest) -> Result<TextState> {
        drop(self.shared.settled_view()?);
        self.shared.texts.get(&self.shared.store, digest)
    }

    /// Erases a sealed text for good; the log stays whole. Tells whether there was one. Blocks.
    ///
    /// # Errors
    /// [`JournalError::Failed`], writing errors; after those, erase again.
    pub fn erase(&self, digest: TextDigest) -> Result<bool> {
        // An erased text must belong to a signed entry, lest recovery take it for a torn write.
        self.checkpoint_now()?;
        self.shared.texts.erase(&self.shared.store, digest)
    }

    /// Which entry would be the oldest one kept if all before `before` were pruned now: bundles go
    /// whole, and only once they are signed and no segment holds their entries. Never one pruned already.
    pub fn prunable(&self, before: u64) -> u64 {
        let signed = self.checkpoint().size();
        let limit = before.min(signed).min(self.shared.oldest_segment());
        (limit / WIDTH * WIDTH).max(self.oldest())
    }

    /// Removes the bundles and texts that hold only entries before `before`, as far as
    /// [`Journal::prunable`] (tlog-tiles, "Pruning"); their hashes stay, so all proofs still hold. Gives
    /// the oldest index that is kept. A crash in between leaves files that the next pruning removes.
    /// Blocks, but nobody who appends or reads.
    ///
    /// # Errors
    /// [`JournalError::Failed`], writing errors; after those, prune again.
    pub fn prune_entries(&self, before: u64) -> Result<u64> {
        self.checkpoint_now()?;
        let minimum = self.prunable(before);
        let store = &self.shared.store;
        if minimum > self.oldest() {
            let note = checkpoint::sign_minimum(store.origin(), minimum, &self.shared.key)?;
            store.publish(layout::MINIMUM, &note, true)?;
            store.sync(&[store.path(layout::MINIMUM)])?;
            self.shared.view().minimum = minimum;
        }
        for index in pruned_bundles(store, minimum)? {
            store.remove(&Resource::full(Kind::Entries, index).path())?;
        }
        self.shared.texts.prune(store, minimum)?;
        Ok(minimum)
    }

    /// Writes and signs everything, and leaves the directory without anything stored twice. Blocks.
    ///
    /// # Errors
    /// The failure, if the journal had failed.
    pub fn close(mut self) -> Result<()> {
        self.stop();
        if let Some(error) = self.failure() {
            return Err(error);
        }
        self.shared.progress.fail(JournalError::Closed);
        recover::recover(&self.shared.store, &self.shared.key).map(drop)
    }

    fn stop(&mut self) {
        self.shared.begin_close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has stopped the journal already.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop();
        self.shared.progress.fail(JournalError::Closed);
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("origin", &self.origin())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

fn take_lock(dir: &Path) -> Result<File> {
    let path = dir.join(layout::LOCK);
    let io = |source| JournalError::io("lock", &path, source);
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked {
            path: dir.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|source| JournalError::io("start the thread", name, source))
}

/// The full bundles that hold only entries before `minimum` and are still there.
fn pruned_bundles(store: &Store, minimum: u64) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut dirs = vec![format!("{}/entries", layout::TILE)];
    while let Some(dir) = dirs.pop() {
        for name in store.list(&dir)? {
            let path = format!("{dir}/{name}");
            match layout::place(&path) {
                layout::Place::Resource(bundle)
                    if bundle.width == WIDTH && (bundle.index + 1) * WIDTH <= minimum =>
                {
                    found.push(bundle.index);
                }
                layout::Place::Unknown if name.starts_with('x') => dirs.push(path),
                _ => {}
            }
        }
    }
    Ok(found)
}
