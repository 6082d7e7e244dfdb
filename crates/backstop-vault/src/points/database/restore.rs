//! Restores a recovery point into another server, by a role that is no superuser.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;

use super::manifest::Manifest;
use super::measure::{differences, measure};
use super::restored::{self, LeftOut};
use super::roles;
use crate::points::progress::Progress;
use crate::points::question::Question;
use crate::points::unprivileged::unprivileged;
use crate::points::{PointError, Session, Source, sql};

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// How many tables the manifest names.
    pub tables: u64,
    /// How many rows.
    pub rows: u64,
    /// What the server refused.
    pub left_out: Vec<LeftOut>,
    /// Tables whose rows are not those of the manifest; empty if all came back.
    pub differences: Vec<String>,
    /// What to do by hand.
    pub notes: Vec<String>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// Restores `archive` into the empty database that `target` names, with the roles that it lacks, and compares
/// every table with the manifest.
///
/// An archive holds code that runs as `target`'s role while it is restored, so a superuser is refused.
///
/// # Errors
/// When the target is not empty, its role is a superuser, the archive is broken, or the server goes away.
pub async fn restore<R>(
    manifest: &Manifest,
    archive: &mut R,
    target: &Source,
    progress: &dyn Progress,
) -> Result<Restored, PointError>
where
    R: AsyncRead + Unpin,
{
    let began = Instant::now();
    let mut session = Session::open(target).await?;
    fit(&mut session, manifest).await?;
    let mut notes = make_roles(&mut session, manifest).await?;
    progress.at("restoring", 0, None);
    let mut command = target.command("pg_restore");
    command
        .args(["--no-password", "--format=custom", "--verbose"])
        .arg(format!("--dbname={}", plain(&target.database)?));
    let left_out = restored::run(command, archive).await?;
    let now = measure(&mut session, progress).await?;
    session.close().await;
    for (role, settings) in &manifest.settings {
        let whose = if role.is_empty() {
            "the database"
        } else {
            role
        };
        notes.push(format!(
            "{whose} had settings that are not set: {}",
            settings.join(", ")
        ));
    }
    Ok(Restored {
        tables: manifest.tables.len() as u64,
        rows: manifest.rows(),
        left_out,
        differences: differences(manifest, &now),
        notes,
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// `pg_restore` takes a name with an equals sign in it for a connection string.
fn plain(database: &str) -> Result<&str, PointError> {
    if database.contains('=') || database.starts_with("postgres") && database.contains("://") {
        return Err(PointError::Refused(format!(
            "`{database}` as a database's name reads like a connection string; hint: restore into another name"
        )));
    }
    Ok(database)
}

async fn fit(session: &mut Session, manifest: &Manifest) -> Result<(), PointError> {
    unprivileged(session).await?;
    let rows = session
        .ask(
            "SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c
                    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
                    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 1259
                        AND d.objid = c.oid AND d.deptype = 'e')),
                pg_catalog.current_setting('server_version_num')::pg_catalog.int4 / 10000",
        )
        .await?;
    let row = rows.first().cloned().unwrap_or_default();
    let objects: u64 = sql::number(&row, 0);
    if objects > 0 {
        return Err(PointError::Refused(format!(
            "the database to restore into already holds {objects} relations; hint: restore into an empty one"
        )));
    }
    let major: u32 = sql::number(&row, 1);
    if major < manifest.major() {
        return Err(PointError::Refused(format!(
            "the server is PostgreSQL {major}, older than the {} that the point is of",
            manifest.major()
        )));
    }
    Ok(())
}

/// Makes the roles that own things or are granted something, and makes them ours to give things to.
async fn make_roles(session: &mut Session, manifest: &Manifest) -> Result<Vec<String>, PointError> {
    let present = roles::read(session).await?;
    let (statements, mut notes) = roles::missing(&manifest.roles, &present);
    session
        .ask("SET default_transaction_read_only = off")
        .await?;
    for statement in &statements {
        if let Err(error) = session.ask(statement).await {
            notes.push(format!("{statement}: {error}"));
        }
    }
    for role in &manifest.roles {
        // To give an object to a role one must be a member of it.
        let grant = format!("GRANT {} TO CURRENT_USER", sql::ident(&role.name));
        if role.name != manifest.bootstrap && session.ask(&grant).await.is_err() {
            notes.push(format!("objects of role {} may stay ours", role.name));
        }
    }
    session
        .ask("SET default_transaction_read_only = on")
        .await?;
    Ok(notes)
}
