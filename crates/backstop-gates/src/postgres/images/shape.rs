//! What the gate's own connection knows of a relation: names, columns, key, and who may look.

use std::collections::HashMap;

use super::about::{Column, Relation, Sight};
use super::error::CaptureError;
use super::wrote::Wrote;
use crate::postgres::question::{Row, ident, literal};

/// Shapes that were seen on a connection. They are asked for anew each time; knowing them saves a round trip.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<u32, Shape>);

/// How many are kept.
const KNOWN: usize = 1_000;

impl Known {
    pub(super) fn get(&self, oid: u32) -> Option<&Shape> {
        self.0.get(&oid)
    }

    pub(super) fn learn(&mut self, shape: &Shape) {
        if self.0.len() >= KNOWN {
            self.forget();
        }
        self.0.insert(shape.oid, shape.clone());
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// A relation, as it stands in the catalogue for everybody but the transaction.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) key: Vec<KeyColumn>,
    pub(super) writer: WriterSees,
    /// The partitioned table that the role reads it through: OID, schema, name.
    above: Option<(u32, String, String)>,
    /// Its length in blocks.
    pub(super) blocks: u64,
    /// No multixact that is older than this can be in it: `mxid_age(relminmxid)`.
    pub(super) oldest_multixact: i64,
    kind: String,
    persistence: String,
    readable: bool,
    secured: bool,
    /// Its access method; whatever is no heap keeps row versions in its own way.
    method: String,
}

/// What the transaction's own role may read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriterSees {
    Rows,
    /// The same, through a partitioned table above.
    Through,
    /// `ctid` and `xmin` only.
    Places,
    Nothing,
}

/// A column of the key that tells rows apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    /// The type that its equality takes, qualified.
    pub(super) kind: String,
}

/// The questions, prepared once on a connection: planning them anew would take longer than everything else. Each
/// relation is looked up by its OID, so that it costs the same in a large catalogue.
pub(super) fn prepare() -> String {
    format!(
        "prepare backstop_relations(pg_catalog.oid[], pg_catalog.name) as \
         select 'r', c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, \
         pg_catalog.pg_relation_size(c.oid) operator(pg_catalog./) \
           pg_catalog.current_setting('block_size')::pg_catalog.int8, \
         pg_catalog.mxid_age(c.relminmxid), \
         pg_catalog.has_table_privilege(c.oid, 'select') and pg_catalog.has_schema_privilege(n.oid, 'usage'), \
         pg_catalog.row_security_active(c.oid), \
         case when o.direct and pg_catalog.has_table_privilege(r.oid, c.oid, 'select') then 'rows' \
           when v.oid is not null then 'through' \
           when o.direct and pg_catalog.has_column_privilege(r.oid, c.oid, 'ctid', 'select') \
             and pg_catalog.has_column_privilege(r.oid, c.oid, 'xmin', 'select') then 'places' \
           else 'nothing' end, v.oid, v.nspname, v.relname, \
         (select m.amname from pg_catalog.pg_am m where m.oid operator(pg_catalog.=) c.relam) \
         from pg_catalog.unnest($1) w(oid) \
         join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) w.oid \
         join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
         left join pg_catalog.pg_roles r on r.rolname operator(pg_catalog.=) $2 \
         cross join lateral (select {DIRECT} as direct) o \
         left join lateral ({THROUGH}) v on c.relispartition \
         order by c.oid;\
         prepare backstop_columns(pg_catalog.oid[]) as \
         select 'c', a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
           a.attgenerated, a.attidentity \
         from pg_catalog.pg_attribute a where a.attrelid operator(pg_catalog.=) any ($1) \
         and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped order by a.attrelid, a.attnum;\
         prepare backstop_keys(pg_catalog.oid[]) as \
         select 'k', w.oid, a.attname, k.kind from pg_catalog.unnest($1) w(oid) \
         join lateral ({KEY}) i on true \
         join lateral pg_catalog.generate_series(0, i.indnkeyatts operator(pg_catalog.-) 1) g(n) on true \
         join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) w.oid \
           and a.attnum operator(pg_catalog.=) i.indkey[g.n] \
         join lateral ({KEY_TYPE}) k on true order by w.oid, g.n"
    )
}

/// Whether the role sees all rows of the table that it may read.
const DIRECT: &str = "pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage') \
     and not (c.relrowsecurity and not r.rolsuper and not r.rolbypassrls \
       and (c.relforcerowsecurity or not pg_catalog.pg_has_role(r.oid, c.relowner, 'usage')))";

