//! What a pack takes and refuses, and how it reads.

use serde_json::json;

use super::*;
use crate::http::{Body, Carried};
use crate::providers::IdempotencyToken;

const HEAD: &str = r#"
name = "example"
title = "Example Cloud"
source = "Example Cloud API reference"
version = "v1"
hosts = ["api.example.com", "*.example.dev"]
base = "/v1"
"#;

fn pack(entries: &str) -> Pack {
    Pack::parse(&format!("{HEAD}\n{entries}")).unwrap_or_else(|e| panic!("{e}"))
}

fn refused(entries: &str) -> String {
    match Pack::parse(&format!("{HEAD}\n{entries}")) {
        Ok(_) => panic!("taken: {entries}"),
        Err(e) => e.to_string(),
    }
}

const DELETE: &str = r#"
[[operation]]
match = "DELETE /projects/{project}"
effect = "destroy"
object = "project.{project}"
does = "Deletes the project."
grace = "7 days"
"#;

fn effects(pack: &Pack, request: &crate::http::Request) -> Vec<String> {
    let effects = pack.read(request).analysis.effects;
    effects.iter().map(words_of).collect()
}

#[test]
fn reads_by_the_entry_that_matches() {
    let pack = pack(DELETE);
    let reading = pack.read(&request_of("DELETE /v1/projects/p-1", &[], None));
    assert_eq!(reading.provider, "example");
    assert!(reading.analysis.is_complete());
    assert_eq!(
        words_of(&reading.analysis.effects[0]),
        "destroy drop project.\"p-1\""
    );
    let operation = &reading.operations[0];
    assert_eq!(operation.name, "DELETE /projects/{project}");
    assert_eq!(operation.grace.as_deref(), Some("7 days"));
    assert_eq!(operation.knowledge, Knowledge::Reviewed);
    for asked in [
        "DELETE /projects/p1",
        "DELETE /v1/projects",
        "DELETE /v1/projects/p1/x",
        "GET /v1/projects/p1",
        "BREW /v1/projects/p1",
    ] {
        let reading = pack.read(&request_of(asked, &[], None));
        assert!(!reading.analysis.is_complete(), "{asked}");
    }
}

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

const PATCH: &str = r#"
[[operation]]
match = "PATCH /projects/{project}"
effect = "write"
object = "project.{project}"
bound = 1
reversible = true
grace = "7 days"
does = "Changes the project."

[[operation.when]]
at = "query.dry_run"
is = true
instead = true
effect = "read"
does = "Tries it."

[[operation.when]]
at = "body./settings/protected"
is = false
effect = "admin"
safeguard = true
does = "Takes its protection away."

[[operation.when]]
at = "body./retention"
less-than = 7
effect = "destroy"
safeguard = true
does = "Keeps backups for less than a week."
"#;

const BASE: &str = "write update project.p1 (reversible)";
const OPEN: &str = "admin other project.p1 (safeguard)";
const SHORT: &str = "destroy drop project.p1 (safeguard)";

#[test]
fn worse_is_looked_for_generously_and_milder_strictly() {
    let pack = pack(PATCH);
    for (query, body, expected) in [
        ("", json!({"name": "x"}), &[BASE][..]),
        ("", json!({"settings": {"protected": true}}), &[BASE]),
        ("", json!({"settings": {"protected": false}}), &[BASE, OPEN]),
        (
            "",
            json!({"Settings": {"PROTECTED": "False"}}),
            &[BASE, OPEN],
        ),
        ("", json!({"settings": {"protected": 0}}), &[BASE, OPEN]),
        ("", json!({"retention": 3}), &[BASE, SHORT]),
        ("", json!({"retention": "3"}), &[BASE, SHORT]),
        ("", json!({"retention": 30}), &[BASE]),
        ("?retention=1", json!({}), &[BASE, SHORT]),
        (
            "?dry_run=true",
            json!({"retention": 1}),
            &["read read project.p1"],
        ),
        ("?dry_run=1", json!({"retention": 1}), &[BASE, SHORT]),
        ("?Dry_run=true", json!({}), &[BASE]),
        ("?dry_run=true&dry_run=false", json!({}), &[BASE]),
        ("", json!({"dry_run": true}), &[BASE]),
    ] {
        let asked = format!("PATCH /v1/projects/p1{query}");
        let request = request_of(&asked, &[], Some(body.clone()));
        assert_eq!(effects(&pack, &request), expected, "{query} {body}");
        assert!(pack.read(&request).analysis.is_complete(), "{query} {body}");
    }
}

