//! `[[test]]`: a request written beside the entries, and what is to be read from it.

use backstop_core::effect::{Bound, Effect, EffectKind};
use serde_json::Value;
use url::Url;

use super::Pack;
use super::error::PackError;
use super::file::{Protocol, Test};
use super::read::Call;
use crate::http::{Body, Request, Scheme};
use crate::providers::Reading;

/// A test that a pack carries.
#[derive(Debug)]
pub struct Trial {
    asked: Asked,
    expected: Expected,
    text: String,
}

#[derive(Debug)]
enum Asked {
    Request(Box<Request>),
    Call {
        kind: String,
        field: String,
        arguments: Value,
    },
}

#[derive(Debug)]
struct Expected {
    operation: Option<String>,
    effects: Vec<String>,
    incomplete: bool,
}

impl Trial {
    /// The request as it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Runs the test: what differs, or nothing.
    #[must_use]
    pub fn run(&self, pack: &Pack) -> Option<String> {
        let reading = self.read(pack);
        let mut effects: Vec<String> = reading.analysis.effects.iter().map(words).collect();
        let mut expected = self.expected.effects.clone();
        effects.sort_unstable();
        expected.sort_unstable();
        if effects != expected {
            return Some(format!(
                "{}\n  expected {expected:?}\n  but read {effects:?}",
                self.text
            ));
        }
        let reasons = &reading.analysis.incomplete;
        if reasons.is_empty() == self.expected.incomplete {
            return Some(format!("{}\n  incomplete: {reasons:?}", self.text));
        }
        let names: Vec<&str> = reading.operations.iter().map(|o| o.name.as_str()).collect();
        match &self.expected.operation {
            Some(name) if names != [name] => Some(format!(
                "{}\n  expected the operation `{name}`, but read {names:?}",
                self.text
            )),
            _ => None,
        }
    }

    fn read(&self, pack: &Pack) -> Reading {
        match &self.asked {
            Asked::Request(request) => pack.read(request),
            Asked::Call {
                kind,
                field,
                arguments,
            } => {
                let mut reading = Reading::default();
                let call = Call {
                    kind,
                    field,
                    arguments,
                    selects: &[],
                };
                pack.read_call(&call, &mut reading);
                reading
            }
        }
    }
}

/// An effect as tests write it: `destroy drop project.p1 (safeguard)`.
#[must_use]
pub fn words(effect: &Effect) -> String {
    let verb = format!("{:?}", effect.verb).to_lowercase();
    let mut out = format!("{} {verb}", effect.kind);
    if let Some(object) = &effect.object {
        out.push(' ');
        out.push_str(object);
    }
    let plain = matches!(effect.kind, EffectKind::Read | EffectKind::Define);
    let flags = [
        (effect.reversible && !plain).then_some("reversible"),
        effect.safeguard.then_some("safeguard"),
        (effect.bound == Bound::Unbounded).then_some("unbounded"),
    ];
    let flags: Vec<&str> = flags.into_iter().flatten().collect();
    if !flags.is_empty() {
        out.push_str(&format!(" ({})", flags.join(", ")));
    }
    out
}

/// Reads the tests of a pack.
pub fn read(pack: &Pack, tests: &[Test]) -> Result<Vec<Trial>, PackError> {
    let one = |test: &Test| {
        let asked = match pack.protocol {
            Protocol::Rest => request(&pack.hosts, test).map(|r| Asked::Request(Box::new(r))),
            Protocol::Graphql => call(test),
        };
        let asked = asked.map_err(|what| {
            PackError::new(
                format!("test {}", test.request),
                what,
                "write `METHOD /path?query` with the body as JSON text, or `mutation field` with its arguments as body",
            )
        })?;
        Ok(Trial {
            asked,
            text: test.request.clone(),
            expected: Expected {
                operation: test.operation.clone(),
                effects: test.effects.clone(),
                incomplete: test.incomplete,
            },
        })
    };
    tests.iter().map(one).collect()
}

fn call(test: &Test) -> Result<Asked, String> {
    let (kind, field) = test.request.split_once(' ').ok_or("there is no field")?;
    Ok(Asked::Call {
        kind: kind.to_owned(),
        field: field.to_owned(),
        arguments: json(test.body.as_deref())?.unwrap_or(Value::Null),
    })
}

fn request(hosts: &[String], test: &Test) -> Result<Request, String> {
    let (method, target) = test.request.split_once(' ').ok_or("there is no path")?;
    let host = hosts.first().map(|h| h.replace('*', "host"));
    let host = host.unwrap_or_else(|| "host.test".to_owned());
    let url = match target.starts_with('/') {
        true => Url::parse(&format!("https://{host}{target}")),
        false => Url::parse(target),
    }
    .map_err(|e| format!("the address is not one: {e}"))?;
    let path = url.path_segments().into_iter().flatten();
    let decoded = |s: &str| {
        // The library decodes pairs; a segment is the value of one.
        let escaped = s
            .replace('+', "%2B")
            .replace('&', "%26")
            .replace('=', "%3D");
        let mut pairs = url::form_urlencoded::parse(escaped.as_bytes());
        pairs
            .next()
            .map_or_else(String::new, |(k, _)| k.into_owned())
    };
    let headers = test.headers.iter();
    Ok(Request {
        method: method.to_owned(),
        scheme: Scheme::Https,
        host: url.host_str().unwrap_or_default().to_owned(),
        port: url.port_or_known_default().unwrap_or(443),
        raw_path: url.path().to_owned(),
        segments: path.filter(|s| !s.is_empty()).map(decoded).collect(),
        query: url.query_pairs().into_owned().collect(),
        headers: headers
            .map(|(k, v)| (k.to_lowercase(), v.clone()))
            .collect(),
        body: json(test.body.as_deref())?.map_or(Body::Absent, Body::Json),
    })
}

fn json(text: Option<&str>) -> Result<Option<Value>, String> {
    let read = |text| serde_json::from_str(text).map_err(|e| format!("the body is no JSON: {e}"));
    text.map(read).transpose()
}

/// A request for tests: as a pack's tests write it.
#[cfg(test)]
pub fn request_of(asked: &str, headers: &[(&str, &str)], body: Option<Value>) -> Request {
    let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    let test = Test {
        request: asked.to_owned(),
        headers: headers.iter().map(own).collect(),
        body: body.map(|b| b.to_string()),
        operation: None,
        effects: Vec::new(),
        incomplete: false,
    };
    request(&[], &test).unwrap()
}
