//! What to do with a client's next message before anybody looks into it.
//!
//! What the server would skip is dropped here, what cannot be understood before an earlier answer has
//! come waits. Nothing is decided about what is allowed.

use super::super::backend::{Report, write_ready};
use super::super::error::ProtocolError;
use super::super::frontend::FrontendMessage;
use super::super::tag::frontend as tag;
use super::item::{Instead, Kind};
use super::{Barrier, Copying, Session, Show, Skip};

/// What to do with a client's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Judge it now, then send, refuse or answer it.
    Judge,
    /// Drop it: the server would do nothing with it, or the session has answered it.
    Drop,
    /// Leave it where it is until the server has answered more.
    Wait,
    /// The client says good bye.
    Close,
}

impl<M, S> Session<M, S> {
    /// What to do with a client's message, by its type.
    ///
    /// # Errors
    /// When a message of this type has no place in a session, or none while data are copied in.
    #[inline]
    pub fn admit(&mut self, message: u8) -> Result<Admission, ProtocolError> {
        match message {
            tag::TERMINATE => return Ok(Admission::Close),
            tag::PASSWORD => return Err(ProtocolError::UnknownTag(message)),
            _ => {}
        }
        if self.must_wait() {
            self.nudge();
            return Ok(Admission::Wait);
        }
        if self.copying == Copying::In {
            return self.admit_while_copying(message);
        }
        Ok(match self.skip {
            Skip::No => match message {
                // Left over from copying that has failed; the server ignores it too.
                tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL => Admission::Drop,
                _ => Admission::Judge,
            },
            Skip::Server if message == tag::SYNC => Admission::Judge,
            Skip::Local if message == tag::SYNC => {
                self.skip = Skip::No;
                self.shown = self.status;
                write_ready(self.status, &mut self.to_client);
                Admission::Drop
            }
            Skip::Server | Skip::Local => Admission::Drop,
        })
    }

    fn must_wait(&mut self) -> bool {
        let over = match self.barrier {
            None => true,
            Some(Barrier::Settle) => self.queue.is_empty(),
            Some(Barrier::CopyIn) => self.queue.is_empty() || self.copying == Copying::In,
        };
        if over {
            self.barrier = None;
        }
        !over || self.queue.len() >= self.config.most_in_flight
    }

    /// Sees to it that the server does not keep back the answers that are waited for.
    pub(super) fn nudge(&mut self) {
        if self.unflushed {
            self.unflushed = false;
            self.write_to_server(FrontendMessage::Flush);
        }
    }

    fn admit_while_copying(&mut self, message: u8) -> Result<Admission, ProtocolError> {
        Ok(match message {
            tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL => {
                // A Sync before the first of the data is the one that clients send along with their
                // Execute: the server has read it while it waited for data, and ignored it.
                if !std::mem::replace(&mut self.data_came, true) {
                    self.held_sync = false;
                }
                Admission::Judge
            }
            tag::FLUSH => Admission::Drop,
            tag::SYNC => {
                // The server ignores it while it copies. If it has failed already and we do not know
                // yet, this Sync is the one that it waits for.
                self.held_sync = self.is_extended_copy();
                Admission::Drop
            }
            // The server would end the connection too. It must never see the command itself, since it
            // may have failed the COPY already and would run it.
            _ => return Err(ProtocolError::DuringCopy(message)),
        })
    }

    fn is_extended_copy(&self) -> bool {
        self.queue
            .front()
            .is_some_and(|item| matches!(item.kind, Kind::Execute { .. }))
    }

    /// Ends copying in with an error of ours.
    pub(super) fn fail_copy(&mut self, report: Report) {
        self.write_to_server(FrontendMessage::CopyFail("refused"));
        self.copying = Copying::InEnded;
        self.held_sync = false;
        if let Some(item) = self.queue.front_mut() {
            item.instead = Some(Box::new(Instead::Report(report)));
        }
        if self.is_extended_copy() {
            self.skip = Skip::Server;
        } else {
            self.barrier = Some(Barrier::CopyIn);
        }
    }

    /// The copying of an extended-protocol message has failed, and its Sync was held back.
    pub(super) fn release_held_sync(&mut self) {
        if std::mem::take(&mut self.held_sync) && self.skip == Skip::Server {
            self.write_to_server(FrontendMessage::Sync);
            self.push(Kind::Sync { ours: false }, Show::ALL, None);
            self.skip = Skip::No;
            self.segment_open = false;
            self.unflushed = false;
            self.names.end_segment();
        }
    }

    /// Writes a message of the session's own.
    pub(super) fn write_to_server(&mut self, message: FrontendMessage<'_>) {
        // INVARIANT: names and texts in them are the session's own and without NULs.
        let written = message.write(&mut self.to_server);
        debug_assert!(written.is_ok(), "{message:?}");
    }
}
