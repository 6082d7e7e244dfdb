//! What a repository remembers: every blob that a branch, a tag, a stash or a reference's log leads to.
//!
//! The program `git` reads the objects, since formats of packs are its business. It is given a directory of our own as
//! the repository, and of the one that is looked at only where its objects lie: neither its configuration nor its
//! hooks, attributes or filters are ever read, and nothing of them can run.

mod refs;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backstop_wire::secrets::{Name, class_of};
use zeroize::Zeroizing;

use super::finding::{Finding, Place};
use super::identity::Identity;
use super::reader::{self, Shared};
use super::seen::Seen;
use super::sift;

/// Larger blobs are no settings and no source.
const LARGEST: usize = 16 << 20;
/// Only these: whoever can write to a directory in `PATH` would choose what is run.
const GITS: &[&str] = &[
    "/usr/bin/git",
    "/bin/git",
    "/usr/local/bin/git",
    "/opt/homebrew/bin/git",
];

/// Every credential in the history of the repository whose own directory is `repository`.
pub(crate) fn look(shared: Shared<'_>, repository: &Path, limit: Duration) -> Vec<Finding> {
    let name = Name::from(repository);
    let mut found = Vec::new();
    let deadline = Instant::now() + limit;
    if read(shared, repository, deadline, &mut found).is_none() {
        shared.counts.history_not_read(name.as_bytes());
    }
    found
}

/// Where the objects and references of the repository at `found` really are; none if `identity` may not read them.
pub(crate) fn common(found: &Path, identity: Option<&Identity>) -> Option<PathBuf> {
    let common = refs::common(found).canonicalize().ok()?;
    let objects = rustix::fs::stat(common.join("objects")).ok()?;
    let reads =
        identity.is_none_or(|who| who.may(&objects, 5) && who.reaches(&common.join("objects")));
    reads.then_some(common)
}

/// None if it could not be read, or not all of it; what was found until then counts.
fn read(
    shared: Shared<'_>,
    repository: &Path,
    deadline: Instant,
    found: &mut Vec<Finding>,
) -> Option<()> {
    let git = Git::new(repository)?;
    let tips = refs::tips(repository, &git.common);
    if tips.is_empty() {
        return Some(());
    }
    let blobs = blobs(shared, repository, &git, &tips, deadline, found);
    name_commits(&git, &tips, deadline, found);
    blobs
}

/// Blobs flow from the one that lists them, with their paths, into the one that prints them.
fn blobs(
    shared: Shared<'_>,
    repository: &Path,
    git: &Git,
    tips: &[String],
    deadline: Instant,
    found: &mut Vec<Finding>,
) -> Option<()> {
    let mut list = git.run(&[
        "rev-list",
        "--objects",
        "--filter=object:type=blob",
        "--missing=print",
        "--ignore-missing",
        "--stdin",
    ])?;
    let mut print = git.run(&[
        "cat-file",
        "--batch=%(objecttype) %(objectsize) %(objectname) %(rest)",
        "--buffer",
    ])?;
    let (mut tips_in, list_out) = (list.0.stdin.take()?, list.0.stdout.take()?);
    let (mut names_in, blobs_out) = (print.0.stdin.take()?, print.0.stdout.take()?);
    let tips: String = tips.iter().map(|tip| format!("{tip}\n")).collect();
    let read = std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = tips_in.write_all(tips.as_bytes());
        });
        scope.spawn(move || {
            let _ = std::io::copy(
                &mut BufReader::with_capacity(1 << 16, list_out),
                &mut names_in,
            );
        });
        let read = blobs_from(
            shared,
            repository,
            BufReader::with_capacity(1 << 18, blobs_out),
            deadline,
            found,
        );
        // Whatever is still to come ends with them, and so do the threads that copy.
        if read.is_none() {
            list.end();
            print.end();
        }
        read
    });
    (read.is_some() && list.finished() && print.finished()).then_some(())
}

fn blobs_from(
    shared: Shared<'_>,
    repository: &Path,
    mut from: impl BufRead,
    deadline: Instant,
    found: &mut Vec<Finding>,
) -> Option<()> {
    let mut header = Vec::new();
    let mut blob = Zeroizing::new(Vec::new());
    let mut whole = Some(());
    loop {
        header.clear();
        if from.read_until(b'\n', &mut header).ok()? == 0 {
            return whole;
        }
        let line = header.strip_suffix(b"\n")?;
        let mut fields = line.splitn(4, |byte| *byte == b' ');
        let (kind, size, id) = (fields.next()?, fields.next()?, fields.next());
        let path = fields.next().unwrap_or_default();
        let Some(id) = id else {
            // `?<id> missing`: a partial clone has not everything.
            if size == b"missing" {
                whole = None;
                continue;
            }
            return None;
        };
        let size: u64 = std::str::from_utf8(size).ok()?.parse().ok()?;
        let wanted = kind == b"blob" && size <= LARGEST as u64 && size > 0;
        blob.clear();
        if wanted {
            (&mut from).take(size).read_to_end(&mut blob).ok()?;
        } else {
            std::io::copy(&mut (&mut from).take(size), &mut std::io::sink()).ok()?;
            if kind == b"blob" && size > 0 {
                whole = None;
            }
        }
        let mut end = [0];
        from.read_exact(&mut end).ok()?;
        if wanted && !reader::is_binary(&blob) {
            shared.counts.add(Seen::Blobs);
            publish(shared, repository, id, path, &blob, found);
        }
        if Instant::now() > deadline {
            return None;
        }
    }
}

