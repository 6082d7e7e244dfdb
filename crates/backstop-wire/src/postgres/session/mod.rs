//! Where client, gate and server stand with each other: the state machine of a PostgreSQL session.
//!
//! The gate calls it for every message in both directions, in order:
//!
//! 1. A client's message has come: [`Session::admit`] says whether to judge it now, to wait, or to
//!    drop it as the server would.
//! 2. The judged message is [sent](Session::send) on, [refused](Session::refuse) or
//!    [answered](Session::answer) by the gate itself. The gate may send messages of its own before and
//!    after it; [`Show`] says what the client sees of their answers.
//! 3. A server's message has come: [`Session::on_backend`] says whether the client sees it;
//!    [`Session::next_event`] then tells which sent messages are over, and how they ended.
//!
//! After every call the gate takes what [`Session::take_to_server`] and [`Session::take_to_client`]
//! hold, and sends it after what it has sent before. (`Relay` comes before what `take_to_client` gives.)
//!
//! INVARIANT: the session never believes that a name means something other than what the server has
//! under it. It may believe in a name that is gone (the server refuses it), or miss one that is there
//! (the gate must refuse it). What it cannot know yet is [`Meaning::Unsettled`].
//!
//! It does no I/O, knows no SQL, and decides nothing about what is allowed. What a server sends out of
//! turn is a [`Desync`], which costs the connection: fail closed.

mod admit;
mod item;
mod names;
mod refuse;
mod respond;
mod send;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::backend::{SqlState, TransactionStatus};
use item::{Item, Kind};
use names::Names;

pub use admit::Admission;
pub use names::{Change, Meaning};
pub use respond::{Action, Desync};
pub use send::{SendError, Sent};

/// What does not change during a session.
#[derive(Debug, Clone)]
pub struct Config {
    /// A statement name that must never exist: binding it is how a refusal fails at the server.
    ///
    /// Something random per session keeps an agent from preparing it.
    pub refusal_statement: Box<str>,
    /// How many messages may be unanswered before the client has to wait.
    pub most_in_flight: usize,
    /// How many statements, and how many portals, may have names.
    pub most_names: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            refusal_statement: "backstop_refused".into(),
            most_in_flight: 4_096,
            most_names: 10_000,
        }
    }
}

/// What the client sees of a sent message's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Show {
    /// Whether it sees rows, completions and notices.
    pub answers: bool,
    /// Whether it sees an error.
    pub errors: bool,
    /// Whether it sees `ReadyForQuery`.
    pub ready: bool,
    /// Whether the last completion is kept back until the next message has succeeded.
    pub hold_completion: bool,
}

impl Show {
    /// The client's own message: it sees everything.
    pub const ALL: Self = Self {
        answers: true,
        errors: true,
        ready: true,
        hold_completion: false,
    };
    /// The gate's own message: the client sees nothing of it.
    pub const NOTHING: Self = Self {
        answers: false,
        errors: false,
        ready: false,
        hold_completion: false,
    };
    /// The gate's own message, without which the client's cannot go on: the client sees it fail.
    ///
    /// Among extended-protocol messages nothing else is right: the server skips what follows an error.
    pub const ERRORS: Self = Self {
        errors: true,
        ..Self::NOTHING
    };
    /// The client's message inside a transaction that the gate will end: it is done when that is.
    pub const UNTIL_ENDED: Self = Self {
        ready: false,
        hold_completion: true,
        ..Self::ALL
    };
    /// The gate's message that ends such a transaction.
    pub const ENDING: Self = Self {
        answers: false,
        ..Self::ALL
    };
}

/// How a sent message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The server did it.
    Succeeded,
    /// The portal has more rows than were asked for.
    Suspended,
    /// The server reported an error.
    Failed(SqlState),
    /// The server skipped it, since something before it had failed.
    Skipped,
    /// The gate refused it, and the client has been told.
    Refused,
    /// The gate answered it.
    Answered,
    /// The connection was lost before an answer: nobody knows.
    Lost,
}

/// A message is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<M> {
    /// What the gate had noted with it.
    pub meta: M,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why messages are dropped until the next Sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    /// They are not.
    No,
    /// The server drops them too; Sync goes to it.
    Server,
    /// The gate refused the first of them and the server knows nothing; Sync is answered here.
    Local,
}

/// Where copying stands, for the message being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copying {
    No,
    /// The server takes data.
    In,
    /// The client (or the gate) has said that no more data come.
    InEnded,
    /// The server sends data.
    Out,
}

/// Why the client's next message must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Barrier {
    /// What follows a COPY from the client is data or a command, as the server answers.
    CopyIn,
    /// Until everything sent is answered.
    Settle,
}

