//! Any request that can be read, by every pack: judging ends without a panic, is the same whenever it is done and
//! however the headers stand, and what a pack cannot name is never harmless.
//!
//! Run with `scripts/fuzz.sh 60 packs`.

#![no_main]

mod sent;

use backstop_core::effect::EffectKind;
use backstop_wire::http::{self, Body, Request, Version};
use backstop_wire::providers::{self, Reading};
use libfuzzer_sys::fuzz_target;
use sent::Sent;

fuzz_target!(|data: &[u8]| {
    let Some(sent) = Sent::of(data) else { return };
    let raw = sent.raw();
    let Ok(request) = http::read(&raw) else { return };
    let turned = turned(&sent, raw.version);
    let turned: Vec<(&str, &[u8])> = turned.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    // The order of headers of different names, and the case of names, say nothing.
    let again = http::read(&sent.with(&turned)).expect("it was read with its headers in another order");
    assert!(again.method == request.method && again.segments == request.segments);
    assert!(again.query == request.query && again.body == request.body && again.host == request.host);
    for pack in providers::packs() {
        let reading = providers::read(&request, Some(pack.name));
        check(pack.name, &request, &reading);
        assert_eq!(reading, providers::read(&request, Some(pack.name)), "{}", pack.name);
        assert_eq!(reading, providers::read(&again, Some(pack.name)), "{}", pack.name);
    }
    // By whoever knows the host, or nobody.
    let reading = providers::read(&request, None);
    assert!(providers::for_host(&request.host).is_some() || !reading.analysis.is_complete());
});

fn check(pack: &str, request: &Request, reading: &Reading) {
    let analysis = &reading.analysis;
    // INVARIANT 1: with nothing found, something is unknown.
    assert!(!analysis.effects.is_empty() || !analysis.is_complete(), "{pack} finds nothing, and says so of nothing");
    assert!(!reading.operations.is_empty() || !analysis.is_complete(), "{pack} names nothing");
    let safe = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let streamed = matches!(request.body, Body::Streamed { .. });
    if analysis.is_read() {
        assert!(!streamed);
        // Only what packs name reads by another method.
        assert!(safe || !matches!(pack, "generic-rest" | "generic-graphql"), "{pack}: {}", request.method);
        assert!(!matches!(request.method.as_str(), "PUT" | "PATCH") || pack == "kubernetes" || pack == "aws", "{pack}");
    }
    // Whose answer holds a credential is no read.
    let reveals = reading.operations.iter().any(|operation| !operation.reveals.is_empty());
    assert!(!reveals || analysis.worst() >= EffectKind::Reveal || !analysis.is_complete(), "{pack} reveals as a read");
    for effect in &analysis.effects {
        assert!(effect.object.as_ref().is_none_or(|object| !object.is_empty()), "{pack}");
    }
}

/// The headers with names in the other case, where the version has cases, and in reverse; those of one name stay in order.
fn turned<'a>(sent: &'a Sent<'_>, version: Version) -> Vec<(String, &'a [u8])> {
    let mut out: Vec<(String, &[u8])> = Vec::new();
    let flip = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    for (name, value) in sent.sent() {
        let name = if version == Version::Http2 { (*name).to_owned() } else { name.chars().map(flip).collect() };
        out.push((name, *value));
    }
    // A stable sort by name, from the end.
    out.sort_by(|(a, _), (b, _)| b.to_ascii_lowercase().cmp(&a.to_ascii_lowercase()));
    out
}
