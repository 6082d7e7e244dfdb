use std::collections::BTreeMap;

use super::*;
use crate::find::{Finding, Salt};
use crate::postgres::{Act, Backups as OfServer, By, Certainty, Object, Road};

fn finding(kind: &str, secret: &[u8], path: &str, salt: &Salt) -> Finding {
    Finding {
        kind: kind.into(),
        rule: "test".into(),
        place: Place::File {
            path: path.into(),
            line: 1,
            column: 1,
            offset: 0,
            length: 1,
        },
        fingerprint: Some(salt.fingerprint(secret)),
        facts: BTreeMap::new(),
        confidence: Confidence::Sure,
        secret: None,
    }
}

fn road(act: Act, name: &str, rows: u64) -> Road {
    Road {
        act,
        object: Object::Table {
            schema: "public".into(),
            name: name.into(),
        },
        by: By::Owner,
        acting: "app".into(),
        chain: vec!["`app` owns it".into()],
        certainty: Certainty::Proved,
        rows: Some(rows),
        bytes: Some(2 * 1024 * 1024),
        fix: vec![format!("ALTER TABLE public.{name} OWNER TO keeper")],
    }
}

fn audit(roads: Vec<Road>, within_reach: Vec<String>) -> Audit {
    Audit {
        role: "app".into(),
        database: "Shop".into(),
        major: 17,
        system_identifier: None,
        becomes: vec!["app".into(), "owner".into()],
        roads,
        notes: vec!["`default_transaction_read_only` is no protection".into()],
        backups: OfServer {
            archives: Some(false),
            within_reach,
        },
        narrow_role: vec!["CREATE ROLE reader".into()],
    }
}

fn of(findings: Vec<Finding>, audits: Answers) -> Report {
    report(None, groups(findings), audits, Looked::default(), |_| None)
}

#[test]
fn one_secret_is_one_finding_and_the_worst_comes_first() {
    let salt = Salt::random().unwrap();
    let made = of(
        vec![
            finding("npm.token", b"n", ".npmrc", &salt),
            finding("railway.token", b"r", "a/.env", &salt),
            finding("token.unnamed", b"u", "x", &salt),
            finding("railway.token", b"r", "b/.env", &salt),
            finding("github.classic", b"g", "y", &salt),
        ],
        BTreeMap::new(),
    );
    let order: Vec<_> = made.findings.iter().map(|f| f.kind.as_str()).collect();
    assert_eq!(
        order,
        [
            "railway.token",
            "github.classic",
            "token.unnamed",
            "npm.token"
        ]
    );
    let worst = made.findings.first().unwrap();
    assert_eq!(worst.places.len(), 2);
    assert!(
        worst
            .backups_say
            .contains("Your backups die with your data.")
    );
    assert_eq!(made.worst, Some(Severity::Critical));
    assert_eq!(
        made.verdict,
        "An agent that runs here finds 4 credentials: 1 could destroy data together with its backups, or a whole server, 1 could destroy data, 1 opens something that nobody here knows."
    );
}

#[test]
fn what_a_server_answers_counts_more_than_what_is_true_of_its_kind() {
    let salt = Salt::random().unwrap();
    let one = |roads, reach| {
        let found = vec![finding("postgres.password", b"p", ".env", &salt)];
        let audits = BTreeMap::from([(0, Ok(Answer::Postgres(Box::new(audit(roads, reach)))))]);
        of(found, audits).findings.remove(0)
    };
    let nothing = one(vec![], vec![]);
    assert_eq!(nothing.severity, Severity::Low);
    assert!(
        nothing.sentence.contains("can destroy nothing"),
        "{}",
        nothing.sentence
    );
    let some = one(
        vec![
            road(Act::Drop, "orders", 1_234_567),
            road(Act::Delete, "orders", 1_234_567),
            road(Act::Delete, "people", 10),
        ],
        vec![],
    );
    assert_eq!(some.severity, Severity::High);
    assert_eq!(
        some.sentence,
        "As `app` (and another role that it can become) it can drop 1 table and empty 1 more table in `Shop`: about 1,234,577 rows, 4.0 MiB."
    );
    assert_eq!(
        some.fix.sql.len(),
        2,
        "each statement once: {:?}",
        some.fix.sql
    );
    assert!(some.fix.lease.unwrap().contains("--target shop"));
    let backups = one(
        vec![road(Act::Drop, "orders", 1)],
        vec!["It may drop the slot.".into()],
    );
    assert_eq!(backups.severity, Severity::Critical);
    assert!(
        backups
            .backups_say
            .starts_with("Your backups die with your data.")
    );
    let server = one(
        vec![Road {
            object: Object::Server,
            ..road(Act::RunPrograms, "", 0)
        }],
        vec![],
    );
    assert_eq!(server.severity, Severity::Critical);
    assert!(server.sentence.contains("whole database server"));
}

