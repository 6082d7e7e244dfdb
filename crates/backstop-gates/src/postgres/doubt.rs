//! Transactions whose COMMIT was released and whose end nobody heard of, because the gate or the connection was lost:
//! the server knows what became of them, and the journal is told.

use std::sync::Arc;
use std::time::Duration;

use backstop_core::entry::{Settled, Traffic};
use backstop_store::Store;

use super::error::GateError;
use super::gate::Shared;
use super::past::{Doubt, look_back};
use super::question::literal;
use super::target::Target;
use super::traffic::TrafficLog;

/// Numbers asked for in one question.
const AT_ONCE: usize = 1_000;
/// How long a start waits for transactions that the server has not ended yet.
const STARTING: (u32, Duration) = (20, Duration::from_millis(100));
/// How long one is waited for whose connection was lost.
const LOST: (u32, Duration) = (60, Duration::from_secs(5));

/// Brings the journal up to what became of transactions of a gate that was lost. Nobody is served yet: connections are
/// numbered anew from here on.
pub(crate) async fn settle_all(shared: &Arc<Shared>) -> Result<(), GateError> {
    let targets = shared.all_targets();
    if targets.iter().all(|t| t.measures().is_none()) {
        return Ok(());
    }
    let reader = Arc::clone(shared);
    let doubts = tokio::task::spawn_blocking(move || look_back(reader.traffic.journal()))
        .await
        .map_err(|e| GateError::Journal(e.to_string()))?
        .map_err(|e| GateError::Journal(e.to_string()))?;
    for target in targets {
        let of_it = doubts.iter().filter(|d| d.target == target.config.name);
        let of_it = of_it.cloned().collect();
        settle(&target, &shared.traffic, &shared.store, of_it, STARTING).await?;
    }
    Ok(())
}

/// Finds out what became of a transaction whose connection was lost at its COMMIT.
pub(super) fn settle_later(shared: &Shared, target: &Arc<Target>, doubt: Doubt) {
    let (target, traffic) = (Arc::clone(target), Arc::clone(&shared.traffic));
    let store = shared.store.clone();
    tokio::spawn(async move {
        if let Err(error) = settle(&target, &traffic, &store, vec![doubt], LOST).await {
            // The next start asks again.
            tracing::error!(%error, "what became of a transaction was not journaled");
        }
    });
}

async fn settle(
    target: &Target,
    traffic: &TrafficLog,
    store: &Store,
    mut doubts: Vec<Doubt>,
    (times, pause): (u32, Duration),
) -> Result<(), GateError> {
    for time in 1..=times {
        if doubts.is_empty() {
            return Ok(());
        }
        let answers = ask(target, &doubts).await;
        let mut open = vec![];
        for (n, doubt) in doubts.into_iter().enumerate() {
            let said = match &answers {
                Ok(answers) => answers.get(n).map_or("unknown", |a| word(a.as_deref())),
                Err(_) => "unknown",
            };
            let again = answers.is_err() || said == "in progress";
            if again && time < times {
                open.push(doubt);
                continue;
            }
            if said == "unknown" {
                tracing::warn!(images = doubt.images, target = %target.config.name, "what became of a transaction is unknown");
            }
            traffic.say(&Traffic::Settled(Settled {
                at_ms: store.now_ms(),
                target: &target.config.name,
                images: doubt.images,
                xid: &doubt.xid,
                result: said,
            }))?;
        }
        doubts = open;
        if !doubts.is_empty() {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

fn word(said: Option<&str>) -> &'static str {
    match said {
        Some("committed") => "committed",
        Some("aborted") => "rolled back",
        Some("in progress") => "in progress",
        // The server remembers only so many.
        _ => "unknown",
    }
}

/// What the server says of each, in order.
async fn ask(target: &Target, doubts: &[Doubt]) -> Result<Vec<Option<String>>, GateError> {
    let mut server = target.observer().await?;
    let mut all = vec![];
    for some in doubts.chunks(AT_ONCE) {
        let numbers: Vec<&str> = some.iter().map(|d| d.xid.as_str()).collect();
        // A number that it has not reached yet is of another server's history: asking for it would be an error.
        let sql = format!(
            "select case when x::pg_catalog.xid8 operator(pg_catalog.<) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) \
             then pg_catalog.pg_xact_status(x::pg_catalog.xid8) end \
             from pg_catalog.unnest({}::pg_catalog.text[]) with ordinality as u(x, n) order by n",
            literal(&format!("{{{}}}", numbers.join(",")))
        );
        let rows = server.ask(&sql).await?;
        all.extend(rows.into_iter().map(|r| r.into_iter().next().flatten()));
    }
    target.give_back(server);
    Ok(all)
}
