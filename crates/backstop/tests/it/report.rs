//! `backstop journal report`: what the page says of a real journal, and that nothing on it is taken for more than text.

use std::process::Stdio;

use serde_json::Value;

use crate::person::Person;
use crate::support::{Installation, Ran, eventually};
use crate::vault::Made;

/// What others may write wherever they may write something.
const HOSTILE: &str = "</code></pre><script>alert(1)</script> ``` # heading [a](javascript:alert(1)) https://evil.example \u{1b}[2J \u{202e} **bold** |";

fn report(here: &Installation, more: &[&str]) -> Ran {
    here.run(&[&["journal", "report"], more].concat())
}

fn page(here: &Installation, more: &[&str]) -> Value {
    let ran = report(here, &[&["--json"], more].concat()).fine();
    ran.json()["page"].clone()
}

fn texts(page: &Value, part: &str) -> String {
    let all = page[part].as_array().unwrap().iter();
    let all: Vec<String> = all
        .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
        .collect();
    all.join("\n")
}

/// A lease for a task in somebody's own words.
fn lease(here: &Installation, person: &mut Person, task: &str, scope: &str) -> (String, String) {
    let arguments = [
        "--json", "lease", "create", "--target", "prod", "--task", task, "--ttl", "10m", "--scope",
        scope,
    ];
    let child = here
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    person.approve(&here.wait_for_hold()).unwrap();
    let granted = Ran::of(&child.wait_with_output().unwrap()).fine().json();
    let text = |key: &str| granted[key].as_str().unwrap().to_owned();
    (text("lease"), text("dsn"))
}

/// What is left of Markdown once all that stands in code is gone: what a reader's program would act on.
fn outside_code(markdown: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<String> = None;
    for line in markdown.lines() {
        let trimmed = line.trim_start();
        let ticks: String = trimmed.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) => {
                if ticks.len() >= open.len() && trimmed.trim_end() == ticks {
                    fence = None;
                }
                continue;
            }
            None if ticks.len() >= 3 && !trimmed[ticks.len()..].contains('`') => {
                fence = Some(ticks);
                continue;
            }
            None => {}
        }
        let mut rest = line;
        while let Some(at) = rest.find('`') {
            let run = rest[at..].chars().take_while(|c| *c == '`').count();
            let after = &rest[at + run..];
            let end =
                closing(after, run).unwrap_or_else(|| panic!("a code span is not closed: {line}"));
            out.push_str(&rest[..at]);
            rest = &after[end + run..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    assert!(fence.is_none(), "a fence is not closed");
    out
}

/// Where a run of exactly so many backticks begins.
fn closing(text: &str, run: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let length = text[start..].chars().take_while(|c| *c == '`').count();
        if length == run {
            return Some(start);
        }
        at = start + length;
    }
    None
}

