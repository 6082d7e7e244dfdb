//! What a transaction has done by now, as figures: asked in the transaction itself, whose session may have been led
//! astray, and in another session that sees the copy as it was.

use std::collections::{HashMap, HashSet};

use backstop_core::rehearsal::{Lock, Rehearsal, Rows};
use backstop_wire::sql as reading;

use super::wire::{Stop, Wire};
use crate::points::database::Manifest;
use crate::points::question::{Question, Row};
use crate::points::{PointError, Session, sql};

/// Objects whose going is told, with the relation that each is a part of, and the file of each relation.
const OBJECTS: &str = "
    SELECT 1259, c.oid, 0, c.relfilenode, COALESCE(i.indrelid, 0) FROM pg_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
    WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 1259, a.attrelid, a.attnum::pg_catalog.int4, 0, a.attrelid FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f')
        AND c.relpersistence <> 't'
    UNION ALL SELECT 1255, p.oid, 0, 0, 0 FROM pg_catalog.pg_proc p WHERE p.oid >= 16384
    UNION ALL SELECT 2606, k.oid, 0, 0, k.conrelid FROM pg_catalog.pg_constraint k
    WHERE k.oid >= 16384 AND k.contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL SELECT 2620, t.oid, 0, 0, t.tgrelid FROM pg_catalog.pg_trigger t
    WHERE t.oid >= 16384 AND NOT t.tgisinternal
    UNION ALL SELECT 3256, p.oid, 0, 0, p.polrelid FROM pg_catalog.pg_policy p WHERE p.oid >= 16384
    UNION ALL SELECT 2615, n.oid, 0, 0, 0 FROM pg_catalog.pg_namespace n
    WHERE n.oid >= 16384 AND n.nspname !~ '^pg_'
    UNION ALL SELECT 1247, t.oid, 0, 0, 0 FROM pg_catalog.pg_type t
    WHERE t.oid >= 16384 AND t.typtype IN ('d', 'e', 'r')";

/// Where every sequence stands, which no rollback puts back.
const SEQUENCES: &str = "
    SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND c.relpersistence <> 't' ORDER BY c.oid";

/// How many objects that are gone are named.
const NAMED: usize = 50;

/// Locks from the weakest on.
const MODES: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

/// An object as `pg_depend` names it: class, object, column.
type Key = (u32, u32, i32);

/// The copy as it is when nothing has been done to it.
pub(super) struct Baseline {
    /// The file, and what it is a part of.
    objects: HashMap<Key, (u32, u32)>,
    /// Statements that put each sequence where it stood.
    sequences: Vec<String>,
}

impl Baseline {
    pub(super) async fn take(session: &mut Session) -> Result<Self, PointError> {
        Ok(Self {
            objects: keyed(&session.ask(OBJECTS).await?),
            sequences: sequences(session).await?,
        })
    }

    /// Statements that put those sequences back that stand elsewhere by now.
    pub(super) async fn moved(&self, session: &mut Session) -> Result<Vec<String>, PointError> {
        let now: HashSet<String> = sequences(session).await?.into_iter().collect();
        let moved = self.sequences.iter().filter(|one| !now.contains(*one));
        Ok(moved.cloned().collect())
    }
}

async fn sequences(session: &mut Session) -> Result<Vec<String>, PointError> {
    let mut all = vec![];
    // A few hundred in one question.
    for some in session.ask(SEQUENCES).await?.chunks(200) {
        let parts: Vec<String> = some
            .iter()
            .map(|row| {
                let name = sql::qualified(&sql::text(row, 0), &sql::text(row, 1));
                format!(
                    "SELECT {}, s.last_value, s.is_called FROM {name} s",
                    sql::literal(&name)
                )
            })
            .collect();
        for row in session.ask(&parts.join(" UNION ALL ")).await? {
            all.push(format!(
                "SELECT pg_catalog.setval({}, {}, {})",
                sql::literal(&sql::text(&row, 0)),
                sql::text(&row, 1),
                sql::truth(&row, 2)
            ));
        }
    }
    Ok(all)
}

