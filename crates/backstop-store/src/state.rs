//! What is true now, as a fold over the control log.
//!
//! Pure: the same entries always give the same state, which is what makes the store rebuildable.

use std::collections::BTreeMap;

use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use backstop_core::digest::Digest;
use backstop_core::entry::{Control, Event};
use backstop_core::hold::{HoldRecord, HoldState};
use backstop_core::lease::{LeaseRecord, LeaseState};
use backstop_core::person::Person;
use backstop_core::point::Points;

use crate::signal::Change;

/// Leases, holds, people and safeguards as of some entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// How many entries were applied.
    pub applied: u64,
    /// The time of the last entry.
    pub last_ms: i64,
    /// The installation's id.
    pub installation: String,
    /// The WebAuthn relying party id.
    pub rp_id: String,
    /// The console's origin.
    pub origin: String,
    /// The policy version being served.
    pub policy: Option<Digest>,
    /// Who can decide.
    pub people: BTreeMap<String, Person>,
    /// Every lease there was.
    pub leases: BTreeMap<String, LeaseRecord>,
    /// Every hold there was.
    pub holds: BTreeMap<String, HoldRecord>,
    /// Where each hold's sealed text lies.
    pub texts: BTreeMap<String, Digest>,
    /// Why everything is halted, if it is.
    pub halted: Option<String>,
    /// Why only reads pass, if so.
    pub frozen: Option<String>,
    /// The recovery points of each target.
    pub points: BTreeMap<String, Points>,
    /// The key that reports of drills must be signed with.
    pub drill_key: Option<String>,
}

impl State {
    /// Applies the entry with this index.
    pub fn apply(&mut self, entry: &Control) -> Vec<Change> {
        self.applied += 1;
        self.last_ms = self.last_ms.max(entry.at_ms);
        let at_ms = entry.at_ms;
        match &entry.event {
            Event::Installed {
                installation,
                rp_id,
                origin,
            } => {
                self.installation.clone_from(installation);
                self.rp_id.clone_from(rp_id);
                self.origin.clone_from(origin);
                vec![Change::Everything]
            }
            Event::Started { policy, .. } | Event::Reloaded { policy, .. } => {
                self.policy = Some(*policy);
                vec![]
            }
            Event::Stopped
            | Event::Pruned { .. }
            | Event::Mismatch { .. }
            | Event::Adopted { .. }
            | Event::AdoptionUndone { .. } => vec![],
            Event::Enrolled { person, .. } => {
                self.people.insert(person.id.clone(), person.clone());
                vec![Change::People]
            }
            Event::PasskeyAdded { person, passkey } => {
                self.person(person, |p| p.passkeys.push(passkey.clone()))
            }
            Event::RecoverySet { person, code } => {
                self.person(person, |p| p.recovery = Some(*code))
            }
            Event::RecoveryUsed { person } => self.person(person, |p| p.recovery = None),
            Event::Held { hold, text } => {
                let state = HoldState::Waiting { yes: vec![] };
                self.texts.insert(hold.id.clone(), *text);
                self.holds.insert(
                    hold.id.clone(),
                    HoldRecord {
                        hold: hold.clone(),
                        state,
                        repeats: 0,
                        rehearsed: None,
                    },
                );
                vec![Change::Hold(hold.id.clone())]
            }
            Event::Rehearsed { hold, rehearsal } => {
                if let Some(record) = self.holds.get_mut(hold) {
                    record.rehearsed = Some(rehearsal.clone());
                }
                vec![Change::Hold(hold.clone())]
            }
            Event::Decided { hold, decision } => self.decided(hold, decision, at_ms),
            Event::Withdrawn { hold, why } => self.hold(
                hold,
                HoldState::Withdrawn {
                    why: why.clone(),
                    at_ms,
                },
            ),
            Event::Expired { hold } => self.hold(hold, HoldState::Expired { at_ms }),
            Event::Consumed { hold, .. } => self.hold(hold, HoldState::Consumed { at_ms }),
            Event::LeaseGranted { lease, .. } => {
                let record = LeaseRecord {
                    lease: lease.clone(),
                    state: LeaseState::Active,
                    denials: 0,
                };
                self.leases.insert(lease.id.clone(), record);
                vec![Change::Lease(lease.id.clone())]
            }
            Event::LeaseNarrowed {
                lease,
                scopes,
                expires_ms,
            } => self.narrowed(lease, scopes, *expires_ms),
            Event::LeaseEnded { lease, why } => self.ended(lease, why, at_ms),
            Event::Halted {
                lease: None, why, ..
            } => {
                self.halted = Some(why.clone());
                vec![Change::Everything]
            }
            Event::Halted {
                lease: Some(lease),
                why,
                reads,
            } => self.halt_tree(lease, why, *reads, at_ms),
            Event::Resumed { lease: None, .. } => {
                self.halted = None;
                vec![Change::Everything]
            }
            Event::Resumed {
                lease: Some(lease), ..
            } => self.resume_tree(lease),
            Event::Frozen { why } => {
                self.frozen = Some(why.clone());
                vec![Change::Everything]
            }
            Event::Unfrozen { .. } => {
                self.frozen = None;
                vec![Change::Everything]
            }
            Event::PointTaken { target, point } => self.points(target, |p| p.took(point.clone())),
            Event::PointFailed { target, why } => self.points(target, |p| p.failed(at_ms, why)),
            Event::PointAlarm {
                target,
                point,
                alarms,
            } => self.points(target, |p| p.alarm = Some((*point, alarms.clone()))),
            Event::PointAccepted { target, point, .. } => {
                self.points(target, |p| p.accepted(*point))
            }
            Event::PointKept {
                target,
                point,
                until_ms,
            } => self.points(target, |p| p.kept(*point, *until_ms)),
            Event::DrillKey { key, .. } => {
                self.drill_key = Some(key.clone());
                vec![Change::Everything]
            }
            Event::Drilled { drill, .. } => {
                self.points(&drill.target, |p| p.drills.push(drill.clone()))
            }
        }
    }

