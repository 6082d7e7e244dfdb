//! A server's catalogue as far as the audit needs it: plain data, so that what follows from it can be tested without
//! a server.

use std::collections::{HashMap, HashSet};

mod code;
mod load;
mod relations;
mod roles;
mod server;

pub(crate) use load::load;

/// An object's identifier.
pub(crate) type Oid = u32;

/// PUBLIC, as a grantee.
pub(crate) const PUBLIC: Oid = 0;

/// The first identifier of what people made.
pub(crate) const FIRST_USER: Oid = 16_384;

/// Privileges, as bits.
pub(crate) mod privilege {
    pub(crate) const SELECT: u16 = 1;
    pub(crate) const INSERT: u16 = 2;
    pub(crate) const UPDATE: u16 = 4;
    pub(crate) const DELETE: u16 = 8;
    pub(crate) const TRUNCATE: u16 = 16;
    pub(crate) const TRIGGER: u16 = 32;
    pub(crate) const MAINTAIN: u16 = 64;
    pub(crate) const USAGE: u16 = 128;
    pub(crate) const CREATE: u16 = 256;
    pub(crate) const EXECUTE: u16 = 512;
    pub(crate) const CONNECT: u16 = 1024;
    /// Of a setting.
    pub(crate) const SET: u16 = 2048;
    /// Of a setting.
    pub(crate) const ALTER_SYSTEM: u16 = 4096;

    /// The bit of a privilege by its name; 0 for what matters to nobody here.
    pub(crate) fn bit(name: &str) -> u16 {
        match name {
            "SELECT" => SELECT,
            "INSERT" => INSERT,
            "UPDATE" => UPDATE,
            "DELETE" => DELETE,
            "TRUNCATE" => TRUNCATE,
            "TRIGGER" => TRIGGER,
            "MAINTAIN" => MAINTAIN,
            "USAGE" => USAGE,
            "CREATE" => CREATE,
            "EXECUTE" => EXECUTE,
            "CONNECT" => CONNECT,
            "SET" => SET,
            "ALTER_SYSTEM" => ALTER_SYSTEM,
            _ => 0,
        }
    }

    /// The name of a bit.
    pub(crate) fn name(bit: u16) -> &'static str {
        match bit {
            SELECT => "SELECT",
            INSERT => "INSERT",
            UPDATE => "UPDATE",
            DELETE => "DELETE",
            TRUNCATE => "TRUNCATE",
            TRIGGER => "TRIGGER",
            MAINTAIN => "MAINTAIN",
            USAGE => "USAGE",
            CREATE => "CREATE",
            EXECUTE => "EXECUTE",
            CONNECT => "CONNECT",
            SET => "SET",
            ALTER_SYSTEM => "ALTER SYSTEM",
            _ => "ALL",
        }
    }
}

/// Who was granted what: grantee and privilege bits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Acl(pub(crate) Vec<(Oid, u16)>);

impl Acl {
    /// Whom of these roles, PUBLIC included, a privilege was granted to.
    pub(crate) fn holders<'a>(
        &'a self,
        roles: &'a HashSet<Oid>,
        bit: u16,
    ) -> impl Iterator<Item = Oid> + 'a {
        self.0
            .iter()
            .filter(move |(who, bits)| bits & bit != 0 && (*who == PUBLIC || roles.contains(who)))
            .map(|(who, _)| *who)
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) superuser: bool,
    pub(crate) createrole: bool,
    pub(crate) replication: bool,
    pub(crate) bypass_rls: bool,
    pub(crate) login: bool,
    /// What it is a member of is its own without SET ROLE; from 16 on each membership says so itself.
    pub(crate) inherit: bool,
    /// `default_transaction_read_only` is on for it, somewhere.
    pub(crate) read_only: bool,
}

