//! Staging: images into temporary tables, by COPY, in pieces.

use std::io::Read;

use bytes::BytesMut;

use super::error::UndoError;
use super::table::{SEQ, SIDE, Table};
use crate::postgres::error::GateError;
use crate::postgres::images::{Image, Reader, Relation, Side, Sight};
use crate::postgres::pour::Source;
use crate::postgres::question::{Row, literal};
use crate::postgres::upstream::ServerConnection;

/// How much of a file is read at once, bytes.
const PIECE: usize = 64 * 1024;

/// The tables of an undo, and the connection that they are temporary on.
pub(super) struct Staged<'a> {
    pub(super) server: &'a mut ServerConnection,
    pub(super) tables: Vec<Table>,
    /// Whether whatever the server refuses may be tried another way, since triggers can be switched off in the end.
    pub(super) forgiving: bool,
}

impl Staged<'_> {
    /// Asks in the undo's transaction.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, UndoError> {
        self.server.ask(sql).await.map_err(UndoError::acting)
    }

    /// Loads one transaction's images; `seq` orders them, the oldest lowest.
    pub(super) async fn load<R: Read>(&mut self, images: R, seq: usize) -> Result<(), UndoError> {
        let mut reader = Reader::new(images)?;
        let header = reader.header().clone();
        self.ask(&format!(
            "select pg_catalog.set_config('lc_monetary', {}, true)",
            literal(&header.lc_monetary)
        ))
        .await?;
        let mut tables = vec![];
        for relation in &header.relations {
            tables.push(self.table(relation).await?);
        }
        let mut next = reader.row()?;
        while let Some(first) = next.take() {
            let table = tables
                .get(first.relation)
                .and_then(|n| self.tables.get(*n))
                .cloned()
                .ok_or_else(|| {
                    UndoError::refused("the images name a table that they do not describe")
                })?;
            let into = copy_into(&table, 's');
            let mut section = Section {
                reader: &mut reader,
                place: (first.relation, first.side),
                next: Some(first),
                prefix: seq.to_string(),
                bare: table.columns.is_empty(),
            };
            self.server
                .copy_in(&into, &mut section)
                .await
                .map_err(UndoError::acting)?;
            next = section.next.take();
        }
        let xids = reader.trailer().map(|t| t.xids.clone()).unwrap_or_default();
        for (relation, number) in header.relations.iter().zip(&tables) {
            if relation.sight != Sight::Whole
                && let Some(table) = self.tables.get(*number).cloned()
            {
                if let Some(xid) = header.xid {
                    self.still_told(xid, relation).await?;
                }
                self.unseen(&table, relation, &xids, seq).await?;
            }
        }
        Ok(())
    }

    /// Ids tell rows apart only in the database that gave them, and before they are used anew.
    async fn still_told(&mut self, xid: u64, relation: &Relation) -> Result<(), UndoError> {
        let rows = self
            .ask(&format!(
                "select case when pg_catalog.pg_current_xact_id() operator(pg_catalog.>) i.xid \
                 then pg_catalog.pg_xact_status(i.xid) end \
                 from pg_catalog.unnest('{{{xid}}}'::pg_catalog.xid8[]) i(xid)"
            ))
            .await?;
        if rows.into_iter().flatten().flatten().next().as_deref() == Some("committed") {
            return Ok(());
        }
        Err(UndoError::refused(format!(
            "the lease could not read `{}.{}`, and this server does not remember the transaction any more, so which rows are its own cannot be told; hint: restore the table's rows from a recovery point",
            relation.schema, relation.name
        )))
    }

    /// New rows that the lease could not read. Those that nobody changed since carry the transaction's own ids.
    async fn unseen(
        &mut self,
        table: &Table,
        relation: &Relation,
        xids: &[u64],
        seq: usize,
    ) -> Result<(), UndoError> {
        let ids = xids
            .iter()
            .map(|xid| (xid & u64::from(u32::MAX)).to_string())
            .collect::<Vec<_>>()
            .join(",");
        let [inserted, updated, _] = relation.counters;
        let most = inserted.saturating_add(updated);
        if most == 0 {
            return Ok(());
        }
        let rows = self
            .ask(&format!(
                "with n as (insert into {} ({SEQ}, {SIDE}{}) select {seq}, 'n'{} from only {} t \
                 where t.xmin operator(pg_catalog.=) any ('{{{ids}}}'::pg_catalog.xid[]) returning 1) \
                 select pg_catalog.count(*) from n",
                table.temporary('s'),
                comma(&table.all("")),
                comma(&table.all("t.")),
                table.real(),
            ))
            .await?;
        let found = rows.into_iter().flatten().flatten().next();
        if found.as_deref() == Some(most.to_string().as_str()) {
            return Ok(());
        }
        Err(UndoError::refused(format!(
            "the lease could not read `{}.{}`, where it changed or added up to {most} row(s), and {} of them are still as it left them: which the others are cannot be told; hint: restore the table's rows from a recovery point",
            table.schema,
            table.name,
            found.unwrap_or_default()
        )))
    }

    /// The number of the staged table for this relation; made where there is none.
    pub(super) async fn table(&mut self, relation: &Relation) -> Result<usize, UndoError> {
        if let Some(n) = self.tables.iter().position(|t| t.oid == relation.oid) {
            let known = self.tables.get(n);
            if known.is_some_and(|t| t.columns == relation.columns && t.key == relation.key) {
                return Ok(n);
            }
            return Err(changed(relation));
        }
        let mut table = Table::of(relation, self.tables.len() + 1);
        self.unchanged(&table, relation).await?;
        table.unique = self.unique(&table).await?;
        let mut sql = String::new();
        for letter in ['s', 'r'] {
            let name = table.temporary(letter);
            sql.push_str(&format!(
                "create temporary table {name} (like {}) on commit drop;\
                 alter table {name} add column {SEQ} pg_catalog.int4, add column {SIDE} pg_catalog.\"char\";",
                table.real()
            ));
        }
        self.ask(&sql).await?;
        self.tables.push(table);
        Ok(self.tables.len() - 1)
    }

    async fn unique(&mut self, table: &Table) -> Result<Vec<String>, UndoError> {
        let rows = self
            .ask(&format!(
                "select distinct a.attname from pg_catalog.pg_index x \
                 join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) x.indrelid \
                   and a.attnum operator(pg_catalog.=) any (x.indkey::pg_catalog.int2[]) \
                 where x.indrelid operator(pg_catalog.=) '{}'::pg_catalog.oid \
                 and (x.indisunique or x.indisexclusion) \
                 and not a.attnotnull and a.attgenerated operator(pg_catalog.=) ''",
                table.oid
            ))
            .await?;
        Ok(rows.into_iter().flatten().flatten().collect())
    }

    /// A table's structure must be as it was. Images name types as they are called without a `search_path`; a table that
    /// the undo itself moves is met when triggers have theirs back.
    async fn unchanged(&mut self, table: &Table, relation: &Relation) -> Result<(), UndoError> {
        let mut rows = self
            .ask(&format!(
                "select pg_catalog.current_setting('search_path');\
                 select pg_catalog.set_config('search_path', '', true);\
                 select a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated, a.attidentity \
                 from pg_catalog.pg_attribute a \
                 join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) a.attrelid \
                 join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
                 where c.oid operator(pg_catalog.=) '{}'::pg_catalog.oid \
                 and n.nspname operator(pg_catalog.=) {} and c.relname operator(pg_catalog.=) {} \
                 and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped order by a.attnum",
                table.oid,
                literal(&table.schema),
                literal(&table.name)
            ))
            .await?
            .into_iter();
        let path = rows.next().into_iter().flatten().flatten().next();
        let rows: Vec<Row> = rows.skip(1).collect();
        self.ask(&format!(
            "select pg_catalog.set_config('search_path', {}, true)",
            literal(&path.unwrap_or_default())
        ))
        .await?;
        let same = rows.len() == table.columns.len()
            && rows.iter().zip(&table.columns).all(|(row, column)| {
                let texts: Vec<&str> = row
                    .iter()
                    .map(|t| t.as_deref().unwrap_or_default())
                    .collect();
                texts
                    == [
                        &column.name,
                        &column.kind,
                        &column.generated,
                        &column.identity,
                    ]
            });
        if same { Ok(()) } else { Err(changed(relation)) }
    }
}

