//! What the analysis hands out: the statements of a text, what each is to the gate, and what each does.
//! Pure data.

use std::ops::Range;

use backstop_core::effect::Analysis;

use super::session::Created;

/// The statements of one simple-query text, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The statements; none for a text of comments and semicolons only.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The bytes of the text that it is.
    pub range: Range<usize>,
    /// What it is to the gate's view of the session.
    pub kind: StatementKind,
    /// What it does.
    pub analysis: Analysis,
    /// The relations that it names or reaches, views and their sources included.
    pub relations: Vec<ResolvedRelation>,
    /// Names of relations and functions that the catalogue does not have. The server would refuse the statement,
    /// unless they were made since the catalogue was read: read it again before sending the statement.
    pub unresolved: Vec<String>,
    /// The settings that it changes, by SET, RESET or `set_config`: the gate's view of them is stale after it.
    pub settings: Vec<Setting>,
    /// The parts of the text to show first to a person who decides.
    pub fragments: Vec<Range<usize>>,
    /// What exists when it has succeeded and did not before.
    pub creates: Vec<Created>,
    /// Whether it may take names away or give them another meaning (DROP, RENAME, ROLLBACK, DISCARD):
    /// what [`super::Session::created`] held is then no longer certain.
    pub forgets: bool,
}

/// A relation as the analysis resolved it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolvedRelation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its oid; 0 where the catalogue does not know it.
    pub oid: u32,
}

/// What a statement is to a gate that keeps its own view of session, transaction, statements and portals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementKind {
    /// BEGIN, START TRANSACTION.
    Begin(TransactionModes),
    /// COMMIT, END.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE.
    Release(String),
    /// ROLLBACK TO.
    RollbackTo(String),
    /// PREPARE TRANSACTION.
    PrepareTransaction(String),
    /// COMMIT PREPARED.
    CommitPrepared(String),
    /// ROLLBACK PREPARED.
    RollbackPrepared(String),
    /// SET TRANSACTION: modes of the current transaction.
    SetTransaction(TransactionModes),
    /// SET SESSION CHARACTERISTICS: modes of later transactions.
    SetCharacteristics(TransactionModes),
    /// SET CONSTRAINTS.
    SetConstraints,
    /// PREPARE. Its own analysis is that of the inner statement, which runs later.
    Prepare {
        /// The name.
        name: String,
        /// The bytes of the inner statement.
        inner: Range<usize>,
        /// The oids of the declared types that may meet several values of a key; 0 for any other.
        types: Vec<u32>,
    },
    /// EXECUTE. Its analysis is that of the prepared text under the current state.
    Execute {
        /// The name.
        name: String,
    },
    /// DEALLOCATE; none is ALL.
    Deallocate(Option<String>),
    /// DISCARD.
    Discard(Discard),
    /// DECLARE CURSOR. Its analysis is that of the query.
    Declare {
        /// The portal's name.
        name: String,
        /// WITH HOLD: the query runs at COMMIT.
        hold: bool,
    },
    /// FETCH, MOVE: runs the portal on.
    Fetch {
        /// The portal's name.
        name: String,
    },
    /// CLOSE; none is ALL.
    Close(Option<String>),
    /// SET, and RESET of one setting, or of all.
    Set(Setting),
    /// SHOW.
    Show(String),
    /// COPY.
    Copy(Copy),
    /// LISTEN.
    Listen(String),
    /// NOTIFY.
    Notify(String),
    /// UNLISTEN; none is `*`.
    Unlisten(Option<String>),
    /// EXPLAIN.
    Explain {
        /// Whether it runs the statement too.
        analyze: bool,
    },
    /// LOCK TABLE.
    Lock,
    /// SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE, MERGE.
    Query,
    /// CALL, DO.
    Code,
    /// Everything else: structure, rights, maintenance.
    Utility,
}

/// The modes of a transaction; none is unstated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionModes {
    /// READ ONLY or READ WRITE.
    pub read_only: Option<bool>,
    /// The isolation level.
    pub isolation: Option<Isolation>,
    /// DEFERRABLE or NOT DEFERRABLE.
    pub deferrable: Option<bool>,
    /// SET TRANSACTION SNAPSHOT.
    pub snapshot: bool,
}

/// An isolation level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// READ UNCOMMITTED.
    ReadUncommitted,
    /// READ COMMITTED.
    ReadCommitted,
    /// REPEATABLE READ.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

/// What DISCARD discards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// Everything.
    All,
    /// Plans.
    Plans,
    /// Sequence state.
    Sequences,
    /// Temporary relations.
    Temp,
}

/// A change of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The setting, in lower case; none is RESET ALL.
    pub name: Option<String>,
    /// The values, as text; none is DEFAULT, RESET or FROM CURRENT.
    pub values: Option<Vec<String>>,
    /// SET LOCAL.
    pub local: bool,
    /// What the gate thinks of it.
    pub class: super::settings::Class,
}

impl Setting {
    /// Whether it may change which objects names mean: `search_path`, or any setting there is.
    #[must_use]
    pub fn moves_names(&self) -> bool {
        self.name
            .as_deref()
            .is_none_or(|name| name == "search_path")
    }
}

/// A COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// FROM: rows come in.
    pub from: bool,
    /// Where from or to.
    pub end: CopyEnd,
    /// In the binary format.
    pub binary: bool,
}

/// The other end of a COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyEnd {
    /// The client, over the protocol.
    Client,
    /// A file of the server's machine.
    File,
    /// A program on the server's machine.
    Program,
}
