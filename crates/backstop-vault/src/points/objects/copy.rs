//! The copy itself: one script for `psql`, streamed as it is made.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::closure::Closure;
use super::definitions::Definitions;
use super::emptied;
use super::gone::Act;
use super::relation::{Kind, Relation, Way};
use super::rows::{self, put};
use crate::points::question::Question;
use crate::points::{Digesting, PointError, Session, Source, sql};

/// A copy that was made. It is a recovery point once the vault says that it has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Lowercase hex SHA-256 of the script.
    pub sha256: String,
    /// The script's bytes.
    pub bytes: u64,
    /// Rows by `"schema"."table"`, counted by the server as it sent them.
    pub rows: BTreeMap<String, u64>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// The schema that holds what is restored beside itself, if anything is.
    pub beside: Option<String>,
}

/// What every part of the script relies on.
const HEAD: &str = "\
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
";

/// `pg_dump` takes it for granted, with what it grants in a new database.
const PUBLIC: &str = "CREATE SCHEMA public;\nGRANT USAGE ON SCHEMA public TO PUBLIC;\n";

/// Writes everything that `closure` takes to `sink`, as the acting transaction's `snapshot` has it.
///
/// `closure` and `snapshot` come from [`super::hold_still`], whose transaction must stay open meanwhile. The
/// sink is flushed and left open.
///
/// # Errors
/// When no exact copy can be made, the server refuses, a program fails, or the sink takes no more. What the
/// sink has by then is no copy.
pub async fn copy<W>(
    closure: &Closure,
    source: &Source,
    snapshot: &str,
    sink: &mut W,
) -> Result<Copied, PointError>
where
    W: AsyncWrite + Unpin + Send,
{
    closure.check()?;
    let began = Instant::now();
    let mut session = Session::open(source).await?;
    session
        .ask("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    session
        .ask(&format!(
            "SET TRANSACTION SNAPSHOT {}",
            sql::literal(snapshot)
        ))
        .await?;
    let mut sink = Digesting::new(sink);
    let mut copied = Copied {
        sha256: String::new(),
        bytes: 0,
        rows: BTreeMap::new(),
        milliseconds: 0,
        beside: None,
    };
    put(&mut sink, HEAD).await?;
    if matches!(closure.act, Act::Truncate { .. }) {
        emptied::write(closure, &mut session, &mut sink, &mut copied.rows).await?;
    } else {
        dropped(
            closure,
            source,
            snapshot,
            &mut session,
            &mut sink,
            &mut copied,
        )
        .await?;
    }
    sink.flush()
        .await
        .map_err(PointError::io("passing a script on to the vault"))?;
    session.close().await;
    (copied.sha256, copied.bytes) = sink.finish();
    copied.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(copied)
}

/// Definitions, rows, and what needs the rows to be there; what is changed goes beside.
async fn dropped<W>(
    closure: &Closure,
    source: &Source,
    snapshot: &str,
    session: &mut Session,
    sink: &mut W,
    copied: &mut Copied,
) -> Result<(), PointError>
where
    W: AsyncWrite + Unpin + Send,
{
    let goes = |relation: &&Relation| relation.way == Way::Whole;
    let whole = closure.relations.iter().any(|relation| goes(&relation));
    let definitions = if whole || !closure.objects.is_empty() {
        Some(Definitions::read(closure, source, snapshot, session).await?)
    } else {
        None
    };
    if closure
        .objects
        .iter()
        .any(|gone| gone.what == "schema public")
    {
        put(sink, PUBLIC).await?;
    }
    if let Some(definitions) = &definitions {
        definitions.before_rows(sink).await?;
    }
    let beside = format!(
        "backstop_{}",
        closure.digest()?.get(..12).unwrap_or_default()
    );
    if closure.relations.iter().any(|relation| !goes(&relation)) {
        put(sink, &format!("\nCREATE SCHEMA {};\n", sql::ident(&beside))).await?;
        copied.beside = Some(beside.clone());
    }
    for relation in closure
        .relations
        .iter()
        .filter(|relation| relation.has_rows())
    {
        let rows = rows::write(relation, &beside, session, sink).await?;
        copied.rows.insert(relation.qualified(), rows);
    }
    for sequence in closure.relations.iter().filter(goes) {
        if sequence.kind == Kind::Sequence {
            put(sink, &value(sequence, session).await?).await?;
        }
    }
    if let Some(definitions) = &definitions {
        definitions.after_rows(sink).await?;
    }
    for part in &closure.outside {
        put(sink, &format!("\n{};\n", part.statement)).await?;
    }
    for view in closure.relations.iter().filter(goes) {
        if view.kind == Kind::MaterialisedView && view.populated {
            let statement = format!("\nREFRESH MATERIALIZED VIEW {};\n", view.qualified());
            put(sink, &statement).await?;
        }
    }
    Ok(())
}

/// Sets a sequence to where it stands.
async fn value(sequence: &Relation, session: &mut Session) -> Result<String, PointError> {
    let name = sequence.qualified();
    let rows = session
        .ask(&format!("SELECT last_value, is_called FROM {name}"))
        .await?;
    let row = rows.first().cloned().unwrap_or_default();
    Ok(format!(
        "\nSELECT pg_catalog.setval({}, {}, {});\n",
        sql::literal(&name),
        sql::text(&row, 0),
        sql::truth(&row, 1)
    ))
}
