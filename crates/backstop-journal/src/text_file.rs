//! Text files: the sealed texts of a run of entries, after their segment is gone.
//!
//! A text file is `magic, from, to`, records (`index, digest, length, bytes`), a table sorted by
//! digest, and a foot with a SHA-256 over all of it but the texts' bytes, which their digests cover;
//! so a text can be erased in place. Encoding, reading and looking up; no knowledge of the tree.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use ring::digest::{Context, SHA256};

use crate::{
    hash::{HASH_LEN, Hash, finish},
    text::TextDigest,
};

const MAGIC: &[u8; 8] = b"BjText1\n";
const HEAD: usize = 8 + 8 + 8;
const FOOT: usize = 8 + 8 + HASH_LEN;
const ROW: usize = HASH_LEN + 8 + 4;

/// A text in a text file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) index: u64,
    pub(crate) digest: TextDigest,
    pub(crate) bytes: &'a [u8],
}

/// Where a text's bytes lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

/// A text file being made.
pub(crate) struct TextFileBuilder {
    bytes: Vec<u8>,
    spans: Vec<(TextDigest, Span)>,
}

impl TextFileBuilder {
    pub(crate) fn new(from: u64, to: u64) -> Self {
        let bytes = [&MAGIC[..], &from.to_be_bytes(), &to.to_be_bytes()].concat();
        Self {
            bytes,
            spans: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Appends the text of entry `index`; indexes must not decrease.
    pub(crate) fn push(&mut self, index: u64, digest: TextDigest, text: &[u8]) {
        // INVARIANT: `SealedText` holds at most MAX_TEXT bytes, which fits.
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&index.to_be_bytes());
        self.bytes.extend_from_slice(&digest.0);
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.spans.push((
            digest,
            Span {
                offset: self.bytes.len() as u64,
                len,
            },
        ));
        self.bytes.extend_from_slice(text);
    }

    pub(crate) fn finish(mut self, origin: &str) -> Vec<u8> {
        let table = self.bytes.len() as u64;
        let count = self.spans.len() as u64;
        let mut rows = self.spans.clone();
        rows.sort_unstable_by_key(|(digest, span)| (*digest, span.offset));
        for (digest, span) in rows {
            self.bytes.extend_from_slice(&digest.0);
            self.bytes.extend_from_slice(&span.offset.to_be_bytes());
            self.bytes.extend_from_slice(&span.len.to_be_bytes());
        }
        self.bytes.extend_from_slice(&table.to_be_bytes());
        self.bytes.extend_from_slice(&count.to_be_bytes());
        let spans: Vec<Span> = self.spans.iter().map(|(_, span)| *span).collect();
        let seal = seal(origin, &self.bytes, &spans);
        self.bytes.extend_from_slice(&seal.0);
        self.bytes
    }
}

/// Reads a whole text file; the error says what is wrong with it.
pub(crate) fn read<'a>(
    bytes: &'a [u8],
    origin: &str,
    from: u64,
    to: u64,
) -> Result<Vec<Record<'a>>, &'static str> {
    let body_len = bytes.len().checked_sub(FOOT).ok_or("it is too short")?;
    let (body, foot) = bytes.split_at_checked(body_len).ok_or("it is too short")?;
    let (table, count, seal) = split_foot(foot).ok_or("it is too short")?;
    let head = [&MAGIC[..], &from.to_be_bytes(), &to.to_be_bytes()].concat();
    if body.get(..HEAD) != Some(head.as_slice()) {
        return Err("its head is not that of its name");
    }
    let table = usize::try_from(table).map_err(|_| "its table lies outside")?;
    let records = body.get(HEAD..table).ok_or("its table lies outside")?;
    let records = split_records(records).ok_or("a record is cut off")?;
    let rebuilt = rebuild(&records, origin, from, to);
    if rebuilt.len() != bytes.len() || rebuilt.get(rebuilt.len() - HASH_LEN..) != Some(&seal.0) {
        return Err("its seal is not that of its content");
    }
    if records.len() as u64 != count || rebuilt != bytes {
        return Err("its table is not that of its records");
    }
    Ok(records)
}

/// What the file would be if it were made from these records.
fn rebuild(records: &[Record<'_>], origin: &str, from: u64, to: u64) -> Vec<u8> {
    let mut builder = TextFileBuilder::new(from, to);
    for record in records {
        builder.push(record.index, record.digest, record.bytes);
    }
    builder.finish(origin)
}

fn split_records(mut bytes: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (index, rest) = bytes.split_first_chunk::<8>()?;
        let (digest, rest) = rest.split_first_chunk::<HASH_LEN>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        records.push(Record {
            index: u64::from_be_bytes(*index),
            digest: TextDigest(*digest),
            bytes: text,
        });
        bytes = rest;
    }
    Some(records)
}

