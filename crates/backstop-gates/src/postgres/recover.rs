//! What an approved action destroys is in the vault before it is destroyed (invariant 3).
//!
//! Rows are copied after it has run and before its COMMIT, when it is known exactly which ones go. What would lock
//! every reader out is copied before: its tables are held still, copied with all that belongs to them, and only then
//! does it run, in the same transaction.

use std::collections::HashMap;
use std::sync::Arc;

use backstop_core::digest::Digest;
use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use backstop_core::entry::{Images, RowsOf, Traffic};
use backstop_vault::client::Client;
use backstop_vault::points::objects::{
    Act, Address, Copied, Patience, closure, confirm, copy, hold_still,
};
use backstop_vault::points::{PointError, Question};
use backstop_vault::{Class, Label, Stored};
use backstop_wire::postgres::backend::Report;
use backstop_wire::sql::StatementKind;
use tokio::io::AsyncReadExt as _;

use super::envelope::Envelope;
use super::error::{GateError, report};
use super::images::{About, Budget};
use super::judge::Judged;
use super::keep::{self, Counts, Kept, Say, ToVault};
use super::measure::{IMMEDIATE, MEASURE, Measurement};
use super::pour::Sink as _;
use super::question::{Row, ident, literal};
use super::refusal;
use super::source::source;
use super::target::Target;
use super::traffic::{TrafficLog, rfc3339};
use super::upstream::ServerConnection;

/// How an action's losses can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It writes rows: they are copied before COMMIT.
    Rows,
    /// It takes whole objects: they are copied before it runs.
    Objects(Act, Vec<String>),
    /// It loses nothing that could be kept.
    None,
    /// It cannot be kept; why.
    Impossible(String),
}

/// How the losses of a judged text can be kept.
pub(crate) fn plan(judged: &Judged) -> Plan {
    let effects = &judged.analysis.effects;
    let row = |verb| {
        matches!(
            verb,
            Verb::Insert | Verb::Update | Verb::Delete | Verb::Execute
        )
    };
    let losing: Vec<_> = effects
        .iter()
        .filter(|e| e.kind >= EffectKind::Write && !e.own)
        .collect();
    let objects: Vec<_> = losing
        .iter()
        .filter(|e| e.kind == EffectKind::Destroy && !row(e.verb))
        .collect();
    // What is bounded as structure though its verb is one of rows: a large object, a sequence, a replication slot.
    let neither = |e: &Effect| {
        e.kind == EffectKind::Destroy
            && e.bound == Bound::Structure
            && (row(e.verb) || e.object.is_none())
    };
    if let Some(beyond) = losing
        .iter()
        .find(|e| matches!(e.kind, EffectKind::Escape | EffectKind::Admin) || neither(e))
    {
        return Plan::Impossible(match &beyond.because {
            Some(because) => format!(
                "it {because}, and that is neither rows nor a table of this database ({})",
                beyond.kind
            ),
            None => format!("{} is not rows and not a table", beyond.kind),
        });
    }
    if !judged.analysis.transactional {
        return Plan::Impossible("it cannot run inside a transaction".into());
    }
    if judged.any(|k| {
        matches!(
            k,
            StatementKind::Begin(_) | StatementKind::Commit { .. } | StatementKind::Rollback { .. }
        )
    }) {
        return Plan::Impossible("it begins or ends a transaction itself".into());
    }
    if objects.is_empty() {
        return if losing.is_empty() {
            Plan::None
        } else {
            Plan::Rows
        };
    }
    let [_] = judged.script.statements.as_slice() else {
        return Plan::Impossible(
            "it drops or empties something together with other statements".into(),
        );
    };
    let named: Vec<_> = objects.iter().filter(|e| e.because.is_none()).collect();
    let words = judged.text.to_ascii_lowercase();
    let says = |word: &str| {
        words
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|w| w == word)
    };
    let act = match named.first().map(|e| e.verb) {
        Some(Verb::Drop) => Act::Drop {
            cascade: says("cascade"),
        },
        Some(Verb::Truncate) => Act::Truncate {
            cascade: says("cascade"),
            restart_identity: says("restart"),
        },
        Some(Verb::Alter) => Act::Rewrite,
        _ => {
            let because = objects.iter().find_map(|e| e.because.clone());
            return Plan::Impossible(match because {
                Some(because) => format!("it {because}, and that is no table of this database"),
                None => "what it takes is not a table".into(),
            });
        }
    };
    if named
        .iter()
        .any(|e| Some(e.verb) != named.first().map(|f| f.verb))
    {
        return Plan::Impossible("it drops and empties at once".into());
    }
    match named
        .iter()
        .map(|e| e.object.clone())
        .collect::<Option<Vec<_>>>()
    {
        Some(names) => Plan::Objects(act, names),
        None => Plan::Impossible("what it takes has no name".into()),
    }
}

