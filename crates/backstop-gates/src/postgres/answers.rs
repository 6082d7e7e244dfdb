//! What the server says: relayed, kept back, or replaced, as the session's state machine decides.

use backstop_core::entry::Outcome as Said;
use backstop_wire::postgres::backend::{self, DataRow, SqlState};
use backstop_wire::postgres::frame::{self, Peek, Streamer};
use backstop_wire::postgres::session::{Action, Outcome};
use backstop_wire::postgres::tag::backend as tag;
use bytes::Buf;

use super::error::GateError;
use super::ledger::Ledger;
use super::question;
use super::relay::{End, Note, Relay};

/// Above this, what waits for the client is written before more is taken from the server.
const HIGH: usize = 256 * 1024;
/// The longest answer to a question of the gate's own.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// How much of a streamed message the state machine sees.
const BEGINNING: usize = 1024;

enum Step {
    /// A whole message: its type, its length, what to do.
    Whole(Action, usize),
    /// A long message that is passed on in pieces.
    Stream(Action, Streamer),
    /// More bytes are needed.
    Nothing,
}

impl Relay<'_> {
    /// Deals with everything the server has sent. Tells whether there was anything.
    pub(crate) fn serve_answers(&mut self) -> Result<bool, End> {
        let mut any = false;
        while self.to_client.len() < HIGH {
            if self.pass_stream() {
                any = true;
                continue;
            }
            match self.next_answer()? {
                Step::Nothing => break,
                Step::Whole(action, total) => {
                    let Some(server) = &mut self.server else {
                        break;
                    };
                    if action == Action::Relay
                        && let Some(bytes) = server.inbox.get(..total)
                    {
                        if let Some(wrapped) = &mut self.wrapped {
                            let kind = bytes.first().copied();
                            wrapped.shown |=
                                matches!(kind, Some(tag::DATA_ROW | tag::ROW_DESCRIPTION));
                        }
                        self.to_client.extend_from_slice(bytes);
                    }
                    server.inbox.advance(total.min(server.inbox.len()));
                }
                Step::Stream(action, streamer) => {
                    if let Some(wrapped) = &mut self.wrapped {
                        wrapped.shown |= action == Action::Relay;
                    }
                    if let Some(server) = &mut self.server {
                        server.streaming = Some((streamer, action == Action::Relay));
                    }
                }
            }
            any = true;
            self.take_outputs();
            self.take_events();
        }
        let over = self.server.as_ref().is_some_and(|s| s.inbox.is_empty());
        if self.server_gone && over && !self.told_gone {
            self.told_gone = true;
            let said_why = self.session.is_closing();
            self.session.lost();
            self.take_events();
            if !said_why {
                super::greet::fatal("08006", "the connection to the target was lost")
                    .hint("connect again; look whether what was running was done")
                    .write(&mut self.to_client);
            }
        }
        Ok(any)
    }

    /// What the session itself has to say, in order.
    pub(crate) fn take_outputs(&mut self) {
        if let Some(bytes) = self.session.take_to_client() {
            self.to_client.extend_from_slice(&bytes);
        }
        if let Some(bytes) = self.session.take_to_server() {
            self.to_server.extend_from_slice(&bytes);
        }
    }

    fn pass_stream(&mut self) -> bool {
        let Some(server) = &mut self.server else {
            return false;
        };
        let Some((mut streamer, relay)) = server.streaming.take() else {
            return false;
        };
        if server.inbox.is_empty() {
            server.streaming = Some((streamer, relay));
            return false;
        }
        if relay {
            let bytes = streamer.take(&mut server.inbox);
            self.to_client.extend_from_slice(&bytes);
        } else {
            streamer.discard(&mut server.inbox);
        }
        if !streamer.is_done() {
            server.streaming = Some((streamer, relay));
        }
        true
    }

    fn next_answer(&mut self) -> Result<Step, End> {
        let Some(server) = &mut self.server else {
            return Ok(Step::Nothing);
        };
        if server.streaming.is_some() {
            return Ok(Step::Nothing);
        }
        let peeked = frame::peek(&server.inbox, &self.shared.backend_limits).map_err(protocol)?;
        match peeked {
            Peek::Partial(needed) => {
                let missing = needed.saturating_sub(server.inbox.len());
                server.inbox.reserve(missing.min(HIGH));
                Ok(Step::Nothing)
            }
            Peek::Large(header) if self.session.current() == Some(&Note::Ask) => {
                // An answer to the gate itself is taken as a whole.
                let total = header.total();
                if total > LARGEST_ANSWER {
                    return Err(End::Failed(GateError::Protocol(
                        "an answer is too long".into(),
                    )));
                }
                if server.inbox.len() < total {
                    let missing = total.saturating_sub(server.inbox.len());
                    server.inbox.reserve(missing.min(HIGH));
                    return Ok(Step::Nothing);
                }
                let body = server.inbox.get(frame::HEADER..total).unwrap_or_default();
                match header.tag {
                    tag::DATA_ROW => self.asked.rows.push(question::row(body)?),
                    tag::ERROR_RESPONSE => {
                        self.asked.failed = Some(bytes::Bytes::copy_from_slice(body));
                    }
                    _ => {}
                }
                let action = self.session.on_backend(header.tag, body).map_err(desync)?;
                Ok(Step::Whole(action, total))
            }
            Peek::Large(header) => {
                if server.inbox.len() < BEGINNING.min(header.total()) {
                    return Ok(Step::Nothing);
                }
                let beginning = server.inbox.get(frame::HEADER..).unwrap_or_default();
                let action = self
                    .session
                    .on_backend(header.tag, beginning)
                    .map_err(desync)?;
                Ok(Step::Stream(action, Streamer::whole(header)))
            }
            Peek::Whole(message) => {
                let total = message.total();
                let asked = matches!(self.session.current(), Some(Note::State | Note::Ask));
                if message.tag == tag::DATA_ROW && !asked {
                    let action = self
                        .session
                        .on_backend(message.tag, message.body)
                        .map_err(desync)?;
                    return Ok(Step::Whole(action, total));
                }
                let (kind, body) = (message.tag, message.body);
                let shown = match kind {
                    tag::COMMAND_COMPLETE => {
                        self.last_tag.clear();
                        self.last_tag
                            .extend_from_slice(body.strip_suffix(b"\0").unwrap_or(body));
                        !std::mem::take(&mut self.hidden_set)
                    }
                    tag::ERROR_RESPONSE => {
                        self.hidden_set = false;
                        if self.session.current() == Some(&Note::Ask) {
                            self.asked.failed = Some(bytes::Bytes::copy_from_slice(body));
                        }
                        true
                    }
                    tag::DATA_ROW if self.session.current() == Some(&Note::Ask) => {
                        self.asked.rows.push(question::row(body)?);
                        true
                    }
                    tag::DATA_ROW => {
                        self.state_row = state_row(body);
                        true
                    }
                    tag::PARAMETER_STATUS => {
                        let status = backend::ParameterStatus::parse(body).map_err(protocol)?;
                        check_pinned(status.name, status.value)?;
                        let name = status.name.to_owned();
                        let value = status.value.to_owned();
                        let known = self.settings.iter().any(|(n, v)| *n == name && *v == value);
                        let ours = name == "default_transaction_read_only";
                        if !ours && !known {
                            set(&mut self.settings, &name, &value);
                        }
                        !ours
                    }
                    _ => true,
                };
                let action = self.session.on_backend(kind, body).map_err(desync)?;
                Ok(Step::Whole(
                    if shown { action } else { Action::Swallow },
                    total,
                ))
            }
        }
    }

    /// Writes the outcomes of what is over.
    pub(crate) fn take_events(&mut self) {
        while let Some(event) = self.session.next_event() {
            if matches!(event.meta, Note::Act(_) | Note::End(_)) {
                self.commit_answered(&event.outcome);
            }
            match event.meta {
                Note::Act(action) => self.journal_outcome(action, event.outcome),
                // Only a failure at COMMIT is news: it undoes an outcome that was written already.
                Note::End(action)
                    if matches!(event.outcome, Outcome::Failed(_) | Outcome::Lost) =>
                {
                    self.journal_outcome(action, event.outcome);
                }
                Note::State => self.state_answered(event.outcome),
                Note::Writable if !matches!(event.outcome, Outcome::Succeeded) => {
                    self.segment_writes = false
                }
                Note::Writable | Note::End(_) | Note::Ask | Note::Other => {}
            }
        }
        let ours = self.wrapped.is_some() || self.begun;
        if self.session.is_settled() && !self.session.is_segment_open() && !ours {
            let open = self.session.status() != backend::TransactionStatus::Idle;
            if !open && self.ledger.actions.is_some() {
                self.ledger = Ledger::default();
            }
            if self.in_block != open {
                self.in_block = open;
                if !open {
                    self.transaction_over();
                }
            }
        }
    }

    /// The first answer after a COMMIT was released is the answer to it.
    fn commit_answered(&mut self, outcome: &Outcome) {
        if let Some(doubt) = self.doubt.take()
            && matches!(outcome, Outcome::Lost)
        {
            super::doubt::settle_later(self.shared, &self.target, doubt);
        }
    }

    pub(crate) fn journal_outcome(&mut self, action: u64, outcome: Outcome) {
        let code = match &outcome {
            Outcome::Failed(state) => Some(*state),
            _ => None,
        };
        let result = match outcome {
            Outcome::Succeeded => std::str::from_utf8(&self.last_tag)
                .unwrap_or("done")
                .to_owned(),
            Outcome::Suspended => "suspended".to_owned(),
            Outcome::Failed(_) => "error".to_owned(),
            Outcome::Skipped => "skipped".to_owned(),
            Outcome::Refused => "refused".to_owned(),
            Outcome::Answered => "answered".to_owned(),
            Outcome::Lost => "lost".to_owned(),
        };
        self.write_outcome(action, &result, code);
    }

    pub(crate) fn write_outcome(&self, action: u64, result: &str, code: Option<SqlState>) {
        let said = Said {
            at_ms: self.shared.store.now_ms(),
            connection: self.number,
            action,
            result,
            sqlstate: code.as_ref().map(SqlState::as_str),
        };
        if let Err(error) = self.shared.traffic.outcome(said) {
            // The intent stands without an outcome, which is visible; the next act will be refused.
            tracing::error!(%error, "an outcome was not journaled");
        }
    }
}

