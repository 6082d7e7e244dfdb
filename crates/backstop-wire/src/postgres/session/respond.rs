//! What a server's message answers, and whether the client sees it.
//!
//! Rows are the hot path: their type and the message being answered are all that is looked at.

use bytes::{BufMut, BytesMut};

use super::super::backend::{
    Fields, Report, SqlState, TransactionStatus, ready_status, write_ready,
};
use super::super::error::shown;
use super::super::tag::backend as tag;
use super::item::{Instead, Item, Kind};
use super::names::pop_if;
use super::{Copying, Outcome, Session, Show, Skip};

/// What to do with a server's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Pass it on to the client as it is.
    Relay,
    /// Keep it from the client. What the client sees instead, if anything, is in `take_to_client`.
    Swallow,
}

/// The server said something that answers nothing: nobody knows any more who is where, so the
/// connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent a message of type {} where it answers nothing", shown(*.tag))]
pub struct Desync {
    /// The message's type.
    pub tag: u8,
}

impl<M, S> Session<M, S> {
    /// What to do with a server's message. Of rows, copied data, notices and errors the beginning of the
    /// body is enough, as long as an error's code is in it.
    ///
    /// # Errors
    /// When the message answers nothing that was sent.
    #[inline]
    pub fn on_backend(&mut self, message: u8, body: &[u8]) -> Result<Action, Desync> {
        match message {
            tag::DATA_ROW => self.on_row(),
            tag::COPY_DATA => self.on_copy_data(),
            tag::READY_FOR_QUERY => self.on_ready(body),
            tag::ERROR_RESPONSE => self.on_error(body),
            tag::NOTIFICATION_RESPONSE => Ok(Action::Relay),
            tag::NOTICE_RESPONSE => Ok(self.on_unasked(|show| show.answers)),
            tag::PARAMETER_STATUS => Ok(self.on_unasked(|show| show.answers || show.ready)),
            _ => self.on_answer(message, body),
        }
    }

    fn on_row(&self) -> Result<Action, Desync> {
        match self.queue.front() {
            Some(item) if item.kind.accepts(tag::DATA_ROW) => Ok(visible(item.show.answers)),
            _ => Err(Desync { tag: tag::DATA_ROW }),
        }
    }

    fn on_copy_data(&self) -> Result<Action, Desync> {
        match self.queue.front() {
            Some(item) if self.copying == Copying::Out => Ok(visible(item.show.answers)),
            _ => Err(Desync {
                tag: tag::COPY_DATA,
            }),
        }
    }

    fn on_unasked(&self, sees: impl FnOnce(Show) -> bool) -> Action {
        match self.queue.front() {
            Some(item) => visible(sees(item.show)),
            None => Action::Relay,
        }
    }

    fn on_answer(&mut self, message: u8, body: &[u8]) -> Result<Action, Desync> {
        let wrong = Desync { tag: message };
        let item = self.queue.front_mut().ok_or(wrong)?;
        if !item.kind.accepts(message) {
            return Err(wrong);
        }
        let (id, kind, show) = (item.id, item.kind, item.show);
        if message == tag::COMMAND_COMPLETE {
            item.commands = item.commands.saturating_add(1);
            let commands = item.commands;
            self.names.progressed(id, commands);
            if body == b"COMMIT\0" {
                self.names.transaction_ended();
            }
        }
        self.follow_copying(message, kind).map_err(|()| wrong)?;
        let action = self.show_answer(message, body, show);
        if kind.is_ended_by(message) {
            let outcome = match message {
                tag::PORTAL_SUSPENDED => Outcome::Suspended,
                _ => Outcome::Succeeded,
            };
            self.finish_front(outcome);
        }
        Ok(action)
    }

