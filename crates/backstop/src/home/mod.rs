//! The data directory: what lies where, made so that only Backstop's own user can read it (invariant 9).
//!
//! Must not follow what others left there: a directory that others can enter is refused.

mod ca;
pub mod http_authority;
mod keys;
mod ledger;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use backstop_store::SealedFile;

use crate::failure::{Context, Failure, Outcome};

pub use ca::{Authority, Identity};
pub use keys::{Keys, LOGS};
pub use ledger::{ControlLedger, open_journal};

/// A data directory.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
}

/// Held while a process serves from the directory; dropped with it.
#[derive(Debug)]
pub struct Serving {
    _lock: File,
}

impl Home {
    /// The directory at `root`, which may not exist yet.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The private keys.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// One of the two logs.
    pub fn journal(&self, log: &str) -> PathBuf {
        self.root.join("journal").join(log)
    }

    /// The store's index.
    pub fn index(&self) -> PathBuf {
        self.root.join("store.sqlite")
    }

    /// The sealed originals of files whose credentials were replaced.
    pub fn adopted(&self) -> PathBuf {
        self.root.join("adopted")
    }

    /// What is kept to compare recovery points with.
    pub fn points(&self) -> PathBuf {
        self.root.join("points")
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// A target's sealed credential.
    pub fn credential(&self, target: &str) -> SealedFile {
        SealedFile::at(&self.credential_path(target))
    }

    /// Where a target's sealed credential lies.
    pub fn credential_path(&self, target: &str) -> PathBuf {
        self.root.join("credentials").join(target)
    }

    /// Where the HTTP gate seals what targets revealed.
    pub fn revealed(&self) -> PathBuf {
        self.root.join("revealed")
    }

    /// What `init` found out about a target: its system identifier.
    pub fn target_note(&self, target: &str) -> PathBuf {
        self.root.join("targets").join(target)
    }

    /// Makes the directories that are missing, and refuses what others can reach.
    ///
    /// # Errors
    /// When a directory cannot be made, or is not this user's alone.
    pub fn make(&self) -> Outcome {
        for dir in [
            "",
            "keys",
            "journal",
            "credentials",
            "targets",
            "points",
            "adopted",
            "revealed",
        ] {
            let path = self.root.join(dir);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .doing(format!("cannot make the directory `{}`", path.display()))?;
        }
        self.check()
    }

    /// Whether the directory is there and this user's alone.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> Outcome {
        let shown = self.root.display();
        let meta = std::fs::metadata(&self.root).map_err(|e| {
            let failure =
                Failure::usage(format!("cannot use the data directory `{shown}`")).because(&e);
            match e.kind() {
                std::io::ErrorKind::NotFound => failure.hint("`backstop init` makes it"),
                std::io::ErrorKind::PermissionDenied => failure.hint("run as Backstop's own user"),
                _ => failure,
            }
        })?;
        let own = rustix::process::geteuid().as_raw();
        if meta.uid() != own {
            return Err(Failure::usage(format!(
                "the data directory `{shown}` belongs to another user"
            ))
            .hint(format!("run as the user with the number {}", meta.uid())));
        }
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(
                Failure::usage(format!("others can enter the data directory `{shown}`"))
                    .hint(format!("chmod 700 {shown}")),
            );
        }
        Ok(())
    }

    /// As [`Self::check`], but root may work in another user's: for what has to reach that directory and files of
    /// other users alike. What is written there is to be given back with [`Self::give`].
    ///
    /// # Errors
    /// When it is not there, or not one user's alone.
    pub fn check_or_root(&self) -> Outcome {
        let own = rustix::process::geteuid();
        match std::fs::metadata(&self.root) {
            Ok(meta) if own.is_root() && meta.permissions().mode() & 0o077 == 0 => Ok(()),
            _ => self.check(),
        }
    }

    /// Gives a file that root wrote in the directory to the user whose directory it is.
    ///
    /// # Errors
    /// When it cannot be given.
    pub fn give(&self, path: &Path) -> Outcome {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let doing = || format!("cannot give `{}` to Backstop's own user", path.display());
        let meta = std::fs::metadata(&self.root).doing(doing())?;
        std::os::unix::fs::lchown(path, Some(meta.uid()), Some(meta.gid())).doing(doing())
    }

    /// Takes the directory for serving.
    ///
    /// # Errors
    /// When another process serves from it.
    pub fn serve_alone(&self) -> Outcome<Serving> {
        let path = self.root.join("serving");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .doing(format!("cannot open `{}`", path.display()))?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Serving { _lock: lock }),
            Err(_) => Err(Failure::new(format!(
                "another `backstop` already serves from `{}`",
                self.root.display()
            ))
            .hint("stop it first, or use another data_dir")),
        }
    }
}

/// Writes a new file that only its owner can read; an existing one is never replaced.
///
/// # Errors
/// When it exists or cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Outcome {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().doing(format!("cannot write `{}`", path.display()))
}

/// Writes a file that everybody may read, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_public(path: &Path, bytes: &[u8]) -> Outcome {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().doing(format!("cannot write `{}`", path.display()))
}
