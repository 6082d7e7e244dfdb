//! Rounds: act, look at everything that the undo itself changed, and repair what is not as it was to be.
//!
//! Triggers, cascades and defaults run while rows come back, as they must, and move other rows. Those rows were not
//! the transaction's, so they are desired as they were before the undo began.

use super::act::Need;
use super::apply::Wish;
use super::compare;
use super::error::UndoError;
use super::family;
use super::load::{Staged, comma, copy_into};
use super::quiet::Quiet;
use super::table::{SIDE, Table, WANTED};
use crate::postgres::images::{
    About, Budget, Captured, Image, Reader, Side, Sight, TOUCHED, Touched, Wrote, capture,
};
use crate::postgres::upstream::ServerConnection;

/// How often it is tried.
const ROUNDS: usize = 8;

impl Staged<'_> {
    /// Makes everything as desired, past triggers where `wish` says so; gives the images of what that changed, and the
    /// triggers that were switched off for it.
    pub(super) async fn all_rounds(
        &mut self,
        observer: &mut ServerConnection,
        wish: &Wish<'_>,
    ) -> Result<(Captured, Vec<u8>, Vec<Quiet>), UndoError> {
        match self.rounds(observer, wish.about, &wish.budget).await {
            Err(UndoError::Refused(_)) if wish.without_triggers => {}
            other => return other.map(|(captured, images)| (captured, images, vec![])),
        }
        let off = self.quiet().await?;
        let (captured, images) = self.rounds(observer, wish.about, &wish.budget).await?;
        self.wake(&off).await?;
        Ok((captured, images, off))
    }

    async fn rounds(
        &mut self,
        observer: &mut ServerConnection,
        about: &About,
        budget: &Budget,
    ) -> Result<(Captured, Vec<u8>), UndoError> {
        let mut seen = vec![];
        for round in 0..ROUNDS {
            let needs = self.needs().await?;
            if needs.iter().any(Need::any) {
                let families = self.families().await?;
                self.act(round, &families, &needs).await?;
            }
            let mut images = vec![];
            let captured = self
                .own_images(observer, about, budget, &mut images)
                .await?;
            self.take_in(&images).await?;
            seen = self.differing().await?;
            if seen.is_empty() {
                return Ok((captured, images));
            }
        }
        Err(UndoError::refused(format!(
            "the undo was rolled back: triggers or constraints on {} keep changing rows that it brings back; hint: `backstop undo --without-triggers` switches the triggers of these tables off within its own transaction, once a person has said yes",
            seen.join(", ")
        )))
    }

    /// The tables with rows that are not as desired.
    async fn differing(&mut self) -> Result<Vec<String>, UndoError> {
        let needs = self.needs().await?;
        let tables = self.tables.iter().zip(&needs);
        Ok(tables
            .filter(|(_, need)| need.any())
            .map(|(table, _)| format!("`{}.{}`", table.schema, table.name))
            .collect())
    }

    /// What each table needs to be as desired.
    pub(super) async fn needs(&mut self) -> Result<Vec<Need>, UndoError> {
        let mut out = vec![];
        for table in self.tables.clone() {
            let rows = self.ask(&compare::needs(&table)).await?;
            let row = rows.first();
            // What cannot be read is not taken for zero.
            let some = |n: usize| row.and_then(|r| r.get(n)?.as_deref()) != Some("0");
            out.push(Need {
                go: some(0),
                change: some(1),
                come: some(2),
            });
        }
        Ok(out)
    }

    async fn own_images(
        &mut self,
        observer: &mut ServerConnection,
        about: &About,
        budget: &Budget,
        images: &mut Vec<u8>,
    ) -> Result<Captured, UndoError> {
        let mut wrote = vec![];
        for row in self.ask(TOUCHED).await? {
            let touched = Touched::of(&row)?;
            if touched.may_have_rows() {
                wrote.push(Wrote::from(&touched));
            }
        }
        let captured = capture(observer, self.server, about, &wrote, budget, images).await?;
        match captured.relations.iter().find(|r| r.sight != Sight::Whole) {
            None => Ok(captured),
            Some(hidden) => Err(UndoError::refused(format!(
                "the undo was rolled back: the gate's role may not read `{}.{}`, which it changed; hint: let it own the table",
                hidden.schema, hidden.name
            ))),
        }
    }

    /// Desires rows as they were that the undo changed without being asked to.
    async fn take_in(&mut self, images: &[u8]) -> Result<(), UndoError> {
        let mut reader = Reader::new(images)?;
        let mut numbers = vec![];
        for relation in reader.header().relations.clone() {
            let known = self.tables.len();
            let n = self.table(&relation).await?;
            if n == known {
                self.fold_table(n).await?;
            }
            numbers.push(n);
        }
        let mut lines: Vec<Vec<u8>> = numbers.iter().map(|_| vec![]).collect();
        while let Some(image) = reader.row()? {
            if let Some(out) = lines.get_mut(image.relation) {
                put(out, &image, self.bare(&numbers, image.relation));
            }
        }
        for table in self.tables.clone() {
            self.ask(&format!("truncate {}", table.temporary('r')))
                .await?;
        }
        for (n, lines) in numbers.iter().zip(lines) {
            if let Some(table) = self.tables.get(*n).cloned() {
                self.server
                    .copy_in(&copy_into(&table, 'r'), &mut lines.as_slice())
                    .await
                    .map_err(UndoError::acting)?;
            }
        }
        for table in self.tables.clone() {
            self.ask(&take_in(&table)).await?;
        }
        Ok(())
    }

    fn bare(&self, numbers: &[usize], relation: usize) -> bool {
        let table = numbers.get(relation).and_then(|n| self.tables.get(*n));
        table.is_some_and(|t| t.columns.is_empty())
    }

    /// The tables' indices: those that refer to each other together, and the ones referred to first, as far as there is
    /// such an order.
    async fn families(&mut self) -> Result<Vec<Vec<usize>>, UndoError> {
        let list = self
            .tables
            .iter()
            .map(|t| t.oid.to_string())
            .collect::<Vec<_>>()
            .join(",");
        let rows = self
            .ask(&format!(
                "select distinct r.conrelid, r.confrelid from pg_catalog.pg_constraint r \
                 where r.contype operator(pg_catalog.=) 'f' \
                 and r.conrelid operator(pg_catalog.=) any ('{{{list}}}'::pg_catalog.oid[]) \
                 and r.confrelid operator(pg_catalog.=) any ('{{{list}}}'::pg_catalog.oid[]) \
                 and r.conrelid operator(pg_catalog.<>) r.confrelid"
            ))
            .await?;
        let place = |text: Option<&Option<String>>| {
            let oid: u32 = text?.as_deref()?.parse().ok()?;
            self.tables.iter().position(|t| t.oid == oid)
        };
        let refers: Vec<(usize, usize)> = rows
            .iter()
            .filter_map(|r| Some((place(r.first())?, place(r.get(1))?)))
            .collect();
        Ok(family::families(self.tables.len(), &refers))
    }
}