/// The state of one session. `M` is what the gate notes with each message it sends (it comes back with
/// the outcome), `S` is what a statement's name stands for.
#[derive(Debug)]
pub struct Session<M, S> {
    config: Config,
    queue: VecDeque<Item<M>>,
    events: VecDeque<Event<M>>,
    names: Names<S>,
    status: TransactionStatus,
    shown: TransactionStatus,
    skip: Skip,
    copying: Copying,
    barrier: Option<Barrier>,
    /// A Sync came while the server was copying in: it counts only if the copying has failed.
    held_sync: bool,
    /// The client has sent data, or their end, since the server began to copy in.
    data_came: bool,
    /// Extended-protocol messages have been sent since the last Sync, Query or function call.
    segment_open: bool,
    /// The server may be keeping answers back until it is asked for them.
    unflushed: bool,
    held_completion: Option<Bytes>,
    to_client: BytesMut,
    to_server: BytesMut,
    next_id: u64,
    closing: bool,
}

impl<M, S> Session<M, S> {
    /// A session right after startup, or one whose server is not connected yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            names: Names::new(config.most_names),
            config,
            queue: VecDeque::new(),
            events: VecDeque::new(),
            status: TransactionStatus::Idle,
            shown: TransactionStatus::Idle,
            skip: Skip::No,
            copying: Copying::No,
            barrier: None,
            held_sync: false,
            data_came: false,
            segment_open: false,
            unflushed: false,
            held_completion: None,
            to_client: BytesMut::new(),
            to_server: BytesMut::new(),
            next_id: 0,
            closing: false,
        }
    }

    /// Where the server stood when it was last ready.
    #[must_use]
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// Where the client believes the server to stand.
    #[must_use]
    pub fn client_status(&self) -> TransactionStatus {
        self.shown
    }

    /// Whether everything sent is answered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether nothing is going on: all is answered, and no transaction, series of extended messages,
    /// copying or skipping is open. The server connection could be another one now.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.at_rest() && self.status == TransactionStatus::Idle
    }

    /// Whether the server said that it ends the connection.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether extended-protocol messages have been sent since the last Sync.
    #[must_use]
    pub fn is_segment_open(&self) -> bool {
        self.segment_open
    }

    /// Whether messages are dropped until the next Sync: something has failed.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.skip != Skip::No
    }

    /// What was kept back until its transaction is committed will not be shown: the transaction is rolled back.
    pub fn forget_completion(&mut self) {
        self.held_completion = None;
    }

    /// Whether the server takes data to copy in.
    #[must_use]
    pub fn is_copying_in(&self) -> bool {
        self.copying == Copying::In
    }

    /// How many sent messages are unanswered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.queue.len()
    }

    /// What the gate noted with the message that the server is answering.
    #[must_use]
    pub fn current(&self) -> Option<&M> {
        self.queue.front().and_then(|item| item.meta.as_ref())
    }

    /// What a statement's name means to the server when it gets the next message.
    #[must_use]
    pub fn statement(&self, name: &str) -> Meaning<'_, S> {
        self.names.statement(name)
    }

    /// Every statement whose name is certain to mean something now, with what it means.
    pub fn statements(&self) -> impl Iterator<Item = (&str, &S)> {
        self.names.statements()
    }

    /// What a portal's name means to the server when it gets the next message.
    #[must_use]
    pub fn portal(&self, name: &str) -> Meaning<'_, S> {
        self.names.portal(name)
    }

    /// Asks that everything be answered before the next message is admitted; whether it is already.
    pub fn settle(&mut self) -> bool {
        if self.queue.is_empty() {
            self.barrier = None;
            return true;
        }
        // While the server copies in, it is the client's data that it waits for.
        if self.barrier.is_none() && self.copying != Copying::In {
            self.barrier = Some(Barrier::Settle);
        }
        self.nudge();
        false
    }

    /// The next message that is over.
    pub fn next_event(&mut self) -> Option<Event<M>> {
        self.events.pop_front()
    }

    /// What the session itself has for the server, to be sent after all that was sent before.
    pub fn take_to_server(&mut self) -> Option<Bytes> {
        (!self.to_server.is_empty()).then(|| self.to_server.split().freeze())
    }

    /// What the session itself has for the client, to be sent after all that was sent before.
    pub fn take_to_client(&mut self) -> Option<Bytes> {
        (!self.to_client.is_empty()).then(|| self.to_client.split().freeze())
    }

    /// The server's connection is gone: nobody knows how unanswered messages ended.
    pub fn lost(&mut self) {
        while let Some(item) = self.queue.pop_front() {
            self.tell(item.meta, Outcome::Lost);
        }
        self.names.clear();
        self.closing = true;
    }

    /// Whether the gate can refuse without telling the server: nothing is open that must fail.
    fn at_rest(&self) -> bool {
        self.queue.is_empty()
            && !self.segment_open
            && self.skip == Skip::No
            && self.copying == Copying::No
            && self.status != TransactionStatus::Open
    }

    fn tell(&mut self, meta: Option<M>, outcome: Outcome) {
        if let Some(meta) = meta {
            self.events.push_back(Event { meta, outcome });
        }
    }

    fn push(&mut self, kind: Kind, show: Show, meta: Option<M>) -> u64 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.queue.push_back(Item::new(id, kind, show, meta));
        id
    }
}

#[cfg(test)]
mod tests;