    /// Keeps track of where copying stands.
    fn follow_copying(&mut self, message: u8, kind: Kind) -> Result<(), ()> {
        match message {
            tag::COPY_IN_RESPONSE => {
                // A COPY that nobody judged as one, or with messages behind it that it would swallow.
                let expected = matches!(
                    kind,
                    Kind::Query { copy_in: true } | Kind::Execute { copy_in: true }
                );
                if !expected || self.queue.len() > 1 || self.copying == Copying::In {
                    return Err(());
                }
                self.copying = Copying::In;
                self.data_came = false;
            }
            tag::COPY_OUT_RESPONSE => self.copying = Copying::Out,
            tag::COPY_DONE if self.copying != Copying::Out => return Err(()),
            // The server has done with the data before the client has ended them: it cannot be.
            tag::COMMAND_COMPLETE if self.copying == Copying::In => return Err(()),
            tag::COMMAND_COMPLETE => self.copying = Copying::No,
            _ => {}
        }
        Ok(())
    }

    fn show_answer(&mut self, message: u8, body: &[u8], show: Show) -> Action {
        if show.hold_completion || self.held_completion.is_some() {
            return self.show_held(message, body, show);
        }
        visible(show.answers)
    }

    /// A completion is kept back until what ends its transaction has succeeded, as PostgreSQL itself
    /// reports a statement done only once it is committed.
    fn show_held(&mut self, message: u8, body: &[u8], show: Show) -> Action {
        let quiet = !show.answers && !show.ready;
        if quiet || (!show.answers && message != tag::COMMAND_COMPLETE) {
            // A question of the gate's own decides nothing yet.
            return Action::Swallow;
        }
        self.release_completion();
        if show.answers {
            let mut raw = BytesMut::with_capacity(body.len().saturating_add(5));
            put_message(&mut raw, message, body);
            if show.hold_completion && message == tag::COMMAND_COMPLETE {
                self.held_completion = Some(raw.freeze());
            } else {
                self.to_client.extend_from_slice(&raw);
            }
        }
        Action::Swallow
    }

    fn release_completion(&mut self) {
        if let Some(held) = self.held_completion.take() {
            self.to_client.extend_from_slice(&held);
        }
    }

    fn on_ready(&mut self, body: &[u8]) -> Result<Action, Desync> {
        let wrong = Desync {
            tag: tag::READY_FOR_QUERY,
        };
        let status = ready_status(body).map_err(|_| wrong)?;
        let item = self.queue.front().ok_or(wrong)?;
        let (kind, show, failed) = (item.kind, item.show, item.failed);
        if kind.is_extended() || self.copying == Copying::In {
            return Err(wrong);
        }
        self.status = status;
        self.copying = Copying::No;
        if status == TransactionStatus::Idle {
            self.names.transaction_ended();
        }
        let action = self.show_ready(status, show);
        self.finish_front(failed.map_or(Outcome::Succeeded, Outcome::Failed));
        Ok(action)
    }

    fn show_ready(&mut self, status: TransactionStatus, show: Show) -> Action {
        if !show.ready {
            return Action::Swallow;
        }
        self.shown = status;
        if self.held_completion.is_none() {
            return Action::Relay;
        }
        self.release_completion();
        write_ready(status, &mut self.to_client);
        Action::Swallow
    }

    fn on_error(&mut self, body: &[u8]) -> Result<Action, Desync> {
        let fields = Fields::beginning(body);
        if fields.is_fatal() {
            // Nothing follows; what is unanswered ends as lost.
            self.closing = true;
            return Ok(Action::Relay);
        }
        let code = fields.code();
        let item = self.queue.front_mut().ok_or(Desync {
            tag: tag::ERROR_RESPONSE,
        })?;
        let (kind, show) = (item.kind, item.show);
        // Only the failure that the gate itself brought about is replaced by the gate's report.
        let instead = item
            .instead
            .take_if(|_| kind == Kind::Refusal || code == SqlState::QUERY_CANCELED);
        item.failed = Some(code);
        if show.errors {
            self.settle_held_completion(show.hold_completion);
        }
        if self.copying == Copying::In && !self.data_came && code == SqlState::QUERY_CANCELED {
            // It was cancelled as it waited for data, with the Sync behind it.
            self.held_sync = false;
        }
        self.copying = Copying::No;
        let action = match instead.as_deref() {
            Some(Instead::Report(report)) => {
                report.write(&mut self.to_client);
                Action::Swallow
            }
            _ if show.errors => self.relay_error(body),
            _ => Action::Swallow,
        };
        if kind.is_extended() {
            self.fail_front(code);
        } else {
            // `ReadyForQuery` ends it.
            self.held_sync = false;
        }
        Ok(action)
    }

