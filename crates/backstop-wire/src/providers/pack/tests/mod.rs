//! What a pack takes and refuses, and how it reads.

mod any;
mod arguments;
mod elements;
mod graphql;
mod matching;
mod refusals;

use serde_json::json;

use super::*;
use crate::http::{Body, Carried};

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
