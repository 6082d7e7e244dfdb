//! What the store's threads and its callers share: the directory, the state, the clock, the first failure.

use std::{
    fs::File,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use super::{
    clock::{Clock, Time},
    dir::Dir,
    options::Options,
    state::State,
};
use crate::{
    error::{Refusal, Result, VaultError},
    s3::Mirrored,
};

/// Bytes of objects that may wait in memory for their files; then new ones wait to be committed.
const BACKLOG: usize = 64 << 20;

/// The directories of a vault.
pub(crate) struct Dirs {
    pub(crate) root: Dir,
    pub(crate) objects: Dir,
    pub(crate) sums: Dir,
    pub(crate) wal: Dir,
    pub(crate) tmp: Dir,
    pub(crate) cosigned: Dir,
}

impl Dirs {
    /// Makes what is missing.
    pub(crate) fn make(root: Dir) -> Result<Self> {
        Ok(Self {
            objects: root.subdir("objects")?,
            sums: root.subdir("sums")?,
            wal: root.subdir("wal")?,
            tmp: root.subdir("tmp")?,
            cosigned: root.subdir("cosigned")?,
            root,
        })
    }

    /// Opens what must be there.
    pub(crate) fn open(root: Dir) -> Result<Self> {
        Ok(Self {
            objects: root.existing("objects")?,
            sums: root.existing("sums")?,
            wal: root.existing("wal")?,
            tmp: root.existing("tmp")?,
            cosigned: root.existing("cosigned")?,
            root,
        })
    }
}

pub(crate) struct Shared {
    pub(crate) dirs: Dirs,
    pub(crate) options: Options,
    pub(crate) time: Arc<dyn Time>,
    state: Mutex<State>,
    clock: Mutex<Clock>,
    /// Held while the clock's file is written: two at once would write each other's.
    keeping_clock: Mutex<()>,
    failed: OnceLock<VaultError>,
    jump: Mutex<Option<String>>,
    /// Why nothing more is stored for now, if it is not.
    closed: Mutex<Option<String>>,
    mirrored: Mutex<Option<Mirrored>>,
    /// Bytes of objects that are durable and wait in memory for their files.
    backlog: Mutex<usize>,
    settled: Condvar,
    /// Held as long as the store is.
    _lock: File,
}

impl Shared {
    pub(crate) fn new(
        dirs: Dirs,
        options: Options,
        time: Arc<dyn Time>,
        state: State,
        clock: Clock,
        lock: File,
    ) -> Self {
        Self {
            dirs,
            options,
            time,
            state: Mutex::new(state),
            clock: Mutex::new(clock),
            keeping_clock: Mutex::default(),
            failed: OnceLock::new(),
            jump: Mutex::new(None),
            closed: Mutex::new(None),
            mirrored: Mutex::new(None),
            backlog: Mutex::new(0),
            settled: Condvar::new(),
            _lock: lock,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time. A jump of the clock that is seen here first freezes deletion, and waits to be recorded.
    pub(crate) fn stamp(&self) -> i64 {
        let (at_ms, jump) = self.clock().stamp(&self.time.read());
        if let Some(why) = jump {
            self.freeze(why);
        }
        at_ms
    }

    /// Freezes deletion.
    pub(crate) fn freeze(&self, why: String) {
        tracing::warn!(%why, "deletion is frozen");
        self.state().frozen.get_or_insert_with(|| why.clone());
        *self.jump.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// A jump that has not been recorded.
    pub(crate) fn take_jump(&self) -> Option<String> {
        self.jump
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Refuses to store more, or takes that back.
    pub(crate) fn close(&self, why: Option<String>) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Refuses when nothing more is to be stored.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.check()?;
        match &*self.closed.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(why) => Err(VaultError::refused(
                Refusal::Stopped,
                format!("the vault stores nothing more: {why}"),
                "see the vault's log; `[bucket]` in vault.toml is about it",
            )),
        }
    }

    /// Waits until what waits for its files leaves room in memory, then counts `bytes` more. Blocks.
    pub(crate) fn queue(&self, bytes: usize) {
        let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        while *backlog > BACKLOG && self.check().is_ok() {
            let waited = self
                .settled
                .wait_timeout(backlog, Duration::from_millis(100));
            backlog = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *backlog += bytes;
    }

    /// Counts what has its files.
    pub(crate) fn unqueue(&self, bytes: usize) {
        let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        *backlog = backlog.saturating_sub(bytes);
        self.settled.notify_all();
    }

    /// Notes how far the copy in the bucket is.
    pub(crate) fn mirrored(&self, change: impl FnOnce(&mut Mirrored)) {
        let mut state = self.mirrored.lock().unwrap_or_else(PoisonError::into_inner);
        change(state.get_or_insert_default());
    }

    /// How far the copy in the bucket is, if there is one.
    pub(crate) fn mirror_state(&self) -> Option<Mirrored> {
        self.mirrored
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes down what the clock is, so that a jump across a restart is noticed.
    pub(crate) fn keep_clock(&self) -> Result<()> {
        let _alone = self
            .keeping_clock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mark = self.clock().mark().clone();
        let text = serde_json::to_vec(&mark).map_err(|e| VaultError::protocol(e.to_string()))?;
        self.dirs.root.replace("clock", &text, 0o600)
    }

    /// Stops the store: what is on the disk is no longer known.
    pub(crate) fn fail(&self, error: &VaultError) {
        if self.failed.set(error.clone()).is_ok() {
            tracing::error!(%error, "the vault has stopped");
        }
    }

    /// Refuses when the store has stopped.
    pub(crate) fn check(&self) -> Result<()> {
        match self.failed.get() {
            None => Ok(()),
            Some(error) => Err(stopped(error)),
        }
    }
}

pub(crate) fn stopped(why: &dyn std::fmt::Display) -> VaultError {
    let why = why.to_string();
    VaultError::refused(
        Refusal::Stopped,
        format!(
            "the vault has stopped: {}",
            why.lines().next().unwrap_or_default()
        ),
        "mend the cause on the vault's machine and restart it; nothing is lost that it acknowledged",
    )
}