    fn points(&mut self, target: &str, change: impl FnOnce(&mut Points)) -> Vec<Change> {
        change(self.points.entry(target.to_owned()).or_default());
        vec![Change::Points(target.to_owned())]
    }

    /// The lease itself and all leases narrowed from it, directly or not.
    #[must_use]
    pub fn tree(&self, root: &str) -> Vec<String> {
        let mut tree = vec![root.to_owned()];
        let mut next = 0;
        while let Some(parent) = tree.get(next).cloned() {
            next += 1;
            let children = self
                .leases
                .values()
                .filter(|r| r.lease.spec.parent.as_deref() == Some(&parent));
            let fresh: Vec<String> = children
                .map(|r| r.lease.id.clone())
                .filter(|id| !tree.contains(id))
                .collect();
            tree.extend(fresh);
        }
        tree
    }

    /// The open holds of a lease.
    pub fn open_holds<'a>(&'a self, lease: &'a str) -> impl Iterator<Item = &'a HoldRecord> {
        self.holds
            .values()
            .filter(move |r| r.hold.lease.as_deref() == Some(lease) && r.state.is_open())
    }

    fn person(&mut self, id: &str, change: impl FnOnce(&mut Person)) -> Vec<Change> {
        self.people.get_mut(id).map(change);
        vec![Change::People]
    }

    fn hold(&mut self, id: &str, state: HoldState) -> Vec<Change> {
        if let Some(record) = self.holds.get_mut(id) {
            record.state = state;
        }
        vec![Change::Hold(id.to_owned())]
    }

