//! One connection: reads requests, answers each, and hangs up on whatever is not the protocol.
//!
//! The list of what may be asked stands in `answer`. What the gate may ask creates, looks, or keeps longer,
//! or hands on a person's word that something stays; nothing else is there to be called.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, WriteHalf},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
};

use super::{upload::Uploading, vault::Vault};
use crate::{
    error::{Refusal, Result, VaultError},
    protocol::{Ask, CosignRequest, Extend, Frame, Kind, LogAsk, PutHead},
};

/// How long a frame that has begun may take to be whole.
const FRAME: Duration = Duration::from_secs(30);
/// How long a connection may be quiet between frames.
const QUIET: Duration = Duration::from_secs(600);
/// How long an answer may take to be written.
const ANSWER: Duration = Duration::from_secs(30);
/// Answers that may wait to be written.
const ANSWERS: usize = 64;
/// Requests of one connection that may be under way.
const UNDER_WAY: u32 = 256;

/// Which road a caller came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// May create, and ask about what it can name.
    Gate,
    /// The vault's own user at its own socket.
    Operator,
}

pub(crate) struct Session {
    vault: Arc<Vault>,
    role: Role,
    under_way: Arc<Semaphore>,
}

impl Session {
    pub(crate) fn new(vault: Arc<Vault>, role: Role) -> Self {
        Self {
            vault,
            role,
            under_way: Arc::new(Semaphore::new(UNDER_WAY as usize)),
        }
    }

    /// Serves until the caller hangs up, breaks the protocol, or the server stops.
    pub(crate) async fn run<S>(self, stream: S, mut stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut read, write) = tokio::io::split(stream);
        let (answers, queue) = mpsc::channel(ANSWERS);
        let writer = tokio::spawn(writing(write, queue));
        let mut bytes = BytesMut::new();
        let mut upload = None;
        loop {
            let frame = tokio::select! {
                frame = next(&mut read, &mut bytes) => frame,
                _ = stop.changed(), if upload.is_none() => Ok(None),
            };
            let done = match frame {
                Ok(Some(frame)) => self.take(frame, &mut upload, &answers).await,
                Ok(None) => break,
                Err(error) => Err((0, error)),
            };
            if let Err((id, error)) = done {
                tracing::warn!(%error, "a connection was ended");
                let _ = answers.send(fault(id, &error)).await;
                break;
            }
        }
        drop((answers, upload));
        let _ = writer.await;
        // Whoever waits for this session to end may then count on nobody holding the vault for it.
        let _ = self.under_way.acquire_many(UNDER_WAY).await;
    }

    /// Begins on one request. An error ends the connection.
    async fn take(
        &self,
        frame: Frame,
        upload: &mut Option<Uploading>,
        answers: &mpsc::Sender<Frame>,
    ) -> std::result::Result<(), (u32, VaultError)> {
        let id = frame.id;
        let failed = |error| (id, error);
        match (frame.kind, self.role) {
            (Kind::Put, Role::Gate) => {
                let permit = self.room_for(&frame).await.map_err(failed)?;
                self.answer_later(frame, Some(permit), answers).await;
            }
            (Kind::Begin, Role::Gate) if upload.is_none() => {
                *upload = Some(Uploading::begin(&self.vault, &frame).map_err(failed)?);
            }
            (Kind::Data | Kind::End, Role::Gate) => {
                let Some(current) = upload.as_mut().filter(|current| current.is(id)) else {
                    return Err((id, VaultError::protocol("a piece of no upload")));
                };
                let stored = current.take(frame).await.map_err(failed)?;
                if let Some(stored) = stored {
                    *upload = None;
                    let frame = Frame::json(Kind::Stored, id, &stored).map_err(failed)?;
                    // A caller who has gone needs no answer.
                    let _ = answers.send(frame).await;
                }
            }
            (
                Kind::Has
                | Kind::Cosign
                | Kind::Cosigned
                | Kind::Status
                | Kind::Extend
                | Kind::Cancel,
                _,
            )
            | (Kind::Operate, Role::Operator) => {
                self.answer_later(frame, None, answers).await;
            }
            _ => return Err((id, not_allowed())),
        }
        Ok(())
    }

    /// Waits until there is room in memory for an object.
    async fn room_for(&self, frame: &Frame) -> Result<OwnedSemaphorePermit> {
        let kib = u32::try_from(frame.payload.len() / 1024 + 1).unwrap_or(u32::MAX);
        let memory = self.vault.memory.clone();
        memory
            .acquire_many_owned(kib)
            .await
            .map_err(|e| VaultError::protocol(e.to_string()))
    }

    async fn answer_later(
        &self,
        frame: Frame,
        permit: Option<OwnedSemaphorePermit>,
        answers: &mpsc::Sender<Frame>,
    ) {
        let place = self.under_way.clone().acquire_owned().await;
        let (vault, answers) = (self.vault.clone(), answers.clone());
        tokio::spawn(async move {
            let id = frame.id;
            let answer = answer(&vault, frame).await;
            let answer = answer.unwrap_or_else(|error| fault(id, &error));
            let _ = answers.send(answer).await;
            drop((vault, permit));
            drop(place);
        });
    }
}

