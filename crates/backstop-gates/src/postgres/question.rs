//! The gate's own questions, on its own connection: simple queries with text answers.
//!
//! Names lie, so every question qualifies its names, and the connection's `search_path` is empty.

use backstop_wire::postgres::backend::DataRow;
use backstop_wire::postgres::frontend::FrontendMessage;
use backstop_wire::postgres::tag::backend as tag;
use bytes::BytesMut;

use super::error::{GateError, ServerError};
use super::upstream::ServerConnection;

/// One row: each column as text, `None` for NULL.
pub(crate) type Row = Vec<Option<String>>;

/// Settings for a connection that asks the gate's own questions.
pub(crate) fn settings() -> Vec<(String, String)> {
    [
        ("search_path", ""),
        ("application_name", "backstop"),
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
        ("statement_timeout", "15000"),
        ("lock_timeout", "3000"),
        ("idle_in_transaction_session_timeout", "30000"),
        ("DateStyle", "ISO"),
        ("extra_float_digits", "1"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

impl ServerConnection {
    /// Runs `sql` and gives back all rows of all its statements.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, GateError> {
        self.ask_within(sql, u64::MAX).await
    }

    /// The same, but what goes beyond `most` bytes is read and dropped, and then it is an error; what `sql` did stays.
    pub(crate) async fn ask_within(&mut self, sql: &str, most: u64) -> Result<Vec<Row>, GateError> {
        let mut out = BytesMut::new();
        write_query(sql, &mut out)?;
        self.send(&out).await?;
        self.answers(1, most).await
    }

    /// What comes until the server was ready so many times: all rows, or the first error.
    pub(crate) async fn answers(
        &mut self,
        mut times: usize,
        most: u64,
    ) -> Result<Vec<Row>, GateError> {
        let mut rows = vec![];
        let mut failed = None;
        let mut bytes = 0_u64;
        while times > 0 {
            let (message, body) = self.message().await?;
            match message {
                tag::DATA_ROW => {
                    bytes = bytes.saturating_add(body.len() as u64);
                    if bytes > most {
                        rows.clear();
                    } else {
                        rows.push(row(&body)?);
                    }
                }
                tag::ERROR_RESPONSE if failed.is_none() => failed = Some(ServerError::of(&body)),
                tag::READY_FOR_QUERY => times -= 1,
                _ => {}
            }
        }
        match failed {
            Some(error) => Err(error.into()),
            None if bytes > most => Err(GateError::Oversized(most)),
            None => Ok(rows),
        }
    }

    /// Runs `sql` for what it does.
    pub(crate) async fn tell(&mut self, sql: &str) -> Result<(), GateError> {
        self.ask(sql).await.map(drop)
    }
}

/// Writes a simple query of the gate's.
pub(crate) fn write_query(sql: &str, out: &mut BytesMut) -> Result<(), GateError> {
    FrontendMessage::Query(sql)
        .write(out)
        .map_err(|_| GateError::Config("a question of the gate's has a NUL in it".into()))
}

/// A row's values as text.
pub(crate) fn row(body: &[u8]) -> Result<Row, GateError> {
    let row = DataRow::parse(body).map_err(|e| GateError::Protocol(e.to_string()))?;
    Ok(row
        .values()
        .map(|v| v.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
        .collect())
}

/// A string as a literal, whatever it holds.
pub(crate) fn literal(text: &str) -> String {
    // Doubled quotes are enough with standard_conforming_strings on, which the connection pins.
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as an identifier, whatever it holds.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
