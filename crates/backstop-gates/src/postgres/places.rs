//! Where the rows lie that a statement is about to change, asked of the server just before it, in its transaction.
//!
//! What comes is a hint: which of these rows were changed, and whether others were too, is found out after the
//! statement by looking (`images`). So nothing has to be locked, and a wrong hint costs time only.

use std::collections::HashMap;

use backstop_wire::postgres::frontend::FrontendMessage;
use backstop_wire::postgres::session::{Sent, Show};
use bytes::Bytes;

use super::error::ServerError;
use super::judge::Judged;
use super::question;
use super::relay::{End, Note, Relay};

/// How many places are asked for; where there are more, the whole table is looked through.
const MOST: u64 = 2_001;
/// `query_canceled`.
const CANCELLED: &str = "57014";
/// The gate's own transaction, and a part of it that can only look.
const BEGIN: &str = "begin read write;savepoint backstop_places;set transaction read only";
/// Whatever became of the question, the transaction is as if it had not been asked.
const LEAVE: &str = "rollback to savepoint backstop_places;release savepoint backstop_places";

/// Places (`ctid`) by the OID of their table.
#[derive(Debug, Default)]
pub(crate) struct Places {
    of: HashMap<u32, Vec<String>>,
    /// The question was cancelled: so is the statement for which it was asked.
    pub(crate) cancelled: Option<Bytes>,
}

impl Places {
    /// Those in one table.
    pub(crate) fn of(&self, relation: u32) -> Option<&[String]> {
        self.of.get(&relation).map(Vec::as_slice)
    }

    /// The question failed. Whoever cancelled it meant the statement.
    pub(crate) fn failed(&mut self, body: &[u8]) {
        if ServerError::of(body).code == CANCELLED {
            self.cancelled = Some(Bytes::copy_from_slice(body));
        }
    }

    /// Takes in a row of the answer.
    pub(crate) fn take(&mut self, body: &[u8]) -> Result<(), End> {
        let row = question::row(body)?;
        if let [Some(table), Some(place)] = row.as_slice()
            && let Ok(table) = table.parse()
        {
            self.of.entry(table).or_default().push(place.clone());
        }
        Ok(())
    }
}

impl Relay<'_> {
    /// Begins the gate's own transaction for a simple query, and asks in it where the rows lie that the query is about
    /// to change, if its text shows how. Nothing is waited for.
    pub(super) fn begin_at_places(&mut self, judged: &Judged) -> Result<(), End> {
        let question = judged
            .places(&self.context.catalog, MOST)
            .map(str::to_owned);
        let Some(question) = question else {
            return self.hidden("begin read write", Note::Other);
        };
        self.hidden(BEGIN, Note::Other)?;
        self.hidden(&question, Note::Places)?;
        self.hidden(LEAVE, Note::Other)
    }

    fn hidden(&mut self, sql: &str, note: Note) -> Result<(), End> {
        let sent = Sent::Query { copy_in: false };
        let sent = self.session.send(sent, Show::NOTHING, Some(note));
        self.sent(sent)?;
        self.write(&FrontendMessage::Query(sql))
    }
}
