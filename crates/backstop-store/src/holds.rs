//! Opening, taking back, spending and ageing holds.

use backstop_core::action::{self, Ask};
use backstop_core::digest::Digest;
use backstop_core::effect::Analysis;
use backstop_core::entry::Event;
use backstop_core::hold::{Hold, HoldRecord, HoldState, HoldText};
use backstop_core::rehearsal::Rehearsal;
use backstop_core::target::Environment;
use backstop_core::verdict::Verdict;

use crate::error::StoreError;
use crate::store::Store;

const HOUR_MS: i64 = 3_600_000;

/// What a hold is opened with.
pub struct NewHold {
    /// What is asked.
    pub ask: Ask,
    /// The lease that asks.
    pub lease: Option<String>,
    /// The target.
    pub target: Option<String>,
    /// Its environment.
    pub environment: Environment,
    /// One sentence without data.
    pub summary: String,
    /// What was found out.
    pub analysis: Analysis,
    /// The verdict that holds it.
    pub verdict: Verdict,
    /// What could be brought back, in one sentence.
    pub recoverable: String,
    /// The recovery point of the whole database to go back to besides, in one sentence; empty where that is no question.
    pub whole: String,
    /// The policy version.
    pub policy: Digest,
    /// What a person is shown.
    pub text: HoldText,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A new hold, or an identical one that already waits.
    Waiting(HoldRecord),
    /// The identical action was approved: spend it with [`Store::consume`].
    Approved(HoldRecord),
}

impl Store {
    /// Opens a hold, or finds the identical one.
    ///
    /// # Errors
    /// When the lease has too many, or the journal does not take it.
    pub async fn open_hold(&self, new: NewHold) -> Result<Opened, StoreError> {
        let writing = self.inner.writing.lock().await;
        let now_ms = self.now_ms();
        let installation = self.state().installation.clone();
        let digest = action::digest(
            &installation,
            new.lease.as_deref(),
            new.target.as_deref(),
            new.policy,
            &new.ask,
        )?;
        if let Some(found) = self.identical(digest, now_ms) {
            return Ok(found);
        }
        if let Some(lease) = &new.lease {
            self.check_quota(lease, now_ms)?;
        }
        let limits = &self.inner.limits;
        let hold = Hold {
            id: Self::make_id("hold")?,
            digest,
            ask: new.ask,
            lease: new.lease,
            target: new.target,
            environment: new.environment,
            summary: new.summary,
            effects: new.analysis.effects,
            incomplete: new.analysis.incomplete,
            rule: new.verdict.rule,
            reason: new.verdict.reason,
            recoverable: new.recoverable,
            whole: new.whole,
            people: new.verdict.people.max(1),
            policy: new.policy,
            requested_ms: now_ms,
            decide_by_ms: now_ms.saturating_add(limits.decide_within_ms),
            execute_within_ms: limits.execute_within_ms,
            delay_ms: limits.delay_ms,
        };
        let id = hold.id.clone();
        let sealed = self
            .inner
            .key
            .seal(b"hold text", &serde_json::to_vec(&new.text)?)?;
        let name = Digest::of(&sealed);
        self.record(
            &writing,
            Event::Held { hold, text: name },
            vec![(name, sealed)],
        )
        .await?;
        self.hold(&id)
            .map(Opened::Waiting)
            .ok_or(StoreError::Unknown { what: "hold", id })
    }

    /// Spends an approval on the action with `digest`. When this returns, the spending is durable and no
    /// other call can spend it: only then may the action be released (invariant 4).
    ///
    /// # Errors
    /// When there is nothing to spend, or the journal does not take it.
    pub async fn consume(&self, hold: &str, digest: Digest) -> Result<(), StoreError> {
        let writing = self.inner.writing.lock().await;
        let record = self.require_hold(hold)?;
        record.spendable(digest, self.now_ms())?;
        if let Some(lease) = &record.hold.lease {
            self.require_active(lease)?;
        }
        self.record(
            &writing,
            Event::Consumed {
                hold: hold.to_owned(),
                digest,
            },
            vec![],
        )
        .await
    }

    /// Writes down what a held action did on a drill's copy, once, while people can still decide.
    ///
    /// # Errors
    /// When there is no such hold or the journal does not take it.
    pub async fn rehearsed(&self, hold: &str, rehearsal: Rehearsal) -> Result<(), StoreError> {
        let writing = self.inner.writing.lock().await;
        let record = self.require_hold(hold)?;
        if record.rehearsed.is_some() || !record.state.is_open() {
            return Ok(());
        }
        let event = Event::Rehearsed {
            hold: hold.to_owned(),
            rehearsal: Box::new(rehearsal.bounded()),
        };
        self.record(&writing, event, vec![]).await
    }

    /// Takes a hold back: its agent cancelled, disconnected for good, or asked for nothing any more.
    ///
    /// # Errors
    /// When there is no such hold or the journal does not take it.
    pub async fn withdraw(&self, hold: &str, why: &str) -> Result<(), StoreError> {
        let writing = self.inner.writing.lock().await;
        let state = self.require_hold(hold)?.state;
        // An approval that was not spent can be taken back like a question that nobody has answered.
        if !state.is_open() && !matches!(state, HoldState::Approved { .. }) {
            return Ok(());
        }
        let event = Event::Withdrawn {
            hold: hold.to_owned(),
            why: why.to_owned(),
        };
        self.record(&writing, event, vec![]).await
    }

