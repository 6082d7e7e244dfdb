//! Entries that are worse or milder by their arguments.

use super::*;

pub(super) const PATCH: &str = r#"
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
