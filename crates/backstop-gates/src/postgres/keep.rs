//! Copying what a transaction changed to the vault, before it is committed (invariant 3).

use std::collections::HashMap;
use std::sync::Arc;

use backstop_core::digest::Digest;
use backstop_core::entry::{Images, RowsOf};
use backstop_vault::client::{Client, Upload};
use backstop_vault::{Class, Label, Stored, VaultError};
use backstop_wire::sql;
use bytes::Bytes;

use super::error::GateError;
use super::images::{self, About, Budget, CaptureError, Captured, Hint, Writer, Wrote};
use super::ledger::Ledger;
use super::measure::{Measurement, Touched};
use super::pour::Sink;
use super::question::Row;
use super::relay::{End, Relay};

/// Up to so many bytes go to the vault in one message; more are sent as they come.
const SMALL: usize = 512 * 1024;

/// On its way to the vault: one message if it stays small, a stream if it does not.
pub(crate) struct ToVault {
    vault: Client,
    label: Label,
    waiting: Vec<u8>,
    upload: Option<Upload>,
}

impl ToVault {
    pub(crate) fn new(vault: Client, label: Label) -> Self {
        Self {
            vault,
            label,
            waiting: vec![],
            upload: None,
        }
    }

    /// Resolves when the vault's disk has all of it.
    pub(crate) async fn finish(self) -> Result<Stored, VaultError> {
        match self.upload {
            None => self.vault.put(&self.label, Bytes::from(self.waiting)).await,
            Some(mut upload) => {
                upload.write(Bytes::from(self.waiting)).await?;
                upload.finish().await
            }
        }
    }

    async fn send(&mut self) -> Result<(), VaultError> {
        let piece = Bytes::from(std::mem::take(&mut self.waiting));
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => none.insert(self.vault.put_stream(&self.label).await?),
        };
        upload.write(piece).await
    }
}

impl Sink for ToVault {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), GateError> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() > SMALL {
            self.send().await.map_err(GateError::Vault)?;
        }
        Ok(())
    }
}

/// What was kept of a transaction.
pub(crate) struct Kept {
    pub(crate) stored: Stored,
    pub(crate) captured: Captured,
}

/// Which relations' rows must be kept, and where they may have lain.
pub(crate) fn wrote(touched: &[Touched], hints: &HashMap<u32, Vec<Arc<Hint>>>) -> Vec<Wrote> {
    touched
        .iter()
        .filter(|t| t.kind == 'r' && t.persistence != 't')
        .filter(|t| (t.inserted, t.updated, t.deleted) != (0, 0, 0))
        .map(|t| Wrote {
            relation: t.oid,
            inserted: t.inserted,
            updated: t.updated,
            deleted: t.deleted,
            hints: hints.get(&t.oid).cloned().unwrap_or_default(),
        })
        .collect()
}

/// Copies the images of an open transaction to the vault. `Err` says why they are not there, in a sentence for people.
pub(crate) async fn images(
    observer: &mut super::upstream::ServerConnection,
    writer: &mut impl Writer,
    about: &About,
    wrote: &[Wrote],
    budget: &Budget,
    mut to: ToVault,
) -> Result<Kept, String> {
    let captured = images::capture(observer, writer, about, wrote, budget, &mut to)
        .await
        .map_err(|error| told(&error))?;
    let stored = to.finish().await.map_err(|error| {
        tracing::error!(%error, "the vault did not keep the rows of a transaction");
        "the vault does not take them now".to_owned()
    })?;
    if stored.plain != captured.digest {
        tracing::error!("the vault was sent something else than was captured");
        return Err("what the vault has is not what was captured".into());
    }
    Ok(Kept { stored, captured })
}

fn told(error: &CaptureError) -> String {
    match error {
        CaptureError::OverBudget(_) | CaptureError::Inexact(_) => error.to_string(),
        CaptureError::Failed(inner) => {
            tracing::error!(error = %inner, "the rows of a transaction were not captured");
            match inner {
                GateError::Vault(_) => "the vault does not take them now".into(),
                _ => "the gate could not read them now".into(),
            }
        }
    }
}

/// What the journal says of kept images.
pub(crate) fn rows_of(captured: &Captured) -> Vec<(String, u64, u64)> {
    captured
        .relations
        .iter()
        .map(|r| (sql::qualified(&r.schema, &r.name), r.old, r.new))
        .collect()
}

/// The agent's own transaction, asked by the gate.
struct Here<'a, 'g> {
    relay: &'a mut Relay<'g>,
    ended: Option<End>,
    /// The server has failed the transaction for a reason that has nothing to do with the question.
    failed: Option<Bytes>,
}

