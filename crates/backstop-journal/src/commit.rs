//! The commit thread: takes the filled frame, writes it, one fdatasync, tells who waits.
//!
//! Nothing else stands between an entry and its durability: hashing the tree and publishing come
//! after, on another thread. The first error ends the thread and stops the journal.

use std::sync::{Arc, mpsc::SyncSender};

use crate::{
    bundle::WIDTH,
    disk::Appender,
    error::{JournalError, Result},
    frame::{Chain, FrameBuilder},
    layout,
    publish::Work,
    segment,
    shared::{Shared, StopOnPanic},
    store::Store,
};

/// The segment that is being appended to.
pub(crate) struct OpenSegment {
    pub(crate) base: u64,
    pub(crate) file: Box<dyn Appender>,
    pub(crate) chain: Chain,
    pub(crate) len: u64,
}

impl OpenSegment {
    /// Starts the segment whose first entry is `base`; durable, and empty.
    pub(crate) fn create(store: &Store, base: u64) -> Result<Self> {
        let (head, chain) = segment::head(store.origin(), base);
        let file = store.create(&layout::segment(base), &head)?;
        Ok(Self {
            base,
            file,
            chain,
            len: head.len() as u64,
        })
    }
}

pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) segment: OpenSegment,
    pub(crate) publisher: SyncSender<Work>,
}

impl Committer {
    /// Commits until the journal closes or fails.
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _stop = StopOnPanic(&shared);
        while let Some(frame) = shared.next_frame() {
            if let Err(error) = self.commit(frame) {
                shared.fail(&error);
                break;
            }
        }
        // The publish thread may have stopped by a failure of its own.
        let _ = self.publisher.send(Work::Stop);
    }

    fn commit(&mut self, mut frame: FrameBuilder) -> Result<()> {
        if self.segment.len >= self.shared.options.segment_bytes {
            // A segment ends where a bundle does, so that full bundles can take its place.
            let boundary = frame.first().next_multiple_of(WIDTH);
            if boundary <= frame.end() {
                let kept = u32::try_from(boundary - frame.first()).unwrap_or(u32::MAX);
                let rest = frame.split_off(kept)?;
                self.write(frame)?;
                self.rotate(boundary)?;
                frame = rest;
            }
        }
        self.write(frame)
    }

    fn write(&mut self, frame: FrameBuilder) -> Result<()> {
        if frame.count() == 0 {
            return Ok(());
        }
        let frame = frame.seal(&self.segment.chain);
        let file = &mut self.segment.file;
        file.append(&frame.bytes)
            .and_then(|()| file.sync())
            .map_err(|source| {
                let path = self.shared.store.path(&layout::segment(self.segment.base));
                JournalError::io("write to", path, source)
            })?;
        let offset = self.segment.len;
        self.segment.len += frame.bytes.len() as u64;
        self.segment.chain = frame.chain;
        self.shared.progress.advance(frame.end());
        self.hand_over(Work::Frame {
            frame,
            segment: self.segment.base,
            offset,
        })
    }

    fn rotate(&mut self, base: u64) -> Result<()> {
        let next = OpenSegment::create(&self.shared.store, base)?;
        let ended = std::mem::replace(&mut self.segment, next);
        self.hand_over(Work::SegmentEnded {
            base: ended.base,
            end: base,
        })
    }

    fn hand_over(&self, work: Work) -> Result<()> {
        self.publisher.send(work).map_err(|_| {
            self.shared
                .progress
                .failure()
                .unwrap_or(JournalError::Closed)
        })
    }
}
