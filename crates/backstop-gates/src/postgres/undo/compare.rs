//! Comparing: what must be there, as the last transaction left it, with what is there.

use super::error::UndoError;
use super::load::Staged;
use super::summary::{Conflict, TableSummary};
use super::table::{SEQ, SIDE, Table, WANTED};
use crate::postgres::question::Row;

/// How many conflicts of a table are listed; all are counted.
const LISTED: u64 = 1_000;

impl Staged<'_> {
    /// Judges each row, and takes what is not to be touched out of the desired rows.
    pub(super) async fn compare(
        &mut self,
    ) -> Result<(Vec<TableSummary>, Vec<Conflict>), UndoError> {
        let (mut tables, mut conflicts) = (vec![], vec![]);
        for table in self.tables.clone() {
            let judge = if table.keyed() {
                keyed(&table)
            } else {
                keyless(&table)
            };
            self.ask(&judge).await?;
            let counts = self.ask(&counts(&table)).await?;
            tables.push(summary(&table, counts.first()));
            for row in self.ask(&listed(&table)).await? {
                conflicts.push(conflict(&table, &row));
            }
        }
        Ok((tables, conflicts))
    }
}

/// One verdict a key: `already` as it was; `same` in the end, so that others' changes are theirs; `ok` as it was left;
/// `between` where others changed it between two of the transactions; else `conflict`.
fn keyed(table: &Table) -> String {
    let (s, k, d, j) = (
        table.temporary('s'),
        table.temporary('k'),
        table.temporary('d'),
        table.temporary('j'),
    );
    let content = |of: &str, there: &str| {
        format!(
            "case when {there} is not null then {} end",
            table.content(of)
        )
    };
    let broken = format!(
        "case when k.lo operator(pg_catalog.=) k.hi then false else exists (select from \
         (select h.o, pg_catalog.lag(h.n) over (order by h.seq) as left_there, \
            pg_catalog.row_number() over (order by h.seq) as nth from \
           (select s.{SEQ} as seq, \
              pg_catalog.max({content}) filter (where s.{SIDE} operator(pg_catalog.=) 'o') as o, \
              pg_catalog.max({content}) filter (where s.{SIDE} operator(pg_catalog.=) 'n') as n \
            from {s} s where {} group by s.{SEQ}) h) z \
         where z.nth operator(pg_catalog.>) 1 and z.left_there is distinct from z.o) end",
        table.same_key("s", "k"),
        content = table.content("s"),
    );
    format!(
        "create temporary table {j} on commit drop as select {}, {} as key, x.e as expected, x.c as there, \
           x.w is not null as wanted, \
           case when x.w is not distinct from x.c then 'already' when x.broken then 'between' \
             when x.w is not distinct from x.e then 'same' when x.e is not distinct from x.c then 'ok' \
             else 'conflict' end as verdict, 1::pg_catalog.int8 as n \
         from (select {}, {} as e, {} as w, {} as c, {broken} as broken from {k} k \
           left join {s} e on {} and e.{SIDE} operator(pg_catalog.=) 'n' and e.{SEQ} operator(pg_catalog.=) k.hi \
           left join {s} w on {} and w.{SIDE} operator(pg_catalog.=) 'o' and w.{SEQ} operator(pg_catalog.=) k.lo \
           left join only {} c on {}) x;\
         delete from {d} d using {j} j where {} and j.verdict operator(pg_catalog.<>) \
           all (array['ok','already']::pg_catalog.text[])",
        table.keys("x."),
        table.key_text("x"),
        table.keys("k."),
        content("e", &format!("e.{SEQ}")),
        content("w", &format!("w.{SEQ}")),
        content("c", "c.ctid"),
        table.same_key("e", "k"),
        table.same_key("w", "k"),
        table.real(),
        table.same_key("c", "k"),
        table.same_key("d", "j"),
    )
}

/// Without a key: as many copies as must go have to be there.
fn keyless(table: &Table) -> String {
    let (d, j) = (table.temporary('d'), table.temporary('j'));
    format!(
        "create temporary table {j} on commit drop as select x.content, null::pg_catalog.text as key, \
           x.content as expected, null::pg_catalog.text as there, \
           x.delta operator(pg_catalog.>) 0 as wanted, \
           case when x.delta operator(pg_catalog.>) 0 \
             or x.there operator(pg_catalog.>=) (operator(pg_catalog.-) x.delta) then 'ok' else 'conflict' end as verdict, \
           pg_catalog.abs(x.delta) as n \
         from (select d.content, d.delta, coalesce(p.there, 0) as there from {d} d left join \
           (select {} as content, pg_catalog.count(*) as there from only {} c group by 1) p \
           on p.content operator(pg_catalog.=) d.content) x;\
         delete from {d} d using {j} j where d.content operator(pg_catalog.=) j.content \
           and j.verdict operator(pg_catalog.=) 'conflict'",
        table.content("c"),
        table.real(),
    )
}

fn counts(table: &Table) -> String {
    let j = table.temporary('j');
    let sum = |of: &str| format!("coalesce(pg_catalog.sum(j.n) filter (where {of}), 0)");
    let ok = "j.verdict operator(pg_catalog.=) 'ok'";
    // A keyless row that comes back has nothing in its place.
    format!(
        "select {}, {}, {}, {}, {} from {j} j",
        sum(&format!("{ok} and j.wanted and j.there is null")),
        sum(&format!("{ok} and not j.wanted")),
        sum(&format!("{ok} and j.wanted and j.there is not null")),
        sum("j.verdict operator(pg_catalog.=) 'already'"),
        sum(
            "j.verdict operator(pg_catalog.=) any (array['conflict','between']::pg_catalog.text[])"
        ),
    )
}

fn summary(table: &Table, row: Option<&Row>) -> TableSummary {
    let number = |n: usize| -> u64 {
        row.and_then(|r| r.get(n)?.as_deref()?.parse().ok())
            .unwrap_or(0)
    };
    TableSummary {
        schema: table.schema.clone(),
        name: table.name.clone(),
        back: number(0),
        remove: number(1),
        revert: number(2),
        already: number(3),
        conflicts: number(4),
    }
}

fn listed(table: &Table) -> String {
    format!(
        "select j.key, j.expected, j.there, j.verdict from {} j where j.verdict operator(pg_catalog.=) \
         any (array['conflict','between']::pg_catalog.text[]) order by j.key limit {LISTED}",
        table.temporary('j')
    )
}

fn conflict(table: &Table, row: &Row) -> Conflict {
    let text = |n: usize| row.get(n).cloned().flatten();
    let (expected, there) = (text(1), text(2));
    let why = match (text(3).as_deref(), &expected, &there) {
        (Some("between"), ..) => "somebody else changed it between two of these transactions",
        (_, Some(_), None) => "it is gone, or has another key or content now",
        (_, None, Some(_)) => "another row has its key now",
        _ => "it was changed since",
    };
    Conflict {
        schema: table.schema.clone(),
        table: table.name.clone(),
        key: text(0),
        expected,
        there,
        why: why.to_owned(),
    }
}

/// How many rows are not as they are desired.
pub(super) fn differing(table: &Table) -> String {
    let d = table.temporary('d');
    if !table.keyed() {
        return format!(
            "select pg_catalog.count(*) from {d} d where d.delta operator(pg_catalog.<>) d.done"
        );
    }
    format!(
        "select pg_catalog.count(*) from {d} d left join only {} t on {} \
         where case when d.{WANTED} then t.ctid is null or {} operator(pg_catalog.<>) {} else t.ctid is not null end",
        table.real(),
        table.same_key("t", "d"),
        table.content("t"),
        table.content("d"),
    )
}
