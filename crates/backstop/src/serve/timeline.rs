//! Both logs as the console's timeline: newest first, filtered, a page at a time.

use std::sync::Arc;

use backstop_console::{Timeline, TimelineFuture, TimelinePage, TimelineQuery, TimelineRow};
use backstop_journal::Journal;
use backstop_store::Store;

use crate::entries::Row;

/// Entries that one question may look through: a filter that fits nothing must not read years of traffic.
const LOOK_THROUGH: u64 = 50_000;
/// Entries read at a time.
const CHUNK: u64 = 256;

/// The two logs.
pub(super) struct Logs {
    pub(super) control: Arc<Journal>,
    pub(super) traffic: Arc<Journal>,
    /// Who is behind the names that entries know people by.
    pub(super) store: Store,
}

impl Timeline for Logs {
    fn page<'a>(&'a self, query: &'a TimelineQuery) -> TimelineFuture<'a> {
        let (control, traffic, query) = (
            Arc::clone(&self.control),
            Arc::clone(&self.traffic),
            query.clone(),
        );
        let store = self.store.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || page(&store, &control, &traffic, &query))
                .await
                .map_err(|_| "the journal could not be read".to_owned())?
        })
    }
}

/// Where both logs are being read, from their ends backwards.
struct Cursor {
    control: u64,
    traffic: u64,
}

impl Cursor {
    fn of(query: &TimelineQuery, control: &Journal, traffic: &Journal) -> Result<Self, String> {
        let Some(text) = &query.cursor else {
            return Ok(Self {
                control: control.size(),
                traffic: traffic.size(),
            });
        };
        let parts = text
            .split_once('.')
            .and_then(|(c, t)| Some((c.parse().ok()?, t.parse().ok()?)));
        let (c, t): (u64, u64) = parts.ok_or("this page of the journal does not exist")?;
        Ok(Self {
            control: c.min(control.size()),
            traffic: t.min(traffic.size()),
        })
    }
}

fn page(
    store: &Store,
    control: &Journal,
    traffic: &Journal,
    query: &TimelineQuery,
) -> Result<TimelinePage, String> {
    let mut at = Cursor::of(query, control, traffic)?;
    let mut controls = Backwards::new(control, "control", at.control);
    let mut traffics = Backwards::new(traffic, "traffic", at.traffic);
    let mut rows = vec![];
    let mut looked = 0;
    while rows.len() < query.limit.max(1) && looked < LOOK_THROUGH {
        let newer = match (controls.peek()?, traffics.peek()?) {
            (None, None) => break,
            (Some(c), Some(t)) if c.at_ms >= t.at_ms => &mut controls,
            (Some(_), None) => &mut controls,
            _ => &mut traffics,
        };
        if let Some(mut row) = newer.take() {
            looked += 1;
            row.name_people(&store.state());
            rows.extend(Some(row).filter(|r| fits(r, query)).map(shown));
        }
    }
    (at.control, at.traffic) = (controls.end(), traffics.end());
    let older = (at.control + at.traffic > 0).then(|| format!("{}.{}", at.control, at.traffic));
    Ok(TimelinePage { rows, older })
}

/// A log from some entry backwards.
struct Backwards<'a> {
    journal: &'a Journal,
    log: &'static str,
    /// Entries before this are still to be read from disk.
    unread: u64,
    /// Read and not yet taken, oldest first.
    ready: Vec<Row>,
}

impl<'a> Backwards<'a> {
    fn new(journal: &'a Journal, log: &'static str, end: u64) -> Self {
        Self {
            journal,
            log,
            unread: end,
            ready: vec![],
        }
    }

    fn peek(&mut self) -> Result<Option<&Row>, String> {
        let oldest = self.journal.oldest();
        if self.ready.is_empty() && self.unread <= oldest {
            // What retention has removed is the end of the timeline.
            self.unread = 0;
        }
        if self.ready.is_empty() && self.unread > 0 {
            let from = self.unread.saturating_sub(CHUNK).max(oldest);
            let count = usize::try_from(self.unread - from).unwrap_or(0);
            for entry in self.journal.iter(from).take(count) {
                match entry {
                    Ok((index, bytes)) => self.ready.push(Row::of(self.log, index, &bytes)),
                    // It was removed at this very moment.
                    Err(backstop_journal::JournalError::Pruned { .. }) => break,
                    Err(error) => return Err(error.to_string()),
                }
            }
            self.unread = if self.ready.is_empty() { 0 } else { from };
        }
        Ok(self.ready.last())
    }

    fn take(&mut self) -> Option<Row> {
        self.ready.pop()
    }

    /// Where the next page begins.
    fn end(&self) -> u64 {
        self.unread + u64::try_from(self.ready.len()).unwrap_or(0)
    }
}

fn fits(row: &Row, query: &TimelineQuery) -> bool {
    let same = |wanted: &Option<String>, have: Option<&String>| {
        wanted.as_ref().is_none_or(|w| Some(w) == have)
    };
    let words = query
        .text
        .as_ref()
        .is_none_or(|w| row.summary.to_lowercase().contains(&w.to_lowercase()));
    same(&query.kind, Some(&row.kind))
        && same(&query.lease, row.lease.as_ref())
        && same(&query.target, row.target.as_ref())
        && query.from_ms.is_none_or(|ms| row.at_ms >= ms)
        && query.until_ms.is_none_or(|ms| row.at_ms < ms)
        && words
}

fn shown(row: Row) -> TimelineRow {
    TimelineRow {
        log: if row.log == "control" {
            "control"
        } else {
            "traffic"
        },
        index: row.index,
        at_ms: row.at_ms,
        kind: row.kind,
        summary: row.summary,
        lease: row.lease,
        target: row.target,
        hold: row.hold,
    }
}