fn put(out: &mut Vec<u8>, image: &Image, bare: bool) {
    out.extend_from_slice(match image.side {
        Side::Old => b"0\to",
        Side::New => b"0\tn",
    });
    if !bare {
        out.push(b'\t');
        out.extend_from_slice(image.line.as_bytes());
    }
    out.push(b'\n');
}

fn take_in(table: &Table) -> String {
    let (r, d) = (table.temporary('r'), table.temporary('d'));
    if !table.keyed() {
        return format!(
            "update {d} set backstop_done = 0;\
             insert into {d} ({all}backstop_content, backstop_delta, backstop_done) \
             select distinct on (g.backstop_content) {of_g}g.backstop_content, 0, g.backstop_net from \
             (select {content} as backstop_content, \
               pg_catalog.sum(case r.{SIDE} when 'n' then 1 else -1 end) over (partition by {content}) as backstop_net{of_r} \
               from {r} r) g \
             on conflict (backstop_content) do update set backstop_done = excluded.backstop_done",
            all = super::fold::before(&table.all("")),
            of_g = super::fold::before(&table.all("g.")),
            of_r = comma(&table.all("r.")),
            content = table.content("r"),
        );
    }
    let one = |side: char, wanted: bool| {
        format!(
            "insert into {d} ({}{WANTED}) select {}{wanted} from {r} r \
             where r.{SIDE} operator(pg_catalog.=) '{side}' and not exists (select from {d} d where {})",
            super::fold::before(&table.all("")),
            super::fold::before(&table.all("r.")),
            table.same_key("d", "r"),
        )
    };
    format!("{};{}", one('o', true), one('n', false))
}
