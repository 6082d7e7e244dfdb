//! What the client says: admitted, read, and handed to the handler of its kind.

use backstop_wire::postgres::frame;
use backstop_wire::postgres::frame::{Frame, Header, Next, Streamer};
use backstop_wire::postgres::frontend::FrontendMessage;
use backstop_wire::postgres::session::{Admission, SendError, Sent, Show};
use backstop_wire::postgres::tag::frontend as tag;
use bytes::BytesMut;

use super::error::GateError;
use super::relay::{End, Meaning, Note, Relay};

/// Bytes waiting to be written beyond which the other side is not read.
const HIGH: usize = 256 * 1024;

/// Whether a message is dealt with, or must be looked at again when the server has answered more.
pub(crate) enum Turn {
    Done,
    Again,
}

impl Relay<'_> {
    /// Deals with what the client has sent. Tells whether there was anything.
    pub(crate) async fn serve_client(&mut self) -> Result<bool, End> {
        let mut any = false;
        while self.to_server.len() < HIGH && self.to_client.len() < HIGH && !self.server_gone {
            if self.pass_client_stream() {
                any = true;
                continue;
            }
            if self.wrapped.is_some() && !self.session.is_copying_in() {
                // Nothing more is taken from the client until what it wrote is committed or undone.
                if !self.session.settle() {
                    break;
                }
                self.end_wrapped().await?;
                self.take_outputs();
                any = true;
                continue;
            }
            if self.streaming.is_some() {
                break;
            }
            let Some(next) = self.next_message()? else {
                break;
            };
            // A halt ends what is still to come of a long series, too.
            if self.signal.has_changed().unwrap_or(true) {
                self.check_standing()?;
            }
            let turn = match next {
                Next::Frame(frame) => self.message(frame).await?,
                Next::Large(header) => self.large(header).await?,
            };
            self.take_outputs();
            self.take_events();
            if matches!(turn, Turn::Again) {
                break;
            }
            any = true;
        }
        Ok(any)
    }

    pub(super) fn next_message(&mut self) -> Result<Option<Next>, End> {
        if let Some(frame) = self.held_back.take() {
            return Ok(Some(Next::Frame(frame)));
        }
        frame::next(&mut self.inbox, &self.shared.frontend_limits).map_err(|e| {
            End::Tell(Box::new(
                super::greet::fatal(e.sqlstate(), e.to_string()).hint(e.hint()),
            ))
        })
    }

    pub(super) fn pass_client_stream(&mut self) -> bool {
        let Some((mut streamer, send)) = self.streaming.take() else {
            return false;
        };
        if self.inbox.is_empty() {
            self.streaming = Some((streamer, send));
            return false;
        }
        if send {
            let bytes = streamer.take(&mut self.inbox);
            self.to_server.extend_from_slice(&bytes);
        } else {
            streamer.discard(&mut self.inbox);
        }
        if !streamer.is_done() {
            self.streaming = Some((streamer, send));
        }
        true
    }

    /// A message that is here as a whole.
    pub(super) async fn message(&mut self, frame: Frame) -> Result<Turn, End> {
        match self.session.admit(frame.tag).map_err(wrong)? {
            Admission::Judge => {}
            Admission::Drop => return Ok(Turn::Done),
            Admission::Wait => return Ok(self.later(frame)),
            Admission::Close => return Err(End::Client),
        }
        let turn = self.judge_message(&frame).await?;
        if matches!(turn, Turn::Again) {
            return Ok(self.later(frame));
        }
        Ok(turn)
    }

    pub(super) fn later(&mut self, frame: Frame) -> Turn {
        self.held_back = Some(frame);
        Turn::Again
    }

    pub(super) async fn judge_message(&mut self, frame: &Frame) -> Result<Turn, End> {
        let body = frame.body_bytes();
        let message = FrontendMessage::parse(frame.tag, &body).map_err(wrong)?;
        match message {
            FrontendMessage::Query(sql) => self.query(sql, frame).await,
            FrontendMessage::Parse(parse) => self.parse(parse, frame).await,
            FrontendMessage::Bind(bind) => self.bind(bind, frame).await,
            FrontendMessage::Execute(execute) => self.execute(execute, frame).await,
            FrontendMessage::Describe(named) => self.describe(named, frame).await,
            FrontendMessage::Close(named) => self.close(named, frame),
            FrontendMessage::Sync => self.sync(frame).await,
            FrontendMessage::Flush => self.pass(Sent::Flush, Note::Other, frame),
            FrontendMessage::FunctionCall(call) => self.function_call(call, frame).await,
            FrontendMessage::CopyData(data) => self.copy_data(data, frame),
            FrontendMessage::CopyDone => self.pass(Sent::CopyDone, Note::Other, frame),
            FrontendMessage::CopyFail(_) => self.pass(Sent::CopyFail, Note::Other, frame),
            FrontendMessage::Terminate => Err(End::Client),
            FrontendMessage::Password(_) => Err(wrong(
                backstop_wire::postgres::ProtocolError::UnknownTag(frame.tag),
            )),
        }
    }

    /// A long Bind or CopyData: judged by its beginning, passed on in pieces.
    pub(super) async fn large(&mut self, header: Header) -> Result<Turn, End> {
        match self.session.admit(header.tag).map_err(wrong)? {
            Admission::Judge => {}
            Admission::Drop => {
                self.streaming = Some((Streamer::whole(header), false));
                return Ok(Turn::Done);
            }
            Admission::Wait => return Ok(Turn::Again),
            Admission::Close => return Err(End::Client),
        }
        if header.tag == tag::BIND {
            return self.large_bind(header).await;
        }
        // The counter must see all of it, so a long piece of copied data is taken as many short ones.
        self.large_copy(header)
    }

    pub(crate) fn pass(
        &mut self,
        sent: Sent<'_, Meaning>,
        note: Note,
        frame: &Frame,
    ) -> Result<Turn, End> {
        if self.server.is_none() {
            // Before the first statement there is nothing that these could be about, except Flush.
            return Ok(Turn::Done);
        }
        let sent = self.session.send(sent, Show::ALL, Some(note));
        self.sent(sent)?;
        self.to_server.extend_from_slice(frame.raw());
        Ok(Turn::Done)
    }

    pub(crate) fn sent(&self, result: Result<(), SendError>) -> Result<(), End> {
        result.map_err(|e| {
            End::Failed(GateError::Protocol(format!(
                "a message could not be sent: {e}"
            )))
        })
    }

    pub(crate) fn write(&mut self, message: &FrontendMessage<'_>) -> Result<(), End> {
        message
            .write(&mut self.to_server)
            .map_err(|e| End::Failed(GateError::Protocol(e.to_string())))
    }
}

pub(super) fn wrong(error: backstop_wire::postgres::ProtocolError) -> End {
    End::Tell(Box::new(
        super::greet::fatal(error.sqlstate(), error.to_string()).hint(error.hint()),
    ))
}

pub(crate) fn write_backend(
    message: &backstop_wire::postgres::backend::BackendMessage<'_>,
    out: &mut BytesMut,
) -> Result<(), End> {
    message
        .write(out)
        .map_err(|e| End::Failed(GateError::Protocol(e.to_string())))
}