fn changed(relation: &Relation) -> UndoError {
    UndoError::refused(format!(
        "the structure of `{}.{}` has changed since, so its rows do not fit any more; hint: undo that change first, or open the images with `psql`",
        relation.schema, relation.name
    ))
}

/// The COPY that fills a temporary table.
pub(super) fn copy_into(table: &Table, letter: char) -> String {
    format!(
        "copy {} ({SEQ}, {SIDE}{}) from stdin",
        table.temporary(letter),
        comma(&table.all(""))
    )
}

/// A list that follows another one.
pub(super) fn comma(list: &str) -> String {
    if list.is_empty() {
        String::new()
    } else {
        format!(", {list}")
    }
}

/// The rows of one section, each with its order and its side before it.
struct Section<'a, R> {
    reader: &'a mut Reader<R>,
    place: (usize, Side),
    next: Option<Image>,
    prefix: String,
    bare: bool,
}

impl<R: Read> Source for Section<'_, R> {
    async fn read(&mut self, out: &mut BytesMut) -> Result<bool, GateError> {
        while out.len() < PIECE {
            let Some(image) = self.next.take_if(|i| (i.relation, i.side) == self.place) else {
                return Ok(false);
            };
            put(out, &self.prefix, &image, self.bare);
            self.next = self.reader.row()?;
        }
        Ok(true)
    }
}

fn put(out: &mut BytesMut, seq: &str, image: &Image, bare: bool) {
    out.extend_from_slice(seq.as_bytes());
    out.extend_from_slice(match image.side {
        Side::Old => b"\to",
        Side::New => b"\tn",
    });
    if !bare {
        out.extend_from_slice(b"\t");
        out.extend_from_slice(image.line.as_bytes());
    }
    out.extend_from_slice(b"\n");
}
