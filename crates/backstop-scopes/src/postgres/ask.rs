//! Questions to the catalogue in one transaction that can write nothing and wait for nothing long.
//!
//! Simple queries, so that a transaction pooler between is no obstacle, and answers as text.

use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::error::{Error, said};

/// `pg_temp` last: else a temporary object of the session would come before the catalogue's own.
const BEGIN: &str = "begin isolation level repeatable read read only; \
     set local search_path = pg_catalog, pg_temp; set local statement_timeout = '20s'; set local lock_timeout = '1s'; \
     set local quote_all_identifiers = off; set local enable_nestloop = on; set local jit = off";

/// One read-only transaction.
pub(crate) struct Asking<'a> {
    client: &'a Client,
}

impl<'a> Asking<'a> {
    pub(crate) async fn begin(client: &'a Client) -> Result<Self, Error> {
        tell(client, BEGIN).await?;
        Ok(Self { client })
    }

    /// The rows that `sql` answers.
    pub(crate) async fn rows(&self, about: &'static str, sql: &str) -> Result<Vec<Answer>, Error> {
        let answers = self
            .client
            .simple_query(sql)
            .await
            .map_err(|e| Error::Ask {
                about,
                why: said(&e),
            })?;
        let rows = answers.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(Answer { about, row }),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The rows that `sql` answers; none where the server refuses it. The transaction goes on either way.
    pub(crate) async fn try_rows(
        &self,
        about: &'static str,
        sql: &str,
    ) -> Result<Option<Vec<Answer>>, Error> {
        tell(self.client, "savepoint attempt").await?;
        match self.rows(about, sql).await {
            Ok(rows) => Ok(Some(rows)),
            Err(_) => {
                tell(self.client, "rollback to savepoint attempt").await?;
                Ok(None)
            }
        }
    }

    /// Ends the transaction; nothing was written in it.
    pub(crate) async fn end(self) -> Result<(), Error> {
        tell(self.client, "rollback").await
    }
}

async fn tell(client: &Client, sql: &str) -> Result<(), Error> {
    client.batch_execute(sql).await.map_err(|e| Error::Ask {
        about: "anything in a read-only transaction",
        why: said(&e),
    })
}

/// One row of an answer.
pub(crate) struct Answer {
    about: &'static str,
    row: SimpleQueryRow,
}

impl Answer {
    /// A text that may be absent.
    pub(crate) fn maybe(&self, n: usize) -> Option<&str> {
        self.row.try_get(n).ok().flatten()
    }

    /// A text.
    pub(crate) fn text(&self, n: usize) -> Result<String, Error> {
        self.maybe(n)
            .map(str::to_owned)
            .ok_or(Error::Answer(self.about))
    }

    /// A boolean.
    pub(crate) fn flag(&self, n: usize) -> bool {
        self.maybe(n) == Some("t")
    }

    /// A number, an oid or a single letter.
    pub(crate) fn value<T: std::str::FromStr>(&self, n: usize) -> Result<T, Error> {
        self.maybe(n)
            .and_then(|text| text.parse().ok())
            .ok_or(Error::Answer(self.about))
    }

    /// Values that are separated by spaces.
    pub(crate) fn values<T: std::str::FromStr>(&self, n: usize) -> Vec<T> {
        let text = self.maybe(n).unwrap_or_default();
        text.split_ascii_whitespace()
            .filter_map(|part| part.parse().ok())
            .collect()
    }
}
