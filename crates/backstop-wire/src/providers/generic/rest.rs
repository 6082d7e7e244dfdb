//! An HTTP API that no pack knows.

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};

use super::words;
use crate::http::{Body, Request};
use crate::providers::beyond::leaves_http;
use crate::providers::pack::add_effect;
use crate::providers::{Knowledge, Operation, Reading};
use crate::sql::ident;

/// The pack's name.
pub const NAME: &str = "generic-rest";

/// What `request` does, as far as its method and its names tell.
#[must_use]
pub fn read(request: &Request) -> Reading {
    let mut reading = Reading {
        provider: NAME.to_owned(),
        ..Reading::default()
    };
    into(request, &mut reading);
    leaves_http(request, &mut reading);
    reading
}

/// The same, added to a reading that a pack began.
pub fn into(request: &Request, reading: &mut Reading) {
    let (does, effect) = match request.method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => looks(request, &mut reading.analysis.incomplete),
        "DELETE" => deletes(request),
        method => {
            let what = match method {
                "POST" | "PUT" | "PATCH" => "a generic API: what this does is not known",
                _ => "what this method does is not known",
            };
            reading.analysis.incomplete.push(what.to_owned());
            changes(request)
        }
    };
    add_effect(effect, &mut reading.analysis.effects);
    reading.operations.push(Operation {
        name: format!("{} of an unknown path", request.method),
        knowledge: Knowledge::Generic,
        does: does.to_owned(),
        along: Vec::new(),
        grace: None,
        preview: None,
        reveals: match effect_reveals(reading) {
            true => vec![String::new()],
            false => Vec::new(),
        },
    });
}

fn effect_reveals(reading: &Reading) -> bool {
    let mut effects = reading.analysis.effects.iter();
    effects.any(|e| e.kind == EffectKind::Reveal)
}

fn looks(request: &Request, incomplete: &mut Vec<String>) -> (&'static str, Effect) {
    if acts(request) {
        incomplete.push("it should only look, but a name in it is that of an action".to_owned());
    }
    if request.body != Body::Absent {
        incomplete.push("it should only look, but carries a body".to_owned());
    }
    let object = object(request);
    if request.segments.iter().any(|s| words::is_credential(s)) || asks_for_credentials(request) {
        let effect = Effect::new(EffectKind::Reveal, Verb::Read, object);
        let why = "by its name, what lies there is a credential";
        return ("Reads what has a credential's name.", effect.because(why));
    }
    let effect = Effect::new(EffectKind::Read, Verb::Read, object);
    ("Reads, by its method.", effect)
}

fn deletes(request: &Request) -> (&'static str, Effect) {
    let effect = Effect::new(EffectKind::Destroy, Verb::Drop, object(request));
    let one = request.segments.last().is_some_and(|s| is_id(s));
    if one && request.query.is_empty() && request.body == Body::Absent {
        return ("Deletes what the path names, by its method.", effect);
    }
    let effect = effect
        .bounded(Bound::Unbounded)
        .because("the path names no single thing, so it may be all of them");
    (
        "Deletes everything that the path names, by its method.",
        effect,
    )
}

fn changes(request: &Request) -> (&'static str, Effect) {
    let by_name = request.segments.iter().any(|s| words::destroys(s))
        || request.query.iter().any(|(name, _)| words::destroys(name));
    if by_name {
        let effect = Effect::new(EffectKind::Destroy, Verb::Drop, object(request));
        return ("Destroys, by its name.", effect.bounded(Bound::Unbounded));
    }
    let verb = match request.method.as_str() {
        "POST" => Verb::Insert,
        "PUT" | "PATCH" => Verb::Update,
        _ => Verb::Other,
    };
    let effect = Effect::new(EffectKind::Write, verb, object(request));
    (
        "Changes something, by its method.",
        effect.bounded(Bound::Unbounded),
    )
}

/// Whether a name in the path is that of an action, or a query parameter chooses one.
fn acts(request: &Request) -> bool {
    let chooses = |name: &str, value: &str| {
        CHOOSING.contains(&name.to_ascii_lowercase().as_str())
            && (words::acts(value) || words::destroys(value))
    };
    let mut query = request.query.iter();
    request.segments.iter().any(|s| words::acts(s))
        || query.any(|(name, value)| words::acts(name) || chooses(name, value))
}

