//! What runs, with which arguments; and everything that is refused or not known.

use serde_json::{Value, json};

use super::*;

const SDL: &str = "
type Query { thing(id: ID!): Thing things(first: Int = 10, kind: Kind): [Thing!]! any: Any node(id: ID!): Node f(x: Float, b: Boolean, j: JSON, l: [[Int!]]): String }
type Mutation { delete(id: String!, force: Boolean = false): Boolean! set(input: In!): Thing rename(id: String, to: String!): Thing }
type Subscription { changes(id: ID): Thing other: Int }
interface Node { id: ID! }
type Thing implements Node { id: ID! name(upper: Boolean): String parts: [Part!]! kind: Kind }
type Part implements Node { id: ID! of: Thing! size: Int name: String! }
union Any = Thing | Part
input In { id: ID! names: [String!] kind: Kind = A more: In count: Int }
enum Kind { A B }
scalar JSON
";

fn incoming(variables: Value) -> Incoming {
    Incoming {
        over: Over::Post,
        document: None,
        hash: None,
        operation: None,
        variables: variables.as_object().unwrap().clone(),
        place: None,
    }
}

/// As text, keys in order: a dependency of tests has serde_json keep them as they came.
fn plain(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let sorted: std::collections::BTreeMap<_, _> = object.iter().collect();
            let pairs: Vec<_> = sorted
                .into_iter()
                .map(|(name, value)| format!("\"{name}\":{}", plain(value)))
                .collect();
            format!("{{{}}}", pairs.join(","))
        }
        Value::Array(list) => {
            let values: Vec<_> = list.iter().map(plain).collect();
            format!("[{}]", values.join(","))
        }
        other => other.to_string(),
    }
}

/// The calls, as `key: field arguments`, the selects with their places, and what is not known.
type Found = (Vec<String>, Vec<String>, Vec<String>);

fn calls(query: &str, incoming: &Incoming) -> Result<Found, Refused> {
    let schema = Schema::parse(SDL).unwrap();
    let document = Document::parse(query)?;
    let calls = resolve(Some(&schema), &document, incoming)?;
    let mut out = (Vec::new(), Vec::new(), Vec::new());
    for call in &calls {
        out.0.push(format!(
            "{}: {} {}",
            call.key(),
            call.field,
            plain(&json!(call.arguments))
        ));
        for (at, select) in call.selects.iter().enumerate() {
            out.1.push(format!(
                "{}.{} {}",
                select.on.unwrap_or("?"),
                select.field,
                call.pointer_to(at)
            ));
        }
        out.2.extend(call.incomplete.iter().cloned());
    }
    Ok(out)
}

fn runs(query: &str, variables: Value) -> Vec<String> {
    let (calls, _, incomplete) = calls(query, &incoming(variables)).unwrap();
    assert_eq!(incomplete, [""; 0], "{query}");
    calls
}