/// Everything that can be asked.
async fn answer(vault: &Arc<Vault>, frame: Frame) -> Result<Frame> {
    let id = frame.id;
    match frame.kind {
        Kind::Put => {
            let (head, object) = PutHead::split(frame.payload)?;
            Frame::json(Kind::Stored, id, &vault.store.put(head, object).await?)
        }
        Kind::Has => {
            let asked: Ask = frame.read()?;
            Frame::json(Kind::Held, id, &vault.store.has(&asked.name))
        }
        Kind::Cosign => {
            let asked: CosignRequest = frame.read()?;
            Frame::json(Kind::CosignAnswer, id, &vault.cosign(&asked).await?)
        }
        Kind::Cosigned => {
            let asked: LogAsk = frame.read()?;
            Frame::json(Kind::CosignAnswer, id, &vault.cosigned(&asked.origin)?)
        }
        Kind::Extend => {
            let asked: Extend = frame.read()?;
            Frame::json(Kind::Extended, id, &vault.extend_points(&asked).await?)
        }
        Kind::Cancel => {
            vault.cancel(&frame.read()?).await?;
            Frame::json(Kind::Cancelled, id, &())
        }
        Kind::Status => Frame::json(Kind::StatusAnswer, id, &vault.status()),
        Kind::Operate => Frame::json(Kind::Operated, id, &vault.operate(&frame.read()?).await?),
        _ => Err(not_allowed()),
    }
}

fn not_allowed() -> VaultError {
    VaultError::refused(
        Refusal::NotAllowed,
        "this connection may not ask for that, or not now",
        "the gate's credential can create objects, ask whether they are there and have recovery points kept \
         longer; the rest is for the operator, on the vault's own machine",
    )
}

fn fault(id: u32, error: &VaultError) -> Frame {
    if let VaultError::Io { .. } | VaultError::Integrity { .. } = error {
        tracing::error!(%error, "a request failed");
    }
    Frame::json(Kind::Fault, id, &error.outside()).unwrap_or(Frame {
        kind: Kind::Fault,
        id,
        payload: bytes::Bytes::new(),
    })
}

/// The next frame; `None` when the caller hung up or was quiet for too long.
async fn next<R: AsyncRead + Unpin>(read: &mut R, bytes: &mut BytesMut) -> Result<Option<Frame>> {
    let mut begun = None;
    loop {
        if let Some(frame) = Frame::take(bytes)? {
            return Ok(Some(frame));
        }
        let now = tokio::time::Instant::now();
        let until = if bytes.is_empty() {
            now + QUIET
        } else {
            *begun.get_or_insert(now + FRAME)
        };
        match tokio::time::timeout_at(until, read.read_buf(bytes)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0)) if bytes.is_empty() => return Ok(None),
            Ok(Ok(0)) => return Err(VaultError::protocol("the stream ended within a frame")),
            Ok(Err(_)) => return Ok(None),
            Err(_) if bytes.is_empty() => return Ok(None),
            Err(_) => return Err(VaultError::protocol("a frame took too long to come")),
        }
    }
}

/// Writes answers until there are no more, or the caller does not take them.
async fn writing<S: AsyncWrite>(mut stream: WriteHalf<S>, mut queue: mpsc::Receiver<Frame>) {
    let mut out = BytesMut::new();
    while let Some(frame) = queue.recv().await {
        frame.write(&mut out);
        while let Ok(frame) = queue.try_recv() {
            frame.write(&mut out);
        }
        let wrote = async {
            stream.write_all(&out).await?;
            stream.flush().await
        };
        if !matches!(tokio::time::timeout(ANSWER, wrote).await, Ok(Ok(()))) {
            return;
        }
        out.clear();
    }
    let _ = tokio::time::timeout(ANSWER, stream.shutdown()).await;
}
