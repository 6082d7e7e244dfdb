//! A request, read by a pack.

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use serde_json::Value;

use super::Pack;
use super::condition::Truth;
use super::entry::{Entry, Shape};
use super::file::{Protocol, Reads};
use super::pattern::{Segment, name_and_verb};
use super::subject::Subject;
use crate::http::Request;
use crate::providers::beyond::leaves_http;
use crate::providers::{Operation, Reading, generic};

/// A root field that a GraphQL document asks for: what a pack needs of it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// `query`, `mutation` or `subscription`.
    pub kind: &'a str,
    /// The field's own name, not its alias.
    pub field: &'a str,
    /// Its arguments, variables put in.
    pub arguments: &'a Value,
    /// The names of all fields selected below it, at any depth.
    pub selects: &'a [&'a str],
}

impl Pack {
    /// What `request` does at this API.
    #[must_use]
    pub fn read(&self, request: &Request) -> Reading {
        let mut reading = Reading {
            provider: self.name().to_owned(),
            ..Reading::default()
        };
        if self.protocol == Protocol::Graphql {
            reading
                .analysis
                .incomplete
                .push("the pack knows GraphQL alone, and this was not read as GraphQL".to_owned());
            return reading;
        }
        let found = self.entry_for(&request.method, &request.segments);
        match found {
            Some((entry, path)) => {
                let bound = entry.bind(path);
                let subject = Subject {
                    bound: &bound,
                    request: Some(request),
                    arguments: None,
                    within: None,
                };
                entry.read(&subject, &request.method, &mut reading);
                reading.socket = entry.socket.filter(|_| request.method == "GET");
                reading.grpc = entry.grpc && request.method == "POST";
                self.slashes(request, entry, &mut reading);
            }
            None => self.unlisted(request, &mut reading),
        }
        leaves_http(request, &mut reading);
        reading
    }

    /// What one root field does at this API, added to `reading`.
    pub fn read_call(&self, call: &Call<'_>, reading: &mut Reading) {
        self.name().clone_into(&mut reading.provider);
        match self.trie.find(call.kind, &[call.field]) {
            Some(at) => {
                let subject = Subject {
                    bound: &[],
                    request: None,
                    arguments: Some(call.arguments),
                    within: None,
                };
                if let Some(entry) = self.entries.get(at) {
                    entry.read(&subject, call.kind, reading);
                }
            }
            None => {
                let looks = matches!(call.kind, "query" | "subscription");
                if !looks || self.reads != Reads::ByMethod {
                    let name = (self.name(), call.field);
                    let what = format!("the pack {} has no entry for `{}`", name.0, name.1);
                    reading.analysis.incomplete.push(what);
                }
                // The pack names the fields that hold credentials; no other is suspected.
                let call = Call {
                    selects: &[],
                    ..*call
                };
                generic::graphql::field(&call, reading);
            }
        }
        self.revealed(call, reading);
    }

    fn revealed(&self, call: &Call<'_>, reading: &mut Reading) {
        for field in &self.reveal_fields {
            if call.selects.contains(&field.as_str()) {
                let object = Some(format!("field.{}", crate::sql::ident(field)));
                let why = "the answer holds a credential";
                let effect = Effect::new(EffectKind::Reveal, Verb::Read, object).because(why);
                add(effect, &mut reading.analysis.effects);
            }
        }
    }

    /// The entry for a path, and the path without the base.
    fn entry_for<'p, S: AsRef<str>>(
        &self,
        method: &str,
        path: &'p [S],
    ) -> Option<(&Entry, &'p [S])> {
        let paths = self.bases.iter().filter_map(|base| without(base, path));
        let mut found = paths.filter_map(|rest| {
            let at = self.trie.find(method, rest);
            // A HEAD is a GET without a body.
            let at = at.or_else(|| (method == "HEAD").then(|| self.trie.find("GET", rest))?);
            Some((self.entries.get(at?)?, rest))
        });
        found.next()
    }

    /// An encoded slash in a segment is a slash to some servers: both roads must lead to the same entry.
    fn slashes(&self, request: &Request, entry: &Entry, reading: &mut Reading) {
        if !request.segments.iter().any(|s| s.contains(['/', '\\'])) {
            return;
        }
        let split = request.segments.iter().flat_map(|s| s.split(['/', '\\']));
        let split: Vec<&str> = split.filter(|s| !s.is_empty() && *s != ".").collect();
        let other = self.entry_for(&request.method, &split).map(|(e, _)| e);
        if split.contains(&"..") || other.is_some_and(|other| !std::ptr::eq(other, entry)) {
            reading.analysis.incomplete.push(
                "an encoded slash in the path leads to another operation on some servers"
                    .to_owned(),
            );
            reading.tokens.clear();
        }
    }

    fn unlisted(&self, request: &Request, reading: &mut Reading) {
        let inside = self
            .bases
            .iter()
            .any(|base| without(base, &request.segments).is_some());
        generic::rest::into(request, reading);
        let safe = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        if !(safe && inside && self.reads == Reads::ByMethod) {
            let what = format!(
                "the pack {} has no entry for this {} and this path",
                self.name(),
                request.method
            );
            reading.analysis.incomplete.insert(0, what);
        }
    }
}

