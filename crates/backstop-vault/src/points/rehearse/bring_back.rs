//! Bringing back rows that an open transaction has changed or deleted, to see how long it takes: in the same
//! transaction, which is rolled back afterwards.
//!
//! Another session still sees every old version. Those that the transaction sees too, in the same place, were only
//! locked; all others go back by their key, and what the transaction inserted goes.

use std::time::Instant;

use backstop_core::rehearsal::NotMeasured;

use super::copy::since;
use super::figures::{Found, Written};
use super::wire::{Stop, Wire};
use crate::points::database::{Manifest, digest_question, digest_read};
use crate::points::objects::order::referenced_first;
use crate::points::question::Question as _;
use crate::points::{Session, sql};

/// The settings under which equal rows have equal text, as the other session has them.
const SETTINGS: &str = "
    set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; set local timezone = 'UTC';
    set local bytea_output = 'hex'; set local extra_float_digits = 3; set local xmloption = 'content';
    set local statement_timeout = 0; set local lock_timeout = '5s'; set local row_security = off;
    set constraints all deferred";

/// A table, and how its rows are found again.
struct Plan<'a> {
    table: &'a Written,
    /// The name of the temporary table with the old versions.
    old: String,
    columns: Vec<String>,
    /// Columns that UPDATE may set.
    settable: Vec<String>,
    key: Vec<String>,
}

/// Brings back all rows, compares the tables with what they were, and says how long it took, in milliseconds.
///
/// `number` is the transaction's, from its beginning.
pub(super) async fn rows(
    wire: &mut Wire,
    watcher: &mut Session,
    found: &Found,
    manifest: &Manifest,
    number: &str,
) -> Result<u64, NotMeasured> {
    let failed = |_: Stop| NotMeasured::Failed;
    let mut plans = vec![];
    for (n, table) in ordered(&found.tables, watcher).await?.iter().enumerate() {
        let plan = plan(table, n, watcher).await?;
        if plan.key.is_empty() && table.updated > 0 {
            return Err(NotMeasured::NoKey);
        }
        plans.push(plan);
    }
    wire.ask(SETTINGS).await.map_err(failed)?;
    let number: u64 = number.parse().map_err(|_| NotMeasured::Failed)?;
    // Row versions have the number's lower half; a server that has just been made has no upper one.
    let first = u32::try_from(number).map_err(|_| NotMeasured::Failed)?;
    let began = Instant::now();
    for plan in &plans {
        plan.load(wire, watcher).await?;
    }
    for plan in plans.iter().rev() {
        wire.ask(&plan.delete(first)).await.map_err(failed)?;
    }
    for plan in plans.iter().filter(|plan| plan.table.updated > 0) {
        wire.ask(&plan.update()).await.map_err(failed)?;
    }
    for plan in &plans {
        wire.ask(&plan.insert()).await.map_err(failed)?;
    }
    // What triggers wrote meanwhile.
    for plan in plans.iter().rev() {
        wire.ask(&plan.delete(first)).await.map_err(failed)?;
    }
    wire.ask("set constraints all immediate")
        .await
        .map_err(failed)?;
    let took = since(began);
    for plan in &plans {
        let name = plan.table.qualified();
        let row = wire.ask(&digest_question(&name)).await.map_err(failed)?;
        let is = digest_read(&row.concat());
        let was = manifest.tables.iter().find(|table| table.name == name);
        if was.is_none_or(|was| (was.rows, &was.digest) != (is.0, &is.1)) {
            return Err(NotMeasured::Otherwise);
        }
    }
    Ok(took)
}

/// The referenced before the referencing.
async fn ordered<'a>(
    tables: &'a [Written],
    watcher: &mut Session,
) -> Result<Vec<&'a Written>, NotMeasured> {
    let oids: Vec<u32> = tables.iter().map(|one| one.oid).collect();
    let list: Vec<String> = oids.iter().map(ToString::to_string).collect();
    let keys = watcher
        .ask(&format!(
            "SELECT k.conrelid, k.confrelid FROM pg_catalog.pg_constraint k
             WHERE k.contype = 'f' AND k.conrelid IN ({0}) AND k.confrelid IN ({0})",
            list.join(", ")
        ))
        .await
        .map_err(|_| NotMeasured::Failed)?;
    let references: Vec<(u32, u32)> = keys
        .iter()
        .map(|row| (sql::number(row, 0), sql::number(row, 1)))
        .collect();
    let order = referenced_first(&oids, &references).ok_or(NotMeasured::Unsuited)?;
    let find = |oid: &u32| tables.iter().find(|one| one.oid == *oid);
    Ok(order.iter().filter_map(find).collect())
}

