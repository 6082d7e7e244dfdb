//! Noting what was sent to the server, so that its answers can be told apart.
//!
//! The gate does the sending; the client's messages and its own go the same way.

use bytes::Bytes;

use super::super::backend::write_ready;
use super::item::{Instead, Kind};
use super::{Barrier, Change, Copying, Outcome, Session, Show, Skip};

/// What is sent to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent<'a, S> {
    /// A Parse.
    Parse {
        /// The statement's name.
        statement: &'a str,
        /// What it stands for.
        means: S,
    },
    /// A Bind.
    Bind {
        /// The portal's name.
        portal: &'a str,
        /// What running it means.
        means: S,
    },
    /// A Describe of a statement.
    DescribeStatement,
    /// A Describe of a portal.
    DescribePortal,
    /// An Execute.
    Execute {
        /// Whether the portal may be a COPY from the client.
        copy_in: bool,
    },
    /// A Close of a statement.
    CloseStatement(&'a str),
    /// A Close of a portal.
    ClosePortal(&'a str),
    /// A Sync.
    Sync,
    /// A Flush.
    Flush,
    /// A Query.
    Query {
        /// Whether there may be a COPY from the client in it.
        copy_in: bool,
    },
    /// A function call.
    FunctionCall,
    /// Data to copy in. Need not be noted, but may.
    CopyData,
    /// The end of data to copy in.
    CopyDone,
    /// The end of copying in, failed.
    CopyFail,
}

/// Why a message must not be sent now. Nothing has been noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// An earlier answer decides what the server would do with it.
    #[error("an earlier message must be answered first")]
    Waiting,
    /// The server would skip it.
    #[error("an earlier message has failed, and the server skips until Sync")]
    Skipping,
    /// The name is the one by which refusals fail.
    #[error("this statement name is reserved")]
    ReservedName,
    /// Too many statements or portals have names.
    #[error("too many prepared statements or portals are open in this session")]
    TooManyNames,
    /// The server does not take data now.
    #[error("no COPY from the client is going on")]
    NotCopying,
}

impl<M, S> Session<M, S> {
    /// Notes that a message is sent to the server, right after everything noted before.
    ///
    /// # Errors
    /// When it must not be sent; then it is not noted, and the gate must not send it.
    #[inline]
    pub fn send(
        &mut self,
        sent: Sent<'_, S>,
        show: Show,
        meta: Option<M>,
    ) -> Result<(), SendError> {
        self.send_changing(sent, show, meta, std::iter::empty())
    }

