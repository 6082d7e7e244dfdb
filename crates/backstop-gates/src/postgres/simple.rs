//! Simple queries: judged, and sent as they are, wrapped into a transaction of the gate's, held or refused.

use std::sync::Arc;

use backstop_core::verdict::Decision;
use backstop_wire::postgres::backend::TransactionStatus;
use backstop_wire::postgres::frame::Frame;
use backstop_wire::postgres::frontend::FrontendMessage;
use backstop_wire::postgres::session::{Change, Sent, Show};
use backstop_wire::postgres::tag::frontend as tag;
use backstop_wire::sql::StatementKind;

use super::client::Turn;
use super::hold::Decided;
use super::judge::Judged;
use super::portal::fetches;
use super::relay::{End, Meaning, Note, Relay};

impl Relay<'_> {
    pub(super) async fn query(&mut self, sql: &str, frame: &Frame) -> Result<Turn, End> {
        self.ensure_server().await?;
        if self.begun {
            return self.end_begun(None).await;
        }
        let judged = match self.judged(sql, &[]).await? {
            Ok(judged) => judged,
            Err(error) => {
                self.refuse_unreadable(tag::QUERY, sql, &error)?;
                return Ok(Turn::Done);
            }
        };
        if self.blocked_by_failure(&judged) {
            // The server refuses it in its own words and nothing can run.
            return self.pass(Sent::Query { copy_in: false }, Note::Other, frame);
        }
        if let Some(report) = self.unspeakable(&judged) {
            self.refuse(tag::QUERY, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        let waits = judged.verdict.decision == Decision::Hold || fetches(&judged);
        if waits && !self.session.settle() {
            return Ok(Turn::Again);
        }
        if let Some(report) = self.fetches_a_write(&judged) {
            self.refuse(tag::QUERY, report, Note::Other)?;
            return Ok(Turn::Done);
        }
        let hold = match self.decide(&judged, None, false).await? {
            Decided::Act { spent } => spent,
            Decided::Refused(report) => {
                self.refuse(tag::QUERY, *report, Note::Other)?;
                return Ok(Turn::Done);
            }
            Decided::Elsewhere(ticket) => {
                let messages = self.query_elsewhere(&ticket, &judged).await?;
                let sent = self.session.answer(messages, true, None);
                self.sent(sent)?;
                return Ok(Turn::Done);
            }
        };
        let alone = self.outside_block_writes(&judged) && !self.segment_writes;
        if alone && !self.end_segment()? {
            return Ok(Turn::Again);
        }
        self.note_approved(hold.as_deref());
        if let Some(turn) = self.settled_first(&judged).await? {
            return Ok(turn);
        }
        let action = self.next_action();
        self.journal_intent(action, &judged, None, hold.as_deref())?;
        let measured = self.is_wrapped_by(&judged);
        if !measured {
            self.await_durable(&judged).await?;
        }
        if !self.query_measured(&judged, frame)? {
            self.send_query(&judged, frame, action, alone)?;
        }
        self.segment_writes = false;
        self.segment_ran = false;
        // What it was wrapped for is not over when its text is.
        let ledger = measured.then(|| std::mem::take(&mut self.ledger));
        self.note_effects(&judged);
        if let Some(ledger) = ledger {
            self.ledger = ledger;
        }
        Ok(Turn::Done)
    }

    pub(super) fn send_query(
        &mut self,
        judged: &Arc<Judged>,
        frame: &Frame,
        action: u64,
        alone: bool,
    ) -> Result<(), End> {
        let copy_in = judged.copies_in();
        let note = Some(Note::Act(action));
        let changes = self.changes(judged);
        if copy_in {
            self.copy = Some(self.counter(judged));
        }
        if alone && self.may_write() {
            let controls = judged.any(|k| matches!(k, StatementKind::Begin(_)))
                || judged.traits.ends_transaction;
            if copy_in || controls {
                return self.send_prefixed(judged, note, changes, copy_in);
            }
            return self.send_wrapped(judged, frame, action, changes);
        }
        let sent = self
            .session
            .send_changing(Sent::Query { copy_in }, Show::ALL, note, changes);
        self.sent(sent)?;
        match self.rewritten(judged) {
            None => self.to_server.extend_from_slice(frame.raw()),
            Some(text) => self.write(&FrontendMessage::Query(&text))?,
        }
        Ok(())
    }

    /// In a READ WRITE transaction of the gate's own; the client sees it done only when that is committed.
    pub(super) fn send_wrapped(
        &mut self,
        judged: &Arc<Judged>,
        frame: &Frame,
        action: u64,
        changes: Vec<(u32, Change<Meaning>)>,
    ) -> Result<(), End> {
        const BEGIN: &str = "begin read write";
        const COMMIT: &str = "commit";
        let sent = self.session.send(
            Sent::Query { copy_in: false },
            Show::NOTHING,
            Some(Note::Other),
        );
        self.sent(sent)?;
        self.write(&FrontendMessage::Query(BEGIN))?;
        let query = Sent::Query { copy_in: false };
        let sent =
            self.session
                .send_changing(query, Show::UNTIL_ENDED, Some(Note::Act(action)), changes);
        self.sent(sent)?;
        match self.rewritten(judged) {
            None => self.to_server.extend_from_slice(frame.raw()),
            Some(text) => self.write(&FrontendMessage::Query(&text))?,
        }
        let sent = self.session.send(
            Sent::Query { copy_in: false },
            Show::ENDING,
            Some(Note::End(action)),
        );
        self.sent(sent)?;
        self.write(&FrontendMessage::Query(COMMIT))
    }

    /// Where no COMMIT can follow (a COPY from the client would take it for data, and a text with its own COMMIT
    /// has done with it), the transaction is made READ WRITE by a statement before it in the same text. The client
    /// does not see that statement's completion.
    pub(super) fn send_prefixed(
        &mut self,
        judged: &Arc<Judged>,
        note: Option<Note>,
        changes: Vec<(u32, Change<Meaning>)>,
        copy_in: bool,
    ) -> Result<(), End> {
        let rewritten = self.rewritten(judged);
        let text = format!(
            "{};{}",
            super::writes::WRITABLE_SQL,
            rewritten.as_deref().unwrap_or(&judged.text)
        );
        let shifted = changes
            .into_iter()
            .map(|(n, change)| (n.saturating_add(1), change));
        let sent = self
            .session
            .send_changing(Sent::Query { copy_in }, Show::ALL, note, shifted);
        self.sent(sent)?;
        self.hidden_set = true;
        self.write(&FrontendMessage::Query(&text))
    }

    /// In a failed transaction the server refuses everything but its end: no need to hold it.
    pub(super) fn blocked_by_failure(&self, judged: &Judged) -> bool {
        let failed =
            self.session.is_settled() && self.session.status() == TransactionStatus::Failed;
        failed
            && !judged.traits.ends_transaction
            && !judged.any(|k| matches!(k, StatementKind::RollbackTo(_)))
            && judged.script.statements.len() == 1
    }
}
