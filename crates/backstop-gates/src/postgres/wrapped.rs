//! Simple queries that write, in a transaction of the gate's own that is measured before it is committed.
//!
//! The client sees its statement done only when that transaction is. Where it has seen nothing yet, a statement that
//! is held can wait for people and be run again.

use std::sync::Arc;

use backstop_core::hold::{Hold, HoldState};
use backstop_wire::postgres::backend::{Report, TransactionStatus};
use backstop_wire::postgres::frame::Frame;
use backstop_wire::postgres::frontend::FrontendMessage;
use backstop_wire::postgres::session::{Sent, Show};
use backstop_wire::postgres::tag::frontend as tag;
use backstop_wire::sql::StatementKind;
use bytes::{BufMut as _, Bytes, BytesMut};

use super::client::Turn;
use super::error::report;
use super::hold::Waited;
use super::judge::Judged;
use super::ledger::Ledger;
use super::refusal;
use super::relay::{End, Meaning, Note, Relay};
use super::settle::Settled;

/// A statement that was sent in a transaction of the gate's own.
pub(crate) struct Wrapped {
    action: u64,
    frame: Frame,
    /// The client has seen rows of it, so that it cannot be run again for the same answer.
    pub(crate) shown: bool,
    /// It waits for the server's answer, and not for the gate's.
    pub(crate) runs: bool,
    /// The client's own text had BEGIN and COMMIT: this is what is left of it.
    tail: Option<String>,
}