#[test]
fn a_body_that_hides_what_decides_is_incomplete() {
    let pack = pack(PATCH);
    let plain = request_of("PATCH /v1/projects/p1", &[], None);
    assert!(pack.read(&plain).analysis.is_complete());
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    for (body, complete) in [
        (Body::Xml("<a/>".into()), false),
        (
            Body::Bytes {
                media_type: String::new(),
                bytes: Carried(vec![1]),
            },
            false,
        ),
        (
            Body::Streamed {
                media_type: "application/json".into(),
                length: None,
            },
            false,
        ),
        (
            Body::Text {
                media_type: "text/plain".into(),
                text: "{}".into(),
            },
            false,
        ),
        (Body::Multipart(Vec::new()), false),
        (Body::Form(vec![pair("name", "x")]), true),
        // curl's `-d` without a media type.
        (Body::Form(vec![pair("{\"name\":\"x\"}", "")]), false),
        (Body::Json(json!({"retention": null})), false),
        (Body::Json(json!({"retention": {"days": 1}})), false),
        (
            Body::Json(json!({"settings": {"protected": [false]}})),
            false,
        ),
    ] {
        let mut request = plain.clone();
        request.body = body;
        let reading = pack.read(&request);
        assert_eq!(
            reading.analysis.is_complete(),
            complete,
            "{:?}",
            request.body
        );
    }
    let mut request = plain;
    request.body = Body::Form(vec![pair("settings[protected]", "off"), pair("x", "y")]);
    assert_eq!(effects(&pack, &request), [BASE, OPEN]);
}

#[test]
fn a_grace_counts_only_where_all_agree() {
    let pack = pack(PATCH);
    let grace = |body| {
        let request = request_of("PATCH /v1/projects/p1", &[], Some(body));
        let operation = pack.read(&request).operations.remove(0);
        (operation.grace, operation.does)
    };
    assert_eq!(
        grace(json!({})),
        (Some("7 days".to_owned()), "Changes the project.".to_owned())
    );
    assert_eq!(
        grace(json!({"retention": 1})),
        (
            None,
            "Changes the project. Keeps backups for less than a week.".to_owned()
        )
    );
}

#[test]
fn a_missing_name_is_not_made_up_in_another_case() {
    let pack = pack(
        r#"
[[operation]]
match = "DELETE /rows"
effect = "write"
does = "Deletes rows."

[[operation.when]]
at = "query.where"
absent = true
effect = "destroy"
does = "All of them."

[[operation.when]]
at = "query.soft"
absent = true
instead = true
and = [{ at = "query.hard", absent = true }, { at = "query.where", is = "id" }]
effect = "write"
bound = 1
does = "Deletes one row."
"#,
    );
    for (query, expected) in [
        ("", &["write delete (unbounded)", "destroy drop"][..]),
        ("?Where=a", &["write delete (unbounded)", "destroy drop"]),
        ("?where=a", &["write delete (unbounded)"]),
        ("?where=id", &["write delete"]),
        ("?where=id&HARD=1", &["write delete (unbounded)"]),
    ] {
        let request = request_of(&format!("DELETE /v1/rows{query}"), &[], None);
        assert_eq!(effects(&pack, &request), expected, "{query}");
    }
}