fn keyed(rows: &[Row]) -> HashMap<Key, (u32, u32)> {
    rows.iter()
        .map(|row| {
            let key = (
                sql::number(row, 0),
                sql::number(row, 1),
                sql::number(row, 2),
            );
            (key, (sql::number(row, 3), sql::number(row, 4)))
        })
        .collect()
}

/// A table that was written.
pub(super) struct Written {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
}

impl Written {
    /// `"schema"."name"`.
    pub(super) fn qualified(&self) -> String {
        sql::qualified(&self.schema, &self.name)
    }
}

/// What was found out.
pub(super) struct Found {
    locks: Vec<Lock>,
    pub(super) tables: Vec<Written>,
    gone: Vec<String>,
    gone_more: u64,
    /// Objects are gone, or tables were emptied or written anew.
    pub(super) structure: bool,
}

impl Found {
    /// Into the figures.
    pub(super) fn tell(&self, told: &mut Rehearsal) {
        told.locks.clone_from(&self.locks);
        told.tables = self
            .tables
            .iter()
            .map(|one| Rows {
                table: reading::qualified(&one.schema, &one.name),
                inserted: one.inserted,
                updated: one.updated,
                deleted: one.deleted,
            })
            .collect();
        told.gone.clone_from(&self.gone);
        told.gone_more = self.gone_more;
    }

    /// Tables that hold dead rows now.
    pub(super) fn written(&self) -> Vec<String> {
        self.tables.iter().map(Written::qualified).collect()
    }
}

/// Takes the figures of the transaction that is open in `wire`.
pub(super) async fn look(
    wire: &mut Wire,
    watcher: &mut Session,
    baseline: &Baseline,
    manifest: &Manifest,
) -> Result<Found, Stop> {
    // From here on names mean PostgreSQL's own.
    wire.ask("select pg_catalog.set_config('search_path', '', true)")
        .await?;
    let lost = |_| Stop::Lost;
    let held = watcher.ask(&locks(wire.process())).await.map_err(lost)?;
    let now = keyed(&wire.ask(OBJECTS).await?);
    let is_gone = |key: &Key| !now.contains_key(key);
    // What goes with a relation is not told of besides.
    let gone: Vec<Key> = baseline
        .objects
        .iter()
        .filter(|(key, (_, of))| is_gone(key) && !is_gone_with(key, *of, &now))
        .map(|(key, _)| *key)
        .collect();
    let taken: Vec<u32> = baseline
        .objects
        .iter()
        .filter(|(key, (file, _))| {
            key.0 == 1259 && key.2 == 0 && now.get(*key).is_none_or(|(new, _)| new != file)
        })
        .map(|(key, _)| key.1)
        .collect();
    let mut tables = counted(wire, &held).await?;
    emptied(wire, watcher, &taken, manifest, &mut tables).await?;
    tables.retain(|one| one.inserted + one.updated + one.deleted > 0);
    let mut names = vec![];
    let mut sorted = gone.clone();
    sorted.sort_unstable();
    for (class, object, column) in sorted.iter().take(NAMED) {
        let question = format!("SELECT pg_catalog.pg_describe_object({class}, {object}, {column})");
        let rows = watcher.ask(&question).await.map_err(lost)?;
        names.push(sql::text(&rows.concat(), 0));
    }
    Ok(Found {
        locks: strongest(&held),
        tables,
        gone_more: gone.len().saturating_sub(names.len()) as u64,
        gone: names,
        structure: !gone.is_empty() || !taken.is_empty(),
    })
}

fn is_gone_with(key: &Key, of: u32, now: &HashMap<Key, (u32, u32)>) -> bool {
    let relation = (1259, of, 0);
    of != 0 && relation != *key && !now.contains_key(&relation)
}

/// Locks of a session on relations that are not PostgreSQL's own, but for those that reads take.
fn locks(process: i32) -> String {
    format!(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, l.mode FROM pg_catalog.pg_locks l
         JOIN pg_catalog.pg_class c ON c.oid = l.relation
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE l.pid = {process} AND l.locktype = 'relation' AND l.granted AND l.mode <> 'AccessShareLock'
            AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND n.nspname !~ '^pg_'
         ORDER BY n.nspname, c.relname, c.oid"
    )
}

