//! All built-in packs: they parse, their own tests hold, and no name that loses something is taken for harmless.

use backstop_core::effect::EffectKind;
use serde_json::json;

use super::*;
use crate::providers::pack::{request_of, words_of};

mod models;

fn written() -> impl Iterator<Item = (&'static str, &'static Pack)> {
    packs().iter().filter_map(|p| match p.reader {
        Reader::Pack(pack) | Reader::Calls(pack) => match pack.as_ref() {
            Ok(pack) => Some((p.name, pack)),
            Err(e) => panic!("{}: {e}", p.name),
        },
        _ => None,
    })
}

#[test]
fn every_pack_parses_under_its_own_name() {
    for (name, pack) in written() {
        assert_eq!(pack.name(), name);
        let hosts = by_name(name).unwrap().hosts;
        assert_eq!(pack.hosts(), hosts, "{name}");
        assert!(
            !pack.version().is_empty() && !pack.source().is_empty() && !pack.title().is_empty()
        );
    }
    assert_eq!(written().count(), 8);
}

#[test]
fn every_packs_own_tests_hold() {
    let mut failures = Vec::new();
    for (name, pack) in written() {
        assert!(!pack.trials().is_empty(), "{name} has no tests");
        failures.extend(pack.trials().iter().filter_map(|t| t.run(pack)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_pack_in_the_docs_is_one() {
    let page = include_str!("../../../../../docs/packs.md");
    let example = page
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let pack = Pack::parse(example.unwrap()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(pack.trials().len(), 3);
    let failures: Vec<_> = pack.trials().iter().filter_map(|t| t.run(&pack)).collect();
    assert!(failures.is_empty(), "{failures:?}");
}

/// A request or a call that an entry matches: placeholders filled in.
fn example(pack: &Pack, matches: &str) -> Reading {
    let (methods, path) = matches.split_once(' ').unwrap();
    let method = methods.split('|').next().unwrap();
    if matches!(method, "mutation" | "query" | "subscription") {
        let call = Call {
            kind: method,
            field: path,
            arguments: &json!({}),
            selects: &[],
        };
        let mut reading = Reading::default();
        pack.read_call(&call, &mut reading);
        return reading;
    }
    let filled: Vec<_> = path
        .split('/')
        .map(|s| match s.split_once('}') {
            Some((_, verb)) => format!("x1{verb}"),
            None => s.to_owned(),
        })
        .collect();
    let base = match pack.name() {
        "neon" => "/api/v2",
        "anthropic" | "openai" => "/v1",
        "gemini" => "/v1beta",
        _ => "",
    };
    pack.read(&request_of(
        &format!("{method} {base}{}", filled.join("/")),
        &[],
        None,
    ))
}

#[test]
fn no_operation_that_loses_something_by_name_is_harmless() {
    let losing = [
        "delet", "remov", "destroy", "purg", "revok", "wip", "truncat", "reset", "drop",
    ];
    let mut wrong = Vec::new();
    for (name, pack) in written() {
        for (matches, id) in pack.listed() {
            let reading = example(pack, matches);
            let does = reading.operations.first().map_or("", |o| o.does.as_str());
            if !does.ends_with('.') || does.len() < 8 {
                wrong.push(format!("{name}: {matches} has no sentence: {does:?}"));
            }
            let said = id.unwrap_or(matches).to_lowercase();
            let loses = matches.starts_with("DELETE") || losing.iter().any(|w| said.contains(w));
            let harmless = reading
                .analysis
                .effects
                .iter()
                .all(|e| matches!(e.kind, EffectKind::Read | EffectKind::Define));
            // What reads says so in its method; GitHub's settings of who may delete are no deletions.
            if loses && harmless && !matches.starts_with("GET ") {
                wrong.push(format!("{name}: {matches} ({said}) is harmless"));
            }
            // Entries of one trie can hide one another only by being more exact.
            if reading.operations.first().is_none_or(|o| o.name != matches) {
                wrong.push(format!(
                    "{name}: {matches} is read as {:?}",
                    reading.operations
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_reviewed_is_in_the_specification() {
    for (name, whole, base) in [
        (
            "github",
            &GITHUB,
            include_str!("../../../packs/github/pack.toml"),
        ),
        (
            "github-graphql",
            &GITHUB_GRAPHQL,
            include_str!("../../../packs/github-graphql/pack.toml"),
        ),
        ("neon", &NEON, include_str!("../../../packs/neon/pack.toml")),
        (
            "supabase",
            &SUPABASE,
            include_str!("../../../packs/supabase/pack.toml"),
        ),
    ] {
        let generated = Pack::parse(base).unwrap_or_else(|e| panic!("{name}: {e}"));
        let whole = whole.as_ref().unwrap();
        for (matches, _) in whole.listed() {
            let there = example(&generated, matches);
            assert!(
                there
                    .operations
                    .first()
                    .is_some_and(|o| !o.name.ends_with("unknown path"))
                    && there
                        .analysis
                        .incomplete
                        .iter()
                        .all(|r| !r.contains("no entry")),
                "{name}: {matches} is reviewed, but not in the specification"
            );
        }
    }
}

#[test]
fn github_has_all_operations() {
    let pack = by_name("github").and_then(Provider::pack).unwrap();
    let generated = Pack::parse(include_str!("../../../packs/github/pack.toml")).unwrap();
    assert!(generated.operations() >= 1200);
    for (matches, _) in generated.listed() {
        let reading = example(pack, matches);
        assert!(
            reading.analysis.incomplete.is_empty(),
            "{matches}: {:?}",
            reading.analysis.incomplete
        );
    }
}

#[test]
fn the_host_says_which_pack_reads() {
    for (host, name) in [
        ("api.github.com", Some("github")),
        ("abc.supabase.co", Some("supabase-data")),
        ("api.supabase.com", Some("supabase")),
        ("console.neon.tech", Some("neon")),
        ("s3.eu-west-1.amazonaws.com", Some("aws")),
        ("api.anthropic.com", Some("anthropic")),
        ("api.openai.com", Some("openai")),
        ("generativelanguage.googleapis.com", Some("gemini")),
        ("supabase.co", None),
        ("api.github.com.evil.test", None),
    ] {
        assert_eq!(for_host(host).map(|p| p.name), name, "{host}");
    }
}

#[test]
fn what_no_pack_knows_is_never_complete() {
    for (asked, pack) in [
        ("GET https://unknown.test/a", None),
        ("GET https://api.github.com/user", Some("no-such-pack")),
        ("GET https://api.github.com/user", Some("railway")),
        (
            "POST https://api.github.com/graphql",
            Some("github-graphql"),
        ),
    ] {
        let reading = read(&request_of(asked, &[], None), pack);
        assert!(!reading.analysis.is_complete(), "{asked}");
    }
    let bucket = read(
        &request_of("GET https://s3.amazonaws.com/bucket", &[], None),
        None,
    );
    assert_eq!(bucket.provider, "aws");
    assert!(bucket.analysis.is_read());
    let unknown = read(&request_of("GET https://unknown.test/a", &[], None), None);
    assert_eq!(unknown.provider, "");
    let chosen = read(
        &request_of("GET https://unknown.test/a", &[], None),
        Some("generic-rest"),
    );
    assert!(chosen.analysis.is_read());
    assert!(
        !read_calls(&[], Some("github-graphql"))
            .analysis
            .is_complete()
    );
}

#[test]
fn calls_are_read_by_the_pack_that_is_named() {
    let arguments = json!({"input": {"refId": "R1"}});
    let call = Call {
        kind: "mutation",
        field: "deleteRef",
        arguments: &arguments,
        selects: &["clientMutationId"],
    };
    let words = |pack| -> Vec<String> {
        read_calls(&[call], pack)
            .analysis
            .effects
            .iter()
            .map(words_of)
            .collect()
    };
    assert_eq!(words(Some("github-graphql")), ["destroy drop ref.\"R1\""]);
    assert_eq!(words(None), ["destroy drop mutation.\"deleteRef\""]);
    assert_eq!(
        words(Some("github")),
        ["destroy drop mutation.\"deleteRef\""]
    );
    let secret = Call {
        kind: "query",
        field: "repository",
        selects: &["tempCloneToken"],
        ..call
    };
    let reading = read_calls(&[secret], Some("github-graphql"));
    assert_eq!(reading.analysis.worst(), EffectKind::Reveal);
}
