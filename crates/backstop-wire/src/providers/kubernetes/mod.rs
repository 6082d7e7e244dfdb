//! Kubernetes: its API has one grammar for all resources, so it is read by code and a table of resources.
//!
//! Source: Kubernetes API reference and API concepts, v1.34; read on 2026-11-29. Reviewed by hand.

mod change;
mod delete;
mod path;
mod resources;
mod subresource;
mod touched;

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};

use self::path::{Path, Target};
use self::resources::Class;
use super::beyond::leaves_http;
use super::pack::add_effect;
use super::{Knowledge, Operation, Reading};
use crate::http::Request;
use crate::sql::ident;

/// The pack's name.
pub const NAME: &str = "kubernetes";

/// What `request` does at a cluster.
#[must_use]
pub fn read(request: &Request) -> Reading {
    let mut out = Finding::default();
    let operation = match path::of(&request.segments) {
        Path::Information => information(request, &mut out),
        Path::Resource(target) => resource(request, &target, &mut out),
        Path::Unknown => {
            let what = "the path is none that the Kubernetes API has";
            out.incomplete(what);
            let object = format!("path.{}", ident(&request.segments.join("/")));
            out.effect(unbounded(EffectKind::Write, Verb::Other, object));
            format!("{} of an unknown path", request.method)
        }
    };
    impersonates(request, &mut out);
    out.into_reading(operation, request)
}

/// What is gathered while a request is read.
#[derive(Debug, Default)]
struct Finding {
    effects: Vec<Effect>,
    incomplete: Vec<String>,
    does: Vec<String>,
    along: Vec<String>,
    preview: Option<String>,
    reveals: Vec<String>,
    generic: bool,
}

impl Finding {
    fn effect(&mut self, effect: Effect) {
        add_effect(effect, &mut self.effects);
    }

    fn incomplete(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.incomplete.contains(&what) {
            self.incomplete.push(what);
        }
    }

    fn does(&mut self, what: impl Into<String>) {
        self.does.push(what.into());
    }

    fn along(&mut self, what: &str) {
        if !what.is_empty() {
            self.along.push(what.to_owned());
        }
    }

    fn into_reading(self, name: String, request: &Request) -> Reading {
        let mut reading = Reading {
            provider: NAME.to_owned(),
            ..Reading::default()
        };
        reading.operations.push(Operation {
            name,
            knowledge: match self.generic {
                true => Knowledge::Generic,
                false => Knowledge::Reviewed,
            },
            does: match self.does.is_empty() {
                true => "Does what the gate does not know.".to_owned(),
                false => self.does.join(" "),
            },
            along: self.along,
            grace: None,
            preview: self.preview,
            reveals: self.reveals,
        });
        reading.analysis.effects = self.effects;
        reading.analysis.incomplete = self.incomplete;
        leaves_http(request, &mut reading);
        reading
    }
}

/// Discovery, versions, health and schemas.
fn information(request: &Request, out: &mut Finding) -> String {
    let object = request.segments.first().map_or("api", String::as_str);
    let object = format!("api.{}", ident(object));
    match request.method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => {
            out.does("Reads what the API offers.");
            out.effect(Effect::new(EffectKind::Read, Verb::Read, object));
        }
        _ => {
            out.incomplete("the path only answers reads");
            out.effect(unbounded(EffectKind::Write, Verb::Other, object));
        }
    }
    format!("{} {}", request.method, "information")
}

fn resource(request: &Request, target: &Target<'_>, out: &mut Finding) -> String {
    let class = resources::class(target.group, target.resource);
    out.generic = matches!(class, Class::Foreign);
    let verb = verb(request, target);
    match target.subresource {
        Some(sub) => subresource::read(request, target, sub, verb, out),
        None => plain(request, target, class, verb, out),
    }
    match target.subresource {
        Some(sub) => format!("{verb} {}/{}", path::word(target.resource), path::word(sub)),
        None => format!("{verb} {}", path::word(target.resource)),
    }
}

/// The verb as the cluster's own authorisation names it.
fn verb(request: &Request, target: &Target<'_>) -> &'static str {
    let watches = request
        .query
        .iter()
        .any(|(name, value)| name == "watch" && !matches!(value.as_str(), "false" | "0"));
    match (request.method.as_str(), target.name.is_some()) {
        ("GET", _) if watches || target.watch => "watch",
        ("GET" | "HEAD" | "OPTIONS", true) => "get",
        ("GET" | "HEAD" | "OPTIONS", false) => "list",
        // A POST to a name, or a PUT without one, is none that the API has; parts of a resource take POST.
        ("POST", named) if !named || target.subresource.is_some() => "create",
        ("PUT", true) => "update",
        ("PATCH", true) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "unknown",
    }
}

fn plain(request: &Request, target: &Target<'_>, class: Class, verb: &str, out: &mut Finding) {
    if class == Class::Secret && !matches!(verb, "create" | "update") {
        reveals(target, out);
    }
    match verb {
        "get" | "list" | "watch" => looks(target, class, out),
        "create" if class == Class::Review => {
            out.does("Asks who may do what; keeps nothing.");
            out.effect(Effect::new(EffectKind::Read, Verb::Read, target.object()));
        }
        "create" | "update" | "patch" => change::read(request, target, class, verb, out),
        "delete" | "deletecollection" => delete::read(request, target, class, out),
        _ => {
            out.incomplete("the Kubernetes API does not have this method here");
            out.effect(unbounded(EffectKind::Write, Verb::Other, target.object()));
        }
    }
}

fn looks(target: &Target<'_>, class: Class, out: &mut Finding) {
    let credential = super::generic::is_credential(target.resource);
    if class == Class::Secret {
        return;
    }
    if class == Class::Foreign && credential {
        reveals(target, out);
        return;
    }
    out.does(format!("Reads {}.", target.words()));
    out.effect(Effect::new(EffectKind::Read, Verb::Read, target.object()));
}

fn reveals(target: &Target<'_>, out: &mut Finding) {
    out.does(format!("Answers with {}, values and all.", target.words()));
    out.effect(Effect::new(EffectKind::Reveal, Verb::Read, target.object()));
    out.reveals.push(match target.name {
        Some(_) => "/data".to_owned(),
        // Watching answers objects one after the other, deleting with one or a list.
        None => String::new(),
    });
}

/// Whoever acts as somebody else is not held by their own rights.
fn impersonates(request: &Request, out: &mut Finding) {
    if request
        .headers
        .iter()
        .any(|(name, _)| name.starts_with("impersonate-"))
    {
        out.does("Acts as another user of the cluster.");
        let effect = Effect::new(EffectKind::Admin, Verb::Other, "impersonation".to_owned());
        out.effect(effect.because("it names another user to act as"));
    }
}

fn unbounded(kind: EffectKind, verb: Verb, object: String) -> Effect {
    Effect::new(kind, verb, object).bounded(Bound::Unbounded)
}

/// An effect on one object that can be set back by the same call.
fn one(kind: EffectKind, verb: Verb, object: String) -> Effect {
    let mut effect = Effect::new(kind, verb, object).bounded(Bound::Rows(1));
    effect.reversible = true;
    effect
}

fn safeguard(kind: EffectKind, verb: Verb, object: String, why: &str) -> Effect {
    let mut effect = Effect::new(kind, verb, object).because(why);
    effect.safeguard = true;
    effect
}

#[cfg(test)]
mod tests;
