//! What each request on the control socket does.
//!
//! Must not widen power: leases, resuming and unfreezing become holds, and a passkey decides (invariant 9).

use std::sync::Arc;

use backstop_console::particulars_line;
use backstop_core::action::Ask;
use backstop_core::entry::Event;
use backstop_core::hold::{HoldRecord, HoldState};
use backstop_core::lease::{LeaseRecord, LeaseState};
use backstop_core::person::Person;
use backstop_gates::postgres::{NotUndone, UndoAsk};
use backstop_journal::{JournalError, TextDigest, TextState};
use backstop_store::{Opened, State};
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;

use super::{HoldRow, LeaseRow, Service, retention};
use crate::control::protocol::{EntryWithText, Held, Reply, Request, UndoImage};
use crate::entries::Row;
use crate::failure::{Context, Failure, Outcome};

/// Entries that one request can have.
const MOST_ENTRIES: u64 = 1_000;

impl Service {
    /// Does what `request` says; a hold that it becomes is told through `told` before it waits.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn answer(
        self: &Arc<Self>,
        request: Request,
        told: &Sender<Reply>,
    ) -> Outcome<Reply> {
        match request {
            Request::Status => done(&self.standing().await),
            Request::Leases { all } => done(&self.lease_rows(all)),
            Request::LeaseView { lease } => done(&self.held(&lease).await?),
            Request::LeaseCreate(ask) => self.create_lease(ask, told).await,
            Request::LeaseChild {
                parent,
                task,
                ttl_seconds,
                scopes,
            } => {
                let service = Arc::clone(self);
                finish(async move {
                    service
                        .child_lease(&parent, task, ttl_seconds, scopes)
                        .await
                })
                .await
            }
            Request::Reload => {
                let service = Arc::clone(self);
                finish(async move {
                    service.reload().await?;
                    done(&Value::Null)
                })
                .await
            }
            Request::Note(note) => {
                let store = self.store.clone();
                finish(async move {
                    store
                        .note(Event::from(*note))
                        .await
                        .doing("what is adopted cannot be written down")?;
                    done(&Value::Null)
                })
                .await
            }
            Request::LeaseRevoke { lease } => {
                self.require_lease(&lease)?;
                let store = self.store.clone();
                finish(async move {
                    store
                        .end_lease(&lease, "revoked")
                        .await
                        .doing(format!("cannot revoke `{lease}`"))?;
                    done(&json!({ "lease": lease, "state": "ended" }))
                })
                .await
            }
            Request::LeaseNarrow {
                lease,
                scopes,
                ttl_seconds,
            } => {
                self.require_lease(&lease)?;
                let service = Arc::clone(self);
                finish(async move { service.narrow_lease(&lease, scopes, ttl_seconds).await }).await
            }
            Request::Holds { all } => done(&self.hold_rows(all)),
            Request::Hold { hold } => {
                let record = self.require_hold(&hold)?;
                done(&self.hold_row(&record, &self.store.state()))
            }
            Request::Halt { lease, why } => {
                if let Some(id) = &lease {
                    self.require_lease(id)?;
                }
                let store = self.store.clone();
                finish(async move {
                    store
                        .halt(lease.as_deref(), &why, false)
                        .await
                        .doing("cannot halt")?;
                    done(&json!({ "halted": lease, "all": lease.is_none(), "why": why }))
                })
                .await
            }
            Request::Resume { lease, wait } => {
                self.ask_and_wait(self.resumable(lease)?, wait, told).await
            }
            Request::Freeze { why } => {
                let store = self.store.clone();
                finish(async move {
                    store.freeze(&why).await.doing("cannot freeze")?;
                    done(&json!({ "frozen": true, "why": why }))
                })
                .await
            }
            Request::Unfreeze { wait } => {
                if self.store.state().frozen.is_none() {
                    return Err(Failure::new("nothing is frozen"));
                }
                self.ask_and_wait(Ask::Unfreeze, wait, told).await
            }
            Request::Undo {
                images,
                apply,
                leave_conflicts,
                without_triggers,
            } => {
                let service = Arc::clone(self);
                finish(async move {
                    service
                        .undo(images, apply, (leave_conflicts, without_triggers))
                        .await
                })
                .await
            }
            Request::Drilled { report } => {
                let service = Arc::clone(self);
                finish(async move { done(&service.drilled(&report).await?) }).await
            }
            Request::People => {
                let state = self.store.state();
                let people = state.people.values().cloned();
                // The vault has no use for recovery codes, not even for their digests.
                let people = people.map(|person| Person {
                    recovery: None,
                    ..person
                });
                done(&people.collect::<Vec<_>>())
            }
            Request::Entries { log, from, count } => self.entries(&log, from, count),
            Request::Entry { log, index } => self.entry(&log, index),
        }
    }

    /// Opens a hold for `ask`, or finds the identical one.
    pub(super) async fn open(&self, ask: Ask) -> Outcome<Opened> {
        let new = {
            let state = self.store.state();
            backstop_console::own_ask(ask, &state).doing("cannot write down what is asked")?
        };
        let store = self.store.clone();
        finish(async move {
            store
                .open_hold(new)
                .await
                .doing("cannot put this before a person")
        })
        .await
    }

    /// Tells whoever asked which hold their request became.
    pub(super) async fn tell_held(&self, record: &HoldRecord, told: &Sender<Reply>) -> Outcome {
        let held = Held {
            hold: record.hold.id.clone(),
            summary: record.hold.summary.clone(),
            link: self.config().console.hold_link(&record.hold.id),
            decide_by_ms: record.hold.decide_by_ms,
            enrolled: self.store.state().people.len(),
        };
        told.send(Reply::Held(held))
            .await
            .map_err(|_| Failure::new("whoever asked has gone"))
    }

    /// Waits until people have decided.
    pub(super) async fn decided(&self, hold: &str) -> Outcome<HoldState> {
        let mut watch = self
            .store
            .watch_hold(hold)
            .ok_or_else(|| Failure::new(format!("there is no hold `{hold}`")))?;
        loop {
            let state = watch.borrow_and_update().clone();
            match &state {
                HoldState::Waiting { .. } => {}
                HoldState::Approved { from_ms, .. } if self.store.now_ms() < *from_ms => {
                    let left = from_ms.saturating_sub(self.store.now_ms()).unsigned_abs();
                    tokio::time::sleep(std::time::Duration::from_millis(left.min(1_000))).await;
                    continue;
                }
                _ => return Ok(state),
            }
            watch.changed().await.doing("backstop is stopping")?;
        }
    }

    async fn ask_and_wait(&self, ask: Ask, wait: bool, told: &Sender<Reply>) -> Outcome<Reply> {
        let (Opened::Waiting(record) | Opened::Approved(record)) = self.open(ask).await?;
        self.tell_held(&record, told).await?;
        let hold = record.hold.id.clone();
        if !wait {
            return done(&Value::Null);
        }
        let state = self.decided(&hold).await?;
        refused(&state)?;
        done(&json!({ "hold": hold, "state": state.word() }))
    }

    fn resumable(&self, lease: Option<String>) -> Outcome<Ask> {
        if let Some(id) = &lease {
            self.require_lease(id)?;
        }
        let state = self.store.state();
        let halted = match &lease {
            None => state.halted.is_some(),
            Some(id) => match state.leases.get(id).map(|r| &r.state) {
                Some(LeaseState::Halted { .. }) => true,
                Some(LeaseState::Ended { .. }) => {
                    return Err(Failure::new(format!("the lease `{id}` has ended"))
                        .hint("ask for a new one with `backstop lease create`"));
                }
                Some(LeaseState::Active) | None => false,
            },
        };
        if halted {
            return Ok(Ask::Resume { lease });
        }
        let what = lease.map_or_else(|| "everything".to_owned(), |l| format!("the lease `{l}`"));
        Err(Failure::new(format!("{what} is not halted")).hint("`backstop status` says what is"))
    }

    pub(super) fn require_lease(&self, id: &str) -> Outcome {
        if self.store.lease(id).is_some() {
            return Ok(());
        }
        Err(Failure::new(format!("there is no lease `{id}`"))
            .hint("`backstop lease list --all` lists them"))
    }

    fn require_hold(&self, id: &str) -> Outcome<HoldRecord> {
        self.store.hold(id).ok_or_else(|| {
            Failure::new(format!("there is no hold `{id}`"))
                .hint("`backstop holds` lists those that wait")
        })
    }

    fn lease_rows(&self, all: bool) -> Vec<LeaseRow> {
        let now_ms = self.store.now_ms();
        let state = self.store.state();
        let ended = |r: &LeaseRecord| matches!(r.state, LeaseState::Ended { .. });
        let mut rows: Vec<LeaseRow> = state
            .leases
            .values()
            .filter(|r| all || !ended(r))
            .map(|r| lease_row(r, now_ms))
            .collect();
        rows.sort_by_key(|r| std::cmp::Reverse(r.created_ms));
        rows
    }

    fn hold_rows(&self, all: bool) -> Vec<HoldRow> {
        let state = self.store.state();
        let mut rows: Vec<HoldRow> = state
            .holds
            .values()
            .filter(|r| all || r.state.is_open())
            .map(|r| self.hold_row(r, &state))
            .collect();
        rows.sort_by_key(|r| std::cmp::Reverse(r.requested_ms));
        rows
    }

    fn hold_row(&self, record: &HoldRecord, state: &State) -> HoldRow {
        let hold = &record.hold;
        HoldRow {
            hold: hold.id.clone(),
            state: record.state.word().to_owned(),
            summary: hold.summary.clone(),
            asked: Some(particulars_line(&hold.ask, state)).filter(|text| !text.is_empty()),
            lease: hold.lease.clone(),
            target: hold.target.clone(),
            rule: hold.rule.clone(),
            reason: hold.reason.clone(),
            recoverable: hold.recoverable_all(),
            rehearsed: record.rehearsed.clone(),
            copy_of_ms: copy_of(record, state),
            people: hold.people,
            requested_ms: hold.requested_ms,
            decide_by_ms: hold.decide_by_ms,
            link: self.config().console.hold_link(&hold.id),
        }
    }

    fn entries(&self, log: &str, from: Option<u64>, count: u64) -> Outcome<Reply> {
        let journal = self.log(log)?;
        let mut rows = rows_of(journal, log, from, count.min(MOST_ENTRIES))?;
        let state = self.store.state();
        rows.iter_mut().for_each(|row| row.name_people(&state));
        done(&rows)
    }

    async fn undo(
        &self,
        images: Vec<UndoImage>,
        apply: bool,
        (leave_conflicts, without_triggers): (bool, bool),
    ) -> Outcome<Reply> {
        let mut opened = vec![];
        for image in images {
            let content =
                std::fs::File::open(&image.file).doing("cannot read the opened images")?;
            opened.push((image.entry, content));
        }
        let gate = self.gate.read().await;
        let Some(gate) = gate.as_ref() else {
            return Err(Failure::new("backstop is stopping").hint("start it again first"));
        };
        let ask = UndoAsk {
            images: opened,
            apply,
            leave_conflicts,
            without_triggers,
        };
        match gate.undo(ask).await {
            Ok(undone) => done(&json!({
                "summary": undone.summary,
                "conflicts": undone.conflicts,
                "entry": undone.entry,
            })),
            Err(NotUndone::Conflicts { summary, conflicts }) => {
                done(&json!({ "summary": summary, "conflicts": conflicts, "entry": null }))
            }
            Err(NotUndone::Held { hold, url }) => done(&json!({ "held": hold, "url": url })),
            Err(error) => Err(Failure::new("nothing was undone").because(error)),
        }
    }

    fn entry(&self, log: &str, index: u64) -> Outcome<Reply> {
        let journal = self.log(log)?;
        let (row, text) = entry_of(journal, log, index, &self.key)?;
        done(&EntryWithText { row, text })
    }
}

