//! A lease's role at the target: made with only the lease's grants, dropped whatever it made or was granted.
//!
//! Everything here works as a non-superuser with CREATEROLE on PostgreSQL 15 to 18.

use backstop_core::lease::Lease;
use backstop_core::scope::ScopeVerb;
use backstop_store::SealKey;
use backstop_wire::postgres::scram;

use super::error::GateError;
use super::question::{ident, literal};
use super::upstream::ServerConnection;

/// Owner of what ended leases left behind: cannot log in and has no other rights.
pub(crate) const LEFTOVERS: &str = "backstop_leftovers";

/// What the gate sets for a lease's role, whatever the agent SETs: the gate enforces the times from outside too.
#[derive(Debug, Clone)]
pub struct RoleLimits {
    /// Connections at a time.
    pub connections: u32,
    /// `statement_timeout`, milliseconds.
    pub statement_ms: u64,
    /// `lock_timeout`, milliseconds.
    pub lock_ms: u64,
    /// `idle_in_transaction_session_timeout`, milliseconds.
    pub idle_ms: u64,
}

impl Default for RoleLimits {
    fn default() -> Self {
        Self {
            connections: 20,
            statement_ms: 15 * 60_000,
            lock_ms: 10_000,
            idle_ms: 5 * 60_000,
        }
    }
}

/// A relation that grants can name.
struct Relation {
    schema: String,
    name: String,
    sequence_of: Option<(String, String)>,
}

/// Makes the lease's role, or brings it up to the lease's scopes.
pub(crate) async fn provision(
    server: &mut ServerConnection,
    lease: &Lease,
    key: &SealKey,
    limits: &RoleLimits,
) -> Result<(), GateError> {
    make(server, lease, key, limits).await?;
    let database = one(server, "select pg_catalog.current_database()").await?;
    let relations = relations(server).await?;
    let mut statements = schema_grants(server, lease, &relations).await?;
    statements.extend(relation_grants(lease, &relations));
    if lease
        .spec
        .scopes
        .iter()
        .any(|s| s.verbs.contains(&ScopeVerb::Temp))
    {
        statements.push(format!(
            "grant temporary on database {} to {}",
            ident(&database),
            ident(&lease.id)
        ));
    }
    for statement in statements {
        server.tell(&statement).await?;
    }
    Ok(())
}

async fn make(
    server: &mut ServerConnection,
    lease: &Lease,
    key: &SealKey,
    limits: &RoleLimits,
) -> Result<(), GateError> {
    let role = ident(&lease.id);
    let verifier = scram::Verifier::generate(key.password_for(&lease.id).reveal())
        .map_err(|e| GateError::Config(e.to_string()))?;
    let verifier = verifier
        .to_postgres()
        .ok_or_else(|| GateError::Config("the role has no verifier".into()))?;
    let exists = exists(server, &lease.id).await?;
    let verb = if exists { "alter" } else { "create" };
    // Not NOINHERIT and no memberships: RESET ROLE and SET ROLE lead nowhere.
    server
        .tell(&format!(
            "{verb} role {role} login nocreatedb nocreaterole connection limit {} password {} valid until {}",
            limits.connections,
            literal(&verifier),
            literal(&timestamp(lease.expires_ms)),
        ))
        .await?;
    for (name, value) in [
        ("default_transaction_read_only", "on".to_owned()),
        ("statement_timeout", limits.statement_ms.to_string()),
        ("lock_timeout", limits.lock_ms.to_string()),
        (
            "idle_in_transaction_session_timeout",
            limits.idle_ms.to_string(),
        ),
    ] {
        server
            .tell(&format!(
                "alter role {role} set {name} = {}",
                literal(&value)
            ))
            .await?;
    }
    Ok(())
}

/// Takes away what a narrowed lease no longer has: everything, before granting anew.
pub(crate) async fn strip(server: &mut ServerConnection, role: &str) -> Result<(), GateError> {
    if !exists(server, role).await? {
        return Ok(());
    }
    let name = ident(role);
    let rows = server
        .ask(&format!(
            "select n.nspname, c.relname, c.relkind operator(pg_catalog.=) 'S' \
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
             where pg_catalog.array_to_string(c.relacl, ',') operator(pg_catalog.~~) {}",
            literal(&format!("%{}%", role.replace('_', "\\_")))
        ))
        .await?;
    for row in rows {
        if let [Some(schema), Some(table), sequence] = row.as_slice() {
            let kind = if sequence.as_deref() == Some("t") {
                "sequence"
            } else {
                "table"
            };
            server
                .tell(&format!(
                    "revoke all on {kind} {}.{} from {name}",
                    ident(schema),
                    ident(table)
                ))
                .await?;
        }
    }
    let schemas = server
        .ask(&format!(
            "select n.nspname from pg_catalog.pg_namespace n \
             where pg_catalog.array_to_string(n.nspacl, ',') operator(pg_catalog.~~) {}",
            literal(&format!("%{}%", role.replace('_', "\\_")))
        ))
        .await?;
    for row in schemas {
        if let [Some(schema)] = row.as_slice() {
            server
                .tell(&format!(
                    "revoke all on schema {} from {name}",
                    ident(schema)
                ))
                .await?;
        }
    }
    Ok(())
}

