//! What a transaction has done so far, as the server itself counts it. Asked in that transaction, before COMMIT.
//!
//! Counters of the statistics system belong to the transaction as long as it is open, whoever's code did the work;
//! locks name the relations. It must qualify every name: the session's `search_path` is the agent's.

use backstop_core::effect::{Analysis, Bound, Effect, EffectKind, Verb};
use backstop_wire::sql;

use super::question::Row;

/// Fires what waits for COMMIT now, so that it is counted.
pub(crate) const IMMEDIATE: &str = "set constraints all immediate";

/// What is asked of the server before each COMMIT of a transaction that may have written: for benchmarks.
#[must_use]
pub const fn measuring() -> [&'static str; 2] {
    [IMMEDIATE, MEASURE]
}

/// One row `x` about the transaction, one `r` for each relation that is locked as only writers lock, one `s` for each
/// catalogue with changes. Columns: what, oid, schema, name, kind, persistence, owner, lock, tuples, inserted,
/// updated, deleted, schema and name of the partitioned table it is a part of.
///
/// It also sees to it that the counters begin at zero in the next transaction: otherwise they would be carried over
/// until the server finds time to report them.
pub(crate) const MEASURE: &str = "with l as materialized (select k.relation, \
    pg_catalog.max(case k.mode when 'RowExclusiveLock' then 1 when 'AccessExclusiveLock' then 3 else 2 end) as mode \
    from pg_catalog.pg_locks k where k.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid() and k.granted \
    and k.locktype operator(pg_catalog.=) 'relation' and k.mode operator(pg_catalog.=) any (array['RowExclusiveLock', \
    'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']) \
    group by k.relation) \
    select 'x', pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, \
    pg_catalog.current_setting('track_counts'), pg_catalog.current_setting('transaction_isolation'), \
    (select pg_catalog.json_agg(u.name) from pg_catalog.pg_cursors u where u.is_holdable \
    and u.creation_time operator(pg_catalog.>=) pg_catalog.transaction_timestamp())::pg_catalog.text, \
    pg_catalog.pg_stat_force_next_flush()::pg_catalog.text, null, null, null, null, null, null, null, null \
    union all select 'r', l.relation::pg_catalog.oid::pg_catalog.text, n.nspname::pg_catalog.text, \
    c.relname::pg_catalog.text, c.relkind::pg_catalog.text, c.relpersistence::pg_catalog.text, \
    pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text, l.mode::pg_catalog.text, \
    greatest(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid))::pg_catalog.text, \
    pg_catalog.pg_stat_get_xact_tuples_inserted(l.relation)::pg_catalog.text, \
    pg_catalog.pg_stat_get_xact_tuples_updated(l.relation)::pg_catalog.text, \
    pg_catalog.pg_stat_get_xact_tuples_deleted(l.relation)::pg_catalog.text, \
    rn.nspname::pg_catalog.text, rc.relname::pg_catalog.text \
    from l left join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) l.relation \
    left join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
    left join pg_catalog.pg_class rc on c.relispartition \
    and rc.oid operator(pg_catalog.=) pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid \
    left join pg_catalog.pg_namespace rn on rn.oid operator(pg_catalog.=) rc.relnamespace \
    where c.relkind is null or c.relkind operator(pg_catalog.<>) all (array['i', 'I', 't']::pg_catalog.\"char\"[]) \
    union all select 's', o::pg_catalog.text, null, null, null, null, null, null, null, i::pg_catalog.text, \
    u::pg_catalog.text, d::pg_catalog.text, null, null from (select o, pg_catalog.pg_stat_get_xact_tuples_inserted(o) as i, \
    pg_catalog.pg_stat_get_xact_tuples_updated(o) as u, pg_catalog.pg_stat_get_xact_tuples_deleted(o) as d \
    from pg_catalog.unnest(array[1259,1249,1255,1247,2606,2611,2610,2617,2753,2616,2601,2602,2603,2612,2995,2613,2600,\
    3381,2618,2620,3466,2609,2605,3501,2615,2607,1262,2964,1213,1260,1261,2396,3602,3603,3600,3601,3764,3079,\
    2328,1417,1418,3118,3256,826,3394,3592,3596,3456,3541,3350,2224,6104,6106,6237,6100,6102,3576,6000,6243,\
    2604]::pg_catalog.oid[]) as o) as s \
    where i operator(pg_catalog.+) u operator(pg_catalog.+) d operator(pg_catalog.>) 0::pg_catalog.int8";

/// Catalogues of large objects.
const LARGE_OBJECTS: [u32; 2] = [2995, 2613];

/// A relation that the transaction has locked as only writers lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) oid: u32,
    /// Its name, and that of the partitioned table it is a part of; none for one that the transaction dropped.
    pub(crate) name: Option<(String, String)>,
    pub(crate) root: Option<(String, String)>,
    /// As in `pg_class`.
    pub(crate) kind: char,
    pub(crate) persistence: char,
    pub(crate) owner: String,
    /// Locked more strongly than INSERT, UPDATE and DELETE lock.
    pub(crate) strongly: bool,
    /// About how many rows it has; 0 or less for unknown.
    pub(crate) tuples: i64,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
}