fn asks_for_credentials(request: &Request) -> bool {
    request.query.iter().any(|(name, value)| {
        EXPANDING.contains(&name.to_ascii_lowercase().as_str()) && words::is_credential(value)
    })
}

const CHOOSING: &[&str] = &[
    "_method",
    "action",
    "cmd",
    "command",
    "do",
    "method",
    "mode",
    "op",
    "operation",
];

const EXPANDING: &[&str] = &["embed", "expand", "fields", "include", "select", "with"];

/// Whether a segment names one thing: a number, or a text with digits as identifiers have them.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let version = segment.len() <= 3 && segment.starts_with('v');
    digits > 0 && !version && !segment.contains(['*', ','])
}

fn object(request: &Request) -> String {
    let path = request.segments.join("/");
    format!("path.{}", ident(&format!("/{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::pack::{request_of, words_of};

    #[test]
    fn by_method_and_name() {
        for (asked, effect, complete) in [
            ("GET /v1/things", "read read path.\"/v1/things\"", true),
            ("HEAD /v1/things/7", "read read path.\"/v1/things/7\"", true),
            (
                "GET /v1/things/7/delete",
                "read read path.\"/v1/things/7/delete\"",
                false,
            ),
            (
                "GET /v1/things?action=purge",
                "read read path.\"/v1/things\"",
                false,
            ),
            (
                "GET /v1/things?q=how%20to%20delete",
                "read read path.\"/v1/things\"",
                true,
            ),
            (
                "GET /v1/things?page_token=x",
                "read read path.\"/v1/things\"",
                true,
            ),
            (
                "GET /v1/api-keys",
                "reveal read path.\"/v1/api-keys\"",
                true,
            ),
            (
                "GET /v1/users?include=password",
                "reveal read path.\"/v1/users\"",
                true,
            ),
            (
                "POST /v1/things",
                "write insert path.\"/v1/things\" (unbounded)",
                false,
            ),
            (
                "POST /v1/things/bulkDelete",
                "destroy drop path.\"/v1/things/bulkDelete\" (unbounded)",
                false,
            ),
            (
                "PATCH /v1/things/7",
                "write update path.\"/v1/things/7\" (unbounded)",
                false,
            ),
            (
                "DELETE /v1/things/7",
                "destroy drop path.\"/v1/things/7\"",
                true,
            ),
            (
                "DELETE /v1/things",
                "destroy drop path.\"/v1/things\" (unbounded)",
                true,
            ),
            ("DELETE /v1", "destroy drop path.\"/v1\" (unbounded)", true),
            (
                "DELETE /v1/things/7?cascade=true",
                "destroy drop path.\"/v1/things/7\" (unbounded)",
                true,
            ),
            (
                "MOVE /v1/things/7",
                "write other path.\"/v1/things/7\" (unbounded)",
                false,
            ),
            ("PROPFIND /", "write other path.\"/\" (unbounded)", false),
        ] {
            let reading = read(&request_of(asked, &[], None));
            let effects = &reading.analysis.effects;
            assert_eq!(
                effects.iter().map(words_of).collect::<Vec<_>>(),
                [effect],
                "{asked}"
            );
            assert_eq!(reading.analysis.is_complete(), complete, "{asked}");
            assert_eq!(reading.operations[0].knowledge, Knowledge::Generic);
        }
    }

    #[test]
    fn a_read_that_carries_or_changes_protocol_is_not_known() {
        let body = serde_json::json!({"query": {}});
        let carries = request_of("GET /index", &[], Some(body));
        assert!(!read(&carries).analysis.is_complete());
        let upgrade = request_of("GET /feed", &[("upgrade", "websocket")], None);
        assert!(!read(&upgrade).analysis.is_complete());
        let h2c = request_of("GET /feed", &[("upgrade", "h2c")], None);
        assert!(read(&h2c).analysis.is_complete());
    }
}
