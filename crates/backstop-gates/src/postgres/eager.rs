//! Looking again before going to sleep.
//!
//! Most answers come within some microseconds, and a thread that sleeps until then is woken later than it could be.
//! So a worker that has just had something to do asks its sockets again for a moment before it sleeps, as long as
//! that pays. It must never keep an idle gate busy: after [`MOMENT`] without a message the thread sleeps.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long a worker looks on after a message.
const MOMENT: Duration = Duration::from_micros(200);
/// How much more often looking must find something than nothing, to be gone on with.
const MISS: i32 = 2;
/// The most that past finds count.
const MOST: i32 = 16;
/// After so many messages without looking it is tried again.
const RETRY: u32 = 64;

thread_local! {
    static LOOK: Look = Look::default();
}

struct Look {
    /// When the last message came; none while the thread does not look.
    last: Cell<Option<Instant>>,
    /// Finds less misses.
    score: Cell<i32>,
    unlooked: Cell<u32>,
    begin: Arc<Notify>,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            last: Cell::new(None),
            score: Cell::new(MISS),
            unlooked: Cell::new(0),
            begin: Arc::default(),
        }
    }
}

/// A session of this thread has got a message.
pub(crate) fn stir() {
    LOOK.with(Look::stir);
}

impl Look {
    fn stir(&self) {
        if self.last.get().is_some() {
            self.score.set((self.score.get() + 1).min(MOST));
        } else if self.score.get() <= 0 {
            self.unlooked.set(self.unlooked.get() + 1);
            if self.unlooked.get() < RETRY {
                return;
            }
            self.score.set(MISS);
        }
        self.unlooked.set(0);
        if self.last.replace(Some(Instant::now())).is_none() {
            self.begin.notify_one();
        }
    }

    /// Whether to look once more.
    fn goes_on(&self) -> bool {
        if self.last.get().is_some_and(|at| at.elapsed() < MOMENT) {
            return true;
        }
        if self.last.take().is_some() {
            self.score.set((self.score.get() - MISS).max(0));
        }
        false
    }
}

/// Keeps this thread's runtime awake for a moment after each stir. Runs beside the sessions for as long as they do.
pub(crate) async fn keep_looking() {
    let begin = LOOK.with(|look| Arc::clone(&look.begin));
    loop {
        if LOOK.with(Look::goes_on) {
            // The runtime asks the sockets before it comes back here.
            tokio::task::yield_now().await;
        } else {
            begin.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message, and nothing for a moment after it.
    fn miss(look: &Look) {
        look.stir();
        look.last.set(look.last.get().map(|at| at - 2 * MOMENT));
        assert!(!look.goes_on());
    }

    #[test]
    fn it_looks_while_messages_follow_each_other() {
        let look = Look::default();
        assert!(!look.goes_on());
        for _ in 0..100 {
            look.stir();
            assert!(look.goes_on());
        }
        assert_eq!(look.score.get(), MOST);
    }

    #[test]
    fn what_finds_nothing_is_given_up_and_tried_again_later() {
        let look = Look::default();
        for _ in 0..MOST {
            miss(&look);
        }
        let looked = (0..10 * RETRY)
            .filter(|_| {
                look.stir();
                let looks = look.last.get().is_some();
                look.last.set(look.last.get().map(|at| at - 2 * MOMENT));
                assert!(!look.goes_on());
                looks
            })
            .count();
        assert_eq!(looked, 10);
    }
}