    fn decided(
        &mut self,
        id: &str,
        decision: &backstop_core::approval::Decision,
        at_ms: i64,
    ) -> Vec<Change> {
        let person = &decision.challenge.person;
        self.count_signature(person, &decision.assertion);
        let enrolled = self.people.len();
        let Some(record) = self.holds.get_mut(id) else {
            return vec![];
        };
        let approved = decision.challenge.answer == Answer::Approve;
        record.state = if approved {
            record.after_yes(person, at_ms, enrolled)
        } else {
            HoldState::Denied {
                person: person.clone(),
                reason: decision.reason.clone(),
                at_ms,
            }
        };
        let lease = record.hold.lease.clone();
        let is_action = matches!(record.hold.ask, Ask::Sql { .. } | Ask::Http { .. });
        let mut counted = None;
        if let Some(lease) = lease.and_then(|l| self.leases.get_mut(&l))
            && is_action
        {
            lease.denials = if approved {
                0
            } else {
                lease.denials.saturating_add(1)
            };
            counted = Some(lease.lease.id.clone());
        }
        // The passkey's counter and the lease's count of denials have changed with it.
        let mut changes = vec![Change::Hold(id.to_owned()), Change::People];
        changes.extend(counted.map(Change::Lease));
        changes
    }

    /// Remembers the authenticator's counter, so that a cloned one is found out.
    fn count_signature(&mut self, person: &str, assertion: &backstop_core::passkey::Assertion) {
        let count = assertion
            .authenticator_data
            .get(33..37)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_be_bytes);
        let passkey = self.people.get_mut(person).and_then(|p| {
            p.passkeys
                .iter_mut()
                .find(|k| k.credential_id == assertion.credential_id)
        });
        if let (Some(passkey), Some(count)) = (passkey, count) {
            passkey.sign_count = passkey.sign_count.max(count);
        }
    }

    fn narrowed(
        &mut self,
        id: &str,
        scopes: &[backstop_core::scope::Scope],
        expires_ms: i64,
    ) -> Vec<Change> {
        if let Some(record) = self.leases.get_mut(id) {
            record.lease.spec.scopes = scopes.to_vec();
            record.lease.expires_ms = record.lease.expires_ms.min(expires_ms);
        }
        vec![Change::Lease(id.to_owned())]
    }

    fn ended(&mut self, root: &str, why: &str, since_ms: i64) -> Vec<Change> {
        let mut changes = vec![];
        for id in self.tree(root) {
            let why = if id == root {
                why.to_owned()
            } else {
                "parent ended".to_owned()
            };
            self.set_lease(&id, LeaseState::Ended { why, since_ms });
            changes.extend(self.withdraw_all(&id, "the lease ended", since_ms));
            changes.push(Change::Lease(id));
        }
        changes
    }

    fn halt_tree(&mut self, root: &str, why: &str, reads: bool, since_ms: i64) -> Vec<Change> {
        let mut changes = vec![];
        for id in self.tree(root) {
            let harder = self.leases.get(&id).is_some_and(|r| match &r.state {
                LeaseState::Active => true,
                LeaseState::Halted { reads: before, .. } => *before && !reads,
                LeaseState::Ended { .. } => false,
            });
            if harder {
                self.set_lease(
                    &id,
                    LeaseState::Halted {
                        why: why.to_owned(),
                        since_ms,
                        reads,
                    },
                );
                changes.push(Change::Lease(id));
            }
        }
        changes
    }

    fn resume_tree(&mut self, root: &str) -> Vec<Change> {
        let mut changes = vec![];
        for id in self.tree(root) {
            if let Some(record) = self.leases.get_mut(&id)
                && matches!(record.state, LeaseState::Halted { .. })
            {
                record.state = LeaseState::Active;
                record.denials = 0;
                changes.push(Change::Lease(id));
            }
        }
        changes
    }

    fn set_lease(&mut self, id: &str, state: LeaseState) {
        if let Some(record) = self.leases.get_mut(id)
            && !matches!(record.state, LeaseState::Ended { .. })
        {
            record.state = state;
        }
    }

    fn withdraw_all(&mut self, lease: &str, why: &str, at_ms: i64) -> Vec<Change> {
        let mut changes = vec![];
        for record in self.holds.values_mut() {
            let theirs = record.hold.lease.as_deref() == Some(lease);
            let unspent = matches!(
                record.state,
                HoldState::Waiting { .. } | HoldState::Approved { .. }
            );
            if theirs && unspent {
                record.state = HoldState::Withdrawn {
                    why: why.to_owned(),
                    at_ms,
                };
                changes.push(Change::Hold(record.hold.id.clone()));
            }
        }
        changes
    }
}