#[test]
fn arguments_are_what_the_server_gets() {
    for (query, variables, expected) in [
        (
            "mutation { delete(id: \"1\") }",
            json!({}),
            r#"delete: delete {"id":"1"}"#,
        ),
        (
            "mutation { x: delete(id: \"\\u0031\", force: true) }",
            json!({}),
            r#"x: delete {"force":true,"id":"1"}"#,
        ),
        (
            "mutation($v: String!) { delete(id: $v) }",
            json!({"v": "1"}),
            r#"delete: delete {"id":"1"}"#,
        ),
        (
            "mutation($v: String! = \"d\") { delete(id: $v) }",
            json!({}),
            r#"delete: delete {"id":"d"}"#,
        ),
        (
            "mutation($v: String = \"d\") { delete(id: $v) }",
            json!({"v": "g"}),
            r#"delete: delete {"id":"g"}"#,
        ),
        (
            "mutation($f: Boolean) { delete(id: \"1\", force: $f) }",
            json!({}),
            r#"delete: delete {"id":"1"}"#,
        ),
        (
            "mutation($f: Boolean) { delete(id: \"1\", force: $f) }",
            json!({"f": null}),
            r#"delete: delete {"force":null,"id":"1"}"#,
        ),
        (
            "mutation($f: Boolean) { delete(id: \"1\", force: $f) }",
            json!({"f": true, "unknown": 1}),
            r#"delete: delete {"force":true,"id":"1"}"#,
        ),
        (
            "mutation($i: In!) { set(input: $i) { id } }",
            json!({"i": {"id": 7, "names": "a", "more": {"id": "x"}}}),
            r#"set: set {"input":{"id":"7","more":{"id":"x"},"names":["a"]}}"#,
        ),
        (
            "mutation { set(input: {id: 7, names: \"a\", kind: B}) { id } }",
            json!({}),
            r#"set: set {"input":{"id":"7","kind":"B","names":["a"]}}"#,
        ),
        (
            "mutation($n: [String!], $k: Kind) { set(input: {id: 1, names: $n, kind: $k}) { id } }",
            json!({"n": ["a"]}),
            r#"set: set {"input":{"id":"1","names":["a"]}}"#,
        ),
        (
            "query($n: String!) { f(j: {a: [$n, {b: 1.5}], e: X}) }",
            json!({"n": "v"}),
            r#"f: f {"j":{"a":["v",{"b":1.5}],"e":"X"}}"#,
        ),
        ("{ f(x: 1, l: 3) }", json!({}), r#"f: f {"l":[[3]],"x":1}"#),
        ("query Q { things { id } }", json!({}), r"things: things {}"),
        ("{ __typename }", json!({}), "__typename: __typename {}"),
        (
            "{ __type(name: \"Thing\") { name } }",
            json!({}),
            r#"__type: __type {"name":"Thing"}"#,
        ),
    ] {
        assert_eq!(runs(query, variables), [expected], "{query}");
    }
}

#[test]
fn what_is_skipped_does_not_run() {
    let query = "mutation($yes: Boolean!, $no: Boolean = false) {
        a: delete(id: \"1\") @skip(if: $yes)
        b: delete(id: \"2\") @include(if: $no)
        ... @include(if: $yes) { c: delete(id: \"3\") ...F @skip(if: true) }
        d: delete(id: \"4\") @skip(if: $no) @include(if: $yes)
    }
    fragment F on Mutation { e: delete(id: \"5\") }";
    let ran = runs(query, json!({"yes": true}));
    assert_eq!(ran, [r#"c: delete {"id":"3"}"#, r#"d: delete {"id":"4"}"#]);
    let ran = runs(query, json!({"yes": false, "no": true}));
    assert_eq!(ran, [r#"a: delete {"id":"1"}"#, r#"b: delete {"id":"2"}"#]);
}

#[test]
fn the_named_operation_runs() {
    let query = "query A { things { id } } mutation B { delete(id: \"1\") }";
    for (name, expected) in [
        ("A", "things: things {}"),
        ("B", r#"delete: delete {"id":"1"}"#),
    ] {
        let mut incoming = incoming(json!({}));
        incoming.operation = Some(name.to_owned());
        assert_eq!(calls(query, &incoming).unwrap().0, [expected]);
    }
    for name in [None, Some(""), Some("C"), Some("a")] {
        let mut incoming = incoming(json!({}));
        incoming.operation = name.map(str::to_owned);
        assert!(calls(query, &incoming).is_err(), "{name:?}");
    }
    let mut get = incoming(json!({}));
    get.over = Over::Get;
    assert!(calls("mutation { delete(id: \"1\") }", &get).is_err());
    assert!(calls("{ things { id } }", &get).is_ok());
    get.operation = Some("B".to_owned());
    assert!(calls(query, &get).is_err());
}

#[test]
fn selections_are_found_through_fragments_with_their_place_in_the_answer() {
    let query = "{ all: things { ...F parts { of { n: name } } } any { ... on Part { size } ... on Thing { kind } __typename } }
        fragment F on Node { id ... on Thing { list: parts { size } } }";
    let (_, selects, _) = calls(query, &incoming(json!({}))).unwrap();
    assert_eq!(
        selects,
        [
            "Node.id /data/all/*/id",
            "Thing.parts /data/all/*/list/*",
            "Part.size /data/all/*/list/*/size",
            "Thing.parts /data/all/*/parts/*",
            "Part.of /data/all/*/parts/*/of",
            "Thing.name /data/all/*/parts/*/of/n",
            "Part.size /data/any/size",
            "Thing.kind /data/any/kind",
            "Any.__typename /data/any/__typename",
        ]
    );
}

#[test]
fn the_same_call_twice_runs_once() {
    let query = "mutation { delete(id: \"1\", force: true) @skip(if: true) delete(force: true, id: \"1\") }";
    assert_eq!(
        runs(query, json!({})),
        [r#"delete: delete {"force":true,"id":"1"}"#]
    );
}

#[test]
fn what_the_schema_does_not_know_is_incomplete() {
    for query in [
        "mutation { deleteAll(id: \"1\") { whatever { below } } }",
        "{ things { id secret } }",
        "{ things { ... on Newer { id } } }",
        "query($n: Newer) { newer(n: $n) }",
        "mutation { delete(id: \"1\", how: FAST) }",
        "mutation { set(input: {id: 1, newer: [1]}) { id } }",
        "mutation { set(input: {id: 1, kind: C}) { id } }",
        "query A { things { secret } } ",
    ] {
        let (calls, _, incomplete) = calls(query, &incoming(json!({}))).unwrap();
        assert_eq!(calls.len(), 1, "{query}");
        assert!(!incomplete.is_empty(), "{query}");
    }
    let given = incoming(json!({"i": {"id": 1, "newer": 1, "kind": "C"}}));
    let (_, _, incomplete) = calls("mutation($i: In!) { set(input: $i) { id } }", &given).unwrap();
    assert_eq!(incomplete.len(), 2);
}

#[test]
fn what_does_not_validate_is_refused() {
    let deep = format!(
        "{{ thing(id: 1) {{ {} id {} }} }}",
        "parts { of { ".repeat(70),
        "} }".repeat(70)
    );
    let bomb = format!(
        "{{ things {{ ...F0 }} }} {} fragment F20 on Thing {{ id }}",
        (0..20)
            .map(|n| format!("fragment F{n} on Thing {{ ...F{} ...F{} }} ", n + 1, n + 1))
            .collect::<String>()
    );
    let long = format!("{{ {} }}", "things { id } ".repeat(5000));
    for query in [
        // Not GraphQL, or not to all.
        "",
        "{",
        "{}",
        "{ things { } }",
        "query Q",
        "delete(id: 1)",
        "{ f(x) }",
        "{ f() }",
        "{ f(j: {a}) }",
        "{ f(x: 1b: 2) }",
        "{ f(x: 01) }",
        "{ f(x: .5) }",
        "{ f(j: \"\"\"block\"\"\") }",
        "{ f(j: \"\\u{41}\") }",
        "{ f(j: \"\\uD83D\\uDE00\") }",
        "\u{feff}{ things { id } }",
        "{ things { id } # \u{2028} }",
        "{ things { id } #\r }\n}",
        "{ things { id } } \0",
        "\"described\" query Q { things { id } }",
        "{ things { id? } }",
        "type Query { a: Int }",
        "{ things { id } } extend type Query { a: Int }",
        "schema { query: Query }",
        "{ things { id } } }",
        // Names.
        "{ things { id } } { things { id } }",
        "query A { things { id } } query A { things { id } }",
        "query A { things { id } } { things { id } }",
        "fragment F on Thing { id }",
        "{ things { ...F } } fragment F on Thing { id } fragment F on Thing { name }",
        "{ things { ...F } } fragment F($x: Int) on Thing { id }",
        "{ things { ...on } }",
        "query($a: Int, $a: Int) { things(first: $a) { id } }",
        "mutation { delete(id: \"1\", id: \"2\") }",
        "mutation { set(input: {id: 1, id: 2}) { id } }",
        "{ f(j: {a: 1, a: 2}) }",
        // Fragments.
        "{ things { ...F } }",
        "{ things { id } } fragment F on Thing { id }",
        "{ things { ...F } } fragment F on Thing { parts { of { ...F } } }",
        "{ things { ...F } } fragment F on Part { id }",
        "{ things { ... on Kind { id } } }",
        "{ things { ... on Mutation { delete(id: 1) } } }",
        // Directives.
        "{ things @defer { id } }",
        "query @skip(if: true) { things { id } }",
        "{ things @skip { id } }",
        "{ things @skip(if: 1) { id } }",
        "{ things @skip(if: true) @skip(if: false) { id } }",
        "{ things @include(if: true, unless: false) { id } }",
        "{ things { ...F } } fragment F on Thing @skip(if: true) { id }",
        "query($a: Int @skip(if: true)) { things(first: $a) { id } }",
        "query($b: Boolean) { things @skip(if: $b) { id } }",
        // Leaves and lists.
        "{ things }",
        "{ things { id { x } } }",
        "mutation { delete(id: \"1\") { x } }",
        "{ __typename { x } }",
        "{ __typename(a: 1) }",
        "{ __type { name } }",
        "{ __schema }",
        "{ __schema(a: 1) { types { name } } }",
        // Arguments and values.
        "mutation { delete }",
        "mutation { delete(force: true) }",
        "mutation { delete(id: null) }",
        "mutation { delete(id: 1) }",
        "mutation { delete(id: [\"1\"]) }",
        "mutation { delete(id: \"1\", force: \"true\") }",
        "mutation { delete(id: A) }",
        "{ things(first: 1.0) { id } }",
        "{ things(first: 3000000000) { id } }",
        "{ things(kind: \"A\") { id } }",
        "mutation { set(input: {}) { id } }",
        "mutation { set(input: 1) { id } }",
        "mutation { set(input: {id: 1, names: [null]}) { id } }",
        "{ f(x: \"1\") }",
        "{ f(l: [[null]]) }",
        "{ f(b: 1) }",
        // Variables.
        "{ thing(id: $a) { id } }",
        "query($a: ID!, $b: Int) { thing(id: $a) { id } }",
        "query($a: ID) { thing(id: $a) { id } }",
        "query($a: String!) { thing(id: $a) { id } }",
        "query($a: Thing) { things { id } f(j: $a) }",
        "query($a: [Int]) { f(l: $a) }",
        "query($a: Int = \"x\") { things(first: $a) { id } }",
        "query($a: Int = $b) { things(first: $a) { id } }",
        "query($a: ID!) { thing(id: $a) { id } }",
        "query($a: [[[[[[[[[[[[[[Int]]]]]]]]]]]]]]) { f(l: $a) }",
        // Two things under one key.
        "mutation { x: delete(id: \"1\") x: delete(id: \"2\") }",
        "mutation { delete(id: \"1\") ... { delete(id: \"1\", force: true) } }",
        "{ x: things { id } x: any { __typename } }",
        "{ things { x: id } ...F } fragment F on Query { things { x: name } }",
        "{ any { ... on Thing { x: name } ... on Part { x: size } } }",
        "{ things { name name(upper: true) } }",
        "{ any { ... on Thing { name } ... on Part { name } } }",
        // Subscriptions.
        "subscription { changes { id } other }",
        "subscription { __typename }",
        "subscription { other @skip(if: true) }",
        // Too much.
        &deep,
        &bomb,
        &long,
    ] {
        let found = calls(query, &incoming(json!({})));
        assert!(found.is_err(), "{query}: {found:?}");
    }
}

/// Each of these would take a server, or us, seconds or gigabytes.
#[test]
fn small_texts_do_not_make_much_work() {
    let list = "1,".repeat(3000);
    let uses = |n: usize| {
        (0..n)
            .map(|n| format!("a{n}: f(j: $v) "))
            .collect::<String>()
    };
    let spreads = "...F ".repeat(2000);
    for (query, variables) in [
        (
            format!("query($v: JSON) {{ {} }}", uses(400)),
            json!({"v": vec![1; 5000]}),
        ),
        (
            format!("query($v: JSON) {{ {} }}", uses(400)),
            json!({"v": "x".repeat(100_000)}),
        ),
        (
            format!("{{ {spreads} }} fragment F on Query {{ f(j: [{list}]) }}"),
            json!({}),
        ),
        (
            format!(
                "mutation {{ {} }}",
                (0..501)
                    .map(|n| format!("a{n}: delete(id: \"1\") "))
                    .collect::<String>()
            ),
            json!({}),
        ),
        (
            format!(
                "{{ {} }}",
                (0..100).map(|_| "f(b: true) ").collect::<String>()
            ),
            json!({}),
        ),
    ] {
        let found = calls(&query, &incoming(variables));
        assert!(found.is_err(), "{}", query.get(..60).unwrap());
    }
    let once = incoming(json!({"v": vec![1; 100_000]}));
    assert!(calls(&format!("query($v: JSON) {{ {} }}", uses(1)), &once).is_ok());
    let unknown = incoming(json!({"v": {"id": 1, "a": 1, "b": 1}}));
    let query = format!(
        "mutation($v: In!) {{ {} }}",
        (0..300)
            .map(|n| format!("a{n}: set(input: $v) {{ x{n} }} "))
            .collect::<String>()
    );
    let (_, _, incomplete) = calls(&query, &unknown).unwrap();
    assert!(incomplete.len() <= 300 * 3);
}

#[test]
fn given_values_must_fit() {
    for (of, value) in [
        ("Int!", Value::Null),
        ("Int", json!("1")),
        ("Int", json!(1.5)),
        ("Int", json!(3_000_000_000_i64)),
        ("Int", json!(true)),
        ("String", json!(1)),
        ("Boolean", json!("true")),
        ("Boolean", json!(0)),
        ("ID", json!(1.5)),
        ("ID", json!({})),
        ("Float", json!("1")),
        ("Kind", json!(1)),
        ("In", json!({})),
        ("In", json!([])),
        ("In", json!({"id": null})),
        ("In", json!({"id": 1, "names": [null]})),
        ("[Int!]", json!([null])),
        ("[Int!]!", Value::Null),
        ("[[Int]]", json!([["x"]])),
    ] {
        let query = format!("query($v: {of}) {{ f(j: $v) }}");
        let found = calls(&query, &incoming(json!({"v": value})));
        assert!(found.is_err(), "{of} {value}: {found:?}");
    }
    for (of, value, fits) in [
        ("Int", json!(1.0), json!(1)),
        ("ID", json!(7), json!("7")),
        ("[Int!]", json!(1), json!([1])),
        ("[[Int]]", json!([1]), json!([[1]])),
        ("JSON", json!({"a": [null]}), json!({"a": [null]})),
        ("Float", json!(1), json!(1)),
        ("Kind", json!("A"), json!("A")),
        ("Int", Value::Null, Value::Null),
    ] {
        let query = format!("query($v: {of}) {{ f(j: $v) }}");
        // A variable inside of a value that takes anything is not checked against a type.
        let query = query.replace("j: $v", "j: [$v]");
        assert_eq!(
            runs(&query, json!({"v": value})),
            [format!("f: f {}", json!({"j": [fits]}))],
            "{of}"
        );
    }
}

#[test]
fn without_a_schema_the_names_are_enough() {
    let document =
        Document::parse("mutation($i: X!) { a: drop(id: $i, how: NOW) { of { name } } }").unwrap();
    let calls = resolve(None, &document, &incoming(json!({"i": {"x": 1}}))).unwrap();
    let [call] = calls.as_slice() else {
        panic!("one call")
    };
    assert_eq!(
        (call.field, call.alias, call.key()),
        ("drop", Some("a"), "a")
    );
    assert_eq!(json!(call.arguments), json!({"id": {"x": 1}, "how": "NOW"}));
    assert_eq!(call.pointer_to(1), "/data/a/of/name");
    assert!(call.incomplete.is_empty() && call.selects[1].on.is_none());
    for bad in [
        "mutation($i: X!) { a }",
        "mutation { a(x: 1) a(x: 2) }",
        "mutation($i: X!) { a(i: $i) }",
        "{ a @unknown }",
    ] {
        let document = Document::parse(bad).unwrap();
        assert!(
            resolve(None, &document, &incoming(json!({}))).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn nothing_of_a_value_is_in_a_message() {
    for query in [
        "mutation { set(input: \"s3cret\") { id } }",
        "mutation { delete(id: \"s3cret\" }",
        "mutation { delete(id: \"s3cret) }",
        "{ f(x: \"s3cret\") }",
    ] {
        let error = calls(query, &incoming(json!({}))).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    let error = calls(
        "query($v: Int) { f(j: $v) }",
        &incoming(json!({"v": "s3cret"})),
    )
    .unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