/// In the words that a person decides by.
pub(crate) fn promise(plan: &Plan) -> String {
    match plan {
        Plan::Rows => super::settle::KEPT.to_owned(),
        Plan::Objects(..) => "everything that goes, rows and definitions, is copied to the vault first and can be restored from there".to_owned(),
        Plan::None => "it loses nothing".to_owned(),
        Plan::Impossible(why) => format!("nothing: {why}"),
    }
}

/// What keeping needs of an approved action.
pub(crate) struct Keeping {
    pub(crate) vault: Client,
    pub(crate) target: Arc<Target>,
    pub(crate) traffic: Arc<TrafficLog>,
    pub(crate) lease: String,
    pub(crate) connection: u64,
    pub(crate) action: u64,
    pub(crate) at_ms: i64,
    pub(crate) plan: Plan,
    pub(crate) budget: Budget,
    pub(crate) envelope: Envelope,
}

impl Question for ServerConnection {
    type Error = GateError;

    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, GateError> {
        Self::ask(self, sql).await
    }

    fn sqlstate(error: &GateError) -> Option<String> {
        match error {
            GateError::Server(told) => Some(told.code.clone()),
            _ => None,
        }
    }
}

impl Keeping {
    fn label(&self, class: Class) -> Label {
        Label {
            class,
            target: self.target.config.name.clone(),
            lease: Some(self.lease.clone()),
            note: format!("connection {} action {}", self.connection, self.action),
        }
    }

    /// Copies what goes before it goes. The transaction is open and empty.
    pub(crate) async fn before(
        &self,
        server: &mut ServerConnection,
        path: &[String],
    ) -> Result<(), Box<Report>> {
        let Plan::Objects(act, names) = &self.plan else {
            return Ok(());
        };
        let copied = async {
            server
                .tell("select pg_catalog.set_config('search_path', '', true)")
                .await
                .map_err(|e| e.to_string())?;
            let mut roots = vec![];
            for name in names {
                roots.push(Address::relation(oid_of(server, name).await?));
            }
            let source = source(&self.target.config, self.target.major)
                .await
                .map_err(|e| e.to_string())?;
            let what = closure(server, *act, &roots)
                .await
                .map_err(|e| e.to_string())?;
            let patience = Patience::default();
            let (what, snapshot) = hold_still(server, &what, patience)
                .await
                .map_err(|e| e.to_string())?;
            let to = ToVault::new(self.vault.clone(), self.label(Class::Objects));
            let (mut end, mut begin) = tokio::io::duplex(256 * 1024);
            let filling = async {
                let copied = copy(&what, &source, &snapshot, &mut end).await;
                drop(end);
                copied
            };
            let (copied, stored) = tokio::join!(filling, drain(&mut begin, to));
            let copied: Copied = copied.map_err(|e: PointError| e.to_string())?;
            let stored = stored.map_err(|e| e.to_string())?;
            if hex::encode(stored.plain.0) != copied.sha256 {
                return Err("what the vault has is not what was copied".to_owned());
            }
            confirm(server, &what, patience)
                .await
                .map_err(|e| e.to_string())?;
            let path: Vec<String> = path.iter().map(|p| ident(p)).collect();
            server
                .tell(&format!(
                    "select pg_catalog.set_config('search_path', {}, true)",
                    literal(&path.join(", "))
                ))
                .await
                .map_err(|e| e.to_string())?;
            Ok((copied, stored))
        };
        let (copied, stored): (Copied, Stored) =
            copied.await.map_err(|why: String| not_kept(&why))?;
        let index = self.say_objects(&copied, &stored).map_err(failed)?;
        self.traffic.durable(index).await.map_err(failed)
    }

