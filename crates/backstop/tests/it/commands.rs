//! Help, completions, exit codes and the grammar of errors.

use std::fmt::Write;

use crate::support::run;

/// Every verb that is there, with its sub-verbs.
const VERBS: [&[&str]; 42] = [
    &[],
    &["init"],
    &["serve"],
    &["adopt"],
    &["lease"],
    &["lease", "create"],
    &["lease", "list"],
    &["lease", "revoke"],
    &["lease", "narrow"],
    &["holds"],
    &["approve"],
    &["deny"],
    &["halt"],
    &["resume"],
    &["freeze"],
    &["judge", "postgres"],
    &["judge", "http"],
    &["journal"],
    &["journal", "tail"],
    &["journal", "show"],
    &["journal", "verify"],
    &["journal", "report"],
    &["journal", "rebuild"],
    &["vault"],
    &["vault", "init"],
    &["vault", "serve"],
    &["vault", "list"],
    &["vault", "verify"],
    &["vault", "drill"],
    &["vault", "restore"],
    &["vault", "delete"],
    &["vault", "deletions"],
    &["vault", "sign"],
    &["vault", "cancel"],
    &["vault", "lift"],
    &["vault", "people"],
    &["scopes"],
    &["undo"],
    &["status"],
    &["doctor"],
    &["demo"],
    &["completions"],
];

/// `docs/commands.md` is what `--help` says; `UPDATE_DOCS=1` writes it anew.
#[test]
fn the_documentation_says_what_help_says() {
    let mut page = String::from(
        "# Commands\n\nWritten by a test from `--help`; `UPDATE_DOCS=1 cargo test -p backstop the_documentation` writes it anew.\n",
    );
    for verb in VERBS {
        let mut arguments = verb.to_vec();
        arguments.push("--help");
        let help = run(&arguments).fine().out;
        let name = std::iter::once("backstop")
            .chain(verb.iter().copied())
            .collect::<Vec<_>>()
            .join(" ");
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let whole = lines.join("\n");
        // The options that every command has are explained once.
        let shared = whole.split_once("Options for every command:");
        let after = |rest: &str| {
            rest.split_once("and errors")
                .map_or(String::new(), |(_, more)| more.to_owned())
        };
        let text = match shared {
            Some((own, rest)) if !verb.is_empty() => {
                format!("{}\n{}", own.trim_end(), after(rest).trim_end())
            }
            _ => whole.clone(),
        };
        write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", text.trim()).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "docs/commands.md is not what --help says; UPDATE_DOCS=1 writes it anew"
    );
}

#[test]
fn every_verb_has_help_that_says_what_it_does() {
    for verb in VERBS {
        let mut arguments = verb.to_vec();
        arguments.push("--help");
        let ran = run(&arguments);
        assert_eq!(ran.code, 0, "{verb:?}");
        assert!(ran.out.contains("Usage: backstop"), "{verb:?}: {}", ran.out);
    }
}

#[test]
fn completions_name_every_verb() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).fine().out;
        for verb in ["lease", "holds", "judge", "journal", "vault", "doctor"] {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
    }
}

#[test]
fn usage_errors_exit_with_two() {
    for arguments in [
        &["nonsense"][..],
        &["lease", "create", "--target", "t", "--task", "x"],
        &[
            "lease", "create", "--target", "t", "--task", "x", "--scope", "drop:x",
        ],
        &[
            "lease", "create", "--target", "t", "--task", "x", "--scope", "read", "--ttl", "soon",
        ],
        &["halt"],
        &["init", "--target", "x"],
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(
            ran.err.contains("error:") && ran.out.is_empty(),
            "{arguments:?}: {}",
            ran.err
        );
    }
}

#[test]
fn a_failure_says_what_why_and_what_to_do() {
    let ran = run(&["status", "--config", "/nonexistent/backstop.toml"]);
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.err,
        "error: cannot read the configuration `/nonexistent/backstop.toml`\n  caused by: No such file or directory (os error 2)\nhint: `backstop init` writes one; `--config PATH` or BACKSTOP_CONFIG names another\n"
    );
    let ran = run(&["--json", "status", "--config", "/nonexistent/backstop.toml"]);
    let told: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(told["exit"], 2);
    assert!(told["hint"].as_str().unwrap().contains("backstop init"));
}

#[test]
fn colour_is_used_only_when_wanted() {
    let plain = run(&["status", "--config", "/nonexistent/x"]);
    assert!(!plain.err.contains('\x1b'));
    let coloured = run(&["--color", "always", "status", "--config", "/nonexistent/x"]);
    assert!(coloured.err.contains("\x1b[1;31merror:"));
}

/// What a program that asked for JSON gets wrong on the command line is told to it in JSON.
#[test]
fn usage_errors_are_json_for_programs() {
    for (arguments, part) in [
        (&["--json", "halt"][..], "<LEASE|--all>"),
        (&["lease", "narrow", "lease_a", "--json"], "--scope <SCOPE>"),
        (&["--json", "init", "--target", "x"], "--dsn <DSN>"),
        (&["--json", "nonsense"], "nonsense"),
    ] {
        let ran = run(arguments);
        let told: serde_json::Value =
            serde_json::from_str(&ran.err).unwrap_or_else(|e| panic!("{e}: {}", ran.err));
        assert_eq!((ran.code, &told["exit"]), (2, &serde_json::json!(2)));
        let error = told["error"].as_str().unwrap();
        assert!(error.contains(part) && !error.contains('\n'), "{error}");
        assert!(told["hint"].as_str().unwrap().contains("--help"));
    }
}

/// `backstop … | head` has seen enough: nobody is told that the pipe is closed.
#[test]
fn a_closed_pipe_is_no_news() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = crate::support::backstop()
        .args(["completions", "bash"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
}
