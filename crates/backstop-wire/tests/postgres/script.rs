//! What a client of the tests does: scripts of messages, good and bad, as proptest makes them.
//!
//! Every row that a statement gives says which statement it was, so that a name taken for another is
//! seen in the answers.

use bytes::Bytes;
use proptest::prelude::*;

use backstop_wire::postgres::frontend::{Bind, Execute, FrontendMessage, Named, Parse};
use backstop_wire::postgres::session::Change;

use crate::connection::bytes;

pub type Sql = &'static str;

/// The tables that scripts use, made anew for every session.
pub const SETUP: Sql = "CREATE TEMP TABLE t (a int); \
     CREATE TEMP TABLE u (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)";

/// What is no SQL fails alike in every state of a transaction.
const WRONG: Sql = "SELEC wrong";

pub const COPY_IN: Sql = "COPY t FROM STDIN";

/// Statements for Parse: one each.
const STATEMENTS: [Sql; 17] = [
    "SELECT 'alpha'",
    "SELECT 'beta'",
    "SELECT 'row' FROM generate_series(1,3)",
    "INSERT INTO t VALUES (1)",
    "INSERT INTO u VALUES (1),(1)",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SELECT 1/0",
    "SELEC wrong",
    "",
    COPY_IN,
    "COPY (SELECT 'out') TO STDOUT",
    "PREPARE s2 AS SELECT 'prepared'",
    "DEALLOCATE s1",
    "DECLARE c CURSOR FOR SELECT 'cursor'",
    "DECLARE h CURSOR WITH HOLD FOR SELECT 'held'",
];

/// Strings for Query: also several statements.
const QUERIES: [Sql; 22] = [
    "SELECT 'gamma'",
    "SELECT 'gamma'; SELECT 'delta'",
    "INSERT INTO t VALUES (1)",
    "INSERT INTO u VALUES (1),(1)",
    "INSERT INTO u VALUES (1),(1); SELECT 'epsilon'",
    "INSERT INTO t VALUES (1); SELECT 1/0",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "COMMIT; BEGIN",
    "SELEC wrong",
    "",
    "PREPARE s1 AS SELECT 'zeta'",
    "PREPARE s2 AS SELECT 'eta'; SELECT 1/0",
    "SELECT 'theta'; PREPARE s2 AS SELECT 'lambda'",
    "DEALLOCATE s1; PREPARE s1 AS SELECT 'iota'",
    "INSERT INTO u VALUES (1),(1); PREPARE s1 AS SELECT 'mu'",
    "INSERT INTO u VALUES (1),(1); DEALLOCATE s1",
    "DEALLOCATE ALL",
    "DECLARE c CURSOR FOR SELECT 'kappa'",
    "CLOSE ALL",
    "COPY (SELECT 'out') TO STDOUT",
];

const STATEMENT_NAMES: [Sql; 3] = ["", "s1", "s2"];
const PORTAL_NAMES: [Sql; 4] = ["", "p1", "c", "h"];