    fn say_objects(&self, copied: &Copied, stored: &Stored) -> Result<u64, GateError> {
        let rows = copied
            .rows
            .iter()
            .map(|(relation, rows)| RowsOf {
                relation,
                old: *rows,
                new: 0,
            })
            .collect();
        self.traffic.say(&Traffic::Objects(Images {
            at_ms: self.at_ms,
            lease: &self.lease,
            target: &self.target.config.name,
            connection: self.connection,
            first: self.action,
            action: self.action,
            xid: None,
            object: Digest(stored.name.0),
            content: self.traffic.salted(&stored.plain.0),
            bytes: stored.bytes,
            sequence: stored.sequence,
            lost: 0,
            approved: false,
            rows,
        }))
    }

    /// Compares what it did with what was approved, and copies the rows that were changed, before COMMIT.
    pub(crate) async fn after(&self, server: &mut ServerConnection) -> Result<(), Box<Report>> {
        server.tell(IMMEDIATE).await.map_err(failed)?;
        let rows = server.ask(MEASURE).await.map_err(failed)?;
        let Some(measured) = Measurement::read(&rows) else {
            return Err(not_kept("what it did cannot be measured"));
        };
        if !measured.counts && measured.xid.is_some() {
            return Err(not_kept(
                "the server does not count what transactions do (`track_counts` is off)",
            ));
        }
        if !self.envelope.holds(&measured, &self.lease) {
            return Err(not_kept("it went beyond what was approved"));
        }
        if matches!(self.plan, Plan::Impossible(_)) {
            // The person was told so.
            return Ok(());
        }
        let mut wrote = keep::wrote(&measured.touched, &HashMap::new());
        if matches!(self.plan, Plan::Objects(..)) {
            // What is locked against readers was copied before.
            wrote.retain(|w| {
                let strongly = |t: &super::measure::Touched| t.oid == w.relation && t.strongly;
                !measured.touched.iter().any(strongly)
            });
        }
        if wrote.is_empty() {
            return Ok(());
        }
        let about = About {
            target: self.target.config.name.clone(),
            lease: self.lease.clone(),
            role: self.target.config.upstream.user.clone(),
            transaction: format!("connection {} action {}", self.connection, self.action),
            at: rfc3339(self.at_ms),
        };
        let mut observer = self.target.observer().await.map_err(failed)?;
        let to = ToVault::new(self.vault.clone(), self.label(Class::Images));
        let kept: Kept = keep::images(&mut observer, server, &about, &wrote, &self.budget, to)
            .await
            .map_err(|why| not_kept(&why))?;
        self.target.give_back(observer);
        let index = self
            .traffic
            .images(&Say {
                at_ms: self.at_ms,
                lease: &self.lease,
                target: &self.target.config.name,
                connection: self.connection,
                actions: (self.action, self.action),
                xid: measured.xid.as_deref(),
                kept: &kept,
                counts: Counts::default(),
            })
            .map_err(failed)?;
        self.traffic.durable(index).await.map_err(failed)
    }
}

async fn oid_of(server: &mut ServerConnection, name: &str) -> Result<u32, String> {
    let rows = server
        .ask(&format!(
            "select pg_catalog.to_regclass({})::pg_catalog.oid",
            literal(name)
        ))
        .await
        .map_err(|e| e.to_string())?;
    let found = rows.into_iter().next().and_then(|r| r.into_iter().next());
    found
        .flatten()
        .and_then(|oid| oid.parse().ok())
        .ok_or_else(|| format!("{name} is no table, view or sequence"))
}

/// Takes all that comes to the vault.
async fn drain(from: &mut tokio::io::DuplexStream, mut to: ToVault) -> Result<Stored, GateError> {
    let mut piece = vec![0; 128 * 1024];
    loop {
        let n = from
            .read(&mut piece)
            .await
            .map_err(|source| GateError::Io {
                doing: "copying to the vault".into(),
                source,
            })?;
        if n == 0 {
            return to.finish().await.map_err(GateError::Vault);
        }
        to.write(piece.get(..n).unwrap_or_default()).await?;
    }
}

fn not_kept(why: &str) -> Box<Report> {
    tracing::error!(%why, "an approved action was not done: what it destroys cannot be kept");
    Box::new(
        report(
            refusal::FORBIDDEN,
            format!("what this destroys could not be kept, so it was not done: {why}"),
        )
        .hint("tell the person you work for; the approval is spent"),
    )
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn failed(error: GateError) -> Box<Report> {
    not_kept(&error.to_string())
}
