//! The store itself: one writer at a time, journal first, then state, index and signals.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use backstop_core::approval::Challenge;
use backstop_core::digest::Digest;
use backstop_core::entry::{Control, Event};
use backstop_core::hold::{HoldRecord, HoldState, HoldText};
use backstop_core::lease::{LeaseRecord, LeaseState};
use tokio::sync::{broadcast, watch};

use crate::clock::Clock;
use crate::enrol::Invitation;
use crate::error::StoreError;
use crate::index::Index;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::seal::{SealKey, random};
use crate::signal::{Change, LeaseSignal};
use crate::state::State;

/// What a store is opened with.
pub struct Options {
    /// The index file.
    pub index: PathBuf,
    /// The journal.
    pub ledger: Arc<dyn Ledger>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The installation's key.
    pub key: SealKey,
    /// Bounds on holds.
    pub limits: Limits,
}

/// Leases, holds, approvals and people. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) state: RwLock<State>,
    /// Held from looking to having applied, so that no two changes race.
    pub(crate) writing: tokio::sync::Mutex<()>,
    index: Mutex<Index>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) key: SealKey,
    pub(crate) limits: Limits,
    pub(crate) challenges: Mutex<HashMap<String, Challenge>>,
    pub(crate) invitations: Mutex<HashMap<String, Invitation>>,
    changes: broadcast::Sender<Change>,
    leases: Mutex<HashMap<String, watch::Sender<LeaseSignal>>>,
    holds: Mutex<HashMap<String, watch::Sender<HoldState>>>,
}