/// What SQL does to names, with the number of statements before it.
pub fn changes(sql: Sql) -> Vec<(u32, Change<Sql>)> {
    let statement = |name: &str, sql| Change::SetStatement(name.into(), sql);
    let cursor = |name: &str, means, holdable| Change::SetPortal {
        name: name.into(),
        means,
        holdable,
    };
    match sql {
        "PREPARE s2 AS SELECT 'prepared'" => vec![(0, statement("s2", "SELECT 'prepared'"))],
        "PREPARE s1 AS SELECT 'zeta'" => vec![(0, statement("s1", "SELECT 'zeta'"))],
        "PREPARE s2 AS SELECT 'eta'; SELECT 1/0" => vec![(0, statement("s2", "SELECT 'eta'"))],
        "SELECT 'theta'; PREPARE s2 AS SELECT 'lambda'" => {
            vec![(1, statement("s2", "SELECT 'lambda'"))]
        }
        "DEALLOCATE s1; PREPARE s1 AS SELECT 'iota'" => vec![
            (0, Change::DropStatement("s1".into())),
            (1, statement("s1", "SELECT 'iota'")),
        ],
        "INSERT INTO u VALUES (1),(1); PREPARE s1 AS SELECT 'mu'" => {
            vec![(1, statement("s1", "SELECT 'mu'"))]
        }
        "INSERT INTO u VALUES (1),(1); DEALLOCATE s1" => {
            vec![(1, Change::DropStatement("s1".into()))]
        }
        "DEALLOCATE s1" => vec![(0, Change::DropStatement("s1".into()))],
        "DEALLOCATE ALL" => vec![(0, Change::DropAllStatements)],
        "DECLARE c CURSOR FOR SELECT 'cursor'" => {
            vec![(0, cursor("c", "SELECT 'cursor'", false))]
        }
        "DECLARE c CURSOR FOR SELECT 'kappa'" => vec![(0, cursor("c", "SELECT 'kappa'", false))],
        "DECLARE h CURSOR WITH HOLD FOR SELECT 'held'" => {
            vec![(0, cursor("h", "SELECT 'held'", true))]
        }
        "CLOSE ALL" => vec![(0, Change::DropAllPortals)],
        _ => Vec::new(),
    }
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Parse {
        statement: Sql,
        sql: Sql,
    },
    Bind {
        portal: Sql,
        statement: Sql,
    },
    DescribeStatement(Sql),
    DescribePortal(Sql),
    Execute {
        portal: Sql,
        max_rows: i32,
    },
    CloseStatement(Sql),
    ClosePortal(Sql),
    Sync,
    Flush,
    Query(Sql),
    /// By OID: `pi()`, or one that does not exist.
    Call(u32),
    CopyData(&'static [u8]),
    CopyDone,
    CopyFail,
}

impl Message {
    pub fn to_bytes(&self) -> Bytes {
        let message = match *self {
            Self::Parse { statement, sql } => FrontendMessage::Parse(Parse::new(statement, sql)),
            Self::Bind { portal, statement } => FrontendMessage::Bind(Bind::new(portal, statement)),
            Self::DescribeStatement(name) => FrontendMessage::Describe(Named::Statement(name)),
            Self::DescribePortal(name) => FrontendMessage::Describe(Named::Portal(name)),
            Self::Execute { portal, max_rows } => {
                FrontendMessage::Execute(Execute { portal, max_rows })
            }
            Self::CloseStatement(name) => FrontendMessage::Close(Named::Statement(name)),
            Self::ClosePortal(name) => FrontendMessage::Close(Named::Portal(name)),
            Self::Sync => FrontendMessage::Sync,
            Self::Flush => FrontendMessage::Flush,
            Self::Query(sql) => FrontendMessage::Query(sql),
            Self::Call(oid) => {
                let body = [&oid.to_be_bytes()[..], &[0; 6]].concat();
                return bytes(FrontendMessage::parse(b'F', &body).unwrap());
            }
            Self::CopyData(data) => FrontendMessage::CopyData(data),
            Self::CopyDone => FrontendMessage::CopyDone,
            Self::CopyFail => FrontendMessage::CopyFail("the client gives up"),
        };
        bytes(message)
    }

    /// A message that fails at the server in the way that a refusal of this one looks to the client,
    /// and the code that it fails with.
    pub fn refused_directly(&self) -> Option<(Vec<Self>, &'static str)> {
        let unknown = Self::Bind {
            portal: "",
            statement: "no such statement",
        };
        Some(match self {
            Self::Query(_) => (vec![Self::Query(WRONG)], "42601"),
            // A refused Parse has done away with the unnamed statement, whatever its own name is.
            Self::Parse { .. } => {
                let (statement, sql) = ("", WRONG);
                (vec![Self::Parse { statement, sql }], "42601")
            }
            Self::Sync => (vec![unknown, Self::Sync], "26000"),
            Self::Bind { .. }
            | Self::DescribeStatement(_)
            | Self::DescribePortal(_)
            | Self::Execute { .. }
            | Self::CloseStatement(_)
            | Self::ClosePortal(_) => (vec![unknown], "26000"),
            _ => return None,
        })
    }
}

/// What a client does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Sends a message.
    Send(Message),
    /// Sends a message that the gate refuses.
    Refused(Message),
    /// Sends a Query that the gate runs in a transaction of its own, if nothing is open.
    Wrapped(Sql),
    /// Waits until all is answered.
    Pause,
}

