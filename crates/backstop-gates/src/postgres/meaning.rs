//! What a text or a name means in this session: judged now, remembered, or judged again in a new context.

use std::collections::HashMap;
use std::sync::Arc;

use backstop_wire::postgres::backend::TransactionStatus;
use backstop_wire::postgres::session::Meaning as Known;
use backstop_wire::sql::{self, SqlError, StatementKind};

use super::error::{GateError, report};
use super::judge::{Bench, Judged, judge};
use super::relay::{End, Meaning, Note, Relay};

impl Relay<'_> {
    /// The judgement of a text in the current context.
    pub(crate) async fn judged(
        &mut self,
        sql: &str,
        types: &[u32],
    ) -> Result<Result<Arc<Judged>, SqlError>, End> {
        self.context.follow(self.shared, &self.target);
        let first = self.judge_now(sql, types).await;
        let Ok(judged) = &first else { return Ok(first) };
        if self.state_unknown
            && judged.traits.needs_names
            && self.session.status() != TransactionStatus::Failed
        {
            self.learn_state().await?;
            return self.judged_again(sql, types).await;
        }
        if judged.traits.unresolved {
            return self.judged_again(sql, types).await;
        }
        Ok(first)
    }

    /// Something was not known: the catalogue may have changed since it was read.
    pub(super) async fn judged_again(
        &mut self,
        sql: &str,
        types: &[u32],
    ) -> Result<Result<Arc<Judged>, SqlError>, End> {
        let judged = self.judge_now(sql, types).await;
        let Ok(found) = &judged else {
            return Ok(judged);
        };
        if found.traits.unresolved && self.target.catalogue.refresh().await? {
            self.context.follow(self.shared, &self.target);
            return Ok(self.judge_now(sql, types).await);
        }
        Ok(judged)
    }

    async fn judge_now(&mut self, sql: &str, types: &[u32]) -> Result<Arc<Judged>, SqlError> {
        if let Some(known) = self.memory.known(sql, types, &self.context) {
            return Ok(known);
        }
        let judged = Arc::new(self.judge_afresh(sql, types).await?);
        self.memory.remember(&judged, types);
        Ok(judged)
    }

    async fn judge_afresh(&self, sql: &str, types: &[u32]) -> Result<Judged, SqlError> {
        if sql::is_costly(sql) {
            return self.judge_apart(sql, types).await;
        }
        let bench = Bench {
            lease: &self.lease,
            target: &self.target,
            copy_rows: self.shared.config.limits.copy_rows,
        };
        judge(
            sql,
            types,
            &self.context,
            bench,
            &|name| match self.session.statement(name) {
                Known::Known(meaning) => Some(inner_text(meaning)),
                Known::Unknown | Known::Unsettled => None,
            },
        )
    }

    /// On a thread of its own and a few at a time, so that a text that is made to be costly delays nobody else
    /// (invariant 11).
    async fn judge_apart(&self, sql: &str, types: &[u32]) -> Result<Judged, SqlError> {
        let failed = || SqlError::Internal("the reader failed");
        let _turn = self.shared.costly.acquire().await.map_err(|_| failed())?;
        let (sql, types) = (sql.to_owned(), types.to_owned());
        let (context, lease) = (self.context.clone(), self.lease.clone());
        let target = Arc::clone(&self.target);
        let copy_rows = self.shared.config.limits.copy_rows;
        let prepared: HashMap<String, Meaning> = self
            .session
            .statements()
            .map(|(name, meaning)| (name.to_owned(), meaning.clone()))
            .collect();
        tokio::task::spawn_blocking(move || {
            let bench = Bench {
                lease: &lease,
                target: &target,
                copy_rows,
            };
            judge(&sql, &types, &context, bench, &|name| {
                prepared.get(name).map(inner_text)
            })
        })
        .await
        .map_err(|_| failed())?
    }

    /// What a statement's name means: nothing when it must be waited for; an error when it was refused.
    #[allow(clippy::type_complexity)] // the two ways not to have it are different
    pub(super) fn statement_meaning(
        &mut self,
        name: &str,
        message: u8,
    ) -> Result<Option<Result<Meaning, ()>>, End> {
        match self.session.statement(name) {
            Known::Known(meaning) => Ok(Some(Ok(meaning.clone()))),
            Known::Unsettled => {
                self.session.settle();
                Ok(None)
            }
            Known::Unknown => {
                let what = if name.is_empty() {
                    "unnamed prepared statement does not exist".to_owned()
                } else {
                    format!("prepared statement \"{name}\" does not exist")
                };
                self.refuse(message, report("26000", what), Note::Other)?;
                Ok(Some(Err(())))
            }
        }
    }

    /// A statement prepared in another context is judged in this one before it is bound.
    pub(super) async fn rejudged(&mut self, meaning: Meaning) -> Result<Meaning, End> {
        self.context.follow(self.shared, &self.target);
        if self.state_unknown
            && meaning.judged.traits.needs_names
            && self.session.status() != TransactionStatus::Failed
        {
            self.learn_state().await?;
        }
        let same_context = meaning.generation == self.context.generation();
        if same_context && !meaning.judged.traits.executes {
            return Ok(meaning);
        }
        let again = self
            .judge_afresh(&meaning.judged.text, &meaning.types)
            .await;
        match again {
            Ok(judged) => Ok(Meaning {
                judged: Arc::new(judged),
                generation: self.context.generation(),
                ..meaning
            }),
            Err(error) => Err(End::Failed(GateError::Protocol(format!(
                "a statement cannot be judged again: {error}"
            )))),
        }
    }
}

/// The text that EXECUTE of it runs: with the declared types by which a key may be met more than once.
fn inner_text(meaning: &Meaning) -> String {
    let name = |oid: &u32| match oid {
        700 => "float4",
        1042 => "bpchar",
        701 | 16_384.. => "float8",
        _ => "unknown",
    };
    let names: Vec<&str> = meaning.types.iter().map(name).collect();
    let query = meaning.judged.any(|k| matches!(k, StatementKind::Query));
    if query && names.iter().any(|name| *name != "unknown") {
        return format!("prepare s({}) as {}", names.join(", "), meaning.judged.text);
    }
    meaning.judged.text.to_string()
}