impl Store {
    /// Opens the store and brings the index up to the journal's last entry.
    ///
    /// # Errors
    /// When the index cannot be used, or knows more than the journal.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let mut index = Index::open(&options.index)?;
        let mut state = index.load()?;
        let journal = options.ledger.size();
        if state.applied > journal {
            return Err(StoreError::JournalSetBack {
                index: state.applied,
                journal,
            });
        }
        catch_up(&mut state, &mut index, options.ledger.as_ref())?;
        options.clock.at_least(state.last_ms);
        Ok(Self {
            inner: Arc::new(Inner {
                state: RwLock::new(state),
                writing: tokio::sync::Mutex::new(()),
                index: Mutex::new(index),
                ledger: options.ledger,
                clock: options.clock,
                key: options.key,
                limits: options.limits,
                challenges: Mutex::default(),
                invitations: Mutex::default(),
                changes: broadcast::channel(1024).0,
                leases: Mutex::default(),
                holds: Mutex::default(),
            }),
        })
    }

    /// Builds the index anew from the journal alone, and says how many entries it took.
    ///
    /// # Errors
    /// When the index cannot be written or the journal not be read.
    pub fn rebuild(index: &std::path::Path, ledger: &dyn Ledger) -> Result<u64, StoreError> {
        let mut index = Index::open(index)?;
        index.clear()?;
        let mut state = State::default();
        catch_up(&mut state, &mut index, ledger)?;
        Ok(state.applied)
    }

    /// A copy of everything as it is now.
    #[must_use]
    pub fn snapshot(&self) -> State {
        self.state().clone()
    }

    /// What is true now, for a short look: holds a lock.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.inner
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Unix time in milliseconds, by the store's clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    /// The installation's key.
    #[must_use]
    pub fn key(&self) -> &SealKey {
        &self.inner.key
    }

    /// A lease.
    #[must_use]
    pub fn lease(&self, id: &str) -> Option<LeaseRecord> {
        self.state().leases.get(id).cloned()
    }

    /// A hold.
    #[must_use]
    pub fn hold(&self, id: &str) -> Option<HoldRecord> {
        self.state().holds.get(id).cloned()
    }

    /// What a person sees of a hold besides the hold itself; `None` once it was erased.
    ///
    /// # Errors
    /// When there is no such hold, or its text was changed.
    pub fn hold_text(&self, id: &str) -> Result<Option<HoldText>, StoreError> {
        let digest = self.state().texts.get(id).copied();
        let digest = digest.ok_or_else(|| StoreError::Unknown {
            what: "hold",
            id: id.to_owned(),
        })?;
        let Some(sealed) = self.inner.ledger.text(digest)? else {
            return Ok(None);
        };
        let plain = self.inner.key.open(b"hold text", &sealed)?;
        Ok(Some(serde_json::from_slice(&plain)?))
    }

    /// Everything that changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// The lease's standing, kept current.
    #[must_use]
    pub fn watch_lease(&self, id: &str) -> Option<watch::Receiver<LeaseSignal>> {
        let state = self.state();
        let record = state.leases.get(id)?;
        let mut leases = self
            .inner
            .leases
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let sender = leases
            .entry(id.to_owned())
            .or_insert_with(|| watch::channel(signal_of(&state, record, 0)).0);
        Some(sender.subscribe())
    }

    /// The hold's state, kept current.
    #[must_use]
    pub fn watch_hold(&self, id: &str) -> Option<watch::Receiver<HoldState>> {
        let state = self.state();
        let record = state.holds.get(id)?;
        let mut holds = self
            .inner
            .holds
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        holds.retain(|_, sender| sender.receiver_count() > 0);
        let sender = holds
            .entry(id.to_owned())
            .or_insert_with(|| watch::channel(record.state.clone()).0);
        Some(sender.subscribe())
    }

    /// Writes an event that changes nothing but the record: start, stop, a mismatch.
    ///
    /// # Errors
    /// When the journal does not take it.
    pub async fn note(&self, event: Event) -> Result<(), StoreError> {
        let writing = self.inner.writing.lock().await;
        self.record(&writing, event, vec![]).await
    }

    /// Journal first, then state, then index, then those who wait for it.
    pub(crate) async fn record(
        &self,
        _writing: &tokio::sync::MutexGuard<'_, ()>,
        event: Event,
        texts: Vec<(Digest, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        let entry = Control {
            at_ms: self.now_ms(),
            event,
        };
        self.inner.ledger.append(&entry, texts).await?;
        let changes = {
            let mut state = self
                .inner
                .state
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            state.apply(&entry)
        };
        self.index(&changes);
        self.tell(changes);
        Ok(())
    }

    /// The index may lag: it is brought up to the journal when it is opened next.
    fn index(&self, changes: &[Change]) {
        let mut index = self
            .inner
            .index
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = index.write(&self.state(), changes) {
            tracing::error!(%error, "the index was not written; it will be rebuilt from the journal");
        }
    }

    fn tell(&self, changes: Vec<Change>) {
        for change in changes {
            match &change {
                Change::Lease(id) => self.signal_lease(id),
                Change::Hold(id) => self.signal_hold(id),
                Change::Everything => self.signal_all(),
                Change::People | Change::Points(_) => {}
            }
            // Nobody listening is fine.
            let _ = self.inner.changes.send(change);
        }
    }

    fn signal_lease(&self, id: &str) {
        let state = self.state();
        let leases = self
            .inner
            .leases
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let (Some(sender), Some(record)) = (leases.get(id), state.leases.get(id)) {
            sender.send_modify(|s| *s = signal_of(&state, record, s.generation + 1));
        }
    }

    fn signal_hold(&self, id: &str) {
        let state = self.state();
        let holds = self
            .inner
            .holds
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let (Some(sender), Some(record)) = (holds.get(id), state.holds.get(id)) {
            sender.send_replace(record.state.clone());
        }
    }

    fn signal_all(&self) {
        let ids: Vec<String> = {
            let leases = self
                .inner
                .leases
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            leases.keys().cloned().collect()
        };
        ids.iter().for_each(|id| self.signal_lease(id));
    }

    pub(crate) fn make_id(prefix: &str) -> Result<String, StoreError> {
        Ok(backstop_core::id::make(prefix, random::<10>()?))
    }
}

fn catch_up(state: &mut State, index: &mut Index, ledger: &dyn Ledger) -> Result<(), StoreError> {
    while state.applied < ledger.size() {
        let entry = ledger.read(state.applied)?;
        let changes = state.apply(&entry);
        index.write(state, &changes)?;
    }
    Ok(())
}

fn signal_of(state: &State, record: &LeaseRecord, generation: u64) -> LeaseSignal {
    let (active, reads_only, why) = match (&record.state, &state.halted, &state.frozen) {
        (LeaseState::Ended { why, .. }, _, _) => (false, false, why.clone()),
        (
            LeaseState::Halted {
                why, reads: false, ..
            },
            _,
            _,
        )
        | (_, Some(why), _) => (false, false, why.clone()),
        (
            LeaseState::Halted {
                why, reads: true, ..
            },
            _,
            _,
        )
        | (_, _, Some(why)) => (true, true, why.clone()),
        (LeaseState::Active, None, None) => (true, false, String::new()),
    };
    LeaseSignal {
        active,
        reads_only,
        why,
        expires_ms: record.lease.expires_ms,
        generation,
    }
}
