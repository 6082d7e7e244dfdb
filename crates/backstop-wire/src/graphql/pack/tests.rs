//! A small pack: what its parts do, and what is wrong with bad ones.

use serde_json::json;

use super::*;
use crate::http::{Body, Request, Scheme};

const SDL: &str = "type Query { project(id: String!): Project nodes: [Node!]! key: Key! } type Mutation { wipe(ids: [String!]!, how: How): Key }
interface Node { id: ID! token: String } type Project implements Node { id: ID! name: String token: String } type Key { secret: String! }
input How { fast: Boolean }";

const HEAD: &str = "[pack]\nname = 'small'\nhosts = ['api.example']\npaths = ['/graphql']\n";

fn toml(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

const WIPE: &str = "[mutation.wipe]\ndoes = 'Wipes.'\neffects = ['destroy truncate thing.{ids} safeguard']\n\
    [[mutation.wipe.when]]\nif = [{ argument = 'how.fast', is = true }]\nalso = ['admin alter thing']\n\
    [[mutation.wipe.when]]\nif = [{ argument = 'ids', empty = true }]\neffects = ['read read thing']\ndoes = 'Nothing.'\n\
    [[secret]]\nfield = 'Project.token'\nobject = 'token'\n[[secret]]\ntype = 'Key'\nobject = 'key'\n";

fn request(method: &str, path: &str, body: serde_json::Value) -> Request {
    Request {
        method: method.to_owned(),
        scheme: Scheme::Https,
        host: "api.example".to_owned(),
        port: 443,
        raw_path: String::new(),
        segments: path.split('/').map(str::to_owned).collect(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Body::Json(body),
    }
}

fn read(body: serde_json::Value) -> crate::providers::Reading {
    let pack = Pack::parse(&toml(WIPE), SDL).unwrap();
    pack.read(&request("POST", "graphql", body))
}

fn effects(reading: &crate::providers::Reading) -> Vec<String> {
    reading.analysis.effects.iter().map(effect::shown).collect()
}

#[test]
fn effects_name_their_objects_and_conditions_add_or_replace() {
    for (query, expected) in [
        (
            "mutation { wipe(ids: [\"a\", \"b-c\"]) { secret } }",
            vec![
                "destroy truncate thing.a safeguard",
                "destroy truncate thing.\"b-c\" safeguard",
                "reveal read key",
            ],
        ),
        (
            "mutation { wipe(ids: \"a\", how: {fast: true}) { secret } }",
            vec![
                "destroy truncate thing.a safeguard",
                "admin alter thing",
                "reveal read key",
            ],
        ),
        (
            "mutation { wipe(ids: []) { __typename } }",
            vec!["read read thing", "reveal read key"],
        ),
        (
            "{ project(id: \"p\") { name } }",
            vec!["read read project.p"],
        ),
        (
            "{ project(id: \"p\") { token } }",
            vec!["read read project.p", "reveal read token"],
        ),
        // The same field, reached through an interface.
        (
            "{ nodes { token } }",
            vec!["read read node", "reveal read token"],
        ),
        (
            "{ key { secret } }",
            vec!["read read key", "reveal read key"],
        ),
    ] {
        let reading = read(json!({ "query": query }));
        assert_eq!(effects(&reading), expected, "{query}");
        assert!(reading.analysis.is_complete(), "{query}");
    }
}

#[test]
fn a_batch_is_read_whole_and_its_answers_are_a_list() {
    let reading = read(json!([
        { "query": "{ nodes { token } }" },
        { "query": "mutation { wipe(ids: [\"a\"]) { secret } }" },
    ]));
    let reveals: Vec<_> = reading
        .operations
        .iter()
        .map(|o| o.reveals.join(" "))
        .collect();
    assert_eq!(reveals, ["/0/data/nodes/*/token", "/1/data/wipe"]);
    let reading = read(json!([{ "query": "{ nodes { id } }" }, { "query": "{ nodes" }]));
    assert!(!reading.analysis.is_complete());
    assert!(reading.analysis.incomplete[0].starts_with("refused: "));
}

#[test]
fn where_there_are_too_many_places_the_whole_answer_is_sealed() {
    let tokens = |n: usize| (0..n).map(|n| format!("t{n}: token ")).collect::<String>();
    let reading = read(json!({ "query": format!("{{ nodes {{ {} }} }}", tokens(100)) }));
    assert_eq!(reading.operations[0].reveals.len(), 100);
    let reading = read(json!({ "query": format!("{{ nodes {{ {} }} }}", tokens(300)) }));
    assert_eq!(reading.operations[0].reveals, [""]);
    let wipes = |n: usize| {
        (0..n)
            .map(|n| format!("w{n}: wipe(ids: [\"{n}a\", \"{n}b\"]) {{ __typename }} "))
            .collect::<String>()
    };
    let reading = read(json!({ "query": format!("mutation {{ {} }}", wipes(400)) }));
    assert_eq!(reading.analysis.effects.len(), 500);
    assert!(reading.analysis.incomplete[0].contains("more than 500"));
}

#[test]
fn what_is_not_read_is_never_complete() {
    let pack = Pack::parse(&toml(WIPE), SDL).unwrap();
    for request in [
        request(
            "POST",
            "graphql/other",
            json!({ "query": "{ nodes { id } }" }),
        ),
        request("PUT", "graphql", json!({ "query": "{ nodes { id } }" })),
        request("POST", "graphql", json!({ "query": "{ nodes }" })),
        request("POST", "graphql", json!({ "query": "{ nodes { newer } }" })),
        request("POST", "graphql", json!({ "query": "mutation { other }" })),
        request(
            "POST",
            "graphql",
            json!({ "query": "{ nodes @skip(if: true) { id } }" }),
        ),
        request("POST", "graphql", json!({})),
    ] {
        let reading = pack.read(&request);
        assert!(!reading.analysis.is_complete(), "{request:?}");
        assert_eq!(reading.provider, "small");
    }
}

#[test]
fn faults_are_found() {
    let faults = |rest: &str| faults(&toml(rest), SDL).unwrap().join("\n");
    let tests = "[[test]]\nwhat = 'a'\nquery = 'mutation { wipe(ids: [], how: {fast: true}) { secret } }'\n\
        effects = ['read read thing', 'admin alter thing', 'reveal read key']\nreveals = ['/data/wipe']\n";
    assert_eq!(faults(&format!("{WIPE}{tests}")), "");
    assert!(faults("").contains("the mutation wipe has no entry"));
    assert!(faults(WIPE).contains("no test meets the condition 1 of wipe"));
    assert!(
        faults(&format!(
            "{WIPE}{}",
            tests.replace("'admin alter thing', ", "")
        ))
        .contains("the effects are")
    );
    assert!(faults(&format!("{WIPE}{}", tests.replace("/data/wipe", "/x"))).contains("it reveals"));
    assert!(faults(&format!("{WIPE}{tests}incomplete = true\n")).contains("incomplete is"));
    assert!(
        faults(&format!("{WIPE}{}", tests.replace("ids: []", "id: []")))
            .contains("lacks its argument")
    );
    assert!(faults(&WIPE.replace("{ids}", "{id}")).contains("wipe has no argument id"));
    assert!(
        faults(&WIPE.replace("how.fast", "how.slow")).contains("wipe has no argument how.slow")
    );
    assert!(
        faults(&format!(
            "{WIPE}[query.gone]\ndoes = 'x'\neffects = ['read read x']\n"
        ))
        .contains("the schema has no gone")
    );
}

#[test]
fn a_pack_that_is_not_understood_is_an_error() {
    for bad in [
        "[mutation.wipe]\ndoes = 'x'\neffects = ['drop thing']\n",
        "[mutation.wipe]\ndoes = 'x'\neffects = ['destroy drop thing forever']\n",
        "[mutation.wipe]\ndoes = 'x'\neffects = ['destroy drop thing.{id']\n",
        "[mutation.wipe]\ndoes = 'x'\neffects = []\ntypo = 1\n",
        "[mutation.wipe]\ndoes = 'x'\neffects = []\n[[mutation.wipe.when]]\nif = [{ argument = 'a', iss = 1 }]\n",
        "[[secret]]\nfield = 'Project.gone'\nobject = 'x'\n",
        "[[secret]]\ntype = 'Gone'\nobject = 'x'\n",
        "[[secret]]\nobject = 'x'\n",
    ] {
        assert!(Pack::parse(&toml(bad), SDL).is_err(), "{bad}");
    }
}
