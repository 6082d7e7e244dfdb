//! COPY over the gate's own connection, in either direction, in pieces: what is copied never lies in memory whole.

use backstop_wire::postgres::frontend::FrontendMessage;
use backstop_wire::postgres::tag::backend as tag;
use bytes::BytesMut;

use super::error::{GateError, ServerError};
use super::upstream::ServerConnection;

/// How much goes to the server at once, bytes.
const PIECE: usize = 64 * 1024;

/// Where copied bytes go.
pub(crate) trait Sink {
    /// Takes the next bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), GateError>;
}

/// Where bytes to be copied come from.
pub(crate) trait Source {
    /// Puts more bytes behind `out`; false when there are no more.
    async fn read(&mut self, out: &mut BytesMut) -> Result<bool, GateError>;
}

impl Sink for Vec<u8> {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), GateError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl Source for &[u8] {
    async fn read(&mut self, out: &mut BytesMut) -> Result<bool, GateError> {
        let (piece, rest) = self.split_at(self.len().min(PIECE));
        out.extend_from_slice(piece);
        *self = rest;
        Ok(!piece.is_empty())
    }
}

impl ServerConnection {
    /// Runs one `COPY … TO STDOUT` and hands what comes to `sink`.
    ///
    /// The connection is idle again afterwards, whatever failed: a sink that fails does not see the rest, and its
    /// error is given back.
    ///
    /// # Errors
    /// What the server or the sink reports.
    pub(crate) async fn copy_out(
        &mut self,
        sql: &str,
        sink: &mut impl Sink,
    ) -> Result<(), GateError> {
        self.query(sql).await?;
        let mut result = Ok(());
        loop {
            let (message, body) = self.message().await?;
            match message {
                tag::COPY_DATA if result.is_ok() => result = sink.write(&body).await,
                tag::COPY_IN_RESPONSE => return Err(not_that_way()),
                tag::ERROR_RESPONSE => result = Err(ServerError::of(&body).into()),
                tag::READY_FOR_QUERY => return result,
                _ => {}
            }
        }
    }

    /// Runs one `COPY … FROM STDIN` with the bytes of `source`.
    ///
    /// A source that fails makes the COPY fail: nothing of it stays, and the connection is idle again.
    ///
    /// # Errors
    /// What the server or the source reports.
    pub(crate) async fn copy_in(
        &mut self,
        sql: &str,
        source: &mut impl Source,
    ) -> Result<(), GateError> {
        self.query(sql).await?;
        loop {
            let (message, body) = self.message().await?;
            match message {
                tag::COPY_IN_RESPONSE => break,
                tag::COPY_OUT_RESPONSE => return Err(not_that_way()),
                tag::ERROR_RESPONSE => {
                    return self.settle(Err(ServerError::of(&body).into())).await;
                }
                tag::READY_FOR_QUERY => return Err(not_that_way()),
                _ => {}
            }
        }
        let fed = self.feed(source).await;
        let mut out = BytesMut::new();
        let end = match fed {
            Ok(()) => FrontendMessage::CopyDone,
            Err(_) => FrontendMessage::CopyFail("what was to be copied could not be read"),
        };
        write(&end, &mut out)?;
        self.send(&out).await?;
        // The source's own error says more than the server's, which only repeats that it was told to stop.
        let told = self.settle(Ok(())).await;
        fed.and(told)
    }

    async fn feed(&mut self, source: &mut impl Source) -> Result<(), GateError> {
        let (mut piece, mut out) = (BytesMut::with_capacity(PIECE), BytesMut::new());
        loop {
            let more = source.read(&mut piece).await?;
            if piece.len() >= PIECE || (!more && !piece.is_empty()) {
                write(&FrontendMessage::CopyData(&piece), &mut out)?;
                self.send(&out).await?;
                piece.clear();
                out.clear();
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn query(&mut self, sql: &str) -> Result<(), GateError> {
        let mut out = BytesMut::new();
        write(&FrontendMessage::Query(sql), &mut out)?;
        self.send(&out).await
    }

    /// Reads up to the next ReadyForQuery; the first error counts.
    async fn settle(&mut self, mut result: Result<(), GateError>) -> Result<(), GateError> {
        loop {
            let (message, body) = self.message().await?;
            match message {
                tag::ERROR_RESPONSE if result.is_ok() => {
                    result = Err(ServerError::of(&body).into());
                }
                tag::READY_FOR_QUERY => return result,
                _ => {}
            }
        }
    }
}

fn write(message: &FrontendMessage<'_>, out: &mut BytesMut) -> Result<(), GateError> {
    message
        .write(out)
        .map_err(|_| GateError::Config("a question of the gate's has a NUL in it".into()))
}

fn not_that_way() -> GateError {
    GateError::Protocol("it does not copy in the direction that was asked for".into())
}
