//! Undoing what the journal says was done: only exactly that, and only for who can open its images.
//!
//! The gate cannot read what it gave the vault. Whoever asks brings the content, opened with the recovery key, and the
//! gate believes it only where its salted digest stands in the journal: so an undo can put back nothing but what was
//! there.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::Arc;

use backstop_core::action::Ask;
use backstop_core::digest::Digest;
use backstop_core::effect::{Analysis, Effect, EffectKind, Verb};
use backstop_core::entry::{Intent, Outcome};
use backstop_core::hold::HoldText;
use backstop_core::verdict::{Decision, Verdict};
use backstop_store::{NewHold, Opened};
use backstop_vault::{Class, Label};
use ring::digest::{Context, Digest as Sha256, SHA256};
use serde::Deserialize;

use super::error::GateError;
use super::gate::{Gate, Shared};
use super::images::{About, Budget};
use super::keep::{Counts, Kept, Say, ToVault};
use super::target::Target;
use super::traffic::{name_of, rfc3339};
use super::undo::{self, Summary, UndoError, Wish};
use super::upstream::ServerConnection;

/// How long an undo may take, in milliseconds.
const MILLIS: u64 = 4 * 3_600_000;
/// How many bytes its own images may have.
const BYTES: u64 = 1024 * 1024 * 1024 * 1024;

/// What is to be undone.
#[derive(Debug)]
pub struct UndoAsk {
    /// The index of each `images` entry of the traffic log, and a file with the opened content of its object, the newest
    /// first. They are read as they are needed: memory stays flat.
    pub images: Vec<(u64, File)>,
    /// Whether to do it; otherwise it is only found out what it would do.
    pub apply: bool,
    /// Whether rows that were changed since are left as they are, instead of ending it.
    pub leave_conflicts: bool,
    /// Whether triggers that do not let rows come back are switched off within its transaction; a person must say yes.
    pub without_triggers: bool,
}

/// What an undo did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoDone {
    /// The tables with their numbers of rows, and the conflicts: as JSON, stable.
    pub summary: serde_json::Value,
    /// How many rows conflict.
    pub conflicts: u64,
    /// The index of its own `images` entry, by which it can be undone; none for a dry run.
    pub entry: Option<u64>,
}