/// When the recovery point was taken that the copy is of, on which a hold was rehearsed.
fn copy_of(record: &HoldRecord, state: &State) -> Option<i64> {
    let name = record.rehearsed.as_ref()?.point?;
    let points = state.points.get(record.hold.target.as_ref()?)?;
    points.find(name).map(|record| record.point.taken_ms)
}

/// Entries of a log from `from`, or the newest, as far as they are kept.
///
/// # Errors
/// When one cannot be read.
pub fn rows_of(
    journal: &backstop_journal::Journal,
    log: &str,
    from: Option<u64>,
    count: u64,
) -> Outcome<Vec<Row>> {
    let size = journal.size();
    let from = from
        .unwrap_or_else(|| size.saturating_sub(count))
        .max(journal.oldest());
    let wanted = journal
        .iter(from)
        .take(usize::try_from(count).unwrap_or(usize::MAX));
    wanted
        .map(|entry| entry.map(|(index, bytes)| Row::of(log, index, &bytes)))
        .collect::<Result<_, _>>()
        .doing(format!("cannot read the {log} log"))
}

/// One entry, and its text opened with `key`.
///
/// # Errors
/// When there is no such entry, or it cannot be read.
pub fn entry_of(
    journal: &backstop_journal::Journal,
    log: &str,
    index: u64,
    key: &backstop_store::SealKey,
) -> Outcome<(Row, Value)> {
    let bytes = match journal.read(index) {
        Err(JournalError::Pruned { minimum, .. }) => {
            return Err(retention::pruned(log, index, minimum));
        }
        read => read.doing(format!("cannot read entry {index} of the {log} log"))?,
    };
    let row = Row::of(log, index, &bytes);
    let digest = row
        .text
        .as_deref()
        .and_then(backstop_core::digest::Digest::from_hex);
    let Some(digest) = digest else {
        return Ok((row, Value::Null));
    };
    let context: &[u8] = if log == "control" {
        b"hold text"
    } else {
        b"statement"
    };
    let text = match journal
        .text(TextDigest(digest.0))
        .doing("cannot read the entry's text")?
    {
        TextState::Present(sealed) => {
            let plain = key
                .open(context, &sealed)
                .doing("cannot open the entry's text")?;
            let plain = String::from_utf8_lossy(&plain).into_owned();
            if log == "control" {
                serde_json::from_str(&plain).unwrap_or(Value::String(plain))
            } else {
                Value::String(plain)
            }
        }
        TextState::Erased => json!({ "erased": true }),
        TextState::Unknown => Value::Null,
    };
    Ok((row, text))
}

