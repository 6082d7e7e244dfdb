//! Which entry a request is read by, and which objects it is of.

use super::*;
use crate::providers::IdempotencyToken;

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
