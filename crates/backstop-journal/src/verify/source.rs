//! The directory under verification, read and never written.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::{
    error::{JournalError, Result},
    layout,
};

pub(super) struct Source<'a> {
    dir: &'a Path,
    pub(super) origin: &'a str,
}

impl<'a> Source<'a> {
    pub(super) fn new(dir: &'a Path, origin: &'a str) -> Self {
        Self { dir, origin }
    }

    /// Whether a writer holds the journal's lock. A copy on a read-only disk has none.
    pub(super) fn has_writer(&self) -> bool {
        File::open(self.path(layout::LOCK))
            .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file's content, or `None` if there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(JournalError::io("read", path, error)),
        }
    }

    /// The names in a directory, sorted; none if there is no such directory.
    pub(super) fn list(&self, dir: &str) -> Result<Vec<String>> {
        let path = self.path(dir);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(JournalError::io("list", path, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| JournalError::io("list", &path, source))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Not there, or something else in its place: for the walk to tell.
fn absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}
