//! `judge postgres`: the contract of its input and output.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Ran, backstop, run};

fn judge(arguments: &[&str], input: &str) -> Ran {
    judge_as("postgres", arguments, input)
}

/// Judges by a protocol.
pub(crate) fn judge_as(protocol: &str, arguments: &[&str], input: &str) -> Ran {
    let mut child = backstop()
        .args(["judge", protocol])
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn answers(arguments: &[&str], cases: &[Value]) -> Vec<Value> {
    let input: String = cases.iter().map(|c| format!("{c}\n")).collect();
    let ran = judge(arguments, &input).fine();
    ran.out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn each_line_is_answered_in_order_and_in_full() {
    let cases = [
        json!({"id": "a", "input": "delete from users"}),
        json!({"id": 2, "input": "select count(*) from users"}),
        json!({"id": "c", "input": "select 1; drop table users"}),
    ];
    let answers = answers(&[], &cases);
    let verdicts: Vec<(&Value, &str)> = answers
        .iter()
        .map(|a| (&a["id"], a["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(
        verdicts,
        [
            (&json!("a"), "hold"),
            (&json!(2), "allow"),
            (&json!("c"), "hold")
        ]
    );
    assert_eq!(
        answers[0]["effects"],
        json!([{"kind": "destroy", "object": "public.users", "reversible": false}])
    );
    assert_eq!(answers[0]["rule"], "production-destroy");
    let mut keys: Vec<&String> = answers[0].as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["effects", "id", "reason", "rule", "verdict"]);
    // The effects of all statements are united, the strictest verdict counts.
    let kinds: Vec<&str> = answers[2]["effects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"destroy"), "{kinds:?}");
}

#[test]
fn what_cannot_be_read_is_denied_and_the_rest_goes_on() {
    let ran = judge(&[], "nonsense\n{\"id\":\"b\"}\n{\"id\":\"c\",\"input\":\"selec 1\"}\n\n{\"id\":\"e\",\"input\":\"select 1\"}").fine();
    let answers: Vec<Value> = ran
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let found: Vec<(&str, &str)> = answers
        .iter()
        .map(|a| (a["verdict"].as_str().unwrap(), a["rule"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("deny", "input"),
            ("deny", "input"),
            ("deny", "syntax"),
            ("deny", "input"),
            ("allow", "reads")
        ]
    );
    assert_eq!(answers[1]["id"], "b");
}

#[test]
fn the_environment_changes_the_verdict() {
    let case = [json!({"id": 1, "input": "delete from users"})];
    let verdict =
        |environment| answers(&["--environment", environment], &case)[0]["verdict"].clone();
    assert_eq!(
        (
            verdict("production"),
            verdict("staging"),
            verdict("development")
        ),
        (json!("hold"), json!("hold"), json!("allow"))
    );
}

#[test]
fn policies_of_ones_own_are_tried_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backstop.toml");
    std::fs::write(folder.path().join("own.cedar"), "@id(\"no-salaries\") @reason(\"nobody reads salaries\") forbid (principal, action, resource) when { context.object == \"public.salaries\" };").unwrap();
    std::fs::write(&path, "data_dir = \"d\"\n[policy]\nfiles = [\"own.cedar\"]\n[[target]]\nname = \"t\"\nenvironment = \"development\"\ndsn = \"host=h user=u\"\n").unwrap();
    let cases = [
        json!({"id": 1, "input": "select * from salaries"}),
        json!({"id": 2, "input": "drop table x"}),
    ];
    let answers = answers(
        &["--config", path.to_str().unwrap(), "--target", "t"],
        &cases,
    );
    assert_eq!(
        (&answers[0]["verdict"], &answers[0]["rule"]),
        (&json!("deny"), &json!("no-salaries"))
    );
    assert_eq!(answers[1]["verdict"], "allow");
    let ran = run(&[
        "judge",
        "postgres",
        "--config",
        path.to_str().unwrap(),
        "--target",
        "other",
    ]);
    assert_eq!(ran.code, 2);
}

#[test]
fn a_servers_log_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("postgresql.log");
    std::fs::write(&log, "2026-04-25 10:00:00 UTC [1] u@d LOG:  statement: select 1\n2026-04-25 10:00:01 UTC [1] u@d LOG:  execute <unnamed>: drop table\n\tusers\n").unwrap();
    let ran = judge(&["--json", "--log", log.to_str().unwrap()], "");
    assert_eq!(ran.code, 3, "{}", ran.err);
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["line"], &lines[0]["verdict"]),
        (&json!(2), &json!("hold"))
    );
    assert_eq!(
        lines[1]["summary"],
        json!({"statements": 2, "allowed": 1, "held": 1, "denied": 0, "halted": 0})
    );
    std::fs::write(
        &log,
        "2026-04-25 10:00:00 UTC [1] u@d LOG:  statement: select 1\n",
    )
    .unwrap();
    assert_eq!(judge(&["--log", log.to_str().unwrap()], "").code, 0);
    std::fs::write(&log, "nothing\n").unwrap();
    assert_eq!(judge(&["--log", log.to_str().unwrap()], "").code, 2);
}

/// A dry run answers line by line, so that a program can talk with it.
#[test]
fn an_answer_comes_before_the_next_question() {
    use std::io::{BufRead, BufReader};
    let mut child = backstop()
        .args(["judge", "postgres"])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap());
    for n in 0..3 {
        writeln!(to, "{}", json!({"id": n, "input": "select 1"})).unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["id"], n);
    }
    drop(to);
    assert!(child.wait().unwrap().success());
}