fn split_foot(foot: &[u8]) -> Option<(u64, u64, Hash)> {
    let (table, rest) = foot.split_first_chunk::<8>()?;
    let (count, seal) = rest.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*table),
        u64::from_be_bytes(*count),
        Hash::from_slice(seal)?,
    ))
}

fn seal(origin: &str, bytes: &[u8], texts: &[Span]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(b"backstop journal texts v1\n");
    context.update(origin.as_bytes());
    context.update(b"\n");
    let mut at = 0;
    for span in texts {
        let start = usize::try_from(span.offset).unwrap_or(usize::MAX);
        context.update(bytes.get(at..start).unwrap_or_default());
        at = start.saturating_add(span.len as usize);
    }
    context.update(bytes.get(at..).unwrap_or_default());
    finish(context)
}

/// Finds all places of a text in the file at `path`, by its table alone.
pub(crate) fn find(path: &Path, digest: TextDigest) -> io::Result<Vec<Span>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut foot = [0; FOOT];
    let foot_at = len.checked_sub(FOOT as u64).ok_or_else(cut)?;
    file.read_exact_at(&mut foot, foot_at)?;
    let (table, count, _) = split_foot(&foot).ok_or_else(cut)?;
    if table.checked_add(count.saturating_mul(ROW as u64)) != Some(foot_at) {
        return Err(cut());
    }
    let row = |n: u64| -> io::Result<(TextDigest, Span)> {
        let mut row = [0; ROW];
        file.read_exact_at(&mut row, table + n * ROW as u64)?;
        split_row(&row).ok_or_else(cut)
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if row(middle)?.0 < digest {
            low = middle + 1
        } else {
            high = middle
        }
    }
    let mut found = Vec::new();
    while low < count {
        let (other, span) = row(low)?;
        if other != digest {
            break;
        }
        found.push(span);
        low += 1;
    }
    Ok(found)
}

/// Reads a text's bytes.
pub(crate) fn read_span(path: &Path, span: Span) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; span.len as usize];
    File::open(path)?.read_exact_at(&mut bytes, span.offset)?;
    Ok(bytes)
}

fn split_row(row: &[u8]) -> Option<(TextDigest, Span)> {
    let (digest, rest) = row.split_first_chunk::<HASH_LEN>()?;
    let (offset, len) = rest.split_first_chunk::<8>()?;
    let len = u32::from_be_bytes(len.try_into().ok()?);
    Some((
        TextDigest(*digest),
        Span {
            offset: u64::from_be_bytes(*offset),
            len,
        },
    ))
}

fn cut() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the text file is cut off or its table is damaged",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Condition, SealedText, condition};

    fn sample() -> (Vec<u8>, Vec<SealedText>) {
        let texts: Vec<_> = (0..20u8)
            .map(|n| SealedText::new(vec![n / 2; 16 + usize::from(n / 2)]).unwrap())
            .collect();
        let mut builder = TextFileBuilder::new(0, 256);
        for (n, text) in texts.iter().enumerate() {
            builder.push(n as u64 * 3, text.digest(), text.bytes());
        }
        (builder.finish("origin"), texts)
    }

    #[test]
    fn reads_back_and_finds_every_copy() {
        let (bytes, texts) = sample();
        let records = read(&bytes, "origin", 0, 256).unwrap();
        assert_eq!(records.len(), 20);
        assert_eq!(records[7].bytes, texts[7].bytes());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        for text in &texts {
            let spans = find(file.path(), text.digest()).unwrap();
            assert_eq!(spans.len(), 2, "each text is there twice");
            for span in spans {
                assert_eq!(read_span(file.path(), span).unwrap(), text.bytes());
            }
        }
        assert!(find(file.path(), TextDigest([1; 32])).unwrap().is_empty());
        assert!(read(&bytes, "other", 0, 256).is_err());
        assert!(read(&bytes, "origin", 0, 512).is_err());
    }

    #[test]
    fn every_flip_and_cut_shows() {
        let (bytes, _) = sample();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            let sound = read(&flipped, "origin", 0, 256).is_ok_and(|records| {
                records
                    .iter()
                    .all(|r| condition(r.digest, r.bytes) == Condition::Whole)
            });
            assert!(!sound, "flip at {at}");
            assert!(read(&bytes[..at], "origin", 0, 256).is_err(), "cut at {at}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(read(&longer, "origin", 0, 256).is_err());
    }
}
