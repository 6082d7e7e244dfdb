//! BEGIN to ROLLBACK PREPARED: what a transaction statement is to the gate's view of the session.

use backstop_core::effect::{EffectKind, Verb};
use pg_query::protobuf::{Node, TransactionStmt, TransactionStmtKind};

use super::super::names;
use super::super::script::{Isolation, StatementKind, TransactionModes};
use super::Judge;

impl Judge<'_> {
    pub(super) fn transaction(&mut self, s: &TransactionStmt) {
        let name = || s.savepoint_name.clone();
        let gid = || s.gid.clone();
        self.kind = match TransactionStmtKind::try_from(s.kind) {
            Ok(TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart) => {
                StatementKind::Begin(modes(&s.options))
            }
            Ok(TransactionStmtKind::TransStmtCommit) => StatementKind::Commit { chain: s.chain },
            Ok(TransactionStmtKind::TransStmtRollback) => {
                self.forgets = true;
                StatementKind::Rollback { chain: s.chain }
            }
            Ok(TransactionStmtKind::TransStmtSavepoint) => StatementKind::Savepoint(name()),
            Ok(TransactionStmtKind::TransStmtRelease) => StatementKind::Release(name()),
            Ok(TransactionStmtKind::TransStmtRollbackTo) => {
                self.forgets = true;
                StatementKind::RollbackTo(name())
            }
            Ok(TransactionStmtKind::TransStmtPrepare) => {
                self.effect(
                    EffectKind::Admin,
                    Verb::Other,
                    gid(),
                    "leaves a prepared transaction and its locks behind",
                );
                StatementKind::PrepareTransaction(gid())
            }
            Ok(TransactionStmtKind::TransStmtCommitPrepared) => {
                self.outside_transaction();
                self.walk
                    .found
                    .incomplete("commits a transaction that was prepared elsewhere");
                self.effect(
                    EffectKind::Admin,
                    Verb::Other,
                    gid(),
                    "commits a prepared transaction",
                );
                StatementKind::CommitPrepared(gid())
            }
            Ok(TransactionStmtKind::TransStmtRollbackPrepared) => {
                self.outside_transaction();
                self.effect(
                    EffectKind::Admin,
                    Verb::Other,
                    gid(),
                    "throws away a prepared transaction",
                );
                StatementKind::RollbackPrepared(gid())
            }
            Ok(TransactionStmtKind::Undefined) | Err(_) => {
                self.walk
                    .found
                    .incomplete("is a transaction statement of a kind that is not known");
                StatementKind::Utility
            }
        };
    }
}

/// The modes in a list of options.
pub(super) fn modes(options: &[Node]) -> TransactionModes {
    let mut modes = TransactionModes::default();
    for option in names::options(options) {
        let value = option
            .arg
            .as_deref()
            .and_then(names::setting_value)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let on = matches!(value.as_str(), "on" | "true" | "1");
        match option.defname.as_str() {
            "transaction_read_only" => modes.read_only = Some(on),
            "transaction_deferrable" => modes.deferrable = Some(on),
            "transaction_isolation" => {
                modes.isolation = match value.as_str() {
                    "read uncommitted" => Some(Isolation::ReadUncommitted),
                    "read committed" => Some(Isolation::ReadCommitted),
                    "repeatable read" => Some(Isolation::RepeatableRead),
                    _ => Some(Isolation::Serializable),
                };
            }
            _ => {}
        }
    }
    modes
}