impl Relay<'_> {
    /// What must be done before a simple query is sent, where writes are measured: what its COMMIT would commit is
    /// settled. `None`: it may be sent.
    pub(super) async fn settled_first(
        &mut self,
        judged: &Arc<Judged>,
    ) -> Result<Option<Turn>, End> {
        if !self.counts() {
            return Ok(None);
        }
        match self.shape(judged) {
            Shape::Commit => self.commit_measured(tag::QUERY).await,
            Shape::Parts(_) if !self.session.settle() => Ok(Some(Turn::Again)),
            Shape::Mixed => {
                let report = report(
                    refusal::FORBIDDEN,
                    "this text mixes statements that write with BEGIN, COMMIT or ROLLBACK in a way that cannot be measured",
                )
                .hint("send each transaction by itself: BEGIN first and COMMIT last, or neither");
                self.refuse(tag::QUERY, report, Note::Other)?;
                Ok(Some(Turn::Done))
            }
            Shape::Alone | Shape::Inside | Shape::Parts(_) | Shape::Other => Ok(None),
        }
    }

    /// Whether a text will be sent in a transaction that the gate ends: then its intent is durable before that.
    pub(super) fn is_wrapped_by(&self, judged: &Judged) -> bool {
        self.counts() && matches!(self.shape(judged), Shape::Alone | Shape::Parts(_))
    }

    /// Sends a simple query that writes so that it can be measured. `false`: it needs nothing of the kind.
    pub(super) fn query_measured(
        &mut self,
        judged: &Arc<Judged>,
        frame: &Frame,
    ) -> Result<bool, End> {
        if !self.counts() {
            return Ok(false);
        }
        match self.shape(judged) {
            Shape::Alone => self.send_unended(judged, frame).map(|()| true),
            Shape::Parts(start) => self.send_head(judged, frame, start).map(|()| true),
            Shape::Inside => {
                self.note_simple(judged, self.actions);
                Ok(false)
            }
            Shape::Commit | Shape::Mixed | Shape::Other => Ok(false),
        }
    }

    fn shape(&self, judged: &Judged) -> Shape {
        let statements = &judged.script.statements;
        let controls = |k: &StatementKind| {
            commits(k) || matches!(k, StatementKind::Begin(_) | StatementKind::Rollback { .. })
        };
        let (Some(first), Some(last)) = (statements.first(), statements.last()) else {
            return Shape::Other;
        };
        let opens = matches!(first.kind, StatementKind::Begin(_));
        let ends = commits(&last.kind);
        if statements.len() == 1 {
            return match (self.in_block, judged.writes, controls(&last.kind)) {
                (true, _, true) if ends => Shape::Commit,
                (_, _, true) => Shape::Other,
                (true, ..) => Shape::Inside,
                // The server refuses it, as the client wants it to.
                (false, true, false) if self.wants_read_only => Shape::Other,
                (false, true, false) => Shape::Alone,
                (false, false, false) => Shape::Other,
            };
        }
        let inner = statements
            .get(usize::from(opens)..statements.len() - usize::from(ends))
            .unwrap_or_default();
        let mixed = inner.iter().any(|s| controls(&s.kind));
        let writes = judged.writes || (self.in_block && self.ledger.writes);
        match (writes, self.in_block, opens, ends, mixed) {
            (false, true, false, false, false) => Shape::Inside,
            (false, ..) => Shape::Other,
            (true, _, _, _, true) | (true, true, true, ..) => Shape::Mixed,
            (true, true, false, true, false) | (true, false, true, true, false) => {
                Shape::Parts(last.range.start)
            }
            // The server ends what was never begun, with a warning: together with writes nobody means that.
            (true, false, false, true, false) => Shape::Mixed,
            (true, false, false, false, false) => Shape::Alone,
            (true, true, false, false, false) | (true, false, true, false, false) => Shape::Inside,
        }
    }

    /// INVARIANT: nothing that was written is committed before it was settled. `None`: COMMIT may be sent.
    pub(super) async fn commit_measured(&mut self, message: u8) -> Result<Option<Turn>, End> {
        if !self.ledger.writes {
            return Ok(None);
        }
        if !self.session.settle() {
            return Ok(Some(Turn::Again));
        }
        if self.session.status() == TransactionStatus::Failed || self.session.is_skipping() {
            return Ok(None);
        }
        let ledger = std::mem::take(&mut self.ledger);
        match self.settle(&ledger).await? {
            Settled::Commit => return Ok(None),
            Settled::Refused(report) => self.refuse(message, *report, Note::Other)?,
            Settled::Held(hold) => {
                let report = self.held_and_undone(&hold);
                self.refuse(message, report, Note::Other)?;
            }
            Settled::Failed(error) => {
                self.put_error(&error);
                if message == tag::QUERY {
                    let sent = self.session.answer(Bytes::new(), true, None);
                    self.sent(sent)?;
                }
            }
        }
        self.ledger = ledger;
        Ok(Some(Turn::Done))
    }

    /// A series of extended messages that may write gets a transaction of the gate's own.
    pub(super) fn begin_series(&mut self) -> Result<(), End> {
        let sent = Sent::Query { copy_in: false };
        let sent = self.session.send(sent, Show::ERRORS, Some(Note::Writable));
        self.sent(sent)?;
        self.write(&FrontendMessage::Query("begin read write"))?;
        self.begun = true;
        self.segment_writes = true;
        self.ledger = Ledger::default();
        Ok(())
    }

    /// Ends such a series, in place of the client's Sync, or before a simple query that would end it as well (then
    /// without a frame): what it wrote is settled first.
    pub(super) async fn end_begun(&mut self, sync: Option<&Frame>) -> Result<Turn, End> {
        if !self.session.settle() {
            return Ok(Turn::Again);
        }
        let ledger = std::mem::take(&mut self.ledger);
        let settled = if self.session.is_skipping() {
            None
        } else if ledger.writes {
            Some(self.settle(&ledger).await?)
        } else {
            Some(Settled::Commit)
        };
        self.begun = false;
        self.segment_writes = false;
        self.segment_ran = false;
        let done = if sync.is_some() {
            Turn::Done
        } else {
            Turn::Again
        };
        let show = if sync.is_some() {
            Show::ENDING
        } else {
            Show::ERRORS
        };
        let action = ledger.actions.map(|(_, last)| last);
        let message = match settled {
            Some(Settled::Commit) => {
                let note = action.map_or(Note::Other, Note::End);
                self.end_with("commit", show, note)?;
                if sync.is_none() {
                    self.session.settle();
                }
                return Ok(done);
            }
            None => {
                // The server skips to a Sync, and its block has failed.
                let hidden = Show {
                    ready: false,
                    ..Show::ALL
                };
                let sent = self.session.send(Sent::Sync, hidden, Some(Note::Other));
                self.sent(sent)?;
                self.write(&FrontendMessage::Sync)?;
                self.end_with("rollback", show, Note::Other)?;
                return Ok(done);
            }
            Some(Settled::Refused(report)) => report.to_bytes(),
            Some(Settled::Held(hold)) => self.held_and_undone(&hold).to_bytes(),
            Some(Settled::Failed(error)) => error_message(&error),
        };
        if let Some(action) = action {
            self.write_outcome(action, "rolled back", None);
        }
        // A simple query that comes behind it is refused in its place.
        self.end_with("rollback", Show::NOTHING, Note::Other)?;
        let sent = self.session.answer(message, true, None);
        self.sent(sent)?;
        Ok(Turn::Done)
    }

    /// An Execute is about to be sent.
    pub(super) fn note_executed(&mut self, meaning: &Meaning, judged: &Arc<Judged>, action: u64) {
        if !self.counts() || !(judged.writes || self.in_block) || judged.any(commits) {
            return;
        }
        self.note_approved(meaning.hold.as_deref());
        self.ledger.note(judged, meaning.parameters, action);
        self.ledger.hints.note_bound(&meaning.hinted);
        self.ledger.streamed |= meaning.streamed && judged.writes;
    }

    fn note_simple(&mut self, judged: &Arc<Judged>, action: u64) {
        self.ledger.note(judged, None, action);
        self.ledger.hints.note(judged, &self.context.catalog);
    }

    /// People have approved a statement of the open transaction.
    pub(super) fn note_approved(&mut self, hold: Option<&str>) {
        self.ledger.approved |= hold.is_some();
    }

    pub(super) fn held_and_undone(&self, hold: &Hold) -> Report {
        let url = self.hold_url(hold);
        refusal::held(hold, &url, "; what it did is rolled back")
    }

    fn send_unended(&mut self, judged: &Arc<Judged>, frame: &Frame) -> Result<(), End> {
        let (action, changes) = (self.actions, self.changes(judged));
        let begin = Sent::Query { copy_in: false };
        let begin = self.session.send(begin, Show::NOTHING, Some(Note::Other));
        self.sent(begin)?;
        self.write(&FrontendMessage::Query("begin read write"))?;
        let copy_in = judged.copies_in();
        if copy_in {
            self.copy = Some(self.counter(judged));
        }
        let note = Some(Note::Act(action));
        let sent = Sent::Query { copy_in };
        let sent = self
            .session
            .send_changing(sent, Show::UNTIL_ENDED, note, changes);
        self.sent(sent)?;
        match self.rewritten(judged) {
            None => self.to_server.extend_from_slice(frame.raw()),
            Some(text) => self.write(&FrontendMessage::Query(&text))?,
        }
        self.ledger = Ledger::default();
        self.note_simple(judged, action);
        self.wrapped = Some(Wrapped {
            action,
            frame: frame.clone(),
            // Of several statements the client sees all but the last one done.
            shown: judged.script.statements.len() > 1,
            runs: true,
            tail: None,
        });
        Ok(())
    }

    /// `BEGIN; ...; COMMIT` in one text: all but the COMMIT first.
    fn send_head(&mut self, judged: &Arc<Judged>, frame: &Frame, start: usize) -> Result<(), End> {
        let text = self
            .rewritten(judged)
            .unwrap_or_else(|| judged.text.to_string());
        let length = judged.text.len().saturating_sub(start);
        let (head, tail) = text
            .split_at_checked(text.len().saturating_sub(length))
            .unwrap_or((&text, ""));
        let (action, changes) = (self.actions, self.changes(judged));
        let show = Show {
            ready: false,
            ..Show::ALL
        };
        let note = Some(Note::Act(action));
        let sent = Sent::Query { copy_in: false };
        let sent = self.session.send_changing(sent, show, note, changes);
        self.sent(sent)?;
        self.write(&FrontendMessage::Query(head))?;
        if !self.in_block {
            self.ledger = Ledger::default();
        }
        self.note_simple(judged, action);
        self.wrapped = Some(Wrapped {
            action,
            frame: frame.clone(),
            shown: true,
            runs: true,
            tail: Some(tail.to_owned()),
        });
        Ok(())
    }

    /// The server has answered what was wrapped: commit it, or undo it.
    pub(super) async fn end_wrapped(&mut self) -> Result<(), End> {
        let Some(wrapped) = &mut self.wrapped else {
            return Ok(());
        };
        wrapped.runs = false;
        let ledger = std::mem::take(&mut self.ledger);
        if self.session.status() == TransactionStatus::Failed {
            let ours = self.wrapped.take().is_some_and(|w| w.tail.is_none());
            if ours {
                return self.end_with("rollback", Show::ENDING, Note::Other);
            }
            // The client's own block has failed, and it is for the client to end it.
            self.in_block = true;
            let sent = self.session.answer(Bytes::new(), true, None);
            return self.sent(sent);
        }
        let settled = self.settle(&ledger).await?;
        let Some(wrapped) = self.wrapped.take() else {
            return Ok(());
        };
        let action = wrapped.action;
        match settled {
            Settled::Commit => match &wrapped.tail {
                None => self.end_with("commit", Show::ENDING, Note::End(action)),
                Some(tail) => self.end_with(tail, Show::ALL, Note::End(action)),
            },
            Settled::Refused(report) => {
                self.write_outcome(action, "rolled back", None);
                self.undo_wrapped(report.to_bytes())
            }
            Settled::Failed(error) => {
                self.write_outcome(action, "rolled back", None);
                self.undo_wrapped(error_message(&error))
            }
            Settled::Held(hold) => {
                self.write_outcome(action, "held", None);
                if wrapped.shown {
                    let report = self.held_and_undone(&hold);
                    return self.undo_wrapped(report.to_bytes());
                }
                self.wait_and_repeat(wrapped, &hold).await
            }
        }
    }

    fn end_with(&mut self, sql: &str, show: Show, note: Note) -> Result<(), End> {
        let sent = Sent::Query { copy_in: false };
        let sent = self.session.send(sent, show, Some(note));
        self.sent(sent)?;
        self.write(&FrontendMessage::Query(sql))
    }

    /// Rolls back what the client has not seen done, and tells it this instead.
    fn undo_wrapped(&mut self, message: Bytes) -> Result<(), End> {
        self.session.forget_completion();
        self.end_with("rollback", Show::NOTHING, Note::Other)?;
        let sent = self.session.answer(message, true, None);
        self.sent(sent)
    }

    /// Rolls back, waits for people with nothing locked, and runs it again once they have said yes.
    async fn wait_and_repeat(&mut self, wrapped: Wrapped, hold: &Hold) -> Result<(), End> {
        self.session.forget_completion();
        self.end_with("rollback", Show::NOTHING, Note::Other)?;
        while !self.session.is_settled() {
            self.more_answers().await?;
        }
        let url = self.hold_url(hold);
        let waited = self.pause_for(hold, &url).await?;
        let report = match waited {
            Waited::Decided => match self.shared.store.hold(&hold.id).map(|r| r.state) {
                Some(HoldState::Approved { .. }) => {
                    self.held_back = Some(wrapped.frame);
                    return Ok(());
                }
                Some(HoldState::Denied { reason, .. }) => refusal::denied(hold, &reason, &url),
                Some(state) => {
                    refusal::held(hold, &url, &format!("; the hold is {}", state.word()))
                }
                None => refusal::held(hold, &url, ""),
            },
            Waited::TimedOut => refusal::held(hold, &url, "; what it did is rolled back"),
            Waited::Cancelled => {
                if let Err(error) = self
                    .shared
                    .store
                    .withdraw(&hold.id, "the agent cancelled")
                    .await
                {
                    tracing::error!(%error, "a hold was not withdrawn");
                }
                report("57014", "canceling statement due to user request")
            }
        };
        let sent = self.session.answer(report.to_bytes(), true, None);
        self.sent(sent)
    }

    /// An error in the server's own words.
    pub(super) fn put_error(&mut self, body: &[u8]) {
        let message = error_message(body);
        self.to_client.extend_from_slice(&message);
    }
}

/// How a text stands to the transaction that it writes in.
enum Shape {
    /// It is a transaction of its own.
    Alone,
    /// It is a part of one, or begins one.
    Inside,
    /// It commits the open one.
    Commit,
    /// It commits at its end what it or a text before it began; where the COMMIT begins.
    Parts(usize),
    /// It does several of these.
    Mixed,
    /// It writes nothing, or only opens or undoes.
    Other,
}

/// Whether it commits what is open.
pub(super) fn commits(kind: &StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Commit { .. } | StatementKind::PrepareTransaction(_)
    )
}

fn error_message(body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + 5);
    out.put_u8(b'E');
    out.put_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
    out.put_slice(body);
    out.freeze()
}
