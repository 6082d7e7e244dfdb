//! Refusing a message so that client, gate and server still agree.
//!
//! Where something is open at the server, the server must see a failure at exactly that point: it is
//! sent a Bind of a statement that does not exist, and the client sees the gate's report in place of the
//! server's. Where nothing is open, the server need not know.

use super::super::backend::{Report, write_ready};
use super::super::frontend::{Bind, FrontendMessage};
use super::super::tag::frontend as tag;
use super::item::{Instead, Kind};
use super::{Barrier, Change, Copying, Outcome, SendError, Session, Show, Skip};

impl<M, S> Session<M, S> {
    /// Refuses a client's message of this type with a report; the message must not be sent.
    ///
    /// A refused Sync fails what was sent since the last one. The outcome is `Refused` once the client
    /// has been told, or `Skipped` when an earlier failure came first.
    ///
    /// # Errors
    /// When the message should not have been admitted.
    pub fn refuse(
        &mut self,
        message: u8,
        report: Report,
        meta: Option<M>,
    ) -> Result<(), SendError> {
        match message {
            tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL => self.refuse_copy(report, meta),
            tag::QUERY | tag::FUNCTION_CALL => {
                self.may_send(false)?;
                self.refuse_command(report, meta);
                Ok(())
            }
            tag::SYNC => {
                self.may_send(true)?;
                self.refuse_sync(report, meta);
                Ok(())
            }
            _ => {
                self.may_send(false)?;
                self.refuse_extended(message, report, meta);
                Ok(())
            }
        }
    }

    fn refuse_copy(&mut self, report: Report, meta: Option<M>) -> Result<(), SendError> {
        if self.copying != Copying::In {
            return Err(SendError::NotCopying);
        }
        self.fail_copy(report);
        self.tell(meta, Outcome::Refused);
        Ok(())
    }

    fn refuse_command(&mut self, report: Report, meta: Option<M>) {
        if self.at_rest() {
            report.write(&mut self.to_client);
            write_ready(self.status, &mut self.to_client);
            self.shown = self.status;
            self.names.drop_unnamed_statement();
            return self.tell(meta, Outcome::Refused);
        }
        // If something before it fails, the server skips the refusal but not the Sync after it. Nothing
        // more may be sent until that is known; `skip_followers` then puts it right.
        let may_be_skipped = self.may_be_skipped();
        let refusal = self.send_refusal(report, meta);
        self.forget_unnamed_statement(refusal);
        self.send_sync(true);
        if may_be_skipped {
            self.barrier = Some(Barrier::Settle);
        }
    }

    fn refuse_sync(&mut self, report: Report, meta: Option<M>) {
        if self.skip == Skip::Server {
            self.tell(meta, Outcome::Skipped);
        } else {
            self.send_refusal(report, meta);
        }
        self.send_sync(false);
    }

    fn refuse_extended(&mut self, message: u8, report: Report, meta: Option<M>) {
        let replaces = message == tag::PARSE;
        if self.at_rest() {
            report.write(&mut self.to_client);
            self.skip = Skip::Local;
            if replaces {
                self.names.drop_unnamed_statement();
            }
            return self.tell(meta, Outcome::Refused);
        }
        let refusal = self.send_refusal(report, meta);
        if replaces {
            self.forget_unnamed_statement(refusal);
        }
        self.skip = Skip::Server;
    }

    /// PostgreSQL throws the unnamed statement away before it tries a Parse or a Query. The server was
    /// sent neither and still has it, so it must not be used any more: a client that does not look at
    /// errors would run the older one.
    fn forget_unnamed_statement(&mut self, refusal: u64) {
        self.names
            .await_change(refusal, 0, false, Change::DropStatement("".into()));
    }

    fn send_refusal(&mut self, report: Report, meta: Option<M>) -> u64 {
        let name = self.config.refusal_statement.clone();
        self.write_to_server(FrontendMessage::Bind(Bind::new("", &name)));
        let id = self.push(Kind::Refusal, Show::ALL, meta);
        if let Some(item) = self.queue.back_mut() {
            item.instead = Some(Box::new(Instead::Report(report)));
        }
        self.note_sent(Kind::Refusal);
        id
    }

    fn send_sync(&mut self, ours: bool) {
        let kind = Kind::Sync { ours };
        self.write_to_server(FrontendMessage::Sync);
        self.push(kind, Show::ALL, None);
        self.note_sent(kind);
    }

    /// Whether something unanswered could make the server skip the next message.
    fn may_be_skipped(&self) -> bool {
        self.queue
            .iter()
            .rev()
            .take_while(|item| !item.kind.is_sync())
            .any(|item| item.kind.is_extended())
    }
}
