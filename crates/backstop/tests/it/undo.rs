//! `backstop undo` through the whole binary: one statement, one transaction, and what only a passkey allows.

use serde_json::Value;

use crate::support::{Installation, Ran};
use crate::vault::Made;

const ROWS: &str = "select string_agg(name, ',' order by id) from items where id < 6";

struct Undo<'a> {
    installation: &'a Installation,
    made: &'a Made,
}

impl Undo<'_> {
    fn run(&self, arguments: &[&str]) -> Ran {
        let (identity, vault) = (self.made.path("recovery"), self.made.dir());
        let mut all = vec!["undo", "--identity", &identity];
        let vault = vault.display().to_string();
        all.extend(["--vault", &vault]);
        all.extend(arguments);
        self.installation.run(&all)
    }

    fn rows(&self) -> String {
        let server = &self.installation.server;
        let said = server.psql_as(&server.owner(), ROWS).unwrap();
        said.trim().to_owned()
    }

    /// The traffic log, the oldest entry first.
    fn entries(&self) -> Vec<Value> {
        let said = self
            .installation
            .run(&["--json", "journal", "tail", "--log", "traffic", "-n", "500"])
            .fine();
        said.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The indexes of intents that write, and of images, in order.
    fn of_kind(&self, kind: &str) -> Vec<String> {
        let wanted = |e: &&Value| e["entry"]["entry"] == kind && e["entry"]["effect"] != "read";
        let all = self.entries();
        let found = all.iter().filter(wanted);
        found.map(|e| e["index"].to_string()).collect()
    }
}

#[test]
fn one_statement_is_undone_where_it_stands_alone_and_otherwise_its_transaction_is_named() {
    let made = Made::new();
    let _vault = made.serve();
    let installation = Installation::new();
    installation.edit(|text| format!("{text}\n{}", made.snippet()));
    let (_serving, mut person) = installation.serve_with_person();
    let scopes = ["read,update:public.items"];
    let (_, one) = installation.lease(&mut person, &scopes);
    let undo = Undo {
        installation: &installation,
        made: &made,
    };
    let before = undo.rows();

    installation
        .psql(&one, "update items set name = 'alone' where id = 1")
        .fine();
    let alone = undo.of_kind("intent")[0].clone();
    undo.run(&[&alone, "--apply"]).fine();
    assert_eq!(undo.rows(), before);

    let script = "begin; select 1; update items set name = 'a' where id = 1; update items set name = 'b' where id = 2; commit";
    let statements: Vec<&str> = script.split("; ").collect();
    let mut several = installation.psql_command(&one, statements[0]);
    for statement in &statements[1..] {
        several.args(["--command", statement]);
    }
    Ran::of(&several.output().unwrap()).fine();
    let changed = undo.rows();
    assert_ne!(changed, before);
    let intents = undo.of_kind("intent");
    let images = undo.of_kind("images").last().unwrap().clone();
    for entry in intents.iter().rev().take(2) {
        let said = undo.run(&[entry, "--apply"]);
        if said.code == 0 {
            panic!("entry {entry} was undone alone: {} {}", said.out, said.err);
        }
        assert!(
            said.err.contains(&format!("`backstop undo {images}`"))
                || said.err.contains("no images were kept"),
            "{}",
            said.err
        );
    }
    assert_eq!(undo.rows(), changed);
    undo.run(&[&images, "--apply"]).fine();
    assert_eq!(undo.rows(), before);

    // What two leases did is undone by a passkey.
    let (_, two) = installation.lease(&mut person, &scopes);
    for (dsn, id) in [(&one, 3), (&two, 4)] {
        let sql = format!("update items set name = 'late' where id = {id}");
        installation.psql(dsn, &sql).fine();
    }
    let everything = ["--target", "prod", "--since", "1h", "--apply"];
    let said = undo.run(&everything);
    assert_eq!(said.code, 3, "{} {}", said.out, said.err);
    assert!(said.err.contains("a person must say yes"), "{}", said.err);
    person.approve(&installation.wait_for_hold()).unwrap();
    undo.run(&everything).fine();
    assert_eq!(undo.rows(), before);
}