/// `member` is a member of `role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) role: Oid,
    pub(crate) member: Oid,
    pub(crate) grantor: Oid,
    pub(crate) admin: bool,
    /// Its rights are the member's without SET ROLE.
    pub(crate) inherit: bool,
    /// SET ROLE leads there.
    pub(crate) set: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Database {
    pub(crate) oid: Oid,
    pub(crate) name: String,
    pub(crate) owner: Oid,
    pub(crate) acl: Acl,
    pub(crate) bytes: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    pub(crate) name: String,
    pub(crate) owner: Oid,
    pub(crate) acl: Acl,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Relation {
    pub(crate) schema: Oid,
    pub(crate) name: String,
    /// As `pg_class.relkind`: `r`, `p`, `v`, `m`, `f`.
    pub(crate) kind: char,
    pub(crate) owner: Oid,
    /// None: as it comes, everything for the owner and nothing for others.
    pub(crate) acl: Option<Acl>,
    /// Grants of UPDATE on single columns: grantee and column.
    pub(crate) columns: Vec<(Oid, i16)>,
    /// Who may put values into single columns.
    pub(crate) inserters: Vec<Oid>,
    pub(crate) rls: bool,
    pub(crate) rls_forced: bool,
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: Option<u64>,
    /// The extension that it is part of.
    pub(crate) extension: Option<Oid>,
    /// A view that runs with its user's rights.
    pub(crate) invoker: bool,
    /// What may be done through a view, as `pg_relation_is_updatable` says it.
    pub(crate) updatable: u32,
    /// The server of a foreign table.
    pub(crate) server: Option<Oid>,
    /// TRUNCATE is switched off for a foreign table (`truncatable`).
    pub(crate) keeps_all: bool,
}

/// A foreign key, with what it does to `from` when rows of `to` change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key {
    pub(crate) from: Oid,
    pub(crate) to: Oid,
    pub(crate) name: String,
    /// As `confdeltype` and `confupdtype`: `c`, `n`, `d`; anything else refuses.
    pub(crate) on_delete: char,
    pub(crate) on_update: char,
    /// The columns that refer.
    pub(crate) from_columns: Vec<i16>,
    /// The columns referred to.
    pub(crate) to_columns: Vec<i16>,
}

/// A rule that is not a view's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule {
    pub(crate) relation: Oid,
    pub(crate) name: String,
    /// The privilege whose use sets it off.
    pub(crate) event: u16,
    /// What stands after DO.
    pub(crate) action: String,
}

/// A trigger of people's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trigger {
    pub(crate) relation: Oid,
    pub(crate) name: String,
    pub(crate) function: Oid,
    /// It runs before the change, and not after it.
    pub(crate) before: bool,
    /// The privileges whose use sets it off.
    pub(crate) events: u16,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Function {
    pub(crate) schema: Oid,
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) owner: Oid,
    pub(crate) definer: bool,
    pub(crate) language: String,
    /// The library of C code; empty otherwise.
    pub(crate) library: String,
    /// Whether its language keeps code inside the database.
    pub(crate) trusted: bool,
    pub(crate) body: String,
    pub(crate) acl: Acl,
    /// A trigger's function cannot be called.
    pub(crate) callable: bool,
}

impl Function {
    /// Whether its code can be read as SQL.
    pub(crate) fn readable(&self) -> bool {
        matches!(self.language.as_str(), "sql" | "plpgsql")
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) permissive: bool,
    /// The privilege that it is about; 0 for all.
    pub(crate) event: u16,
    pub(crate) roles: Vec<Oid>,
    /// It lets everything through.
    pub(crate) always: bool,
}

/// Something that can be dropped, and takes others with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owned {
    pub(crate) schema: Option<Oid>,
    /// As a sentence has it: "type `public.mood`".
    pub(crate) title: String,
    pub(crate) owner: Oid,
    pub(crate) extension: Option<Oid>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) owner: Oid,
    pub(crate) wrapper: String,
    pub(crate) acl: Acl,
    /// Roles with credentials there, PUBLIC included.
    pub(crate) mapped: Vec<Oid>,
}

