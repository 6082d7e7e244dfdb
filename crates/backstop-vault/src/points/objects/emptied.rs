//! What TRUNCATE takes: rows, and where sequences stood.
//!
//! The tables stay, so their triggers would fire on every row that comes back: they are off meanwhile, as
//! their owner may have them, and afterwards as they were.

use std::collections::BTreeMap;

use tokio::io::AsyncWrite;

use super::closure::Closure;
use super::gone::Act;
use super::order::referenced_first;
use super::relation::Relation;
use super::rows::{self, put};
use crate::points::question::Question;
use crate::points::{PointError, Session, sql};

/// Writes the rows of all emptied tables, the referenced before the referencing.
pub(super) async fn write<W>(
    closure: &Closure,
    session: &mut Session,
    sink: &mut W,
    counts: &mut BTreeMap<String, u64>,
) -> Result<(), PointError>
where
    W: AsyncWrite + Unpin + Send,
{
    let tables: Vec<&Relation> = closure
        .relations
        .iter()
        .filter(|relation| relation.has_rows())
        .collect();
    for table in ordered(&tables, session).await? {
        let (off, on) = triggers(table, session).await?;
        put(sink, &off).await?;
        let rows = rows::write(table, "", session, sink).await?;
        put(sink, &on).await?;
        counts.insert(table.qualified(), rows);
    }
    if let Act::Truncate {
        restart_identity: true,
        ..
    } = closure.act
    {
        put(sink, &sequences(closure, session).await?).await?;
    }
    Ok(())
}

async fn ordered<'a>(
    tables: &[&'a Relation],
    session: &mut Session,
) -> Result<Vec<&'a Relation>, PointError> {
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let keys = session
        .ask(&format!(
            "SELECT k.conrelid, k.confrelid FROM pg_catalog.pg_constraint k
             WHERE k.contype = 'f' AND k.conrelid IN ({0}) AND k.confrelid IN ({0})",
            list(&oids)
        ))
        .await?;
    let references: Vec<(u32, u32)> = keys
        .iter()
        .map(|row| (sql::number(row, 0), sql::number(row, 1)))
        .collect();
    let order = referenced_first(&oids, &references).ok_or_else(|| {
        PointError::Refused(
            "tables that reference each other in a circle cannot be filled one after the other"
                .to_owned(),
        )
    })?;
    let find = |oid: &u32| tables.iter().find(|table| table.oid == *oid).copied();
    Ok(order.iter().filter_map(find).collect())
}

/// Statements that turn a table's own triggers off, and back to what they are.
async fn triggers(table: &Relation, session: &mut Session) -> Result<(String, String), PointError> {
    let rows = session
        .ask(&format!(
            "SELECT tgname, tgenabled FROM pg_catalog.pg_trigger
             WHERE tgrelid = {} AND NOT tgisinternal AND tgenabled IN ('O', 'A') ORDER BY tgname",
            table.oid
        ))
        .await?;
    let name = table.qualified();
    let mut off = String::new();
    let mut on = String::new();
    for row in &rows {
        let trigger = sql::ident(&sql::text(row, 0));
        let always = if sql::text(row, 1) == "A" {
            "ALWAYS "
        } else {
            ""
        };
        off.push_str(&format!(
            "\nALTER TABLE ONLY {name} DISABLE TRIGGER {trigger};"
        ));
        on.push_str(&format!(
            "ALTER TABLE ONLY {name} ENABLE {always}TRIGGER {trigger};\n"
        ));
    }
    Ok((off, on))
}

/// A sequence that went on since must not go back: its numbers would come twice.
async fn sequences(closure: &Closure, session: &mut Session) -> Result<String, PointError> {
    let oids: Vec<u32> = closure.relations.iter().map(|table| table.oid).collect();
    let owned = session
        .ask(&format!(
            "SELECT n.nspname, c.relname, s.seqincrement < 0
             FROM pg_catalog.pg_depend d
             JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
             WHERE d.classid = 1259 AND d.refclassid = 1259 AND d.deptype IN ('a', 'i')
                AND d.refobjid IN ({}) ORDER BY c.oid",
            list(&oids)
        ))
        .await?;
    let mut script = String::new();
    for row in &owned {
        let name = sql::qualified(&sql::text(row, 0), &sql::text(row, 1));
        let further = if sql::truth(row, 2) {
            "LEAST"
        } else {
            "GREATEST"
        };
        let value = session
            .ask(&format!("SELECT last_value, is_called FROM {name}"))
            .await?;
        let value = value.first().cloned().unwrap_or_default();
        if sql::truth(&value, 1) {
            script.push_str(&format!(
                "\nSELECT pg_catalog.setval({}, {further}({}, (SELECT last_value FROM {name})), true);\n",
                sql::literal(&name),
                sql::text(&value, 0),
            ));
        }
    }
    Ok(script)
}

/// A list for IN; zero is no OID, and keeps an empty list legal.
fn list(oids: &[u32]) -> String {
    let mut list = "0".to_owned();
    for oid in oids {
        list.push_str(&format!(", {oid}"));
    }
    list
}
