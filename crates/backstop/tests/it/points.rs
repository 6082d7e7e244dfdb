//! Recovery points on a schedule, their drills, and what they say about each other, through the whole binary.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use backstop_core::digest::Digest;
use backstop_core::point::Drill;
use backstop_journal::SigningKey;
use backstop_vault::points::drill::report;
use serde_json::{Value, json};

use crate::support::{Installation, eventually};
use crate::vault::Made;

/// An installation whose target has points in a vault of its own, and drills that the gate believes.
pub(crate) struct World {
    pub(crate) made: Made,
    pub(crate) here: Installation,
    vault: Option<crate::vault::Serving>,
}

impl World {
    pub(crate) fn new(points: &str) -> Self {
        let (made, here) = (Made::new(), Installation::new());
        let bin = here.server.installation().whole().unwrap();
        std::fs::create_dir(made.path("reports")).unwrap();
        here.edit(|text| {
            let target = format!(
                "name = \"prod\"\npg_bin = \"{}\"\npoints = \"{points}\"",
                bin.display()
            );
            format!(
                "{}\n{}drill_reports = \"{}\"\n",
                text.replace("name = \"prod\"", &target),
                made.snippet(),
                made.path("reports")
            )
        });
        let vault = Some(made.serve());
        Self { made, here, vault }
    }

    pub(crate) fn sql(&self, sql: &str) {
        self.here
            .server
            .psql_as(&self.here.server.owner(), sql)
            .unwrap();
    }

    /// How the target's points stand.
    fn standing(&self) -> Value {
        let status = self.here.run(&["--json", "status"]).fine().json();
        status["targets"][0]["points"].clone()
    }

