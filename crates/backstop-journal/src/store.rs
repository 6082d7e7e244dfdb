//! A journal's directory: reading its files, and publishing them whole or not at all.
//!
//! Knows names and bytes, not what the bytes mean. Whatever gets a name was written under another
//! one first, so that a reader never meets half a file.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use crate::{
    disk::{Appender, Disk},
    durable::lock,
    error::{JournalError, Result},
    layout,
};

/// A journal's directory.
pub(crate) struct Store {
    root: PathBuf,
    origin: String,
    disk: Arc<dyn Disk>,
    /// Directories known to exist, so that each tile does not cost a look.
    made: Mutex<HashSet<PathBuf>>,
}

impl Store {
    pub(crate) fn new(root: &Path, origin: &str, disk: Arc<dyn Disk>) -> Self {
        Self {
            root: root.to_owned(),
            origin: origin.to_owned(),
            disk,
            made: Mutex::default(),
        }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes the directories that every journal has.
    pub(crate) fn make_layout(&self) -> Result<()> {
        for name in [layout::TMP, layout::SEGMENTS, layout::TEXTS, layout::TILE] {
            self.make_dir(&self.path(name))?;
        }
        Ok(())
    }

    fn make_dir(&self, dir: &Path) -> Result<()> {
        if lock(&self.made).contains(dir) {
            return Ok(());
        }
        self.disk
            .create_dir(dir)
            .map_err(|source| JournalError::io("create the directory", dir, source))?;
        lock(&self.made).insert(dir.to_owned());
        Ok(())
    }

    /// Removes what an interrupted write left behind.
    pub(crate) fn clear_temporaries(&self) -> Result<()> {
        for name in self.list(layout::TMP)? {
            self.remove(&format!("{}/{name}", layout::TMP))?;
        }
        Ok(())
    }

    /// The names in a directory; none if there is no such directory.
    pub(crate) fn list(&self, dir: &str) -> Result<Vec<String>> {
        let path = self.path(dir);
        let io = |source| JournalError::io("list", &path, source);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(
                entry
                    .map_err(io)?
                    .file_name()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A file's content, or `None` if there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(JournalError::io("read", path, error)),
        }
    }

    /// Publishes a file under its name, replacing what has it; `sync` makes the content durable.
    pub(crate) fn publish(&self, name: &str, bytes: &[u8], sync: bool) -> Result<()> {
        let (temporary, path) = (layout::temporary(&self.root, name), self.path(name));
        if let Some(dir) = path.parent() {
            self.make_dir(dir)?;
        }
        self.disk
            .write(&temporary, bytes, sync)
            .map_err(|source| JournalError::io("write", &path, source))?;
        self.name(&temporary, &path)
    }

    /// Publishes a file unless it has this very content; tells whether it replaced another content.
    pub(crate) fn mend(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let found = self.read(name)?;
        if found.as_deref() == Some(bytes) {
            return Ok(false);
        }
        self.publish(name, bytes, false)?;
        Ok(found.is_some())
    }

    /// Creates a file to append to; it begins with `head`, durable before it has its name.
    pub(crate) fn create(&self, name: &str, head: &[u8]) -> Result<Box<dyn Appender>> {
        let (temporary, path) = (layout::temporary(&self.root, name), self.path(name));
        let write = || -> io::Result<Box<dyn Appender>> {
            let mut file = self.disk.create(&temporary)?;
            file.append(head)?;
            file.sync()?;
            Ok(file)
        };
        let file = write().map_err(|source| JournalError::io("create", &path, source))?;
        self.name(&temporary, &path)?;
        self.sync(&[path])?;
        Ok(file)
    }

    fn name(&self, temporary: &Path, path: &Path) -> Result<()> {
        self.disk
            .rename(temporary, path)
            .map_err(|source| JournalError::io("name", path, source))
    }

    pub(crate) fn overwrite(&self, name: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        self.disk
            .overwrite(&path, offset, bytes)
            .map_err(|source| JournalError::io("overwrite", path, source))
    }

    /// Makes files and their names durable.
    pub(crate) fn sync(&self, files: &[PathBuf]) -> Result<()> {
        self.disk
            .sync(&self.root, files)
            .map_err(|source| JournalError::io("sync", &self.root, source))
    }

    /// Removes a file; it is no error if it is gone.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(JournalError::io("remove", path, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes a directory of files with what it holds; it is no error if it is gone.
    pub(crate) fn remove_dir(&self, name: &str) -> Result<()> {
        for file in self.list(name)? {
            self.remove(&format!("{name}/{file}"))?;
        }
        let path = self.path(name);
        // The directory may be made again later, so it is no longer known to exist.
        lock(&self.made).remove(&path);
        match fs::remove_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(JournalError::io("remove", path, error))
            }
            _ => Ok(()),
        }
    }
}
