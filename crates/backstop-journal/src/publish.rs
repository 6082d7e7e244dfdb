//! The publish thread: hashes durable entries into the tree and publishes what follows from them.
//!
//! Full tiles and bundles as they fill; partial ones and a signed checkpoint at least every interval
//! while entries come, on demand, and at the end. It must only ever see entries that are durable.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender},
    },
    time::{Duration, Instant},
};

use crate::{
    checkpoint::Checkpoint,
    error::{JournalError, Result},
    frame::SealedFrame,
    layout,
    retire::Retirement,
    shared::{Shared, StopOnPanic},
    view::{Publish, Written},
};

/// What the publish thread is asked to do.
pub(crate) enum Work {
    /// Add the entries of a durable frame.
    Frame {
        frame: SealedFrame,
        segment: u64,
        offset: u64,
    },
    /// All frames of a segment have been sent.
    SegmentEnded { base: u64, end: u64 },
    /// Publish a checkpoint of at least `size` entries and hand it over.
    Checkpoint {
        size: u64,
        reply: SyncSender<Result<Checkpoint>>,
    },
    /// No more will come.
    Stop,
}

pub(crate) struct Publisher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) work: Receiver<Work>,
    pub(crate) retirer: Sender<Retirement>,
    pub(crate) written: Written,
    pub(crate) asked: Vec<(u64, SyncSender<Result<Checkpoint>>)>,
    /// When the next checkpoint is due; none while there is nothing new.
    pub(crate) due: Option<Instant>,
}

impl Publisher {
    /// Publishes until told to stop.
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _stop = StopOnPanic(&shared);
        if let Err(error) = self.serve() {
            shared.fail(&error);
        }
    }

    fn serve(&mut self) -> Result<()> {
        loop {
            match self.next_work() {
                Some(Work::Frame {
                    frame,
                    segment,
                    offset,
                }) => self.add(frame, segment, offset)?,
                Some(Work::SegmentEnded { base, end }) => self.retire(base, end)?,
                Some(Work::Checkpoint { size, reply }) => self.asked.push((size, reply)),
                Some(Work::Stop) => return self.finish(),
                None => self.checkpoint()?,
            }
            self.answer()?;
            if self.due.is_some_and(|due| due <= Instant::now()) {
                self.checkpoint()?;
            }
        }
    }

    /// The next thing to do; `None` when a checkpoint is due first.
    fn next_work(&self) -> Option<Work> {
        let Some(due) = self.due else {
            return Some(self.work.recv().unwrap_or(Work::Stop));
        };
        let left = due.saturating_duration_since(Instant::now());
        match self.work.recv_timeout(left) {
            Ok(work) => Some(work),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Work::Stop),
        }
    }

    fn add(&mut self, frame: SealedFrame, segment: u64, offset: u64) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        for item in frame.items() {
            let item =
                item.ok_or_else(|| JournalError::integrity("", None, "a frame in memory"))?;
            if let Some(text) = item.text {
                let at = offset + text.offset as u64;
                shared.texts.add(text.digest, segment, at, text.bytes.len());
            }
            let mut view = shared.view();
            view.push(&shared.store, item.entry, Publish::New, &mut self.written)?;
        }
        shared.announce_applied();
        shared.recycle(frame.bytes);
        let interval = shared.options.checkpoint_every;
        self.due.get_or_insert_with(|| Instant::now() + interval);
        Ok(())
    }

    fn retire(&mut self, base: u64, end: u64) -> Result<()> {
        // INVARIANT: the oldest segment begins within what is signed. Without its first entries a
        // journal whose checkpoint is older would have a gap.
        self.checkpoint()?;
        let mut written = std::mem::take(&mut self.written);
        written
            .files
            .push(self.shared.store.path(layout::CHECKPOINT));
        self.retirer
            .send(Retirement { base, end, written })
            .map_err(|_| {
                self.shared
                    .progress
                    .failure()
                    .unwrap_or(JournalError::Closed)
            })
    }

    /// Answers who asked for a checkpoint that can be made now.
    fn answer(&mut self) -> Result<()> {
        let size = self.shared.view().edge.size();
        if !self.asked.iter().any(|(wanted, _)| *wanted <= size) {
            return Ok(());
        }
        self.checkpoint()?;
        let checkpoint = self.shared.view().checkpoint.clone();
        self.asked.retain(|(wanted, reply)| {
            let ready = *wanted <= size;
            if ready {
                // Who asked may have gone away.
                let _ = reply.send(Ok(checkpoint.clone()));
            }
            !ready
        });
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.due = None;
        let mut view = self.shared.view();
        if view.checkpoint.size() < view.edge.size() {
            view.publish_checkpoint(&self.shared.store, &self.shared.key)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.shared.progress.failure().is_none() {
            self.checkpoint()?;
            std::mem::take(&mut self.written).settle(&self.shared.store)?;
        }
        Ok(())
    }
}

/// The default interval between checkpoints while entries come.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