/// Rows that flow in from another server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscription {
    pub(crate) name: String,
    pub(crate) owner: Oid,
    /// Its worker writes with its owner's rights, and not with those of each table's owner.
    pub(crate) as_owner: bool,
    /// The tables that it writes.
    pub(crate) tables: Vec<Oid>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Catalogue {
    pub(crate) major: u32,
    /// What no two clusters share; none where the role may not ask.
    pub(crate) system_identifier: Option<String>,
    pub(crate) database: Oid,
    /// Who is connected.
    pub(crate) me: Oid,
    pub(crate) standby: bool,
    /// `default_transaction_read_only` is on for the session or the database.
    pub(crate) read_only: bool,
    /// Everybody may remove large objects of others.
    pub(crate) lo_compat: bool,
    pub(crate) archives: Option<bool>,
    pub(crate) roles: HashMap<Oid, Role>,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) databases: Vec<Database>,
    pub(crate) schemas: HashMap<Oid, Schema>,
    /// Schemas in which names are looked up that nobody qualified.
    pub(crate) paths: HashSet<String>,
    pub(crate) relations: HashMap<Oid, Relation>,
    /// Children and partitions, by parent.
    pub(crate) children: HashMap<Oid, Vec<Oid>>,
    pub(crate) keys: Vec<Key>,
    /// The relations that a view reads.
    pub(crate) view_reads: HashMap<Oid, Vec<Oid>>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) policies: HashMap<Oid, Vec<Policy>>,
    pub(crate) functions: HashMap<Oid, Function>,
    /// Names of functions that people made, whatever their schema.
    pub(crate) function_names: HashSet<String>,
    /// Event triggers whose functions run with their owners' rights: name and function.
    pub(crate) event_triggers: Vec<(String, Oid)>,
    pub(crate) types: HashMap<Oid, Owned>,
    /// Columns whose type is one of these: table, column, type.
    pub(crate) typed_columns: Vec<(Oid, String, Oid)>,
    /// Columns that something else takes along: table, column, what.
    pub(crate) dependent_columns: Vec<(Oid, String, Owned)>,
    /// Tables of a type, by the type.
    pub(crate) typed_tables: Vec<(Oid, Oid)>,
    pub(crate) extensions: HashMap<Oid, Owned>,
    pub(crate) servers: HashMap<Oid, Server>,
    /// Wrappers, with who may make servers of them.
    pub(crate) wrappers: Vec<(String, Oid, Acl)>,
    /// Languages that do not keep code inside and yet may be granted: name, owner and grants.
    pub(crate) wild_languages: Vec<(String, Oid, Acl)>,
    /// Sessions but the asking one, by role.
    pub(crate) sessions: Vec<(Oid, u64)>,
    pub(crate) slots: Vec<String>,
    /// Those of this database.
    pub(crate) subscriptions: Vec<Subscription>,
    /// Settings of superusers' that somebody was granted: SET and ALTER SYSTEM.
    pub(crate) parameters: Vec<(String, Acl)>,
    /// Large objects: owner, grants of UPDATE, how many.
    pub(crate) large_objects: Vec<(Oid, Acl, u64)>,
}

impl Catalogue {
    /// The identifier of a role by its name.
    pub(crate) fn role_named(&self, name: &str) -> Option<Oid> {
        let found = self.roles.iter().find(|(_, role)| role.name == name);
        found.map(|(oid, _)| *oid)
    }

    /// A role's name; `PUBLIC` for everybody.
    pub(crate) fn role_name(&self, oid: Oid) -> String {
        match (oid, self.roles.get(&oid)) {
            (PUBLIC, _) => "PUBLIC".to_owned(),
            (_, Some(role)) => role.name.clone(),
            (_, None) => format!("role {oid}"),
        }
    }

    /// `schema.name` as SQL has it.
    pub(crate) fn qualified(&self, schema: Oid, name: &str) -> String {
        let schema = self.schemas.get(&schema).map_or("", |s| s.name.as_str());
        backstop_wire::sql::qualified(schema, name)
    }

    /// A relation's name as SQL has it.
    pub(crate) fn relation_name(&self, oid: Oid) -> String {
        match self.relations.get(&oid) {
            Some(relation) => self.qualified(relation.schema, &relation.name),
            None => oid.to_string(),
        }
    }
}