#[test]
fn only_what_is_listed_is_milder() {
    let pack = pack(
        r#"
[[operation]]
match = "PATCH /projects/{project}"
effect = "admin"
does = "Changes the project."

[[operation.when]]
at = "body"
only = ["project"]
and = [{ at = "body./project", only = ["name"] }]
instead = true
effect = "write"
bound = 1
does = "Renames it."

[[operation.when]]
at = "body./project/public"
is = true
effect = "escape"
does = "Opens it."
"#,
    );
    let (mild, base) = ("write update", "admin other");
    for (query, body, expected) in [
        ("", json!({"project": {"name": "x"}}), &[mild][..]),
        ("", json!({"project": {"name": "x", "Name": "y"}}), &[base]),
        (
            "",
            json!({"project": {"name": "x", "public": true}}),
            &[base, "escape other"],
        ),
        ("", json!({"project": {}}), &[base]),
        ("", json!({"project": "x"}), &[base]),
        ("", json!({}), &[base]),
        ("", json!([]), &[base]),
        ("", serde_json::Value::Null, &[base]),
        // Some servers read the query for the body.
        ("?public=true", json!({"project": {"name": "x"}}), &[base]),
    ] {
        let asked = format!("PATCH /v1/projects/p1{query}");
        let request = request_of(&asked, &[], Some(body.clone()));
        assert_eq!(effects(&pack, &request), expected, "{query} {body}");
    }
    let none = request_of("PATCH /v1/projects/p1", &[], None);
    assert_eq!(effects(&pack, &none), [base]);
}

const CHAT: &str = r#"
[[operation]]
match = "POST /{model}:chat"
effect = "read"
object = "model.{model}"
quotes = ["/system", "/turns/*/text", "/turns/*/call/**"]
does = "Answers."

[[operation.when]]
each = "body./tools/*"
at = "body./kind"
is = "search"
and = [{ at = "body./live", absent = true }]
effect = "escape"
does = "Lets the model search the web."

[[operation.when]]
each = "body./tools/*"
at = "body"
besides = ["kind", "live", "name"]
incomplete = "a tool says something that the pack does not know"

[[operation.when]]
at = "body./before"
present = true
quotes = false

[[operation.when]]
at = ["body./turns/*/picture", "body./cover"]
not-begins = "data:"
effect = "escape"
does = "Fetches a picture."
"#;

#[test]
fn elements_are_looked_at_one_by_one() {
    let pack = pack(CHAT);
    let read = "read read model.m";
    let escape = "escape other model.m";
    for (body, expected, complete) in [
        (json!({}), &[read][..], true),
        (json!({"tools": null}), &[read], true),
        (json!({"tools": []}), &[read], true),
        (
            json!({"tools": [{"kind": "search", "live": false}]}),
            &[read],
            true,
        ),
        // What one element lacks, another does not have for it.
        (
            json!({"tools": [{"kind": "search", "live": false}, {"kind": "search"}]}),
            &[read, escape],
            true,
        ),
        (
            json!({"tools": [{"kind": "name", "live": false}, {"Kind": "Search"}]}),
            &[read, escape],
            false,
        ),
        (json!({"tools": [{"server": "x"}]}), &[read], false),
        (json!({"tools": ["search"]}), &[read], false),
        (
            json!({"tools": {"a": {"kind": "search"}}}),
            &[read, escape],
            true,
        ),
        (json!({"cover": null}), &[read], true),
        (json!({"cover": "data:x"}), &[read], true),
        (json!({"cover": " data:x"}), &[read, escape], true),
        (json!({"cover": "https://a.example"}), &[read, escape], true),
        (json!({"cover": ["data:x"]}), &[read], false),
        (
            json!({"turns": [{"picture": "data:x"}, {"picture": "//a.example"}]}),
            &[read, escape],
            true,
        ),
    ] {
        let request = request_of("POST /v1/m:chat", &[], Some(body.clone()));
        assert_eq!(effects(&pack, &request), expected, "{body}");
        let reading = pack.read(&request);
        assert_eq!(reading.analysis.is_complete(), complete, "{body}");
        // INVARIANT 1: nothing is only quoted where it could go elsewhere, or nobody knows.
        let quotes = complete && expected.len() == 1;
        assert_eq!(!reading.quoted().is_empty(), quotes, "{body}");
    }
    // A body that is no JSON has elements that nobody sees.
    for body in [
        Body::Form(vec![("tools[0][kind]".into(), "search".into())]),
        Body::Text {
            media_type: "text/plain".into(),
            text: "{}".into(),
        },
        Body::Streamed {
            media_type: "application/json".into(),
            length: None,
        },
    ] {
        let mut request = request_of("POST /v1/m:chat", &[], None);
        request.body = body;
        let reading = pack.read(&request);
        assert!(!reading.analysis.is_complete(), "{request:?}");
        assert!(reading.quoted().is_empty(), "{request:?}");
    }
}

