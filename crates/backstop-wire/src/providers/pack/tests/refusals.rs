//! What is no pack, and what it says then.

use super::*;

#[test]
fn refuses_what_says_too_little_or_too_much() {
    for (entries, what) in [
        ("colour = 1", "unknown field `colour`"),
        (
            "[[operation]]\neffect = \"read\"\ndoes = \"x\"",
            "missing field `match`",
        ),
        (
            "[[operation]]\nmatch = \"GET /a\"\neffect = \"read\"",
            "there is no sentence `does`",
        ),
        (
            "[[operation]]\nmatch = \"GET /a\"\ndoes = \"x\"",
            "neither an `effect`",
        ),
        (
            "[[operation]]\nmatch = \"GET /a\"\neffect = \"look\"\ndoes = \"x\"",
            "unknown variant `look`",
        ),
        (
            "[[operation]]\nmatch = \"GET /a\"\neffect = \"read\"\ndoes = \"x\"\nefect = 1",
            "unknown field `efect`",
        ),
        (
            "[[operation]]\nmatch = \"GET a\"\neffect = \"read\"\ndoes = \"x\"",
            "does not begin with a slash",
        ),
        (
            "[[operation]]\nmatch = \"GET /a\"\neffect = \"read\"\ndoes = \"x\"\nsafeguard = true",
            "`safeguard` does not go",
        ),
        (
            "[[operation]]\nmatch = \"GET /a\"\neffect = \"reveal\"\ndoes = \"x\"\nreveals = [\"x\"]",
            "not a JSON pointer",
        ),
        (
            "[[operation]]\nmatch = \"GET /a\"\neffect = \"read\"\ndoes = \"x\"\nobject = \"a.{b}\"",
            "the path has no `{b}`",
        ),
        (
            "[[operation]]\nmatch = \"GET /a\"\neffect = \"write\"\ndoes = \"x\"\nbound = 0",
            "`bound` is a number from 1",
        ),
        (
            "[[operation]]\nmatch = \"PUT /a\"\neffect = \"read\"\ndoes = \"x\"\nidempotency = \"body./a/b\"",
            "no member of the body itself",
        ),
        (
            "[[operation]]\nmatch = \"PUT /a\"\neffect = \"read\"\ndoes = \"x\"\nidempotency = \"path.a\"",
            "no place of an idempotency token",
        ),
        (
            "[[operation]]\nmatch = \"PUT /a\"\neffect = \"read\"\ndoes = \"x\"\nidempotency = \"header.X-A\"",
            "not in lower case",
        ),
        (
            "[[operation]]\nmatch = []\neffect = \"read\"\ndoes = \"x\"",
            "`match` is empty",
        ),
        (
            "[[operation]]\nmatch = \"POST /a\"\neffect = \"read\"\ndoes = \"x\"\nquotes = [\"a\"]",
            "not a JSON pointer",
        ),
        (
            "[[operation]]\nmatch = \"POST /a\"\neffect = \"read\"\ndoes = \"x\"\nquotes = [\"\"]",
            "names no member",
        ),
        (
            "[[operation]]\nmatch = \"POST /a\"\neffect = \"read\"\ndoes = \"x\"\nquotes = [\"/**\"]",
            "names no member",
        ),
        (
            "[[operation]]\nmatch = \"POST /a\"\neffect = \"read\"\ndoes = \"x\"\nquotes = [\"/a/**/b\"]",
            "stands last",
        ),
    ] {
        let error = refused(entries);
        assert!(error.contains(what), "{entries}\n{error}");
        assert!(error.contains("\nhint: "), "{error}");
    }
    let case = |test: &str| format!("{DELETE}\n[[operation.when]]\n{test}\neffect = \"read\"");
    for (test, what) in [
        ("at = \"query.a\"", "exactly one of"),
        ("at = \"query.a\"\nis = 1\npresent = true", "exactly one of"),
        ("at = \"query.a\"\npresent = false", "`true` or is left out"),
        ("at = \"cookie.a\"\npresent = true", "is no place"),
        (
            "at = \"path.other\"\npresent = true",
            "the path has no `{other}`",
        ),
        ("at = \"body.a\"\npresent = true", "not a JSON pointer"),
        ("at = \"body\"\npresent = true", "`only` goes with"),
        ("at = \"header.X\"\npresent = true", "not in lower case"),
        ("at = \"query.a\"\nis = 1\nwhy = 1", "unknown field `why`"),
        ("is = 1", "missing field `at`"),
        ("at = []\nis = 1", "names no place"),
        (
            "at = \"query.a\"\nis = 1\nquotes = true",
            "`false` or is left out",
        ),
        (
            "at = \"query.a\"\nis = 1\nand = [{ at = [\"query.a\", \"query.b\"], is = 1 }]",
            "of `and` has one place",
        ),
        (
            "each = \"/tools/*\"\nat = \"body./type\"\nis = 1",
            "no place for `each`",
        ),
        (
            "each = \"body\"\nat = \"body./type\"\nis = 1",
            "no place for `each`",
        ),
        (
            "each = \"body./tools/*\"\nat = \"body./type\"\nis = 1\ninstead = true",
            "go with a case that adds",
        ),
        (
            "at = [\"query.a\", \"query.b\"]\nis = 1\ninstead = true",
            "go with a case that adds",
        ),
        ("at = \"query.a\"\nbesides = [\"b\"]", "`only` goes with"),
    ] {
        let error = refused(&case(test));
        assert!(error.contains(what), "{test}\n{error}");
        assert!(
            error.starts_with("operation DELETE /projects/{project}: "),
            "{error}"
        );
    }
    assert!(
        refused(&format!(
            "{DELETE}\n[[operation.when]]\nat = \"query.a\"\nis = 1"
        ))
        .contains("says which `effect`")
    );
}

#[test]
fn refuses_two_entries_for_the_same_requests() {
    let other = DELETE.replace("{project}", "{other}");
    assert!(
        refused(&format!("{DELETE}{other}"))
            .contains("the same requests as `DELETE /projects/{project}`")
    );
    let more = DELETE.replace(
        "DELETE /projects/{project}",
        "POST|DELETE /projects/{project}",
    );
    assert!(refused(&format!("{DELETE}{more}")).contains("the same requests"));
}

#[test]
fn refuses_names_hosts_and_bases_that_are_none() {
    for (from, to) in [
        ("name = \"example\"", "name = \"Example One\""),
        ("\"api.example.com\"", "\"https://api.example.com\""),
        ("\"api.example.com\"", "\"API.example.com\""),
        ("\"*.example.dev\"", "\"*\""),
        ("\"*.example.dev\"", "\"*.com:443\""),
        ("\"/v1\"", "\"v1\""),
        ("\"/v1\"", "\"/v1/\""),
        ("base =", "variable = \"a_key\"\nbase ="),
        ("base =", "variable = \"X Y\"\nbase ="),
        ("base =", "everyone = \"yes\"\nbase ="),
    ] {
        assert!(Pack::parse(&HEAD.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn hosts_are_names_or_suffixes() {
    assert!(host_matches("api.example.com", "api.example.com"));
    assert!(!host_matches("api.example.com", "xapi.example.com"));
    assert!(host_matches("*.example.dev", "a.b.example.dev"));
    assert!(!host_matches("*.example.dev", "example.dev"));
    assert!(!host_matches("*.example.dev", ".example.dev"));
    assert!(!host_matches("*.example.dev", "evilexample.dev"));
}
