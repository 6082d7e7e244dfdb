//! Amazon Web Services: which service, operation and arguments a request is, and what that does.
//!
//! All protocols: query and EC2's, JSON, REST with JSON and XML, CBOR, S3's own addresses. Services and operations come
//! from botocore's models and IAM's access levels (`packs/aws/operations.txt`, written by `scripts/packs/aws.py`);
//! what holds data or guards it was reviewed by hand (`packs/aws/reviewed`). It must not decide what is allowed.

mod arguments;
mod called;
mod condition;
mod data;
mod error_form;
mod generated;
mod host;
mod identify;
mod object;
mod outcome;
mod protection;
mod query;
mod reviewed;
mod shapes;
mod signature;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod xml;

use backstop_core::effect::{Analysis, Effect, EffectKind, Verb};

use self::called::{Call, Protocol};
use self::outcome::Outcome;
use super::{IdempotencyToken, Reading};
use crate::http::{Body, Request};

pub use error_form::{ErrorForm, error_form};

/// Reads a request to AWS.
///
/// `service_hint` says what a host that is not one of AWS's stands for (a test server): a service's name (`rds`, `s3`),
/// `*` for the service that the signature names, or `s3@BASE` where buckets are named before `BASE`. It is not looked
/// at where the host is AWS's own. Without it the reading of another host has no provider and is incomplete.
#[must_use]
pub fn read(request: &Request, service_hint: Option<&str>) -> Reading {
    let at = identify::identify(request, service_hint);
    if !at.known_host {
        return Reading {
            analysis: Analysis {
                incomplete: vec!["its host is not one of AWS's".to_owned()],
                ..Analysis::default()
            },
            ..Reading::default()
        };
    }
    let mut reading = Reading {
        provider: "aws".to_owned(),
        ..Reading::default()
    };
    let called = called::calls(request, &at);
    let doubts = at.doubts.iter().chain(&called.doubts).cloned();
    reading.analysis.incomplete.extend(doubts);
    for call in &called.calls {
        add(&mut reading, judged(call, request));
    }
    if let ([], [], [call]) = (&*at.doubts, &*called.doubts, &*called.calls) {
        reading.tokens.extend(token(call, request));
    }
    reading
}

/// Where a call carries its idempotency token.
fn token(call: &Call, request: &Request) -> Option<IdempotencyToken> {
    let told = call.known.token()?;
    let (IdempotencyToken::Body(name), Protocol::Query) = (&told, call.protocol) else {
        return Some(told);
    };
    // Parameters stand in the form or in the query. In both, which of them counts is the service's to choose.
    let named = |pairs: &[(String, String)]| pairs.iter().any(|(n, _)| n == name);
    let in_form = matches!(&request.body, Body::Form(pairs) if named(pairs));
    match (named(&request.query), in_form) {
        (true, false) => Some(IdempotencyToken::Query(name.clone())),
        (false, true) => Some(told),
        _ => None,
    }
}

/// What one call does.
fn judged(call: &Call, request: &Request) -> Outcome {
    let decoded = arguments::decode(call, request);
    let mut outcome = match reviewed::entry(call.service.name, call.known.name) {
        Some(entry) => reviewed::outcome(call, entry, &decoded.value),
        None => generated::outcome(call, &decoded.value),
    };
    if is_dry(call, request, &decoded.doubts) {
        outcome.effects = vec![Effect::new(EffectKind::Read, Verb::Read, None)];
        outcome.incomplete.clear();
        outcome.operation.does = format!(
            "Asks whether {} would be permitted; does nothing.",
            call.known.name
        );
        outcome.operation.reveals.clear();
    }
    // What a read is asked with does not make it write.
    let reads = outcome.incomplete.is_empty()
        && !outcome.effects.is_empty()
        && outcome.effects.iter().all(|e| e.kind == EffectKind::Read);
    if !reads {
        outcome.incomplete.extend(decoded.doubts);
    }
    outcome
}

/// `DryRun=true`, which EC2 alone knows: it answers whether the call would be permitted. Written so and not otherwise.
fn is_dry(call: &Call, request: &Request, doubts: &[String]) -> bool {
    if call.service.name != "ec2" || !doubts.is_empty() {
        return false;
    }
    let pairs = query::pairs(request);
    let mut told = query::values(&pairs, "DryRun").peekable();
    told.peek().is_some() && told.all(|v| v == "true")
}

fn add(reading: &mut Reading, outcome: Outcome) {
    reading.operations.push(outcome.operation);
    for effect in outcome.effects {
        if !reading.analysis.effects.contains(&effect) {
            reading.analysis.effects.push(effect);
        }
    }
    for why in outcome.incomplete {
        if !reading.analysis.incomplete.contains(&why) {
            reading.analysis.incomplete.push(why);
        }
    }
}