#[test]
fn what_is_quoted_is_of_the_operation_alone() {
    let pack = pack(CHAT);
    assert!(pack.quotes());
    assert!(!super::Pack::parse(HEAD).unwrap().quotes());
    let before = request_of("POST /v1/m:chat", &[], Some(json!({"before": "r-1"})));
    let before = pack.read(&before);
    assert!(before.analysis.is_read());
    assert!(before.quoted().is_empty(), "a case says so");
    for (asked, quotes) in [
        ("POST /v1/m:chat", true),
        ("POST /v1/m:Chat", false),
        ("POST /v1/m", false),
        ("POST /v1/a/m:chat", false),
        ("POST /m:chat", false),
        ("PUT /v1/m:chat", false),
        ("GET /v1/m:chat", false),
        ("POST /v1/a%2Fm:chat", true),
        ("POST /v1/..%2Fm:chat", false),
    ] {
        let reading = pack.read(&request_of(asked, &[], None));
        assert_eq!(!reading.quoted().is_empty(), quotes, "{asked}");
    }
    let upgrade = request_of("POST /v1/m:chat", &[("upgrade", "websocket")], None);
    assert!(pack.read(&upgrade).quoted().is_empty());
}

#[test]
fn an_encoded_slash_must_not_lead_elsewhere() {
    let pack = pack(
        r#"
[[operation]]
match = "DELETE /files/{file}"
effect = "write"
bound = 1
object = "file.{file}"
does = "Deletes a file."

[[operation]]
match = "DELETE /files/{file}/history"
effect = "destroy"
does = "Deletes all versions."
"#,
    );
    for (path, complete) in [
        ("/v1/files/a", true),
        ("/v1/files/a%2Fb", true),
        ("/v1/files/a%2Fhistory", false),
        ("/v1/files/a%5Chistory", false),
        ("/v1/files/..%2F..%2Fx", false),
    ] {
        let reading = pack.read(&request_of(&format!("DELETE {path}"), &[], None));
        assert_eq!(reading.analysis.is_complete(), complete, "{path}");
    }
}

#[test]
fn a_token_stands_where_the_entry_says_unless_it_may_be_another_operation() {
    let entry = DELETE.replace(
        "grace =",
        "idempotency = [\"query.token\", \"header.x-token\", \"body./client_token\"]\ngrace =",
    );
    let more = "[[operation]]\nmatch = \"DELETE /projects/{project}/all\"\neffect = \"destroy\"\ndoes = \"x\"";
    let pack = pack(&format!("{entry}\n{more}"));
    let tokens = |asked: &str| pack.read(&request_of(asked, &[], None)).tokens;
    assert_eq!(
        tokens("DELETE /v1/projects/p1"),
        [
            IdempotencyToken::Query("token".into()),
            IdempotencyToken::Header("x-token".into()),
            IdempotencyToken::Body("client_token".into()),
        ]
    );
    for asked in [
        "DELETE /v1/projects/p1%2Fall",
        "DELETE /v1/projects/p1/all",
        "DELETE /v1/other/p1",
    ] {
        assert!(tokens(asked).is_empty(), "{asked}");
    }
    let graphql = HEAD.replace("base =", "protocol = \"graphql\"\nbase =");
    let entry = "[[operation]]\nmatch = \"mutation a\"\neffect = \"read\"\ndoes = \"x\"\nidempotency = \"body./a\"";
    let error = Pack::parse(&format!("{graphql}\n{entry}")).unwrap_err();
    assert!(error.to_string().contains("not for GraphQL"), "{error}");
}