async fn plan<'a>(
    table: &'a Written,
    n: usize,
    watcher: &mut Session,
) -> Result<Plan<'a>, NotMeasured> {
    let columns = watcher
        .ask(&format!(
            "SELECT a.attname, a.attidentity = 'a',
                EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary
                    AND a.attnum = ANY (i.indkey::pg_catalog.int2[]))
             FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = {} AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum",
            table.oid
        ))
        .await
        .map_err(|_| NotMeasured::Failed)?;
    let those = |is: &dyn Fn(&crate::points::Row) -> bool| -> Vec<String> {
        let some = columns.iter().filter(|row| is(row));
        some.map(|row| sql::ident(&sql::text(row, 0))).collect()
    };
    Ok(Plan {
        table,
        old: format!("pg_temp.backstop_old_{n}"),
        columns: those(&|_| true),
        settable: those(&|row| !sql::truth(row, 1) && !sql::truth(row, 2)),
        key: those(&|row| sql::truth(row, 2)),
    })
}

impl Plan<'_> {
    /// Fills the temporary table with the old versions of the rows that were changed or deleted.
    async fn load(&self, wire: &mut Wire, watcher: &mut Session) -> Result<(), NotMeasured> {
        let failed = |_: Stop| NotMeasured::Failed;
        let (name, old) = (self.table.qualified(), &self.old);
        let columns = self.columns.join(", ");
        wire.ask(&format!(
            "create temporary table {} as select x.ctid as backstop_ctid, {columns} from only {name} as x with no data",
            old.trim_start_matches("pg_temp.")
        ))
        .await
        .map_err(failed)?;
        let (mut end, mut begin) = tokio::io::duplex(256 << 10);
        // A version that nobody has touched has no number there.
        let out = format!(
            "COPY (SELECT x.ctid, {columns} FROM ONLY {name} AS x WHERE x.xmax OPERATOR(pg_catalog.<>) '0'::pg_catalog.xid) TO STDOUT"
        );
        let reading = async {
            let copied = watcher.copy_out(&out, &mut end).await;
            drop(end);
            copied
        };
        let into = format!("copy {old} from stdin");
        let (read, written) = tokio::join!(reading, wire.copy_in(&into, &mut begin));
        read.map_err(|_| NotMeasured::Failed)?;
        written.map_err(failed)?;
        wire.ask(&format!(
            "delete from {old} as o using only {name} as t where t.ctid operator(pg_catalog.=) o.backstop_ctid; \
             analyze {old}"
        ))
        .await
        .map_err(failed)?;
        Ok(())
    }

    fn matches(&self, one: &str, two: &str) -> String {
        let pairs: Vec<String> = self
            .key
            .iter()
            .map(|column| format!("{one}.{column} = {two}.{column}"))
            .collect();
        pairs.join(" and ")
    }

    /// Rows that the transaction made, and that are no new versions of old ones.
    fn delete(&self, first: u32) -> String {
        let known = if self.key.is_empty() {
            // Nothing was updated here; what came back is not to go again.
            format!(
                "not exists (select from {} as o where row({}) is not distinct from row({}))",
                self.old,
                of("o", &self.columns),
                of("t", &self.columns),
            )
        } else {
            format!(
                "not exists (select from {} as o where {})",
                self.old,
                self.matches("o", "t")
            )
        };
        format!(
            "delete from only {} as t where t.xmin::pg_catalog.text::pg_catalog.int8 >= {first} and {known}",
            self.table.qualified()
        )
    }

    fn update(&self) -> String {
        if self.settable.is_empty() {
            return "select".to_owned();
        }
        let set: Vec<String> = self
            .settable
            .iter()
            .map(|column| format!("{column} = o.{column}"))
            .collect();
        format!(
            "update only {} as t set {} from {} as o where {}",
            self.table.qualified(),
            set.join(", "),
            self.old,
            self.matches("t", "o")
        )
    }

    fn insert(&self) -> String {
        let (name, columns) = (self.table.qualified(), self.columns.join(", "));
        let there = if self.key.is_empty() {
            "true".to_owned()
        } else {
            format!(
                "not exists (select from only {name} as t where {})",
                self.matches("t", "o")
            )
        };
        format!(
            "insert into {name} ({columns}) overriding system value select {columns} from {} as o where {there}",
            self.old
        )
    }
}

fn of(table: &str, columns: &[String]) -> String {
    let named: Vec<String> = columns
        .iter()
        .map(|column| format!("{table}.{column}"))
        .collect();
    named.join(", ")
}
