//! What the audit says closes a road closes it, and the role that it proposes has none and reads all the same.

use std::collections::BTreeSet;

use backstop_scopes::postgres::{Audit, Road, audit};
use backstop_testing::postgres::{Connection, Server};

use crate::truth::{PASSWORD, server};
use crate::world::{two, way};

fn asked(connection: &Connection) -> Audit {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        audit(&way(connection).connect().await.unwrap(), None)
            .await
            .unwrap()
    })
}

/// Closes one road after the other, and counts them.
fn close(server: &Server, role: &str) -> usize {
    let connection = server.owner().as_role(role, PASSWORD);
    let mut applied: BTreeSet<Vec<String>> = BTreeSet::new();
    loop {
        let now = asked(&connection);
        let left: Vec<&Road> = now.roads.iter().filter(|r| !r.fix.is_empty()).collect();
        let Some(road) = left.first() else {
            return applied.len();
        };
        assert!(
            applied.insert(road.fix.clone()),
            "{role}: still there after its fix: {road:#?}"
        );
        let sql = road.fix.join("; ");
        server
            .psql(&sql)
            .unwrap_or_else(|e| panic!("{role}: {e}\n{road:#?}"));
    }
}

#[test]
fn every_fix_closes_its_road() {
    for major in two() {
        let server = server(major);
        let roles = [
            "aloof_twice",
            "base_deleter",
            "boss_login",
            "by_dynamic",
            "by_function",
            "by_rule",
            "by_window",
            "cascader",
            "column_updater",
            "deleter",
            "in_owner_a",
            "maker",
            "admin_of_a",
            "replicates",
            "runs_programs",
            "sieved_some",
            "truncater",
            "updater",
            "writes_all",
        ];
        let closed: usize = roles.iter().map(|role| close(&server, role)).sum();
        assert!(closed > roles.len(), "{closed}");
        // What is left stands in no fix: these own it.
        for role in roles {
            let left = asked(&server.owner().as_role(role, PASSWORD)).roads;
            assert!(left.is_empty(), "{role}: {left:#?}");
        }
        assert!(
            !asked(&server.owner().as_role("owner_a", PASSWORD))
                .roads
                .is_empty()
        );
    }
}

#[test]
fn the_narrow_role_reads_and_destroys_nothing() {
    for major in two() {
        let server = server(major);
        // What everybody may, the new role may too.
        server.psql("revoke delete on s.open from public").unwrap();
        for role in [
            "owner_a",
            "reader",
            "under_boss",
            "schema_owner",
            "nobody",
            "reads_all",
        ] {
            let before = asked(&server.owner().as_role(role, PASSWORD));
            server.psql(&before.narrow_role.join(";\n")).unwrap();
            let narrow = format!("{role}_reader");
            server
                .psql(&format!("alter role {narrow} password '{PASSWORD}'"))
                .unwrap();
            let connection = server.owner().as_role(&narrow, PASSWORD);
            let after = asked(&connection);
            assert!(
                !after.roads.iter().any(|r| r.act.destroys()),
                "{role}: {:#?}",
                after.roads
            );
            let of = |role: &str| {
                let sql = format!(
                    "select string_agg(c.oid::regclass::text, ' ' order by 1) from pg_class c join pg_namespace n on n.oid = relnamespace \
                     where relkind in ('r', 'p', 'v', 'm') and nspname !~ '^pg_' and nspname <> 'information_schema' \
                     and has_table_privilege('{role}', c.oid, 'select') and has_schema_privilege('{role}', n.oid, 'usage')"
                );
                server.psql(&sql).unwrap()
            };
            // By SET ROLE a role reads more; that is what the narrow one shall not.
            assert_eq!(of(&narrow), of(role), "{role}");
        }
    }
}
