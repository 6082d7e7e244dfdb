//! An agent's life: a lease asked for and approved, work through the gate, holds, halts and ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Installation, Serving, eventually};

#[test]
fn an_agent_works_and_a_person_decides() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    assert!(
        serving.said.contains("for this machine only"),
        "{}",
        serving.said
    );
    let (lease, dsn) = installation.lease(&mut person, &["read", "insert:public.items"]);
    assert!(
        dsn.contains("sslmode=verify-full") && dsn.contains("sslrootcert="),
        "{dsn}"
    );

    let read = installation.psql(&dsn, "select count(*) from items").fine();
    assert_eq!(read.out.trim(), "100");
    installation
        .psql(&dsn, "insert into items values (101, 'new')")
        .fine();

    // Held, denied with words, and the agent reads them.
    let child = installation
        .psql_command(&dsn, "drop table items")
        .spawn()
        .unwrap();
    let hold = installation.wait_for_hold();
    let shown = installation.run(&["holds"]).fine().out;
    assert!(
        shown.contains(&hold) && shown.contains("public.items"),
        "{shown}"
    );
    let link = installation.run(&["--json", "deny", &hold]).fine().json();
    assert!(
        link["link"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/holds/{hold}"))
    );
    person.deny(&hold, "certainly not").unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && err.contains("certainly not"),
        "{err}"
    );
    let again = installation.run(&["approve", &hold]);
    assert_eq!(again.code, 1, "{}", again.err);

    let listed = installation.run(&["--json", "lease", "list"]).fine().json();
    assert_eq!(
        (&listed["lease"], &listed["state"], &listed["target"]),
        (&json!(lease), &json!("active"), &json!("prod"))
    );

    // Approved: it runs once.
    let child = installation
        .psql_command(&dsn, "create index on items (name)")
        .spawn()
        .unwrap();
    let hold = installation.wait_for_hold();
    person.approve(&hold).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    let made = installation
        .server
        .psql(
            "select count(*) from pg_indexes where tablename = 'items' and indexdef like '%(name)'",
        )
        .unwrap();
    assert_eq!(made.trim(), "1");

    let status = installation.run(&["--json", "status"]).fine().json();
    assert_eq!(
        (
            &status["serving"],
            &status["leases_active"],
            &status["people"]
        ),
        (&json!(true), &json!(1), &json!(1))
    );
    assert_eq!(status["targets"][0]["reachable"], true);
    assert_eq!(
        status["recoverable"],
        "no vault yet: nothing is recoverable"
    );

    let timeline = person.page("/journal").unwrap();
    assert!(
        timeline.contains("lease-granted") && timeline.contains("intent"),
        "{timeline}"
    );

    installation.run(&["lease", "revoke", &lease]).fine();
    assert!(installation.psql(&dsn, "select 1").code != 0);
    let roles = eventually("the role to go", || {
        let left = installation
            .server
            .psql(&format!(
                "select count(*) from pg_roles where rolname = '{lease}'"
            ))
            .unwrap();
        (left.trim() == "0").then_some(left)
    });
    assert_eq!(roles.trim(), "0");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn halting_is_for_anybody_and_resuming_for_a_passkey() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (lease, dsn) = installation.lease(&mut person, &["read"]);
    installation
        .run(&["halt", &lease, "--why", "it loops"])
        .fine();
    assert!(installation.psql(&dsn, "select 1").err.contains("it loops"));
    let refused = installation.run(&["resume", "--all"]);
    assert!(
        refused.code == 1 && refused.err.contains("is not halted"),
        "{}",
        refused.err
    );
    let hold = installation
        .run(&["--json", "resume", &lease, "--no-wait"])
        .fine()
        .json();
    assert!(
        installation.psql(&dsn, "select 1").code != 0,
        "asking resumes nothing"
    );
    person.approve(hold["hold"].as_str().unwrap()).unwrap();
    eventually("the lease to act again", || {
        (installation.psql(&dsn, "select 1").code == 0).then_some(())
    });

    installation.run(&["halt", "--all"]).fine();
    assert!(installation.psql(&dsn, "select 1").code != 0);
    let hold = installation
        .run(&["--json", "resume", "--all", "--no-wait"])
        .fine()
        .json();
    person.approve(hold["hold"].as_str().unwrap()).unwrap();
    eventually("everything to act again", || {
        (installation.psql(&dsn, "select 1").code == 0).then_some(())
    });
}

