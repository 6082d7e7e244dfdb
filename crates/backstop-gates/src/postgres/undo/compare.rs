//! Comparing: what must be there, as the last transaction left it, with what is there.

use super::error::UndoError;
use super::load::Staged;
use super::summary::{Conflict, TableSummary};
use super::table::{SEQ, SIDE, Table, WANTED};
use crate::postgres::question::Row;

/// How many conflicts of a table are listed; all are counted.
const LISTED: u64 = 1_000;
/// How many characters of a row are shown.
const LONGEST: u32 = 2_000;

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
        "case when k.backstop_lo operator(pg_catalog.=) k.backstop_hi then false else exists (select from \
         (select h.backstop_o, pg_catalog.lag(h.backstop_n) over (order by h.backstop_seq) as backstop_left_there, \
            pg_catalog.row_number() over (order by h.backstop_seq) as backstop_nth from \
           (select s.{SEQ} as backstop_seq, \
              pg_catalog.max({content}) filter (where s.{SIDE} operator(pg_catalog.=) 'o') as backstop_o, \
              pg_catalog.max({content}) filter (where s.{SIDE} operator(pg_catalog.=) 'n') as backstop_n \
            from {s} s where {} group by s.{SEQ}) h) z \
         where z.backstop_nth operator(pg_catalog.>) 1 and z.backstop_left_there is distinct from z.backstop_o) end",
        table.same_key("s", "k"),
        content = table.content("s"),
    );
    format!(
        "create temporary table {j} on commit drop as select {}, {} as backstop_key, x.backstop_e as backstop_expected, x.backstop_c as backstop_there, \
           x.backstop_w is not null as backstop_wanted, \
           case when x.backstop_w is not distinct from x.backstop_c then 'already' when x.backstop_broken then 'between' \
             when x.backstop_w is not distinct from x.backstop_e then 'same' when x.backstop_e is not distinct from x.backstop_c then 'ok' \
             else 'conflict' end as backstop_verdict, 1::pg_catalog.int8 as backstop_n \
         from (select {}, {} as backstop_e, {} as backstop_w, {} as backstop_c, {broken} as backstop_broken from {k} k \
           left join {s} e on {} and e.{SIDE} operator(pg_catalog.=) 'n' and e.{SEQ} operator(pg_catalog.=) k.backstop_hi \
           left join {s} w on {} and w.{SIDE} operator(pg_catalog.=) 'o' and w.{SEQ} operator(pg_catalog.=) k.backstop_lo \
           left join only {} c on {}) x;\
         delete from {d} d using {j} j where {} and j.backstop_verdict operator(pg_catalog.<>) \
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
        "create temporary table {j} on commit drop as select x.backstop_content, null::pg_catalog.text as backstop_key, \
           x.backstop_content as backstop_expected, null::pg_catalog.text as backstop_there, \
           x.backstop_delta operator(pg_catalog.>) 0 as backstop_wanted, \
           case when x.backstop_delta operator(pg_catalog.>) 0 \
             or x.backstop_there operator(pg_catalog.>=) (operator(pg_catalog.-) x.backstop_delta) then 'ok' else 'conflict' end as backstop_verdict, \
           pg_catalog.abs(x.backstop_delta) as backstop_n \
         from (select d.backstop_content, d.backstop_delta, coalesce(p.backstop_there, 0) as backstop_there from {d} d left join \
           (select {} as backstop_content, pg_catalog.count(*) as backstop_there from only {} c group by 1) p \
           on p.backstop_content operator(pg_catalog.=) d.backstop_content) x;\
         delete from {d} d using {j} j where d.backstop_content operator(pg_catalog.=) j.backstop_content \
           and j.backstop_verdict operator(pg_catalog.=) 'conflict'",
        table.content("c"),
        table.real(),
    )
}

fn counts(table: &Table) -> String {
    let j = table.temporary('j');
    let sum = |of: &str| format!("coalesce(pg_catalog.sum(j.backstop_n) filter (where {of}), 0)");
    let ok = "j.backstop_verdict operator(pg_catalog.=) 'ok'";
    // A keyless row that comes back has nothing in its place.
    format!(
        "select {}, {}, {}, {}, {} from {j} j",
        sum(&format!(
            "{ok} and j.backstop_wanted and j.backstop_there is null"
        )),
        sum(&format!("{ok} and not j.backstop_wanted")),
        sum(&format!(
            "{ok} and j.backstop_wanted and j.backstop_there is not null"
        )),
        sum("j.backstop_verdict operator(pg_catalog.=) 'already'"),
        sum(
            "j.backstop_verdict operator(pg_catalog.=) any (array['conflict','between']::pg_catalog.text[])"
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
        "select pg_catalog.left(j.backstop_key, {LONGEST}), pg_catalog.left(j.backstop_expected, {LONGEST}), \
           pg_catalog.left(j.backstop_there, {LONGEST}), j.backstop_verdict from {} j where j.backstop_verdict operator(pg_catalog.=) \
         any (array['conflict','between']::pg_catalog.text[]) order by j.backstop_key limit {LISTED}",
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

/// How many rows must go, change, and come for a table to be as it is desired.
pub(super) fn needs(table: &Table) -> String {
    let d = table.temporary('d');
    if !table.keyed() {
        return format!(
            "select pg_catalog.count(*) filter (where d.backstop_done operator(pg_catalog.>) d.backstop_delta), 0, \
               pg_catalog.count(*) filter (where d.backstop_delta operator(pg_catalog.>) d.backstop_done) from {d} d"
        );
    }
    format!(
        "select pg_catalog.count(*) filter (where not d.{WANTED} and t.ctid is not null), \
           pg_catalog.count(*) filter (where d.{WANTED} and {} operator(pg_catalog.<>) {}), \
           pg_catalog.count(*) filter (where d.{WANTED} and t.ctid is null) \
         from {d} d left join only {} t on {}",
        table.content("t"),
        table.content("d"),
        table.real(),
        table.same_key("t", "d"),
    )
}