/// Why nothing was undone.
#[derive(Debug, thiserror::Error)]
pub enum NotUndone {
    /// It cannot be; one sentence, perhaps with a hint.
    #[error("{0}")]
    Refused(String),
    /// Rows were changed since; the summary lists them.
    #[error("{conflicts} rows were changed since, and nothing is guessed")]
    Conflicts {
        /// As in [`UndoDone`].
        summary: serde_json::Value,
        /// How many.
        conflicts: u64,
    },
    /// It goes beyond one lease's own entries, and waits for people.
    #[error("held as {hold}: a person must say yes to it at {url}")]
    Held {
        /// The hold.
        hold: String,
        /// Where a person decides.
        url: String,
    },
    /// Something failed inside.
    #[error(transparent)]
    Failed(#[from] GateError),
}

/// What an undo needs of an `images` entry.
#[derive(Debug, Deserialize)]
struct Entry {
    entry: String,
    lease: Option<String>,
    target: Option<String>,
    xid: Option<String>,
    content: Option<Digest>,
}

impl Gate {
    /// Finds out what an undo would do, or does it.
    ///
    /// # Errors
    /// Why nothing was undone; nothing of it stays then.
    pub async fn undo(&self, ask: UndoAsk) -> Result<UndoDone, NotUndone> {
        let shared = self.shared();
        let numbers: Vec<u64> = ask.images.iter().map(|(index, _)| *index).collect();
        let (entries, contents) = checked(shared, ask.images).await?;
        let Some(name) = entries.first().and_then(|e| e.target.clone()) else {
            return Err(refused("there is nothing to undo"));
        };
        if entries.iter().any(|e| e.target.as_ref() != Some(&name)) {
            return Err(refused(
                "these are of more than one target; hint: undo them target by target",
            ));
        }
        let mut leases: Vec<String> = entries.iter().filter_map(|e| e.lease.clone()).collect();
        leases.sort();
        leases.dedup();
        let Some(target) = shared.target(&name) else {
            return Err(NotUndone::Refused(format!(
                "the target `{name}` is not configured any more"
            )));
        };
        let mut server = target
            .config
            .upstream
            .connect(&super::question::settings())
            .await?;
        let mut images = vec![];
        for (entry, content) in entries.iter().zip(contents) {
            if committed(&mut server, entry.xid.as_deref()).await? {
                images.push(content);
            }
        }
        if images.is_empty() {
            return Err(refused(
                "it was never committed, so there is nothing to undo",
            ));
        }
        if !ask.apply {
            let summary = undo::plan(&mut server, images, MILLIS)
                .await
                .map_err(told)?;
            return Ok(UndoDone {
                conflicts: summary.conflicts_in_all(),
                summary: json(&summary)?,
                entry: None,
            });
        }
        let how = How {
            leave_conflicts: ask.leave_conflicts,
            without_triggers: ask.without_triggers,
        };
        let (lease, hold) = match leases.as_slice() {
            [one] if one != NONE && !how.without_triggers => (one.clone(), None),
            [one] if one != NONE => {
                let hold = approved(shared, &target, leases.clone(), numbers, how).await?;
                (one.clone(), Some(hold))
            }
            _ => {
                let hold = approved(shared, &target, leases, numbers, how).await?;
                (NONE.to_owned(), Some(hold))
            }
        };
        let who = Who {
            lease: &lease,
            hold: hold.as_deref(),
        };
        apply(shared, &target, who, server, images, how).await
    }
}

/// What it may do.
#[derive(Clone, Copy)]
struct How {
    leave_conflicts: bool,
    without_triggers: bool,
}

/// Who an undo is of: what goes beyond one lease's own entries is of none, and of an approval.
#[derive(Clone, Copy)]
struct Who<'a> {
    lease: &'a str,
    hold: Option<&'a str>,
}

/// In the journal in place of a lease; no lease is called so.
const NONE: &str = "none";

/// The hold whose approval is spent on an undo beyond one lease's own entries; asks for one if there is none.
async fn approved(
    shared: &Shared,
    target: &Target,
    leases: Vec<String>,
    entries: Vec<u64>,
    how: How,
) -> Result<String, NotUndone> {
    let summary = format!(
        "undo {} transactions of {} leases",
        entries.len(),
        leases.len()
    );
    let ask = Ask::Undo {
        leases,
        entries,
        leave_conflicts: how.leave_conflicts,
        without_triggers: how.without_triggers,
    };
    let effect = Effect::new(EffectKind::Write, Verb::Other, None).because(summary.clone());
    let new = NewHold {
        lease: None,
        target: Some(target.config.name.clone()),
        environment: target.config.environment,
        summary,
        analysis: Analysis {
            effects: vec![effect],
            transactional: true,
            ..Analysis::default()
        },
        verdict: Verdict {
            decision: Decision::Hold,
            rule: "undo".into(),
            reason: if how.without_triggers {
                "it switches triggers off while rows come back, and only a passkey allows that"
            } else {
                "it takes back what more than one lease did, and only a passkey allows that"
            }
            .into(),
            people: 1,
        },
        recoverable: super::settle::KEPT.to_owned(),
        whole: String::new(),
        policy: shared.numbered_policy().1.version(),
        text: HoldText {
            statement: serde_json::to_string_pretty(&ask)
                .map_err(|e| NotUndone::Failed(GateError::Protocol(e.to_string())))?,
            ..HoldText::default()
        },
        ask,
    };
    let failed = |error| NotUndone::Failed(GateError::Store(error));
    match shared.store.open_hold(new).await.map_err(failed)? {
        Opened::Approved(record) => {
            let hold = record.hold;
            // INVARIANT 4: consumed before what it releases.
            shared
                .store
                .consume(&hold.id, hold.digest)
                .await
                .map_err(|e| NotUndone::Refused(e.to_string()))?;
            Ok(hold.id)
        }
        Opened::Waiting(record) => Err(NotUndone::Held {
            url: format!("{}/holds/{}", shared.config.console_url, record.hold.id),
            hold: record.hold.id,
        }),
    }
}