/// Whether people said yes; what became of the hold otherwise.
pub(super) fn refused(state: &HoldState) -> Outcome {
    match state {
        HoldState::Approved { .. } | HoldState::Consumed { .. } | HoldState::Waiting { .. } => {
            Ok(())
        }
        HoldState::Denied { reason, .. } => {
            let failure = Failure::new("a person denied it");
            Err(if reason.is_empty() {
                failure
            } else {
                failure.because(format!("their words: {reason}"))
            })
        }
        HoldState::Withdrawn { why, .. } => Err(Failure::new("it was withdrawn").because(why)),
        HoldState::Expired { .. } => {
            Err(Failure::new("nobody decided in time").hint("ask again when somebody is there"))
        }
    }
}

pub(super) fn lease_row(record: &LeaseRecord, now_ms: i64) -> LeaseRow {
    let lease = &record.lease;
    let (state, why) = match &record.state {
        LeaseState::Active if now_ms >= lease.expires_ms => ("expired", None),
        LeaseState::Active => ("active", None),
        LeaseState::Halted { why, .. } => ("halted", Some(why.clone())),
        LeaseState::Ended { why, .. } => ("ended", Some(why.clone())),
    };
    LeaseRow {
        lease: lease.id.clone(),
        state: state.to_owned(),
        why,
        target: lease.spec.target.clone(),
        environment: lease.spec.environment.to_string(),
        task: lease.spec.task.clone(),
        scopes: lease.spec.scopes.iter().map(ToString::to_string).collect(),
        also: lease.spec.may_do_besides().collect(),
        parent: lease.spec.parent.clone(),
        person: lease.person.clone(),
        created_ms: lease.created_ms,
        expires_ms: lease.expires_ms,
    }
}

/// Runs a change to its end even if whoever asked goes away in between: a half-applied entry would leave the
/// store behind its journal.
pub(super) async fn finish<T: Send + 'static>(
    work: impl Future<Output = Outcome<T>> + Send + 'static,
) -> Outcome<T> {
    tokio::spawn(work)
        .await
        .doing("the change was cut short; `backstop doctor` says how things stand")?
}

pub(super) fn done<T: serde::Serialize>(value: &T) -> Outcome<Reply> {
    Reply::done(value).doing("cannot write the answer")
}