#[test]
fn reads_without_an_entry_are_reads_only_where_the_pack_says_so() {
    let by_method = Pack::parse(&format!("{HEAD}\nreads = \"by-method\"")).unwrap();
    let listed = pack("");
    for (asked, known) in [
        ("GET /v1/things", true),
        ("HEAD /v1/things", true),
        ("OPTIONS /v1/things", true),
        ("GET /v1/things/delete", false),
        ("GET /v2/things", false),
        ("GET /", false),
        ("POST /v1/things", false),
        ("TRACE /v1/things", false),
    ] {
        let request = request_of(asked, &[], None);
        assert_eq!(
            by_method.read(&request).analysis.is_complete(),
            known,
            "{asked}"
        );
        assert!(!listed.read(&request).analysis.is_complete(), "{asked}");
    }
    let keys = by_method.read(&request_of("GET /v1/api-keys", &[], None));
    assert_eq!(
        words_of(&keys.analysis.effects[0]),
        "reveal read path.\"/v1/api-keys\""
    );
}

#[test]
fn a_head_is_a_get_without_a_body() {
    let pack = pack("[[operation]]\nmatch = \"GET /a\"\neffect = \"read\"\ndoes = \"Reads.\"");
    assert!(
        pack.read(&request_of("HEAD /v1/a", &[], None))
            .analysis
            .is_read()
    );
    let upgrade = request_of("GET /v1/a", &[("upgrade", "websocket")], None);
    assert!(!pack.read(&upgrade).analysis.is_complete());
}

#[test]
fn objects_are_quoted_and_never_made_from_two_values() {
    let pack = pack(
        r#"
[[operation]]
match = "POST /a/{b}/{rest...}"
effect = "define"
object = "thing.{b}/{rest}:{query.q}"
does = "Makes a thing."

[[operation]]
match = "POST /b"
effect = ["reveal", "admin"]
object = "thing.{body./names/*}"
reveals = ["/token"]
does = "Makes a token."
"#,
    );
    for (asked, body, expected) in [
        (
            "POST /v1/a/x/y/z?q=1",
            None,
            &["define create thing.\"x/y/z:1\""][..],
        ),
        ("POST /v1/a/x/y/z?q=1&q=2", None, &["define create thing"]),
        (
            "POST /v1/a/x%22/y?q=1",
            None,
            &["define create thing.\"x\"\"/y:1\""],
        ),
        (
            "POST /v1/b",
            Some(json!({"names": ["one"]})),
            &["reveal read thing.one", "admin other thing.one"],
        ),
        (
            "POST /v1/b",
            Some(json!({"names": ["one", "two"]})),
            &["reveal read thing", "admin other thing"],
        ),
        (
            "POST /v1/b",
            Some(json!({"names": [{"a": 1}]})),
            &["reveal read thing", "admin other thing"],
        ),
    ] {
        assert_eq!(
            effects(&pack, &request_of(asked, &[], body)),
            expected,
            "{asked}"
        );
    }
}

#[test]
fn a_later_layer_stands_in_the_place_of_an_earlier_one() {
    let base = format!("{HEAD}\nknowledge = \"generated\"\n{DELETE}");
    let layer = "[[operation]]\nmatch = \"DELETE /projects/{id}\"\neffect = \"admin\"\ndoes = \"Archives it.\"";
    let pack = Pack::layered(&[&base, layer]).unwrap();
    let reading = pack.read(&request_of("DELETE /v1/projects/p1", &[], None));
    assert_eq!(words_of(&reading.analysis.effects[0]), "admin other");
    assert_eq!(reading.operations[0].knowledge, Knowledge::Reviewed);
    assert!(Pack::layered(&[&base, &format!("{layer}\n{layer}")]).is_err());
    assert!(Pack::layered(&[&base, "name = \"x\""]).is_err());
    assert!(Pack::layered(&[]).is_err());
}

