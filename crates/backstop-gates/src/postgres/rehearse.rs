//! Has a held action run on a drill's copy, while people read the hold; where a copy answers.
//!
//! Nothing waits for it and nothing is decided by it. What one lease can have run there is bounded, and one runs at a
//! time (invariant 11).

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backstop_core::hold::HoldRecord;
use backstop_core::rehearsal::{Rehearsal, Why};
use backstop_store::Store;
use backstop_vault::points::rehearse::{Ask, Parameters, rehearse};
use backstop_wire::postgres::frontend::Bind;
use backstop_wire::sql::StatementKind;
use tokio::sync::Semaphore;

use super::judge::Judged;
use super::recover::{self, Plan};
use super::relay::{Meaning, Relay};

/// How long a rehearsal may take, with all that waits before it.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many may wait for one another.
const WAITING: usize = 8;
/// How many a lease can have within an hour.
const SHARE: usize = 30;
const HOUR_MS: i64 = 3_600_000;
/// The longest text that is passed on, in bytes.
const TEXT: usize = 1024 * 1024;
/// Types from this OID on are the database's own, and others on the copy.
const OWN_TYPES: u32 = 16_384;

/// The way to the copies, and who has had how much of it.
pub(crate) struct Rehearsals {
    socket: PathBuf,
    turn: Semaphore,
    waiting: AtomicUsize,
    had: Mutex<HashMap<String, VecDeque<i64>>>,
}

impl Rehearsals {
    pub(crate) fn at(socket: PathBuf) -> Self {
        Self {
            socket,
            turn: Semaphore::new(1),
            waiting: AtomicUsize::new(0),
            had: Mutex::default(),
        }
    }

    /// Whether the lease may have one more.
    fn may(&self, lease: &str, now_ms: i64) -> bool {
        let mut had = self.had.lock().unwrap_or_else(PoisonError::into_inner);
        had.retain(|_, times| {
            times.retain(|at| *at > now_ms - HOUR_MS);
            !times.is_empty()
        });
        let times = had.entry(lease.to_owned()).or_default();
        if times.len() >= SHARE || self.waiting.load(Ordering::Acquire) >= WAITING {
            return false;
        }
        times.push_back(now_ms);
        true
    }

    async fn run(&self, ask: &Ask, store: &Store) -> Rehearsal {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let _done = Done(&self.waiting);
        let asked = async {
            let _turn = self.turn.acquire().await.map_err(|_| Why::Busy)?;
            Ok(rehearse(&self.socket, ask, PATIENCE).await)
        };
        let told = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(told)) => told,
            Ok(Err(why)) => Rehearsal::not(why),
            Err(_) => Rehearsal::not(Why::Busy),
        };
        // The gate's own word for how old the copy is, or none.
        let state = store.state();
        let points = state.points.get(&ask.target);
        match told.point {
            Some(name) if points.is_none_or(|p| p.find(name).is_none()) => {
                Rehearsal::not(Why::UnknownPoint)
            }
            _ => told,
        }
    }
}

struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Relay<'_> {
    /// Has a hold that has just been opened rehearsed, beside everything else.
    pub(super) fn have_rehearsed(&self, record: &HoldRecord, ask: Result<Ask, Why>) {
        let Some(rehearsals) = &self.shared.rehearsals else {
            return;
        };
        if record.repeats > 0 || record.rehearsed.is_some() {
            return;
        }
        let (hold, store) = (record.hold.id.clone(), self.shared.store.clone());
        let may = ask.is_err() || rehearsals.may(&self.lease.id, store.now_ms());
        let rehearsals = Arc::clone(rehearsals);
        tokio::spawn(async move {
            let told = match ask {
                Ok(ask) if may => rehearsals.run(&ask, &store).await,
                Ok(_) => Rehearsal::not(Why::Busy),
                Err(why) => Rehearsal::not(why),
            };
            if let Err(error) = store.rehearsed(&hold, told).await {
                tracing::warn!(%error, hold, "a rehearsal was not written down");
            }
        });
    }

    /// What is to be run of an action, behind what its transaction has run, with all that gives it its meaning.
    pub(super) fn to_rehearse(
        &self,
        earlier: &[&Arc<Judged>],
        judged: &Arc<Judged>,
        bound: Option<(&Bind<'_>, &Meaning)>,
    ) -> Result<Ask, Why> {
        let all = || earlier.iter().copied().chain([judged]);
        if all().any(|one| !one.analysis.transactional || one.any(ends)) {
            return Err(Why::NoTransaction);
        }
        if all().map(|one| one.text.len()).sum::<usize>() > TEXT {
            return Err(Why::TooLong);
        }
        let parameters = match bound {
            None => None,
            Some((bind, meaning)) => Some(parameters(bind, &meaning.types)?),
        };
        Ok(Ask {
            target: self.target.config.name.clone(),
            // As which it will run once it is approved.
            role: self.target.config.upstream.user.clone(),
            earlier: earlier.iter().map(|one| one.text.to_string()).collect(),
            statement: judged.text.to_string(),
            parameters,
            search_path: self.context.path.clone(),
            settings: self
                .settings
                .iter()
                .filter(|(name, _)| super::hold::MEANING.contains(&name.as_str()))
                .cloned()
                .collect(),
            objects: match recover::plan(judged) {
                Plan::Objects(act, names) => Some((act, names)),
                _ => None,
            },
        })
    }
}

const fn ends(kind: &StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Begin(_) | StatementKind::Commit { .. } | StatementKind::Rollback { .. }
    )
}

fn parameters(bind: &Bind<'_>, types: &[u32]) -> Result<Parameters, Why> {
    let bytes: usize = bind.parameters.as_bytes().len();
    if bytes > TEXT {
        return Err(Why::TooLong);
    }
    if types.iter().any(|oid| *oid >= OWN_TYPES) {
        return Err(Why::Parameters);
    }
    Ok(Parameters {
        types: types.to_vec(),
        formats: bind.parameter_formats.iter().collect(),
        values: bind
            .parameters
            .iter()
            .map(|value| value.map(hex::encode))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_its_share_and_no_more() {
        let rehearsals = Rehearsals::at(PathBuf::new());
        for n in 0..SHARE {
            assert!(rehearsals.may("lease_a", i64::try_from(n).unwrap()));
        }
        assert!(!rehearsals.may("lease_a", 1_000));
        assert!(rehearsals.may("lease_b", 1_000));
        assert!(rehearsals.may("lease_a", HOUR_MS));
        rehearsals.waiting.store(WAITING, Ordering::Release);
        assert!(!rehearsals.may("lease_c", HOUR_MS));
    }
}
