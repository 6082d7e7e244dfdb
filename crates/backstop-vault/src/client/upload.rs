//! A content that comes in pieces: sealed on a thread of its own, sent as it comes, with a few MiB under way.
//!
//! Stored is only what [`Upload::finish`] says is stored; an upload that is dropped leaves nothing.

use std::{io, time::Duration};

use backstop_core::digest::Digest;
use bytes::{Bytes, BytesMut};
use ring::digest::{Context, SHA256};
use tokio::{
    io::{AsyncWriteExt as _, ReadHalf, WriteHalf},
    runtime::Handle,
    sync::mpsc,
    task::JoinHandle,
};

use super::{address::Stream, check, connection::next, expect};
use crate::{
    error::{Result, VaultError},
    label::{Label, Stored},
    protocol::{End, Frame, Kind, head},
    seal::{Recipients, Sealing, digest},
};

/// Pieces that may wait between two stages.
const QUEUE: usize = 4;
/// The largest piece that is handed on, in bytes.
const PIECE: usize = 256 * 1024;
/// How often a quiet upload says that it goes on.
const ALIVE: Duration = Duration::from_secs(10);
/// Which request an upload is; it has its connection to itself.
const ID: u32 = 1;

/// An upload in the making.
pub struct Upload {
    pieces: Option<mpsc::Sender<In>>,
    sealing: JoinHandle<io::Result<End>>,
    sending: JoinHandle<Result<Stored>>,
}

impl Upload {
    pub(crate) fn begin(
        stream: Stream,
        label: &Label,
        recipients: &Recipients,
        runtime: &Handle,
        timeout: Duration,
    ) -> Result<Self> {
        let begin = Frame::json(Kind::Begin, ID, label)?;
        let (pieces, plain) = mpsc::channel(QUEUE);
        let (sealed, to_send) = mpsc::channel(QUEUE);
        let recipients = recipients.clone();
        let sealing = runtime.spawn_blocking(move || seal(&recipients, plain, sealed));
        let sending = runtime.spawn(send(stream, begin, to_send, timeout));
        Ok(Self {
            pieces: Some(pieces),
            sealing,
            sending,
        })
    }

    /// Takes in the next bytes of the content; waits while the vault or the compressor is behind.
    ///
    /// # Errors
    /// What the vault said when it refused to go on.
    pub async fn write(&mut self, mut content: Bytes) -> Result<()> {
        while !content.is_empty() {
            let piece = content.split_to(content.len().min(PIECE));
            let Some(pieces) = &self.pieces else {
                return Err(VaultError::protocol("the upload has ended"));
            };
            if pieces.send(In::Piece(piece)).await.is_err() {
                self.pieces = None;
                return Err(self.failure().await);
            }
        }
        Ok(())
    }

    /// Ends it; returns when the vault's disk has all of it.
    ///
    /// # Errors
    /// Whatever kept it from being stored; then it is not stored.
    pub async fn finish(mut self) -> Result<Stored> {
        if let Some(pieces) = self.pieces.take() {
            // If nobody listens, the failure below says why.
            let _ = pieces.send(In::Whole).await;
        }
        let end = match (&mut self.sealing).await {
            Ok(Ok(end)) => end,
            _ => return Err(self.failure().await),
        };
        let stored = (&mut self.sending).await.map_err(gone)??;
        check(&stored, end.name, end.plain, end.bytes)?;
        Ok(stored)
    }

    /// Why it could not go on, as the side that sends knows it.
    async fn failure(&mut self) -> VaultError {
        match (&mut self.sending).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) => VaultError::protocol("the upload ended before its content did"),
            Err(error) => gone(error),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Without its end the vault keeps nothing of it.
        if self.pieces.is_some() {
            self.sending.abort();
        }
    }
}

fn gone(error: impl std::fmt::Display) -> VaultError {
    VaultError::protocol(format!("the upload's task ended: {error}"))
}

/// What comes in. Without `Whole` it is not the end but a caller who has gone.
enum In {
    Piece(Bytes),
    Whole,
}

/// What goes out: a piece of the object, or its end.
enum Out {
    Piece(Bytes),
    End(End),
}

