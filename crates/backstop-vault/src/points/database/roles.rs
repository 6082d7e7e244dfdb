//! Roles without their passwords: read, and made anew by somebody who is no superuser.

use super::manifest::Role;
use crate::points::question::{Question, Row};
use crate::points::{PointError, Session, sql};

const ROLES: &str = "
    SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
        r.rolreplication, r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil,
        (SELECT pg_catalog.json_agg(g.rolname || CASE WHEN m.admin_option THEN ' (admin)' ELSE '' END
            ORDER BY g.rolname COLLATE \"C\")
            FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
            WHERE m.member = r.oid),
        (SELECT pg_catalog.array_to_json(s.setconfig) FROM pg_catalog.pg_db_role_setting s
            WHERE s.setrole = r.oid AND s.setdatabase = 0)
    FROM pg_catalog.pg_roles r
    WHERE r.rolname !~ '^pg_'
    ORDER BY r.rolname COLLATE \"C\"";

/// What columns 1 to 7 of [`ROLES`] allow.
const WORDS: [&str; 7] = [
    "SUPERUSER",
    "INHERIT",
    "CREATEROLE",
    "CREATEDB",
    "LOGIN",
    "REPLICATION",
    "BYPASSRLS",
];

/// All roles of a server but PostgreSQL's own, by name.
///
/// # Errors
/// When the server refuses.
pub async fn read(session: &mut Session) -> Result<Vec<Role>, PointError> {
    Ok(session.ask(ROLES).await?.iter().map(role).collect())
}

fn role(row: &Row) -> Role {
    let list = |column| serde_json::from_str(&sql::text(row, column)).unwrap_or_default();
    let mut may: Vec<String> = (1..)
        .zip(WORDS)
        .filter(|(column, _)| sql::truth(row, *column))
        .map(|(_, word)| word.to_owned())
        .collect();
    may.sort();
    Role {
        name: sql::text(row, 0),
        may,
        connection_limit: sql::number(row, 8),
        valid_until: row.get(9).cloned().flatten(),
        member_of: list(10),
        settings: list(11),
    }
}

/// Statements that make those of `wanted` that a server with `present` lacks, for a role that may create
/// roles but is no superuser, and sentences on what they do not get.
#[must_use]
pub fn missing(wanted: &[Role], present: &[Role]) -> (Vec<String>, Vec<String>) {
    let is_new = |role: &&Role| !present.iter().any(|other| other.name == role.name);
    let mut statements = Vec::new();
    let mut notes = Vec::new();
    for role in wanted.iter().filter(is_new) {
        let (plain, above): (Vec<&str>, Vec<&str>) = role
            .may
            .iter()
            .map(String::as_str)
            .partition(|word| !matches!(*word, "SUPERUSER" | "REPLICATION" | "BYPASSRLS"));
        if !above.is_empty() {
            notes.push(format!(
                "role {} does not get {}: only a superuser gives that",
                role.name,
                above.join(", ")
            ));
        }
        let inherit = if plain.contains(&"INHERIT") {
            ""
        } else {
            " NOINHERIT"
        };
        let name = sql::ident(&role.name);
        statements.push(format!(
            "CREATE ROLE {name}{inherit} {} CONNECTION LIMIT {}",
            plain.join(" "),
            role.connection_limit
        ));
        if plain.contains(&"LOGIN") {
            notes.push(format!("role {} has no password yet", role.name));
        }
    }
    for role in wanted.iter().filter(is_new) {
        for member in &role.member_of {
            let (group, admin) = match member.strip_suffix(" (admin)") {
                Some(group) => (group, " WITH ADMIN OPTION"),
                None => (member.as_str(), ""),
            };
            statements.push(format!(
                "GRANT {} TO {}{admin}",
                sql::ident(group),
                sql::ident(&role.name)
            ));
        }
    }
    (statements, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, may: &[&str], member_of: &[&str]) -> Role {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Role {
            name: name.to_owned(),
            may: own(may),
            connection_limit: -1,
            valid_until: None,
            member_of: own(member_of),
            settings: vec![],
        }
    }

    #[test]
    fn only_what_lacks_is_made_and_nothing_above_the_maker() {
        let wanted = [
            role("app", &["INHERIT", "LOGIN"], &["team (admin)"]),
            role("root", &["INHERIT", "SUPERUSER"], &[]),
            role("team", &[], &[]),
        ];
        let (statements, notes) = missing(&wanted, &[role("team", &[], &[])]);
        assert_eq!(
            statements,
            [
                "CREATE ROLE \"app\" INHERIT LOGIN CONNECTION LIMIT -1",
                "CREATE ROLE \"root\" INHERIT CONNECTION LIMIT -1",
                "GRANT \"team\" TO \"app\" WITH ADMIN OPTION",
            ]
        );
        assert_eq!(notes.len(), 2, "{notes:?}");
    }
}
