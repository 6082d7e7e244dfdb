//! The seam to the journal: how the console asks for entries to show. Implemented by the binary.

use std::future::Future;
use std::pin::Pin;

/// Which entries are wanted; every filter that is set must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The entry's word: `held`, `decided`, `intent`, …
    pub kind: Option<String>,
    /// A lease's id.
    pub lease: Option<String>,
    /// A target's name.
    pub target: Option<String>,
    /// Not before: Unix time in milliseconds.
    pub from_ms: Option<i64>,
    /// Before: Unix time in milliseconds.
    pub until_ms: Option<i64>,
    /// Words that the summary must contain, ignoring case.
    pub text: Option<String>,
    /// Where the page before ended: [`Page::older`], handed back.
    pub cursor: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// One entry, as a person reads it. Holds no statement text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `control` or `traffic`.
    pub log: &'static str,
    /// Its index in that log.
    pub index: u64,
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The entry's word.
    pub kind: String,
    /// One sentence.
    pub summary: String,
    /// The lease it is about.
    pub lease: Option<String>,
    /// The target it is about.
    pub target: Option<String>,
    /// The hold it is about.
    pub hold: Option<String>,
}

/// Entries, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub rows: Vec<Row>,
    /// What to ask with for the entries before these, if there are any.
    pub older: Option<String>,
}

/// What a query resolves to; the error is one sentence for a person.
pub type TimelineFuture<'a> = Pin<Box<dyn Future<Output = Result<Page, String>> + Send + 'a>>;

/// A journal that can be read backwards.
pub trait Timeline: Send + Sync {
    /// The newest entries that match.
    fn page<'a>(&'a self, query: &'a Query) -> TimelineFuture<'a>;
}

/// A console without a journal at hand: the page says so.
pub struct NoTimeline;

impl Timeline for NoTimeline {
    fn page<'a>(&'a self, _query: &'a Query) -> TimelineFuture<'a> {
        Box::pin(async {
            Err("this console has no journal to show; hint: use `backstop journal`".to_owned())
        })
    }
}
