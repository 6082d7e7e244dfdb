//! The index on disk: SQLite, one row a record, written after the journal and rebuilt from it.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::error::StoreError;
use crate::signal::Change;
use crate::state::State;

const SCHEMA: &str = "
    create table if not exists meta (key text primary key, value text not null) strict;
    create table if not exists lease (id text primary key, state text not null, record text not null) strict;
    create table if not exists hold (id text primary key, lease text, state text not null,
        requested_ms integer not null, record text not null, text text not null) strict;
    create table if not exists person (id text primary key, record text not null) strict;
    create table if not exists points (target text primary key, record text not null) strict;
";

/// The SQLite file.
pub(crate) struct Index {
    db: Connection,
}

impl Index {
    /// Opens or makes the index.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let db = Connection::open(path)?;
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "normal")?;
        db.execute_batch(SCHEMA)?;
        Ok(Self { db })
    }

    /// What the index knew when it was last written.
    pub(crate) fn load(&self) -> Result<State, StoreError> {
        let mut state: State = State::default();
        for (key, value) in self.pairs("select key, value from meta")? {
            match key.as_str() {
                "applied" => state.applied = value.parse().unwrap_or(0),
                "last_ms" => state.last_ms = value.parse().unwrap_or(0),
                "installation" => state.installation = value,
                "rp_id" => state.rp_id = value,
                "origin" => state.origin = value,
                "policy" => state.policy = serde_json::from_str(&value)?,
                "halted" => state.halted = serde_json::from_str(&value)?,
                "frozen" => state.frozen = serde_json::from_str(&value)?,
                "drill_key" => state.drill_key = serde_json::from_str(&value)?,
                _ => {}
            }
        }
        for (id, record) in self.pairs("select id, record from lease")? {
            state.leases.insert(id, serde_json::from_str(&record)?);
        }
        for (id, record) in self.pairs("select id, record from person")? {
            state.people.insert(id, serde_json::from_str(&record)?);
        }
        for (target, record) in self.pairs("select target, record from points")? {
            state.points.insert(target, serde_json::from_str(&record)?);
        }
        for (id, record) in self.pairs("select id, record from hold")? {
            state.holds.insert(id, serde_json::from_str(&record)?);
        }
        for (id, text) in self.pairs("select id, text from hold")? {
            state.texts.insert(id, serde_json::from_str(&text)?);
        }
        Ok(state)
    }

    /// Forgets everything, to be rebuilt.
    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        self.db.execute_batch(
            "delete from meta; delete from lease; delete from hold; delete from person; delete from points;",
        )?;
        Ok(())
    }

    /// Writes what `changes` touched, in one transaction.
    pub(crate) fn write(&mut self, state: &State, changes: &[Change]) -> Result<(), StoreError> {
        let tx = self.db.transaction()?;
        for change in changes {
            match change {
                Change::Lease(id) => put_lease(&tx, state, id)?,
                Change::Hold(id) => put_hold(&tx, state, id)?,
                Change::People => put_people(&tx, state)?,
                Change::Points(target) => put_points(&tx, state, target)?,
                Change::Everything => {}
            }
        }
        put_meta(&tx, state)?;
        tx.commit()?;
        Ok(())
    }

    fn pairs(&self, sql: &str) -> Result<Vec<(String, String)>, StoreError> {
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn put_lease(db: &Connection, state: &State, id: &str) -> Result<(), StoreError> {
    let Some(record) = state.leases.get(id) else {
        return Ok(());
    };
    let word = serde_json::to_value(&record.state)?;
    let word = word
        .get("state")
        .and_then(|v| v.as_str())
        .unwrap_or("active")
        .to_owned();
    db.prepare_cached("insert or replace into lease (id, state, record) values (?1, ?2, ?3)")?
        .execute(params![id, word, serde_json::to_string(record)?])?;
    Ok(())
}

fn put_hold(db: &Connection, state: &State, id: &str) -> Result<(), StoreError> {
    let (Some(record), Some(text)) = (state.holds.get(id), state.texts.get(id)) else {
        return Ok(());
    };
    db.prepare_cached(
        "insert or replace into hold (id, lease, state, requested_ms, record, text) values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        id,
        record.hold.lease,
        record.state.word(),
        record.hold.requested_ms,
        serde_json::to_string(record)?,
        serde_json::to_string(text)?
    ])?;
    Ok(())
}

fn put_people(db: &Connection, state: &State) -> Result<(), StoreError> {
    for (id, person) in &state.people {
        db.prepare_cached("insert or replace into person (id, record) values (?1, ?2)")?
            .execute(params![id, serde_json::to_string(person)?])?;
    }
    Ok(())
}

fn put_points(db: &Connection, state: &State, target: &str) -> Result<(), StoreError> {
    let Some(points) = state.points.get(target) else {
        return Ok(());
    };
    db.prepare_cached("insert or replace into points (target, record) values (?1, ?2)")?
        .execute(params![target, serde_json::to_string(points)?])?;
    Ok(())
}

fn put_meta(db: &Connection, state: &State) -> Result<(), StoreError> {
    let mut put = db.prepare_cached("insert or replace into meta (key, value) values (?1, ?2)")?;
    put.execute(params!["applied", state.applied.to_string()])?;
    put.execute(params!["last_ms", state.last_ms.to_string()])?;
    put.execute(params!["installation", state.installation])?;
    put.execute(params!["rp_id", state.rp_id])?;
    put.execute(params!["origin", state.origin])?;
    put.execute(params!["policy", serde_json::to_string(&state.policy)?])?;
    put.execute(params!["halted", serde_json::to_string(&state.halted)?])?;
    put.execute(params!["frozen", serde_json::to_string(&state.frozen)?])?;
    let drill_key = serde_json::to_string(&state.drill_key)?;
    put.execute(params!["drill_key", drill_key])?;
    Ok(())
}