/// A partitioned table through which the role sees all rows of the partition: grants are usually on that alone.
const THROUGH: &str = "select p.oid, p.relname, m.nspname \
     from pg_catalog.pg_partition_ancestors(c.oid) a(relid) \
     join pg_catalog.pg_class p on p.oid operator(pg_catalog.=) a.relid \
     join pg_catalog.pg_namespace m on m.oid operator(pg_catalog.=) p.relnamespace \
     where p.relkind operator(pg_catalog.=) 'p' \
     and pg_catalog.has_table_privilege(r.oid, p.oid, 'select') \
     and pg_catalog.has_schema_privilege(r.oid, m.oid, 'usage') \
     and not (p.relrowsecurity and not r.rolsuper and not r.rolbypassrls \
       and (p.relforcerowsecurity or not pg_catalog.pg_has_role(r.oid, p.relowner, 'usage'))) limit 1";

/// Asks them.
pub(super) fn question(oids: &[u32], role: &str) -> String {
    let list = oids
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let (list, role) = (literal(&format!("{{{list}}}")), literal(role));
    format!(
        "execute backstop_relations({list}, {role});execute backstop_columns({list});execute backstop_keys({list})"
    )
}

/// The primary key, or else the narrowest unique index over columns that are never NULL, whose equality is
/// PostgreSQL's own: another's would run with the rights of the gate.
const KEY: &str = "select x.indnkeyatts, x.indkey, x.indclass from pg_catalog.pg_index x \
     where x.indrelid operator(pg_catalog.=) w.oid and x.indisunique and x.indisvalid \
     and x.indpred is null and x.indexprs is null \
     and not exists (select from pg_catalog.generate_series(0, x.indnkeyatts operator(pg_catalog.-) 1) g(n) \
       join pg_catalog.pg_attribute b on b.attrelid operator(pg_catalog.=) w.oid \
         and b.attnum operator(pg_catalog.=) x.indkey[g.n] \
       where not b.attnotnull or not exists (select from pg_catalog.pg_opclass o \
         join pg_catalog.pg_amop m on m.amopfamily operator(pg_catalog.=) o.opcfamily \
           and m.amopstrategy operator(pg_catalog.=) 3 \
           and m.amoplefttype operator(pg_catalog.=) o.opcintype \
           and m.amoprighttype operator(pg_catalog.=) o.opcintype \
         join pg_catalog.pg_operator p on p.oid operator(pg_catalog.=) m.amopopr \
         join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) b.atttypid \
         where o.oid operator(pg_catalog.=) x.indclass[g.n] \
         and p.oprnamespace operator(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace \
         and p.oprname operator(pg_catalog.=) '=' \
         and t.typtype operator(pg_catalog.=) any (array['b','e','r','m']::pg_catalog.\"char\"[]))) \
     order by x.indisprimary desc, x.indimmediate desc, x.indnkeyatts, x.indexrelid limit 1";

/// The type that the key's equality takes; the column's own where that is a pseudo-type (`anyenum`).
const KEY_TYPE: &str = "select pg_catalog.quote_ident(s.nspname) operator(pg_catalog.||) '.' \
       operator(pg_catalog.||) pg_catalog.quote_ident(t.typname) as kind \
     from pg_catalog.pg_opclass o \
     join pg_catalog.pg_type d on d.oid operator(pg_catalog.=) o.opcintype \
     join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) \
       case when d.typtype operator(pg_catalog.=) 'p' then a.atttypid else d.oid end \
     join pg_catalog.pg_namespace s on s.oid operator(pg_catalog.=) t.typnamespace \
     where o.oid operator(pg_catalog.=) i.indclass[g.n]";

/// The shapes that the server answered with.
pub(super) fn read(rows: &[Row]) -> Vec<Shape> {
    let text = |row: &Row, n: usize| row.get(n).cloned().flatten().unwrap_or_default();
    let mut out: Vec<Shape> = vec![];
    for row in rows {
        let oid: u32 = text(row, 1).parse().unwrap_or(0);
        match text(row, 0).as_str() {
            "r" => out.push(Shape {
                oid,
                schema: text(row, 2),
                name: text(row, 3),
                columns: vec![],
                key: vec![],
                kind: text(row, 4),
                persistence: text(row, 5),
                blocks: text(row, 6).parse().unwrap_or(0),
                oldest_multixact: text(row, 7).parse().unwrap_or(i64::from(i32::MAX)),
                readable: text(row, 8) == "t",
                secured: text(row, 9) == "t",
                writer: match text(row, 10).as_str() {
                    "rows" => WriterSees::Rows,
                    "through" => WriterSees::Through,
                    "places" => WriterSees::Places,
                    _ => WriterSees::Nothing,
                },
                method: text(row, 14),
                above: text(row, 11)
                    .parse()
                    .ok()
                    .map(|oid| (oid, text(row, 12), text(row, 13))),
            }),
            tag => {
                let Some(shape) = out.iter_mut().find(|s| s.oid == oid) else {
                    continue;
                };
                match tag {
                    "c" => shape.columns.push(Column {
                        name: text(row, 2),
                        kind: text(row, 3),
                        generated: text(row, 4),
                        identity: text(row, 5),
                    }),
                    "k" => shape.key.push(KeyColumn {
                        name: text(row, 2),
                        kind: text(row, 3),
                    }),
                    _ => {}
                }
            }
        }
    }
    out
}

