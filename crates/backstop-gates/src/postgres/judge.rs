//! Judging a statement: analysis, policy, and the memory of both.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use backstop_core::effect::{Analysis, Bound, Effect, EffectKind};
use backstop_core::lease::Lease;
use backstop_core::policy::{Asker, Policy};
use backstop_core::verdict::{Decision, Verdict};
use backstop_journal::SealedText;
use backstop_wire::sql::{
    self, Catalog, Condition, Copy, CopyEnd, Created, Script, Session, Setting, SqlError,
    StatementKind,
};

use super::error::GateError;
use super::gate::Shared;
use super::target::Target;
use super::traffic::TrafficLog;

/// How many statements a connection remembers, and how long they may be together.
const REMEMBERED: usize = 512;
const REMEMBERED_BYTES: usize = 256 * 1024;

/// What the meaning of a statement depends on besides its text.
#[derive(Clone)]
pub(crate) struct Context {
    /// The catalogue.
    pub(crate) catalog: Arc<Catalog>,
    catalog_version: u64,
    /// The policy.
    pub(crate) policy: Arc<Policy>,
    policy_number: u64,
    /// `search_path`, `$user` resolved.
    pub(crate) path: Vec<String>,
    /// What the session made.
    pub(crate) created: Vec<Created>,
    own: Vec<String>,
    generation: u64,
}

/// A statement text with everything found out about it.
pub(crate) struct Judged {
    /// The exact text.
    pub(crate) text: Arc<str>,
    /// Its statements.
    pub(crate) script: Script,
    /// The effects of all of them.
    pub(crate) analysis: Analysis,
    /// The verdict on all of them.
    pub(crate) verdict: Verdict,
    /// Whether it must run READ WRITE.
    pub(crate) writes: bool,
    /// What it means for the session, looked at once and not for each message.
    pub(crate) traits: Traits,
    /// What it prepares: the place of each PREPARE in it, and the inner statement, judged by its own text.
    pub(crate) prepares: Vec<(usize, Arc<Judged>)>,
    sealed: OnceLock<SealedText>,
    conditions: OnceLock<Vec<Condition>>,
}

/// What a text means for the session that sends it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traits {
    /// Its meaning depends on names that the session's state resolves.
    pub(crate) needs_names: bool,
    /// A name in it is not known.
    pub(crate) unresolved: bool,
    /// What was opened is committed or rolled back by it.
    pub(crate) ends_transaction: bool,
    /// It may change what names mean, from within a query or out of sight.
    pub(crate) sets_inside: bool,
    /// It may run what stands behind a prepared name, which can change at any time: EXECUTE, wherever it can stand
    /// (EXPLAIN, CREATE TABLE AS).
    pub(crate) executes: bool,
    /// It changes nothing that the gate keeps about the session.
    pub(crate) quiet: bool,
}

/// The statements that a connection has judged under its current context.
#[derive(Default)]
pub(crate) struct Memory {
    generation: u64,
    bytes: usize,
    known: HashMap<Arc<str>, Arc<Judged>>,
}

impl Context {
    /// The context of a new session.
    pub(crate) fn new(shared: &Shared, target: &Target, role: &str, path: Vec<String>) -> Self {
        let (catalog_version, catalog) = target.catalogue.current();
        let (policy_number, policy) = shared.numbered_policy();
        Self {
            catalog,
            catalog_version,
            policy,
            policy_number,
            path,
            created: vec![],
            own: vec![role.to_owned()],
            generation: 1,
        }
    }

    /// Takes up a newer catalogue and a newer policy, if there are.
    pub(crate) fn follow(&mut self, shared: &Shared, target: &Target) {
        if target.catalogue.version() != self.catalog_version {
            (self.catalog_version, self.catalog) = target.catalogue.current();
            self.generation += 1;
        }
        if shared.policy_number() != self.policy_number {
            (self.policy_number, self.policy) = shared.numbered_policy();
            self.generation += 1;
        }
    }

    /// What the server says of the session.
    pub(crate) fn learn(&mut self, path: Vec<String>, created: Vec<Created>) {
        if self.path != path || self.created != created {
            self.path = path;
            self.created = created;
            self.generation += 1;
        }
    }

    /// The session has made something.
    pub(crate) fn add_created(&mut self, made: &[Created]) {
        for one in made {
            self.created.retain(|c| !c.same(one));
            self.created.push(one.clone());
        }
        if !made.is_empty() {
            self.generation += 1;
        }
    }

    /// Changes with every change of the context.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Everything must be judged anew: the lease changed.
    pub(crate) const fn invalidate(&mut self) {
        self.generation += 1;
    }
}

/// Who and what is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Bench<'a> {
    /// The lease.
    pub(crate) lease: &'a Lease,
    /// The target.
    pub(crate) target: &'a Target,
    /// Rows that a COPY from the client may bring: the gate counts them as they pass.
    pub(crate) copy_rows: u64,
}

