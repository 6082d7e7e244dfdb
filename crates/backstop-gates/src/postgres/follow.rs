//! What a statement changes in the gate's own view of the session, once it is sent.

use std::sync::Arc;

use backstop_wire::postgres::session::Change;
use backstop_wire::sql::{Discard, StatementKind};

use super::judge::Judged;
use super::relay::{Meaning, Relay};

impl Relay<'_> {
    /// What a statement changes in the gate's own view, once it is sent.
    pub(super) fn note_effects(&mut self, judged: &Arc<Judged>) {
        if judged.traits.quiet {
            if self.in_block {
                self.said.wrote |= judged.writes;
                self.earlier.push(Arc::clone(&judged.text));
            }
            return;
        }
        for statement in &judged.script.statements {
            match &statement.kind {
                StatementKind::Begin(_) => {
                    self.in_block = true;
                    self.earlier.clear();
                    // The ledger stays: a BEGIN in an open transaction begins nothing, and one that is skipped is not
                    // run. Only the server's word that nothing is open ends it.
                    self.begun = false;
                    continue;
                }
                StatementKind::Commit { chain } | StatementKind::Rollback { chain } => {
                    self.in_block = *chain;
                    self.earlier.clear();
                    if std::mem::take(&mut self.begun) {
                        self.segment_writes = false;
                    }
                    if matches!(statement.kind, StatementKind::Commit { .. }) {
                        self.said.committed();
                    } else {
                        self.said.rolled_back();
                    }
                    self.state_unknown |= self.state_moved
                        || matches!(statement.kind, StatementKind::Rollback { .. });
                    self.state_moved = false;
                    continue;
                }
                StatementKind::RollbackTo(_) => self.state_unknown = true,
                StatementKind::Discard(Discard::All) | StatementKind::Deallocate(None) => {
                    self.helpers_ready = false;
                    self.prepared_here.clear();
                    self.state_unknown = true;
                }
                StatementKind::Set(setting)
                    if setting.name.as_deref() == Some("default_transaction_read_only") =>
                {
                    self.wants_read_only = setting.values.as_ref().is_some_and(|v| {
                        v.iter().any(|v| {
                            matches!(v.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1")
                        })
                    });
                }
                StatementKind::SetCharacteristics(modes) => {
                    if let Some(read_only) = modes.read_only {
                        self.wants_read_only = read_only;
                    }
                }
                _ => {}
            }
            self.context.add_created(&statement.creates);
            if statement.forgets {
                self.state_unknown = true;
            }
            if !statement.creates.is_empty() || statement.forgets {
                self.state_moved = true;
            }
        }
        if judged.traits.sets_inside {
            self.state_unknown = true;
            self.state_moved = true;
        }
        let statements = &judged.script.statements;
        self.said.note(&judged.text, statements, self.in_block);
        if self.in_block {
            self.said.wrote |= judged.writes;
            self.earlier.push(Arc::clone(&judged.text));
        }
    }

    /// A transaction ended, however it did.
    pub(crate) fn transaction_over(&mut self) {
        self.earlier.clear();
        self.said.committed();
        if std::mem::take(&mut self.state_moved) {
            self.state_unknown = true;
        }
    }

    /// The names that a statement makes or forgets, for the session's own table of them.
    pub(super) fn changes(&mut self, judged: &Arc<Judged>) -> Vec<(u32, Change<Meaning>)> {
        let mut out = vec![];
        if judged.traits.quiet {
            return out;
        }
        for (n, statement) in judged.script.statements.iter().enumerate() {
            let means = |judged: &Arc<Judged>, types: &[u32]| Meaning {
                judged: Arc::clone(judged),
                generation: self.context.generation(),
                types: Arc::from(types),
                parameters: None,
                hold: None,
                streamed: false,
                hinted: [].into(),
            };
            let change = match &statement.kind {
                StatementKind::Prepare { name, types, .. } => judged
                    .prepares
                    .iter()
                    .find(|(place, _)| *place == n)
                    .map(|(_, inner)| {
                        Change::SetStatement(name.as_str().into(), means(inner, types))
                    }),
                StatementKind::Deallocate(Some(name)) => {
                    Some(Change::DropStatement(name.as_str().into()))
                }
                StatementKind::Deallocate(None) => Some(Change::DropAllStatements),
                StatementKind::Declare { name, hold } => Some(Change::SetPortal {
                    name: name.as_str().into(),
                    means: means(judged, &[]),
                    holdable: *hold,
                }),
                StatementKind::Close(Some(name)) => Some(Change::DropPortal(name.as_str().into())),
                StatementKind::Close(None) => Some(Change::DropAllPortals),
                StatementKind::Discard(Discard::All) => {
                    out.push((
                        u32::try_from(n).unwrap_or(u32::MAX),
                        Change::DropAllStatements,
                    ));
                    Some(Change::DropAllPortals)
                }
                _ => None,
            };
            out.extend(change.map(|c| (u32::try_from(n).unwrap_or(u32::MAX), c)));
        }
        out
    }
}
