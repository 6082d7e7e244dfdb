//! Looking at a target before it is one: what it is, what the gate's role may, and whether a pooler is between.

use super::error::GateError;
use super::upstream::Upstream;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// As the server prints it.
    pub server_version: String,
    /// Its major version.
    pub major: u16,
    /// What no two clusters share; none where the role may not ask.
    pub system_identifier: Option<String>,
    /// Whether the gate's role is a superuser, which it should not be.
    pub superuser: bool,
    /// Whether it can make roles.
    pub createrole: bool,
    /// The database's owner.
    pub database_owner: String,
    /// What kind of pooler is between, if one was found out.
    pub pooler: Option<String>,
    /// What an operator should know, one sentence each.
    pub warnings: Vec<String>,
}

/// Connects and looks; changes nothing.
///
/// # Errors
/// When the target cannot be reached or does not answer.
pub async fn probe(upstream: &Upstream) -> Result<Probe, GateError> {
    let mut server = upstream
        .connect(&[("client_encoding".to_owned(), "UTF8".to_owned())])
        .await?;
    let pooler = pooler(upstream, &mut server).await?;
    let rows = server
        .ask(
            "select pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num'), \
             r.rolsuper, r.rolcreaterole, o.rolname, \
             pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') \
             from pg_catalog.pg_roles r, pg_catalog.pg_database d \
             join pg_catalog.pg_roles o on o.oid operator(pg_catalog.=) d.datdba \
             where r.rolname operator(pg_catalog.=) current_user \
             and d.datname operator(pg_catalog.=) pg_catalog.current_database()",
        )
        .await?;
    let row = rows.into_iter().next().unwrap_or_default();
    let text = |n: usize| row.get(n).cloned().flatten().unwrap_or_default();
    let flag = |n: usize| row.get(n).cloned().flatten().as_deref() == Some("t");
    let system_identifier = if flag(5) {
        let rows = server
            .ask("select system_identifier from pg_catalog.pg_control_system()")
            .await?;
        rows.into_iter().flatten().flatten().next()
    } else {
        None
    };
    let number: u32 = text(1).parse().unwrap_or(0);
    let mut found = Probe {
        server_version: text(0),
        major: u16::try_from(number / 10_000).unwrap_or(0),
        system_identifier,
        superuser: flag(2),
        createrole: flag(3),
        database_owner: text(4),
        pooler,
        warnings: vec![],
    };
    found.warnings = warnings(&mut server, &found).await?;
    Ok(found)
}

/// A transaction pooler gives each transaction another server process. PgBouncer and its kin also refuse or
/// swallow startup parameters they do not know.
async fn pooler(
    upstream: &Upstream,
    server: &mut super::upstream::ServerConnection,
) -> Result<Option<String>, GateError> {
    let probe = "select pg_catalog.pg_backend_pid()";
    let process = server.cancel.as_ref().map(|k| k.process.to_string());
    let mut seen = vec![];
    let mut other = upstream.connect(&[]).await?;
    for _ in 0..4 {
        // Keeping the other connection busy in a transaction makes a pooler hand out different processes.
        let first = server
            .ask(probe)
            .await?
            .into_iter()
            .flatten()
            .flatten()
            .next();
        other.tell("begin").await?;
        other.tell(probe).await?;
        let second = server
            .ask(probe)
            .await?
            .into_iter()
            .flatten()
            .flatten()
            .next();
        other.tell("rollback").await?;
        seen.extend([first, second]);
    }
    seen.dedup();
    if seen.len() > 1 {
        return Ok(Some("a transaction pooler".to_owned()));
    }
    // A session pooler hands out its own cancel keys.
    let direct = seen.first().cloned().flatten() == process;
    if direct {
        return Ok(None);
    }
    // In session mode a setting survives its transaction; in transaction mode with one free server it may seem to,
    // but the pooler's own DISCARD or another client can take it away. What tells is a prepared transaction of
    // settings across two sessions sharing one server.
    server
        .tell("set application_name = 'backstop probe'")
        .await?;
    let name = other
        .ask("select pg_catalog.current_setting('application_name')")
        .await?;
    let leaks = name.into_iter().flatten().flatten().next().as_deref() == Some("backstop probe");
    let own = server.ask(probe).await?;
    let others = other.ask(probe).await?;
    server.tell("reset application_name").await?;
    if leaks || own == others {
        return Ok(Some("a transaction pooler".to_owned()));
    }
    Ok(None)
}

async fn warnings(
    server: &mut super::upstream::ServerConnection,
    found: &Probe,
) -> Result<Vec<String>, GateError> {
    let mut out = vec![];
    if found.superuser {
        out.push(
            "the gate's role is a superuser; a role with CREATEROLE that owns the tables is enough"
                .to_owned(),
        );
    }
    if !found.createrole && !found.superuser {
        out.push(
            "the gate's role cannot make roles (CREATEROLE); leases cannot be created".to_owned(),
        );
    }
    let rows = server
        .ask(
            "select n.nspname from pg_catalog.pg_namespace n where pg_catalog.has_schema_privilege('public', n.oid, 'create') \
             and not n.nspname operator(pg_catalog.~) '^pg_'",
        )
        .await?;
    for schema in rows.into_iter().flatten().flatten() {
        out.push(format!(
            "PUBLIC may create objects in schema `{schema}`, where they can capture others' names"
        ));
    }
    let rows = server
        .ask(
            "select n.nspname, c.relname from pg_catalog.pg_class c \
             join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
             where c.relkind operator(pg_catalog.=) any (array['r','p','v','m','f']::pg_catalog.\"char\"[]) \
             and not n.nspname operator(pg_catalog.=) any (array['pg_catalog','information_schema']::pg_catalog.name[]) \
             and (pg_catalog.has_table_privilege('public', c.oid, 'insert') or pg_catalog.has_table_privilege('public', c.oid, 'update') \
               or pg_catalog.has_table_privilege('public', c.oid, 'delete') or pg_catalog.has_table_privilege('public', c.oid, 'truncate')) \
             order by 1, 2 limit 20",
        )
        .await?;
    for row in rows {
        if let [Some(schema), Some(table)] = row.as_slice() {
            out.push(format!(
                "PUBLIC may write `{schema}.{table}`, so every lease may"
            ));
        }
    }
    Ok(out)
}
