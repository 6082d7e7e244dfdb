//! `backstop scopes --lease`: what it says of a lease is what happens when it is tried, at the gate and at the server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::scopes::as_promised;
use crate::support::{Installation, Ran, Serving};
use crate::vault::Made;

/// The solver, which has to be there wherever everything has to be.
fn cvc5() -> Option<PathBuf> {
    let program = backstop_testing::solver::cvc5().unwrap();
    if program.is_none() {
        eprintln!("skipped: there is no cvc5; hint: scripts/setup.sh solver");
    }
    program
}

/// A served installation with a table that the lease may change and one that it may not see.
struct Shop {
    here: Installation,
    serving: Serving,
    lease: String,
    dsn: String,
}

impl Shop {
    fn open(vault: Option<&Made>) -> Self {
        let here = Installation::new();
        // So many holds are put by one test.
        here.edit(|text| text.replace("open_holds = 5 ", "open_holds = 50 "));
        if let Some(made) = vault {
            here.edit(|text| format!("{text}\n{}", made.snippet()));
        }
        here.server
            .psql_as(
                &here.server.owner(),
                "create table ledger (id int primary key); insert into ledger values (1)",
            )
            .unwrap();
        let (serving, mut person) = here.serve_with_person();
        let scopes = ["read:public.items", "insert,update:public.items"];
        let (lease, dsn) = here.lease(&mut person, &scopes);
        Self {
            here,
            serving,
            lease,
            dsn,
        }
    }

    /// The view, asked with this solver.
    fn view(&self, solver: &str, more: &[&str]) -> Ran {
        let fixed = ["scopes", "--lease", &self.lease, "--solver", solver];
        self.here.run(&[&fixed[..], more].concat())
    }

    fn json(&self, solver: &str) -> Value {
        let ran = self.view(solver, &["--json", "--fail-on", "never"]).fine();
        let view = ran.json();
        as_promised(&view, "backstop scopes --lease");
        view
    }

    /// What the gate does with a statement, in the words of a verdict.
    fn tried(&self, sql: &str) -> &'static str {
        let mut command = self.here.psql_command(&self.dsn, sql);
        command.args(["--variable", "VERBOSITY=verbose"]);
        let ran = Ran::of(&command.output().unwrap());
        let codes = [("BK001", "hold"), ("BK003", "deny"), ("42501", "deny")];
        match codes.iter().find(|(code, _)| ran.err.contains(code)) {
            Some((_, verdict)) => verdict,
            None if ran.code == 0 => "allow",
            None => panic!("{sql}: {}", ran.err),
        }
    }

    /// A child of the lease.
    fn child(&self) -> String {
        let ask = ["--json", "lease", "create", "--task", "less", "--parent"];
        let rest = [&self.lease, "--scope", "read:public.items"];
        let told = self.here.run(&[&ask[..], &rest].concat()).fine().json();
        told["lease"].as_str().unwrap().to_owned()
    }

    /// Whether the lease's role could do it if nothing judged what it says.
    fn possible(&self, sql: &str) -> bool {
        let as_role = format!("begin; set local role {}; {sql}; rollback", self.lease);
        match self.here.server.psql(&as_role) {
            Ok(_) => true,
            Err(error) => {
                let why = format!("{error:#}");
                assert!(
                    why.contains("permission denied") || why.contains("must be owner"),
                    "{sql}: {why}"
                );
                false
            }
        }
    }
}

/// What the view says to an act.
#[track_caller]
fn says<'a>(view: &'a Value, on: &str, act: &str) -> &'a str {
    let answers = view["answers"].as_array().unwrap();
    let mut of = answers.iter().filter(|a| a["on"] == on && a["act"] == act);
    let found = of
        .next()
        .unwrap_or_else(|| panic!("{on}, {act}: {answers:#?}"));
    assert!(of.next().is_none(), "{on}, {act}");
    found["verdict"].as_str().unwrap()
}

#[track_caller]
fn state<'a>(view: &'a Value, proofs: &str, id: &str) -> &'a Value {
    let all = view[proofs]["proofs"].as_array().unwrap();
    all.iter()
        .find(|p| p["id"] == id)
        .unwrap_or_else(|| panic!("{id}"))
}

