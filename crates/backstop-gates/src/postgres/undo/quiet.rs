//! Triggers that do not let rows come back as they were, switched off within the undo's own transaction.
//!
//! Only where a person said so: a trigger may be a safeguard. It takes the tables' owner, no superuser, and leaves what
//! belongs to foreign keys alone. Others see the triggers as they were, before and after: they wait for the undo's locks.

use super::error::UndoError;
use super::load::Staged;
use crate::postgres::question::ident;

/// A trigger that was switched off.
#[derive(Debug, Clone)]
pub(super) struct Quiet {
    table: String,
    trigger: String,
    /// How it has to be switched on again.
    again: &'static str,
}

impl Quiet {
    /// As people read it.
    pub(super) fn shown(&self) -> String {
        format!("{} on {}", self.trigger, self.table)
    }
}

impl Staged<'_> {
    /// Switches off every trigger of the tables that are not as desired.
    pub(super) async fn quiet(&mut self) -> Result<Vec<Quiet>, UndoError> {
        let needs = self.needs().await?;
        let tables: Vec<_> = self
            .tables
            .iter()
            .zip(&needs)
            .filter(|(_, need)| need.any())
            .map(|(table, _)| (table.oid, table.real()))
            .collect();
        let mut off = vec![];
        for (oid, table) in tables {
            let rows = self
                .ask(&format!(
                    "select t.tgname, t.tgenabled from pg_catalog.pg_trigger t \
                     where t.tgrelid operator(pg_catalog.=) {oid}::pg_catalog.oid and not t.tgisinternal \
                     and t.tgenabled operator(pg_catalog.<>) 'D' order by t.tgname"
                ))
                .await?;
            for row in rows {
                let mut columns = row.into_iter().flatten();
                let (Some(trigger), Some(how)) = (columns.next(), columns.next()) else {
                    return Err(UndoError::refused("a trigger's name cannot be read"));
                };
                let again = match how.as_str() {
                    "A" => "enable always",
                    "R" => "enable replica",
                    _ => "enable",
                };
                self.ask(&format!(
                    "alter table {table} disable trigger {}",
                    ident(&trigger)
                ))
                .await?;
                off.push(Quiet {
                    table: table.clone(),
                    trigger: ident(&trigger),
                    again,
                });
            }
        }
        Ok(off)
    }

    /// Switches them on again.
    pub(super) async fn wake(&mut self, off: &[Quiet]) -> Result<(), UndoError> {
        for one in off {
            self.ask(&format!(
                "alter table {} {} trigger {}",
                one.table, one.again, one.trigger
            ))
            .await?;
        }
        Ok(())
    }
}
