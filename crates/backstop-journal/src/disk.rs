//! The few ways in which the journal changes files, behind a trait so that a test can fill the disk.
//!
//! No knowledge of what the files mean. Whoever implements this must not report a sync that did not
//! happen: durability, and with it the promise to act only on what is recorded, rests on that.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Beyond this many files, one `syncfs` costs less than an `fsync` for each.
const SYNC_ONE_BY_ONE: usize = 24;

/// How the journal writes. Reading goes straight to the file system.
pub trait Disk: Send + Sync + 'static {
    /// Creates (or empties) a file to append to.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>>;

    /// Writes a whole new file, and makes its content durable if `sync` is set.
    ///
    /// # Errors
    /// What the system says.
    fn write(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
        let mut file = self.create(path)?;
        file.append(bytes)?;
        if sync { file.sync() } else { Ok(()) }
    }

    /// Gives a file its final name, replacing what has it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Overwrites a part of a file in place, durably.
    ///
    /// # Errors
    /// What the system says.
    fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes files below `root` durable, names included.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self, root: &Path, files: &[PathBuf]) -> io::Result<()>;

    /// Creates a directory and its parents, for the owner only.
    ///
    /// # Errors
    /// What the system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A file that is only ever appended to.
pub trait Appender: Send {
    /// Appends all the bytes.
    ///
    /// # Errors
    /// What the system says; how much was written is then unknown.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all appended bytes durable.
    ///
    /// # Errors
    /// What the system says; what is durable is then unknown.
    fn sync(&mut self) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        Ok(Box::new(RealAppender(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.write_all_at(bytes, offset)?;
        file.sync_data()
    }

    fn sync(&self, root: &Path, files: &[PathBuf]) -> io::Result<()> {
        if files.len() > SYNC_ONE_BY_ONE {
            return Ok(rustix::fs::syncfs(File::open(root)?)?);
        }
        for file in files {
            File::open(file)?.sync_all()?;
            // A name is durable when its directory is, and that one's name when its parent is.
            let above = file
                .ancestors()
                .skip(1)
                .take_while(|dir| dir.starts_with(root));
            for dir in above {
                File::open(dir)?.sync_all()?;
            }
        }
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

struct RealAppender(File);

impl Appender for RealAppender {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