impl Writer for Here<'_, '_> {
    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, GateError> {
        match self.relay.ask_text_here(sql).await {
            Ok(asked) => match asked.failed {
                None => Ok(asked.rows),
                Some(body) => {
                    let error = super::error::ServerError::of(&body);
                    // A failed serialization, a deadlock, a cancel: what the client would see of its own statement.
                    if error.code.starts_with("40") || error.code == "57014" {
                        self.failed = Some(body);
                    }
                    Err(error.into())
                }
            },
            Err(end) => {
                self.ended = Some(end);
                Err(GateError::Protocol("the session has ended".into()))
            }
        }
    }
}

/// What came of keeping rows.
pub(super) enum Keep {
    /// They are kept; the index of the entry that says so, if there were any.
    Done(Option<u64>),
    /// They are not; why.
    Not(String),
    /// The server has failed the transaction; the body of its error.
    Failed(Bytes),
}

impl Relay<'_> {
    /// Keeps the old and new versions of every row that the open transaction changed.
    pub(super) async fn keep_rows(
        &mut self,
        ledger: &Ledger,
        measurement: &Measurement,
        budget: Budget,
        counts: Counts,
    ) -> Result<Keep, End> {
        let touched: Vec<u32> = measurement.touched.iter().map(|t| t.oid).collect();
        let hints = ledger.hints.of(&touched, &self.context.catalog);
        let wrote = wrote(&measurement.touched, &hints);
        if wrote.is_empty() {
            return Ok(Keep::Done(None));
        }
        let Some(vault) = self.shared.config.vault.clone() else {
            return Ok(Keep::Not("no vault is set up".into()));
        };
        let (first, action) = ledger.actions.unwrap_or((self.actions, self.actions));
        let name = format!("connection {} action {action}", self.number);
        let about = About {
            target: self.target.config.name.clone(),
            lease: self.lease.id.clone(),
            role: self.lease.id.clone(),
            transaction: name.clone(),
            at: super::traffic::rfc3339(self.shared.store.now_ms()),
        };
        let label = Label {
            class: Class::Images,
            target: about.target.clone(),
            lease: Some(about.lease.clone()),
            note: name,
        };
        let target = std::sync::Arc::clone(&self.target);
        let mut observer = match target.observer().await {
            Ok(observer) => observer,
            Err(error) => {
                tracing::error!(%error, "no connection to read old rows by");
                return Ok(Keep::Not("the gate could not read them now".into()));
            }
        };
        let to = ToVault::new(vault, label);
        let mut here = Here {
            relay: self,
            ended: None,
            failed: None,
        };
        let kept = images(&mut observer, &mut here, &about, &wrote, &budget, to).await;
        if let Some(end) = here.ended {
            return Err(end);
        }
        let kept = match (kept, here.failed) {
            (Ok(kept), _) => kept,
            (Err(_), Some(body)) => return Ok(Keep::Failed(body)),
            (Err(why), None) => return Ok(Keep::Not(why)),
        };
        target.give_back(observer);
        let entry = self.shared.traffic.images(&Say {
            at_ms: self.shared.store.now_ms(),
            lease: &about.lease,
            target: &about.target,
            connection: self.number,
            actions: (first, action),
            xid: measurement.xid.as_deref(),
            kept: &kept,
            counts,
        })?;
        self.pending_intent = Some(entry);
        Ok(Keep::Done(Some(entry)))
    }
}

/// What is said of kept images in the journal.
pub(crate) struct Say<'a> {
    pub(crate) at_ms: i64,
    pub(crate) lease: &'a str,
    pub(crate) target: &'a str,
    pub(crate) connection: u64,
    pub(crate) actions: (u64, u64),
    pub(crate) xid: Option<&'a str>,
    pub(crate) kept: &'a Kept,
    pub(crate) counts: Counts,
}

/// What a transaction does to the budgets of its lease.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Rows that count against them.
    pub(crate) lost: u64,
    /// Whether people approved what was measured.
    pub(crate) approved: bool,
}

impl super::traffic::TrafficLog {
    /// Appends where the images of a transaction are. It is not durable yet.
    pub(crate) fn images(&self, say: &Say<'_>) -> Result<u64, GateError> {
        let rows = rows_of(&say.kept.captured);
        let rows: Vec<RowsOf<'_>> = rows
            .iter()
            .map(|(relation, old, new)| RowsOf {
                relation,
                old: *old,
                new: *new,
            })
            .collect();
        let stored = &say.kept.stored;
        self.say(&backstop_core::entry::Traffic::Images(Images {
            at_ms: say.at_ms,
            lease: say.lease,
            target: say.target,
            connection: say.connection,
            first: say.actions.0,
            action: say.actions.1,
            xid: say.xid,
            object: Digest(stored.name.0),
            // Salted: a leaf must not let anybody try out what a row was.
            content: self.salted(&stored.plain.0),
            bytes: stored.bytes,
            sequence: stored.sequence,
            lost: say.counts.lost,
            approved: say.counts.approved,
            rows,
        }))
    }
}