/// A session in which somebody moved what the gate pins must end: gate and server would read differently.
fn check_pinned(name: &str, value: &str) -> Result<(), End> {
    let moved = match name {
        "default_transaction_read_only" => value != "on",
        "standard_conforming_strings" => value != "on",
        "client_encoding" => !value.eq_ignore_ascii_case("UTF8"),
        _ => false,
    };
    if moved {
        let what = format!("setting `{name}` was moved to `{value}` behind the gate's back");
        return Err(End::Tell(Box::new(
            super::greet::fatal("25006", what).hint("connect again without changing it"),
        )));
    }
    Ok(())
}

fn set(settings: &mut Vec<(String, String)>, name: &str, value: &str) {
    match settings.iter_mut().find(|(n, _)| n == name) {
        Some(entry) => value.clone_into(&mut entry.1),
        None => settings.push((name.to_owned(), value.to_owned())),
    }
}

pub(crate) fn state_row(body: &[u8]) -> Option<(String, String)> {
    let row = DataRow::parse(body).ok()?;
    let mut values = row.values().map(|v| {
        v.map(|b| String::from_utf8_lossy(b).into_owned())
            .unwrap_or_default()
    });
    Some((values.next()?, values.next()?))
}

fn protocol(error: backstop_wire::postgres::ProtocolError) -> End {
    End::Failed(GateError::Protocol(error.to_string()))
}

fn desync(error: backstop_wire::postgres::session::Desync) -> End {
    End::Failed(GateError::Protocol(error.to_string()))
}
