//! Acting: whatever differs from the desired rows is changed.
//!
//! Best in one statement over all tables that refer to each other: foreign keys are checked at its end, when everything
//! is in place, so that cycles and self-references need no order. Rows go first, then change, then come, so that no unique value is taken.
//! Where that cannot be, the server says so and another way is tried from the same state.

use super::error::UndoError;
use super::load::Staged;
use super::table::{Table, WANTED};
use crate::postgres::error::{GateError, ServerError};
use crate::postgres::question::ident;

/// What is done to rows that are there but differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Differing {
    /// They are updated.
    Update,
    /// The same, once what must be unique has made room: it is NULL for a moment, where it may be.
    Park,
    /// They go and come anew: past triggers on UPDATE, and where rows swap unique values.
    Replace,
}

/// In what order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// In one statement for tables that refer to each other.
    AtOnce,
    /// Rows come, parents first; then change; then go, children first.
    ComeFirst,
    /// Rows go, children first; then change; then come, parents first.
    GoFirst,
}

type Way = (Order, Differing);

/// What there is to do in a table. A statement that finds nothing to do would still set off the triggers that run once
/// a statement, and these would never come to rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// Rows are there that must not be.
    pub(super) go: bool,
    /// Rows are there with another content.
    pub(super) change: bool,
    /// Rows are not there that must be.
    pub(super) come: bool,
}

impl Need {
    /// Whether there is anything to do.
    pub(super) fn any(&self) -> bool {
        self.go || self.change || self.come
    }

    /// The statements that a way takes: going, changing, coming.
    fn by(self, differing: Differing) -> Self {
        let replace = differing == Differing::Replace && self.change;
        Self {
            go: self.go || replace,
            change: self.change && !replace,
            come: self.come || replace,
        }
    }
}

/// A table and what it needs.
type Needy<'a> = (&'a Table, Need);

const FIRST_WAYS: [Way; 6] = [
    (Order::AtOnce, Differing::Update),
    (Order::AtOnce, Differing::Park),
    (Order::AtOnce, Differing::Replace),
    (Order::ComeFirst, Differing::Update),
    (Order::GoFirst, Differing::Update),
    (Order::GoFirst, Differing::Replace),
];

/// When something has moved what was put in place, an UPDATE would be moved again.
const LATER_WAYS: [Way; 6] = [
    (Order::AtOnce, Differing::Replace),
    (Order::GoFirst, Differing::Replace),
    (Order::AtOnce, Differing::Update),
    (Order::AtOnce, Differing::Park),
    (Order::ComeFirst, Differing::Update),
    (Order::GoFirst, Differing::Update),
];