/// Ends a lease's role. What it owns passes to [`LEFTOVERS`].
pub(crate) async fn retire(server: &mut ServerConnection, role: &str) -> Result<(), GateError> {
    if !exists(server, role).await? {
        return Ok(());
    }
    let name = ident(role);
    // From here on nobody can log in as it, even if a later step has to be done again.
    server
        .tell(&format!(
            "alter role {name} nologin connection limit 0 password null"
        ))
        .await?;
    become_member(server, role).await?;
    server
        .tell(&format!(
            "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity \
             where usename operator(pg_catalog.=) {}",
            literal(role)
        ))
        .await?;
    ensure_leftovers(server).await?;
    server
        .tell(&format!("reassign owned by {name} to {LEFTOVERS}"))
        .await?;
    server.tell(&format!("drop owned by {name}")).await?;
    server.tell(&format!("drop role {name}")).await
}

/// The NOLOGIN owner of what ended leases leave behind.
pub(crate) async fn ensure_leftovers(server: &mut ServerConnection) -> Result<(), GateError> {
    if !exists(server, LEFTOVERS).await? {
        server
            .tell(&format!(
                "create role {LEFTOVERS} nologin nocreatedb nocreaterole"
            ))
            .await?;
    }
    become_member(server, LEFTOVERS).await
}

/// REASSIGN OWNED and pg_terminate_backend want membership, which a role's maker can give itself.
async fn become_member(server: &mut ServerConnection, role: &str) -> Result<(), GateError> {
    let question = format!(
        "select pg_catalog.current_setting('server_version_num')::pg_catalog.int4, \
         pg_catalog.pg_has_role(current_user, {}, 'USAGE')",
        literal(role)
    );
    let rows = server.ask(&question).await?;
    let (version, member) = match rows.first().map(Vec::as_slice) {
        Some([Some(version), Some(member)]) => (version.parse::<u32>().unwrap_or(0), member == "t"),
        _ => {
            return Err(GateError::Protocol(
                "no answer to a question about a role".into(),
            ));
        }
    };
    if member {
        return Ok(());
    }
    let options = if version >= 160_000 {
        " with inherit true, set true"
    } else {
        ""
    };
    server
        .tell(&format!("grant {} to current_user{options}", ident(role)))
        .await
}

/// The lease roles at the target.
pub(crate) async fn lease_roles(server: &mut ServerConnection) -> Result<Vec<String>, GateError> {
    let rows = server
        .ask(
            "select rolname from pg_catalog.pg_roles \
             where rolname operator(pg_catalog.~) '^lease_[0-9a-hjkmnp-tv-z]{16}$'",
        )
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|r| r.into_iter().next().flatten())
        .collect())
}

async fn exists(server: &mut ServerConnection, role: &str) -> Result<bool, GateError> {
    let question = format!(
        "select 1 from pg_catalog.pg_roles where rolname operator(pg_catalog.=) {}",
        literal(role)
    );
    server.ask(&question).await.map(|rows| !rows.is_empty())
}

async fn one(server: &mut ServerConnection, question: &str) -> Result<String, GateError> {
    let rows = server.ask(question).await?;
    let first = rows
        .into_iter()
        .next()
        .and_then(|r| r.into_iter().next())
        .flatten();
    first.ok_or_else(|| GateError::Protocol("a question had no answer".into()))
}

