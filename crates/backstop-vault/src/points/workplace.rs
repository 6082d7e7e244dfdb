//! Where PostgreSQL's programs leave files for one another: a folder closed to others, or inside a sandbox.
//!
//! A sandbox's folder is its user's, and what runs in there can make links out of it. So nothing in it is ever opened
//! from outside by its name but files that are made anew.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::PointError;
use super::drill::Room;
use super::session::random;

/// A place for a few files; they are gone with it.
pub(crate) struct Workplace {
    /// As it is outside, and as programs see it.
    outside: PathBuf,
    seen: PathBuf,
    prefix: String,
    names: Vec<String>,
    room: Option<Room>,
    _folder: Option<TempDir>,
}

impl Workplace {
    /// Makes one for programs that run in `room`, or outside.
    pub(crate) fn new(room: Option<&Room>) -> Result<Self, PointError> {
        if let Some(room) = room {
            return Ok(Self {
                outside: room.folder().to_owned(),
                seen: Room::inside().to_owned(),
                prefix: format!("{}-", random()?),
                names: vec![],
                room: Some(room.clone()),
                _folder: None,
            });
        }
        let folder = tempfile::Builder::new()
            .prefix("backstop-definitions-")
            .tempdir()
            .map_err(PointError::io("making a folder for definitions"))?;
        Ok(Self {
            outside: folder.path().to_owned(),
            seen: folder.path().to_owned(),
            prefix: String::new(),
            names: vec![],
            room: None,
            _folder: Some(folder),
        })
    }

    /// The name of a file that programs are told to make or to read.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.seen.join(format!("{}{name}", self.prefix))
    }

    /// Notes that a program makes a file, so that it is removed.
    pub(crate) fn expect(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    /// Makes a file for programs to read. It must not be there yet.
    pub(crate) fn write(&mut self, name: &str, text: &str) -> Result<(), PointError> {
        let writing = || PointError::io("writing a file for PostgreSQL's programs");
        let path = self.outside.join(format!("{}{name}", self.prefix));
        self.expect(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(writing())?;
        if let Some(room) = &self.room {
            room.give(&file)?;
        }
        file.write_all(text.as_bytes()).map_err(writing())
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        for name in &self.names {
            remove(&self.outside.join(format!("{}{name}", self.prefix)));
        }
    }
}

/// A link is removed, and not what it leads to.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path); // it goes with the folder at the latest
}