/// The entries and contents, if every content is what the journal says.
async fn checked(
    shared: &Shared,
    images: Vec<(u64, File)>,
) -> Result<(Vec<Entry>, Vec<File>), NotUndone> {
    let falls = |pair: &[(u64, File)]| matches!(pair, [(a, _), (b, _)] if a > b);
    if !images.windows(2).all(falls) {
        return Err(refused("they are not each there once, the newest first"));
    }
    let (mut entries, mut contents) = (vec![], vec![]);
    for (index, content) in images {
        let bytes = shared
            .traffic
            .journal()
            .read(index)
            .map_err(|e| NotUndone::Refused(format!("entry {index} cannot be read: {e}")))?;
        let entry: Entry = serde_json::from_slice(&bytes)
            .ok()
            .filter(|e: &Entry| e.entry == "images")
            .ok_or_else(|| NotUndone::Refused(format!("entry {index} is none with images")))?;
        let (plain, content) = tokio::task::spawn_blocking(move || summed(content))
            .await
            .map_err(io::Error::other)
            .and_then(|summed| summed)
            .map_err(GateError::io("reading the opened images"))?;
        if entry.content != Some(shared.traffic.salted(plain.as_ref())) {
            return Err(NotUndone::Refused(format!(
                "the content that was given for entry {index} is not what the journal says of it"
            )));
        }
        entries.push(entry);
        contents.push(content);
    }
    Ok((entries, contents))
}

/// The SHA-256 of a file, which is at its beginning again.
fn summed(mut content: File) -> io::Result<(Sha256, File)> {
    content.rewind()?;
    let mut sum = Context::new(&SHA256);
    let mut piece = vec![0; 1024 * 1024];
    loop {
        let n = content.read(&mut piece)?;
        if n == 0 {
            break;
        }
        sum.update(piece.get(..n).unwrap_or_default());
    }
    content.rewind()?;
    Ok((sum.finish(), content))
}

/// Whether the server has committed a transaction. What it does not remember any more is long over, and its outcome is
/// found out by looking at the rows.
async fn committed(server: &mut ServerConnection, xid: Option<&str>) -> Result<bool, NotUndone> {
    let Some(xid) = xid.and_then(|x| x.parse::<u64>().ok()) else {
        return Ok(true);
    };
    let rows = server
        .ask(&format!(
            "select pg_catalog.pg_xact_status('{xid}'::pg_catalog.xid8)"
        ))
        .await?;
    let status = rows.into_iter().next().and_then(|r| r.into_iter().next());
    match status.flatten().as_deref() {
        Some("aborted") => Ok(false),
        Some("in progress") => Err(refused(
            "its transaction is not over yet; hint: wait until it is, or end its session",
        )),
        _ => Ok(true),
    }
}

