//! A drill: a recovery point is restored into a throwaway server and compared with its manifest.
//!
//! An archive is code: whoever could write to the database could plant some that runs on restore. So server and
//! tools run in a [`Sandbox`]: another user, no network, no files but their own, and as a role that is no
//! superuser. A point is *drilled* only by this.

pub mod report;
mod sandbox;
mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;

pub(crate) use sandbox::Room;
pub use sandbox::{Isolation, Sandbox};
pub(crate) use server::{DATABASE, Throwaway};

use super::database::{LeftOut, Manifest, differences};
use super::progress::Progress;
use super::rehearse::Copy;
use super::{PointError, Tools};

/// What to drill with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// PostgreSQL's programs, of the point's own major version, `initdb` and `postgres` among them.
    pub tools: Tools,
    /// Where the throwaway server's data may lie: room for the whole database.
    pub scratch: PathBuf,
    /// Folders that must not be seen: the vault's, the keys'.
    pub hidden: Vec<PathBuf>,
    /// How long it may take: code in an archive can also just never end.
    pub longest: Duration,
    /// Whether the server stays up as a copy to rehearse on, if the drill succeeds.
    pub stays: bool,
}

/// The record of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// The point's name.
    pub point: String,
    /// When the drill began, in milliseconds since 1970.
    pub started_at_ms: i64,
    /// How long restoring took, in milliseconds: what a real restore would take, more or less.
    pub restore_ms: u64,
    /// How long all of it took, in milliseconds.
    pub milliseconds: u64,
    /// How many tables the manifest names.
    pub tables: u64,
    /// How many rows.
    pub rows: u64,
    /// What is not as the manifest says; the point is drilled only if this is empty.
    pub differences: Vec<String>,
    /// What only a superuser could have restored: it is in the archive and was not tried.
    pub left_out: Vec<LeftOut>,
    /// How the throwaway server was kept apart.
    pub isolation: Isolation,
}

impl Drilled {
    /// Whether all rows and roles came back.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Restores a point into a throwaway server and compares it with its manifest.
///
/// `roles` and `archive` are read as they come. Server, files and processes are gone when this returns, and
/// when it is dropped; but if the server is to stay and all came back, it is given back as a [`struct@Copy`], and they are gone
/// with that.
///
/// # Errors
/// When no sandbox can be had, the server does not start, or the archive is broken.
pub async fn drill<A, R>(
    point: &str,
    manifest: &Manifest,
    roles: &mut R,
    archive: &mut A,
    setup: &Setup,
    progress: &dyn Progress,
) -> Result<(Drilled, Option<Copy>), PointError>
where
    A: AsyncRead + Unpin,
    R: AsyncRead + Unpin,
{
    let began = Instant::now();
    let started_at_ms = now_ms();
    let sandbox = Sandbox::open(&setup.tools, &setup.scratch, &setup.hidden).await?;
    let isolation = sandbox.isolation();
    progress.at("starting a throwaway server", 0, None);
    let mut server = Throwaway::start(sandbox, &setup.tools, manifest, setup.stays).await?;
    let restoring = restore(&mut server, manifest, roles, archive, progress);
    let outcome = tokio::time::timeout(setup.longest, restoring).await;
    let outcome = match outcome {
        Ok(Ok(outcome)) => outcome,
        failed => {
            server.stop().await;
            return Err(match failed {
                Ok(Err(why)) => why,
                _ => PointError::Refused(format!(
                    "the drill had not ended after {} s; hint: allow it more time, or look for code in the \
                     database that never ends",
                    setup.longest.as_secs()
                )),
            });
        }
    };
    let (differences, left_out, restore_ms) = outcome;
    let drilled = Drilled {
        point: point.to_owned(),
        started_at_ms,
        restore_ms,
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        tables: manifest.tables.len() as u64,
        rows: manifest.rows(),
        differences,
        left_out,
        isolation,
    };
    if setup.stays && drilled.succeeded() {
        let copy = Copy::of(server, point, manifest)?;
        return Ok((drilled, Some(copy)));
    }
    server.stop().await;
    Ok((drilled, None))
}

async fn restore<A, R>(
    server: &mut Throwaway,
    manifest: &Manifest,
    roles: &mut R,
    archive: &mut A,
    progress: &dyn Progress,
) -> Result<(Vec<String>, Vec<LeftOut>, u64), PointError>
where
    A: AsyncRead + Unpin,
    R: AsyncRead + Unpin,
{
    progress.at("restoring roles", 0, None);
    let mut found = server.restore_roles(roles, manifest).await?;
    progress.at("restoring the archive", 0, None);
    let began = Instant::now();
    let left_out = server.restore_archive(archive).await?;
    let restore_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let tables = server.measure(progress).await?;
    found.extend(differences(manifest, &tables));
    Ok((found, left_out, restore_ms))
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
