//! All records, from index and segments, with every line's own hash and every link checked.
//!
//! Unlike the server, which stops at the first fault, this goes on behind a damaged line, so that one
//! flipped byte is one finding.

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead as _, BufReader},
};

use backstop_core::digest::Digest;

use super::report::{FindingKind, Report};
use crate::{
    error::{Result, VaultError},
    store::{
        dir::{Dir, is_missing},
        in_segment,
        index::INDEX,
        is_unborn,
        record::{Event, Head, Object, Record},
        segment, segment_bytes, segments,
        shared::Dirs,
    },
};

/// An object as the records know it.
pub(crate) struct Known {
    pub(crate) object: Object,
    /// Whether its bytes lie in a segment, sound.
    pub(crate) in_segment: bool,
    /// Whether the index has it, and so it must have its own file.
    pub(crate) settled: bool,
}

/// What the records add up to.
pub(crate) struct Records {
    pub(crate) head: Head,
    pub(crate) objects: HashMap<Digest, Known>,
    pub(crate) logs: BTreeMap<String, String>,
}

impl Records {
    /// Reads them all; says what is wrong if there is somebody to say it to.
    pub(crate) fn read(dirs: &Dirs, report: Option<&mut Report>) -> Result<Self> {
        let mut silent = Report::default();
        let report = report.unwrap_or(&mut silent);
        let mut records = Self {
            head: Head::START,
            objects: HashMap::new(),
            logs: BTreeMap::new(),
        };
        // The segments first: what moves from them to the index meanwhile is then seen twice, not never.
        let late = read_segments(dirs, report)?;
        let torn = records.read_index(&dirs.root, report)?;
        let in_index = records.head.sequence;
        for late in late {
            records.take_late(late, report);
        }
        if let Some((from, to)) = torn
            && records.head.sequence == in_index
            && !report.live
        {
            let what = format!(
                "the line of record {} is not what was written",
                in_index + 1
            );
            report.stretch(INDEX, from, to, what);
        }
        Ok(records)
    }

    /// Reads the index; gives the stretch of a last line that is not whole, which a segment may have.
    fn read_index(&mut self, root: &Dir, report: &mut Report) -> Result<Option<(u64, u64)>> {
        report.files += 1;
        let file = match root.read(INDEX) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => {
                report.file(FindingKind::Missing, INDEX, "the index is missing");
                return Ok(None);
            }
            Err(error) => {
                report.error(INDEX, &error);
                return Ok(None);
            }
        };
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let (mut at, mut line, mut bad) = (0, Vec::new(), None);
        loop {
            line.clear();
            let taken = reader
                .read_until(b'\n', &mut line)
                .map_err(|e| VaultError::io("read", root.path().join(INDEX), e))?
                as u64;
            if taken == 0 {
                return Ok(bad);
            }
            let read = line.strip_suffix(b"\n").and_then(Record::from_line);
            let Some((record, hash)) = read else {
                // Several in a row are one stretch.
                bad = Some((bad.map_or(at, |(from, _)| from), at + taken));
                at += taken;
                continue;
            };
            if let Some((from, to)) = bad.take() {
                let what = format!(
                    "the line of record {} is not what was written",
                    self.head.sequence + 1
                );
                report.stretch(INDEX, from, to, what);
            } else if !self.head.is_followed_by(&record) {
                let what = format!(
                    "record {} does not follow record {}: lines between them are missing or moved",
                    record.sequence, self.head.sequence
                );
                report.stretch(INDEX, at, at + taken, what);
            }
            at += taken;
            self.take(record, hash, false, true);
        }
    }

    fn take_late(&mut self, late: Late, report: &mut Report) {
        let Late {
            file,
            record,
            hash,
            whole,
        } = late;
        if record.sequence <= self.head.sequence {
            if let Event::Stored(object) = &record.event
                && let Some(known) = self.objects.get_mut(&object.name)
            {
                known.in_segment = whole;
            }
            return;
        }
        if !self.head.is_followed_by(&record) {
            let what = format!(
                "record {} does not follow record {}: those between are missing",
                record.sequence, self.head.sequence
            );
            report.file(FindingKind::Missing, file, what);
        }
        self.take(record, hash, whole, false);
    }

    fn take(&mut self, record: Record, hash: Digest, in_segment: bool, settled: bool) {
        self.head = Head::after(&record, hash);
        match record.event {
            Event::Stored(object) => {
                let known = Known {
                    object,
                    in_segment,
                    settled,
                };
                self.objects.insert(known.object.name, known);
            }
            Event::Deleted { names, .. } => {
                for name in names {
                    self.objects.remove(&name);
                }
            }
            Event::LogKept { origin, key } => {
                self.logs.insert(origin, key);
            }
            _ => {}
        }
    }
}

/// A record in a segment.
struct Late {
    file: String,
    record: Record,
    hash: Digest,
    whole: bool,
}

fn read_segments(dirs: &Dirs, report: &mut Report) -> Result<Vec<Late>> {
    let mut late = Vec::new();
    let bases = segments(&dirs.wal)?;
    for base in &bases {
        let name = segment::file_name(*base);
        let file = format!("wal/{name}");
        report.files += 1;
        let bytes = match segment_bytes(&dirs.wal, *base) {
            Ok(bytes) => bytes,
            // It was let go of just now.
            Err(error) if is_missing(&error) => continue,
            Err(error) => {
                report.error(&file, &error);
                continue;
            }
        };
        let newest = bases.last() == Some(base);
        if newest && is_unborn(&bytes) {
            continue;
        }
        let read = match segment::read(&bytes, &file, *base) {
            Ok(read) => read,
            Err(error) => {
                report.error(&file, &error);
                continue;
            }
        };
        match read.torn {
            Some((from, torn)) if !newest => {
                let to = (from + torn) as u64;
                report.stretch(&file, from as u64, to, "these bytes are not what was written");
            }
            Some((from, torn)) if !report.live => report.note(format!(
                "`{file}` ends, at byte {from}, in {torn} bytes of a write that was never whole and never acknowledged"
            )),
            _ => {}
        }
        for frame in read.frames {
            late.push(Late {
                file: file.clone(),
                whole: in_segment(&frame),
                record: frame.record,
                hash: frame.hash,
            });
        }
    }
    Ok(late)
}