fn strongest(held: &[Row]) -> Vec<Lock> {
    let strength = |mode: &str| MODES.iter().position(|one| *one == mode).unwrap_or(0);
    let mut locks: Vec<Lock> = vec![];
    for row in held {
        let lock = Lock {
            relation: reading::qualified(&sql::text(row, 1), &sql::text(row, 2)),
            mode: sql::text(row, 4),
        };
        match locks.iter_mut().find(|one| one.relation == lock.relation) {
            Some(known) if strength(&known.mode) < strength(&lock.mode) => *known = lock,
            Some(_) => {}
            None => locks.push(lock),
        }
    }
    locks
}

/// The server's own counters of this transaction, of every table it has locked.
async fn counted(wire: &mut Wire, held: &[Row]) -> Result<Vec<Written>, Stop> {
    let mut tables: Vec<Written> = vec![];
    for row in held {
        let oid = sql::number(row, 0);
        if sql::text(row, 3) == "r" && !tables.iter().any(|one| one.oid == oid) {
            tables.push(Written {
                oid,
                schema: sql::text(row, 1),
                name: sql::text(row, 2),
                inserted: 0,
                updated: 0,
                deleted: 0,
            });
        }
    }
    let oids: Vec<String> = tables.iter().map(|one| one.oid.to_string()).collect();
    let counters = wire
        .ask(&format!(
            "select o, pg_catalog.pg_stat_get_xact_tuples_inserted(o), \
             pg_catalog.pg_stat_get_xact_tuples_updated(o), pg_catalog.pg_stat_get_xact_tuples_deleted(o) \
             from pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]) as t(o)",
            oids.join(",")
        ))
        .await?;
    for row in &counters {
        let oid: u32 = sql::number(row, 0);
        if let Some(one) = tables.iter_mut().find(|one| one.oid == oid) {
            one.inserted = sql::number(row, 1);
            one.updated = sql::number(row, 2);
            one.deleted = sql::number(row, 3);
        }
    }
    Ok(tables)
}

/// Rows that went with their whole table, which no counter shows.
async fn emptied(
    wire: &mut Wire,
    watcher: &mut Session,
    taken: &[u32],
    manifest: &Manifest,
    tables: &mut Vec<Written>,
) -> Result<(), Stop> {
    if taken.is_empty() {
        return Ok(());
    }
    let oids: Vec<String> = taken.iter().map(ToString::to_string).collect();
    let names = watcher
        .ask(&format!(
            "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind = 'r' AND c.oid IN ({})",
            oids.join(", ")
        ))
        .await
        .map_err(|_| Stop::Lost)?;
    for row in &names {
        let (oid, schema, name) = (sql::number(row, 0), sql::text(row, 1), sql::text(row, 2));
        let qualified = sql::qualified(&schema, &name);
        let Some(was) = manifest.tables.iter().find(|table| table.name == qualified) else {
            continue;
        };
        let left = left(wire, oid).await?;
        let at = match tables.iter().position(|one| one.oid == oid) {
            Some(at) => at,
            None => {
                tables.push(Written {
                    oid,
                    schema,
                    name,
                    inserted: 0,
                    updated: 0,
                    deleted: 0,
                });
                tables.len() - 1
            }
        };
        if let Some(one) = tables.get_mut(at) {
            let all = was.rows.saturating_add(one.inserted);
            one.deleted = one.deleted.max(all.saturating_sub(left));
        }
    }
    Ok(())
}

/// How many rows a table has in this transaction, by whatever name; none if it is gone.
async fn left(wire: &mut Wire, oid: u32) -> Result<u64, Stop> {
    let found = wire
        .ask(&format!(
            "select n.nspname, c.relname from pg_catalog.pg_class c \
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = {oid}"
        ))
        .await?;
    let Some(row) = found.first() else {
        return Ok(0);
    };
    let name = sql::qualified(&sql::text(row, 0), &sql::text(row, 1));
    let rows = wire
        .ask(&format!("select pg_catalog.count(*) from only {name}"))
        .await?;
    Ok(sql::number(&rows.concat(), 0))
}
