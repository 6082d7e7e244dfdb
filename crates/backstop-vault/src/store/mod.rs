//! The store: one directory, created in and never changed, whose every byte a hash covers.
//!
//! What lies where, below the vault's directory (0700, the vault's own user's):
//!
//! - `index`: what happened, one line each, chained (`record.rs`).
//! - `objects/<two letters>/<name>`: what is stored, each file named by the SHA-256 of its bytes.
//! - `sums/<name>`: for objects that came in pieces, the hash of each MiB, so that damage has a place.
//! - `wal/`: segments in which records and small objects first become durable; let go when settled.
//! - `tmp/`: uploads that have not ended. `cosigned/`: the newest checkpoint of each log.
//! - `clock`, `lock`: the server's.
//!
//! There is no function in here that changes or replaces a stored object.

pub mod clock;
mod commit;
pub(crate) mod dir;
pub(crate) mod hashing;
mod incoming;
pub(crate) mod index;
mod late;
pub mod options;
pub mod record;
mod recover;
pub(crate) mod segment;
mod settle;
pub(crate) mod shared;
mod state;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use backstop_core::digest::Digest;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub(crate) use hashing::PIECE;
pub use incoming::{Finished, Incoming};
pub(crate) use late::{in_segment, in_segments, late_records};
pub use options::Options;
pub use recover::Recovery;
pub(crate) use recover::{is_unborn, segment_bytes, segments};

use self::{
    clock::{Clock, Mark, Time},
    commit::{Committer, Job, What},
    dir::Dir,
    incoming::wrong_hash,
    record::{Event, Record},
    settle::{Settle, Settler},
    shared::{Dirs, Shared, stopped},
    state::cost,
};
use crate::{
    error::{Refusal, Result, VaultError},
    label::{Class, Stored},
    protocol::PutHead,
    s3::rebuild,
    seal::sha256,
};

/// How a vault stands, as the gate may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The vault's name: its cosigning key in text.
    pub vault: String,
    /// How many objects there are.
    pub objects: u64,
    /// Bytes they take, blocks counted whole.
    pub used: u64,
    /// Bytes they may take.
    pub capacity: u64,
    /// Bytes that a new object could still take: images, objects, points.
    pub room: [u64; 3],
    /// When the newest record was made: Unix time in milliseconds; 0 for none.
    pub newest_ms: i64,
    /// When the oldest object was stored: Unix time in milliseconds; 0 for none.
    pub oldest_ms: i64,
    /// The newest record's number.
    pub sequence: u64,
    /// The vault's clock: Unix time in milliseconds.
    pub now_ms: i64,
    /// Why deletion is frozen, if it is.
    pub frozen: Option<String>,
    /// Why the vault has stopped, or stores nothing more for now, if that is so.
    pub stopped: Option<String>,
    /// How far the copy in the bucket is, if there is a bucket.
    pub bucket: Option<crate::s3::Mirrored>,
    /// Deletions that are asked for and not done, which anybody enrolled can cancel.
    #[serde(default)]
    pub deletions: Vec<crate::deletion::Scheduled>,
}

/// A vault's directory, open for creating.
pub struct Store {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    settle: mpsc::Sender<Settle>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    uploads: AtomicU64,
    recovery: Recovery,
}

impl Store {
    /// Makes an empty vault in a directory that is there, empty but for its configuration and keys, and
    /// closed to others.
    ///
    /// # Errors
    /// When the directory is not fit, or there is a vault in it already.
    pub fn create(dir: &Path) -> Result<()> {
        let root = Dir::open(dir)?;
        let dirs = Dirs::make(root)?;
        let file = dirs.root.create(index::INDEX, 0o600)?;
        file.sync_all()
            .map_err(|e| VaultError::io("write", dir.join(index::INDEX), e))?;
        dirs.root.sync()
    }

    /// Opens a vault and mends what a crash left. Blocks; reads the whole index.
    ///
    /// # Errors
    /// [`VaultError::Integrity`] when it is not what was written; when another process serves it.
    pub fn open(dir: &Path, options: Options, time: Arc<dyn Time>) -> Result<Self> {
        let root = Dir::open(dir)?;
        let lock = root.lock("lock")?;
        rebuild::must_be_over(&root)?;
        let dirs = Dirs::open(root)?;
        let (state, index, recovery) = recover::recover(&dirs)?;
        let mark = read_mark(&dirs.root)?;
        let newest = state.head().at_ms;
        let (mut clock, jump) = Clock::start(mark, newest, &time.read(), &options);
        if state.frozen.is_some() {
            clock.doubt();
        }
        let shared = Arc::new(Shared::new(dirs, options, time, state, clock, lock));
        if let Some(why) = jump {
            shared.freeze(why);
        }
        shared.keep_clock()?;
        let (jobs, settle, threads) = start(&shared, index)?;
        let store = Self {
            shared,
            jobs,
            settle,
            threads: Mutex::new(threads),
            uploads: AtomicU64::new(0),
            recovery,
        };
        let left = std::mem::take(&mut store.shared.state().last_deleted);
        if !left.is_empty() {
            store.remove_files(&left)?;
        }
        Ok(store)
    }