#[test]
fn a_packs_own_tests_fail_where_it_reads_otherwise() {
    let with = |test: &str| {
        let pack = pack(&format!(
            "{DELETE}\n[[test]]\nrequest = \"DELETE /v1/projects/p1\"\n{test}"
        ));
        pack.trials()[0].run(&pack)
    };
    assert_eq!(with("effects = [\"destroy drop project.p1\"]"), None);
    assert!(with("effects = [\"write delete project.p1\"]").is_some());
    assert!(with("effects = [\"destroy drop project.p1\"]\nincomplete = true").is_some());
    assert!(with("effects = [\"destroy drop project.p1\"]\noperation = \"x\"").is_some());
    for bad in [
        "request = \"DELETE\"",
        "request = \"GET /\"\nbody = \"{\"",
        "request = \"GET /\"\ncolour = 1",
    ] {
        assert!(
            Pack::parse(&format!("{HEAD}\n[[test]]\n{bad}")).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn graphql_entries_look_at_arguments() {
    let text = r#"
name = "example-graphql"
title = "Example"
source = "schema"
version = "1"
protocol = "graphql"
reads = "by-method"
reveal-fields = ["cloneToken"]

[[operation]]
match = "mutation volumeUpdate"
effect = "write"
object = "volume.{argument./input/id}"
bound = 1
does = "Changes a volume."

[[operation.when]]
at = "argument./input/mountPath"
empty = true
effect = "destroy"
does = "Detaches it."
"#;
    let pack = Pack::parse(text).unwrap();
    let read = |kind, field, arguments: &serde_json::Value, selects: &[&str]| {
        let mut reading = crate::providers::Reading::default();
        let call = Call {
            kind,
            field,
            arguments,
            selects,
        };
        pack.read_call(&call, &mut reading);
        let words: Vec<_> = reading.analysis.effects.iter().map(words_of).collect();
        (words.join("; "), reading.analysis.is_complete())
    };
    for (kind, field, arguments, selects, expected) in [
        (
            "mutation",
            "volumeUpdate",
            json!({"input": {"id": "v1"}}),
            &[][..],
            ("write update volume.v1", true),
        ),
        (
            "mutation",
            "volumeUpdate",
            json!({"input": {"id": "v1", "mountPath": null}}),
            &[],
            ("write update volume.v1; destroy drop volume.v1", true),
        ),
        (
            "mutation",
            "volumeDelete",
            json!({}),
            &[],
            ("destroy drop mutation.\"volumeDelete\"", false),
        ),
        (
            "query",
            "project",
            json!({}),
            &["id"],
            ("read read query.project", true),
        ),
        (
            "query",
            "project",
            json!({}),
            &["id", "cloneToken"],
            (
                "read read query.project; reveal read field.\"cloneToken\"",
                true,
            ),
        ),
    ] {
        let (words, complete) = read(kind, field, &arguments, selects);
        assert_eq!((words.as_str(), complete), expected, "{field}");
    }
    let request = request_of("POST /graphql", &[], Some(json!({})));
    assert!(!pack.read(&request).analysis.is_complete());
}

proptest::proptest! {
    /// No text makes the reader of packs, or the reading by one, fail otherwise than by an error.
    #[test]
    fn any_request_is_read(method in "[A-Z]{1,8}", path in "(/[a-z%{}.*]{0,6}){0,6}", name in ".{0,12}", value in ".{0,12}") {
        let pack = pack(&format!("{DELETE}{PATCH}"));
        let mut request = request_of("GET /", &[], Some(json!({name.clone(): value.clone()})));
        request.method = method;
        request.segments = path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        request.query = vec![(name, value)];
        let reading = pack.read(&request);
        proptest::prop_assert!(!reading.operations.is_empty());
        // What is complete was matched by an entry.
        if reading.analysis.is_complete() {
            proptest::prop_assert!(matches!(request.method.as_str(), "DELETE" | "PATCH"));
            proptest::prop_assert_eq!(request.segments.len(), 3);
        }
    }

    #[test]
    fn any_text_is_a_pack_or_an_error(text in "(name|match|effect|\\[\\[operation\\]\\]|[= \"\\n{}/a-z]){0,40}") {
        let _ = Pack::parse(&text);
    }
}
