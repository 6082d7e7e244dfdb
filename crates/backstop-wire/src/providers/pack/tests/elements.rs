//! Entries that look at the elements of a list one by one.

use super::*;

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