    fn fail_front(&mut self, code: SqlState) {
        if let Some(item) = self.queue.pop_front() {
            let outcome = match item.kind {
                Kind::Refusal => Outcome::Refused,
                _ => Outcome::Failed(code),
            };
            self.finish(item, outcome);
        }
        self.skip_followers();
        self.release_held_sync();
    }

    /// An error in the message whose completion is held belongs to a later statement of it; one in the
    /// message after it undoes what was held.
    fn settle_held_completion(&mut self, same_message: bool) {
        if same_message {
            self.release_completion();
        } else {
            self.held_completion = None;
        }
    }

    /// Relays an error, unless a completion that was just released must go before it.
    fn relay_error(&mut self, body: &[u8]) -> Action {
        if self.to_client.is_empty() {
            return Action::Relay;
        }
        if Fields::parse(body).is_ok() {
            put_message(&mut self.to_client, tag::ERROR_RESPONSE, body);
        } else {
            // Only its beginning is here, so that it cannot be moved; its code is what counts.
            let code = Fields::beginning(body).code();
            let report = Report::error(code, "the server's error is too long to be shown")
                .hint("look at the server's log for the whole message");
            report.write(&mut self.to_client);
        }
        Action::Swallow
    }

    /// After an error in an extended-protocol message the server skips until Sync.
    fn skip_followers(&mut self) {
        let mut refusal_skipped = false;
        while let Some(item) = pop_if(&mut self.queue, |item| !item.kind.is_sync()) {
            refusal_skipped = item.kind == Kind::Refusal;
            self.names.skipped(item.id);
            self.tell(item.meta, Outcome::Skipped);
        }
        match self.queue.front_mut() {
            None => self.skip = Skip::Server,
            // The client's Query was skipped with the refusal, so no Sync of its has come yet; ours
            // ends the server's skipping, not the client's.
            Some(item) if refusal_skipped && item.kind == (Kind::Sync { ours: true }) => {
                item.show = Show::NOTHING;
                self.skip = Skip::Server;
            }
            Some(_) => {}
        }
    }

    fn finish_front(&mut self, outcome: Outcome) {
        if let Some(item) = self.queue.pop_front() {
            self.finish(item, outcome);
        }
        while let Some(item) = pop_if(&mut self.queue, |item| {
            matches!(item.kind, Kind::Local { .. })
        }) {
            let ready = item.kind == Kind::Local { ready: true };
            let bytes = match item.instead.as_deref() {
                Some(Instead::Answer(bytes)) => &bytes[..],
                _ => &[],
            };
            self.emit_answer(bytes, ready, item.meta);
        }
    }

    fn finish(&mut self, item: Item<M>, outcome: Outcome) {
        match outcome {
            Outcome::Failed(code) => self.names.failed(item.id, item.commands, code),
            _ => self.names.succeeded(item.id),
        }
        self.tell(item.meta, outcome);
    }
}

fn visible(yes: bool) -> Action {
    if yes { Action::Relay } else { Action::Swallow }
}

fn put_message(out: &mut BytesMut, message: u8, body: &[u8]) {
    let length = body.len().saturating_add(4);
    out.put_u8(message);
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    out.put_slice(body);
}
