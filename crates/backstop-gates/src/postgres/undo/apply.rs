//! The story of an undo: dry, or up to the point where it only needs a COMMIT.

use std::io::Read;
use std::time::Instant;

use super::error::UndoError;
use super::load::Staged;
use super::quiet::Quiet;
use super::summary::Summary;
use crate::postgres::images::{About, Budget, Captured, pin};
use crate::postgres::planted;
use crate::postgres::pour::Sink;
use crate::postgres::question::{ident, literal};
use crate::postgres::upstream::ServerConnection;

/// How long the undo waits for a lock, ms.
const LOCK: u64 = 5_000;

/// What is wished for.
pub(crate) struct Wish<'a> {
    /// Whether rows that conflict are left as they are; otherwise any conflict ends it.
    pub(crate) leave_conflicts: bool,
    /// Whether triggers that do not let rows come back are switched off in its transaction.
    pub(crate) without_triggers: bool,
    /// Whose undo it is, for its own images; `role` is the gate's own.
    pub(crate) about: &'a About,
    /// What it may cost: bytes of its own images, which are kept in memory, and milliseconds.
    pub(crate) budget: Budget,
}

/// An undo that is done but not committed. Dropped, it must not be: then the connection has to be closed.
#[must_use = "it is not committed yet"]
pub(crate) struct Applied<'a> {
    server: &'a mut ServerConnection,
    /// What it did.
    pub(crate) summary: Summary,
    /// Its own images, written to the sink.
    pub(crate) captured: Captured,
}

impl Applied<'_> {
    /// Commits it. Its images must be in the vault by now.
    ///
    /// # Errors
    /// When the server refuses; then nothing of it stays.
    pub(crate) async fn commit(self) -> Result<Summary, UndoError> {
        self.server
            .tell("commit")
            .await
            .map_err(UndoError::acting)?;
        Ok(self.summary)
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When the connection is lost, which takes it back as well.
    pub(crate) async fn rollback(self) -> Result<(), UndoError> {
        Ok(self.server.tell("rollback").await?)
    }
}

/// What undoing these transactions would do; changes nothing.
///
/// `images` are files of images of one transaction each, the newest first. `server` is a connection of the gate's own,
/// idle; it is idle again afterwards.
///
/// # Errors
/// When the images are damaged, do not fit the tables any more, or something fails.
pub(crate) async fn plan<R: Read>(
    server: &mut ServerConnection,
    images: impl IntoIterator<Item = R>,
    millis: u64,
) -> Result<Summary, UndoError> {
    let mut staged = begin(server, millis).await?;
    let result = prepare(&mut staged, images, false).await;
    let ended = staged.server.tell("rollback").await;
    let summary = result?;
    ended?;
    Ok(summary)
}

/// Undoes these transactions in one of its own, up to but without its COMMIT.
///
/// `observer` is a second connection of the gate's own, idle. The undo's own images are written to `sink`: with them
/// it can be undone.
///
/// # Errors
/// As [`plan`]; and when there are conflicts that shall not be left alone, or the server, a trigger or a constraint
/// does not let every row become as it was. Nothing of it stays then, and both connections are idle.
pub(crate) async fn apply<'a, R: Read>(
    server: &'a mut ServerConnection,
    observer: &mut ServerConnection,
    images: impl IntoIterator<Item = R>,
    wish: &Wish<'_>,
    sink: &mut impl Sink,
) -> Result<Applied<'a>, UndoError> {
    // Counters of earlier transactions would be taken for its own.
    server
        .tell("select pg_catalog.pg_stat_force_next_flush()")
        .await?;
    let mut staged = begin(server, wish.budget.millis).await?;
    match act(&mut staged, observer, images, wish, sink).await {
        Ok((summary, captured)) => Ok(Applied {
            server: staged.server,
            summary,
            captured,
        }),
        Err(error) => {
            // Where the connection is gone, so is the transaction.
            let _ = staged.server.tell("rollback").await;
            Err(error)
        }
    }
}

