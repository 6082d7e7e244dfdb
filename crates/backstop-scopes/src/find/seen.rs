//! What was looked at and what was not: an audit that is silent about what it skipped says more than it knows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use backstop_wire::secrets::Name;
use serde::Serialize;

/// Paths remembered of each sort; beyond it only the number grows.
const REMEMBERED: usize = 50;

/// What a look met, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Regular files opened.
    pub files: u64,
    /// Directories listed.
    pub directories: u64,
    /// Bytes read as text.
    pub bytes: u64,
    /// Files that are no text and no known format.
    pub binary: u64,
    /// FIFOs, sockets and devices, which are never opened.
    pub special: u64,
    /// Links that lead nowhere.
    pub broken_links: u64,
    /// Links to a directory above where the look began, not followed.
    pub links_above: u64,
    /// Mounts of files that the kernel makes up, not entered.
    pub kernel_files: u64,
    /// Caches of fetched programs in a home, not entered.
    pub caches: u64,
    /// Blobs of repositories read.
    pub blobs: u64,
    /// Processes whose environment was read.
    pub processes: u64,
    /// Processes whose environment may not be read.
    pub closed_processes: u64,
    /// What could not be read: files, directories, repositories. The first of them are named.
    pub unreadable: Missed,
    /// Paths asked for that are not there.
    pub missing: Missed,
    /// Texts made to be slow to search, given up part of the way.
    pub given_up: Missed,
    /// Repositories whose history was not looked into, or not all of it.
    pub histories_not_read: Missed,
}

/// Things missed: how many, and the names of the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// How many.
    pub count: u64,
    /// The first fifty.
    pub first: Vec<Name>,
}

/// The numbers while a look is under way.
#[derive(Default)]
pub(crate) struct Counts {
    numbers: [AtomicU64; 12],
    missed: [Mutex<Missed>; 4],
}

/// What is only counted.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    Files,
    Directories,
    Bytes,
    Binary,
    Special,
    BrokenLinks,
    LinksAbove,
    KernelFiles,
    Blobs,
    Processes,
    ClosedProcesses,
    Caches,
}

impl Counts {
    pub(crate) fn add(&self, what: Seen) {
        self.add_many(what, 1);
    }

    pub(crate) fn add_many(&self, what: Seen, many: u64) {
        if let Some(number) = self.numbers.get(what as usize) {
            number.fetch_add(many, Ordering::Relaxed);
        }
    }

    pub(crate) fn unreadable(&self, path: &[u8]) {
        self.miss(0, path);
    }

    pub(crate) fn missing(&self, path: &[u8]) {
        self.miss(1, path);
    }

    pub(crate) fn given_up(&self, path: &[u8]) {
        self.miss(2, path);
    }

    pub(crate) fn history_not_read(&self, path: &[u8]) {
        self.miss(3, path);
    }

    fn miss(&self, which: usize, path: &[u8]) {
        let Some(missed) = self.missed.get(which) else {
            return;
        };
        let mut missed = missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.count += 1;
        if missed.first.len() < REMEMBERED {
            missed.first.push(Name::new(path));
        }
    }

    pub(crate) fn looked(&self) -> Looked {
        let number = |what: Seen| {
            self.numbers
                .get(what as usize)
                .map_or(0, |n| n.load(Ordering::Relaxed))
        };
        let missed = |which: usize| {
            self.missed
                .get(which)
                .map(|missed| {
                    missed
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone()
                })
                .unwrap_or_default()
        };
        Looked {
            files: number(Seen::Files),
            directories: number(Seen::Directories),
            bytes: number(Seen::Bytes),
            binary: number(Seen::Binary),
            special: number(Seen::Special),
            broken_links: number(Seen::BrokenLinks),
            links_above: number(Seen::LinksAbove),
            kernel_files: number(Seen::KernelFiles),
            caches: number(Seen::Caches),
            blobs: number(Seen::Blobs),
            processes: number(Seen::Processes),
            closed_processes: number(Seen::ClosedProcesses),
            unreadable: missed(0),
            missing: missed(1),
            given_up: missed(2),
            histories_not_read: missed(3),
        }
    }
}
