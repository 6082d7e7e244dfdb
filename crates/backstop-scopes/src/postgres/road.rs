//! What the audit answers: plain data.

use serde::{Deserialize, Serialize};

/// What could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The object goes, with everything in it.
    Drop,
    /// All its rows go.
    Truncate,
    /// Rows go.
    Delete,
    /// Rows are overwritten.
    Update,
    /// Large objects are removed or overwritten.
    Unlink,
    /// Code runs with another role's rights, and what it does with them is not judged.
    RunAs,
    /// Programs run on the server's machine, as the server's user: as good as being a superuser.
    RunPrograms,
    /// Code runs in the server that nothing keeps inside the database.
    RunCode,
    /// Files of the server are overwritten: its data and whatever backups lie there.
    WriteFiles,
    /// Files of the server are read.
    ReadFiles,
    /// Connections lead out of the database, to other servers.
    Connect,
    /// The whole cluster is copied (`pg_basebackup`), or its log is kept until the disk is full.
    Replicate,
    /// A replication slot goes, and with it what a standby or a log archive still needed.
    DropSlot,
    /// Sessions of others are ended.
    Terminate,
    /// Code is planted that others will run with their own rights.
    Plant,
    /// Tables are locked or rewritten, checkpoints forced: nothing is lost, but others wait.
    Disturb,
}

impl Act {
    /// Whether data or whole objects are lost by it.
    #[must_use]
    pub fn destroys(self) -> bool {
        !matches!(
            self,
            Self::ReadFiles
                | Self::Connect
                | Self::Replicate
                | Self::Terminate
                | Self::Plant
                | Self::Disturb
        )
    }
}

/// On what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Object {
    /// The whole server.
    Server,
    /// A database.
    Database {
        /// Its name.
        name: String,
    },
    /// A schema, with all that is in it.
    Schema {
        /// Its name.
        name: String,
    },
    /// A table, partitioned table, foreign table or materialized view.
    Table {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// A view.
    View {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// A column of a table.
    Column {
        /// The table's schema.
        schema: String,
        /// The table.
        table: String,
        /// The column.
        name: String,
    },
    /// Whatever a role may do.
    Role {
        /// Its name.
        name: String,
    },
    /// The large objects of an owner.
    LargeObjects {
        /// The owner's name.
        owner: String,
        /// How many.
        count: u64,
    },
    /// A replication slot.
    Slot {
        /// Its name.
        name: String,
    },
    /// The sessions of a role that are open now, the asking one aside.
    Sessions {
        /// The role's name.
        role: String,
        /// How many.
        count: u64,
    },
    /// A foreign server.
    ForeignServer {
        /// Its name.
        name: String,
    },
    /// Rows that flow in from another server.
    Subscription {
        /// Its name.
        name: String,
    },
}

/// By which right, in one word: what the road begins or goes on with last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The acting role is a superuser.
    Superuser,
    /// It owns the object, or has the rights of the owner.
    Owner,
    /// It owns the schema that the object is in.
    SchemaOwner,
    /// It owns the database.
    DatabaseOwner,
    /// A privilege was granted to it.
    Grant,
    /// A privilege was granted to everybody.
    Public,
    /// A predefined role (`pg_write_all_data`) has the right everywhere.
    Predefined,
    /// An attribute of the role (REPLICATION).
    Attribute,
    /// A foreign key acts on rows that refer to what it may change; or the object goes with another one.
    Cascade,
    /// It is a child or partition of a table that it may change.
    Inheritance,
    /// A view runs with its owner's rights.
    View,
    /// A rule runs with its table's owner's rights.
    Rule,
    /// A trigger's function runs with its owner's rights.
    Trigger,
    /// A SECURITY DEFINER function, or one whose code is not SQL.
    Function,
    /// A foreign server or wrapper.
    ForeignServer,
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The catalogue alone proves it.
    Proved,
    /// It depends on code, a policy or another server that was not judged; the chain says on what.
    Depends,
}

/// One road to destruction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Road {
    /// What could be done.
    pub act: Act,
    /// On what.
    pub object: Object,
    /// By which right.
    pub by: By,
    /// The role that the session would be when it acts (`SET ROLE`), often the audited one itself.
    pub acting: String,
    /// How, step by step from the audited role to the object; each a part of a sentence. Names of roles and objects
    /// stand in backticks.
    pub chain: Vec<String>,
    /// How sure it is.
    pub certainty: Certainty,
    /// Rows at stake, as the server estimates them; none where it has no estimate or the object has no rows.
    pub rows: Option<u64>,
    /// Bytes at stake, with indexes and TOAST.
    pub bytes: Option<u64>,
    /// SQL that closes this road, one statement each. Empty where no single statement does: then only another role
    /// will do ([`Audit::narrow_role`]).
    pub fix: Vec<String>,
}

/// What is known of backups from inside the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backups {
    /// Whether the server archives its log (`archive_mode`, and a command or library); none where that is not shown.
    pub archives: Option<bool>,
    /// What the role could do to copies of the data that the server knows of, one sentence each. Empty: nothing that
    /// is known here.
    pub within_reach: Vec<String>,
}

/// The answer for one role at one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The audited role.
    pub role: String,
    /// The database.
    pub database: String,
    /// The server's major version.
    pub major: u32,
    /// What no two clusters share; none where the role may not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// The roles that it can become, itself first.
    pub becomes: Vec<String>,
    /// The roads, sorted by act and object.
    pub roads: Vec<Road>,
    /// What looks like a protection and is none, and what else should be known; one sentence each.
    pub notes: Vec<String>,
    /// Backups.
    pub backups: Backups,
    /// A script that makes a role which can read what this one can read and nothing else, for a name of its own.
    pub narrow_role: Vec<String>,
}