/// Seals all that comes; on a blocking thread.
fn seal(
    recipients: &Recipients,
    mut plain: mpsc::Receiver<In>,
    sealed: mpsc::Sender<Out>,
) -> io::Result<End> {
    let out = Pieces {
        sealed,
        name: Context::new(&SHA256),
        bytes: 0,
        piece: BytesMut::with_capacity(PIECE),
    };
    let mut sealing: Sealing<Pieces> = recipients.stream(out).map_err(io::Error::other)?;
    while let Some(come) = plain.blocking_recv() {
        match come {
            In::Piece(piece) => sealing.write(&piece)?,
            In::Whole => {
                let (out, plain) = sealing.finish()?;
                return out.end(plain);
            }
        }
    }
    Err(io::ErrorKind::BrokenPipe.into())
}

/// Where sealed bytes go: hashed, cut into pieces, handed on.
struct Pieces {
    sealed: mpsc::Sender<Out>,
    name: Context,
    bytes: u64,
    piece: BytesMut,
}

impl Pieces {
    fn hand_on(&mut self, out: Out) -> io::Result<()> {
        self.sealed
            .blocking_send(out)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn pass(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, BytesMut::with_capacity(PIECE));
        self.hand_on(Out::Piece(piece.freeze()))
    }

    fn end(mut self, plain: Digest) -> io::Result<End> {
        if !self.piece.is_empty() {
            self.pass()?;
        }
        let end = End {
            name: digest(self.name.clone()),
            plain,
            bytes: self.bytes,
        };
        self.hand_on(Out::End(end))?;
        Ok(end)
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.name.update(bytes);
        self.bytes += bytes.len() as u64;
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.pass()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends what is sealed and waits for the vault's word.
async fn send(
    stream: Stream,
    begin: Frame,
    mut sealed: mpsc::Receiver<Out>,
    timeout: Duration,
) -> Result<Stored> {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut said = BytesMut::new();
    put(&mut write, Kind::Begin, &begin.payload).await?;
    loop {
        let out = tokio::select! {
            // Anything that the vault says before the end is a refusal.
            answer = next(&mut read, &mut said) => return refusal(answer?),
            out = sealed.recv() => out,
            () = tokio::time::sleep(ALIVE) => Some(Out::Piece(Bytes::new())),
        };
        let wrote = match out {
            Some(Out::Piece(piece)) => put(&mut write, Kind::Data, &piece).await,
            Some(Out::End(end)) => {
                let frame = Frame::json(Kind::End, ID, &end)?;
                put(&mut write, Kind::End, &frame.payload).await?;
                return answer(&mut read, &mut said, timeout).await;
            }
            None => return Err(VaultError::protocol("the upload was given up")),
        };
        if let Err(lost) = wrote {
            // The vault may have said why before it hung up.
            return match tokio::time::timeout(timeout, next(&mut read, &mut said)).await {
                Ok(Ok(Some(frame))) => refusal(Some(frame)),
                _ => Err(lost),
            };
        }
    }
}

/// The vault's word on the whole: it may have a large file to sync, so it is given longer than small requests.
async fn answer(
    read: &mut ReadHalf<Stream>,
    said: &mut BytesMut,
    timeout: Duration,
) -> Result<Stored> {
    let after = timeout.saturating_mul(30);
    let frame = tokio::time::timeout(after, next(read, said))
        .await
        .map_err(|_| VaultError::Timeout { after })??;
    let frame = frame.ok_or_else(lost)?;
    expect(&frame, Kind::Stored)
}

fn refusal(frame: Option<Frame>) -> Result<Stored> {
    let frame = frame.ok_or_else(lost)?;
    expect::<Stored>(&frame, Kind::Fault).and_then(|_| {
        Err(VaultError::protocol(
            "an answer before the end of an upload",
        ))
    })
}

fn lost() -> VaultError {
    VaultError::unreachable("its address", "the connection was lost during an upload")
}

async fn put(write: &mut WriteHalf<Stream>, kind: Kind, payload: &[u8]) -> Result<()> {
    let head = head(kind, ID, payload.len());
    let sent = async {
        write.write_all(&head).await?;
        write.write_all(payload).await?;
        write.flush().await
    };
    sent.await.map_err(|_| lost())
}
