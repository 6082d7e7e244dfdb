//! Held actions that are first run on the copy that a drill leaves, through the whole binary.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::points::World;
use crate::support::{backstop, eventually};

/// `vault drill --stay`, running.
struct Drilling(Child);

impl Drilling {
    fn start(world: &World, gate_user: &str) -> Self {
        let bin = world.here.server.installation().whole().unwrap();
        let path = |name: &str| world.made.path(name);
        let child = backstop()
            .args(["--json", "vault", "drill", "--dir"])
            .arg(world.made.dir())
            .args(["--identity", &path("drill"), "--reports", &path("reports")])
            .arg("--pg-bin")
            .arg(bin)
            .args(["--scratch", &path("scratch"), "--stay", &path("copy.sock")])
            .args(["--gate-user", gate_user])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Drilling {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What waits, newest first.
fn holds(world: &World) -> Vec<Value> {
    let said = world.here.run(&["--json", "holds"]).fine().out;
    said.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// The hold of a statement that the agent sends, once it was rehearsed or could not be.
#[track_caller]
fn held(world: &World, dsn: &str, sql: &str) -> Value {
    let before: Vec<Value> = holds(world).iter().map(|h| h["hold"].clone()).collect();
    let said = world.here.psql(dsn, sql);
    assert!(said.err.contains("held"), "{sql}: {}", said.err);
    eventually("the rehearsal", || {
        let all = holds(world);
        let new = all.iter().find(|h| !before.contains(&h["hold"]))?;
        Some(new.clone()).filter(|h| h["rehearsed"].is_object())
    })
}

#[test]
fn a_hold_shows_what_its_action_did_on_a_drills_copy_and_how_long_undoing_it_took() {
    let world = World::new("24h");
    let socket = world.made.path("copy.sock");
    std::fs::create_dir(world.made.path("scratch")).unwrap();
    world
        .here
        .edit(|text| format!("{text}rehearsals = \"{socket}\"\n"));
    world.sql(
        "create table notes (item int references items on delete cascade, note text, primary key (item, note));
         insert into notes select g, 'n' from generate_series(1, 60) g",
    );
    let (_serving, mut person) = world.here.serve_with_person();
    let scopes = ["read,delete,update:public.items"];
    let (_, dsn) = world.here.lease(&mut person, &scopes);
    let first = world.taken();

    // Before there is a copy, the hold says so, and what there is instead.
    let none = held(&world, &dsn, "delete from items where id <> 4");
    assert_eq!(
        none["rehearsed"]["end"],
        json!({ "how": "not", "why": "no-copy" })
    );
    assert!(
        none["recoverable"]
            .as_str()
            .unwrap()
            .contains("no drill has shown"),
        "{none}"
    );

    let user = rustix::process::geteuid().as_raw().to_string();
    let drilling = Drilling::start(&world, &user);
    world.stands("the drill", |now| now["drilled"].is_string());

    // A measured hold.
    let hold = held(&world, &dsn, "delete from items where id <> 7");
    let told = &hold["rehearsed"];
    assert_eq!(told["end"]["how"], "ran", "{hold}");
    assert_eq!(told["point"], first["newest"]);
    assert_eq!(
        told["tables"],
        json!([
            { "table": "public.items", "inserted": 0, "updated": 0, "deleted": 99 },
            { "table": "public.notes", "inserted": 0, "updated": 0, "deleted": 59 },
        ])
    );
    assert_eq!(told["undo"]["how"], "took", "{told}");
    assert!(
        told["locks"]
            .as_array()
            .unwrap()
            .contains(&json!({ "relation": "public.items", "mode": "RowExclusiveLock" }))
    );
    let recoverable = hold["recoverable"].as_str().unwrap();
    assert!(recoverable.contains("a drill restored it in"), "{hold}");

    // One that is held by its text alone, and takes whole objects.
    let dropped = held(&world, &dsn, "drop table items cascade");
    let told = &dropped["rehearsed"];
    assert_eq!(told["end"]["how"], "ran", "{dropped}");
    assert_eq!(told["undo"]["how"], "took", "{told}");
    assert_eq!(
        told["gone"],
        json!([
            "table public.items",
            "constraint notes_item_fkey on table public.notes"
        ])
    );
    let text = world.here.run(&["holds"]).fine().out;
    assert!(text.contains("on a copy of the database from"), "{text}");
    assert!(text.contains("public.items: 99 deleted"), "{text}");
    assert!(text.contains("was brought back there in"), "{text}");

    // It is in the journal, decides nothing, and nothing of it happened to the database.
    assert_eq!(world.entries("rehearsed").len(), 3);
    world.here.run(&["journal", "verify"]).fine();
    let count = || {
        let server = &world.here.server;
        let said = server.psql_as(&server.owner(), "select count(*) from items");
        said.unwrap().trim().to_owned()
    };
    assert_eq!(count(), "100");
    person.approve(hold["hold"].as_str().unwrap()).unwrap();
    world
        .here
        .psql(&dsn, "delete from items where id <> 7")
        .fine();
    assert_eq!(count(), "1");

    // Told to stop, nothing of the copy stays.
    drilling.stop();
    let left = std::fs::read_dir(world.made.path("scratch"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
    assert!(!std::path::Path::new(&socket).exists());
}
