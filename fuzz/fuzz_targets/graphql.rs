//! Any bytes as a GraphQL document, or as a request that carries one: reading ends without a panic, is the same with and
//! without what means nothing, and a schema only ever narrows it.
//!
//! Run with `scripts/fuzz.sh 60 graphql`.

#![no_main]

mod sent;

use backstop_wire::graphql::{self, Call, Document, Incoming, Over, Schema};
use backstop_wire::http;
use backstop_wire::providers::railway;
use libfuzzer_sys::fuzz_target;
use sent::Sent;
use serde_json::Map;

fuzz_target!(|data: &[u8]| {
    let schema = railway::pack().expect("the pack is built in").schema();
    if let Some(sent) = Sent::of(data) {
        let Ok(request) = http::read(&sent.raw()) else { return };
        let Ok(asked) = graphql::requests(&request) else { return };
        assert!(!asked.is_empty() && asked.len() <= 100);
        for incoming in &asked {
            let Ok(text) = incoming.text(&|_| None) else { continue };
            look(schema, text, incoming);
        }
        assert!(graphql::requests(&request).is_ok_and(|again| again == asked));
    } else if let Ok(text) = std::str::from_utf8(data) {
        let incoming = Incoming {
            over: Over::Post,
            document: Some(text.to_owned()),
            hash: None,
            operation: None,
            variables: Map::new(),
            place: None,
        };
        look(schema, text, &incoming);
    }
});

fn look(schema: &Schema<'_>, text: &str, incoming: &Incoming) {
    let Ok(document) = Document::parse(text) else { return };
    let known = graphql::resolve(Some(schema), &document, incoming);
    let named = graphql::resolve(None, &document, incoming);
    for calls in [&known, &named].into_iter().flatten() {
        assert!(calls.len() <= 500);
        assert!(calls.iter().all(|call| is_name(call.field) && is_name(call.key())));
        for call in calls {
            for place in 0..call.selects.len() {
                assert!(call.pointer_to(place).starts_with("/data/"));
            }
        }
    }
    // What a schema takes is the same without one.
    if let Ok(calls) = &known {
        let named = named.as_ref().expect("without a schema there is less to refuse");
        assert_eq!(run(calls), run(named));
    }
    // A comment at the end means nothing.
    let more = format!("{text}\n# more\n");
    if let Ok(document) = Document::parse(&more) {
        let again = graphql::resolve(Some(schema), &document, incoming);
        assert_eq!(again.is_ok(), known.is_ok());
        if let (Ok(again), Ok(known)) = (&again, &known) {
            assert_eq!(run(again), run(known));
        }
    }
}

/// What runs, by name and with what.
fn run<'c>(calls: &'c [Call<'_>]) -> Vec<(&'static str, &'c str, String)> {
    let arguments = |call: &Call<'_>| serde_json::to_string(&call.arguments.keys().collect::<Vec<_>>()).unwrap_or_default();
    calls.iter().map(|call| (call.kind.word(), call.field, arguments(call))).collect()
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b == b'_' || b.is_ascii_alphabetic()) && bytes.all(|b| b == b'_' || b.is_ascii_alphanumeric())
}