fn publish(
    shared: Shared<'_>,
    repository: &Path,
    id: &[u8],
    path: &[u8],
    blob: &[u8],
    found: &mut Vec<Finding>,
) {
    // Rooted, so that ends of paths are told as they are on disk.
    let rooted = [b"/", path].concat();
    let hits = reader::whole(shared, &rooted, blob);
    let doubt = class_of(&rooted).1;
    for hit in sift::best(hits) {
        let at = hit.range.start;
        let place = Place::History {
            repository: Name::from(repository),
            commit: None,
            path: (!path.is_empty()).then(|| Name::new(path)),
            blob: String::from_utf8_lossy(id).into_owned(),
            line: reader::lines(blob.get(..at).unwrap_or_default()) + 1,
            column: reader::column(blob, at),
        };
        found.push(reader::finding(shared.salt, hit, place, doubt));
    }
}

/// The oldest commit that brought each blob in, by one run through the log.
fn name_commits(
    git: &Git,
    tips: &[String],
    deadline: Instant,
    found: &mut [Finding],
) -> Option<()> {
    let mut wanted: HashMap<String, Option<String>> = found
        .iter()
        .filter_map(|finding| match &finding.place {
            Place::History { blob, .. } => Some((blob.clone(), None)),
            _ => None,
        })
        .collect();
    if wanted.is_empty() {
        return Some(());
    }
    let arguments = [
        "log",
        "--stdin",
        "--ignore-missing",
        "--reverse",
        "--root",
        "-m",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        "--format=%H",
    ];
    let mut log = git.run(&arguments)?;
    let (mut tips_in, out) = (log.0.stdin.take()?, log.0.stdout.take()?);
    let tips: String = tips.iter().map(|tip| format!("{tip}\n")).collect();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = tips_in.write_all(tips.as_bytes());
        });
        let mut commit = String::new();
        let mut left = wanted.len();
        for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            match line.strip_prefix(':') {
                Some(change) => {
                    let id = change.split(' ').nth(3).unwrap_or_default();
                    if let Some(first @ None) = wanted.get_mut(id) {
                        *first = Some(commit.clone());
                        left -= 1;
                    }
                }
                None if !line.is_empty() => line.trim().clone_into(&mut commit),
                None => {}
            }
            if left == 0 || Instant::now() > deadline {
                break;
            }
        }
        log.end();
    });
    for finding in found {
        if let Place::History { blob, commit, .. } = &mut finding.place {
            *commit = wanted.get(blob).cloned().flatten();
        }
    }
    Some(())
}

/// The program, and the directory that stands in for the repository.
struct Git {
    program: &'static str,
    stand_in: tempfile::TempDir,
    common: PathBuf,
}

impl Git {
    fn new(repository: &Path) -> Option<Self> {
        let program = GITS.iter().find(|path| Path::new(path).exists())?;
        let stand_in = tempfile::Builder::new()
            .prefix("backstop-scopes-")
            .tempdir()
            .ok()?;
        let common = repository.to_owned();
        let folder = stand_in.path();
        std::fs::create_dir_all(folder.join("refs")).ok()?;
        std::fs::create_dir_all(folder.join("objects")).ok()?;
        std::fs::write(folder.join("HEAD"), "ref: refs/heads/none\n").ok()?;
        std::fs::write(folder.join("config"), refs::format_of(&common)).ok()?;
        if let Some(shallow) = refs::shallow(&common) {
            std::fs::write(folder.join("shallow"), shallow).ok()?;
        }
        Some(Self {
            program,
            stand_in,
            common,
        })
    }

    fn run(&self, arguments: &[&str]) -> Option<Running> {
        Command::new(self.program)
            .arg("--no-pager")
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.stand_in.path())
            .env("LC_ALL", "C")
            .env("GIT_DIR", self.stand_in.path())
            .env("GIT_OBJECT_DIRECTORY", self.common.join("objects"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .current_dir(self.stand_in.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()
            .map(Running)
    }
}

/// A program that does not outlive who asked it.
struct Running(Child);

impl Running {
    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    fn finished(&mut self) -> bool {
        self.0.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