async fn apply(
    shared: &Shared,
    target: &Arc<Target>,
    who: Who<'_>,
    mut server: ServerConnection,
    images: Vec<File>,
    how: How,
) -> Result<UndoDone, NotUndone> {
    let Some(vault) = shared.config.vault.clone() else {
        return Err(refused(
            "without a vault the undo itself could not be undone; hint: set one up under [vault]",
        ));
    };
    let connection = shared.next_number();
    let sealed = shared.traffic.seal(if how.without_triggers {
        "-- backstop undo --without-triggers"
    } else {
        "-- backstop undo"
    })?;
    let intent = shared.traffic.intent(
        Intent {
            at_ms: shared.store.now_ms(),
            lease: who.lease,
            target: &target.config.name,
            connection,
            action: 1,
            text: name_of(&sealed),
            parameters: None,
            effect: EffectKind::Write,
            verdict: Decision::Allow,
            rule: "undo",
            hold: who.hold,
        },
        Some(&sealed),
    )?;
    shared.traffic.durable(intent).await?;
    let result = apply_journaled(
        shared,
        target,
        who.lease,
        connection,
        &mut server,
        vault,
        images,
        how,
    )
    .await;
    let (said, code) = match &result {
        Ok(_) => ("UNDO", None),
        Err(_) => ("rolled back", None),
    };
    shared.traffic.outcome(Outcome {
        at_ms: shared.store.now_ms(),
        connection,
        action: 1,
        result: said,
        sqlstate: code,
    })?;
    result
}

#[allow(clippy::too_many_arguments)] // One caller, and each is what it says.
async fn apply_journaled(
    shared: &Shared,
    target: &Arc<Target>,
    lease: &str,
    connection: u64,
    server: &mut ServerConnection,
    vault: backstop_vault::client::Client,
    images: Vec<File>,
    how: How,
) -> Result<UndoDone, NotUndone> {
    let about = About {
        target: target.config.name.clone(),
        lease: lease.to_owned(),
        role: target.config.upstream.user.clone(),
        transaction: format!("undo, connection {connection}"),
        at: rfc3339(shared.store.now_ms()),
    };
    let wish = Wish {
        leave_conflicts: how.leave_conflicts,
        without_triggers: how.without_triggers,
        about: &about,
        budget: Budget {
            bytes: BYTES,
            millis: MILLIS,
        },
    };
    let mut to = ToVault::new(
        vault,
        Label {
            class: Class::Images,
            target: about.target.clone(),
            // On nobody's account: a lease that has used up its room can still be undone.
            lease: None,
            note: about.transaction.clone(),
        },
    );
    let mut observer = target.observer().await?;
    let applied = undo::apply(server, &mut observer, images, &wish, &mut to)
        .await
        .map_err(told)?;
    target.give_back(observer);
    let stored = match to.finish().await {
        Ok(stored) if stored.plain == applied.captured.digest => stored,
        other => {
            tracing::error!(
                kept = other.is_ok(),
                "the images of an undo are not in the vault"
            );
            // Where the connection is lost, it is taken back as well.
            let _ = applied.rollback().await;
            return Err(refused(
                "the vault does not keep what the undo changes, so it was taken back",
            ));
        }
    };
    let kept = Kept {
        captured: applied.captured.clone(),
        stored,
    };
    let entry = shared.traffic.images(&Say {
        at_ms: shared.store.now_ms(),
        lease,
        target: &target.config.name,
        connection,
        actions: (1, 1),
        xid: None,
        kept: &kept,
        counts: Counts::default(),
    })?;
    shared.traffic.durable(entry).await?;
    let summary = applied.commit().await.map_err(told)?;
    Ok(UndoDone {
        conflicts: summary.conflicts_in_all(),
        summary: json(&summary)?,
        entry: Some(entry),
    })
}

fn told(error: UndoError) -> NotUndone {
    match error {
        UndoError::Conflicts(summary) => match json(&summary) {
            Ok(value) => NotUndone::Conflicts {
                conflicts: summary.conflicts_in_all(),
                summary: value,
            },
            Err(error) => error,
        },
        UndoError::Refused(why) => NotUndone::Refused(why),
        UndoError::Failed(error) => NotUndone::Failed(error),
    }
}

fn json(summary: &Summary) -> Result<serde_json::Value, NotUndone> {
    serde_json::to_value(summary).map_err(|e| NotUndone::Failed(GateError::Protocol(e.to_string())))
}

fn refused(why: &str) -> NotUndone {
    NotUndone::Refused(why.to_owned())
}