fn list(view: &Value, of: &str) -> Vec<String> {
    let all = view["role"][of].as_array().unwrap();
    all.iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

/// Without a vault: every verdict of the view beside what the gate answers, every road beside what the role can do.
#[test]
fn what_is_said_of_a_lease_is_what_happens() {
    let Some(cvc5) = cvc5() else { return };
    let cvc5 = cvc5.to_str().unwrap();
    let shop = Shop::open(None);
    let view = shop.json(cvc5);
    let items = "what `insert,update:public.items` names";
    let elsewhere = "what no scope names";
    for (on, act, sql) in [
        (items, "read", "select * from items where id = 1"),
        (items, "insert a row", "insert into items values (200, 'x')"),
        (
            items,
            "update a row",
            "update items set name = 'y' where id = 1",
        ),
        (
            items,
            "update any number of rows",
            "update items set name = 'y'",
        ),
        (items, "delete a row", "delete from items where id = 1"),
        (items, "delete any number of rows", "delete from items"),
        (items, "truncate", "truncate items"),
        (items, "drop", "drop table items"),
        (
            items,
            "change with loss",
            "alter table items drop column name",
        ),
        (
            items,
            "change its structure",
            "alter table items add column more int",
        ),
        (
            items,
            "change its rights or code",
            "grant all on items to public",
        ),
        (elsewhere, "read", "select * from ledger"),
        (elsewhere, "insert a row", "insert into ledger values (2)"),
        (elsewhere, "delete a row", "delete from ledger where id = 1"),
        (elsewhere, "drop", "drop table ledger"),
        (elsewhere, "create", "create table public.mine (id int)"),
        (
            "the server",
            "change roles, rights or settings",
            "create role other",
        ),
        (
            "the server",
            "reach files, programs, slots or other servers",
            "copy items to program 'true'",
        ),
        (
            "Backstop's own",
            "change its rights or code",
            "alter role current_user password 'x'",
        ),
    ] {
        // `items` is also what the first scope names; what a statement reads besides is in scope with it.
        assert_eq!(says(&view, on, act), shop.tried(sql), "{on}, {act}: {sql}");
    }
    // The role: as the scopes say, and no further.
    assert_eq!(view["role"]["known"], true);
    for (list_of, sql, can) in [
        ("in_scope", "update items set name = 'y'", true),
        ("beyond", "delete from items", false),
        ("beyond", "truncate items", false),
        ("beyond", "drop table items", false),
        ("beyond", "delete from ledger", false),
        ("beyond", "select * from ledger", false),
        ("beyond", "create table public.mine (id int)", false),
    ] {
        assert_eq!(!list(&view, list_of).is_empty(), can, "{list_of}");
        assert_eq!(shop.possible(sql), can, "{sql}");
    }
    assert!(
        list(&view, "in_scope")[0].contains("`public.items`"),
        "{view}"
    );
    // Nothing is kept of what it overwrites, and the view does not say otherwise: it shows the request.
    let lost = state(&view, "lease_proofs", "lease-loses-nothing");
    assert_eq!(
        (&lost["state"], &lost["case"]["verdict"]),
        (&json!("refuted"), &json!("allow"))
    );
    let context = &lost["case"]["request"]["context"];
    assert_eq!(
        (&context["kind"], &context["verb"], &context["inScope"]),
        (&json!("write"), &json!("update"), &json!(true))
    );
    assert_eq!(view["worst"], "high");
    let everywhere = view["proofs"]["proofs"].as_array().unwrap();
    assert!(
        everywhere.iter().all(|p| p["state"] == "proved"),
        "{everywhere:#?}"
    );
    let told = shop.view(cvc5, &[]);
    assert_eq!(told.code, 3, "{}", told.err);
    for words in [
        "Not so: \"Whatever this lease would overwrite or delete waits for a person",
        "in production: write (update) on ",
        "`allow` by `scoped-writes`",
        "none: nothing that it writes is measured",
    ] {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
}

/// Somebody grants more to everybody: the view says that only the gate's judgement is left, and so it is.
#[test]
fn a_road_beyond_the_scopes_is_said_and_is_there() {
    let Some(cvc5) = cvc5() else { return };
    let shop = Shop::open(None);
    shop.here
        .server
        .psql_as(
            &shop.here.server.owner(),
            "grant delete on ledger to public; grant truncate on items to public",
        )
        .unwrap();
    let view = shop.json(cvc5.to_str().unwrap());
    let beyond = list(&view, "beyond").join("\n");
    for (table, sql) in [
        ("ledger", "delete from ledger"),
        ("items", "truncate items"),
    ] {
        assert!(beyond.contains(&format!("`public.{table}`")), "{beyond}");
        assert!(shop.possible(sql), "{sql}");
        assert_eq!(shop.tried(sql), "hold", "{sql}");
    }
    assert_eq!(says(&view, "`public.ledger`", "delete a row"), "hold");
    assert_eq!(view["worst"], "high");
    assert!(
        view["verdict"]
            .as_str()
            .unwrap()
            .starts_with("Only the gate's judgement"),
        "{}",
        view["verdict"]
    );
}

/// With a vault everything that a lease overwrites is kept first, and then "nothing for good" is said: proved.
#[test]
fn with_a_vault_a_lease_can_destroy_nothing_for_good_and_that_is_proved() {
    let Some(cvc5) = cvc5() else { return };
    let cvc5 = cvc5.to_str().unwrap();
    let made = Made::new();
    let vault = made.serve();
    let shop = Shop::open(Some(&made));
    let child = shop.child();
    let view = shop.json(cvc5);
    assert_eq!(view["held"]["children"][0]["lease"], child.as_str());
    assert_eq!(view["worst"], "low", "{}", view["verdict"]);
    assert!(
        view["verdict"]
            .as_str()
            .unwrap()
            .starts_with("This lease can destroy nothing for good"),
        "{}",
        view["verdict"]
    );
    for proofs in ["proofs", "lease_proofs"] {
        let all = view[proofs]["proofs"].as_array().unwrap();
        assert!(
            all.len() >= 6 && all.iter().all(|p| p["state"] == "proved"),
            "{all:#?}"
        );
    }
    let items = "what `insert,update:public.items` names";
    assert_eq!(says(&view, items, "update rows"), "measure");
    assert_eq!(
        says(&view, items, "update rows, measured within the limits"),
        shop.tried("update items set name = 'y' where id < 10"),
    );
    assert_eq!(
        says(&view, items, "update rows, measured beyond the limits"),
        shop.tried("insert into items select g, 'more' from generate_series(1000, 2500) g"),
    );
    assert_eq!(
        says(&view, items, "delete rows"),
        shop.tried("delete from items where id = 3")
    );
    // What was spent of the budget is in the next view.
    let budget = |view: &Value| view["held"]["budget"]["lease_left"].as_u64().unwrap();
    assert_eq!(budget(&shop.json(cvc5)), budget(&view) - 9);
    // The vault goes: what cannot be kept is not let through, as is proved.
    assert_eq!(
        says(&view, items, "update rows, measured and not in the vault"),
        "hold"
    );
    vault.stop();
    let ran = shop
        .here
        .psql(&shop.dsn, "update items set name = 'z' where id = 1");
    assert_ne!(ran.code, 0, "{}", ran.out);
    let name = shop
        .here
        .server
        .psql("select name from items where id = 1")
        .unwrap();
    assert_eq!(name.trim(), "y");
}

/// Whoever has no solver, or one that cannot be believed, is told "unknown", never "proved".
#[test]
fn without_a_solver_that_can_be_believed_nothing_is_proved() {
    let made = Made::new();
    let _vault = made.serve();
    let shop = Shop::open(Some(&made));
    let liar = made.path("cvc5");
    let does = "#!/bin/sh\n[ \"$1\" != --version ] || { echo This is cvc5 version 1.3.1; exit; }\nwhile read -r line; do case $line in *check-sat*) echo unsat;; esac; done\n";
    std::fs::write(&liar, does).unwrap();
    std::fs::set_permissions(&liar, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (solver, why) in [
        ("/nonexistent/cvc5", "hint: install cvc5"),
        (liar.as_str(), "not believed"),
    ] {
        let view = shop.json(solver);
        assert_eq!(view["worst"], "unknown");
        for proofs in ["proofs", "lease_proofs"] {
            for proof in view[proofs]["proofs"].as_array().unwrap() {
                assert_eq!(proof["state"], "unknown");
                assert!(proof["why"].as_str().unwrap().contains(why), "{proof}");
            }
        }
        let told = shop.view(solver, &["--fail-on", "unknown"]);
        assert_eq!(told.code, 3, "{}", told.err);
        assert!(
            told.out.contains("is not known") && !told.out.contains("  proved"),
            "{}",
            told.out
        );
    }
}

/// An installation's own policies are proved with the default ones, and only those that the gate runs.
#[test]
fn policies_of_an_installation_are_proved_and_only_those_that_run() {
    let Some(cvc5) = cvc5() else { return };
    let cvc5 = cvc5.to_str().unwrap();
    let shop = Shop::open(None);
    let file = shop.here.folder.path().join("more.cedar");
    std::fs::write(
        &file,
        "@id(\"weighed\") forbid (principal, action, resource) when { context.rows * 1000 > 5000000 };",
    )
    .unwrap();
    shop.here
        .edit(|text| text.replace("files = []", &format!("files = [\"{}\"]", file.display())));
    let stopped = shop
        .view("/nonexistent/cvc5", &["--json", "--fail-on", "never"])
        .json();
    // Depending on who is faster, the gate has taken up the file or has not.
    let why = state(&stopped, "proofs", "every-policy-evaluates")["why"].clone();
    let why = why.as_str().unwrap();
    assert!(
        why.contains("not those that the gate runs") || why.contains("install cvc5"),
        "{why}"
    );
    let view = crate::support::eventually("the gate to take up the policies", || {
        let view = shop.json(cvc5);
        let state = state(&view, "proofs", "every-policy-evaluates")["state"].clone();
        (state != "unknown").then_some(view)
    });
    let fails = state(&view, "proofs", "every-policy-evaluates");
    assert_eq!(
        (&fails["state"], &fails["case"]["rule"]),
        (&json!("refuted"), &json!("policy-error"))
    );
    let rows = fails["case"]["request"]["context"]["rows"]
        .as_i64()
        .unwrap();
    assert!(rows > i64::MAX / 1000, "{fails}");
    assert_eq!(
        state(&view, "proofs", "added-policies-only-restrict")["state"],
        "proved"
    );
}

#[test]
fn a_lease_that_is_over_or_unknown_and_a_gate_that_does_not_run_are_said_plainly() {
    let shop = Shop::open(None);
    let unknown = shop.here.run(&["scopes", "--lease", "lease_none"]);
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.err.contains("there is no lease `lease_none`") && unknown.err.contains("hint:"),
        "{}",
        unknown.err
    );
    let beside = shop
        .here
        .run(&["scopes", "--lease", &shop.lease, "--probe"]);
    assert_eq!(beside.code, 2, "{}", beside.err);
    shop.here.run(&["lease", "revoke", &shop.lease]).fine();
    let view = shop.json("/nonexistent/cvc5");
    assert_eq!(
        (&view["worst"], &view["held"]["state"]),
        (&json!("low"), &json!("ended"))
    );
    assert!(
        view["verdict"]
            .as_str()
            .unwrap()
            .contains("it holds nothing")
    );
    assert_eq!(shop.serving.stop(), 0);
    let gone = shop.here.run(&["scopes", "--lease", &shop.lease]);
    assert_eq!(gone.code, 1);
    assert!(
        gone.err.contains("backstop is not running") && gone.err.contains("hint:"),
        "{}",
        gone.err
    );
}

/// Neither the lease's secret, nor what it is checked by, nor the gate's own credential is in anything that is printed.
#[test]
fn no_secret_is_in_the_lease_view() {
    let shop = Shop::open(None);
    let html = shop.here.folder.path().join("lease.html");
    let mut printed = String::new();
    for more in [
        &["--json"][..],
        &["--all", "--html", html.to_str().unwrap()],
        &["--quiet"],
    ] {
        let ran = shop.view(
            "/nonexistent/cvc5",
            &[more, &["--fail-on", "unknown"]].concat(),
        );
        assert_eq!(ran.code, 3, "{}", ran.err);
        printed += &format!("{}{}", ran.out, ran.err);
    }
    let mode = std::fs::metadata(&html).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
    let page = std::fs::read_to_string(&html).unwrap();
    for word in ["<script", "src=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    printed += &page;
    assert!(printed.contains(&shop.lease) && printed.contains("a test"));
    let secret = shop.dsn.split("://").nth(1).unwrap();
    let secret = secret.split('@').next().unwrap().split(':').nth(1).unwrap();
    assert!(secret.len() > 20 && !printed.contains(secret));
    assert!(!printed.contains("SCRAM-SHA-256$"));
    let owner = shop.here.server.owner().url();
    let password = owner
        .split('@')
        .next()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    assert!(!printed.contains(&password), "{owner}");
}