/// What an open transaction has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Measurement {
    /// Its number, once it has written something.
    pub(crate) xid: Option<String>,
    /// Whether the server counts.
    pub(crate) counts: bool,
    /// READ COMMITTED: each question sees what is committed by then.
    pub(crate) read_committed: bool,
    /// Cursors that will be filled at COMMIT.
    pub(crate) held_cursors: Vec<String>,
    pub(crate) touched: Vec<Touched>,
    /// Catalogues in which it has changed rows.
    pub(crate) catalogues: Vec<u32>,
}

impl Measurement {
    /// Reads the answer to [`MEASURE`]; `None` if it is not one.
    pub(crate) fn read(rows: &[Row]) -> Option<Self> {
        let mut found = Self::default();
        let mut whole = false;
        for row in rows {
            let cell = |at: usize| row.get(at).cloned().flatten();
            let number = |at: usize| cell(at).and_then(|text| text.parse::<i64>().ok());
            match cell(0)?.as_str() {
                "x" => {
                    whole = true;
                    found.xid = cell(1);
                    found.counts = cell(2)? == "on";
                    found.read_committed =
                        matches!(&*cell(3)?, "read committed" | "read uncommitted");
                    if let Some(names) = cell(4) {
                        found.held_cursors = serde_json::from_str(&names).ok()?;
                    }
                }
                "r" => found.touched.push(Touched {
                    oid: cell(1)?.parse().ok()?,
                    name: cell(2).zip(cell(3)),
                    root: cell(12).zip(cell(13)),
                    kind: cell(4).and_then(|k| k.chars().next()).unwrap_or('?'),
                    persistence: cell(5).and_then(|k| k.chars().next()).unwrap_or('?'),
                    owner: cell(6).unwrap_or_default(),
                    strongly: number(7)? > 1,
                    tuples: number(8).unwrap_or(0),
                    inserted: count(number(9)),
                    updated: count(number(10)),
                    deleted: count(number(11)),
                }),
                "s" => found.catalogues.push(cell(1)?.parse().ok()?),
                _ => return None,
            }
        }
        whole.then_some(found)
    }

    /// The effects on rows and on structure, and of each the share of its table in hundredths of a percent.
    ///
    /// `proven`: the text of every statement shows what it does to structure, so that only rows are news.
    pub(crate) fn effects(&self, lease: &str, proven: bool) -> Vec<(Effect, u32)> {
        let mut all = vec![];
        for one in self.touched.iter().filter(|t| t.persistence != 't') {
            one.effects(lease, proven, &mut all);
        }
        if !proven && !self.catalogues.is_empty() {
            let large = self
                .catalogues
                .iter()
                .any(|oid| LARGE_OBJECTS.contains(oid));
            let (kind, why) = if large {
                (
                    EffectKind::Escape,
                    "changed large objects, which are no rows",
                )
            } else {
                (EffectKind::Admin, "changed the catalogue from within code")
            };
            all.push((Effect::new(kind, Verb::Other, None).because(why), 0));
        }
        all
    }

    /// Rows that were changed or deleted: those that can be lost.
    pub(crate) fn lost_rows(&self, lease: &str) -> u64 {
        self.touched
            .iter()
            .filter(|t| t.persistence != 't' && t.owner != lease)
            .map(|t| t.updated.saturating_add(t.deleted))
            .sum()
    }
}

