//! Reads files that the walk opens: whole where they are small, in overlapping pieces where they are large, never what
//! is no text; and gives what the engine finds its place and fingerprint.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use backstop_core::secret::Secret;
use backstop_wire::secrets::{Engine, Hit, Name, Rank, Text, class_of, kind_of_rule};
use rustix::fs::{SeekFrom, Stat};
use zeroize::Zeroizing;

use super::finding::{Finding, Place, Salt};
use super::hba;
use super::known;
use super::seen::{Counts, Seen};
use super::sift;
use super::walk::Visit;

/// Files up to this are read whole, larger ones in pieces of it.
const PIECE: usize = 4 << 20;
/// What two pieces share, so that no secret is cut in two: longer than any that is found.
const OVERLAP: usize = 40 << 10;
/// How much of a file tells whether it is text.
const SNIFF: usize = 8 << 10;

/// What all threads share.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) salt: &'a Salt,
    pub(crate) counts: &'a Counts,
}

/// One thread's reader and what it found.
pub(crate) struct Reader<'a> {
    shared: Shared<'a>,
    buffer: Zeroizing<Vec<u8>>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) repositories: Vec<PathBuf>,
}

impl Visit for Reader<'_> {
    fn file(&mut self, path: &[u8], file: OwnedFd, stat: &Stat) {
        let size = usize::try_from(stat.st_size).unwrap_or(0);
        if size == 0 {
            return;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        if self.read(path, &file, size, stat, &mut buffer).is_err() {
            self.shared.counts.unreadable(path);
        }
        self.buffer = buffer;
    }

    fn repository(&mut self, path: &[u8]) {
        self.repositories.push(Name::new(path).to_path());
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(shared: Shared<'a>) -> Self {
        Self {
            shared,
            buffer: Zeroizing::new(vec![0; PIECE]),
            findings: Vec::new(),
            repositories: Vec::new(),
        }
    }

    fn read(
        &mut self,
        path: &[u8],
        file: &OwnedFd,
        size: usize,
        stat: &Stat,
        buffer: &mut [u8],
    ) -> rustix::io::Result<()> {
        let first = fill(file, buffer, size)?;
        let Some(text) = buffer.get(..first) else {
            return Ok(());
        };
        if is_binary(text) {
            self.binary(path, text, first == size);
            return Ok(());
        }
        if size <= PIECE {
            self.shared.counts.add_many(Seen::Bytes, first as u64);
            self.whole(path, text);
            return Ok(());
        }
        self.pieces(path, file, first, is_sparse(stat), buffer)
    }

    /// A text that is all here.
    fn whole(&mut self, path: &[u8], text: &[u8]) {
        if let Some(repository) = elsewhere(path, text) {
            self.repositories.push(repository);
        }
        let mut hits = whole(self.shared, path, text);
        if path.ends_with(b"/pg_hba.conf") || path == b"pg_hba.conf" {
            hits.extend(hba::read(text));
        }
        self.publish(path, text, hits, At::default());
    }

    fn pieces(
        &mut self,
        path: &[u8],
        file: &OwnedFd,
        first: usize,
        sparse: bool,
        buffer: &mut [u8],
    ) -> rustix::io::Result<()> {
        let (class, _) = class_of(path);
        let mut at = At::default();
        let mut filled = first;
        loop {
            self.shared.counts.add_many(Seen::Bytes, filled as u64);
            let Some(text) = buffer.get(..filled) else {
                return Ok(());
            };
            let found = self.shared.engine.find(Text {
                bytes: text,
                path,
                class,
            });
            if found.given_up {
                self.shared.counts.given_up(path);
            }
            // A file that is all tokens fills memory piece by piece.
            let last = filled < buffer.len() || found.given_up;
            let keep = if last { 0 } else { OVERLAP };
            // What begins in the part that comes again is found again.
            let hits = found
                .hits
                .into_iter()
                .filter(|hit| last || hit.range.start < filled - keep)
                .collect();
            self.publish(path, text, hits, at);
            if last {
                return Ok(());
            }
            let passed = text.get(..filled - keep).unwrap_or_default();
            at.line += lines(passed);
            if let Some(end) = memchr::memrchr(b'\n', passed) {
                at.line_start = at.offset + end as u64 + 1;
            }
            at.offset += (filled - keep) as u64;
            buffer.copy_within(filled - keep..filled, 0);
            let mut kept = keep;
            if sparse {
                let read_to = at.offset + keep as u64;
                let Some(data) = data_from(file, read_to)? else {
                    return Ok(());
                };
                if data > read_to {
                    at.offset = data;
                    kept = 0;
                }
            }
            let more = buffer
                .get_mut(kept..)
                .map_or(Ok(0), |rest| fill(file, rest, usize::MAX))?;
            if more == 0 {
                return Ok(());
            }
            filled = kept + more;
        }
    }

    /// Text of Windows' sort is text; of other files only that they are there, where that says something.
    fn binary(&mut self, path: &[u8], start: &[u8], is_whole: bool) {
        if is_whole && let Some(text) = utf16(start) {
            self.shared.counts.add_many(Seen::Bytes, start.len() as u64);
            return self.whole(path, &text);
        }
        let kind =
            known::present(path).or_else(|| self.shared.engine.by_path(path).map(kind_of_rule));
        match kind {
            Some(kind) => {
                let place = Place::File {
                    path: Name::new(path),
                    line: 1,
                    column: 1,
                    offset: 0,
                    length: 0,
                };
                let mut hit = Hit::new("", "file", 0..0, b"", Rank::Structure);
                hit.kind = kind.into();
                self.findings
                    .push(finding(self.shared.salt, hit, place, class_of(path).1));
            }
            None => self.shared.counts.add(Seen::Binary),
        }
    }

    fn publish(&mut self, path: &[u8], text: &[u8], hits: Vec<Hit>, at: At) {
        if hits.is_empty() {
            return;
        }
        let doubt = class_of(path).1;
        let mut counted = (0, at.line);
        for hit in sift::best(hits) {
            // In order of their places: lines are counted once.
            counted.1 += lines(text.get(counted.0..hit.range.start).unwrap_or_default());
            counted.0 = hit.range.start;
            let place = Place::File {
                path: Name::new(path),
                line: counted.1 + 1,
                column: at.column(text, hit.range.start),
                offset: at.offset + hit.range.start as u64,
                length: hit.range.len() as u64,
            };
            self.findings
                .push(finding(self.shared.salt, hit, place, doubt));
        }
    }
}

/// Where a piece begins.
#[derive(Clone, Copy, Default)]
struct At {
    offset: u64,
    /// Lines that ended before it.
    line: u64,
    /// Where the line that it begins in begins.
    line_start: u64,
}

impl At {
    fn column(self, text: &[u8], start: usize) -> u64 {
        match memchr::memrchr(b'\n', text.get(..start).unwrap_or_default()) {
            Some(_) => column(text, start),
            None => self.offset + start as u64 - self.line_start + 1,
        }
    }
}

/// Everything found in a whole text, by structure and by rule, not yet sifted.
pub(crate) fn whole(shared: Shared<'_>, path: &[u8], text: &[u8]) -> Vec<Hit> {
    let (class, _) = class_of(path);
    let found = shared.engine.find(Text {
        bytes: text,
        path,
        class,
    });
    if found.given_up {
        shared.counts.given_up(path);
    }
    let mut hits = found.hits;
    if let Some(known) = known::of(path) {
        hits.extend(known::read(known, text));
    } else if path.ends_with(b".json")
        && memchr::memmem::find(text, b"\"service_account\"").is_some()
    {
        hits.extend(known::read(&known::SERVICE_ACCOUNT, text));
    }
    hits
}

/// The repository that a linked work tree or a submodule belongs to: its `.git` is a file that says where.
fn elsewhere(path: &[u8], text: &[u8]) -> Option<PathBuf> {
    let folder = path.strip_suffix(b"/.git")?;
    let named = text.strip_prefix(b"gitdir: ")?.trim_ascii();
    Some(Name::new(folder).to_path().join(Name::new(named).to_path()))
}

/// A hit with its place, its fingerprint and what its path says against it.
pub(crate) fn finding(salt: &Salt, hit: Hit, place: Place, doubt: Option<&'static str>) -> Finding {
    let hit = match doubt {
        Some(why) => hit.doubted(why),
        None => hit,
    };
    // What opens without a secret has none to tell it by.
    let secret = (!hit.secret.is_empty()).then_some(hit.secret);
    Finding {
        kind: hit.kind.into_owned(),
        rule: hit.rule.into_owned(),
        place,
        fingerprint: secret.as_ref().map(|secret| salt.fingerprint(secret)),
        facts: hit.facts,
        confidence: hit.confidence,
        secret: secret.map(Secret::new),
    }
}

/// Lines that end in `text`.
pub(crate) fn lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// The column of `at` in its line, in bytes, from 1.
pub(crate) fn column(text: &[u8], at: usize) -> u64 {
    let before = text.get(..at).unwrap_or_default();
    (at - memchr::memrchr(b'\n', before).map_or(0, |end| end + 1)) as u64 + 1
}

/// Whether this is no text, by its beginning.
pub(crate) fn is_binary(text: &[u8]) -> bool {
    memchr::memchr(0, text.get(..SNIFF.min(text.len())).unwrap_or_default()).is_some()
}

fn utf16(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let little = match text.get(..2)? {
        [0xff, 0xfe] => true,
        [0xfe, 0xff] => false,
        _ => return None,
    };
    let units = text
        .get(2..)?
        .chunks_exact(2)
        .map(|pair| match (little, pair) {
            (true, [low, high]) | (false, [high, low]) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        });
    let text: String = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
    Some(Zeroizing::new(text.into_bytes()))
}

/// Reads until `buffer` is full, `enough` is read, or the file ends.
fn fill(file: &OwnedFd, buffer: &mut [u8], enough: usize) -> rustix::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let read = match rustix::io::read(file, rest) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        filled += read;
        if read == 0 || filled >= enough {
            break;
        }
    }
    Ok(filled)
}

const fn is_sparse(stat: &Stat) -> bool {
    stat.st_blocks.saturating_mul(512) < stat.st_size / 2
}

/// Where the next bytes are that were ever written, from `offset`; the file stands there then. None at the end.
fn data_from(file: &OwnedFd, offset: u64) -> rustix::io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(at) => Ok(Some(at)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(_) => rustix::fs::seek(file, SeekFrom::Start(offset)).map(Some),
    }
}
