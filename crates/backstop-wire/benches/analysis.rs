//! How long it takes to find out what a statement does: `cargo bench -p backstop-wire --bench analysis`.
//!
//! Parsing included, nothing cached: what a gate pays for a text that it meets for the first time.

#![allow(clippy::expect_used, reason = "a benchmark that cannot run stops")]

use backstop_wire::sql::{self, Catalog, Session};
use divan::Bencher;

fn main() {
    // The catalogue is built once in a gate's life, not once a statement.
    let _ = Catalog::stock(0);
    divan::main();
}

const STATEMENTS: &[(&str, &str)] = &[
    (
        "point read",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 4711;",
    ),
    (
        "update",
        "UPDATE pgbench_accounts SET abalance = abalance + -17 WHERE aid = 4711;",
    ),
    (
        "insert",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, -17, CURRENT_TIMESTAMP);",
    ),
    ("begin", "BEGIN;"),
    ("settings", "SET statement_timeout = '5s'"),
    (
        "orm read",
        "SELECT u.id, u.name, u.email, u.created_at FROM users u WHERE u.active = $1 AND u.team_id = $2 ORDER BY u.id LIMIT 20",
    ),
    (
        "join",
        "SELECT c.name, sum(o.total) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.at > now() - interval '1 day' GROUP BY c.name ORDER BY 2 DESC LIMIT 10",
    ),
];

#[divan::bench(args = STATEMENTS.iter().map(|(name, _)| *name))]
fn uncached(bencher: Bencher<'_, '_>, name: &str) {
    let (_, sql) = STATEMENTS
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a statement of that name");
    let catalog = Catalog::stock(0);
    let path = ["public".to_owned()];
    let session = Session {
        search_path: &path,
        role: "agent",
        own_roles: &[],
        created: &[],
        prepared: &|_| None,
        parameter_types: &[],
    };
    bencher.bench(|| {
        sql::analyse(divan::black_box(sql), &catalog, &session).expect("an ordinary statement")
    });
}
