//! The corpus: hundreds of statements with what each must be found to do, judged without a target.
//!
//! A line is `KIND [object, …] :: statement`. A `?` after the kind: the analysis must say that it is incomplete.
//! A statement goes on in the next line where a line ends in a backslash.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

use backstop_core::effect::{Bound, EffectKind};
use backstop_wire::sql::{self, Catalog, Script, Session};

struct Case {
    place: String,
    kind: String,
    incomplete: bool,
    objects: Vec<String>,
    sql: String,
}

fn cases(name: &str, text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut whole = line.to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            let (_, next) = lines.next().expect("a line after a backslash");
            whole.push('\n');
            whole.push_str(next);
        }
        let (head, sql) = whole
            .split_once(" :: ")
            .unwrap_or_else(|| panic!("{name}:{}: no ` :: `", number + 1));
        let (kind, objects) = head.split_once(' ').unwrap_or((head, ""));
        cases.push(Case {
            place: format!("{name}:{}", number + 1),
            kind: kind.trim_end_matches('?').to_owned(),
            incomplete: kind.ends_with('?'),
            objects: objects
                .split(", ")
                .filter(|o| !o.trim().is_empty())
                .map(|o| o.trim().to_owned())
                .collect(),
            sql: sql.to_owned(),
        });
    }
    cases
}

fn analyse(sql: &str) -> Result<Script, sql::SqlError> {
    let path = ["public".to_owned()];
    let own = ["agent".to_owned()];
    let session = Session {
        search_path: &path,
        role: "agent",
        own_roles: &own,
        created: &[],
        prepared: &|_| None,
        parameter_types: &[],
    };
    sql::analyse(sql, &Catalog::stock(0), &session)
}

fn worst(script: &Script) -> EffectKind {
    script
        .statements
        .iter()
        .map(|s| s.analysis.worst())
        .max()
        .unwrap_or(EffectKind::Read)
}