#[test]
fn a_freeze_lets_reads_pass_until_a_passkey_lifts_it() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (_, dsn) = installation.lease(&mut person, &["read", "insert:public.items"]);
    installation.run(&["freeze", "--why", "restoring"]).fine();
    installation.psql(&dsn, "select 1").fine();
    assert!(
        installation
            .psql(&dsn, "insert into items values (200, 'x')")
            .code
            != 0
    );
    let child = installation
        .command(&["--json", "freeze", "--lift"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    person.approve(&installation.wait_for_hold()).unwrap();
    let lifted = child.wait_with_output().unwrap();
    assert!(
        lifted.status.success(),
        "{}",
        String::from_utf8_lossy(&lifted.stderr)
    );
    installation
        .psql(&dsn, "insert into items values (200, 'x')")
        .fine();
    let again = installation.run(&["freeze", "--lift"]);
    assert!(
        again.code == 1 && again.err.contains("nothing is frozen"),
        "{}",
        again.err
    );
}

#[test]
fn a_lease_can_be_picked_up_later_and_a_denied_one_never() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let ask = [
        "--json",
        "lease",
        "create",
        "--target",
        "prod",
        "--task",
        "later",
        "--scope",
        "read",
        "--no-wait",
    ];
    let first = installation.run(&ask).fine().json();
    assert_eq!(first["enrolled"], 1);
    // Two leases that wait are told apart by what they are for.
    let waiting = installation.run(&["--json", "holds"]).fine().json();
    assert_eq!(waiting["asked"], "read:*.* · 1 h · later");
    let shown = installation.run(&["holds"]).fine().out;
    assert!(
        shown.contains("\n  grant a lease on prod\n  read:*.* · 1 h · later\n"),
        "{shown}"
    );
    let hold = first["hold"].as_str().unwrap().to_owned();
    assert_eq!(
        installation.run(&ask).fine().json()["hold"],
        json!(hold),
        "the identical request is the same hold"
    );
    person.approve(&hold).unwrap();
    let granted = installation.run(&ask).fine().json();
    installation
        .psql(granted["dsn"].as_str().unwrap(), "select 1")
        .fine();
    let told = installation.run(&["journal", "tail"]).fine().out;
    assert!(
        told.contains("grant a lease on prod for \"later\": read:*.*; waits for one person")
            && told.contains(&format!("Kim approved {hold}")),
        "{told}"
    );
    // The approval was spent: the same again asks anew.
    let anew = installation.run(&ask).fine().json();
    assert_ne!(anew["hold"], json!(hold));
    person
        .deny(anew["hold"].as_str().unwrap(), "one is enough")
        .unwrap();

    let child = installation
        .command(&[
            "lease", "create", "--target", "prod", "--task", "denied", "--scope", "read",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    person
        .deny(&installation.wait_for_hold(), "not you")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err.contains("a person denied it") && err.contains("not you") && output.stdout.is_empty(),
        "{err}"
    );
}

#[test]
fn leases_are_narrowed_and_never_widened() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (parent, dsn) = installation.lease(&mut person, &["read", "insert:public.items"]);
    let child = installation
        .run(&[
            "--json",
            "lease",
            "create",
            "--parent",
            &parent,
            "--task",
            "only look",
            "--ttl",
            "1m",
            "--scope",
            "read:public.items",
        ])
        .fine()
        .json();
    let child_dsn = child["dsn"].as_str().unwrap();
    installation
        .psql(child_dsn, "select count(*) from items")
        .fine();
    let wider = installation.run(&[
        "lease",
        "create",
        "--parent",
        &parent,
        "--task",
        "more",
        "--scope",
        "delete:public.items",
    ]);
    assert!(
        wider.code == 1
            && wider
                .err
                .contains("cannot have scopes that its parent lacks"),
        "{}",
        wider.err
    );

    installation
        .run(&["lease", "narrow", &parent, "--scope", "read"])
        .fine();
    let refused = installation.psql(&dsn, "insert into items values (300, 'x')");
    assert!(refused.code != 0, "{}", refused.out);
    let wider = installation.run(&["lease", "narrow", &parent, "--ttl", "5d"]);
    assert!(
        wider.code == 1 && wider.err.contains("never lengthened"),
        "{}",
        wider.err
    );
    installation.run(&["lease", "revoke", &parent]).fine();
    assert!(
        installation.psql(child_dsn, "select 1").code != 0,
        "children end with their parent"
    );
}

