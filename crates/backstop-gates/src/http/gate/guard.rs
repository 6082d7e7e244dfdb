//! What streams is cut when its lease is stopped: the red button does not wait for the end of a download.

use backstop_store::{LeaseSignal, Store};
use tokio::sync::watch;

use crate::http::Stop;

/// The standing of a lease, asked with every piece that passes.
pub(super) struct Guard {
    store: Store,
    signal: Option<watch::Receiver<LeaseSignal>>,
}

impl Guard {
    pub(super) fn of(store: &Store, lease: &str) -> Self {
        Self {
            signal: store.watch_lease(lease),
            store: store.clone(),
        }
    }

    /// Whether more may pass.
    pub(super) fn check(&self) -> Result<(), Stop> {
        let stands = self.signal.as_ref().is_some_and(|signal| {
            let signal = signal.borrow();
            signal.active && self.store.now_ms() < signal.expires_ms
        });
        if stands {
            return Ok(());
        }
        Err(Stop("the lease was stopped meanwhile".into()))
    }
}
