//! What streams is cut when its lease is stopped: the red button does not wait for the end of a download, nor for the next
//! word on a socket where nobody speaks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use backstop_store::{LeaseSignal, Store};
use tokio::sync::watch;

use crate::http::Stop;

/// How often the clock is looked at, which may be set forward.
const LOOK: Duration = Duration::from_secs(60);

/// The standing of a lease, asked with every piece that passes, and waited for where none does.
pub(super) struct Guard {
    store: Store,
    signal: Option<watch::Receiver<LeaseSignal>>,
    /// Whether what passes may do more than read.
    writes: bool,
    /// Made when somebody waits.
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Guard {
    pub(super) fn of(store: &Store, lease: &str) -> Self {
        Self {
            signal: store.watch_lease(lease),
            store: store.clone(),
            writes: false,
            over: None,
        }
    }

    /// Of what may do more than read: where only reads pass any more, it does not.
    pub(super) const fn writing(mut self, writes: bool) -> Self {
        self.writes = writes;
        self
    }

    /// Whether more may pass.
    pub(super) fn check(&self) -> Result<(), Stop> {
        let stands = self
            .signal
            .as_ref()
            .is_some_and(|signal| stands(&signal.borrow(), self.writes, self.store.now_ms()));
        if stands { Ok(()) } else { Err(stopped()) }
    }

    /// The same for whoever waits: it is woken when nothing more may pass.
    pub(super) fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        if self.over.is_none() {
            let Some(signal) = self.signal.clone() else {
                return Poll::Ready(stopped());
            };
            self.over = Some(Box::pin(over(self.store.clone(), signal, self.writes)));
        }
        if let Some(over) = &mut self.over {
            ready!(over.as_mut().poll(cx));
            // It is not asked again once it is done.
            self.over = None;
        }
        Poll::Ready(stopped())
    }
}

fn stopped() -> Stop {
    Stop("the lease was stopped meanwhile".into())
}

fn stands(signal: &LeaseSignal, writes: bool, now_ms: i64) -> bool {
    signal.active && now_ms < signal.expires_ms && !(writes && signal.reads_only)
}

/// Until nothing more may pass.
async fn over(store: Store, mut signal: watch::Receiver<LeaseSignal>, writes: bool) {
    loop {
        let now_ms = store.now_ms();
        let left = {
            let signal = signal.borrow_and_update();
            if !stands(&signal, writes, now_ms) {
                return;
            }
            u64::try_from(signal.expires_ms - now_ms).unwrap_or(0)
        };
        tokio::select! {
            changed = signal.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(Duration::from_millis(left).min(LOOK)) => {}
        }
    }
}