    /// Until something can be said of how they stand.
    #[track_caller]
    pub(crate) fn stands(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || Some(self.standing()).filter(|now| is(now)))
    }

    pub(crate) fn taken(&self) -> Value {
        self.stands("a recovery point", |now| now["newest"].is_string())
    }

    /// The entries of a kind.
    pub(crate) fn entries(&self, kind: &str) -> Vec<Value> {
        let ran = self
            .here
            .run(&["--json", "journal", "tail", "--log", "control", "-n", "500"])
            .fine();
        let rows = ran.out.lines().map(|l| serde_json::from_str(l).unwrap());
        let all: Vec<Value> = rows.collect();
        all.into_iter()
            .filter(|row| row["entry"]["event"] == kind)
            .collect()
    }

    /// What the vault has of class `point`: note and until when.
    fn in_the_vault(&self) -> Vec<(String, String, i64)> {
        let list = self
            .made
            .vault("list", &["--json", "--class", "point", "-n", "0"])
            .fine();
        let rows = list.out.lines().map(|line| {
            let one: Value = serde_json::from_str(line).unwrap();
            let text = |v: &Value| v.as_str().unwrap().to_owned();
            let until = one["until_ms"].as_i64().unwrap();
            (text(&one["name"]), text(&one["label"]["note"]), until)
        });
        rows.collect()
    }

    pub(crate) fn drill(&self, more: &[&str]) -> crate::support::Ran {
        let bin = self.here.server.installation().whole().unwrap();
        let (bin, drill) = (bin.display().to_string(), self.made.path("drill"));
        let place = ["--json", "--identity", &drill, "--pg-bin", &bin];
        self.made.vault("drill", &[&place, more].concat())
    }

    /// Hands a report to the control socket, as whoever shares the gate's user can.
    fn hand_in(&self, report: &str) -> Value {
        let socket = self.here.data().join("control.sock");
        let mut stream = BufReader::new(UnixStream::connect(socket).unwrap());
        let request = json!({ "do": "drilled", "report": report });
        writeln!(stream.get_mut(), "{request}").unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

#[test]
fn a_point_is_taken_soon_after_the_start_drilled_and_shown() {
    let world = World::new("24h");
    let serving = world.here.serve();
    let first = world.taken();
    assert_eq!(first["every_s"], 86_400);
    assert_eq!(
        (&first["rpo_s"], &first["rto_ms"]),
        (&Value::Null, &Value::Null)
    );
    let text = world.here.run(&["status"]).fine().out;
    assert!(text.contains("never drilled"), "{text}");
    assert!(
        text.contains("no recovery to a moment between points: archive_mode is off"),
        "{text}"
    );
    let parts = world.in_the_vault();
    assert_eq!(parts.len(), 4, "{parts:?}");
    let taken = world.entries("point-taken");
    assert_eq!(taken.len(), 1);
    let point = &taken[0]["entry"]["point"];
    assert_eq!(point["name"], first["newest"]);
    assert_eq!((&point["rows"], &point["tables"]), (&json!(100), &json!(1)));
    assert_eq!(taken[0]["entry"]["target"], "prod");

    // The drill, in a process of its own, whose report the gate finds.
    let reports = world.made.path("reports");
    let drilled = world.drill(&["--reports", &reports]).fine().json();
    assert_eq!(drilled["point"], first["newest"]);
    let proved = world.stands("the drill", |now| now["drilled"].is_string());
    assert_eq!(proved["drilled"], first["newest"]);
    assert_eq!(proved["rto_ms"], drilled["restore_ms"]);
    assert!(proved["rpo_s"].as_u64().unwrap() < 60, "{proved}");
    let text = world.here.run(&["status"]).fine().out;
    assert!(text.contains("(RPO)") && text.contains("(RTO)"), "{text}");
    let drills = world.entries("drilled");
    assert_eq!(drills.len(), 1);
    assert_eq!(drills[0]["entry"]["drill"]["target"], "prod");
    openssl_agrees(&drills[0]["entry"]);

    // A restart takes none before its time, and forgets nothing.
    assert_eq!(serving.stop(), 0);
    let serving = world.here.serve();
    std::thread::sleep(std::time::Duration::from_secs(5));
    let again = world.standing();
    assert_eq!(
        (&again["taken"], &again["drilled"]),
        (&json!(1), &first["newest"])
    );
    // Nor does a store that is built anew from the journal alone.
    assert_eq!(serving.stop(), 0);
    world.here.run(&["journal", "rebuild"]).fine();
    world.here.run(&["journal", "verify"]).fine();
    let _serving = world.here.serve();
    assert_eq!(world.standing()["drilled"], first["newest"]);
    assert_eq!(world.made.vault("verify", &[]).fine().code, 0);
}

/// A report in the journal can be checked by whoever has `openssl` and the key's text.
fn openssl_agrees(entry: &Value) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let (report, key) = (
        entry["report"].as_str().unwrap(),
        entry["key"].as_str().unwrap(),
    );
    let (text, signatures) = report.split_once("\n\n").unwrap();
    let signature = signatures.trim().rsplit(' ').next().unwrap();
    let signature = STANDARD.decode(signature).unwrap()[4..].to_vec();
    let public = STANDARD.decode(key.splitn(3, '+').nth(2).unwrap()).unwrap();
    // SubjectPublicKeyInfo of Ed25519 (RFC 8410) is twelve bytes and the key.
    let spki = [
        &hex::decode("302a300506032b6570032100").unwrap(),
        &public[1..],
    ]
    .concat();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), format!("{text}\n")).unwrap();
    std::fs::write(path("signature"), signature).unwrap();
    std::fs::write(path("key"), spki).unwrap();
    let verified = |file: &Path| {
        Command::new("openssl")
            .args(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER"])
            .arg("-inkey")
            .arg(path("key"))
            .arg("-sigfile")
            .arg(path("signature"))
            .arg("-in")
            .arg(file)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(verified(&path("text")));
    std::fs::write(path("other"), format!("{text} \n")).unwrap();
    assert!(!verified(&path("other")));
    // What the fold takes from the entry is what was signed.
    let signed: Drill = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
    let told: Drill = serde_json::from_value(entry["drill"].clone()).unwrap();
    assert_eq!(signed, told);
}

#[test]
fn nobody_but_the_drills_key_claims_a_drill() {
    let world = World::new("24h");
    let _serving = world.here.serve();
    let first = world.taken();
    let entry = &world.entries("point-taken")[0]["entry"]["point"].clone();
    let digest = |value: &Value| Digest::from_hex(value.as_str().unwrap()).unwrap();
    let claim = Drill {
        manifest: Some(digest(&entry["manifest"])),
        tables: 1,
        rows: 100,
        milliseconds: 900,
        restore_ms: 10,
        failure: None,
        ..report::of_failure(
            digest(&first["newest"]),
            "prod",
            entry["taken_ms"].as_i64().unwrap() + 1,
            "",
        )
    };
    assert!(claim.succeeded());
    let folder = tempfile::tempdir().unwrap();
    let key = |name: &str| {
        let path = folder.path().join(name.replace('/', "-"));
        SigningKey::generate(name).unwrap().save(&path).unwrap();
        std::fs::read_to_string(path).unwrap()
    };
    // The gate's own keys are in reach of its user, too, and are not the drill's.
    let own = std::fs::read_to_string(world.here.data().join("keys/journal-control.key")).unwrap();
    let right = std::fs::read_to_string(world.made.path("drill.signing")).unwrap();
    let other_point = Digest::of(b"another");
    let forged = [
        ("unsigned", "backstop.drill/1\n{}\n\n".to_owned()),
        (
            "of a key of the same name",
            report::sign(&claim, &key("vault.local/drills")).unwrap(),
        ),
        ("of the gate's key", report::sign(&claim, &own).unwrap()),
        // Rightly signed, and about something else.
        (
            "of a point that is not the gate's",
            report::sign(
                &Drill {
                    point: other_point,
                    ..claim.clone()
                },
                &right,
            )
            .unwrap(),
        ),
        (
            "of another target",
            report::sign(
                &Drill {
                    target: "books".to_owned(),
                    ..claim.clone()
                },
                &right,
            )
            .unwrap(),
        ),
        (
            "of another manifest",
            report::sign(
                &Drill {
                    manifest: Some(other_point),
                    ..claim.clone()
                },
                &right,
            )
            .unwrap(),
        ),
        (
            "of the future",
            report::sign(
                &Drill {
                    started_ms: claim.started_ms + 86_400_000,
                    ..claim.clone()
                },
                &right,
            )
            .unwrap(),
        ),
        (
            "of the past",
            report::sign(
                &Drill {
                    started_ms: 1,
                    ..claim.clone()
                },
                &right,
            )
            .unwrap(),
        ),
    ];
    for (n, (what, report)) in forged.iter().enumerate() {
        let reply = world.hand_in(report);
        assert_eq!(reply["is"], "failed", "{what}: {reply}");
        let file = Path::new(&world.made.path("reports")).join(format!("{n}.drill"));
        std::fs::write(file, report).unwrap();
    }
    // The folder was looked at in the meantime.
    std::thread::sleep(std::time::Duration::from_secs(7));
    assert!(world.entries("drilled").is_empty());
    assert_eq!(world.standing()["drilled"], Value::Null);

    // The same claim by the right key counts, once, by either road.
    let signed = report::sign(&claim, &right).unwrap();
    assert_eq!(world.hand_in(&signed)["is"], "done");
    assert_eq!(world.standing()["drilled"], first["newest"]);
    let replayed = world.hand_in(&signed);
    assert!(
        replayed.to_string().contains("written down already"),
        "{replayed}"
    );
    let file = Path::new(&world.made.path("reports")).join("9.drill");
    std::fs::write(file, &signed).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(7));
    assert_eq!(world.entries("drilled").len(), 1);

    // Another key in the configuration does not come unseen.
    assert_eq!(world.entries("drill-key").len(), 1);
    let path = folder.path().join("other");
    let other = SigningKey::generate("vault.local/drills").unwrap();
    other.save(&path).unwrap();
    let before = world.entries("drill-key")[0]["entry"]["key"].clone();
    world
        .here
        .edit(|text| text.replace(before.as_str().unwrap(), other.verifier().text()));
    let changed = eventually("the other key", || {
        world
            .entries("drill-key")
            .pop()
            .filter(|row| row["entry"]["before"] == before)
    });
    assert_eq!(changed["entry"]["key"], other.verifier().text());
    assert_eq!(world.hand_in(&signed)["is"], "failed");
    world
        .here
        .edit(|text| text.replace(other.verifier().text(), before.as_str().unwrap()));
    eventually("the first key again", || {
        Some(()).filter(|()| world.entries("drill-key").len() == 3)
    });

    // A later drill that fails is shown, and takes nothing back that was proved.
    let failed = report::of_failure(claim.point, "prod", claim.started_ms + 1, "no room");
    assert_eq!(
        world.hand_in(&report::sign(&failed, &right).unwrap())["is"],
        "done"
    );
    let now = world.standing();
    assert_eq!(
        (&now["drill_failed"], &now["drilled"]),
        (&json!("no room"), &first["newest"])
    );
}

