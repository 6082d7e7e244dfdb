//! A client that says its own bytes.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use backstop_wire::websocket::{Frames, Kind, Piece, Side, code_of, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scene::{Held, Scene};

/// Of every handshake.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What every frame is masked with.
pub const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const PATIENCE: Duration = Duration::from_secs(10);

/// An opened socket, or what was said instead.
pub struct Client {
    /// The answer's head, and its body if it is no 101.
    pub answer: String,
    stream: TcpStream,
    frames: Frames,
    buffer: Vec<u8>,
}

/// A frame that came.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub kind: Kind,
    pub last: bool,
    pub payload: Vec<u8>,
}

impl Said {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

impl Client {
    /// Opens a socket by the lease's own proxy; the headers come on top of a good handshake's.
    pub async fn open(
        scene: &Scene,
        held: &Held,
        api: &str,
        path: &str,
        headers: &[&str],
    ) -> Result<Self> {
        let mut lines = vec![
            "connection: Upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
        ];
        let key = format!("sec-websocket-key: {KEY}");
        lines.push(&key);
        lines.extend(headers);
        Self::ask(scene, held, api, path, &lines).await
    }

    /// Asks with these headers alone.
    pub async fn ask(
        scene: &Scene,
        held: &Held,
        api: &str,
        path: &str,
        headers: &[&str],
    ) -> Result<Self> {
        let mut stream = TcpStream::connect(held.proxy).await?;
        let site = format!("{api}.example:{}", scene.server.port);
        let request = format!(
            "GET http://{site}{path} HTTP/1.1\r\nhost: {site}\r\nproxy-authorization: {}\r\n{}\r\n\r\n",
            held.authorization,
            headers.join("\r\n")
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if timeout(PATIENCE, stream.read(&mut byte)).await?? == 0 {
                break;
            }
            answer.push(byte[0]);
        }
        let mut answer = String::from_utf8(answer)?;
        let length: usize = answer
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(Ok(0), str::parse)?;
        let mut body = vec![0; length];
        timeout(PATIENCE, stream.read_exact(&mut body)).await??;
        answer.push_str(&String::from_utf8(body)?);
        Ok(Self {
            answer,
            stream,
            frames: Frames::of(Side::Server),
            buffer: Vec::new(),
        })
    }

    /// One that was opened.
    pub async fn opened(scene: &Scene, held: &Held, api: &str, path: &str) -> Result<Self> {
        Self::opened_with(scene, held, api, path, &[]).await
    }

    pub async fn opened_with(
        scene: &Scene,
        held: &Held,
        api: &str,
        path: &str,
        headers: &[&str],
    ) -> Result<Self> {
        let client = Self::open(scene, held, api, path, headers).await?;
        anyhow::ensure!(client.is_open(), "{}", client.answer);
        Ok(client)
    }

    pub fn is_open(&self) -> bool {
        self.answer.starts_with("HTTP/1.1 101 ")
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(())
    }

    pub async fn text(&mut self, text: &str) -> Result<()> {
        self.send(&frame(Kind::Text, text.as_bytes(), Some(MASK)))
            .await
    }

    /// Bytes as they come, without frames: of an answer that streams.
    pub async fn raw(&mut self) -> Result<Vec<u8>> {
        let mut piece = vec![0; 4096];
        let read = timeout(PATIENCE, self.stream.read(&mut piece)).await??;
        piece.truncate(read);
        Ok(piece)
    }

    /// The next frame; `None` once the connection is over.
    pub async fn next(&mut self) -> Result<Option<Said>> {
        let mut said: Option<Said> = None;
        loop {
            let buffer = std::mem::take(&mut self.buffer);
            let mut input = &buffer[..];
            while let Some(piece) = self.frames.next(&mut input)? {
                match piece {
                    Piece::Head(head) => {
                        said = Some(Said {
                            kind: head.kind,
                            last: head.last,
                            payload: vec![],
                        });
                    }
                    Piece::Payload { bytes, .. } => {
                        let said = said.as_mut().context("a payload without a head")?;
                        said.payload.extend_from_slice(bytes);
                    }
                    Piece::End => {
                        self.buffer = input.to_vec();
                        return Ok(said);
                    }
                }
            }
            let mut piece = vec![0; 16 * 1024];
            match timeout(PATIENCE, self.stream.read(&mut piece))
                .await
                .context("nothing came")?
            {
                Ok(read @ 1..) => self.buffer.extend_from_slice(&piece[..read]),
                Ok(_) => {
                    anyhow::ensure!(said.is_none(), "the connection ended within a frame");
                    return Ok(None);
                }
                // Whoever is cut off may find it reset.
                Err(_) => return Ok(None),
            }
        }
    }

    /// The code and reason of the close that comes next; frames of other kinds before it are let go.
    pub async fn close(&mut self) -> Result<(u16, String)> {
        while let Some(said) = self.next().await? {
            if said.kind == Kind::Close {
                let code = code_of(&said.payload)?.context("no code")?;
                return Ok((code, String::from_utf8(said.payload[2..].to_vec())?));
            }
        }
        bail!("it ended without a close")
    }
}

/// A frame of a client with another first byte: for pieces, and for what is wrong.
pub fn piece(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(Kind::Text, payload, Some(MASK));
    bytes[0] = first_byte;
    bytes
}