#[test]
fn a_halt_is_told_as_it_was_and_hostile_text_stays_text() {
    let here = Installation::new();
    let serving = here.serve();
    let mut person = Person::enrol(&serving.invitation().unwrap(), "Kim <i>`x`</i>").unwrap();
    let none = report(&here, &[]);
    assert_eq!(none.code, 1);
    assert!(
        none.err.contains("the journal has no halt") && none.err.contains("hint: say what"),
        "{}",
        none.err
    );
    let (lease, dsn) = lease(&here, &mut person, HOSTILE, "read");
    here.psql(&dsn, "select name from items where id = 7")
        .fine();
    let sql = format!("drop table items /* {HOSTILE} */");
    let child = here.psql_command(&dsn, &sql).spawn().unwrap();
    person.deny(&here.wait_for_hold(), HOSTILE).unwrap();
    assert!(!child.wait_with_output().unwrap().status.success());
    // Its secret is taken out before anything is sealed; it never was in what the journal shows.
    let secret = "Zx8kQ2mPl4Wv7nRt";
    let _ = here.psql(&dsn, &format!("alter role owner password '{secret}'"));
    here.run(&["halt", &lease, "--why", HOSTILE]).fine();
    // What nobody waits for is written a moment later.
    let tried = eventually("what was tried", || {
        let tried = page(&here, &[])["tried"].as_array().unwrap().clone();
        (tried.len() >= 2).then_some(tried)
    });
    let ended = |how: &str| {
        let all = tried.iter().map(|one| one["what"].as_str().unwrap());
        all.filter(|what| what.contains(how)).count()
    };
    assert_eq!((ended("; held."), ended("; denied.")), (1, 1), "{tried:#?}");

    let (md, html) = (
        here.folder.path().join("r.md"),
        here.folder.path().join("r.html"),
    );
    let (md, html) = (md.to_str().unwrap(), html.to_str().unwrap());
    report(&here, &["--out", md, "--html", html]).fine();
    let told = page(&here, &[]);
    let (md, html) = (
        std::fs::read_to_string(md).unwrap(),
        std::fs::read_to_string(html).unwrap(),
    );

    // What happened, in order, with the moments of the journal.
    let control = here
        .run(&["--json", "journal", "tail", "-n", "100"])
        .fine()
        .out;
    let entries: Vec<Value> = control
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let timeline = told["timeline"].as_array().unwrap();
    let first = timeline[0]["at_ms"].as_i64().unwrap();
    assert_eq!(timeline[0]["after_ms"], 0);
    let mut last = first;
    for moment in timeline {
        let at = moment["at_ms"].as_i64().unwrap();
        assert!(at >= last, "{moment}");
        last = at;
        assert_eq!(moment["after_ms"].as_i64().unwrap(), at - first);
        if moment["log"] == "control" {
            let entry = entries.iter().find(|e| e["index"] == moment["index"]);
            assert_eq!(entry.unwrap()["entry"]["at_ms"], moment["at_ms"]);
        }
        let seconds = format!("+{}.{:03} s", (at - first) / 1000, (at - first) % 1000);
        assert!(
            md.contains(&format!("- **{seconds}** (")),
            "{seconds}: {md}"
        );
        assert!(html.contains(&format!("<b>{seconds}</b>")), "{seconds}");
    }
    let what = texts(&told, "timeline");
    for part in [
        "asked for",
        "was held before it ran",
        " denied ",
        "was halted: ",
    ] {
        assert!(what.contains(part), "{part}: {what}");
    }
    let stopped = texts(&told, "stopped");
    assert!(
        stopped.contains("production-destroy")
            && stopped.contains("Kim")
            && stopped.contains("denied it"),
        "{stopped}"
    );
    assert_eq!(told["nothing_lost"], true, "{told}");
    assert!(texts(&told, "lost").starts_with("Nothing: "), "{told}");
    let change = texts(&told, "change");
    for part in [
        "production-destroy",
        "still halted",
        "Set up a vault",
        "cosign",
    ] {
        assert!(change.contains(part), "{part}: {change}");
    }
    let proof = texts(&told, "proof");
    assert!(
        proof.contains("The control log verifies") && proof.contains("no vault has cosigned it"),
        "{proof}"
    );

    // Text stays text.
    for (name, form) in [("Markdown", &md), ("HTML", &html)] {
        for bad in ["\u{1b}", "\u{202e}", secret, &dsn] {
            assert!(!form.contains(bad), "{name} has {bad:?}: {form}");
        }
        let password = dsn.split(['/', ':', '@']).nth(4).unwrap();
        assert!(password.len() > 8 && !form.contains(password), "{name}");
        assert!(form.contains("\\u{202e}"), "{name} hides it: {form}");
    }
    let acting = outside_code(&md);
    for bad in ["<", "](", "evil.example", "**bold**", "# heading", "Kim"] {
        assert!(!acting.contains(bad), "{bad} is not in code: {acting}");
    }
    for bad in ["<script", "<i>", "javascript:alert(1)\"", "href", "src="] {
        assert!(!html.contains(bad), "{bad}: {html}");
    }
    assert!(
        html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{html}"
    );
    assert!(html.contains("default-src 'none'") && html.starts_with("<!doctype html>"));

    // What agents sent can be left out, and other spans can be chosen.
    let without = report(&here, &["--no-texts"]).fine().out;
    assert!(!without.contains("drop table items /*"), "{without}");
    assert!(
        report(&here, &[])
            .fine()
            .out
            .contains("drop table items /*")
    );
    let empty = report(
        &here,
        &[
            "--until",
            "2001-01-02 00:00:00Z",
            "--since",
            "2001-01-01 00:00:00Z",
        ],
    );
    assert_eq!(empty.code, 1);
    assert!(
        empty
            .err
            .contains("between 2001-01-01 00:00:00Z and 2001-01-02 00:00:00Z")
            && empty.err.contains("hint:"),
        "{}",
        empty.err
    );
    let unknown = report(&here, &["--lease", "lease_of_nobody"]);
    assert!(
        unknown.code == 1 && unknown.err.contains("backstop lease list --all"),
        "{}",
        unknown.err
    );

    // And from the directory alone it is the same story.
    assert_eq!(serving.stop(), 0);
    let after = page(&here, &[]);
    assert_eq!(after["timeline"], told["timeline"]);
    assert_eq!(after["lost"], told["lost"]);
    assert_eq!(after["tried"], told["tried"]);
}