    /// As [`send`](Self::send), for SQL that changes the meaning of names: each change comes with how
    /// many statements stand before the one that makes it (zero for an Execute), in ascending order.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_changing(
        &mut self,
        sent: Sent<'_, S>,
        show: Show,
        meta: Option<M>,
        changes: impl IntoIterator<Item = (u32, Change<S>)>,
    ) -> Result<(), SendError> {
        let (kind, change) = match sent {
            Sent::CopyData => return self.send_copy_data(),
            Sent::CopyDone | Sent::CopyFail => return self.end_copy(meta),
            Sent::Flush => {
                self.may_send(false)?;
                self.unflushed = false;
                self.tell(meta, Outcome::Succeeded);
                return Ok(());
            }
            Sent::Parse { statement, means } => {
                self.may_name(statement)?;
                (
                    Kind::Parse,
                    Some(Change::SetStatement(statement.into(), means)),
                )
            }
            Sent::Bind { portal, means } => {
                self.may_name(portal)?;
                (Kind::Bind, Some(bound(portal, means)))
            }
            Sent::CloseStatement(name) => (Kind::Close, Some(Change::DropStatement(name.into()))),
            Sent::ClosePortal(name) => (Kind::Close, Some(Change::DropPortal(name.into()))),
            Sent::DescribeStatement => (Kind::DescribeStatement, None),
            Sent::DescribePortal => (Kind::DescribePortal, None),
            Sent::Execute { copy_in } => (Kind::Execute { copy_in }, None),
            Sent::Sync => (Kind::Sync { ours: false }, None),
            Sent::Query { copy_in } => (Kind::Query { copy_in }, None),
            Sent::FunctionCall => (Kind::FunctionCall, None),
        };
        self.may_send(kind.is_sync())?;
        let was_open = self.segment_open;
        let id = self.push(kind, show, meta);
        if let Some(change) = change {
            self.names.await_change(id, 0, false, change);
        }
        // An Execute is committed by the Sync after it, which fails on its own.
        let commits = matches!(kind, Kind::Query { .. });
        for (after, change) in changes {
            let in_company = commits && (after > 0 || was_open);
            self.names.await_change(id, after, in_company, change);
        }
        self.note_sent(kind);
        Ok(())
    }

    /// The gate answers a message itself, when everything sent before it is answered. With `ready`,
    /// `ReadyForQuery` follows, saying where the server stands then.
    ///
    /// # Errors
    /// When the client's message should not have been admitted.
    pub fn answer(&mut self, bytes: Bytes, ready: bool, meta: Option<M>) -> Result<(), SendError> {
        self.may_send(false)?;
        if self.queue.is_empty() {
            self.emit_answer(&bytes, ready, meta);
            return Ok(());
        }
        self.push(Kind::Local { ready }, Show::ALL, meta);
        if ready {
            // A Query would have made the server send what it keeps back.
            self.nudge();
        }
        if let Some(item) = self.queue.back_mut() {
            item.instead = Some(Box::new(Instead::Answer(bytes)));
        }
        Ok(())
    }

    pub(super) fn emit_answer(&mut self, bytes: &[u8], ready: bool, meta: Option<M>) {
        self.to_client.extend_from_slice(bytes);
        if ready {
            self.shown = self.status;
            write_ready(self.status, &mut self.to_client);
        }
        self.tell(meta, Outcome::Answered);
    }

    pub(super) fn note_sent(&mut self, kind: Kind) {
        if kind.is_extended() {
            self.segment_open = true;
            self.unflushed = true;
        } else {
            self.segment_open = false;
            self.unflushed = false;
            self.names.end_segment();
        }
        match kind {
            Kind::Sync { .. } => self.skip = Skip::No,
            Kind::Query { copy_in: true } | Kind::Execute { copy_in: true } => {
                self.barrier = Some(Barrier::CopyIn);
            }
            _ => {}
        }
    }

    pub(super) fn may_send(&self, is_sync: bool) -> Result<(), SendError> {
        let copying = matches!(self.copying, Copying::In);
        if copying || (self.barrier == Some(Barrier::CopyIn) && !self.queue.is_empty()) {
            return Err(SendError::Waiting);
        }
        match self.skip {
            Skip::No => Ok(()),
            Skip::Server if is_sync => Ok(()),
            Skip::Server | Skip::Local => Err(SendError::Skipping),
        }
    }

    fn may_name(&self, name: &str) -> Result<(), SendError> {
        if name == &*self.config.refusal_statement {
            return Err(SendError::ReservedName);
        }
        if !name.is_empty() && !self.names.has_room() {
            return Err(SendError::TooManyNames);
        }
        Ok(())
    }

    fn send_copy_data(&self) -> Result<(), SendError> {
        match self.copying {
            Copying::In => Ok(()),
            _ => Err(SendError::NotCopying),
        }
    }

    fn end_copy(&mut self, meta: Option<M>) -> Result<(), SendError> {
        self.send_copy_data()?;
        self.copying = Copying::InEnded;
        self.held_sync = false;
        let item = self.queue.front();
        if item.is_some_and(|item| matches!(item.kind, Kind::Query { .. })) {
            // The same string may go on with another COPY.
            self.barrier = Some(Barrier::CopyIn);
        } else {
            // Its completion is kept back until the client's Sync, or until it is asked for.
            self.unflushed = true;
        }
        self.tell(meta, Outcome::Succeeded);
        Ok(())
    }
}

fn bound<S>(portal: &str, means: S) -> Change<S> {
    Change::SetPortal {
        name: portal.into(),
        means,
        holdable: false,
    }
}
