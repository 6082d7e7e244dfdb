//! Walks directories in parallel and hands on regular files, opened. It never opens what could block or act when it is
//! opened (FIFOs, sockets, devices), never goes round in circles, and counts what it could not look into.

use std::collections::HashSet;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

use super::identity::Identity;
use super::seen::{Counts, Seen};

/// Files handed to a thread at once.
const BATCH: usize = 64;
/// Batches waiting, each with its directory open; a thread that finds more looks through its own at once.
const WAITING: usize = 64;

/// What a walk hands its finds to. One for each thread.
pub(crate) trait Visit: Send {
    /// A regular file, open, by its path.
    fn file(&mut self, path: &[u8], file: OwnedFd, stat: &Stat);
    /// A repository's own directory (a `.git`, or a bare repository), whose objects are not walked.
    fn repository(&mut self, path: &[u8]);
}

/// Where a walk begins, and with whose eyes.
pub(crate) struct Walk<'a> {
    roots: &'a [PathBuf],
    skipped: &'a [PathBuf],
    identity: Option<&'a Identity>,
    counts: &'a Counts,
    state: Mutex<State>,
    changed: Condvar,
    inside: Vec<PathBuf>,
    until: Option<Instant>,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    batches: usize,
    working: usize,
    /// Directories entered, by device and inode.
    entered: HashSet<(u64, u64)>,
    /// Files reached through links.
    linked: HashSet<(u64, u64)>,
}

enum Job {
    Directory(Arc<Node>),
    Files {
        parent: Arc<Node>,
        at: Arc<OwnedFd>,
        names: Vec<Box<CStr>>,
    },
}

/// A directory by its parent: a million of them cost a name each, not a path.
struct Node {
    parent: Option<Arc<Node>>,
    name: Box<[u8]>,
    device: u64,
}

impl Node {
    fn path(&self) -> Vec<u8> {
        let (mut names, mut at) = (vec![&self.name], self.parent.as_deref());
        while let Some(node) = at {
            names.push(&node.name);
            at = node.parent.as_deref();
        }
        let mut path = Vec::new();
        for name in names.into_iter().rev() {
            if !path.is_empty() && path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }
}

impl<'a> Walk<'a> {
    /// A walk from `roots`, not into `skipped`.
    pub(crate) fn new(
        roots: &'a [PathBuf],
        skipped: &'a [PathBuf],
        identity: Option<&'a Identity>,
        counts: &'a Counts,
    ) -> Self {
        let inside = roots
            .iter()
            .filter_map(|root| root.canonicalize().ok())
            .collect();
        Self {
            roots,
            skipped,
            identity,
            counts,
            state: Mutex::default(),
            changed: Condvar::new(),
            inside,
            until: None,
        }
    }

    /// Goes no further after that moment.
    pub(crate) const fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// Walks everything, one thread for each of `visitors`.
    pub(crate) fn run<V: Visit>(&self, visitors: &mut [V]) {
        self.begin(visitors);
        std::thread::scope(|scope| {
            for visitor in visitors.iter_mut() {
                scope.spawn(|| self.work(visitor));
            }
        });
    }