#[test]
fn what_people_approved_and_what_it_took_is_told() {
    let here = Installation::new();
    let (_serving, mut person) = here.serve_with_person();
    let (lease, dsn) = here.lease(&mut person, &["read", "update:public.items"]);
    let child = here.psql_command(&dsn, "drop table items").spawn().unwrap();
    let hold = here.wait_for_hold();
    person.approve(&hold).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    for choice in [["--lease", &lease], ["--hold", &hold], ["--since", "1h"]] {
        let told = eventually("the outcome", || {
            let told = page(&here, &choice);
            texts(&told, "tried").contains("DROP TABLE").then_some(told)
        });
        assert_eq!(told["nothing_lost"], false);
        let lost = texts(&told, "lost");
        assert!(
            lost.starts_with("Something may be lost for good") && lost.contains("DROP TABLE"),
            "{lost}"
        );
        let stopped = texts(&told, "stopped");
        assert!(
            stopped.contains("Kim")
                && stopped.contains("approved it")
                && stopped.contains("the approval was spent"),
            "{stopped}"
        );
        let change = texts(&told, "change");
        assert!(
            change.contains("A person approved what took something away"),
            "{change}"
        );
    }
}

#[test]
fn what_is_in_the_vault_and_what_was_put_back_is_told_apart() {
    let made = Made::new();
    let _vault = made.serve();
    let here = Installation::new();
    here.edit(|text| format!("{text}\n{}", made.snippet()));
    let (_serving, mut person) = here.serve_with_person();
    let (lease, dsn) = here.lease(&mut person, &["read,delete,update:public.items"]);
    here.psql(&dsn, "delete from items where id in (3, 4)")
        .fine();
    // Rolled back: it took nothing.
    let mut taken_back = here.psql_command(&dsn, "begin");
    taken_back.args([
        "--command",
        "delete from items where id = 5",
        "--command",
        "rollback",
    ]);
    Ran::of(&taken_back.output().unwrap()).fine();
    let of = ["--lease", lease.as_str()];
    let told = eventually("the outcomes", || {
        let told = page(&here, &of);
        texts(&told, "lost")
            .contains("2 rows were changed")
            .then_some(told)
    });
    assert_eq!(told["nothing_lost"], false);
    assert!(texts(&told, "lost").contains("public.items"), "{told}");
    assert!(texts(&told, "change").contains("not isolated"), "{told}");

    let (identity, vault) = (made.path("recovery"), made.path("vault"));
    here.run(&[
        "undo",
        "--identity",
        &identity,
        "--vault",
        &vault,
        "--lease",
        &lease,
        "--apply",
    ])
    .fine();
    let told = eventually("what was put back", || {
        let told = page(&here, &of);
        texts(&told, "lost")
            .starts_with("Nothing is lost any more")
            .then_some(told)
    });
    assert_eq!(told["nothing_lost"], true);
}

#[test]
fn a_journal_that_does_not_verify_is_told_before_anything_else() {
    let here = Installation::new();
    let (serving, mut person) = here.serve_with_person();
    let (lease, _) = here.lease(&mut person, &["read"]);
    here.run(&["halt", &lease]).fine();
    // A first page sees to it that the halt is under a checkpoint.
    eventually("a checkpoint", || {
        let told = report(&here, &["--json"]).fine().json();
        (told["sound"] == true).then_some(())
    });
    let checkpoint = here.data().join("journal/control/checkpoint");
    let good = std::fs::read(&checkpoint).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(&checkpoint, bad).unwrap();

    let html = here.folder.path().join("r.html");
    let ran = report(&here, &["--html", html.to_str().unwrap()]);
    assert_eq!(ran.code, 4, "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains("THE JOURNAL DOES NOT VERIFY")
            && ran.err.contains("the control log is not what was written"),
        "{}",
        ran.err
    );
    let html = std::fs::read_to_string(html).unwrap();
    let (alarm, title) = (
        html.find("class=\"alarm\"").unwrap(),
        html.find("<h1>").unwrap(),
    );
    assert!(alarm < title, "{html}");
    assert!(html.contains("What was lost cannot be said"), "{html}");

    let ran = report(&here, &["--color", "always"]);
    assert_eq!(ran.code, 4);
    assert!(
        ran.out
            .starts_with("\x1b[1;31m**THE JOURNAL DOES NOT VERIFY"),
        "{}",
        ran.out
    );
    let told = report(&here, &["--json"]);
    assert_eq!((told.code, &told.json()["sound"]), (4, &Value::Bool(false)));

    // From the directory alone, too, and without a page if it cannot even be read.
    assert_eq!(serving.stop(), 0);
    let good = std::fs::read(&checkpoint).unwrap();
    let mut bad = good.clone();
    bad[middle] ^= 1;
    std::fs::write(&checkpoint, bad).unwrap();
    let ran = report(&here, &[]);
    assert_eq!(ran.code, 4, "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains("the control log is not what was written"),
        "{}",
        ran.err
    );
    std::fs::write(&checkpoint, good).unwrap();
    report(&here, &[]).fine();
}
