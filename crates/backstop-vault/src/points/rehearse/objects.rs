//! Bringing back whole objects, to see how long it takes: a copy of them is made as the gate makes one before an
//! approved act, the act runs once more, and the copy goes in, all in one transaction that is rolled back.
//!
//! Everything runs in the sandbox, `pg_dump` and `psql` too.

use std::time::Instant;

use backstop_core::rehearsal::NotMeasured;
use tokio::fs::File;
use tokio::io::AsyncSeekExt as _;

use super::Ask;
use super::copy::{Copy, since};
use crate::points::database::{digest_question, digest_read};
use crate::points::objects::{Act, Address, Closure, Patience, closure, copy, hold_still};
use crate::points::question::Question as _;
use crate::points::session::random;
use crate::points::{PointError, Session, sql};

/// Copies what goes, lets it go, brings it back, compares it, and says how long bringing it back took.
pub(super) async fn bring_back(
    on: &Copy,
    ask: &Ask,
    act: Act,
    names: &[String],
) -> Result<u64, NotMeasured> {
    if matches!(act, Act::Rewrite) || ask.parameters.is_some() {
        return Err(NotMeasured::Unsuited);
    }
    let outcome = async {
        // It has no name: what runs in the sandbox could put something else in its place.
        let folder = on.server.folder().parent();
        let file = tempfile::tempfile_in(folder.unwrap_or(on.server.folder()))
            .map_err(PointError::io("making a file for what goes"))?;
        let mut file = File::from_std(file);
        let what = copied(on, ask, act, names, &mut file).await?;
        file.rewind()
            .await
            .map_err(PointError::io("reading what goes"))?;
        timed(on, ask, &what, &mut file).await
    };
    match outcome.await {
        Ok(Some(milliseconds)) => Ok(milliseconds),
        Ok(None) => Err(NotMeasured::Otherwise),
        Err(PointError::Refused(_)) => Err(NotMeasured::Unsuited),
        Err(why) => {
            tracing::info!(%why, "what an action takes was not brought back on the copy");
            Err(NotMeasured::Failed)
        }
    }
}

async fn copied(
    on: &Copy,
    ask: &Ask,
    act: Act,
    names: &[String],
    file: &mut File,
) -> Result<Closure, PointError> {
    let mut session = on.server.acting(&ask.role).await?;
    session
        .ask("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        .await?;
    let mut roots = vec![];
    for name in names {
        let found = session
            .ask(&format!(
                "SELECT pg_catalog.to_regclass({})::pg_catalog.oid",
                sql::literal(name)
            ))
            .await?;
        match sql::number(&found.concat(), 0) {
            0 => return Err(PointError::Refused(format!("{name} is no relation"))),
            oid => roots.push(Address::relation(oid)),
        }
    }
    let what = closure(&mut session, act, &roots).await?;
    let (what, snapshot) = hold_still(&mut session, &what, Patience::default()).await?;
    copy(&what, &on.server.source(&ask.role), &snapshot, file).await?;
    session.ask("ROLLBACK").await?;
    session.close().await;
    Ok(what)
}

/// None if not all came back.
async fn timed(
    on: &Copy,
    ask: &Ask,
    what: &Closure,
    script: &mut File,
) -> Result<Option<u64>, PointError> {
    let mut session = on.server.acting(&ask.role).await?;
    session.ask("BEGIN READ WRITE").await?;
    let names: Vec<String> = ask
        .search_path
        .iter()
        .map(|name| sql::ident(name))
        .collect();
    session
        .ask(&format!(
            "SELECT pg_catalog.set_config('search_path', {}, true)",
            sql::literal(&names.join(", "))
        ))
        .await?;
    // A text of others' is a command to psql nowhere but outside of such quotes.
    let (outer, inner) = (format!("$o{}$", random()?), format!("$i{}$", random()?));
    session
        .ask(&format!(
            "DO {outer} BEGIN EXECUTE {inner}{}{inner}; END {outer}",
            ask.statement
        ))
        .await?;
    let began = Instant::now();
    session.feed(script).await?;
    let took = since(began);
    for relation in what.relations.iter().filter(|one| one.has_rows()) {
        let name = relation.qualified();
        let is = compared(&mut session, &name).await?;
        let was = on.manifest.tables.iter().find(|table| table.name == name);
        if was.is_none_or(|was| (was.rows, &was.digest) != (is.0, &is.1)) {
            return Ok(None);
        }
    }
    session.ask("ROLLBACK").await?;
    session.close().await;
    Ok(Some(took))
}

async fn compared(session: &mut Session, name: &str) -> Result<(u64, String), PointError> {
    Ok(digest_read(
        &session.ask(&digest_question(name)).await?.concat(),
    ))
}
