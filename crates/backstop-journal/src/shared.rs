//! What the journal's callers and its threads share, and how a failure reaches all of them.
//!
//! State and waiting only; the work is done in `commit`, `publish` and `retire`.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    durable::{Progress, lock},
    error::{JournalError, Result},
    frame::FrameBuilder,
    journal::Options,
    key::SigningKey,
    store::Store,
    text::SealedText,
    texts::Texts,
    view::View,
};

/// How often a thread that waits for another looks whether it has failed.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) key: SigningKey,
    pub(crate) options: Options,
    pub(crate) progress: Arc<Progress>,
    pub(crate) texts: Texts,
    queue: Mutex<Queue>,
    /// The commit thread waits here for entries.
    work: Condvar,
    /// Who appends waits here for room.
    room: Condvar,
    view: Mutex<View>,
    /// Readers wait here for the publish thread to catch up.
    applied: Condvar,
    /// The first entry of the oldest segment that is still there.
    oldest_segment: AtomicU64,
}

/// The frame that is being filled, and what the commit thread needs to know about it.
struct Queue {
    frame: FrameBuilder,
    spare: Vec<Vec<u8>>,
    /// Someone waits for entries before this index.
    wanted: u64,
    /// When the frame goes out at the latest.
    due: Option<Instant>,
    /// Whether the commit thread must be woken for the next entry.
    asleep: bool,
    closing: bool,
    stopped: Option<JournalError>,
}

impl Queue {
    fn ripe(&self, options: &Options) -> bool {
        self.wanted > self.frame.first()
            || self.closing
            || self.frame.len() >= options.flush_bytes
            || self.due.is_some_and(|due| due <= Instant::now())
    }
}

impl Shared {
    pub(crate) fn new(
        store: Store,
        key: SigningKey,
        options: Options,
        view: View,
        texts: Texts,
        oldest_segment: u64,
    ) -> Self {
        let size = view.edge.size();
        Self {
            store,
            key,
            options,
            progress: Arc::new(Progress::starting_at(size)),
            texts,
            queue: Mutex::new(Queue {
                frame: FrameBuilder::new(size, Vec::new()),
                spare: Vec::new(),
                wanted: 0,
                due: None,
                asleep: false,
                closing: false,
                stopped: None,
            }),
            work: Condvar::new(),
            room: Condvar::new(),
            view: Mutex::new(view),
            applied: Condvar::new(),
            oldest_segment: AtomicU64::new(oldest_segment),
        }
    }

    /// Puts an entry into the frame being filled; blocks only while the queue is full.
    pub(crate) fn push(&self, entry: &[u8], text: Option<&SealedText>) -> Result<u64> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(error) = &queue.stopped {
                return Err(error.clone());
            }
            if queue.closing {
                return Err(JournalError::Closed);
            }
            if queue.frame.len() < self.options.queue_bytes {
                break;
            }
            queue = self
                .room
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let index = queue.frame.end();
        queue.frame.push(entry, text)?;
        if queue.due.is_none() {
            queue.due = Some(Instant::now() + self.options.linger);
        }
        if queue.asleep || queue.frame.len() >= self.options.flush_bytes {
            queue.asleep = false;
            self.work.notify_one();
        }
        Ok(index)
    }

    /// Someone waits for the entry: the frame that holds it goes out at once.
    pub(crate) fn want(&self, index: u64) {
        let mut queue = lock(&self.queue);
        let wanted = index.saturating_add(1).min(queue.frame.end());
        if wanted > queue.wanted {
            queue.wanted = wanted;
            if wanted > queue.frame.first() {
                self.work.notify_one();
            }
        }
    }

    /// How many entries were taken so far, durable or not.
    pub(crate) fn appended(&self) -> u64 {
        lock(&self.queue).frame.end()
    }

    /// Waits for a frame to write; `None` when the journal closes and nothing is left.
    pub(crate) fn next_frame(&self) -> Option<FrameBuilder> {
        let mut queue = lock(&self.queue);
        loop {
            let filled = queue.frame.count() > 0;
            if filled && queue.ripe(&self.options) {
                return Some(self.take_frame(&mut queue));
            }
            if queue.closing && !filled {
                return None;
            }
            queue = if let Some(due) = queue.due {
                let left = due.saturating_duration_since(Instant::now());
                let waited = self.work.wait_timeout(queue, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                queue.asleep = true;
                self.work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn take_frame(&self, queue: &mut Queue) -> FrameBuilder {
        let spare = queue.spare.pop().unwrap_or_default();
        let next = FrameBuilder::new(queue.frame.end(), spare);
        queue.due = None;
        self.room.notify_all();
        std::mem::replace(&mut queue.frame, next)
    }

    /// Gives a written frame's memory back for the next one.
    pub(crate) fn recycle(&self, bytes: Vec<u8>) {
        let mut queue = lock(&self.queue);
        if queue.spare.len() < 4 && bytes.capacity() <= 4 * self.options.flush_bytes {
            queue.spare.push(bytes);
        }
    }

    /// No more entries; what was taken is still written.
    pub(crate) fn begin_close(&self) {
        lock(&self.queue).closing = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// Stops the journal: nothing more is taken, and nothing more becomes durable.
    pub(crate) fn fail(&self, error: &JournalError) {
        tracing::error!(%error, "the journal has stopped");
        let why: Arc<str> = error.to_string().lines().next().unwrap_or_default().into();
        let failed = JournalError::Failed { why };
        lock(&self.queue)
            .stopped
            .get_or_insert_with(|| failed.clone());
        self.progress.fail(failed);
        self.work.notify_all();
        self.room.notify_all();
        self.applied.notify_all();
    }

    /// The published tree.
    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    /// The publish thread has added entries to the view.
    pub(crate) fn announce_applied(&self) {
        self.applied.notify_all();
    }

    /// The published tree once it holds all that is durable now.
    pub(crate) fn settled_view(&self) -> Result<MutexGuard<'_, View>> {
        let durable = self.progress.durable();
        let mut view = self.view();
        while view.edge.size() < durable {
            if let Some(error) = self.progress.failure() {
                return Err(error);
            }
            let waited = self.applied.wait_timeout(view, LOOK);
            view = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(view)
    }

    pub(crate) fn oldest_segment(&self) -> u64 {
        self.oldest_segment.load(Ordering::Acquire)
    }

    pub(crate) fn set_oldest_segment(&self, base: u64) {
        self.oldest_segment.store(base, Ordering::Release);
    }
}

/// Stops the journal if the thread that holds this panics.
pub(crate) struct StopOnPanic<'a>(pub(crate) &'a Shared);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let why = "one of its threads ended unexpectedly".into();
            self.0.fail(&JournalError::Failed { why });
        }
    }
}
