//! How long it takes to find out what a GraphQL request does: `cargo bench -p backstop-wire --bench graphql`.
//!
//! `parse` is apollo-parser with the document made of its tree; `resolve` is what runs, against the schema; `read` is
//! the whole, with a document met before and with one met for the first time; `load` is the pack itself, once.

#![allow(clippy::expect_used, reason = "a benchmark that cannot run stops")]

use std::sync::atomic::{AtomicUsize, Ordering};

use backstop_wire::graphql::{Document, pack::Pack, requests, resolve};
use backstop_wire::http::{Body, Request, Scheme};
use backstop_wire::providers::railway;
use divan::{Bencher, black_box};
use serde_json::json;

fn main() {
    let _ = railway::pack().expect("the pack");
    divan::main();
}

const PROJECT: &str = "query Project($id: String!, $first: Int) {
  project(id: $id) {
    id
    name
    createdAt
    updatedAt
    environments(first: $first) {
      edges {
        node {
          id
          name
          isEphemeral
          serviceInstances(first: $first) {
            edges {
              node {
                id
                serviceId
                serviceName
                startCommand
                latestDeployment { id status createdAt }
                source { repo image }
                domains { serviceDomains { id domain } customDomains { id domain } }
              }
            }
          }
          volumeInstances { edges { node { id mountPath sizeMB currentSizeMB state volume { id name } } } }
        }
      }
    }
    services { edges { node { id name icon } } }
  }
}";

const DELETE: &str = "mutation($v: String!) { volumeDelete(volumeId: $v) }";

fn request(query: &str) -> Request {
    let variables =
        json!({"id": "6fb5ff03-4a0c-4d38-8f0e-2c6b8a2f7b11", "first": 100, "v": "3d2c42fb"});
    let body = json!({"query": query, "variables": variables});
    Request {
        method: "POST".to_owned(),
        scheme: Scheme::Https,
        host: "backboard.railway.com".to_owned(),
        port: 443,
        raw_path: String::new(),
        segments: vec!["graphql".to_owned(), "v2".to_owned()],
        query: Vec::new(),
        headers: Vec::new(),
        body: Body::Json(body),
    }
}

const QUERIES: [&str; 2] = ["project, 1 KiB", "volumeDelete"];

fn text(name: &str) -> &'static str {
    if name == "volumeDelete" {
        DELETE
    } else {
        PROJECT
    }
}

#[divan::bench(args = QUERIES)]
fn parse(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.bench(|| Document::parse(black_box(text)).expect("a document"));
}

#[divan::bench(args = QUERIES)]
fn apollo_alone(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.bench(|| apollo_parser::Parser::new(black_box(text)).parse());
}

#[divan::bench(args = QUERIES)]
fn resolved(bencher: Bencher<'_, '_>, name: &str) {
    let pack = railway::pack().expect("the pack");
    let request = request(text(name));
    let document = Document::parse(text(name)).expect("a document");
    bencher.bench(|| {
        let asked = requests(black_box(&request)).expect("a request");
        let one = asked.first().expect("one");
        resolve(Some(pack.schema()), &document, one)
            .expect("a call")
            .len()
    });
}

#[divan::bench(args = QUERIES)]
fn read_again(bencher: Bencher<'_, '_>, name: &str) {
    let request = request(text(name));
    bencher.bench(|| railway::read(black_box(&request)));
}

#[divan::bench(args = QUERIES)]
fn read_first(bencher: Bencher<'_, '_>, name: &str) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let text = text(name);
    bencher
        .with_inputs(|| {
            request(&format!(
                "{text} # {}",
                NEXT.fetch_add(1, Ordering::Relaxed)
            ))
        })
        .bench_refs(|request| railway::read(black_box(request)));
}

#[divan::bench]
fn load() -> Pack<'static> {
    Pack::parse(
        include_str!("../packs/railway/pack.toml"),
        include_str!("../packs/railway/schema.graphql"),
    )
    .expect("the pack")
}
