//! How far the journal is durable, and who waits for that.
//!
//! One list of waiters sorted by index, woken once each; scales to thousands in flight. It must never
//! say that an entry is durable before the commit thread has seen its fdatasync return.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use crate::error::{JournalError, Result};

/// Locks a mutex. A thread that panicked with it held has also marked the journal as failed, so
/// what it left behind is never reported as durable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of durable entries, and the waiters.
#[derive(Default)]
pub(crate) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    durable: u64,
    failed: Option<JournalError>,
    waiting: BTreeMap<(u64, u64), Waker>,
    next_waiter: u64,
}

impl Progress {
    pub(crate) fn starting_at(durable: u64) -> Self {
        Self(Mutex::new(State {
            durable,
            ..State::default()
        }))
    }

    pub(crate) fn durable(&self) -> u64 {
        lock(&self.0).durable
    }

    /// Entries before `durable` are durable: wakes who waits for one of them.
    pub(crate) fn advance(&self, durable: u64) {
        let ready = {
            let mut state = lock(&self.0);
            // INVARIANT: after a failure nothing more becomes durable.
            if state.failed.is_some() {
                return;
            }
            state.durable = durable;
            let later = state.waiting.split_off(&(durable, 0));
            std::mem::replace(&mut state.waiting, later)
        };
        ready.into_values().for_each(Waker::wake);
    }

    /// Nothing more will become durable: the first failure stands, and all waiters hear of it.
    pub(crate) fn fail(&self, error: JournalError) {
        let all = {
            let mut state = lock(&self.0);
            state.failed.get_or_insert(error);
            std::mem::take(&mut state.waiting)
        };
        all.into_values().for_each(Waker::wake);
    }

    /// The failure, if there was one.
    pub(crate) fn failure(&self) -> Option<JournalError> {
        lock(&self.0).failed.clone()
    }
}

/// Resolves when an entry, and all before it, are durable; or when they never will be.
#[must_use = "an entry is durable only when this has resolved to `Ok`"]
pub struct Durable {
    progress: Arc<Progress>,
    index: u64,
    waiter: Option<u64>,
}

impl Durable {
    pub(crate) fn new(progress: Arc<Progress>, index: u64) -> Self {
        Self {
            progress,
            index,
            waiter: None,
        }
    }

    /// Blocks this thread until the entry is durable. Not for async code.
    ///
    /// # Errors
    /// [`JournalError::Failed`] or [`JournalError::Closed`] if it never will be.
    pub fn wait(mut self) -> Result<()> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(result) = Pin::new(&mut self).poll(&mut context) {
                return result;
            }
            thread::park();
        }
    }
}

impl Future for Durable {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = Arc::clone(&self.progress);
        let mut state = lock(&progress.0);
        if self.index < state.durable {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = &state.failed {
            return Poll::Ready(Err(error.clone()));
        }
        let waiter = self.waiter.unwrap_or(state.next_waiter);
        if self.waiter.is_none() {
            state.next_waiter += 1;
            self.waiter = Some(waiter);
        }
        let waker = context.waker().clone();
        state.waiting.insert((self.index, waiter), waker);
        Poll::Pending
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            lock(&self.progress.0).waiting.remove(&(self.index, waiter));
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_hear_of_their_entry_and_of_failure() {
        let progress = Arc::new(Progress::default());
        let waiters: Vec<_> = (0..10u64)
            .map(|index| {
                let wait = Durable::new(Arc::clone(&progress), index);
                thread::spawn(move || wait.wait())
            })
            .collect();
        progress.advance(3);
        progress.advance(5);
        progress.fail(JournalError::Closed);
        progress.advance(10);
        for (index, waiter) in waiters.into_iter().enumerate() {
            assert_eq!(waiter.join().unwrap().is_ok(), index < 5, "entry {index}");
        }
        assert_eq!(
            progress.durable(),
            5,
            "nothing becomes durable after a failure"
        );
    }

    #[tokio::test]
    async fn a_dropped_waiter_leaves_nothing_behind() {
        let progress = Arc::new(Progress::default());
        let wait = Durable::new(Arc::clone(&progress), 4);
        let short = tokio::time::timeout(std::time::Duration::from_millis(5), wait).await;
        assert!(short.is_err());
        assert!(lock(&progress.0).waiting.is_empty());
        assert!(Durable::new(progress, 4).progress.failure().is_none());
    }
}