#[test]
fn an_unknown_target_or_a_bad_request_is_refused() {
    let installation = Installation::new();
    let _serving = installation.serve();
    for (arguments, what) in [
        (
            &[
                "lease", "create", "--target", "nope", "--task", "x", "--scope", "read",
            ][..],
            "there is no target `nope`",
        ),
        (
            &[
                "lease", "create", "--target", "prod", "--task", " ", "--scope", "read",
            ],
            "a task needs",
        ),
        (
            &[
                "lease", "create", "--target", "prod", "--task", "x", "--scope", "read", "--ttl",
                "30d",
            ],
            "a lease cannot live for 30d",
        ),
        (
            &["lease", "revoke", "lease_x"],
            "there is no lease `lease_x`",
        ),
        (
            &["lease", "narrow", "lease_x", "--ttl", "5m"],
            "there is no lease `lease_x`",
        ),
        (&["halt", "lease_x"], "there is no lease `lease_x`"),
        (&["approve", "hold_x"], "there is no hold `hold_x`"),
    ] {
        let ran = installation.run(arguments);
        // What is asked for wrongly is 2, what is not there is 1, also over the control socket.
        let usage = what.starts_with("a ") || what.contains("target");
        assert!(
            ran.code == if usage { 2 } else { 1 } && ran.err.contains(what),
            "{arguments:?}: {} {}",
            ran.code,
            ran.err
        );
        assert!(ran.err.contains("hint:"), "{arguments:?}: {}", ran.err);
    }
}

/// A changed policy counts for the next statement of a connection that is open, and the connection stays.
#[test]
fn a_reload_keeps_connections() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (_, dsn) = installation.lease(&mut person, &["read"]);
    let mut command = installation.psql_command(&dsn, "select 'before'");
    command.args([
        "--command",
        "select pg_sleep(4)",
        "--command",
        "select name from items where id = 1",
    ]);
    let child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));

    // A bad configuration is reported and the old one kept.
    let good = std::fs::read_to_string(installation.config()).unwrap();
    installation.edit(|text| text.replace("files = []", "files = [\"nowhere.cedar\"]"));
    serving.signal("HUP");
    std::thread::sleep(Duration::from_millis(300));
    let status = installation.run(&["status"]).fine();
    assert!(
        status.err.contains("nowhere.cedar"),
        "a broken configuration is told of, and looking goes on: {}",
        status.err
    );

    std::fs::write(installation.folder.path().join("own.cedar"), "@id(\"no-items\") @reason(\"items are off\") forbid (principal, action, resource) when { context.object == \"public.items\" };").unwrap();
    std::fs::write(
        installation.config(),
        good.replace("files = []", "files = [\"own.cedar\"]"),
    )
    .unwrap();
    serving.signal("HUP");
    let output = child.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(
        out.contains("before") && err.contains("items are off"),
        "{out}\n{err}"
    );
}