#[test]
fn what_is_accepted_is_last_and_not_in_the_verdict() {
    let salt = Salt::random().unwrap();
    let found = vec![
        finding("railway.token", b"r", "a", &salt),
        finding("npm.token", b"n", "b", &salt),
    ];
    let accept = |f: &Ranked| (f.kind == "railway.token").then(|| "known".to_owned());
    let made = report(
        Some("agent".into()),
        groups(found),
        BTreeMap::new(),
        Looked::default(),
        accept,
    );
    assert_eq!(made.findings.last().unwrap().kind, "railway.token");
    assert_eq!(made.worst, Some(Severity::Medium));
    assert_eq!(
        made.verdict,
        "An agent that runs as agent finds 1 credential, and none that destroys data."
    );
}

#[test]
fn one_password_of_two_accounts_is_two_credentials() {
    let salt = Salt::random().unwrap();
    let with = |user: &str| {
        let mut one = finding("postgres.password", b"p", ".env", &salt);
        one.facts.insert("user".into(), user.into());
        one
    };
    assert_eq!(groups(vec![with("a"), with("b"), with("a")]).len(), 2);
}

#[test]
fn whether_it_was_ever_restored_is_of_that_database_alone() {
    let salt = Salt::random().unwrap();
    let kept = |identifier: &str, database: &str| Kept {
        by: "/srv/backstop".into(),
        target: "prod".into(),
        system_identifier: identifier.into(),
        database: database.into(),
        newest_age_s: Some(7_200),
        restored_age_s: Some(200_000),
        restore_ms: Some(4_200),
        drill_failed: None,
    };
    let say = |identifier: Option<&str>, known: Result<Vec<Kept>, String>| {
        let answer = Audit {
            system_identifier: identifier.map(str::to_owned),
            ..audit(vec![], vec![])
        };
        let found = vec![
            finding("postgres.password", b"p", ".env", &salt),
            finding("npm.token", b"n", ".npmrc", &salt),
        ];
        let mut made = of(
            found,
            BTreeMap::from([(0, Ok(Answer::Postgres(Box::new(answer))))]),
        );
        made.restored(&known);
        let npm = made
            .findings
            .iter()
            .find(|f| f.kind == "npm.token")
            .unwrap();
        assert_eq!(npm.restored, None);
        let of_database = made.findings.iter().find(|f| f.kind == "postgres.password");
        of_database.unwrap().restored.clone().unwrap()
    };
    let known = say(Some("71"), Ok(vec![kept("9", "Shop"), kept("71", "Shop")]));
    assert_eq!(
        known.say,
        "Last restored 2 days ago, by a drill, in 4200 ms; it is the target `prod`, and its newest recovery point is 2 hours old. So says the installation at `/srv/backstop`."
    );
    assert_eq!(known.restored_age_s, Some(200_000));
    let never = "Never restored, as far as can be seen here";
    for (identifier, there, why) in [
        (
            Some("71"),
            Ok(vec![kept("71", "books")]),
            "another database of the same server",
        ),
        (Some("71"), Ok(vec![kept("72", "Shop")]), "no target"),
        (Some("71"), Ok(vec![]), "no target"),
        (None, Ok(vec![kept("71", "Shop")]), "does not tell"),
        (Some("71"), Err("nobody answers".into()), "nobody answers"),
    ] {
        let told = say(identifier, there);
        assert!(
            told.say.starts_with(never) && told.say.contains(why),
            "{}",
            told.say
        );
        assert_eq!((told.target, told.restored_age_s), (None, None));
    }
    let undrilled = Kept {
        restored_age_s: None,
        restore_ms: None,
        drill_failed: Some("3 differences".into()),
        ..kept("71", "Shop")
    };
    let told = say(Some("71"), Ok(vec![undrilled])).say;
    assert!(
        told.starts_with(never) && told.contains("2 hours old"),
        "{told}"
    );
    assert!(
        told.ends_with("The last drill failed: 3 differences."),
        "{told}"
    );
}