impl Memory {
    /// The judgement of `text`, if it is remembered.
    ///
    /// INVARIANT: the key is the exact text, and the memory is forgotten whenever the context changes.
    pub(crate) fn known(
        &mut self,
        text: &str,
        types: &[u32],
        context: &Context,
    ) -> Option<Arc<Judged>> {
        if self.generation != context.generation() {
            self.known.clear();
            self.bytes = 0;
            self.generation = context.generation();
        }
        // With declared types the same text can mean something else; such judgements live with their statement.
        if !types.is_empty() {
            return None;
        }
        self.known.get(text).cloned()
    }

    /// Remembers a judgement that [`known`](Self::known) did not have.
    pub(crate) fn remember(&mut self, judged: &Arc<Judged>, types: &[u32]) {
        let size = judged.text.len();
        if !types.is_empty() || judged.traits.executes || size > REMEMBERED_BYTES / 4 {
            return;
        }
        if self.known.len() >= REMEMBERED || self.bytes + size > REMEMBERED_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += size;
        self.known
            .insert(Arc::clone(&judged.text), Arc::clone(judged));
    }
}

/// Analysis and policy on one text.
pub(crate) fn judge(
    text: &str,
    types: &[u32],
    context: &Context,
    bench: Bench<'_>,
    prepared: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Judged, SqlError> {
    let session = Session {
        search_path: &context.path,
        role: &bench.lease.id,
        own_roles: &context.own,
        created: &context.created,
        prepared,
        parameter_types: types,
    };
    let script = sql::analyse(text, &context.catalog, &session)?;
    let analysis = unite(&script, bench.copy_rows);
    let asker = Asker {
        lease: Some(bench.lease),
        target: &bench.target.config.name,
        environment: bench.target.config.environment,
        limits: bench.target.measures(),
    };
    let mut verdict = context.policy.judge(asker, &analysis);
    if super::own_role::is_touched(&analysis, &bench.target.config.upstream.user) {
        verdict = super::own_role::verdict();
    }
    if carries_credential(&script, text) {
        verdict = foreign_credential();
    }
    // Code that is not proved to look only: where it is measured, it may write.
    let measured = verdict.decision == Decision::Measure && bench.lease.can_write();
    let writes =
        measured || analysis.worst() > EffectKind::Read || asks_whether_it_may_write(&script);
    let prepares = judge_prepared(&script, text, context, bench)?;
    Ok(Judged {
        text: Arc::from(text),
        traits: Traits::of(&script, text),
        script,
        analysis,
        verdict,
        writes,
        prepares,
        sealed: OnceLock::new(),
        conditions: OnceLock::new(),
    })
}

/// `SHOW transaction_read_only`, by which drivers tell a server that takes writes from one that does not: answered
/// in a transaction like those that a writing lease's writes get.
fn asks_whether_it_may_write(script: &Script) -> bool {
    matches!(script.statements.as_slice(),
        [one] if matches!(&one.kind, StatementKind::Show(name) if name == "transaction_read_only"))
}

/// A Bind of what SQL prepared is judged by the inner statement's own text.
fn judge_prepared(
    script: &Script,
    text: &str,
    context: &Context,
    bench: Bench<'_>,
) -> Result<Vec<(usize, Arc<Judged>)>, SqlError> {
    script
        .statements
        .iter()
        .enumerate()
        .filter_map(|(n, statement)| match &statement.kind {
            StatementKind::Prepare { inner, types, .. } => {
                Some((n, text.get(inner.clone())?, types))
            }
            _ => None,
        })
        .map(|(n, inner, types)| {
            let judged = judge(inner, types, context, bench, &|_| None)?;
            Ok((n, Arc::new(judged)))
        })
        .collect()
}

impl Traits {
    fn of(script: &Script, text: &str) -> Self {
        let any =
            |wanted: fn(&StatementKind) -> bool| script.statements.iter().any(|s| wanted(&s.kind));
        let statements = &script.statements;
        let sets_inside = statements
            .iter()
            .any(|s| !s.analysis.is_complete() || s.settings.iter().any(Setting::moves_names));
        let executes = text
            .as_bytes()
            .windows(7)
            .any(|w| w.eq_ignore_ascii_case(b"execute"));
        let plain = statements.iter().all(|s| {
            let keeps = s.creates.is_empty() && s.settings.is_empty() && !s.forgets;
            matches!(s.kind, StatementKind::Query) && keeps
        });
        Self {
            needs_names: any(needs_names),
            unresolved: script.statements.iter().any(|s| !s.unresolved.is_empty()),
            ends_transaction: any(ends_transaction),
            sets_inside,
            executes,
            quiet: plain && !sets_inside,
        }
    }
}

/// Whether its meaning depends on names that the session's state resolves.
fn needs_names(kind: &StatementKind) -> bool {
    !matches!(
        kind,
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
}

/// Whether what was opened is committed or rolled back by it.
fn ends_transaction(kind: &StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Commit { .. }
            | StatementKind::Rollback { .. }
            | StatementKind::PrepareTransaction(_)
            | StatementKind::CommitPrepared(_)
    )
}

impl std::fmt::Debug for Judged {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judged")
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

impl Judged {
    /// What the gate's own names stand for.
    pub(crate) fn nothing() -> Self {
        let verdict = Verdict {
            decision: Decision::Deny,
            rule: "reserved".into(),
            reason: "the gate's own".into(),
            people: 0,
        };
        Self {
            text: Arc::from(""),
            script: Script { statements: vec![] },
            analysis: Analysis::default(),
            verdict,
            writes: false,
            traits: Traits::default(),
            prepares: vec![],
            sealed: OnceLock::new(),
            conditions: OnceLock::new(),
        }
    }

    /// The text sealed for the journal, credentials taken out; sealed once.
    pub(crate) fn sealed(&self, traffic: &TrafficLog) -> Result<&SealedText, GateError> {
        if let Some(sealed) = self.sealed.get() {
            return Ok(sealed);
        }
        let sealed = traffic.seal(&sql::redact::redact(&self.text))?;
        Ok(self.sealed.get_or_init(|| sealed))
    }

    /// The conditions of the rows that it changes, as far as its text says them.
    pub(crate) fn conditions(&self, catalog: &Catalog) -> &[Condition] {
        self.conditions.get_or_init(|| {
            if self.writes {
                sql::conditions(&self.text, &self.script, catalog)
            } else {
                vec![]
            }
        })
    }

    /// Whether it is allowed to act at once.
    pub(crate) fn is_allowed(&self) -> bool {
        self.verdict.decision <= Decision::Measure
    }

    /// Whether one of its statements satisfies `wanted`.
    pub(crate) fn any(&self, wanted: impl Fn(&StatementKind) -> bool) -> bool {
        self.script.statements.iter().any(|s| wanted(&s.kind))
    }

    /// Whether a COPY from the client may be in it.
    pub(crate) fn copies_in(&self) -> bool {
        self.any(|k| {
            matches!(
                k,
                StatementKind::Copy(Copy {
                    from: true,
                    end: CopyEnd::Client,
                    ..
                })
            )
        })
    }

    /// The objects that its names resolved to, as an approval binds them.
    pub(crate) fn objects(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .script
            .statements
            .iter()
            .flat_map(|s| &s.relations)
            .map(|r| format!("{} {}.{}", r.oid, r.schema, r.name))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// One sentence without data.
    pub(crate) fn summary(&self) -> String {
        let worst = self.analysis.worst();
        let mut parts: Vec<String> = vec![];
        for effect in self
            .analysis
            .effects
            .iter()
            .filter(|e| e.kind == worst)
            .take(4)
        {
            let object = effect
                .object
                .as_deref()
                .map_or_else(String::new, |o| format!(" {o}"));
            parts.push(format!("{:?}{object}", effect.verb).to_lowercase());
        }
        parts.dedup();
        if parts.is_empty() {
            worst.to_string()
        } else {
            format!("{worst}: {}", parts.join(", "))
        }
    }
}

/// The effects of all statements, with the bound that the gate itself puts on a COPY from the client.
fn unite(script: &Script, copy_rows: u64) -> Analysis {
    let mut all = Analysis {
        transactional: true,
        ..Analysis::default()
    };
    for statement in &script.statements {
        if super::writes::turns_default_off(&statement.kind) {
            // The gate sends something harmless instead.
            continue;
        }
        let counted = matches!(
            statement.kind,
            StatementKind::Copy(Copy {
                from: true,
                end: CopyEnd::Client,
                ..
            })
        );
        for effect in &statement.analysis.effects {
            let mut effect: Effect = effect.clone();
            if counted && effect.kind == EffectKind::Write && effect.bound == Bound::Unbounded {
                effect.bound = Bound::Rows(copy_rows);
            }
            if !all.effects.contains(&effect) {
                all.effects.push(effect);
            }
        }
        all.incomplete
            .extend(statement.analysis.incomplete.iter().cloned());
        all.unseen.extend(statement.analysis.unseen.iter().cloned());
        all.transactional &= statement.analysis.transactional;
    }
    all
}

/// Whether a statement hands a credential to a server of its choosing: somebody else's key in the agent's hand.
fn carries_credential(script: &Script, text: &str) -> bool {
    let reaches_out = script.statements.iter().any(|s| {
        // `dblink` counts although it is not installed: the agent has shown what it holds.
        s.analysis.worst() >= EffectKind::Admin
            || s.unresolved.iter().any(|name| name.contains("dblink"))
    });
    reaches_out && super::credential::is_in(text)
}

fn foreign_credential() -> Verdict {
    Verdict {
        decision: Decision::Halt,
        rule: "foreign-credential".into(),
        reason: "the statement presents a credential that is not the lease's".into(),
        people: 0,
    }
}
