//! A large object on its way in: written to `tmp/` as it comes, hashed as it comes, and given to the
//! committing thread when it is whole and durable. Dropped before that, nothing of it stays.

use std::{
    fs::File,
    io::Write as _,
    sync::{Arc, mpsc},
};

use backstop_core::digest::Digest;
use tokio::sync::oneshot;

use super::{
    commit::{Job, What},
    hashing::Hashing,
    record::Record,
    shared::{Shared, stopped},
    state::cost,
};
use crate::{
    error::{Refusal, Result, VaultError},
    label::Label,
    protocol::{End, PutHead},
    seal::sha256,
};

/// How much room is promised at a time, in bytes.
const STEP: u64 = 16 << 20;
/// The largest object, in bytes: what a bucket takes at most.
const LARGEST: u64 = 5 << 40;

/// An upload in the making. Its methods block.
pub struct Incoming {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    temporary: Temporary,
    room: Room,
    file: File,
    hashing: Hashing,
    bytes: u64,
}

/// Room that was promised to an upload; given back when its object counts itself, or never comes.
struct Room {
    shared: Arc<Shared>,
    label: Label,
    bytes: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.state().release(&self.label, self.bytes);
    }
}

/// The file of an upload, removed unless it was kept.
struct Temporary {
    shared: Arc<Shared>,
    name: String,
    kept: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = self.shared.dirs.tmp.remove(&self.name);
        }
    }
}

/// An object that is whole and waits for its record.
pub struct Finished {
    answer: oneshot::Receiver<Result<Record>>,
    _room: Room,
}

impl Finished {
    /// Its record, when that is durable.
    ///
    /// # Errors
    /// When the store has stopped.
    pub async fn recorded(self) -> Result<Record> {
        self.answer
            .await
            .map_err(|_| stopped(&"its threads have ended"))?
    }
}

impl Incoming {
    pub(crate) fn begin(
        shared: Arc<Shared>,
        jobs: mpsc::Sender<Job>,
        label: Label,
        number: u64,
    ) -> Result<Self> {
        label.check()?;
        shared.check_open()?;
        let name = format!("upload-{number}");
        let file = shared.dirs.tmp.create(&name, 0o400)?;
        Ok(Self {
            temporary: Temporary {
                shared: shared.clone(),
                name,
                kept: false,
            },
            room: Room {
                shared: shared.clone(),
                label,
                bytes: 0,
            },
            shared,
            jobs,
            file,
            hashing: Hashing::new(),
            bytes: 0,
        })
    }

    /// Takes in the next bytes. Blocks.
    ///
    /// # Errors
    /// When there is no room, or the disk refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.promise(self.bytes + bytes.len() as u64)?;
        self.file
            .write_all(bytes)
            .map_err(|e| VaultError::io("write to", self.shared.dirs.tmp.path(), e))?;
        self.hashing.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn promise(&mut self, needed: u64) -> Result<()> {
        if needed <= self.room.bytes {
            return Ok(());
        }
        if needed > LARGEST {
            return Err(VaultError::refused(
                Refusal::TooLarge,
                "an object of more than five TiB",
                "no bucket takes that as one; keep less of it in one recovery point",
            ));
        }
        let exact = cost(needed) - self.room.bytes;
        let free = self.shared.dirs.root.free()?;
        if free < self.shared.options.keep_free.saturating_add(exact) {
            return Err(super::disk_full());
        }
        let mut state = self.shared.state();
        let generous = exact.max(STEP);
        let taken = match state.promise(&self.shared.options, &self.room.label, generous) {
            Ok(()) => generous,
            Err(_) => {
                state.promise(&self.shared.options, &self.room.label, exact)?;
                exact
            }
        };
        self.room.bytes += taken;
        Ok(())
    }

    /// Ends it: checks that it is what the client says, makes it durable, and gives what will say so.
    /// Blocks for the disk.
    ///
    /// # Errors
    /// [`Refusal::WrongHash`] when it is something else; disk errors.
    pub fn finish(mut self, end: &End) -> Result<Finished> {
        let (whole, pieces) = std::mem::replace(&mut self.hashing, Hashing::new()).end();
        if whole != end.name || self.bytes != end.bytes {
            return Err(wrong_hash());
        }
        let sums = sha256(&pieces);
        self.keep(&end.name, &pieces)?;
        let head = PutHead {
            label: self.room.label.clone(),
            name: end.name,
            plain: end.plain,
        };
        let (done, answer) = oneshot::channel();
        let job = Job {
            what: What::Large(head, self.bytes, sums),
            done,
        };
        self.jobs
            .send(job)
            .map_err(|_| stopped(&"its threads have ended"))?;
        Ok(Finished {
            answer,
            _room: self.room,
        })
    }

    /// Gives it the name under which the settling thread and recovery look for it.
    fn keep(&mut self, name: &Digest, pieces: &[u8]) -> Result<()> {
        let tmp = &self.shared.dirs.tmp;
        let io = |e| VaultError::io("write to", tmp.path(), e);
        self.file.sync_data().map_err(io)?;
        let hex = name.to_hex();
        // The same object again: the first one is the one that counts.
        if self.shared.state().objects.contains_key(name) {
            return Ok(());
        }
        let sums = format!("{}.sums", self.temporary.name);
        let mut file = tmp.create(&sums, 0o400)?;
        file.write_all(pieces)
            .and_then(|()| file.sync_data())
            .map_err(io)?;
        tmp.rename(&sums, tmp, &format!("{hex}.sums"))?;
        tmp.rename(&self.temporary.name, tmp, &hex)?;
        self.temporary.kept = true;
        tmp.sync()
    }
}

/// What arrived is not what its name says.
pub(crate) fn wrong_hash() -> VaultError {
    VaultError::refused(
        Refusal::WrongHash,
        "what arrived is not what its name says",
        "it was changed or cut on its way; send it again",
    )
}
