//! What a text or a name means in this session: judged now, remembered, or judged again in a new context.

use std::sync::Arc;

use backstop_wire::postgres::backend::TransactionStatus;
use backstop_wire::postgres::session::Meaning as Known;
use backstop_wire::sql::{SqlError, StatementKind};

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
        self.context.follow(&self.target);
        let first = self.judge_now(sql, types);
        let Ok(judged) = &first else { return Ok(first) };
        if self.state_unknown
            && needs_names(judged)
            && self.session.status() != TransactionStatus::Failed
        {
            self.learn_state().await?;
            return self.judged_again(sql, types).await;
        }
        if unresolved(judged) {
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
        let judged = self.judge_now(sql, types);
        let Ok(found) = &judged else {
            return Ok(judged);
        };
        if unresolved(found) && self.target.catalogue.refresh().await? {
            self.context.follow(&self.target);
            return Ok(self.judge_now(sql, types));
        }
        Ok(judged)
    }

    pub(super) fn judge_now(&mut self, sql: &str, types: &[u32]) -> Result<Arc<Judged>, SqlError> {
        let policy = self.shared.policy();
        let bench = Bench {
            lease: &self.lease,
            target: &self.target,
            policy: &policy,
            copy_rows: self.shared.config.limits.copy_rows,
        };
        let texts = self.prepared_texts(sql);
        self.memory
            .judge(sql, types, &self.context, bench, &|name| {
                texts
                    .iter()
                    .find(|(n, _)| n == name)
                    .map(|(_, text)| text.clone())
            })
    }

    /// The texts behind prepared names, where a statement may EXECUTE one.
    pub(super) fn prepared_texts(&self, sql: &str) -> Vec<(String, String)> {
        if !sql
            .as_bytes()
            .windows(7)
            .any(|w| w.eq_ignore_ascii_case(b"execute"))
        {
            return vec![];
        }
        self.prepared
            .iter()
            .filter(|name| matches!(self.session.statement(name), Known::Known(_)))
            .filter_map(|name| match self.session.statement(name) {
                Known::Known(meaning) => Some((name.clone(), inner_text(&meaning.judged))),
                Known::Unknown | Known::Unsettled => None,
            })
            .collect()
    }

    /// What a statement's name means: nothing when it must be waited for; an error when it was refused.
    #[allow(clippy::type_complexity)] // the two ways not to have it are different
    pub(super) fn statement_meaning(
        &mut self,
        name: &str,
        message: u8,
        _tag: u8,
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
        self.context.follow(&self.target);
        if self.state_unknown
            && needs_names(&meaning.judged)
            && self.session.status() != TransactionStatus::Failed
        {
            self.learn_state().await?;
        }
        if meaning.generation == self.context.generation() {
            return Ok(meaning);
        }
        let policy = self.shared.policy();
        let bench = Bench {
            lease: &self.lease,
            target: &self.target,
            policy: &policy,
            copy_rows: self.shared.config.limits.copy_rows,
        };
        let texts = self.prepared_texts(&meaning.judged.text);
        let again = judge(
            &meaning.judged.text,
            &meaning.types,
            &self.context,
            bench,
            &|name| {
                texts
                    .iter()
                    .find(|(n, _)| n == name)
                    .map(|(_, text)| text.clone())
            },
        );
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

    pub(super) fn inner_meaning(
        &self,
        judged: &Judged,
        statement: &backstop_wire::sql::Statement,
    ) -> Option<Meaning> {
        let StatementKind::Prepare { inner, .. } = &statement.kind else {
            return None;
        };
        let text = judged.text.get(inner.clone())?;
        let policy = self.shared.policy();
        let bench = Bench {
            lease: &self.lease,
            target: &self.target,
            policy: &policy,
            copy_rows: self.shared.config.limits.copy_rows,
        };
        let judged = judge(text, &[], &self.context, bench, &|_| None).ok()?;
        Some(Meaning {
            judged: Arc::new(judged),
            generation: self.context.generation(),
            types: Arc::from([]),
            parameters: None,
            hold: None,
        })
    }
}

/// Whether its meaning depends on names that the session's state resolves.
pub(super) fn needs_names(judged: &Judged) -> bool {
    judged.script.statements.iter().any(|s| {
        !matches!(
            s.kind,
            StatementKind::Begin(_)
                | StatementKind::Commit { .. }
                | StatementKind::Rollback { .. }
                | StatementKind::Savepoint(_)
                | StatementKind::Release(_)
                | StatementKind::RollbackTo(_)
                | StatementKind::SetTransaction(_)
                | StatementKind::SetCharacteristics(_)
                | StatementKind::Set(_)
                | StatementKind::Show(_)
                | StatementKind::Deallocate(_)
                | StatementKind::Discard(_)
                | StatementKind::Close(_)
                | StatementKind::Listen(_)
                | StatementKind::Unlisten(_)
        )
    })
}

pub(super) fn unresolved(judged: &Judged) -> bool {
    judged
        .script
        .statements
        .iter()
        .any(|s| !s.unresolved.is_empty())
}

pub(super) fn inner_text(judged: &Judged) -> String {
    judged.text.to_string()
}
