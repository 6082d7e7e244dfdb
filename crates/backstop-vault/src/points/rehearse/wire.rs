//! A connection to the copy's server that speaks the protocol itself.
//!
//! The agent's text must not go through `psql`, to which a backslash is a command. What comes back is counted and thrown
//! away; only answers to questions of our own are kept.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use backstop_wire::postgres::backend::{Authentication, BackendMessage, Fields};
use backstop_wire::postgres::frame::{self, Limits};
use backstop_wire::postgres::frontend::{
    FrontendMessage, SaslInitialResponse, write_sasl_response,
};
use backstop_wire::postgres::scram::{Binding, Client};
use backstop_wire::postgres::startup::{CancelKey, Minor, Startup};
use backstop_wire::postgres::tag::backend as tag;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::points::question::Row;

/// The longest message that is read whole, in bytes.
const LONGEST: u32 = 16 << 20;
/// How much is read at a time.
const CHUNK: usize = 64 << 10;

/// Why something did not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The server refused it.
    Refused(String),
    /// It answers more than is taken.
    TooMuch,
    /// The connection is lost, or speaks no protocol.
    Lost,
}

/// Parameters of a statement, as they were bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// OIDs of PostgreSQL's own types; zero leaves one to the server.
    pub types: Vec<u32>,
    /// Their formats by the protocol's rule of none, one or all.
    pub formats: Vec<i16>,
    /// The values in hex.
    pub values: Vec<Option<String>>,
}

/// A session as one role.
pub(super) struct Wire {
    stream: UnixStream,
    inbox: BytesMut,
    path: PathBuf,
    cancel: Option<CancelKey>,
    /// As in `ReadyForQuery`: `I`, `T` or `E`.
    pub(super) status: u8,
}

impl Wire {
    /// Connects to the socket at `path`.
    pub(super) async fn connect(
        path: &Path,
        password: &str,
        parameters: Vec<(String, String)>,
    ) -> Result<Self, Stop> {
        let mut wire = Self {
            stream: UnixStream::connect(path).await.map_err(|_| Stop::Lost)?,
            inbox: BytesMut::new(),
            path: path.to_owned(),
            cancel: None,
            status: b'I',
        };
        let mut out = BytesMut::new();
        let startup = Startup::new(Minor::V0, parameters);
        startup.write(&mut out).map_err(|_| Stop::Lost)?;
        wire.send(&out).await?;
        wire.prove(password).await?;
        wire.until_ready(&mut Taken::nothing()).await?;
        Ok(wire)
    }

    async fn prove(&mut self, password: &str) -> Result<(), Stop> {
        let mut out = BytesMut::new();
        let lost = |_| Stop::Lost;
        let (first, waiting) = loop {
            let (kind, body) = self.message().await?;
            match BackendMessage::parse(kind, &body) {
                Ok(BackendMessage::Authentication(Authentication::Sasl(offered))) => {
                    let client = Client::choose(offered.iter(), Binding::None).map_err(lost)?;
                    let mechanism = client.mechanism();
                    let (data, waiting) = client.first().map_err(lost)?;
                    break ((mechanism, data), waiting);
                }
                Ok(BackendMessage::ErrorResponse(_)) => return Err(refusal(&body)),
                Ok(BackendMessage::NegotiateProtocolVersion(_)) => {}
                _ => return Err(Stop::Lost),
            }
        };
        let begin = SaslInitialResponse {
            mechanism: first.0,
            data: Some(&first.1),
        };
        begin.write(&mut out).map_err(|_| Stop::Lost)?;
        self.send(&out).await?;
        let challenge = self.step().await?;
        let (last, proving) = waiting.prove(password, &challenge).map_err(lost)?;
        out.clear();
        write_sasl_response(&last, &mut out).map_err(|_| Stop::Lost)?;
        self.send(&out).await?;
        let end = self.step().await?;
        proving.finish(&end).map_err(lost)
    }

