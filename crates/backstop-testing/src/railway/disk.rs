//! What lies on a volume: for the database's volume a live PostgreSQL, and, in the same folder, its backups.
//!
//! That a backup lies where its data lie is Railway's design, and the point of this double. It must not keep a copy
//! anywhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::postgres::Server;

/// Where backups lie, within the volume's folder.
const BACKUPS: &str = "backups";

/// A server that a volume and a test both look at.
pub(super) type Shared = Arc<Mutex<Server>>;

/// The files of one volume instance.
#[derive(Debug)]
pub(super) enum Disk {
    /// Nothing runs on it.
    Plain(TempDir),
    /// A PostgreSQL server has its data on it.
    Database(Shared),
}

impl Disk {
    /// A new, empty one.
    pub(super) fn empty() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("backstop-volume-")
            .tempdir()
            .context("making a volume's folder")?;
        Ok(Self::Plain(folder))
    }

    /// Puts a copy of everything on the volume into the volume.
    pub(super) fn back_up(&self, id: &str) -> Result<()> {
        match self {
            Self::Plain(folder) => fs::create_dir_all(folder.path().join(BACKUPS).join(id))
                .context("making a backup's folder"),
            Self::Database(server) => {
                let server = held(server);
                let folder = server.make_folder(BACKUPS)?;
                server.copy_data(&folder.join(id))
            }
        }
    }

    /// Puts a backup in place of what is on the volume.
    pub(super) fn restore(&self, id: &str) -> Result<()> {
        let copy = self.backups_folder().join(id);
        if !copy.is_dir() {
            bail!("the backup's files are gone");
        }
        match self {
            Self::Plain(_) => Ok(()),
            Self::Database(server) => held(server).replace_data(&copy),
        }
    }

    /// Removes a backup's files.
    pub(super) fn remove_backup(&self, id: &str) -> Result<()> {
        remove(&self.backups_folder().join(id))
    }

    /// Stops what runs on it and removes everything, backups too.
    pub(super) fn destroy(self) -> Result<()> {
        match self {
            Self::Plain(folder) => folder.close().context("removing a volume's folder"),
            Self::Database(server) => {
                let mut server = held(&server);
                server.lose_everything()?;
                remove(&server.folder().join(BACKUPS))
            }
        }
    }

    /// How many megabytes lie on it.
    pub(super) fn megabytes(&self) -> f64 {
        let bytes = match self {
            Self::Plain(folder) => size(folder.path()),
            Self::Database(server) => size(&held(server).data_directory()),
        };
        // Sizes of throwaway volumes are far below what a float holds exactly.
        f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0
    }

    fn backups_folder(&self) -> PathBuf {
        match self {
            Self::Plain(folder) => folder.path().join(BACKUPS),
            Self::Database(server) => backups_folder(&held(server)),
        }
    }
}

/// Where a server's volume has its backups.
pub(super) fn backups_folder(server: &Server) -> PathBuf {
    server.folder().join(BACKUPS)
}

/// How many backups lie in a folder.
pub(super) fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, |entries| entries.flatten().count())
}

/// A lock that a failed test may have poisoned.
pub(super) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