#[test]
fn drills_come_again_and_again_and_the_gate_is_told_at_its_socket() {
    let world = World::new("24h");
    let _serving = world.here.serve();
    world.taken();
    let bin = world.here.server.installation().whole().unwrap();
    let drilling = crate::support::backstop()
        .args(["--json", "vault", "drill", "--every", "1s", "--dir"])
        .arg(world.made.dir())
        .args(["--identity", &world.made.path("drill"), "--pg-bin"])
        .arg(bin)
        .arg("--gate")
        .arg(world.here.data().join("control.sock"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut drilling = Ends(drilling);
    eventually("two drills", || {
        Some(()).filter(|()| world.entries("drilled").len() >= 2)
    });
    let id = rustix::process::Pid::from_child(&drilling.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(drilling.0.wait().unwrap().success());
    let all = world.entries("drilled");
    assert!(
        all.iter()
            .all(|row| row["entry"]["drill"]["failure"].is_null()),
        "{all:?}"
    );
}

#[test]
fn a_collapse_of_rows_is_an_alarm_and_keeps_the_last_good_point() {
    let world = World::new("5s");
    let told = world.made.path("told");
    let script = world.made.path("tell.sh");
    std::fs::write(
        &script,
        format!("#!/bin/sh\ncat >> {told}\necho >> {told}\n"),
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    world
        .here
        .edit(|text| format!("{text}\n[notify.command]\nprogram = \"{script}\"\n"));
    let serving = world.here.serve();
    world.stands("two points", |now| now["taken"].as_u64() >= Some(2));
    world.sql("delete from items where id > 10");
    let alarmed = world.stands("the alarm", |now| now["alarms"] != json!([]));
    let words = alarmed["alarms"].to_string();
    assert!(words.contains("had 100 rows and has 10"), "{words}");
    let text = world.here.run(&["status"]).fine().out;
    assert!(text.contains("alarm: "), "{text}");
    let alarms = world.entries("point-alarm");
    assert_eq!(alarms[0]["entry"]["target"], "prod");
    let bad = alarms[0]["entry"]["point"].as_str().unwrap().to_owned();
    let points = world.entries("point-taken");
    let name = |row: &Value| row["entry"]["point"]["name"].as_str().unwrap().to_owned();
    let at = points.iter().position(|row| name(row) == bad).unwrap();
    let good = name(&points[at - 1]);
    eventually("the last good point to be kept", || {
        let kept = world.entries("point-kept");
        kept.into_iter()
            .find(|row| row["entry"]["point"] == json!(good))
    });
    // It stays an alarm with the next point, and is told to people once.
    world.stands("a further point", |now| {
        now["newest"] != alarmed["newest"] && now["alarms"] != json!([])
    });
    assert_eq!(serving.stop(), 0);
    let said = std::fs::read_to_string(&told).unwrap();
    assert_eq!(
        said.matches("is unlike those before it").count(),
        1,
        "{said}"
    );
    assert!(!said.contains("items"), "{said}");

    // All of its objects, and none of the alarmed one's, are kept a year.
    let parts = |name: &str| -> Vec<String> {
        let row = points.iter().find(|row| self::name(row) == name).unwrap();
        let parts = row["entry"]["point"]["parts"].as_array().unwrap();
        let parts = parts.iter().map(|one| one.as_str().unwrap().to_owned());
        parts.chain([name.to_owned()]).collect()
    };
    let until = |name: &str| {
        let stored = world.in_the_vault();
        stored.iter().find(|one| one.0 == name).unwrap().2
    };
    let day = 86_400_000;
    let now = i64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap();
    for part in parts(&good) {
        assert!(until(&part) > now + 360 * day);
    }
    for part in parts(&bad) {
        assert!(until(&part) < now + 100 * day);
    }
}

/// A process that ends with the test.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn name(row: &Value) -> &str {
    row["entry"]["point"]["name"].as_str().unwrap()
}

/// A session that keeps `pg_dump` waiting.
struct Lock<'a>(std::process::Child, &'a World);

impl<'a> Lock<'a> {
    fn take(world: &'a World) -> Self {
        let server = &world.here.server;
        let dsn = server.owner().url();
        let mut child = world
            .here
            .psql_command(&dsn, "begin; lock table items; select pg_sleep(60)")
            .spawn()
            .unwrap();
        eventually("the lock", || {
            let held = server
                .psql_as(&server.owner(), "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'items'::regclass")
                .unwrap();
            assert!(child.try_wait().unwrap().is_none());
            Some(()).filter(|()| held.trim() == "1")
        });
        Self(child, world)
    }

    fn waited_for(world: &World) {
        let server = &world.here.server;
        eventually("pg_dump to wait", || {
            let waiting = server
                .psql_as(
                    &server.owner(),
                    "select count(*) from pg_stat_activity where wait_event_type = 'Lock'",
                )
                .unwrap();
            Some(()).filter(|()| waiting.trim() != "0")
        });
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Its client's end alone would not end its sleep.
        let server = &self.1.here.server;
        let _ = server.psql_as(
            &server.owner(),
            "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)' and pid <> pg_backend_pid()",
        );
        let _ = self.0.wait();
    }
}

#[test]
fn a_point_that_is_cut_short_leaves_nothing_and_is_taken_anew() {
    let world = World::new("24h");
    for signal in ["KILL", "TERM"] {
        let lock = Lock::take(&world);
        let serving = world.here.serve();
        Lock::waited_for(&world);
        serving.signal(signal);
        let code = serving.ended();
        assert_eq!(code == 0, signal == "TERM", "{signal}: {code}");
        drop(lock);
        // Its sessions end with it.
        let server = &world.here.server;
        eventually("the sessions to end", || {
            let left = server
                .psql_as(&server.owner(), "select count(*) from pg_stat_activity where application_name in ('backstop', 'pg_dump')")
                .unwrap();
            Some(()).filter(|()| left.trim() == "0")
        });
        assert!(world.in_the_vault().is_empty(), "{signal}");
        let verified = world.made.vault("verify", &["--json"]).fine().json();
        assert_eq!(verified["objects"], 0, "{verified}");
    }
    let _serving = world.here.serve();
    world.taken();
    assert_eq!(world.in_the_vault().len(), 4);
    assert!(world.entries("point-failed").is_empty());
}

#[test]
fn a_vault_that_is_away_or_full_is_said_and_tried_again_and_reads_go_on() {
    let mut world = World::new("24h");
    // A vault with room for nothing.
    world.vault.take().unwrap().stop();
    let file = world.made.dir().join("vault.toml");
    let whole = std::fs::read_to_string(&file).unwrap();
    let small = whole
        .replace("capacity = \"100GiB\"", "capacity = \"4KiB\"")
        .replace("reserve_images = \"5GiB\"", "reserve_images = \"0KiB\"")
        .replace("reserve_points = \"40GiB\"", "reserve_points = \"0KiB\"");
    std::fs::write(&file, small).unwrap();
    let (_serving, mut person) = world.here.serve_with_person();
    let failing = |word: &'static str| move |now: &Value| now["failing"].to_string().contains(word);
    world.stands("the vault's absence", failing("cannot reach the vault"));
    let (_, dsn) = world.here.lease(&mut person, &["read:public.items"]);
    let read = world.here.psql(&dsn, "select count(*) from items").fine();
    assert_eq!(read.out.trim(), "100");
    world.vault = Some(world.made.serve());
    world.stands("the vault's fullness", failing("is full"));
    let text = world.here.run(&["status"]).fine().out;
    assert!(text.contains("none can be taken since"), "{text}");
    assert!(world.entries("point-failed").len() >= 2);
    // Of what was refused there is no point, and none of its rows.
    let left = world.in_the_vault();
    let large = |note: &str| note.starts_with("point of") || note.starts_with("archive");
    assert!(!left.iter().any(|one| large(&one.1)), "{left:?}");
    world.vault.take().unwrap().stop();
    std::fs::write(&file, whole).unwrap();
    world.vault = Some(world.made.serve());
    let now = world.taken();
    assert_eq!(now["failing"], Value::Null);
}
