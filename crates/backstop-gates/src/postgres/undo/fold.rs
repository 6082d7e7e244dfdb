//! Folding: of all that happened to a row, what it was first and what it must be now.

use super::error::UndoError;
use super::load::{Staged, comma};
use super::table::{SEQ, SIDE, Table, WANTED};

impl Staged<'_> {
    /// Makes the desired rows (`d`) of each table, and what stands against them (`j`).
    pub(super) async fn fold(&mut self) -> Result<(), UndoError> {
        for n in 0..self.tables.len() {
            self.fold_table(n).await?;
        }
        Ok(())
    }

    /// The same for one table, whose staged rows may be none.
    pub(super) async fn fold_table(&mut self, n: usize) -> Result<(), UndoError> {
        let Some(table) = self.tables.get(n).cloned() else {
            return Ok(());
        };
        let sql = if table.keyed() {
            keyed(&table)
        } else {
            keyless(&table)
        };
        self.ask(&sql).await.map(drop)
    }
}

/// With a key: the row at its first change says what it was, at its last what the transaction left.
fn keyed(table: &Table) -> String {
    let (s, k, d) = (
        table.temporary('s'),
        table.temporary('k'),
        table.temporary('d'),
    );
    let keys = table.keys("");
    let all = table.all("s.");
    format!(
        "create temporary table {k} on commit drop as \
           select {}, pg_catalog.min(s.{SEQ}) as backstop_lo, pg_catalog.max(s.{SEQ}) as backstop_hi from {s} s group by {};\
         create temporary table {d} (like {s}) on commit drop;\
         alter table {d} add column {WANTED} pg_catalog.bool;\
         insert into {d} ({}{WANTED}) select {all}, true from {s} s join {k} k on {} \
           where s.{SIDE} operator(pg_catalog.=) 'o' and s.{SEQ} operator(pg_catalog.=) k.backstop_lo;\
         insert into {d} ({}{WANTED}) select {all}, false from {s} s join {k} k on {} \
           where s.{SIDE} operator(pg_catalog.=) 'n' and s.{SEQ} operator(pg_catalog.=) k.backstop_hi \
           and not exists (select from {d} d where {});\
         create unique index on {d} ({keys}); analyze {d}; analyze {s}; analyze {k}",
        table.keys("s."),
        table.keys("s."),
        before(&table.all("")),
        table.same_key("s", "k"),
        before(&table.all("")),
        table.same_key("s", "k"),
        table.same_key("d", "s"),
    )
}

/// Without one: how many copies of each content there were more before than after.
fn keyless(table: &Table) -> String {
    let (s, d) = (table.temporary('s'), table.temporary('d'));
    format!(
        "create temporary table {d} (like {s}) on commit drop;\
         alter table {d} add column backstop_content pg_catalog.text collate pg_catalog.\"C\" primary key, \
           add column backstop_delta pg_catalog.int8 not null, add column backstop_done pg_catalog.int8 not null default 0;\
         insert into {d} ({}backstop_content, backstop_delta) \
           select distinct on (g.backstop_content) {}g.backstop_content, g.backstop_delta from \
           (select {} as backstop_content, \
             pg_catalog.sum(case s.{SIDE} when 'o' then 1 else -1 end) over (partition by {}) as backstop_delta{} \
             from {s} s) g where g.backstop_delta operator(pg_catalog.<>) 0;\
         analyze {d}",
        before(&table.all("")),
        before(&table.all("g.")),
        table.content("s"),
        table.content("s"),
        comma(&table.all("s.")),
    )
}

/// A list before another one.
pub(super) fn before(list: &str) -> String {
    if list.is_empty() {
        String::new()
    } else {
        format!("{list}, ")
    }
}
