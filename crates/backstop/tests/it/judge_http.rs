//! `judge http`: the contract of its input and output, and the verdicts that it is for.

use serde_json::{Value, json};

use crate::judge::judge_as;

fn answers(arguments: &[&str], cases: &[Value]) -> Vec<Value> {
    let input: String = cases.iter().map(|c| format!("{c}\n")).collect();
    let ran = judge_as("http", arguments, &input).fine();
    ran.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn graphql(document: &str) -> Value {
    let body = json!({ "query": document }).to_string();
    json!({
        "method": "POST",
        "url": "https://backboard.railway.com/graphql/v2",
        "headers": [["content-type", "application/json"]],
        "body": body,
    })
}

fn get(url: &str) -> Value {
    json!({ "method": "GET", "url": url })
}

fn verdict(arguments: &[&str], request: &Value) -> (String, Value) {
    let answers = answers(arguments, &[json!({ "id": "x", "request": request })]);
    let answer = &answers[0];
    (
        answer["verdict"].as_str().unwrap().to_owned(),
        answer.clone(),
    )
}

#[test]
fn the_call_of_the_incident_is_never_allowed_on_production() {
    let (word, answer) = verdict(
        &[],
        &graphql("mutation { volumeDelete(volumeId: \"3f1c0f66-9a1e-4f0e-9a55-0d6f3a1f9a01\") }"),
    );
    assert!(word == "hold" || word == "deny", "{answer}");
    let effects = answer["effects"].as_array().unwrap();
    assert!(
        effects
            .iter()
            .any(|e| e["kind"] == "destroy" && e["reversible"] == false),
        "{answer}"
    );
}

#[test]
fn verdicts_by_provider() {
    let delete = |url: &str| json!({ "method": "DELETE", "url": url });
    for (request, words) in [
        (
            graphql("query { projects { edges { node { name } } } }"),
            &["allow"][..],
        ),
        (graphql("{ a: __typename }"), &["allow"]),
        (
            graphql("query q { __typename } mutation m { projectDelete(id: \"x\") }"),
            // Which of two runs is not told.
            &["hold", "deny"],
        ),
        (
            graphql(
                "mutation { volumeInstanceBackupScheduleUpdate(kinds: [], volumeInstanceId: \"x\") }",
            ),
            &["deny"],
        ),
        (get("https://api.github.com/repos/o/r"), &["allow"]),
        (
            delete("https://api.github.com/repos/o/r"),
            &["hold", "deny"],
        ),
        (
            get("https://api.github.com/no/such/thing/at/all/here"),
            &["allow", "hold"],
        ),
        (
            get("https://s3.eu-central-1.amazonaws.com/bucket?list-type=2"),
            &["allow", "hold"],
        ),
        (
            delete("https://bucket.s3.eu-central-1.amazonaws.com/?lifecycle"),
            &["hold", "deny", "allow"],
        ),
        (get("https://example.com/"), &["deny"]),
        (get("http://169.254.169.254/latest/meta-data/"), &["deny"]),
        (
            json!({ "method": "GET", "url": "https://api.github.com/user", "headers": [["Authorization", "Bearer 9b2f6c1e-5d0a-4f6e-8a3c-2d7e1f4b6a90"]] }),
            &["halt"],
        ),
        (
            get("https://user:pw123456@api.github.com/user"),
            &["halt", "deny"],
        ),
        (
            json!({ "method": "POST", "url": "https://api.github.com/graphql", "headers": [["content-type", "application/json"], ["Content-Length", "4"], ["Transfer-Encoding", "chunked"]], "body": "{}" }),
            &["deny"],
        ),
    ] {
        let (word, answer) = verdict(&[], &request);
        assert!(words.contains(&word.as_str()), "{request}: {answer}");
    }
}

/// What is asked of a model.
fn asked(body: Value) -> Value {
    json!({
        "method": "POST",
        "url": "https://api.anthropic.com/v1/messages",
        "headers": [["content-type", "application/json"]],
        "body": body.to_string(),
    })
}

#[test]
fn what_is_only_quoted_is_no_credential_that_is_presented() {
    let secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let said = json!([{ "role": "user", "content": format!("GITHUB_TOKEN={secret}") }]);
    let server = json!([{ "type": "url", "url": "https://tools.example", "name": "t" }]);
    for (body, wanted) in [
        (json!({ "model": "m", "messages": said }), "allow"),
        (
            json!({ "model": "m", "messages": said, "metadata": { "token": secret } }),
            "halt",
        ),
        (
            json!({ "model": "m", "messages": said, "mcp_servers": server }),
            "halt",
        ),
        (
            json!({ "model": "m", "messages": [], "mcp_servers": server }),
            "hold",
        ),
    ] {
        let (word, answer) = verdict(&[], &asked(body.clone()));
        assert_eq!(word, wanted, "{body}: {answer}");
        assert!(!answer.to_string().contains(secret), "{answer}");
    }
    // For a pack that says nothing of it, it is one.
    let (word, answer) = verdict(
        &["--pack", "generic-rest"],
        &asked(json!({ "messages": said })),
    );
    assert_eq!(word, "halt", "{answer}");
}

#[test]
fn what_goes_beyond_an_answer_passes_where_a_pack_lets_it() {
    let asks = |url: &str, headers: &[[&str; 2]]| json!({ "method": "GET", "url": url, "headers": headers });
    let socket = [
        ["connection", "Upgrade"],
        ["upgrade", "websocket"],
        ["sec-websocket-version", "13"],
        ["sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="],
    ];
    let other = [["connection", "Upgrade"], ["upgrade", "shouting"]];
    let call = json!({
        "method": "POST",
        "url": "https://api.github.com/acme.Items/List",
        "headers": [["content-type", "application/grpc"]],
        "body_base64": "AAAAAAA=",
    });
    for (request, word, rule) in [
        (
            asks("https://backboard.railway.com/graphql/v2", &socket),
            "allow",
            "reads",
        ),
        (
            asks("https://api.github.com/repos/o/r", &socket),
            "deny",
            "socket",
        ),
        (
            asks("https://backboard.railway.com/graphql/v2", &other),
            "deny",
            "change-of-protocol",
        ),
        (call, "deny", "grpc"),
    ] {
        let (said, answer) = verdict(&[], &request);
        assert_eq!(
            (said.as_str(), answer["rule"].as_str()),
            (word, Some(rule)),
            "{request}"
        );
    }
}

#[test]
fn lines_that_are_no_requests_are_answered_and_the_next_is_read() {
    let lines = [
        json!({ "id": 1 }),
        json!({ "id": 2, "request": { "method": "GET" } }),
        json!({ "id": 3, "request": { "method": "GET", "url": "not a url" } }),
        json!({ "id": 4, "request": { "method": "GET", "url": "https://api.github.com/", "headers": "x" } }),
        json!({ "id": 5, "request": { "method": "POST", "url": "https://api.github.com/", "body": "a", "body_base64": "YQ==" } }),
        json!({ "id": 6, "request": get("https://api.github.com/repos/o/r") }),
    ];
    let answers = answers(&[], &lines);
    assert_eq!(answers.len(), lines.len());
    for (answer, id) in answers.iter().zip(1..) {
        assert_eq!(answer["id"], json!(id));
        let is_last = id == 6;
        assert_eq!(answer["rule"] == "input", !is_last, "{answer}");
    }
}

#[test]
fn no_secret_of_a_request_is_repeated() {
    let secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let request = json!({
        "method": "GET",
        "url": format!("https://api.github.com/user?access_token={secret}"),
        "headers": [["X-Key", secret]],
    });
    let (word, answer) = verdict(&[], &request);
    assert_eq!(word, "halt");
    assert!(!answer.to_string().contains(secret), "{answer}");
}

/// The pack of the documentation, which has tests of its own.
fn example() -> String {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/packs.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let (_, rest) = text.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn a_pack_of_ones_own_reads_requests_and_its_tests_have_to_hold() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("example.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, example()).unwrap();
    let delete = json!({ "method": "DELETE", "url": "https://api.example.com/v1/projects/p-1" });
    let (word, answer) = verdict(&["--pack-file", path], &delete);
    assert_eq!(word, "deny", "it is a safeguard on production: {answer}");
    assert_eq!(answer["effects"][0]["kind"], "destroy", "{answer}");
    let other = json!({ "method": "POST", "url": "https://api.example.com/v1/nobody/knows" });
    let (word, answer) = verdict(&["--pack-file", path], &other);
    assert_ne!(word, "allow", "{answer}");
    let broken = example().replacen("(safeguard)", "", 1);
    assert_ne!(broken, example());
    std::fs::write(&file, broken).unwrap();
    let ran = judge_as("http", &["--pack-file", path], "");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(
        ran.err.contains("a test in it does not hold"),
        "{}",
        ran.err
    );
}