    /// What opening it found and mended.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Creates an object whose bytes are all here; returns when the disk has it. The same bytes again give
    /// the first answer again.
    ///
    /// # Errors
    /// [`VaultError::Refused`].
    pub async fn put(&self, head: PutHead, bytes: Bytes) -> Result<Stored> {
        head.label.check()?;
        self.shared.check_open()?;
        if bytes.is_empty() || sha256(&bytes) != head.name {
            return Err(wrong_hash());
        }
        // What is there already needs no room: a full vault still says so to whoever asks again.
        if let Some(stored) = self.has(&head.name) {
            return Ok(stored);
        }
        if self.shared.dirs.root.free()? < self.shared.options.keep_free {
            return Err(disk_full());
        }
        let (label, room) = (head.label.clone(), cost(bytes.len() as u64));
        self.shared
            .state()
            .promise(&self.shared.options, &label, room)?;
        let promise = Promise(&self.shared, label, room);
        let record = self.record(What::Small(head, bytes)).await;
        drop(promise);
        stored(record?)
    }

    /// Begins an object that comes in pieces.
    ///
    /// # Errors
    /// [`VaultError::Refused`]; disk errors.
    pub fn begin(&self, label: crate::label::Label) -> Result<Incoming> {
        let number = self.uploads.fetch_add(1, Ordering::Relaxed);
        Incoming::begin(self.shared.clone(), self.jobs.clone(), label, number)
    }

    /// Whether there is such an object; only what is durable counts.
    pub fn has(&self, name: &Digest) -> Option<Stored> {
        self.shared
            .state()
            .objects
            .get(name)
            .map(|entry| entry.stored)
    }

    /// Writes down something that happened.
    pub(crate) async fn note(&self, event: Event) -> Result<Record> {
        self.record(What::Event(event)).await
    }

    async fn record(&self, what: What) -> Result<Record> {
        self.shared.check()?;
        let (done, answer) = oneshot::channel();
        let gone = || stopped(&"its threads have ended");
        self.jobs.send(Job { what, done }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Gives every object its own file now. Blocks.
    ///
    /// # Errors
    /// Disk errors.
    pub fn settle(&self) -> Result<()> {
        let (asked, answer) = mpsc::channel();
        let gone = || stopped(&"its threads have ended");
        self.settle.send(Settle::Now(asked)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    /// Removes the files of objects whose deletion is recorded durably. Blocks.
    pub(crate) fn remove_files(&self, names: &[Digest]) -> Result<()> {
        let dirs = &self.shared.dirs;
        for name in names {
            let hex = name.to_hex();
            // What is still an object is not to be removed, whatever was asked.
            if self.has(name).is_some() {
                continue;
            }
            dirs.objects
                .subdir(hex.get(..2).unwrap_or_default())?
                .remove(&hex)?;
            dirs.sums.remove(&hex)?;
        }
        dirs.root.sync_all()
    }

    /// How things stand; `vault` is the name to put in.
    pub fn status(&self, vault: &str) -> Status {
        let now_ms = self.shared.stamp();
        let state = self.shared.state();
        let options = &self.shared.options;
        Status {
            vault: vault.to_owned(),
            objects: state.objects.len() as u64,
            used: Class::ALL.iter().map(|class| state.used(*class)).sum(),
            capacity: options.capacity,
            room: Class::ALL.map(|class| state.room(options, class)),
            newest_ms: state.head().at_ms,
            oldest_ms: state.oldest_ms().unwrap_or(0),
            sequence: state.head().sequence,
            now_ms,
            frozen: state.frozen.clone(),
            stopped: self
                .shared
                .check_open()
                .err()
                .map(|error| error.outside().what),
            bucket: self.shared.mirror_state(),
            deletions: Vec::new(),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Ends the threads; everything that was acknowledged is settled then. Blocks.
    ///
    /// # Errors
    /// The failure that stopped the store, if one did.
    pub fn close(self) -> Result<()> {
        let Self {
            shared,
            jobs,
            settle,
            threads,
            ..
        } = self;
        drop((jobs, settle));
        let threads = threads.into_inner().unwrap_or_else(PoisonError::into_inner);
        for thread in threads {
            // A thread that panicked has said so, and its channel's end stopped the store.
            let _ = thread.join();
        }
        shared.check()
    }
}

/// Room that was promised to an object until it counts itself.
struct Promise<'a>(&'a Shared, crate::label::Label, u64);

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.0.state().release(&self.1, self.2);
    }
}

/// What a finished upload or put is answered with.
///
/// # Errors
/// [`VaultError::Protocol`] for a record of something else, which cannot be.
pub(crate) fn stored(record: Record) -> Result<Stored> {
    record
        .stored()
        .ok_or_else(|| VaultError::protocol("the record is not of an object"))
}

pub(crate) fn disk_full() -> VaultError {
    VaultError::refused(
        Refusal::Full,
        "the vault's disk is full",
        "free space on the vault's disk; the vault drops nothing, and nothing is destroyed that \
         cannot be stored",
    )
}

fn read_mark(root: &Dir) -> Result<Option<Mark>> {
    let Some(bytes) = root.contents("clock")? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| VaultError::integrity("clock", error.to_string()))
}

type Threads = (mpsc::Sender<Job>, mpsc::Sender<Settle>, Vec<JoinHandle<()>>);

fn start(shared: &Arc<Shared>, index: std::fs::File) -> Result<Threads> {
    let (jobs, asked) = mpsc::channel();
    let (settle, told) = mpsc::channel();
    let (spare, ready) = mpsc::sync_channel(1);
    let committer = Committer::new(shared.clone(), settle.clone(), ready);
    let settler = Settler::new(shared.clone(), index, spare);
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(|e| VaultError::io("start a thread for", shared.dirs.root.path(), e))
    };
    let threads = vec![
        spawn("vault-commit", Box::new(move || committer.run(&asked)))?,
        spawn("vault-settle", Box::new(move || settler.run(&told)))?,
    ];
    Ok((jobs, settle, threads))
}
