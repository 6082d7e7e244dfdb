//! The index, put together from its parts: each line's own hash, each link of the chain, and the vault's signature
//! under the last line of each part.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
};

use super::Work;
use crate::{
    error::{Result, VaultError},
    s3::{head::Head as Signed, rolled::ROLLED, versions::Version},
    store::{
        index::INDEX,
        record::{Head, Record},
    },
    verify::{FindingKind, Report},
};

const PARTS: &str = "index/";
/// The file that a part is fetched into, in `tmp/`.
const PART: &str = "part";
/// The file that the index grows in, in `tmp/`.
const GROWING: &str = "index";

/// A version of a part, with the records that its key names.
struct Part {
    at: Version,
    first: u64,
    last: u64,
}

/// What became of a part.
enum Tried {
    /// The chain goes up to here now.
    Added(Head),
    /// It bears the vault's signature, and its lines are not those that were signed.
    Damaged(String),
    /// Nothing says that the vault wrote it.
    Strange,
    /// It is listed and not there.
    Gone,
}

impl Work<'_> {
    /// Puts the index together, as far as the chain goes; tells whether that is all.
    pub(super) async fn index(&self, report: &mut Report) -> Result<bool> {
        let parts = self.parts().await?;
        if parts.is_empty() {
            return Err(VaultError::setup(
                "the bucket has no index of a vault's",
                "check `name` and `endpoint` under `[bucket]`, and that the access key may list versions there",
            ));
        }
        let newest = parts.iter().map(|part| part.last).max();
        let io = |e| VaultError::io("write to", self.dirs.tmp.path(), e);
        let mut growing = self.dirs.tmp.create(GROWING, 0o600)?;
        let (mut head, mut whole) = (Head::START, false);
        let mut strange = BTreeSet::new();
        while !whole {
            self.told.at("fetching the index", head.sequence, newest);
            match self
                .next(&parts, head, &mut growing, report, &mut strange)
                .await?
            {
                Some(further) => head = further,
                None => match self.hole(&parts, head, report).await? {
                    true => break,
                    false => whole = true,
                },
            }
        }
        if head.sequence == 0 {
            return Err(VaultError::setup(
                "no part of the index in the bucket bears the vault's signature",
                "give the vault's own cosigning key, or its public half with --vault-key; --unsigned believes whoever \
                 could write to the bucket",
            ));
        }
        for at in strange {
            report.note(format!(
                "`{at}` in the bucket is not of the vault's making, and was left alone"
            ));
        }
        growing.sync_all().map_err(io)?;
        self.dirs.tmp.rename(GROWING, &self.dirs.root, INDEX)?;
        self.dirs.root.sync()?;
        Ok(whole)
    }

    /// All versions of all parts: those that reach furthest first, of one key the oldest first.
    async fn parts(&self) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for prefix in [ROLLED, PARTS] {
            for at in self.bucket.versions(prefix).await? {
                let range = at.key.strip_prefix(prefix).and_then(range);
                if let Some((first, last)) = range {
                    parts.push(Part { at, first, last });
                }
            }
        }
        // Stable: versions stay in their order.
        parts.sort_by_key(|part| std::cmp::Reverse(part.last));
        Ok(parts)
    }

    /// Adds the part that goes on furthest from here, if any does.
    async fn next(
        &self,
        parts: &[Part],
        head: Head,
        growing: &mut File,
        report: &mut Report,
        strange: &mut BTreeSet<String>,
    ) -> Result<Option<Head>> {
        let wanted = head.sequence + 1;
        let mut damaged = Vec::new();
        for part in parts
            .iter()
            .filter(|part| part.first <= wanted && wanted <= part.last)
        {
            match self.try_one(part, head, growing).await? {
                Tried::Added(further) => {
                    // What another part or version made good is no loss.
                    for what in damaged {
                        report.note(format!("{what}; another part has the same records"));
                    }
                    return Ok(Some(further));
                }
                Tried::Damaged(what) => damaged.push(format!("`{}`: {what}", part.at.key)),
                Tried::Strange => drop(strange.insert(part.at.key.clone())),
                Tried::Gone => {}
            }
        }
        for what in damaged {
            report.file(FindingKind::Changed, INDEX, what);
        }
        Ok(None)
    }

    /// Fetches a part and adds its lines, if they are what comes next.
    async fn try_one(&self, part: &Part, head: Head, growing: &mut File) -> Result<Tried> {
        let Some((mut file, signed)) = self.fetch_part(&part.at).await? else {
            return Ok(Tried::Gone);
        };
        let Some(signed) = self.believes(signed.as_deref()) else {
            return Ok(Tried::Strange);
        };
        let read = match read_part(&mut file, part, head, signed)? {
            Ok(read) => read,
            // Without a signature a part that is no part says nothing.
            Err(_) if signed.is_none() => return Ok(Tried::Strange),
            Err(what) => return Ok(Tried::Damaged(what)),
        };
        let io = |e| VaultError::io("write to", self.dirs.tmp.path(), e);
        file.seek(SeekFrom::Start(read.from)).map_err(io)?;
        std::io::copy(&mut file, growing).map_err(io)?;
        growing.flush().map_err(io)?;
        Ok(Tried::Added(read.head))
    }

    async fn fetch_part(&self, at: &Version) -> Result<Option<(File, Option<String>)>> {
        self.dirs.tmp.remove(PART)?;
        let mut file = self.dirs.tmp.create(PART, 0o600)?;
        let mut write = |piece: &[u8]| {
            file.write_all(piece)
                .map_err(|e| VaultError::io("write to", self.dirs.tmp.path(), e))
        };
        let version = Some(at.version.as_str());
        let fetched = self.bucket.fetch(&at.key, version, &mut write).await?;
        Ok(fetched.map(|fetched| (file, fetched.head)))
    }

    /// Whether records are missing after the chain's end: whether the vault has signed later ones.
    async fn hole(&self, parts: &[Part], head: Head, report: &mut Report) -> Result<bool> {
        let damaged = !report.is_sound();
        let mut later: Vec<&Part> = parts
            .iter()
            .filter(|part| part.first > head.sequence + 1)
            .collect();
        later.sort_by_key(|part| part.first);
        for part in later {
            let Some((_, signed)) = self.fetch_part(&part.at).await? else {
                continue;
            };
            if self.believes(signed.as_deref()).is_some() {
                let what = format!(
                    "records {} to {} are missing, and what comes after them cannot be put in its place: \
                     `objects/` in the bucket has it still, and `age` opens it",
                    head.sequence + 1,
                    part.first - 1
                );
                report.file(FindingKind::Missing, INDEX, what);
                return Ok(true);
            }
        }
        Ok(damaged)
    }
}

