//! A client that speaks bytes: it logs in as an agent and then sends whatever it is told, right or wrong.
//!
//! It also lends its login to `tokio_postgres`, whose own takes half a second of SCRAM in a debug build.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use backstop_wire::postgres::scram::{Binding, Client};
use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who logs in, and where.
#[derive(Debug, Clone)]
pub struct Login {
    pub port: u16,
    pub user: String,
    pub secret: String,
    pub database: String,
}

/// A connection.
pub struct Raw {
    pub stream: TcpStream,
    inbox: BytesMut,
}

impl Raw {
    /// Connects, and says nothing yet.
    pub async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// A connection that was made already.
    pub fn over(stream: TcpStream) -> Self {
        Self {
            stream,
            inbox: BytesMut::new(),
        }
    }

    /// Connects and authenticates, up to but without what follows the proof: `AuthenticationOk` is still unread.
    pub async fn proved(login: &Login) -> Result<Self> {
        let mut raw = Self::connect(login.port).await?;
        raw.send(&startup(&[
            ("user", &login.user),
            ("database", &login.database),
        ]))
        .await?;
        raw.authentication(10).await?;
        let client = Client::choose([b"SCRAM-SHA-256".as_slice()], Binding::None).map_err(wrong)?;
        let mechanism = client.mechanism();
        let (first, waiting) = client.first().map_err(wrong)?;
        let mut body = BytesMut::new();
        body.put_slice(mechanism.as_bytes());
        body.put_u8(0);
        body.put_i32(i32::try_from(first.len()).map_err(wrong)?);
        body.put_slice(&first);
        raw.send(&message(b'p', &body)).await?;
        let challenge = raw.authentication(11).await?;
        let (proof, proving) = waiting.prove(&login.secret, &challenge).map_err(wrong)?;
        raw.send(&message(b'p', &proof)).await?;
        let last = raw.authentication(12).await?;
        proving.finish(&last).map_err(wrong)?;
        Ok(raw)
    }

    /// Connects and authenticates, up to the first `ReadyForQuery`.
    pub async fn ready(login: &Login) -> Result<Self> {
        let mut raw = Self::proved(login).await?;
        raw.until(b'Z').await?;
        Ok(raw)
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next message: its type and body.
    pub async fn next(&mut self) -> Result<(u8, Vec<u8>)> {
        tokio::time::timeout(PATIENCE, self.read())
            .await
            .map_err(|_| Error::from(ErrorKind::TimedOut))?
    }

    async fn read(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            if self.inbox.len() >= 5 {
                let length = u32::from_be_bytes([
                    self.inbox[1],
                    self.inbox[2],
                    self.inbox[3],
                    self.inbox[4],
                ]);
                let total = 1 + usize::try_from(length).map_err(wrong)?;
                if self.inbox.len() >= total {
                    let whole = self.inbox.split_to(total);
                    return Ok((whole[0], whole[5..].to_vec()));
                }
            }
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// One statement, and the errors it gave; an error too if the connection ends.
    pub async fn ask(&mut self, sql: &str) -> std::result::Result<Vec<String>, Vec<String>> {
        if self.send(&query(sql)).await.is_err() {
            return Err(self.until_closed().await);
        }
        let mut errors = vec![];
        loop {
            match self.next().await {
                Ok((b'Z', _)) => return Ok(errors),
                Ok((b'E', body)) => errors.push(sqlstate(&body)),
                Ok(_) => {}
                Err(_) => return Err(errors),
            }
        }
    }

    /// Reads up to a message of this type; gives back the SQLSTATEs of the errors on the way.
    pub async fn until(&mut self, kind: u8) -> Result<Vec<String>> {
        let mut errors: Vec<String> = vec![];
        loop {
            let (found, body) = match self.next().await {
                Ok(message) => message,
                // What it said last says more than that it closed.
                Err(_) if !errors.is_empty() => return Err(Error::other(errors.join(" "))),
                Err(error) => return Err(error),
            };
            if found == b'E' {
                errors.push(sqlstate(&body));
            }
            if found == kind {
                return Ok(errors);
            }
        }
    }

    /// Reads until the gate closes the connection; gives back the SQLSTATEs of the errors on the way.
    pub async fn until_closed(&mut self) -> Vec<String> {
        let mut errors = vec![];
        while let Ok((kind, body)) = self.next().await {
            if kind == b'E' {
                errors.push(sqlstate(&body));
            }
        }
        errors
    }

    async fn authentication(&mut self, step: u32) -> Result<Vec<u8>> {
        let (kind, body) = self.next().await?;
        match (kind, body.split_first_chunk::<4>()) {
            (b'R', Some((code, rest))) if u32::from_be_bytes(*code) == step => Ok(rest.to_vec()),
            (b'E', _) => Err(Error::other(sqlstate(&body))),
            _ => Err(Error::other("not the authentication step expected")),
        }
    }
}

/// A stream for `tokio_postgres` that is logged in already.
pub async fn lend(login: &Login) -> Result<DuplexStream> {
    let mut raw = Raw::proved(login).await?;
    let (theirs, mut ours) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        // Their startup packet: it was sent already.
        let length = ours.read_u32().await?;
        let mut packet = vec![0; usize::try_from(length).map_err(wrong)?.saturating_sub(4)];
        ours.read_exact(&mut packet).await?;
        ours.write_all(&raw.inbox).await?;
        tokio::io::copy_bidirectional(&mut ours, &mut raw.stream).await
    });
    Ok(theirs)
}

/// A startup packet of protocol 3.0.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_u32(196_608);
    for (name, value) in parameters {
        body.put_slice(name.as_bytes());
        body.put_u8(0);
        body.put_slice(value.as_bytes());
        body.put_u8(0);
    }
    body.put_u8(0);
    let mut out = BytesMut::new();
    out.put_u32(u32::try_from(body.len() + 4).unwrap());
    out.put_slice(&body);
    out.to_vec()
}

/// A message with a true length.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    message_saying(kind, u32::try_from(body.len() + 4).unwrap(), body)
}

/// A message with whatever length.
pub fn message_saying(kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::with_capacity(body.len() + 5);
    out.put_u8(kind);
    out.put_u32(length);
    out.put_slice(body);
    out.to_vec()
}

/// A simple query.
pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

/// A Parse of a statement with this name and no declared types.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(
        b'P',
        &[name.as_bytes(), b"\0", sql.as_bytes(), b"\0\0\0"].concat(),
    )
}

/// The code in an error's fields.
fn sqlstate(body: &[u8]) -> String {
    field(body, b'C')
}

/// One of an error's fields; empty if it is not there.
pub fn field(body: &[u8], kind: u8) -> String {
    body.split(|b| *b == 0)
        .find_map(|field| field.strip_prefix(&[kind]))
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}

fn wrong(error: impl std::fmt::Display) -> Error {
    Error::other(error.to_string())
}
