//! Budgets outlive the gate: what leases took lately stands in the traffic log, and counts again after a start.
//!
//! An agent that can make the gate stop, or just waits for it, gets no new budget.

use std::sync::Arc;

use backstop_journal::JournalError;
use serde::Deserialize;

use super::error::GateError;
use super::gate::Shared;
use super::relay::line_of;

/// What is read of an entry.
#[derive(Deserialize)]
struct Entry {
    entry: String,
    at_ms: i64,
    lease: String,
    target: String,
    #[serde(default)]
    lost: u64,
    #[serde(default)]
    approved: bool,
}

/// In every entry of images, and in few others; looked for before an entry is read as a whole.
const MARK: &[u8] = b"\"images\"";

/// Counts what stands in the log. It reads the entries of one window, and waits for no target.
pub(super) async fn recall(shared: &Arc<Shared>) -> Result<(), GateError> {
    let targets = shared.all_targets();
    let widest = targets
        .iter()
        .filter_map(|t| t.measures().map(|m| m.window_ms))
        .max();
    let Some(widest) = widest else {
        return Ok(());
    };
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || count(&shared, widest))
        .await
        .map_err(|e| GateError::Journal(e.to_string()))?
        .map_err(|e| GateError::Journal(e.to_string()))
}

fn count(shared: &Shared, widest_ms: i64) -> Result<(), JournalError> {
    let now_ms = shared.store.now_ms();
    let since_ms = now_ms.saturating_sub(widest_ms);
    let journal = shared.traffic.journal();
    let first = journal.first_where(|entry| at_ms(entry).is_none_or(|at| at >= since_ms))?;
    for entry in journal.iter(first) {
        let (_, bytes) = entry?;
        if !bytes.windows(MARK.len()).any(|part| part == MARK) {
            continue;
        }
        let Ok(entry) = serde_json::from_slice::<Entry>(&bytes) else {
            continue;
        };
        let Some(target) = shared
            .target(&entry.target)
            .filter(|_| entry.entry == "images")
        else {
            continue;
        };
        let Some(limits) = target.measures() else {
            continue;
        };
        // Whether it was committed in the end is not asked: it counts as if it was.
        let line = shared
            .store
            .lease(&entry.lease)
            .map_or(entry.lease.clone(), |record| line_of(shared, &record.lease));
        if entry.approved {
            target.budgets.renew(&line);
        } else if now_ms.saturating_sub(entry.at_ms) <= limits.window_ms {
            target
                .budgets
                .reserve(&line, entry.lost, entry.at_ms.min(now_ms), limits.window_ms)
                .keep();
        }
    }
    Ok(())
}

fn at_ms(entry: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct At {
        at_ms: i64,
    }
    serde_json::from_slice::<At>(entry).ok().map(|a| a.at_ms)
}