async fn act<R: Read>(
    staged: &mut Staged<'_>,
    observer: &mut ServerConnection,
    images: impl IntoIterator<Item = R>,
    wish: &Wish<'_>,
    sink: &mut impl Sink,
) -> Result<(Summary, Captured), UndoError> {
    let mut summary = prepare(staged, images, true).await?;
    if summary.conflicts_in_all() > 0 && !wish.leave_conflicts {
        return Err(UndoError::Conflicts(Box::new(summary)));
    }
    staged.let_triggers_find_names().await?;
    staged.forgiving = wish.without_triggers;
    let (captured, own, off) = staged.all_rounds(observer, wish).await?;
    summary.triggers_off = off.iter().map(Quiet::shown).collect();
    sink.write(&own).await?;
    Ok((summary, captured))
}

async fn begin(server: &mut ServerConnection, millis: u64) -> Result<Staged<'_>, UndoError> {
    let pinned = pin(None, millis);
    server
        .tell(&format!(
            "begin isolation level read committed read write;{pinned}, \
             pg_catalog.set_config('lock_timeout', '{LOCK}', true), \
             pg_catalog.set_config('idle_in_transaction_session_timeout', '300000', true)"
        ))
        .await?;
    Ok(Staged {
        server,
        tables: vec![],
        forgiving: false,
    })
}

async fn prepare<R: Read>(
    staged: &mut Staged<'_>,
    images: impl IntoIterator<Item = R>,
    lock: bool,
) -> Result<Summary, UndoError> {
    let begun = Instant::now();
    for (n, images) in images.into_iter().enumerate() {
        // The newest comes first and has the highest number.
        staged.load(images, LATEST - n).await?;
    }
    if lock {
        staged.lock().await?;
    }
    staged.fold().await?;
    let (tables, conflicts) = staged.compare().await?;
    Ok(Summary {
        tables,
        conflicts,
        triggers_off: vec![],
        millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// The `search_path` of sessions in this database that say nothing of it.
const USUAL_PATH: &str = "select pg_catalog.regexp_replace(c.one, '^search_path=', '') \
     from pg_catalog.pg_db_role_setting s \
     cross join lateral pg_catalog.unnest(s.setconfig) c(one) \
     where s.setrole operator(pg_catalog.=) 0::pg_catalog.oid \
     and s.setdatabase operator(pg_catalog.=) any (array[0::pg_catalog.oid, \
       (select d.oid from pg_catalog.pg_database d where d.datname operator(pg_catalog.=) pg_catalog.current_database())]) \
     and c.one operator(pg_catalog.~~) 'search_path=%' \
     order by s.setdatabase desc limit 1";

/// The number of the newest transaction.
const LATEST: usize = i32::MAX as usize;

impl Staged<'_> {
    /// Gives triggers the `search_path` that they have in anybody's session. The undo's own statements name schemas.
    /// No code of a lease's may be met that way, since it would run as the gate's role (invariant 12).
    async fn let_triggers_find_names(&mut self) -> Result<(), UndoError> {
        let rows = self.ask(USUAL_PATH).await?;
        let path = rows.into_iter().flatten().flatten().next();
        let path = path.unwrap_or_else(|| "\"$user\", public".to_owned());
        let rows = self
            .ask(&format!(
                "select pg_catalog.set_config('search_path', {}, true);\
                 select pg_catalog.unnest(pg_catalog.current_schemas(false))",
                literal(&path)
            ))
            .await?;
        // The first row is the setting itself.
        let schemas: Vec<String> = rows.into_iter().skip(1).flatten().flatten().collect();
        match planted::unnamed(self.server, &schemas).await? {
            None => Ok(()),
            Some(code) => Err(UndoError::refused(format!(
                "{code} was made by a lease, and triggers could run it with the gate's rights while rows come back; hint: have a person look at it, and drop it first"
            ))),
        }
    }

    /// Keeps others from changing what is being compared; they may read.
    async fn lock(&mut self) -> Result<(), UndoError> {
        let mut tables: Vec<_> = self.tables.iter().collect();
        // Always in one order, so that two undos do not wait for each other.
        tables.sort_by_key(|t| t.oid);
        let sql: Vec<String> = tables
            .iter()
            .map(|t| {
                format!(
                    "lock table only {}.{} in share row exclusive mode",
                    ident(&t.schema),
                    ident(&t.name)
                )
            })
            .collect();
        self.ask(&sql.join(";")).await.map(drop)
    }
}
