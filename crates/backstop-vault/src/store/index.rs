//! Reading the index: line by line, every hash and every link of the chain.

use std::io::{BufRead as _, BufReader};

use backstop_core::digest::Digest;

use super::{
    dir::Dir,
    record::{Head, Record},
};
use crate::error::{Result, VaultError};

/// The index's file name.
pub(crate) const INDEX: &str = "index";

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
