//! The journal as a timeline, newest first, with filters that make an address one can send to a colleague.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::refusal::Refusal;
use crate::show::{self, Piece};
use crate::state::Console;
use crate::timeline;
use crate::view::{Frame, render};
use crate::visitor::SignedIn;
use crate::words::{self, Moment};

/// Entries on a page.
const LIMIT: usize = 100;

/// The words of entries, in the order of the menu.
const KINDS: [&str; 24] = [
    "intent",
    "outcome",
    "held",
    "decided",
    "consumed",
    "withdrawn",
    "expired",
    "lease-granted",
    "lease-narrowed",
    "lease-ended",
    "halted",
    "resumed",
    "frozen",
    "unfrozen",
    "mismatch",
    "enrolled",
    "passkey-added",
    "recovery-set",
    "recovery-used",
    "installed",
    "started",
    "reloaded",
    "stopped",
    "pruned",
];

/// The filters as the form sends them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    kind: String,
    lease: String,
    target: String,
    from: String,
    until: String,
    text: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "journal.html")]
struct Page {
    frame: Frame,
    filters: Filters,
    kinds: &'static [&'static str],
    rows: Vec<Row>,
    older: Option<String>,
    trouble: Option<String>,
}

struct Row {
    log: &'static str,
    index: u64,
    at: Moment,
    kind: String,
    class: &'static str,
    summary: Vec<Piece>,
    lease: Option<String>,
    hold: Option<String>,
    target: Option<String>,
}

pub(crate) async fn show(
    State(console): State<Console>,
    who: SignedIn,
    Query(filters): Query<Filters>,
) -> Result<Response, Refusal> {
    let query = filters.query();
    let found = console.inner.timeline.page(&query).await;
    let now_ms = console.store().now_ms();
    let (page, trouble) = match found {
        Ok(page) => (page, None),
        Err(why) => (timeline::Page::default(), Some(why)),
    };
    render(&Page {
        frame: Frame::of(&console, &who, "journal", "Journal"),
        older: page.older.map(|cursor| filters.address(&cursor)),
        rows: page
            .rows
            .into_iter()
            .map(|row| shown(row, now_ms))
            .collect(),
        kinds: &KINDS,
        filters,
        trouble,
    })
}

impl Filters {
    /// Whether one of the filters that are folded away is set.
    fn narrow(&self) -> bool {
        [&self.lease, &self.target, &self.from, &self.until]
            .iter()
            .any(|text| !text.is_empty())
    }

    fn query(&self) -> timeline::Query {
        let set =
            |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty() && t.len() <= 200);
        timeline::Query {
            kind: set(&self.kind),
            lease: set(&self.lease),
            target: set(&self.target),
            from_ms: words::parse_minute(&self.from),
            until_ms: words::parse_minute(&self.until),
            text: set(&self.text),
            cursor: set(&self.cursor),
            limit: LIMIT,
        }
    }

    /// The address of the page that follows.
    fn address(&self, cursor: &str) -> String {
        let mut out = String::from("/journal?");
        for (name, value) in [
            ("kind", self.kind.as_str()),
            ("lease", &self.lease),
            ("target", &self.target),
            ("from", &self.from),
            ("until", &self.until),
            ("text", &self.text),
            ("cursor", cursor),
        ] {
            if !value.is_empty() {
                out.push_str(name);
                out.push('=');
                out.push_str(&escaped(value));
                out.push('&');
            }
        }
        out.trim_end_matches('&').to_owned()
    }
}

/// Everything but the plainest letters as `%XX`.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn shown(row: timeline::Row, now_ms: i64) -> Row {
    let class = match row.kind.as_str() {
        "halted" | "frozen" | "mismatch" => "red",
        "held" | "expired" => "amber",
        "decided" | "consumed" | "resumed" | "unfrozen" => "blue",
        _ => "",
    };
    Row {
        log: row.log,
        index: row.index,
        at: words::moment(row.at_ms, now_ms),
        class,
        kind: row.kind,
        // About an action, it is made of names; otherwise it may be a person's.
        summary: if row.hold.is_some() || row.log == "traffic" {
            show::names(&row.summary)
        } else {
            show::plain(&row.summary)
        },
        lease: row.lease,
        hold: row.hold,
        target: row.target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_a_query_and_an_address() {
        let filters = Filters {
            kind: "held".into(),
            text: "a b&c=ü".into(),
            from: "2023-11-14T22:13".into(),
            ..Filters::default()
        };
        let query = filters.query();
        assert_eq!(
            (query.kind.as_deref(), query.lease, query.from_ms),
            (Some("held"), None, Some(1_699_999_980_000))
        );
        assert_eq!(
            filters.address("c1"),
            "/journal?kind=held&from=2023-11-14T22%3A13&text=a%20b%26c%3D%C3%BC&cursor=c1"
        );
    }
}
