//! The double of Railway: the incident replayed without Backstop, and that the double is faithful to the schema.

mod backups;
mod faithful;
mod front;
mod incident;
mod tokens;
mod writer;

use backstop_testing::railway::RailwayDouble;
use serde_json::{Value, json};

/// Asks with the account's token, without a network.
fn ask(double: &RailwayDouble, query: &str) -> (u16, Value) {
    ask_as(double, &bearer(double.account_token()), query)
}

/// Asks with a header.
fn ask_as(double: &RailwayDouble, header: &(&str, String), query: &str) -> (u16, Value) {
    let body = json!({ "query": query }).to_string();
    double.ask(&[(header.0, &header.1)], &body)
}

/// The data of an answer without errors.
fn data(double: &RailwayDouble, query: &str) -> Value {
    data_as(double, &bearer(double.account_token()), query)
}

fn data_as(double: &RailwayDouble, header: &(&str, String), query: &str) -> Value {
    let (status, body) = ask_as(double, header, query);
    assert_eq!(status, 200, "{query}: {body}");
    assert!(body.get("errors").is_none(), "{query}: {body}");
    body["data"].clone()
}

/// The first error's message.
fn error(body: &Value) -> &str {
    body["errors"][0]["message"].as_str().unwrap_or_default()
}

fn bearer(token: &str) -> (&'static str, String) {
    ("Authorization", format!("Bearer {token}"))
}

fn project_header(token: &str) -> (&'static str, String) {
    ("Project-Access-Token", token.to_owned())
}
