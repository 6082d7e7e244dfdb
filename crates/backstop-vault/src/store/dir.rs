//! Files below one directory handle: every open is relative to it and follows no symbolic link.
//!
//! Names are the vault's own words or hex; nothing that came over a wire is ever a path. Whatever is
//! found to be a link, to belong to somebody else, or to be open to others is refused.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RawDir};

use crate::error::{Result, VaultError};

/// A directory of the vault's.
pub(crate) struct Dir {
    handle: OwnedFd,
    path: PathBuf,
}

impl Dir {
    /// Opens the vault's directory. It must be a directory, ours, and closed to everybody else.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io =
            |e: rustix::io::Errno| VaultError::io("open the vault's directory", path, e.into());
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(io)?;
        let dir = Self {
            handle,
            path: path.to_owned(),
        };
        dir.check_closed()?;
        Ok(dir)
    }

    fn check_closed(&self) -> Result<()> {
        let stat = rustix::fs::fstat(&self.handle)
            .map_err(|e| VaultError::io("look at", &self.path, e.into()))?;
        let shown = self.path.display();
        if stat.st_mode & 0o077 != 0 {
            return Err(VaultError::setup(
                format!("the vault's directory `{shown}` is open to other users"),
                format!("chmod 0700 {shown}, and see who was in there"),
            ));
        }
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(VaultError::setup(
                format!("the vault's directory `{shown}` belongs to another user"),
                "run this as the vault's own user",
            ));
        }
        Ok(())
    }

    /// Opens a directory inside, or makes it with mode 0700.
    pub(crate) fn subdir(&self, name: &str) -> Result<Self> {
        match rustix::fs::mkdirat(&self.handle, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => self.existing(name),
            Err(e) => Err(VaultError::io("make", self.path.join(name), e.into())),
        }
    }

    /// Opens a directory inside that must be there.
    pub(crate) fn existing(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&self.handle, name, flags, Mode::empty())
            .map_err(|e| VaultError::io("open", &path, e.into()))?;
        let dir = Self { handle, path };
        dir.check_closed()?;
        Ok(dir)
    }

    /// Makes a new file; one that is there already is an error.
    pub(crate) fn create(&self, name: &str, mode: u32) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        self.at(name, flags, mode, "create")
    }

    /// Opens a file to append to, and makes it if need be.
    pub(crate) fn append(&self, name: &str) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
        self.at(name, flags, 0o600, "open")
    }

    /// Opens a regular file for reading.
    pub(crate) fn read(&self, name: &str) -> Result<File> {
        let file = self.at(name, OFlags::RDONLY | OFlags::NONBLOCK, 0, "open")?;
        let kind = file
            .metadata()
            .map_err(|e| VaultError::io("look at", self.path.join(name), e))?;
        if kind.is_file() {
            return Ok(file);
        }
        Err(VaultError::integrity(
            self.path.join(name).display().to_string(),
            "it is not a regular file",
        ))
    }

    /// Opens an existing file for writing.
    pub(crate) fn write(&self, name: &str) -> Result<File> {
        self.at(name, OFlags::RDWR, 0, "open")
    }

    fn at(&self, name: &str, flags: OFlags, mode: u32, what: &'static str) -> Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, name, flags, Mode::from_raw_mode(mode))
            .map(File::from)
            .map_err(|e| VaultError::io(what, self.path.join(name), e.into()))
    }

    /// All of a small file; `None` if there is none.
    pub(crate) fn contents(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut file = match self.read(name) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|e| VaultError::io("read", self.path.join(name), e))?;
        Ok(Some(bytes))
    }

    /// Puts a small file in place of another, whole or not at all, durably.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let fresh = format!("{name}.new");
        self.remove(&fresh)?;
        let mut file = self.create(&fresh, mode)?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|e| VaultError::io("write", self.path.join(&fresh), e))?;
        self.rename(&fresh, self, name)?;
        self.sync()
    }

    /// Moves a file into another directory of the vault's, in place of whatever has that name.
    pub(crate) fn rename(&self, name: &str, to: &Self, new: &str) -> Result<()> {
        rustix::fs::renameat(&self.handle, name, &to.handle, new)
            .map_err(|e| VaultError::io("rename", self.path.join(name), e.into()))
    }

    /// Removes a file; it may be missing.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(VaultError::io("remove", self.path.join(name), e.into())),
        }
    }

    /// Makes the directory's own entries durable.
    pub(crate) fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.handle).map_err(|e| VaultError::io("sync", &self.path, e.into()))
    }

    /// Makes everything on this file system durable.
    pub(crate) fn sync_all(&self) -> Result<()> {
        rustix::fs::syncfs(&self.handle).map_err(|e| VaultError::io("sync", &self.path, e.into()))
    }

    /// Takes the lock that one server holds at a time; it goes with the file.
    pub(crate) fn lock(&self, name: &str) -> Result<File> {
        let file = self.append(name)?;
        rustix::fs::flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive).map_err(
            |_| {
                VaultError::setup(
                    format!(
                        "the vault `{}` is served by another process",
                        self.path.display()
                    ),
                    "one directory has one server; stop the other one first",
                )
            },
        )?;
        Ok(file)
    }

    /// Bytes that this file system has left for its user.
    pub(crate) fn free(&self) -> Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.handle)
            .map_err(|e| VaultError::io("look at", &self.path, e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// What is in here, sorted, each with whether it is a directory, a file, or anything else.
    pub(crate) fn list(&self) -> Result<Vec<(String, FileType)>> {
        let io = |e: rustix::io::Errno| VaultError::io("list", &self.path, e.into());
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&self.handle, ".", flags, Mode::empty()).map_err(io)?;
        let mut found = Vec::new();
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(handle, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(io)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                found.push((name, entry.file_type()));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A second handle on the same directory.
    pub(crate) fn again(&self) -> Result<Self> {
        let handle = self
            .handle
            .try_clone()
            .map_err(|e| VaultError::io("open", &self.path, e))?;
        Ok(Self {
            handle,
            path: self.path.clone(),
        })
    }
}

/// Whether an error says that there is no such file.
pub(crate) fn is_missing(error: &VaultError) -> bool {
    matches!(error, VaultError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