/// The records that a key names: `<first>-<last>`, twenty digits each.
fn range(key: &str) -> Option<(u64, u64)> {
    let (first, last) = key.split_once('-')?;
    let number = |text: &str| (text.len() == 20).then(|| text.parse().ok()).flatten();
    let (first, last) = (number(first)?, number(last)?);
    (1 <= first && first <= last).then_some((first, last))
}

/// A part that goes on from the chain's end.
struct Read {
    /// Where its first new line begins.
    from: u64,
    head: Head,
}

/// Reads a part: all of its lines are whole, follow each other, and end where it was signed. Otherwise says what is
/// wrong.
fn read_part(
    file: &mut File,
    part: &Part,
    head: Head,
    signed: Option<Signed>,
) -> Result<std::result::Result<Read, String>> {
    let io = |e| VaultError::io("read", PART, e);
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut reader = BufReader::with_capacity(1 << 20, &*file);
    let (mut at, mut from, mut line) = (0, None, Vec::new());
    let (mut end, mut expected) = (head, part.first);
    loop {
        line.clear();
        let taken = reader.read_until(b'\n', &mut line).map_err(io)? as u64;
        if taken == 0 {
            break;
        }
        let read = line.strip_suffix(b"\n").and_then(Record::from_line);
        let Some((record, hash)) = read.filter(|(record, _)| record.sequence == expected) else {
            return Ok(Err(format!(
                "bytes {at} to {}, the line of record {expected}, are not what was written",
                at + taken
            )));
        };
        if record.sequence == head.sequence && hash != head.hash {
            return Ok(Err(format!(
                "its record {expected} is another than the chain's"
            )));
        }
        if record.sequence > head.sequence {
            if !end.is_followed_by(&record) {
                return Ok(Err(format!(
                    "its record {expected} does not follow the chain"
                )));
            }
            from.get_or_insert(at);
            end = Head::after(&record, hash);
        }
        expected += 1;
        at += taken;
    }
    if expected != part.last + 1 {
        return Ok(Err(format!("it ends before record {expected}")));
    }
    if signed.is_some_and(|signed| signed.sequence != end.sequence || signed.hash != end.hash) {
        return Ok(Err(
            "its last record is another than the vault signed".to_owned()
        ));
    }
    Ok(from
        .map(|from| Read { from, head: end })
        .ok_or_else(|| "it has nothing new".to_owned()))
}
