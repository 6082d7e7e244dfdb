//! Takes a recovery point: one snapshot, from which `pg_dump` writes while this side counts.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;

use super::manifest::{Extension, Manifest};
use super::measure::measure;
use super::roles;
use crate::points::progress::Progress;
use crate::points::question::Question;
use crate::points::{Digesting, PointError, Session, Source, sql};

/// A recovery point whose contents were written; it counts when the vault says that it has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// What it holds.
    pub manifest: Manifest,
    /// Hex SHA-256 and bytes of the archive.
    pub archive: (String, u64),
    /// Hex SHA-256 and bytes of the roles.
    pub roles: (String, u64),
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// Takes a recovery point of `source`'s whole database, all of it as one snapshot has it.
///
/// The archive and the roles go to their sinks as they are made; both are flushed and left open. The manifest
/// is what [`Manifest::to_bytes`] makes of the result.
///
/// # Errors
/// When the role may not read everything, the server refuses, a program fails, or a sink takes no more.
pub async fn take<A, R>(
    source: &Source,
    archive: &mut A,
    roles_sink: &mut R,
    progress: &dyn Progress,
) -> Result<Taken, PointError>
where
    A: AsyncWrite + Unpin + Send,
    R: AsyncWrite + Unpin + Send,
{
    let began = Instant::now();
    let mut session = Session::open(source).await?;
    session
        .ask("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let snapshot = one(&mut session, "SELECT pg_catalog.pg_export_snapshot()").await?;
    let mut dump = source.command("pg_dump");
    dump.args(["--format=custom", "--compress=0", "--no-password"])
        .args(["--lock-wait-timeout=60000"])
        .arg(format!("--snapshot={snapshot}"));
    let mut all_roles = source.command("pg_dumpall");
    all_roles
        .args(["--roles-only", "--no-role-passwords", "--no-password"])
        .arg(format!("--database={}", source.database));
    let (archive, roles, manifest) = tokio::try_join!(
        write(dump, "pg_dump", archive, progress),
        write(all_roles, "pg_dumpall", roles_sink, &()),
        describe(&mut session, progress),
    )?;
    session.close().await;
    Ok(Taken {
        manifest,
        archive,
        roles,
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Runs a program and passes on what it writes.
async fn write<W>(
    mut command: Command,
    tool: &str,
    sink: &mut W,
    progress: &dyn Progress,
) -> Result<(String, u64), PointError>
where
    W: AsyncWrite + Unpin + Send,
{
    let mut child = command
        .spawn()
        .map_err(PointError::io(format!("starting {tool}")))?;
    let gone = || PointError::tool(tool, "it has no pipes");
    let mut output = child.stdout.take().ok_or_else(gone)?;
    let mut errors = child.stderr.take().ok_or_else(gone)?;
    let mut sink = Digesting::new(sink);
    let (passed, said) = tokio::join!(pass(&mut output, &mut sink, progress), async {
        let mut said = Vec::new();
        let _ = (&mut errors).take(16 << 10).read_to_end(&mut said).await;
        let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
        String::from_utf8_lossy(&said).into_owned()
    });
    passed?;
    let status = child
        .wait()
        .await
        .map_err(PointError::io(format!("waiting for {tool}")))?;
    if !status.success() {
        return Err(PointError::tool(tool, &said));
    }
    sink.flush()
        .await
        .map_err(PointError::io("passing the archive on to the vault"))?;
    Ok(sink.finish())
}

async fn pass<O, W>(output: &mut O, sink: &mut W, progress: &dyn Progress) -> Result<(), PointError>
where
    O: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut chunk = vec![0; 256 << 10];
    let mut done = 0;
    loop {
        let read = output
            .read(&mut chunk)
            .await
            .map_err(PointError::io("reading the archive"))?;
        if read == 0 {
            return Ok(());
        }
        sink.write_all(chunk.get(..read).unwrap_or_default())
            .await
            .map_err(PointError::io("passing the archive on to the vault"))?;
        done += read as u64;
        progress.at("writing the archive (bytes)", done, None);
    }
}

async fn one(session: &mut Session, sql: &str) -> Result<String, PointError> {
    let rows = session.ask(sql).await?;
    Ok(rows
        .first()
        .map(|row| sql::text(row, 0))
        .unwrap_or_default())
}

async fn describe(session: &mut Session, progress: &dyn Progress) -> Result<Manifest, PointError> {
    let rows = session
        .ask(
            "SELECT pg_catalog.current_setting('server_version_num'), d.datname,
                pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
                (EXTRACT(epoch FROM pg_catalog.now()) * 1000)::pg_catalog.int8,
                CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                    ELSE pg_catalog.pg_current_wal_lsn() END,
                pg_catalog.pg_database_size(d.oid),
                (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata),
                (SELECT rolname FROM pg_catalog.pg_roles WHERE oid = 10),
                (SELECT rolname FROM pg_catalog.pg_roles WHERE oid = d.datdba)
             FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()",
        )
        .await?;
    let row = rows.first().cloned().unwrap_or_default();
    let extensions = session
        .ask(
            "SELECT e.extname, e.extversion, n.nspname FROM pg_catalog.pg_extension e
             JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY e.extname COLLATE \"C\"",
        )
        .await?;
    let settings = session
        .ask(
            "SELECT COALESCE(r.rolname, ''), pg_catalog.array_to_json(s.setconfig)
             FROM pg_catalog.pg_db_role_setting s
             JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
             WHERE d.datname = pg_catalog.current_database()",
        )
        .await?;
    Ok(Manifest {
        version: 1,
        server_version: sql::number(&row, 0),
        database: sql::text(&row, 1),
        encoding: sql::text(&row, 2),
        collate: sql::text(&row, 3),
        ctype: sql::text(&row, 4),
        taken_at_ms: sql::number(&row, 5),
        position: sql::text(&row, 6),
        bytes: sql::number(&row, 7),
        large_objects: sql::number(&row, 8),
        bootstrap: sql::text(&row, 9),
        owner: sql::text(&row, 10),
        extensions: extensions
            .iter()
            .map(|row| Extension {
                name: sql::text(row, 0),
                version: sql::text(row, 1),
                schema: sql::text(row, 2),
            })
            .collect(),
        settings: settings
            .iter()
            .map(|row| {
                let list = serde_json::from_str(&sql::text(row, 1)).unwrap_or_default();
                (sql::text(row, 0), list)
            })
            .collect::<BTreeMap<String, Vec<String>>>(),
        roles: roles::read(session).await?,
        tables: measure(session, progress).await?,
    })
}