    fn begin<V: Visit>(&self, visitors: &mut [V]) {
        for root in self.roots {
            let bytes = root.as_os_str().as_bytes();
            let Some((stat, real)) = rustix::fs::stat(root).ok().zip(root.canonicalize().ok())
            else {
                self.counts.missing(bytes);
                continue;
            };
            if self.identity.is_some_and(|who| !who.reaches(&real)) {
                self.counts.unreadable(bytes);
                continue;
            }
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.push(Job::Directory(Arc::new(Node {
                    parent: None,
                    name: bytes.into(),
                    device: stat.st_dev,
                }))),
                FileType::RegularFile => {
                    if let Some(first) = visitors.first_mut() {
                        self.open_file(
                            CWD.as_fd(),
                            real.as_os_str().as_bytes(),
                            bytes,
                            first,
                            OFlags::empty(),
                        );
                    }
                }
                _ => self.counts.add(Seen::Special),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        let mut state = self.state();
        state.batches += usize::from(matches!(job, Job::Files { .. }));
        state.jobs.push(job);
        drop(state);
        self.changed.notify_one();
    }

    /// The next job; none when all is done. Batches come first: they hold a directory open.
    fn next(&self, was_working: bool) -> Option<Job> {
        let mut state = self.state();
        state.working -= usize::from(was_working);
        loop {
            if let Some(job) = state.jobs.pop() {
                state.batches -= usize::from(matches!(job, Job::Files { .. }));
                state.working += 1;
                return Some(job);
            }
            if state.working == 0 {
                drop(state);
                self.changed.notify_all();
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work<V: Visit>(&self, visitor: &mut V) {
        let mut was_working = false;
        while let Some(job) = self.next(was_working) {
            was_working = true;
            if self.until.is_some_and(|until| Instant::now() >= until) {
                continue;
            }
            match job {
                Job::Directory(node) => self.directory(&node, visitor),
                Job::Files { parent, at, names } => self.files(&parent, &at, &names, visitor),
            }
        }
    }

    fn directory<V: Visit>(&self, node: &Arc<Node>, visitor: &mut V) {
        let path = node.path();
        if self
            .skipped
            .iter()
            .any(|skipped| skipped.as_os_str().as_bytes() == path)
        {
            return self.counts.add(Seen::Caches);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC
            // A root may be a link; below it, a directory that became one since is not what was found.
            | if node.parent.is_some() { OFlags::NOFOLLOW } else { OFlags::empty() };
        let opened = rustix::fs::openat(CWD, path.as_slice(), flags, Mode::empty());
        let Some((at, stat)) = opened
            .ok()
            .and_then(|at| rustix::fs::fstat(&at).ok().map(|stat| (at, stat)))
        else {
            return self.counts.unreadable(&path);
        };
        if self.identity.is_some_and(|who| !who.may(&stat, 5)) {
            return self.counts.unreadable(&path);
        }
        if stat.st_dev != node.device && is_of_the_kernel(&at) {
            return self.counts.add(Seen::KernelFiles);
        }
        if !self.state().entered.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        let here = Arc::new(Node {
            parent: node.parent.clone(),
            name: node.name.clone(),
            device: stat.st_dev,
        });
        let Ok(listing) = Dir::read_from(&at) else {
            return self.counts.unreadable(&path);
        };
        self.counts.add(Seen::Directories);
        let at = Arc::new(at);
        let (is_repository, skipped) = repository(&at);
        if is_repository {
            visitor.repository(&path);
        }
        let mut names = Vec::new();
        for entry in listing {
            let Ok(entry) = entry else {
                self.counts.unreadable(&path);
                break;
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..")
                || (is_repository && skipped.contains(&name.to_bytes()))
            {
                continue;
            }
            match self.file_type(&at, name, entry.file_type()) {
                FileType::Directory => self.push(Job::Directory(Arc::new(Node {
                    parent: Some(here.clone()),
                    name: name.to_bytes().into(),
                    device: stat.st_dev,
                }))),
                FileType::RegularFile => names.push(name.into()),
                FileType::Symlink => self.link(&path, &at, name, visitor),
                _ => self.counts.add(Seen::Special),
            }
            if names.len() == BATCH {
                self.hand_on(&here, &at, std::mem::take(&mut names), visitor);
            }
        }
        self.files(&here, &at, &names, visitor);
    }

    /// Some file systems do not say in a listing what a name is.
    fn file_type(&self, at: &OwnedFd, name: &CStr, said: FileType) -> FileType {
        if said != FileType::Unknown {
            return said;
        }
        rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW).map_or(FileType::Unknown, |stat| {
            FileType::from_raw_mode(stat.st_mode)
        })
    }

    fn hand_on<V: Visit>(
        &self,
        parent: &Arc<Node>,
        at: &Arc<OwnedFd>,
        names: Vec<Box<CStr>>,
        visitor: &mut V,
    ) {
        if self.state().batches < WAITING {
            self.push(Job::Files {
                parent: parent.clone(),
                at: at.clone(),
                names,
            });
        } else {
            self.files(parent, at, &names, visitor);
        }
    }

    fn files<V: Visit>(&self, parent: &Node, at: &OwnedFd, names: &[Box<CStr>], visitor: &mut V) {
        if names.is_empty() {
            return;
        }
        let mut path = parent.path();
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        let length = path.len();
        for name in names {
            path.truncate(length);
            path.extend_from_slice(name.to_bytes());
            self.open_file(
                at.as_fd(),
                name.to_bytes(),
                &path,
                visitor,
                OFlags::NOFOLLOW,
            );
        }
    }

    fn open_file<V: Visit>(
        &self,
        at: rustix::fd::BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        visitor: &mut V,
        follow: OFlags,
    ) {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | follow;
        let opened = rustix::fs::openat(at, name, flags, Mode::empty());
        let Some((file, stat)) = opened
            .ok()
            .and_then(|file| rustix::fs::fstat(&file).ok().map(|stat| (file, stat)))
        else {
            return self.counts.unreadable(path);
        };
        // What it was when it was listed is not what it must be now.
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return self.counts.add(Seen::Special);
        }
        if self.identity.is_some_and(|who| !who.may(&stat, 4)) {
            return self.counts.unreadable(path);
        }
        self.counts.add(Seen::Files);
        visitor.file(path, file, &stat);
    }

    /// A link out of the roots leads to what a process here can read as well. One that stays inside is met anyway,
    /// and one that leads above a root would make everything inside.
    fn link<V: Visit>(&self, directory: &[u8], at: &OwnedFd, name: &CStr, visitor: &mut V) {
        let mut path = directory.to_vec();
        path.push(b'/');
        path.extend_from_slice(name.to_bytes());
        let Some((stat, real)) = rustix::fs::statat(at, name, AtFlags::empty()).ok().zip(
            Path::new(std::ffi::OsStr::from_bytes(&path))
                .canonicalize()
                .ok(),
        ) else {
            return self.counts.add(Seen::BrokenLinks);
        };
        if self.inside.iter().any(|root| real.starts_with(root)) {
            return;
        }
        if self.identity.is_some_and(|who| !who.reaches(&real)) {
            return self.counts.unreadable(&path);
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                if self.state().linked.insert((stat.st_dev, stat.st_ino)) {
                    self.open_file(
                        CWD.as_fd(),
                        real.as_os_str().as_bytes(),
                        &path,
                        visitor,
                        OFlags::NOFOLLOW,
                    );
                }
            }
            FileType::Directory if self.inside.iter().any(|root| root.starts_with(&real)) => {
                self.counts.add(Seen::LinksAbove);
            }
            FileType::Directory => self.push(Job::Directory(Arc::new(Node {
                parent: None,
                name: real.as_os_str().as_bytes().into(),
                device: 0,
            }))),
            _ => self.counts.add(Seen::Special),
        }
    }
}

/// What makes a directory a repository's own, and which of its names hold objects, read elsewhere.
fn repository(at: &OwnedFd) -> (bool, [&'static [u8]; 2]) {
    let has = |name: &str, kind: FileType| {
        rustix::fs::statat(at, name, AtFlags::empty())
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == kind)
    };
    let is = has("HEAD", FileType::RegularFile)
        && has("objects", FileType::Directory)
        && (has("refs", FileType::Directory) || has("packed-refs", FileType::RegularFile));
    (is, [b"objects", b"index"])
}

/// Files that the kernel makes up: to read them is no reading of files, and `/proc` has no end.
fn is_of_the_kernel(at: &OwnedFd) -> bool {
    const KERNELS: [u64; 12] = [
        0x9fa0,
        0x6265_6572,
        0x0027_e0eb,
        0x6367_7270,
        0x6462_6720,
        0x7472_6163,
        0x1cd1,
        0xcafe_4a11,
        0x7363_6673,
        0x6165_676c,
        0xde5e_81e4,
        0x1980_0202,
    ];
    rustix::fs::fstatfs(at).is_ok_and(|found| KERNELS.contains(&(found.f_type as u64)))
}