fn extended() -> impl Strategy<Value = Message> {
    let statement = || proptest::sample::select(&STATEMENT_NAMES[..]);
    let portal = || proptest::sample::select(&PORTAL_NAMES[..]);
    prop_oneof![
        4 => (statement(), proptest::sample::select(&STATEMENTS[..]))
            .prop_map(|(statement, sql)| Message::Parse { statement, sql }),
        4 => (portal(), statement())
            .prop_map(|(portal, statement)| Message::Bind { portal, statement }),
        1 => statement().prop_map(Message::DescribeStatement),
        1 => portal().prop_map(Message::DescribePortal),
        4 => (portal(), prop_oneof![Just(0), Just(1)])
            .prop_map(|(portal, max_rows)| Message::Execute { portal, max_rows }),
        1 => statement().prop_map(Message::CloseStatement),
        1 => portal().prop_map(Message::ClosePortal),
        3 => Just(Message::Sync),
        1 => Just(Message::Flush),
    ]
}

fn query() -> impl Strategy<Value = Message> {
    proptest::sample::select(&QUERIES[..]).prop_map(Message::Query)
}

/// The usual way of a driver: prepare, bind, run.
fn run() -> impl Strategy<Value = Vec<Step>> {
    let sql = proptest::sample::select(&STATEMENTS[..]);
    (sql, any::<bool>()).prop_map(|(sql, sync)| {
        let mut messages = vec![
            Message::Parse { statement: "", sql },
            Message::Bind {
                portal: "",
                statement: "",
            },
            Message::DescribePortal(""),
            Message::Execute {
                portal: "",
                max_rows: 0,
            },
        ];
        if sync {
            messages.push(Message::Sync);
        }
        messages.into_iter().map(Step::Send).collect()
    })
}

/// What follows a COPY: data, good or bad, perhaps a command where none belongs, and an end or none.
fn copied() -> impl Strategy<Value = Vec<Step>> {
    let good = Just(vec![
        Message::CopyData(b"1\n2"),
        Message::CopyData(b"3\n"),
        Message::CopyDone,
    ]);
    let bad = Just(vec![Message::CopyData(b"no number\n"), Message::CopyDone]);
    let failed = Just(vec![Message::CopyData(b"1\n"), Message::CopyFail]);
    let command = Just(vec![
        Message::CopyData(b"1\n"),
        Message::Query("SELECT 'intruder'"),
    ]);
    let all = prop_oneof![4 => good, 1 => bad, 1 => failed, 1 => command];
    all.prop_map(|messages| messages.into_iter().map(Step::Send).collect())
}

fn copy() -> impl Strategy<Value = Vec<Step>> {
    let simple = copied().prop_map(|copied| {
        let mut steps = vec![Step::Send(Message::Query(COPY_IN))];
        steps.extend(copied);
        steps
    });
    let extended = (any::<bool>(), copied()).prop_map(|(eager, copied)| {
        let mut steps = vec![
            Step::Send(Message::Parse {
                statement: "",
                sql: COPY_IN,
            }),
            Step::Send(Message::Bind {
                portal: "",
                statement: "",
            }),
            Step::Send(Message::Execute {
                portal: "",
                max_rows: 0,
            }),
        ];
        // As libpq does: the server ignores this one if the COPY begins.
        steps.extend(eager.then_some(Step::Send(Message::Sync)));
        steps.extend(copied);
        steps.push(Step::Send(Message::Sync));
        steps
    });
    prop_oneof![simple, extended]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = |message| vec![message];
    prop_oneof![
        8 => extended().prop_map(Step::Send).prop_map(one),
        4 => run(),
        4 => query().prop_map(Step::Send).prop_map(one),
        1 => copy(),
        1 => prop_oneof![Just(1610), Just(1)]
            .prop_map(|oid| vec![Step::Send(Message::Call(oid))]),
        2 => extended().prop_map(Step::Refused).prop_map(one),
        1 => query().prop_map(Step::Refused).prop_map(one),
        1 => proptest::sample::select(&QUERIES[..10]).prop_map(Step::Wrapped).prop_map(one),
        2 => Just(one(Step::Pause)),
    ]
}

/// A script of a client, which ends with everything ended.
pub fn script() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(steps(), 1..14).prop_map(|parts| {
        let mut steps = parts.concat();
        steps.push(Step::Send(Message::CopyFail));
        steps.push(Step::Send(Message::Sync));
        steps.push(Step::Send(Message::Query("ROLLBACK")));
        steps
    })
}