    async fn step(&mut self) -> Result<Vec<u8>, Stop> {
        let (kind, body) = self.message().await?;
        match BackendMessage::parse(kind, &body) {
            Ok(BackendMessage::Authentication(
                Authentication::SaslContinue(data) | Authentication::SaslFinal(data),
            )) => Ok(data.to_vec()),
            Ok(BackendMessage::ErrorResponse(_)) => Err(refusal(&body)),
            _ => Err(Stop::Lost),
        }
    }

    /// The number of the process that serves this session.
    pub(super) fn process(&self) -> i32 {
        self.cancel.as_ref().map_or(0, |key| key.process)
    }

    /// How to ask the server, from outside, to stop what runs here.
    pub(super) fn canceller(&self) -> Canceller {
        Canceller {
            path: self.path.clone(),
            key: self.cancel.clone(),
        }
    }

    /// Asks a question of our own and gives back its rows.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, Stop> {
        self.query(sql).await?;
        let mut taken = Taken {
            rows: Some(vec![]),
            left: LONGEST as usize * 4,
        };
        self.until_ready(&mut taken).await?;
        Ok(taken.rows.unwrap_or_default())
    }

    /// Runs a text of others' and throws its answer away, as far as it is no longer than `most` bytes.
    pub(super) async fn run(
        &mut self,
        text: &str,
        parameters: Option<&Parameters>,
        most: usize,
    ) -> Result<(), Stop> {
        match parameters {
            None => self.query(text).await?,
            Some(parameters) => {
                let out = extended(text, parameters).ok_or(Stop::Lost)?;
                self.send(&out).await?;
            }
        }
        let mut taken = Taken {
            rows: None,
            left: most,
        };
        self.until_ready(&mut taken).await
    }

    /// Runs a COPY … FROM STDIN of our own.
    pub(super) async fn copy_in<R>(&mut self, sql: &str, from: &mut R) -> Result<(), Stop>
    where
        R: AsyncRead + Unpin,
    {
        self.query(sql).await?;
        let mut piece = vec![0; CHUNK];
        loop {
            // A refusal comes when all is sent: whoever sends must not wait for one.
            let read = from.read(&mut piece).await.map_err(|_| Stop::Lost)?;
            let mut out = BytesMut::new();
            let message = match piece.get(..read) {
                Some([]) | None => FrontendMessage::CopyDone,
                Some(data) => FrontendMessage::CopyData(data),
            };
            message.write(&mut out).map_err(|_| Stop::Lost)?;
            self.send(&out).await?;
            if read == 0 {
                break;
            }
        }
        self.until_end(&mut Taken::nothing(), true).await
    }

    /// Reads on until the server is ready again, and throws all of it away.
    pub(super) async fn settle(&mut self) -> Result<(), Stop> {
        let mut taken = Taken {
            rows: None,
            left: usize::MAX,
        };
        match self.until_ready(&mut taken).await {
            Ok(()) | Err(Stop::Refused(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    async fn query(&mut self, sql: &str) -> Result<(), Stop> {
        let mut out = BytesMut::new();
        FrontendMessage::Query(sql)
            .write(&mut out)
            .map_err(|_| Stop::Lost)?;
        self.send(&out).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.stream.write_all(bytes).await.map_err(|_| Stop::Lost)
    }

    async fn message(&mut self) -> Result<(u8, Bytes), Stop> {
        static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits::backend(LONGEST, LONGEST));
        loop {
            match frame::next_frame(&mut self.inbox, &LIMITS) {
                Ok(Some(frame)) => return Ok((frame.tag, frame.body_bytes())),
                Ok(None) => {}
                // Longer than is read whole.
                Err(_) => return Err(Stop::TooMuch),
            }
            self.inbox.reserve(CHUNK);
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(Stop::Lost),
            }
        }
    }

    async fn until_ready(&mut self, taken: &mut Taken) -> Result<(), Stop> {
        self.until_end(taken, false).await
    }

    async fn until_end(&mut self, taken: &mut Taken, copying: bool) -> Result<(), Stop> {
        let mut refused = None;
        loop {
            let (kind, body) = self.message().await?;
            match kind {
                tag::READY_FOR_QUERY => {
                    self.status = body.first().copied().unwrap_or(b'E');
                    return refused.map_or(Ok(()), Err);
                }
                tag::ERROR_RESPONSE => refused = Some(refusal(&body)),
                tag::BACKEND_KEY_DATA => {
                    if let Ok(BackendMessage::BackendKeyData(key)) =
                        BackendMessage::parse(kind, &body)
                    {
                        self.cancel = Some(key);
                    }
                }
                tag::COPY_IN_RESPONSE if !copying => {
                    let mut out = BytesMut::new();
                    FrontendMessage::CopyFail("there is nothing to copy")
                        .write(&mut out)
                        .map_err(|_| Stop::Lost)?;
                    self.send(&out).await?;
                }
                _ => taken.take(kind, &body)?,
            }
        }
    }
}

/// Stops what runs in a session, from outside of it.
pub(super) struct Canceller {
    path: PathBuf,
    key: Option<CancelKey>,
}

impl Canceller {
    /// Asks the server to.
    pub(super) async fn cancel(&self) {
        let mut out = BytesMut::new();
        if let Some(key) = &self.key
            && key.write_request(&mut out).is_ok()
            && let Ok(mut stream) = UnixStream::connect(&self.path).await
        {
            // Whether it was heard shows in the session.
            let _ = stream.write_all(&out).await;
            let _ = stream.read(&mut [0]).await;
        }
    }
}

/// What is kept of an answer.
struct Taken {
    rows: Option<Vec<Row>>,
    left: usize,
}

impl Taken {
    const fn nothing() -> Self {
        Self {
            rows: None,
            left: LONGEST as usize,
        }
    }

    fn take(&mut self, kind: u8, body: &[u8]) -> Result<(), Stop> {
        self.left = self.left.checked_sub(body.len()).ok_or(Stop::TooMuch)?;
        if kind == tag::DATA_ROW
            && let Some(rows) = &mut self.rows
        {
            rows.push(row(body).ok_or(Stop::Lost)?);
        }
        Ok(())
    }
}

fn row(mut body: &[u8]) -> Option<Row> {
    let columns = body.try_get_u16().ok()?;
    let mut row = Row::with_capacity(usize::from(columns));
    for _ in 0..columns {
        let Ok(length) = usize::try_from(body.try_get_i32().ok()?) else {
            row.push(None);
            continue;
        };
        let value = body.get(..length)?;
        row.push(Some(String::from_utf8_lossy(value).into_owned()));
        body.advance(length);
    }
    Some(row)
}

fn refusal(body: &[u8]) -> Stop {
    Stop::Refused(Fields::beginning(body).code().to_string())
}

/// Parse, Bind, Execute and Sync of the unnamed statement (protocol 3, message formats).
fn extended(text: &str, parameters: &Parameters) -> Option<BytesMut> {
    if text.contains('\0') {
        return None;
    }
    let mut out = BytesMut::new();
    let mut parse = BytesMut::new();
    parse.put_u8(0);
    parse.put_slice(text.as_bytes());
    parse.put_u8(0);
    parse.put_u16(u16::try_from(parameters.types.len()).ok()?);
    parameters.types.iter().for_each(|oid| parse.put_u32(*oid));
    put(b'P', &parse, &mut out)?;
    let mut bind = BytesMut::new();
    bind.put_slice(b"\0\0");
    bind.put_u16(u16::try_from(parameters.formats.len()).ok()?);
    parameters.formats.iter().for_each(|one| bind.put_i16(*one));
    bind.put_u16(u16::try_from(parameters.values.len()).ok()?);
    for value in &parameters.values {
        match value {
            None => bind.put_i32(-1),
            Some(value) => {
                let value = hex::decode(value).ok()?;
                bind.put_u32(u32::try_from(value.len()).ok()?);
                bind.put_slice(&value);
            }
        }
    }
    bind.put_u16(0);
    put(b'B', &bind, &mut out)?;
    put(b'E', b"\0\0\0\0\0", &mut out)?;
    put(b'S', b"", &mut out)?;
    Some(out)
}

fn put(kind: u8, body: &[u8], out: &mut BytesMut) -> Option<()> {
    out.put_u8(kind);
    out.put_u32(u32::try_from(body.len() + 4).ok()?);
    out.put_slice(body);
    Some(())
}
