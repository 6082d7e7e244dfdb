//! The vault's side of a large object: pieces go to a thread that writes and hashes them as they come.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinHandle,
};

use super::vault::Vault;
use crate::{
    error::{Refusal, Result, VaultError},
    label::{Label, Stored},
    protocol::{End, Frame, Kind},
    store::{self, Finished, Incoming},
};

/// Pieces that may wait to be written.
const QUEUE: usize = 4;

/// What the writing thread is given.
enum Piece {
    Bytes(Bytes),
    End(End),
}

/// An upload that is under way on a connection.
pub(crate) struct Uploading {
    id: u32,
    pieces: Option<mpsc::Sender<Piece>>,
    writing: JoinHandle<Result<Option<Finished>>>,
    _place: OwnedSemaphorePermit,
}

impl Uploading {
    pub(crate) fn begin(vault: &Arc<Vault>, frame: &Frame) -> Result<Self> {
        let label: Label = frame.read()?;
        let place = vault
            .uploads
            .clone()
            .try_acquire_owned()
            .map_err(|_| busy())?;
        let incoming = vault.store.begin(label)?;
        let (pieces, queue) = mpsc::channel(QUEUE);
        Ok(Self {
            id: frame.id,
            pieces: Some(pieces),
            writing: tokio::task::spawn_blocking(move || write(incoming, queue)),
            _place: place,
        })
    }

    /// Whether this is the upload that `id` means.
    pub(crate) fn is(&self, id: u32) -> bool {
        self.id == id
    }

    /// Takes in a piece, or the end; gives what was stored at the end.
    pub(crate) async fn take(&mut self, frame: Frame) -> Result<Option<Stored>> {
        let ends = frame.kind == Kind::End;
        let piece = if ends {
            Piece::End(frame.read()?)
        } else {
            Piece::Bytes(frame.payload)
        };
        let gone = match &self.pieces {
            Some(pieces) => pieces.send(piece).await.is_err(),
            None => true,
        };
        if !gone && !ends {
            return Ok(None);
        }
        self.pieces = None;
        let written = (&mut self.writing).await;
        let answer = written.map_err(|e| VaultError::protocol(e.to_string()))??;
        let answer = answer.ok_or_else(|| VaultError::protocol("the upload has no end"))?;
        store::stored(answer.recorded().await?).map(Some)
    }
}

/// Writes what comes; without an end nothing of it stays.
fn write(mut incoming: Incoming, mut pieces: mpsc::Receiver<Piece>) -> Result<Option<Finished>> {
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => incoming.write(&bytes)?,
            Piece::End(end) => return incoming.finish(&end).map(Some),
        }
    }
    Ok(None)
}

fn busy() -> VaultError {
    VaultError::refused(
        Refusal::Busy,
        "too many uploads are under way",
        "wait for one of them to end",
    )
}