impl Staged<'_> {
    /// Changes what differs. `families` are tables that refer to each other, parents first.
    pub(super) async fn act(
        &mut self,
        round: usize,
        families: &[Vec<usize>],
        needs: &[Need],
    ) -> Result<(), UndoError> {
        let ways = if round == 0 { FIRST_WAYS } else { LATER_WAYS };
        let mut refused: Vec<ServerError> = vec![];
        for way in ways {
            if self
                .may(way, families, needs, &mut refused)
                .await?
                .is_some()
            {
                return Ok(());
            }
        }
        // One table by itself: what its rows take with them comes back in the next round.
        for n in families.iter().flatten() {
            let alone = [vec![*n]];
            let way = (Order::AtOnce, Differing::Replace);
            if self
                .may(way, &alone, needs, &mut refused)
                .await?
                .unwrap_or(0)
                > 0
            {
                return Ok(());
            }
        }
        Err(UndoError::no_way(refused))
    }

    /// Tries a way; how many rows it changed, or none when it is not one, and nothing has changed.
    async fn may(
        &mut self,
        way: Way,
        families: &[Vec<usize>],
        needs: &[Need],
        refused: &mut Vec<ServerError>,
    ) -> Result<Option<u64>, UndoError> {
        match self.try_way(way, families, needs).await {
            Ok(count) => Ok(Some(count)),
            Err(GateError::Server(told)) if self.forgiving || another_way_may_do(&told.code) => {
                self.ask("rollback to savepoint backstop_act;release savepoint backstop_act")
                    .await?;
                refused.push(told);
                Ok(None)
            }
            Err(error) => Err(UndoError::acting(error)),
        }
    }

    async fn try_way(
        &mut self,
        way: Way,
        families: &[Vec<usize>],
        needs: &[Need],
    ) -> Result<u64, GateError> {
        self.server
            .tell("savepoint backstop_act;set constraints all deferred")
            .await?;
        let mut count = 0;
        for family in families {
            let tables: Vec<Needy<'_>> = family
                .iter()
                .filter_map(|n| Some((self.tables.get(*n)?, needs.get(*n)?.by(way.1))))
                .filter(|(_, need)| need.any())
                .collect();
            for statement in statements(way, &tables) {
                let rows = self.server.ask(&statement).await?;
                let number = rows.into_iter().flatten().flatten().next();
                count += number.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        // Deferred checks and triggers run now, where they can still be looked at, and not at COMMIT.
        self.server
            .tell("set constraints all immediate;release savepoint backstop_act")
            .await?;
        Ok(count)
    }
}

/// Constraints that may hold in another order, and triggers that got in the way of the same statement.
fn another_way_may_do(code: &str) -> bool {
    matches!(
        code,
        "23001"
            | "23502"
            | "23503"
            | "23505"
            | "23514"
            | "23P01"
            | "27000"
            | "428C9"
            | "21000"
            | "0A000"
    )
}

fn statements(way: Way, parents_first: &[Needy<'_>]) -> Vec<String> {
    if parents_first.is_empty() {
        return vec![];
    }
    let (order, differing) = way;
    let go = || {
        let children_first = parents_first.iter().rev();
        children_first
            .filter(|(_, need)| need.go)
            .map(|(t, _)| go(t, differing))
    };
    let change = || {
        let tables = parents_first.iter().filter(|(_, need)| need.change);
        tables.filter_map(|(t, _)| change(t, differing, ""))
    };
    let come = || {
        let tables = parents_first.iter().filter(|(_, need)| need.come);
        tables.map(|(t, _)| come(t, differing, ""))
    };
    match order {
        Order::AtOnce => {
            let room = parents_first
                .iter()
                .filter(|(_, need)| differing == Differing::Park && need.change)
                .filter_map(|(t, _)| make_room(t));
            let mut out: Vec<String> = room.collect();
            out.push(at_once(parents_first, differing));
            out
        }
        Order::ComeFirst => come().chain(change()).chain(go()).collect(),
        Order::GoFirst => {
            // What was to be replaced has gone by the time that rows come, so it is simply absent.
            go().chain(change()).chain(come()).collect()
        }
    }
}

fn at_once(tables: &[Needy<'_>], differing: Differing) -> String {
    let mut parts = vec![];
    let none = || vec!["0::pg_catalog.int8".to_owned()];
    let (mut gone, mut changed, mut come_back) = (none(), none(), none());
    for (n, (table, _)) in tables.iter().enumerate().filter(|(_, (_, need))| need.go) {
        parts.push(format!("g{n} as ({} returning 1)", go(table, differing)));
        gone.push(format!("(select pg_catalog.count(*) from g{n})"));
    }
    parts.push(format!("gone as materialized (select {} as n)", sum(&gone)));
    for (n, (table, need)) in tables.iter().enumerate() {
        // Referring to all that goes makes it go first.
        let after = " and (select gone.n from gone) operator(pg_catalog.>=) 0";
        if need.change
            && let Some(change) = change(table, differing, after)
        {
            parts.push(format!("c{n} as ({change} returning 1)"));
            changed.push(format!("(select pg_catalog.count(*) from c{n})"));
        }
    }
    changed.push("(select gone.n from gone)".to_owned());
    parts.push(format!(
        "changed as materialized (select {} as n)",
        sum(&changed)
    ));
    for (n, (table, _)) in tables.iter().enumerate().filter(|(_, (_, need))| need.come) {
        let after = " and (select changed.n from changed) operator(pg_catalog.>=) 0";
        parts.push(format!(
            "i{n} as ({} returning 1)",
            come(table, differing, after)
        ));
        come_back.push(format!("(select pg_catalog.count(*) from i{n})"));
    }
    come_back.push("(select changed.n from changed)".to_owned());
    format!("with {} select {}", parts.join(", "), sum(&come_back))
}

fn sum(counts: &[String]) -> String {
    counts.join(" operator(pg_catalog.+) ")
}

/// Removes rows that are not desired, and those that are to be replaced.
fn go(table: &Table, differing: Differing) -> String {
    let d = table.temporary('d');
    let real = table.real();
    if !table.keyed() {
        return format!(
            "delete from only {real} t using (select c.ctid as place from \
             (select t.ctid, {content} as backstop_content, \
               pg_catalog.row_number() over (partition by {content}) as backstop_nth from only {real} t) c \
             join {d} d on d.backstop_content operator(pg_catalog.=) c.backstop_content \
             where c.backstop_nth operator(pg_catalog.<=) (d.backstop_done operator(pg_catalog.-) d.backstop_delta)) x \
             where t.ctid operator(pg_catalog.=) x.place",
            content = table.content("t"),
        );
    }
    let too = match differing {
        Differing::Update | Differing::Park => String::new(),
        Differing::Replace => format!(" or {}", differ(table)),
    };
    format!(
        "delete from only {real} t using {d} d where {} and (not d.{WANTED}{too})",
        table.same_key("t", "d"),
    )
}

/// Gives rows their old content; none where rows without a key are only there or not.
fn change(table: &Table, differing: Differing, after: &str) -> Option<String> {
    let columns = table.updatable();
    if !table.keyed() || differing == Differing::Replace || columns.is_empty() {
        return None;
    }
    let set = columns
        .iter()
        .map(|c| format!("{c} = d.{c}"))
        .collect::<Vec<_>>()
        .join(", ");
    Some(format!(
        "update only {} t set {set} from {} d where {} and d.{WANTED} and {}{after}",
        table.real(),
        table.temporary('d'),
        table.same_key("t", "d"),
        differ(table),
    ))
}

/// Takes unique values out of the rows that will get others.
fn make_room(table: &Table) -> Option<String> {
    if !table.keyed() || table.unique.is_empty() {
        return None;
    }
    let set = table
        .unique
        .iter()
        .map(|c| ident(c))
        .map(|c| format!("{c} = case when pg_catalog.textin(pg_catalog.record_out(row(t.{c}))) operator(pg_catalog.<>) \
             pg_catalog.textin(pg_catalog.record_out(row(d.{c}))) then null else t.{c} end"))
        .collect::<Vec<_>>()
        .join(", ");
    Some(format!(
        "update only {} t set {set} from {} d where {} and d.{WANTED} and {}",
        table.real(),
        table.temporary('d'),
        table.same_key("t", "d"),
        differ(table),
    ))
}

/// Brings rows back that are not there, or that are being replaced.
fn come(table: &Table, differing: Differing, after: &str) -> String {
    let (d, real) = (table.temporary('d'), table.real());
    let columns = table.insertable("");
    let into = if columns.is_empty() {
        format!("insert into {real} select")
    } else {
        format!(
            "insert into {real} ({columns}) overriding system value select {}",
            table.insertable("d.")
        )
    };
    if !table.keyed() {
        return format!(
            "{into} from {d} d cross join lateral \
             pg_catalog.generate_series(1, d.backstop_delta operator(pg_catalog.-) d.backstop_done) n where true{after}"
        );
    }
    let too = match differing {
        Differing::Update | Differing::Park => String::new(),
        Differing::Replace => format!(" and not ({})", differ(table)),
    };
    format!(
        "{into} from {d} d where d.{WANTED} and not exists (select from only {real} t where {}{too}){after}",
        table.same_key("t", "d"),
    )
}

fn differ(table: &Table) -> String {
    format!(
        "{} operator(pg_catalog.<>) {}",
        table.content("t"),
        table.content("d")
    )
}