impl Touched {
    pub(crate) fn object(&self) -> Option<String> {
        let (schema, name) = self.root.as_ref().or(self.name.as_ref())?;
        Some(sql::qualified(schema, name))
    }

    fn effects(&self, lease: &str, proven: bool, out: &mut Vec<(Effect, u32)>) {
        let own = self.owner == lease;
        let mut add = |effect: Effect, share: u32| {
            let effect = Effect { own, ..effect };
            match out.iter_mut().find(|(known, _)| {
                (known.kind, known.verb, &known.object)
                    == (effect.kind, effect.verb, &effect.object)
            }) {
                // Partitions of one table.
                Some((known, known_share)) => {
                    if let (Bound::Rows(a), Bound::Rows(b)) = (known.bound, effect.bound) {
                        known.bound = Bound::Rows(a.saturating_add(b));
                    }
                    *known_share = (*known_share).max(share);
                }
                None => out.push((effect, share)),
            }
        };
        let structure = |kind: EffectKind, verb: Verb, why: &str| {
            Effect::new(kind, verb, self.object()).because(why)
        };
        if self.kind == 'f' {
            add(
                structure(EffectKind::Escape, Verb::Other, "wrote to another server"),
                0,
            );
            return;
        }
        if !proven && self.name.is_none() {
            add(
                structure(
                    EffectKind::Destroy,
                    Verb::Drop,
                    "dropped a relation from within code",
                ),
                0,
            );
            return;
        }
        if !proven && self.strongly && self.kind != 'S' {
            let why = "locked as DROP, TRUNCATE and ALTER lock, from within code";
            add(structure(EffectKind::Destroy, Verb::Other, why), 0);
        }
        if !matches!(self.kind, 'r' | 'm') {
            return;
        }
        let share = |rows: u64| match u64::try_from(self.tuples) {
            Ok(all) if all > 0 => {
                u32::try_from(rows.saturating_mul(10_000) / all).unwrap_or(u32::MAX)
            }
            _ => 10_000,
        };
        for (verb, rows, share) in [
            (Verb::Insert, self.inserted, 0),
            (Verb::Update, self.updated, share(self.updated)),
            (Verb::Delete, self.deleted, share(self.deleted)),
        ] {
            if rows > 0 {
                let mut effect =
                    Effect::new(EffectKind::Write, verb, self.object()).bounded(Bound::Rows(rows));
                effect.reversible = true;
                add(effect, share);
            }
        }
    }
}

/// What was measured, as people and policies read it.
pub(crate) fn analysis(effects: &[(Effect, u32)]) -> Analysis {
    Analysis {
        effects: effects.iter().map(|(effect, _)| effect.clone()).collect(),
        transactional: true,
        ..Analysis::default()
    }
}

/// Whether effects stay within those that people approved: nothing else, nowhere else, no more rows.
pub(crate) fn within(effects: &[(Effect, u32)], envelope: &[Effect]) -> bool {
    effects.iter().all(|(effect, _)| {
        effect.own
            || envelope.iter().any(|approved| {
                approved.kind >= effect.kind
                    && (approved.verb, &approved.object) == (effect.verb, &effect.object)
                    && match (effect.bound, approved.bound) {
                        (_, Bound::Unbounded) | (Bound::Structure, Bound::Structure) => true,
                        (Bound::Rows(now), Bound::Rows(then)) => now <= then,
                        _ => false,
                    }
            })
    })
}

fn count(number: Option<i64>) -> u64 {
    number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// One sentence without data: what was measured.
pub(crate) fn summary(effects: &[Effect]) -> String {
    let worst = effects
        .iter()
        .map(|e| e.kind)
        .max()
        .unwrap_or(EffectKind::Read);
    let mut parts: Vec<String> = effects
        .iter()
        .filter(|e| e.kind == worst)
        .take(4)
        .map(|effect| {
            let verb = format!("{:?}", effect.verb).to_lowercase();
            let object = effect.object.as_deref().unwrap_or("the catalogue");
            match effect.bound {
                Bound::Rows(1) => format!("{verb} 1 row of {object}"),
                Bound::Rows(n) => format!("{verb} {n} rows of {object}"),
                _ => format!("{verb} {object}"),
            }
        })
        .collect();
    parts.dedup();
    format!("{worst}, measured: {}", parts.join(", "))
}
