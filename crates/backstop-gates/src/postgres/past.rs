//! What the traffic log says of the time before the gate began: which transactions may have been committed without
//! anybody hearing of it.

use std::collections::HashSet;

use backstop_journal::{Journal, JournalError};
use serde::Deserialize;

/// Entries read at a time, backwards.
const AT_A_TIME: u64 = 4_096;
/// No COMMIT is answered later than this after the images of its transaction, in milliseconds.
const LONGEST_COMMIT_MS: i64 = 3_600_000;

/// A transaction whose images are kept, and whose end nobody heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// The index of its `images` entry.
    pub(crate) images: u64,
    pub(crate) target: String,
    /// Its number at the server.
    pub(crate) xid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
enum Entry {
    Images {
        target: String,
        connection: u64,
        xid: Option<String>,
    },
    Outcome {
        connection: u64,
        result: String,
    },
    Settled {
        images: u64,
    },
    #[serde(other)]
    Else,
}

#[derive(Deserialize)]
struct At {
    at_ms: i64,
}

/// Reads backwards, as far before the newest entry as a COMMIT can last: the work is bounded by the traffic of that
/// time. The oldest doubt first.
pub(super) fn look_back(journal: &Journal) -> Result<Vec<Doubt>, JournalError> {
    let mut doubts = vec![];
    let mut settled = HashSet::new();
    // Connections of which something later was heard: a session settles one transaction after the other.
    let mut heard = HashSet::new();
    let mut newest = None;
    let mut end = journal.size();
    while end > journal.oldest() {
        let from = end.saturating_sub(AT_A_TIME).max(journal.oldest());
        let count = usize::try_from(end - from).unwrap_or(usize::MAX);
        let entries: Vec<(u64, Vec<u8>)> =
            journal.iter(from).take(count).collect::<Result<_, _>>()?;
        let at_of = |entry: Option<&(u64, Vec<u8>)>| entry.and_then(|(_, bytes)| at_ms(bytes));
        let (last, first) = (at_of(entries.last()), at_of(entries.first()));
        for (index, bytes) in entries.into_iter().rev() {
            match serde_json::from_slice::<Entry>(&bytes) {
                Ok(Entry::Images {
                    target,
                    connection,
                    xid,
                }) => {
                    if let Some(xid) = xid
                        && !heard.contains(&connection)
                        && !settled.contains(&index)
                    {
                        doubts.push(Doubt {
                            images: index,
                            target,
                            xid,
                        });
                    }
                    heard.insert(connection);
                }
                Ok(Entry::Outcome { connection, result }) if result != "lost" => {
                    heard.insert(connection);
                }
                Ok(Entry::Settled { images }) => {
                    settled.insert(images);
                }
                _ => {}
            }
        }
        newest = newest.or(last);
        if let (Some(newest), Some(oldest)) = (newest, first)
            && oldest < newest - LONGEST_COMMIT_MS
        {
            break;
        }
        end = from;
    }
    doubts.reverse();
    Ok(doubts)
}

fn at_ms(entry: &[u8]) -> Option<i64> {
    serde_json::from_slice::<At>(entry).ok().map(|e| e.at_ms)
}
