//! What the store's threads and its callers share: the directory, the state, the clock, the first failure.

use std::{
    fs::File,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{
    clock::{Clock, Time},
    dir::Dir,
    options::Options,
    state::State,
};
use crate::error::{Refusal, Result, VaultError};

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
    failed: OnceLock<VaultError>,
    jump: Mutex<Option<String>>,
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
            failed: OnceLock::new(),
            jump: Mutex::new(None),
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

    /// Writes down what the clock is, so that a jump across a restart is noticed.
    pub(crate) fn keep_clock(&self) -> Result<()> {
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