/// What a reload changed stands in the control log; what it could not take up is said, not passed over.
#[test]
fn a_reload_says_what_it_changed_and_what_waits() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (_, dsn) = installation.lease(&mut person, &["read"]);
    let status = || installation.run(&["--json", "status"]).fine().json();
    let tail = || {
        installation
            .run(&["journal", "tail", "-n", "200"])
            .fine()
            .out
    };
    let before = status()["policy"].as_str().unwrap().to_owned();
    assert_eq!(status()["pending"], json!([]));

    // Touched and not changed: nothing to say.
    installation.edit(|text| format!("{text}\n# a comment\n"));
    serving.signal("HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!tail().contains("reloaded"), "{}", tail());

    std::fs::write(
        installation.folder.path().join("own.cedar"),
        "@id(\"ours\") @reason(\"x\") forbid (principal, action, resource) when { context.object == \"public.nothing\" };",
    )
    .unwrap();
    installation.edit(|text| {
        text.replace("files = []", "files = [\"own.cedar\"]")
            .replace("environment = \"production\"", "environment = \"staging\"")
            .replace("pause = \"2s\"", "pause = \"3s\"")
            .replace("open_holds = 5 ", "open_holds = 7 ")
    });
    serving.signal("HUP");
    let line = eventually("the reload", || {
        let tail = tail();
        tail.lines()
            .find(|l| l.contains("reloaded"))
            .map(str::to_owned)
    });
    let after = status()["policy"].as_str().unwrap().to_owned();
    assert!(
        line.contains(&format!(
            "a changed configuration was taken up: environment of target prod changed; the policy was {} and is {}",
            &before[..12],
            &after[..12]
        )),
        "{line}"
    );
    assert_eq!(
        status()["pending"],
        json!(["[gate] pause", "[limits] open_holds"])
    );
    let shown = installation.run(&["status"]).fine().out;
    assert!(
        shown
            .contains("changed, takes effect at the next start: [gate] pause, [limits] open_holds"),
        "{shown}"
    );
    let secret = dsn.split(':').nth(2).unwrap().split('@').next().unwrap();
    let entry = installation
        .run(&["--json", "journal", "tail", "-n", "200"])
        .fine()
        .out;
    let entry = entry.lines().find(|l| l.contains("reloaded")).unwrap();
    assert!(
        !entry.contains("postgresql://") && !entry.contains(secret),
        "{entry}"
    );

    // Taken back, nothing waits any more; taken up at a start, neither.
    installation.edit(|text| text.replace("open_holds = 7 ", "open_holds = 5 "));
    serving.signal("HUP");
    eventually("the reload", || {
        (status()["pending"] == json!(["[gate] pause"])).then_some(())
    });
    assert_eq!(serving.stop(), 0);
    let _serving = installation.serve();
    assert_eq!(status()["pending"], json!([]));
}

/// A reload in the middle of a transaction leaves it as it is.
#[test]
fn a_reload_keeps_an_open_transaction() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (_, dsn) = installation.lease(&mut person, &["read", "insert:public.items"]);
    let mut command = installation.psql_command(&dsn, "begin");
    command.args([
        "--command",
        "insert into items values (500, 'kept')",
        "--command",
        "select pg_sleep(3)",
        "--command",
        "insert into items values (501, 'kept')",
        "--command",
        "commit",
    ]);
    let child = command.spawn().unwrap();
    running(&installation, "pg_sleep(3)");
    installation
        .edit(|text| text.replace("environment = \"production\"", "environment = \"staging\""));
    serving.signal("HUP");
    eventually("the reload", || {
        let tail = installation.run(&["journal", "tail"]).fine().out;
        tail.contains("reloaded").then_some(())
    });
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{err}");
    let kept = installation
        .server
        .psql_as(
            &installation.server.owner(),
            "select count(*) from items where id >= 500",
        )
        .unwrap();
    assert_eq!(kept.trim(), "2");
}

/// Waits until a statement that has these words runs at the server.
fn running(installation: &Installation, words: &str) {
    eventually("the statement to run", || {
        (at_the_server(installation, words) == 1).then_some(())
    });
}

/// How many statements with these words run at the server.
fn at_the_server(installation: &Installation, words: &str) -> u32 {
    let sql = format!(
        "select count(*) from pg_stat_activity where query like '%{words}%' and state = 'active' and pid <> pg_backend_pid()"
    );
    let found = installation.server.psql(&sql).unwrap();
    found.trim().parse().unwrap()
}

/// The last words of both logs, which must be whole.
fn closed(installation: &Installation) {
    installation.run(&["journal", "verify"]).fine();
    let control = installation.run(&["journal", "tail", "-n", "1"]).fine().out;
    assert!(control.contains("stopped"), "{control}");
    let traffic = installation
        .run(&["--json", "journal", "tail", "--log", "traffic", "-n", "400"])
        .fine()
        .out;
    let count = |word: &str| {
        let word = format!("\"entry\":\"{word}\"");
        traffic.lines().filter(|l| l.contains(&word)).count()
    };
    assert_eq!(count("intent"), count("outcome"), "{traffic}");
}