impl Shape {
    /// Whether it has rows that others can see and that count: not a view, a sequence, a partitioned table's empty
    /// shell, nor one of the transaction's own temporary tables.
    pub(super) fn counts(&self) -> bool {
        self.persistence != "t" && !matches!(self.kind.as_str(), "p" | "v" | "S" | "i" | "I" | "t")
    }

    /// Why its rows cannot be told, if so.
    pub(super) fn refuse(&self) -> Result<(), CaptureError> {
        let what = format!("`{}.{}`", self.schema, self.name);
        Err(CaptureError::Inexact(match self.kind.as_str() {
            "f" => format!(
                "{what} is a foreign table, whose rows lie beyond this server's transactions"
            ),
            "m" => format!("{what} is a materialized view, which is refreshed and not undone"),
            "r" if matches!(self.schema.as_str(), "pg_catalog" | "information_schema") => {
                format!("{what} is the server's own catalogue, not a table of rows")
            }
            "r" if !self.readable => format!(
                "the gate's role may not read {what}; hint: grant it SELECT there, or let it own the table"
            ),
            "r" if self.secured => format!(
                "row-level security hides rows of {what} from the gate's role; hint: let it own the table without FORCE ROW LEVEL SECURITY, or give it BYPASSRLS"
            ),
            "r" if self.method != "heap" => format!(
                "{what} is kept by the access method `{}`, whose row versions the gate does not know",
                self.method
            ),
            "r" => return Ok(()),
            other => format!(
                "{what} is a relation of kind `{other}`, which the gate cannot read rows of"
            ),
        }))
    }

    /// Whether a look that was made for the one fits the other.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        (self.oid, &self.schema, &self.name) == (other.oid, &other.schema, &other.name)
            && (&self.columns, &self.key) == (&other.columns, &other.key)
            && (self.writer, &self.above) == (other.writer, &other.above)
    }

    /// What the transaction looks at to see the relation's rows, if it sees any: its OID, and its name in SQL.
    pub(super) fn through(&self) -> Option<(u32, String)> {
        match (self.writer, &self.above) {
            (WriterSees::Nothing, _) => None,
            (WriterSees::Through, Some((oid, schema, name))) => {
                Some((*oid, format!("{}.{}", ident(schema), ident(name))))
            }
            _ => Some((self.oid, self.qualified())),
        }
    }

    /// The same behind FROM.
    pub(super) fn own_relation(&self) -> String {
        match (self.writer, self.through()) {
            (WriterSees::Through, Some((_, name))) => name,
            _ => format!("only {}", self.qualified()),
        }
    }

    /// What keeps others' rows out of it, behind a condition.
    pub(super) fn own_filter(&self) -> String {
        match self.writer {
            WriterSees::Through => format!(
                " and t.tableoid operator(pg_catalog.=) '{}'::pg_catalog.oid",
                self.oid
            ),
            _ => String::new(),
        }
    }

    /// Its name in SQL.
    pub(super) fn qualified(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name))
    }

    /// All columns of `t`, as a select list that begins with a comma.
    pub(super) fn select(&self) -> String {
        self.columns
            .iter()
            .map(|c| format!(", t.{}", ident(&c.name)))
            .collect()
    }

    /// What a file says of it.
    pub(super) fn relation(&self, wrote: &Wrote) -> Relation {
        Relation {
            oid: self.oid,
            schema: self.schema.clone(),
            name: self.name.clone(),
            columns: self.columns.clone(),
            key: self.key.iter().map(|k| k.name.clone()).collect(),
            sight: match self.writer {
                WriterSees::Rows | WriterSees::Through => Sight::Whole,
                WriterSees::Places => Sight::Old,
                WriterSees::Nothing => Sight::AtLeastOld,
            },
            counters: [wrote.inserted, wrote.updated, wrote.deleted],
        }
    }
}
