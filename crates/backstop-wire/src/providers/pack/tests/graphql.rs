//! Entries of GraphQL.

use super::*;

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
