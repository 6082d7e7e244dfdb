//! Reading the index: line by line, every hash and every link of the chain.

use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};

use backstop_core::digest::Digest;

use super::{
    dir::Dir,
    record::{Head, Record},
};
use crate::error::{Result, VaultError};

/// The index's file name.
pub(crate) const INDEX: &str = "index";
/// What a line seldom exceeds, in bytes.
const LINE: u64 = 4096;

/// Where reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The chain's end.
    pub(crate) head: Head,
    /// How many bytes of the file are whole lines of the chain.
    pub(crate) good: u64,
    /// How many bytes the file has.
    pub(crate) length: u64,
}

impl Tail {
    /// What is wrong after the good lines, in words.
    pub(crate) fn fault(&self) -> VaultError {
        VaultError::integrity(
            INDEX,
            format!(
                "bytes {} to {}, the line of record {}, are not what was written",
                self.good,
                self.length,
                self.head.sequence + 1
            ),
        )
    }
}

/// Reads all lines that are whole and in order, and hands each to `each` with its hash.
pub(crate) fn read(root: &Dir, mut each: impl FnMut(Record, Digest)) -> Result<Tail> {
    let file = root.read(INDEX)?;
    let io = |e| VaultError::io("read", root.path().join(INDEX), e);
    let length = file.metadata().map_err(io)?.len();
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut head, mut good, mut line) = (Head::START, 0, Vec::new());
    loop {
        line.clear();
        let taken = reader.read_until(b'\n', &mut line).map_err(io)?;
        let Some((record, hash)) = line.strip_suffix(b"\n").and_then(Record::from_line) else {
            break;
        };
        if !head.is_followed_by(&record) {
            break;
        }
        head = Head::after(&record, hash);
        good += taken as u64;
        each(record, hash);
    }
    Ok(Tail { head, good, length })
}

/// The hash in the line that ends at this byte: nothing but the line itself is read.
///
/// # Errors
/// [`VaultError::Integrity`] when no whole line ends there.
pub(crate) fn hash_before(root: &Dir, end: u64) -> Result<Digest> {
    let wrong = || VaultError::integrity(INDEX, format!("no line ends at byte {end}"));
    let io = |e| VaultError::io("read", root.path().join(INDEX), e);
    let mut file = root.read(INDEX)?;
    let mut window = LINE;
    loop {
        let from = end.saturating_sub(window);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from)).map_err(io)?;
        let taken = file.by_ref().take(end - from).read_to_end(&mut bytes);
        taken.map_err(io)?;
        let whole = bytes.strip_suffix(b"\n").ok_or_else(wrong)?;
        let begin = whole.iter().rposition(|b| *b == b'\n');
        let line = match begin {
            Some(at) => whole.get(at + 1..),
            None if from == 0 => Some(whole),
            None => {
                window = window.saturating_mul(4);
                continue;
            }
        };
        return line
            .and_then(Record::from_line)
            .map(|(_, hash)| hash)
            .ok_or_else(wrong);
    }
}
