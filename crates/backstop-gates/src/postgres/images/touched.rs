//! Which relations an open transaction has touched, and how many rows of each it says it changed.

use crate::postgres::error::GateError;
use crate::postgres::question::Row;

/// Asked by the writer itself, inside its transaction: the counters are its backend's own.
///
/// One row for each relation that it holds more than a reading lock on. Each is looked up by its OID, one by one
/// (`offset 0` keeps the planner from joining the whole catalogue), so that it costs the same in a schema of ten
/// thousand tables. Indexes and TOAST tables are left out: their tables stand for them.
pub(crate) const TOUCHED: &str = "select l.relation, l.database, l.modes, \
     c.relkind, c.relpersistence, c.nspname, c.relname, \
     pg_catalog.pg_stat_get_xact_tuples_inserted(l.relation), \
     pg_catalog.pg_stat_get_xact_tuples_updated(l.relation), \
     pg_catalog.pg_stat_get_xact_tuples_deleted(l.relation) \
     from (select a.relation, pg_catalog.max(a.database::pg_catalog.int8) as database, \
       pg_catalog.string_agg(a.mode, ',') as modes \
       from pg_catalog.pg_lock_status() a \
       where a.locktype operator(pg_catalog.=) 'relation' and a.granted \
       and a.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid() \
       and a.mode operator(pg_catalog.=) any (array['RowExclusiveLock','ShareUpdateExclusiveLock','ShareLock',\
       'ShareRowExclusiveLock','ExclusiveLock','AccessExclusiveLock']::pg_catalog.text[]) \
       group by a.relation) l \
     left join lateral (select r.relkind, r.relpersistence, r.relname, \
       (select n.nspname from pg_catalog.pg_namespace n where n.oid operator(pg_catalog.=) r.relnamespace) as nspname \
       from pg_catalog.pg_class r where r.oid operator(pg_catalog.=) l.relation offset 0) c on true \
     where c.relkind is null or c.relkind operator(pg_catalog.<>) \
       all (array['i','I','t']::pg_catalog.\"char\"[]) \
     order by l.relation";

/// Objects below this OID are PostgreSQL's own.
const FIRST_OF_USERS: u32 = 16_384;

/// One answer of [`TOUCHED`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Its OID.
    pub(crate) relation: u32,
    /// Whether it is one of the whole cluster's, such as `pg_authid`.
    pub(crate) shared: bool,
    /// The locks held on it that are more than a reader's, as PostgreSQL names them.
    pub(crate) modes: Vec<String>,
    /// `relkind`; none when the transaction has dropped it.
    pub(crate) kind: Option<char>,
    /// `relpersistence`: `p`ermanent, `u`nlogged, `t`emporary.
    pub(crate) persistence: Option<char>,
    /// Its schema.
    pub(crate) schema: Option<String>,
    /// Its name.
    pub(crate) name: Option<String>,
    /// Rows inserted, with those that a rolled-back subtransaction inserted.
    pub(crate) inserted: u64,
    /// Rows updated, likewise: each time that a row was.
    pub(crate) updated: u64,
    /// Rows deleted, likewise.
    pub(crate) deleted: u64,
}

impl Touched {
    /// Reads one row.
    ///
    /// # Errors
    /// When the server answered something else.
    pub(crate) fn of(row: &Row) -> Result<Self, GateError> {
        let text = |n: usize| row.get(n).cloned().flatten();
        let number = |n: usize| {
            text(n)
                .and_then(|t| t.parse::<u64>().ok())
                .ok_or_else(|| GateError::Protocol("its list of locks cannot be read".into()))
        };
        let letter = |n: usize| text(n).and_then(|t| t.chars().next());
        Ok(Self {
            relation: u32::try_from(number(0)?)
                .map_err(|_| GateError::Protocol("an OID is out of range".into()))?,
            shared: number(1)? == 0,
            modes: text(2)
                .unwrap_or_default()
                .split(',')
                .map(str::to_owned)
                .collect(),
            kind: letter(3),
            persistence: letter(4),
            schema: text(5),
            name: text(6),
            inserted: number(7)?,
            updated: number(8)?,
            deleted: number(9)?,
        })
    }

    /// Whether it is a table with changed rows that others can see: not the catalogue's own, nor a temporary one.
    pub(crate) fn may_have_rows(&self) -> bool {
        self.kind == Some('r')
            && self.persistence != Some('t')
            && self.relation >= FIRST_OF_USERS
            && (self.inserted, self.updated, self.deleted) != (0, 0, 0)
    }
}
