//! Holds still what an action takes, and proves just before the act that it is what was copied.
//!
//! Locks are asked for without waiting: a lock that waits in the queue makes everybody wait behind it
//! (invariant 11).

use std::time::Duration;

use super::closure::{Closure, ask, closure};
use crate::points::question::Question;
use crate::points::{PointError, sql};

/// How often a lock is asked for, and how long to leave others alone in between.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How many times.
    pub tries: u32,
    /// The pause between two of them.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 20,
            pause: Duration::from_millis(100),
        }
    }
}

/// Stops writers to all that `what` takes and gives back the closure as it is under the locks, and the
/// snapshot to copy it by. It must be the first thing in a READ COMMITTED transaction that is still empty.
///
/// # Errors
/// [`PointError::Busy`] when others do not let go; [`PointError::Refused`] when no exact copy can be made, or
/// when the transaction is not fit for it.
pub async fn hold_still<Q: Question>(
    server: &mut Q,
    what: &Closure,
    patience: Patience,
) -> Result<(Closure, String), PointError> {
    fit(server).await?;
    let mut now = what.clone();
    for _ in 0..patience.tries.max(1) {
        now.check()?;
        let locked = tables(&now);
        lock(server, &locked, "SHARE ROW EXCLUSIVE", patience).await?;
        now = closure(server, what.act, &what.roots).await?;
        if tables(&now).iter().all(|table| locked.contains(table)) {
            now.check()?;
            let row = ask(
                server,
                "SELECT pg_catalog.pg_export_snapshot()",
                "a snapshot to copy by",
            )
            .await?;
            let snapshot = row.first().map(|row| sql::text(row, 0)).unwrap_or_default();
            return Ok((now, snapshot));
        }
    }
    Err(PointError::Changed(
        "new tables keep coming under it".to_owned(),
    ))
}

/// Stops everybody, and checks that what goes now is what was copied. Call it right before the act.
///
/// # Errors
/// [`PointError::Changed`] when it is not, [`PointError::Busy`] when others do not let go: then the
/// transaction must be rolled back.
pub async fn confirm<Q: Question>(
    server: &mut Q,
    copied: &Closure,
    patience: Patience,
) -> Result<(), PointError> {
    lock(server, &tables(copied), "ACCESS EXCLUSIVE", patience).await?;
    let now = closure(server, copied.act, &copied.roots).await?;
    if now.digest()? == copied.digest()? {
        return Ok(());
    }
    let names = |closure: &Closure| -> Vec<String> {
        let objects = closure.objects.iter().map(|gone| gone.what.clone());
        let outside = closure.outside.iter().map(|part| part.what.clone());
        let relations = closure
            .relations
            .iter()
            .map(|relation| relation.qualified());
        relations.chain(objects).chain(outside).collect()
    };
    let before = names(copied);
    let new: Vec<String> = names(&now)
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    Err(PointError::Changed(if new.is_empty() {
        "a definition or a grant is another".to_owned()
    } else {
        format!("{} would go too", new.join(", "))
    }))
}

/// A copy by another connection sees what was committed and nothing else.
async fn fit<Q: Question>(server: &mut Q) -> Result<(), PointError> {
    let question = "SELECT pg_catalog.current_setting('search_path'),
        pg_catalog.current_setting('transaction_isolation'),
        pg_catalog.pg_current_xact_id_if_assigned() IS NULL";
    let rows = ask(server, question, "how the transaction stands").await?;
    let row = rows.first().cloned().unwrap_or_default();
    let refuse = |why: &str| Err(PointError::Refused(why.to_owned()));
    if !matches!(sql::text(&row, 0).as_str(), "" | "\"\"") {
        return refuse("the acting connection's search_path is not empty");
    }
    if sql::text(&row, 1) != "read committed" {
        return refuse(
            "the acting transaction could be older than its locks: it is not READ COMMITTED",
        );
    }
    if !sql::truth(&row, 2) {
        return refuse("the acting transaction has already written, and no copy could see that");
    }
    Ok(())
}

/// `"schema"."name"` of all that can be locked, in an order that is the same for everybody.
fn tables(closure: &Closure) -> Vec<String> {
    closure
        .relations
        .iter()
        .filter(|relation| relation.lockable())
        .map(|relation| relation.qualified())
        .collect()
}

async fn lock<Q: Question>(
    server: &mut Q,
    tables: &[String],
    mode: &str,
    patience: Patience,
) -> Result<(), PointError> {
    if tables.is_empty() {
        return Ok(());
    }
    let statement = format!("LOCK TABLE {} IN {mode} MODE NOWAIT", tables.join(", "));
    for attempt in 0..patience.tries.max(1) {
        if attempt > 0 {
            tokio::time::sleep(patience.pause).await;
        }
        ask(server, "SAVEPOINT backstop_lock", "a savepoint").await?;
        match server.ask(&statement).await {
            Ok(_) => {
                // A snapshot cannot be exported from within a savepoint.
                ask(server, "RELEASE SAVEPOINT backstop_lock", "a savepoint").await?;
                return Ok(());
            }
            Err(error) if Q::sqlstate(&error).as_deref() == Some("55P03") => {
                ask(server, "ROLLBACK TO SAVEPOINT backstop_lock", "a savepoint").await?;
                ask(server, "RELEASE SAVEPOINT backstop_lock", "a savepoint").await?;
            }
            Err(error) => {
                return Err(PointError::Server {
                    what: "a lock on what is to be copied".to_owned(),
                    sqlstate: Q::sqlstate(&error).unwrap_or_default(),
                    message: error.to_string(),
                    hint: "the acting role must own what it destroys",
                });
            }
        }
    }
    Err(PointError::Busy(tables.join(", ")))
}