fn check(name: &str, text: &str) {
    let cases = cases(name, text);
    let mut wrong = Vec::new();
    for case in &cases {
        let script = match analyse(&case.sql) {
            Ok(script) => script,
            Err(_) if case.kind == "error" => continue,
            Err(error) => {
                wrong.push(format!("{}: {error}\n    {}", case.place, case.sql));
                continue;
            }
        };
        let incomplete: Vec<&String> = script
            .statements
            .iter()
            .flat_map(|s| &s.analysis.incomplete)
            .collect();
        let worst = worst(&script);
        let objects: Vec<&str> = script
            .statements
            .iter()
            .flat_map(|s| &s.analysis.effects)
            .filter(|e| e.kind == worst)
            .filter_map(|e| e.object.as_deref())
            .collect();
        let missing = case
            .objects
            .iter()
            .any(|wanted| !objects.contains(&wanted.as_str()));
        if worst.word() != case.kind || incomplete.is_empty() == case.incomplete || missing {
            wrong.push(format!(
                "{}: wanted {}{} {:?}, found {worst} {objects:?} {incomplete:?}\n    {}",
                case.place,
                case.kind,
                if case.incomplete { "?" } else { "" },
                case.objects,
                case.sql
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

macro_rules! corpus {
    ($($test:ident: $file:literal),* $(,)?) => {
        $(#[test] fn $test() { check($file, include_str!(concat!("sql_corpus/", $file, ".txt"))); })*
    };
}

corpus! {
    everyday_statements_are_read: "everyday",
    introspection_is_read: "introspection",
    disguises_are_seen_through: "disguises",
    structure_is_told_apart: "structure",
    writes_are_told_apart: "writes",
    sessions_are_told_apart: "session",
    functions_are_told_apart: "functions",
}

#[test]
fn inserted_rows_are_counted() {
    for (sql, wanted) in [
        ("insert into t values (1), (2), (3)", Bound::Rows(3)),
        ("insert into t select * from s limit 10", Bound::Rows(10)),
        ("insert into t select 1, now()", Bound::Rows(1)),
        ("insert into t default values", Bound::Rows(1)),
        (
            "insert into t values (generate_series(1, 1000000))",
            Bound::Unbounded,
        ),
        (
            "insert into t select generate_series(1, 1000000)",
            Bound::Unbounded,
        ),
        ("insert into t select * from s", Bound::Unbounded),
        ("insert into t select 1 union all select 2", Bound::Rows(2)),
        ("insert into t select * from s limit $1", Bound::Unbounded),
        (
            "insert into t select * from s order by 1 fetch first 3 rows with ties",
            Bound::Unbounded,
        ),
    ] {
        let script = analyse(sql).unwrap();
        let effect = script.statements[0]
            .analysis
            .effects
            .iter()
            .find(|e| e.kind == EffectKind::Write)
            .unwrap();
        assert_eq!(effect.bound, wanted, "{sql}");
    }
}

#[test]
fn a_person_is_shown_the_fragment_that_destroys() {
    let sql = "with x as (select 1), gone as (delete from users returning *) select * from gone";
    let script = analyse(sql).unwrap();
    let shown: Vec<&str> = script.statements[0]
        .fragments
        .iter()
        .map(|f| &sql[f.clone()])
        .collect();
    assert_eq!(shown, ["delete from users"]);
}

/// Also where PostgreSQL's tree does not say at which byte the name stands.
#[test]
fn a_drop_is_shown_whole() {
    let sql = "select 1; drop table users cascade ; select 2";
    let shown: Vec<&str> = analyse(sql)
        .unwrap()
        .statements
        .iter()
        .flat_map(|s| &s.fragments)
        .map(|f| sql[f.clone()].trim())
        .collect();
    assert_eq!(shown, ["drop table users cascade"]);
}

#[test]
fn statements_are_cut_where_the_server_cuts() {
    let sql = "select 1; -- a;b\n select ';' ;; select $$;$$";
    let script = analyse(sql).unwrap();
    assert_eq!(script.statements.len(), 3);
    assert!(sql[script.statements[1].range.clone()].ends_with("select ';'"));
    assert_eq!(&sql[script.statements[2].range.clone()], "select $$;$$");
}

#[test]
fn deep_and_long_texts_cost_an_error_at_most() {
    for sql in [
        format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("select {}1", "- ".repeat(100_000)),
        format!("select {} true", "not ".repeat(100_000)),
        format!("select 1{}", "+1".repeat(200_000)),
        format!("select a{}", "[1]".repeat(100_000)),
        format!(
            "{} select 1 {}",
            "select * from (".repeat(20_000),
            ")".repeat(20_000)
        ),
        format!(
            "select {}1{}",
            "case when true then ".repeat(20_000),
            " end".repeat(20_000)
        ),
        format!("select 1 {}", "union all select 1 ".repeat(30_000)),
        "x".repeat(3_000_000),
        format!("select '{}'", "\\".repeat(500_000)),
    ] {
        let _ = analyse(&sql);
    }
}

#[test]
fn what_generators_write_is_not_too_deep() {
    let ors = format!(
        "select * from t where {}",
        vec!["(a = 1 and b = 2)"; 2_000].join(" or ")
    );
    assert!(analyse(&ors).unwrap().statements[0].analysis.is_read());
    let concat = format!("select {}", vec!["a"; 500].join(" || "));
    assert!(analyse(&concat).unwrap().statements[0].analysis.is_read());
    let unions = vec!["select 1"; 1_000].join(" union all ");
    assert!(analyse(&unions).unwrap().statements[0].analysis.is_read());
    let nested = format!("select {}1{}", "coalesce(".repeat(200), ", 0)".repeat(200));
    assert!(analyse(&nested).unwrap().statements[0].analysis.is_read());
}

#[test]
fn hostile_texts_cost_no_more_than_their_length() {
    let names = |from: &str, n: usize| {
        (0..n)
            .map(|i| format!("{from}{i}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let begun = std::time::Instant::now();
    for sql in [
        format!("select * from {}", names("t", 100_000)),
        format!("drop table {}", names("t", 100_000)),
        format!(
            "with {} select 1",
            (0..20_000)
                .map(|i| format!("c{i} as (select * from d{i})"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        (0..20_000)
            .map(|i| format!("create temp table t{i} ();"))
            .collect::<String>(),
        (0..20_000)
            .map(|i| format!("delete from t{i};"))
            .collect::<String>(),
        format!(
            "select {}",
            (0..30_000)
                .map(|i| format!("f{i}()"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        format!(
            "delete from t where {}",
            (0..30_000)
                .map(|i| format!("c{i} is null"))
                .collect::<Vec<_>>()
                .join(" or ")
        ),
        format!(
            "select {}",
            (0..20_000)
                .map(|_| "query_to_xml('select 1', true, true, '')")
                .collect::<Vec<_>>()
                .join(", ")
        ),
    ] {
        let script = analyse(&sql).unwrap();
        assert!(!script.statements.is_empty());
        println!(
            "{:>10} bytes, until {:?}: {:.40}",
            sql.len(),
            begun.elapsed(),
            sql
        );
    }
    assert!(begun.elapsed().as_secs() < 120, "{:?}", begun.elapsed());
    let hidden = format!(
        "with x as (delete from users returning 1) select * from {}",
        names("t", 5_000)
    );
    assert_eq!(worst(&analyse(&hidden).unwrap()), EffectKind::Destroy);
    let last = format!("select * from {} where lo_unlink(1) = 1", names("t", 5_000));
    assert_eq!(worst(&analyse(&last).unwrap()), EffectKind::Destroy);
    assert!(
        !analyse(&format!("select * from {}", names("t", 5_000)))
            .unwrap()
            .statements[0]
            .analysis
            .is_complete()
    );
}