/// Tables, views and sequences that the gate's role may grant rights on.
async fn relations(server: &mut ServerConnection) -> Result<Vec<Relation>, GateError> {
    let rows = server
        .ask(
            "select n.nspname, c.relname, tn.nspname, t.relname \
             from pg_catalog.pg_class c \
             join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
             left join pg_catalog.pg_depend d on c.relkind operator(pg_catalog.=) 'S' \
               and d.classid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid \
               and d.objid operator(pg_catalog.=) c.oid and d.deptype operator(pg_catalog.=) 'a' \
             left join pg_catalog.pg_class t on t.oid operator(pg_catalog.=) d.refobjid \
             left join pg_catalog.pg_namespace tn on tn.oid operator(pg_catalog.=) t.relnamespace \
             where c.relkind operator(pg_catalog.=) any (array['r','p','v','m','f','S']::pg_catalog.\"char\"[]) \
               and not n.nspname operator(pg_catalog.=) any (array['pg_catalog','information_schema']::pg_catalog.name[]) \
               and not n.nspname operator(pg_catalog.~) '^pg_(toast|temp)' \
               and pg_catalog.pg_has_role(current_user, c.relowner, 'USAGE')",
        )
        .await?;
    Ok(rows.into_iter().filter_map(relation).collect())
}

fn relation(row: Vec<Option<String>>) -> Option<Relation> {
    let [schema, name, owner_schema, owner] = <[Option<String>; 4]>::try_from(row).ok()?;
    Some(Relation {
        schema: schema?,
        name: name?,
        sequence_of: owner_schema.zip(owner),
    })
}

async fn schema_grants(
    server: &mut ServerConnection,
    lease: &Lease,
    relations: &[Relation],
) -> Result<Vec<String>, GateError> {
    let rows = server
        .ask(
            "select nspname, pg_catalog.pg_has_role(current_user, nspowner, 'USAGE'), \
             pg_catalog.has_schema_privilege(current_user, oid, 'USAGE with grant option') \
             from pg_catalog.pg_namespace \
             where not nspname operator(pg_catalog.~) '^pg_' \
               and not nspname operator(pg_catalog.=) 'information_schema'",
        )
        .await?;
    let mut out = vec![];
    for row in rows {
        let [Some(schema), owner, grantor] = row.as_slice() else {
            continue;
        };
        let can = |flag: &Option<String>| flag.as_deref() == Some("t");
        let reached = relations.iter().any(|r| {
            r.schema == *schema
                && lease
                    .spec
                    .scopes
                    .iter()
                    .any(|s| s.matches(&r.schema, &r.name))
        });
        if reached && (can(owner) || can(grantor)) {
            out.push(format!(
                "grant usage on schema {} to {}",
                ident(schema),
                ident(&lease.id)
            ));
        }
        let creates = lease.spec.scopes.iter().any(|s| {
            s.verbs.contains(&ScopeVerb::Create)
                && s.schema.as_deref().is_some_and(|named| named == schema)
        });
        if creates && can(owner) {
            out.push(format!(
                "grant usage, create on schema {} to {}",
                ident(schema),
                ident(&lease.id)
            ));
        }
    }
    Ok(out)
}

fn relation_grants(lease: &Lease, relations: &[Relation]) -> Vec<String> {
    let mut out = vec![];
    for relation in relations {
        let (schema, name) = relation
            .sequence_of
            .as_ref()
            .map_or((&relation.schema, &relation.name), |(s, n)| (s, n));
        let is_sequence = relation.sequence_of.is_some();
        let mut rights: Vec<&str> = vec![];
        for scope in lease.spec.scopes.iter().filter(|s| s.matches(schema, name)) {
            rights.extend(scope.verbs.iter().filter_map(|v| right(*v, is_sequence)));
        }
        rights.sort_unstable();
        rights.dedup();
        if rights.is_empty() {
            continue;
        }
        let kind = if is_sequence { "sequence " } else { "" };
        out.push(format!(
            "grant {} on {kind}{}.{} to {}",
            rights.join(", "),
            ident(&relation.schema),
            ident(&relation.name),
            ident(&lease.id)
        ));
    }
    out
}

const fn right(verb: ScopeVerb, is_sequence: bool) -> Option<&'static str> {
    match (verb, is_sequence) {
        (ScopeVerb::Read, _) => Some("select"),
        // A serial column's default draws from the sequence.
        (ScopeVerb::Insert, true) => Some("usage"),
        (ScopeVerb::Insert, false) => Some("insert"),
        (ScopeVerb::Update, false) => Some("update"),
        (ScopeVerb::Delete, false) => Some("delete"),
        (ScopeVerb::Update | ScopeVerb::Delete, true)
        | (ScopeVerb::Create | ScopeVerb::Temp | ScopeVerb::Tunnel, _) => None,
    }
}

/// Unix milliseconds as PostgreSQL reads a time: through the epoch, so that no calendar is needed here.
fn timestamp(ms: i64) -> String {
    let days = ms.div_euclid(86_400_000);
    let rest = ms.rem_euclid(86_400_000) / 1000;
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}+00",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Days since 1970 as a date of the proleptic Gregorian calendar (Hinnant's days-from-civil, inverted).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_postgres_reads_them() {
        assert_eq!(timestamp(0), "1970-01-01 00:00:00+00");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29 00:00:00+00");
        assert_eq!(
            timestamp(1_795_435_200_000 + 3_661_000),
            "2026-11-23 13:01:01+00"
        );
    }
}