impl Entry {
    fn bind<'a, S: AsRef<str>>(&'a self, path: &[S]) -> Vec<(&'a str, String)> {
        let mut out = Vec::new();
        for (at, segment) in self.pattern.segments.iter().enumerate() {
            let here = path.get(at).map(|s| s.as_ref().to_owned());
            match (segment, here) {
                (Segment::One(name), Some(value)) => out.push((name.as_str(), value)),
                (Segment::Verb { name, .. }, Some(value)) => {
                    let thing = name_and_verb(&value).map(|(thing, _)| thing.to_owned());
                    out.push((name.as_str(), thing.unwrap_or(value)));
                }
                (Segment::Rest(name), _) => {
                    let rest = path.get(at..).unwrap_or_default();
                    let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
                    out.push((name.as_str(), rest.join("/")));
                }
                _ => {}
            }
        }
        out
    }

    fn read(&self, subject: &Subject<'_>, method: &str, reading: &mut Reading) {
        let mut shapes = vec![&self.base];
        let mut milder = self.cases.iter().filter(|c| c.instead);
        match milder.find(|c| c.holds(subject) == Truth::Yes) {
            Some(case) => shapes = vec![&case.shape],
            None => self.besides(subject, &mut shapes, &mut reading.analysis.incomplete),
        }
        for shape in &shapes {
            shape.effects(subject, method, &mut reading.analysis.effects);
            reading.analysis.incomplete.extend(shape.incomplete.clone());
        }
        reading.operations.push(self.operation(&shapes));
        reading.tokens.extend(self.tokens.iter().cloned());
        if shapes.iter().all(|shape| shape.quotes) {
            reading.quotes.extend(self.quotes.iter().cloned());
        }
    }

    fn besides<'a>(
        &'a self,
        subject: &Subject<'_>,
        shapes: &mut Vec<&'a Shape>,
        incomplete: &mut Vec<String>,
    ) {
        for case in self.cases.iter().filter(|c| !c.instead) {
            match case.holds(subject) {
                Truth::Yes => shapes.push(&case.shape),
                Truth::Unknown => incomplete.push(format!(
                    "what decides over `{}` cannot be read in this request",
                    case.shape.does
                )),
                Truth::No => {}
            }
        }
    }

    fn operation(&self, shapes: &[&Shape]) -> Operation {
        let mut does: Vec<&str> = shapes.iter().map(|s| s.does.as_str()).collect();
        does.dedup();
        let grace = shapes.first().and_then(|s| s.grace.clone());
        let agreed = shapes.iter().all(|s| s.grace == grace);
        Operation {
            name: self.pattern.text.clone(),
            knowledge: self.knowledge,
            does: does.join(" "),
            along: gathered(shapes.iter().map(|s| &s.along)),
            grace: grace.filter(|_| agreed),
            preview: shapes.iter().find_map(|s| s.preview.clone()),
            reveals: gathered(shapes.iter().map(|s| &s.reveals)),
        }
    }
}

impl Shape {
    fn effects(&self, subject: &Subject<'_>, method: &str, into: &mut Vec<Effect>) {
        for kind in &self.kinds {
            let object = self.object.as_ref().map(|o| o.render(subject));
            let verb = self.verb.unwrap_or_else(|| usual(*kind, method));
            let mut effect = Effect::new(*kind, verb, object);
            effect.reversible = self.reversible.unwrap_or(effect.reversible);
            effect.safeguard = self.safeguard;
            effect.bound = self.bound.unwrap_or(match kind {
                EffectKind::Write => Bound::Unbounded,
                _ => Bound::Structure,
            });
            add(effect, into);
        }
    }
}

/// The verb that goes with a kind of effect.
fn usual(kind: EffectKind, method: &str) -> Verb {
    match (kind, method) {
        (EffectKind::Read | EffectKind::Reveal, _) => Verb::Read,
        (EffectKind::Define, _) => Verb::Create,
        (EffectKind::Write, "POST") => Verb::Insert,
        (EffectKind::Write, "DELETE") => Verb::Delete,
        (EffectKind::Write, _) => Verb::Update,
        (EffectKind::Destroy, _) => Verb::Drop,
        (EffectKind::Admin | EffectKind::Escape, _) => Verb::Other,
    }
}

/// Adds an effect; of two that differ only in how bad they are, the worse stays.
pub fn add(effect: Effect, into: &mut Vec<Effect>) {
    let same = |e: &&mut Effect| {
        e.kind == effect.kind
            && e.verb == effect.verb
            && e.object == effect.object
            && e.bound == effect.bound
    };
    match into.iter_mut().find(same) {
        Some(there) => {
            there.reversible &= effect.reversible;
            there.safeguard |= effect.safeguard;
        }
        None => into.push(effect),
    }
}

fn gathered<'a>(lists: impl Iterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for one in lists.flatten() {
        if !out.contains(one) {
            out.push(one.clone());
        }
    }
    out
}

fn without<'p, S: AsRef<str>>(base: &[String], path: &'p [S]) -> Option<&'p [S]> {
    let (head, rest) = path.split_at_checked(base.len())?;
    let same = base.iter().zip(head).all(|(b, p)| *b == *p.as_ref());
    same.then_some(rest)
}
