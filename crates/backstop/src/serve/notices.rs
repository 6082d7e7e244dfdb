//! What stands above every page of the console, and what happens when an agent knocks there.

use std::path::PathBuf;
use std::sync::Arc;

use backstop_console::{Alarm, Notice, Notices, Presented, Weight};
use backstop_core::entry::Event;
use backstop_journal::Journal;
use backstop_store::Store;

use super::standing::RECOVERABLE;

/// Below this many free bytes the journal's disk is called nearly full.
const LITTLE_ROOM: u64 = 256 * 1024 * 1024;

/// What is to be said above every page.
pub(super) struct Above {
    pub(super) control: Arc<Journal>,
    pub(super) traffic: Arc<Journal>,
    pub(super) data_dir: PathBuf,
    /// Whether old rows and dropped objects go to a vault.
    pub(super) has_vault: bool,
}

impl Notices for Above {
    fn now(&self) -> Vec<Notice> {
        let mut notices = vec![];
        if !self.has_vault {
            notices.push(Notice {
                weight: Weight::Note,
                text: RECOVERABLE.to_owned(),
            });
        }
        for (name, journal) in [("control", &self.control), ("traffic", &self.traffic)] {
            if journal.failure().is_some() {
                let text = format!(
                    "the {name} log takes no entries: nothing acts until Backstop is restarted"
                );
                notices.push(Notice {
                    weight: Weight::Warning,
                    text,
                });
            }
        }
        if free_bytes(&self.data_dir).is_some_and(|free| free < LITTLE_ROOM) {
            let text = "the journal's disk is nearly full; when it is, nothing acts".to_owned();
            notices.push(Notice {
                weight: Weight::Warning,
                text,
            });
        }
        notices
    }
}

/// Free bytes for this user on the disk that holds `path`.
pub(crate) fn free_bytes(path: &std::path::Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Writes down that a lease was presented at the console. Nobody proved to be that lease, so it is not halted
/// for it: anybody could name it.
pub(super) struct Knock {
    pub(super) store: Store,
    pub(super) runtime: tokio::runtime::Handle,
}

impl Alarm for Knock {
    fn lease_at_console(&self, presented: Presented) {
        let store = self.store.clone();
        let event = Event::Mismatch {
            lease: presented.lease.filter(|l| store.lease(l).is_some()),
            source: presented.source.to_string(),
            what: format!("{} at the console", presented.what),
        };
        self.runtime.spawn(async move {
            if let Err(error) = store.note(event).await {
                tracing::error!(%error, "a lease at the console could not be written down");
            }
        });
    }
}
