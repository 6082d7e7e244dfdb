//! A role that can read what the audited one can read, and nothing else.

use std::collections::BTreeMap;

use backstop_wire::sql::ident;

use super::Judge;
use crate::postgres::catalogue::{Oid, privilege};

impl Judge<'_> {
    /// The statements, for a superuser or the owners to run.
    pub(super) fn narrow_role(&self) -> Vec<String> {
        let Some(first) = self.actors.first() else {
            return vec![];
        };
        let name = ident(&format!("{}_reader", self.catalogue.role_name(first.role)));
        let mut tables: BTreeMap<Oid, (Vec<String>, bool)> = BTreeMap::new();
        for (oid, relation) in &self.catalogue.relations {
            // A foreign table leads to another server, whoever reads it.
            if relation.kind == 'f' {
                continue;
            }
            let (readable, whole) = tables.entry(relation.schema).or_insert((vec![], true));
            let usable = self.usable(&first.rights, relation.schema);
            let read_all = self
                .read_all
                .is_some_and(|r| first.rights.roles.contains(&r));
            let owns = first.rights.roles.contains(&relation.owner);
            if usable && (read_all || owns || self.has(&first.rights, relation, privilege::SELECT))
            {
                readable.push(self.catalogue.relation_name(*oid));
            } else {
                *whole = false;
            }
        }
        let mut all = vec![
            format!(
                "CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
            ),
            format!(
                "GRANT CONNECT ON DATABASE {} TO {name}",
                ident(&self.database_name())
            ),
        ];
        for (oid, (mut readable, whole)) in tables {
            let Some(schema) = self
                .catalogue
                .schemas
                .get(&oid)
                .filter(|_| !readable.is_empty())
            else {
                continue;
            };
            let schema = ident(&schema.name);
            all.push(format!("GRANT USAGE ON SCHEMA {schema} TO {name}"));
            if whole {
                all.push(format!(
                    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}"
                ));
            } else {
                readable.sort();
                all.push(format!("GRANT SELECT ON {} TO {name}", readable.join(", ")));
            }
        }
        all
    }
}