#[test]
fn a_stop_lets_what_runs_end() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (_, dsn) = installation.lease(&mut person, &["read", "insert:public.items"]);
    let reading = installation
        .psql_command(&dsn, "select pg_sleep(2.5), 'read to its end'")
        .spawn()
        .unwrap();
    let mut writing = installation.psql_command(&dsn, "begin");
    writing.args([
        "--command",
        "insert into items values (600, 'in time')",
        "--command",
        "select pg_sleep(2.6)",
        "--command",
        "commit",
    ]);
    let writing = writing.spawn().unwrap();
    running(&installation, "pg_sleep(2.5)");
    running(&installation, "pg_sleep(2.6)");
    serving.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        installation.psql(&dsn, "select 1").code != 0,
        "nobody new comes in"
    );
    for child in [reading, writing] {
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{err}");
    }
    assert_eq!(serving.ended(), 0);
    let kept = installation
        .server
        .psql_as(
            &installation.server.owner(),
            "select count(*) from items where id = 600",
        )
        .unwrap();
    assert_eq!(kept.trim(), "1");
    closed(&installation);
}

#[test]
fn what_runs_longer_than_the_grace_is_cancelled() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (_, dsn) = installation.lease(&mut person, &["read"]);
    assert_eq!(serving.stop(), 0);
    let serving = Serving::start(installation.command(&["serve", "--grace", "1s"]));
    let child = installation
        .psql_command(&dsn, "select pg_sleep(60)")
        .spawn()
        .unwrap();
    running(&installation, "pg_sleep(60)");
    let begun = Instant::now();
    assert_eq!(serving.stop(), 0);
    let took = begun.elapsed();
    assert!(
        took > Duration::from_millis(900) && took < Duration::from_secs(6),
        "{took:?}"
    );
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && err.contains("the gate is being stopped"),
        "{err}"
    );
    assert_eq!(at_the_server(&installation, "pg_sleep(60)"), 0);
    closed(&installation);
}

#[test]
fn a_second_signal_ends_what_runs_at_once() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (_, dsn) = installation.lease(&mut person, &["read"]);
    let child = installation
        .psql_command(&dsn, "select pg_sleep(60)")
        .spawn()
        .unwrap();
    running(&installation, "pg_sleep(60)");
    serving.signal("TERM");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(
        at_the_server(&installation, "pg_sleep(60)"),
        1,
        "it may finish"
    );
    let begun = Instant::now();
    assert_eq!(serving.stop(), 0);
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    assert!(!child.wait_with_output().unwrap().status.success());
    assert_eq!(at_the_server(&installation, "pg_sleep(60)"), 0);
    closed(&installation);
}

#[test]
fn people_are_called_when_something_is_held() {
    let double = backstop_testing::doubles::HttpDouble::start().unwrap();
    let installation = Installation::new();
    installation.edit(|text| {
        format!(
            "{text}\n[[notify.webhook]]\nurl = \"{}\"\nshape = \"slack\"\n",
            double.url("/hook")
        )
    });
    let (_serving, _person) = installation.serve_with_person();
    let held = installation
        .run(&[
            "--json",
            "lease",
            "create",
            "--target",
            "prod",
            "--task",
            "secret task",
            "--scope",
            "read",
            "--no-wait",
        ])
        .fine()
        .json();
    let requests = double.wait_for(1, Duration::from_secs(10)).unwrap();
    let text = requests[0].text();
    assert!(text.contains(held["hold"].as_str().unwrap()), "{text}");
    assert!(
        !text.contains("secret task"),
        "a notification carries no data: {text}"
    );
}

/// The red button works at once, also on what runs, and whatever the configuration says by now.
#[test]
fn a_halt_ends_what_runs() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (lease, dsn) = installation.lease(&mut person, &["read"]);
    let child = installation
        .psql_command(&dsn, "select pg_sleep(30)")
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    installation.edit(|text| format!("{text}\nnonsense"));
    let begun = Instant::now();
    installation.run(&["halt", &lease]).fine();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_second_serve_is_refused() {
    let installation = Installation::new();
    let serving: Serving = installation.serve();
    let second = installation.run(&["serve"]);
    assert_eq!(second.code, 1);
    assert!(
        second.err.contains("another `backstop` already serves"),
        "{}",
        second.err
    );
    let status: Value = installation.run(&["--json", "status"]).fine().json();
    assert_eq!(status["serving"], true);
    assert_eq!(serving.stop(), 0);
    let down = installation.run(&["--json", "status"]);
    assert_eq!((down.code, down.out.trim()), (1, "{\"serving\":false}"));
}
