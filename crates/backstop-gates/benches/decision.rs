//! How long a decision takes that no connection remembers: `cargo bench -p backstop-gates --bench decision`.
//!
//! Analysis and policy together, as the gate runs them on a text that it meets for the first time. It must not
//! time anything without checking the verdict: a wrong answer is fast.

#![allow(clippy::expect_used, reason = "a benchmark that cannot run stops")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use backstop_core::effect::Analysis;
use backstop_core::lease::{Lease, LeaseSpec};
use backstop_core::policy::{Asker, Policy};
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::sql::{self, Catalog, Session};
use divan::Bencher;

fn main() {
    // Catalogue and policies are read once in a gate's life, not once a statement.
    let _ = (Catalog::stock(15), &*POLICY, &*LEASE);
    divan::main();
}

/// Each with its verdict: of the tables nothing is known here, so that no key bounds the update.
const STATEMENTS: &[(&str, &str, Decision)] = &[
    (
        "point read",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 4711;",
        Decision::Allow,
    ),
    (
        "update",
        "UPDATE pgbench_accounts SET abalance = abalance + -17 WHERE aid = 4711;",
        Decision::Hold,
    ),
    (
        "insert",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, -17, CURRENT_TIMESTAMP);",
        Decision::Allow,
    ),
    (
        "join",
        "SELECT b.bid, sum(a.abalance) FROM pgbench_accounts a JOIN pgbench_branches b ON b.bid = a.bid GROUP BY b.bid ORDER BY 2 DESC LIMIT 10",
        Decision::Allow,
    ),
];

static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::with("").expect("the default policies are valid"));

static LEASE: LazyLock<Lease> = LazyLock::new(|| Lease {
    id: "lease_0123456789abcdef".to_owned(),
    spec: LeaseSpec {
        target: "prod".to_owned(),
        environment: Environment::Production,
        task: "a benchmark".to_owned(),
        ttl_seconds: 3600,
        scopes: [
            "read,update:public.pgbench_accounts",
            "read,update:public.pgbench_branches",
            "read,insert:public.pgbench_history",
        ]
        .iter()
        .map(|scope| scope.parse().expect("a scope"))
        .collect(),
        also: vec![],
        parent: None,
    },
    person: "person".to_owned(),
    created_ms: 0,
    expires_ms: i64::MAX,
    verifier: String::new(),
});

fn analyse(sql: &str) -> Analysis {
    let path = ["public".to_owned()];
    let session = Session {
        search_path: &path,
        role: &LEASE.id,
        own_roles: &[],
        created: &[],
        prepared: &|_| None,
        parameter_types: &[],
    };
    let script = sql::analyse(sql, &Catalog::stock(15), &session).expect("an ordinary statement");
    let statement = script.statements.into_iter().next();
    statement.expect("one statement").analysis
}

fn judge(target: &str, name: &str, analysis: &Analysis) -> Verdict {
    let asker = Asker {
        lease: Some(&LEASE),
        target,
        environment: Environment::Production,
        limits: None,
    };
    let verdict = POLICY.judge(asker, analysis);
    assert_eq!(verdict.decision, known(name).2, "{verdict:?}");
    verdict
}

fn known(name: &str) -> &'static (&'static str, &'static str, Decision) {
    let found = STATEMENTS.iter().find(|known| known.0 == name);
    found.expect("a statement of that name")
}

fn text(name: &str) -> &'static str {
    known(name).1
}

/// A new text whose effects were judged before: another row of the same table.
#[divan::bench(args = STATEMENTS.iter().map(|known| known.0))]
fn uncached(bencher: Bencher<'_, '_>, name: &str) {
    bencher.bench(|| judge("prod", name, &analyse(divan::black_box(text(name)))));
}

/// A new text with effects that were never judged: Cedar is asked.
#[divan::bench(args = STATEMENTS.iter().map(|known| known.0))]
fn uncached_asking_cedar(bencher: Bencher<'_, '_>, name: &str) {
    static TARGETS: AtomicU64 = AtomicU64::new(0);
    bencher
        .with_inputs(|| format!("prod-{}", TARGETS.fetch_add(1, Ordering::Relaxed)))
        .bench_refs(|target| judge(target, name, &analyse(divan::black_box(text(name)))));
}

/// The policies' part, its answers remembered.
#[divan::bench(args = STATEMENTS.iter().map(|known| known.0))]
fn policy_remembered(bencher: Bencher<'_, '_>, name: &str) {
    let analysis = analyse(text(name));
    bencher.bench(|| judge("prod", name, divan::black_box(&analysis)));
}
