//! Telling the client no, in a way that leaves client, gate and server agreed on where they are.

use backstop_wire::postgres::backend::Report;
use backstop_wire::postgres::session::SendError;
use backstop_wire::sql::SqlError;

use super::error::report;
use super::relay::{End, Note, Relay};

/// Names that the gate keeps for its own statements and portals.
pub(crate) const RESERVED: &str = "backstop_";

impl Relay<'_> {
    pub(crate) fn refused_name(&self, sent: &Result<(), SendError>) -> Option<Report> {
        match sent {
            Err(SendError::ReservedName) => Some(reserved_name()),
            Err(SendError::TooManyNames) => Some(
                report(
                    "53400",
                    "too many prepared statements or portals are open in this session",
                )
                .hint("close those that are not needed"),
            ),
            _ => None,
        }
    }

    pub(crate) fn refuse(&mut self, message: u8, report: Report, note: Note) -> Result<(), End> {
        let sent = self.session.refuse(message, report, Some(note));
        self.sent(sent)?;
        self.take_outputs();
        Ok(())
    }

    pub(super) fn refuse_unreadable(
        &mut self,
        message: u8,
        sql: &str,
        error: &SqlError,
    ) -> Result<(), End> {
        let text = error.to_string();
        let (what, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
        let code = match error {
            SqlError::Syntax { .. } => "42601",
            SqlError::TooLong { .. } | SqlError::TooDeep => "54001",
            SqlError::ZeroByte => "22021",
            SqlError::Internal(_) => "58000",
        };
        let mut report = report(code, what);
        if let SqlError::Syntax { message } = error {
            // In the server's own words, with nothing added: a client shows the place, as it would there.
            if let Some(position) = syntax_position(message, sql) {
                report = report.position(position);
            }
        } else if !hint.is_empty() {
            report = report.hint(hint);
        }
        self.refuse(message, report, Note::Other)
    }
}

/// Where a syntax error is, in characters from 1: where the token that it names stands, if it stands once.
pub(super) fn syntax_position(message: &str, sql: &str) -> Option<u32> {
    let characters = |bytes: usize| {
        let before = sql.get(..bytes)?.chars().count();
        u32::try_from(before).ok()?.checked_add(1)
    };
    if message.ends_with("at end of input") {
        return characters(sql.len());
    }
    let (_, token) = message.split_once("at or near \"")?;
    let token = token.strip_suffix('"').filter(|t| !t.is_empty())?;
    let mut places = sql.match_indices(token);
    let (first, _) = places.next()?;
    if places.next().is_some() {
        None
    } else {
        characters(first)
    }
}

pub(crate) fn reserved(name: &str) -> bool {
    name.starts_with(RESERVED)
}

/// Why a statement or portal cannot have this name. The server compares 63 bytes of a name and no more: two longer
/// ones would be one there and two here.
pub(super) fn unusable(name: &str) -> Option<Report> {
    const LONGEST: usize = 63;
    if reserved(name) {
        return Some(reserved_name());
    }
    (name.len() > LONGEST).then(|| {
        report(
            "42622",
            "names of statements and portals have at most 63 bytes",
        )
        .hint("choose a shorter name")
    })
}

pub(super) fn reserved_name() -> Report {
    report(
        "42939",
        "names that begin with `backstop_` are the gate's own",
    )
    .hint("choose another name")
}