    /// Ends what has run out: undecided holds, unspent approvals, leases; and lets announced approvals of
    /// the console's own asks take effect. Called about once a second.
    ///
    /// # Errors
    /// When the journal does not take it.
    pub async fn tick(&self) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        self.forget_challenges(now_ms);
        let (holds, leases, ripe) = {
            let state = self.state();
            let holds: Vec<String> = state
                .holds
                .values()
                .filter(|r| ran_out(r, now_ms))
                .map(id_of)
                .collect();
            let ripe: Vec<String> = state
                .holds
                .values()
                .filter(|r| is_ripe(r, now_ms))
                .map(id_of)
                .collect();
            let leases: Vec<String> = state
                .leases
                .values()
                .filter(|r| now_ms >= r.lease.expires_ms)
                .filter(|r| !matches!(r.state, backstop_core::lease::LeaseState::Ended { .. }))
                .map(|r| r.lease.id.clone())
                .collect();
            (holds, leases, ripe)
        };
        for hold in holds {
            let writing = self.inner.writing.lock().await;
            if self.hold(&hold).is_some_and(|r| ran_out(&r, now_ms)) {
                self.record(&writing, Event::Expired { hold }, vec![])
                    .await?;
            }
        }
        for lease in leases {
            self.end_lease(&lease, "expired").await?;
        }
        for hold in ripe {
            self.carry_out(&hold).await?;
        }
        Ok(())
    }

    pub(crate) fn require_hold(&self, id: &str) -> Result<HoldRecord, StoreError> {
        self.hold(id).ok_or_else(|| StoreError::Unknown {
            what: "hold",
            id: id.to_owned(),
        })
    }

    fn identical(&self, digest: Digest, now_ms: i64) -> Option<Opened> {
        let mut state = self
            .inner
            .state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let same = |r: &&mut HoldRecord| r.hold.digest == digest;
        let approved = state.holds.values_mut().filter(same).find(|r| {
            matches!(r.state, HoldState::Approved { .. })
                && !matches!(
                    r.spendable(digest, now_ms),
                    Err(backstop_core::hold::NotSpendable::TooLate)
                )
        });
        if let Some(record) = approved {
            // Announced, but its delay is not over: it still waits.
            let ready = record.spendable(digest, now_ms).is_ok();
            return Some(if ready {
                Opened::Approved(record.clone())
            } else {
                Opened::Waiting(record.clone())
            });
        }
        let waiting = state
            .holds
            .values_mut()
            .filter(same)
            .find(|r| r.state.is_open() && now_ms < r.hold.decide_by_ms)?;
        waiting.repeats = waiting.repeats.saturating_add(1);
        Some(Opened::Waiting(waiting.clone()))
    }

    fn check_quota(&self, lease: &str, now_ms: i64) -> Result<(), StoreError> {
        let state = self.state();
        let family: Vec<String> = root_tree(&state, lease);
        let limits = &self.inner.limits;
        let open = family.iter().flat_map(|l| state.open_holds(l)).count();
        if open >= limits.open_holds {
            return Err(StoreError::TooManyHolds(format!("{open} holds open")));
        }
        let theirs = |r: &&HoldRecord| r.hold.lease.as_ref().is_some_and(|l| family.contains(l));
        let recent = state
            .holds
            .values()
            .filter(theirs)
            .filter(|r| r.hold.requested_ms > now_ms - HOUR_MS);
        let recent = recent.count();
        if recent >= limits.holds_per_hour {
            return Err(StoreError::TooManyHolds(format!(
                "asked for {recent} holds within an hour"
            )));
        }
        Ok(())
    }
}

/// The lease's topmost parent and everything narrowed from it: children draw on the parent's budget.
fn root_tree(state: &crate::state::State, lease: &str) -> Vec<String> {
    let mut root = lease.to_owned();
    let mut seen = vec![];
    while let Some(parent) = state
        .leases
        .get(&root)
        .and_then(|r| r.lease.spec.parent.clone())
    {
        if seen.contains(&parent) {
            break;
        }
        seen.push(parent.clone());
        root = parent;
    }
    state.tree(&root)
}

fn id_of(record: &HoldRecord) -> String {
    record.hold.id.clone()
}

fn ran_out(record: &HoldRecord, now_ms: i64) -> bool {
    match &record.state {
        HoldState::Waiting { .. } => now_ms >= record.hold.decide_by_ms,
        HoldState::Approved { until_ms, .. } => now_ms >= *until_ms,
        _ => false,
    }
}

/// An approved ask of the console's own that nobody needs to come back for.
pub(crate) fn is_ripe(record: &HoldRecord, now_ms: i64) -> bool {
    matches!(
        record.hold.ask,
        Ask::Resume { .. } | Ask::Unfreeze | Ask::AcceptPoint { .. }
    ) && record.spendable(record.hold.digest, now_ms).is_ok()
}
