//! An entry, read and checked: what an operation does, and what it does besides when a request says more.

use backstop_core::effect::{Bound, EffectKind, Verb};

use super::condition::{Condition, Truth, Way, pointer};
use super::error::PackError;
use super::file::{self, Facts};
use super::pattern::Pattern;
use super::subject::{Item, Look, Subject};
use super::template::Template;
use crate::providers::{IdempotencyToken, Knowledge, Socket};

/// An operation of the API.
#[derive(Debug)]
pub struct Entry {
    /// What it matches.
    pub pattern: Pattern,
    /// The provider's own name for it, where it has one.
    pub id: Option<String>,
    /// How far it is to be believed.
    pub knowledge: Knowledge,
    /// Where its clients put what they make anew at every call.
    pub tokens: Vec<IdempotencyToken>,
    /// What may be said on a WebSocket that it opens.
    pub socket: Option<Socket>,
    /// Whether it may be called by gRPC.
    pub grpc: bool,
    /// What it does in any case.
    pub base: Shape,
    /// What it does when a request says more.
    pub cases: Vec<Case>,
    /// What its body only quotes, as tokens of JSON pointers; a last `**` stands for all that lies there.
    pub quotes: Vec<Vec<String>>,
}

/// One case of `when`.
#[derive(Debug)]
pub struct Case {
    /// Where the elements lie that are looked at one by one, each as if it were the body.
    each: Option<Vec<String>>,
    /// All of them must hold.
    conditions: Vec<Condition>,
    /// Whether it stands in the operation's place, or adds to it.
    pub instead: bool,
    /// What it then does.
    pub shape: Shape,
}

/// What happens.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Its effects; empty only where nothing at all is known.
    pub kinds: Vec<EffectKind>,
    /// The verb of all of them, where it is not the kind's own.
    pub verb: Option<Verb>,
    /// On what.
    pub object: Option<Template>,
    /// Whether it can be taken back.
    pub reversible: Option<bool>,
    /// How many.
    pub bound: Option<Bound>,
    /// Whether it weakens what would bring data back.
    pub safeguard: bool,
    /// The sentence.
    pub does: String,
    /// What goes along.
    pub along: Vec<String>,
    /// For how long it can be taken back.
    pub grace: Option<String>,
    /// How to look first.
    pub preview: Option<String>,
    /// Where credentials stand in the answer.
    pub reveals: Vec<String>,
    /// Why not all is known.
    pub incomplete: Option<String>,
    /// Whether what the operation quotes is only quoted here, too.
    pub quotes: bool,
}

impl Case {
    /// Whether it holds.
    pub fn holds(&self, subject: &Subject<'_>) -> Truth {
        match &self.each {
            None => self.all_hold(subject),
            Some(each) => self.one_holds(each, subject),
        }
    }

    /// Whether it holds for one of the elements.
    fn one_holds(&self, each: &[String], subject: &Subject<'_>) -> Truth {
        let found = subject.body(each, Look::Anywhere);
        let mut truth = if found.hidden || subject.is_form() {
            Truth::Unknown
        } else {
            Truth::No
        };
        for item in found.items {
            let one = match item {
                Item::Json(element) => self.all_hold(&Subject {
                    within: Some(element),
                    ..*subject
                }),
                // A field of a form has no members to look at.
                Item::Text(_) => Truth::Unknown,
            };
            match one {
                Truth::Yes => return Truth::Yes,
                Truth::Unknown => truth = Truth::Unknown,
                Truth::No => {}
            }
        }
        truth
    }

    fn all_hold(&self, subject: &Subject<'_>) -> Truth {
        let way = if self.instead {
            Way::Milder
        } else {
            Way::Worse
        };
        let mut all = Truth::Yes;
        for condition in &self.conditions {
            match condition.holds(subject, way) {
                Truth::No => return Truth::No,
                Truth::Unknown => all = Truth::Unknown,
                Truth::Yes => {}
            }
        }
        all
    }
}

/// Reads the entries of one written operation: one for each of its patterns.
pub fn entries(
    written: &toml::Table,
    protocol: file::Protocol,
    default: Knowledge,
) -> Result<Vec<Entry>, PackError> {
    let at = place(written);
    let bad =
        |what: String| PackError::new(&at, what, "see docs/packs.md for the keys of an entry");
    let (outer, facts) = split(written, &file::Entry::KEYS);
    let outer: file::Entry = outer.try_into().map_err(|e| bad(message(&e)))?;
    let facts: Facts = facts.try_into().map_err(|e| bad(message(&e)))?;
    if outer.matches.0.is_empty() {
        return Err(bad("`match` is empty".to_owned()));
    }
    if !outer.idempotency.0.is_empty() && protocol == file::Protocol::Graphql {
        return Err(bad(
            "`idempotency` is for methods and paths, not for GraphQL".to_owned(),
        ));
    }
    let tokens = outer.idempotency.0.iter().map(|at| token(at).map_err(&bad));
    let tokens: Vec<IdempotencyToken> = tokens.collect::<Result<_, _>>()?;
    let mut out = Vec::new();
    for text in &outer.matches.0 {
        let pattern = match protocol {
            file::Protocol::Rest => Pattern::rest(text),
            file::Protocol::Graphql => Pattern::graphql(text),
        }
        .map_err(&bad)?;
        let names: Vec<&str> = pattern.names().collect();
        let base = shape(&facts, &names).map_err(&bad)?;
        let case = |written| case(written, &facts, &names).map_err(&bad);
        let cases: Vec<Vec<Case>> = outer.when.iter().map(case).collect::<Result<_, _>>()?;
        beyond(&outer, protocol, &pattern, &base).map_err(&bad)?;
        out.push(Entry {
            quotes: quotes(&outer.quotes, protocol).map_err(&bad)?,
            id: outer.id.clone(),
            knowledge: outer.knowledge.unwrap_or(default),
            tokens: tokens.clone(),
            socket: outer.socket,
            grpc: outer.grpc.is_some(),
            base,
            cases: cases.into_iter().flatten().collect(),
            pattern,
        });
    }
    Ok(out)
}

/// What is said on a socket or in a call is read by nobody: it goes with what a request may do unread.
fn beyond(
    outer: &file::Entry,
    protocol: file::Protocol,
    pattern: &Pattern,
    base: &Shape,
) -> Result<(), String> {
    let keys = [
        ("socket", outer.socket.is_some(), "GET"),
        ("grpc", outer.grpc.is_some(), "POST"),
    ];
    for (key, _, method) in keys.into_iter().filter(|(_, there, _)| *there) {
        if protocol == file::Protocol::Graphql {
            return Err(format!(
                "`{key}` is not for GraphQL, which is read message by message"
            ));
        }
        if pattern.methods != [method] {
            return Err(format!("`{key}` goes with {method} alone"));
        }
        let mild = |kind: &EffectKind| *kind <= EffectKind::Write;
        if base.incomplete.is_some() || !base.reveals.is_empty() || !base.kinds.iter().all(mild) {
            return Err(format!(
                "`{key}` goes with `read`, `define` and `write` alone, of which all is known"
            ));
        }
    }
    Ok(())
}

/// The texts of a body that an operation only quotes.
fn quotes(written: &[String], protocol: file::Protocol) -> Result<Vec<Vec<String>>, String> {
    if !written.is_empty() && protocol == file::Protocol::Graphql {
        return Err("`quotes` goes with methods and paths alone".to_owned());
    }
    let one = |text: &String| {
        let tokens = pointer(text)?;
        let inner = tokens.len().saturating_sub(1);
        let all = |token: &String| token == "**";
        match tokens.iter().take(inner).any(all) || tokens.iter().all(all) {
            true => Err(format!(
                "`{text}` names no member; `**` is for all that lies at one, and stands last"
            )),
            false => Ok(tokens),
        }
    };
    written.iter().map(one).collect()
}

/// What is written as one case: with a list of places it is as many.
fn case(written: &toml::Table, outer: &Facts, names: &[&str]) -> Result<Vec<Case>, String> {
    let (condition, rest) = split(written, &file::Condition::KEYS);
    let (how, facts) = split(&rest, &file::Case::KEYS);
    let first: file::Condition = condition
        .try_into()
        .map_err(|e| format!("in `when`: {}", message(&e)))?;
    let how: file::Case = how
        .try_into()
        .map_err(|e| format!("in `when`: {}", message(&e)))?;
    let facts: Facts = facts
        .try_into()
        .map_err(|e| format!("in `when`: {}", message(&e)))?;
    if how.quotes == Some(true) {
        return Err("in a case `quotes` is `false` or is left out".to_owned());
    }
    let says = facts.effect.is_some() || facts.incomplete.is_some() || how.quotes.is_some();
    if !how.instead && !says {
        return Err("a case of `when` that adds something says which `effect`".to_owned());
    }
    if how.instead && (!how.each.0.is_empty() || first.at.0.len() > 1) {
        return Err("`each` and a list of places go with a case that adds something".to_owned());
    }
    let mut each = Vec::new();
    for text in &how.each.0 {
        each.push(Some(elements(text)?));
    }
    if each.is_empty() {
        each.push(None);
    }
    let shape = Shape {
        quotes: how.quotes.is_none(),
        ..shape(&inherit(facts, outer), names)?
    };
    let condition = |place: &str, written: &file::Condition| {
        Condition::of(place, written, names).map_err(|e| format!("in `when`, at `{place}`: {e}"))
    };
    let alone = |written: &file::Condition| match written.at.0.as_slice() {
        [place] => condition(place, written),
        _ => Err("a condition of `and` has one place".to_owned()),
    };
    if first.at.0.is_empty() {
        return Err("`at` names no place".to_owned());
    }
    let mut cases = Vec::new();
    for each in each {
        for place in &first.at.0 {
            let mut conditions = vec![condition(place, &first)?];
            for and in &how.and {
                conditions.push(alone(and)?);
            }
            cases.push(Case {
                each: each.clone(),
                conditions,
                instead: how.instead,
                shape: shape.clone(),
            });
        }
    }
    Ok(cases)
}

/// Where the elements lie that a case looks at one by one.
fn elements(text: &str) -> Result<Vec<String>, String> {
    match text.strip_prefix("body.").map(pointer) {
        Some(Ok(tokens)) if !tokens.is_empty() => Ok(tokens),
        _ => Err(format!(
            "`{text}` is no place for `each`, which goes with elements of a body: `body./a/*`"
        )),
    }
}

/// A case that names an effect says all about it: nothing that makes the operation's own milder is taken over.
fn inherit(case: Facts, outer: &Facts) -> Facts {
    let mut all = case;
    if all.effect.is_none() {
        all.effect.clone_from(&outer.effect);
        all.verb = all.verb.or(outer.verb);
        all.reversible = all.reversible.or(outer.reversible);
        all.bound = all.bound.or_else(|| outer.bound.clone());
        all.safeguard = all.safeguard.or(outer.safeguard);
        all.grace = all.grace.or_else(|| outer.grace.clone());
        all.incomplete = all.incomplete.or_else(|| outer.incomplete.clone());
    }
    all.object = all.object.or_else(|| outer.object.clone());
    all.does = all.does.or_else(|| outer.does.clone());
    all.along = all.along.or_else(|| outer.along.clone());
    all.preview = all.preview.or_else(|| outer.preview.clone());
    all.reveals = all.reveals.or_else(|| outer.reveals.clone());
    all
}

fn shape(facts: &Facts, names: &[&str]) -> Result<Shape, String> {
    let kinds = facts.effect.clone().unwrap_or_default().0;
    if kinds.is_empty() && facts.incomplete.is_none() {
        return Err("there is neither an `effect` nor a reason why it is `incomplete`".to_owned());
    }
    let does = facts.does.clone().unwrap_or_default();
    if does.trim().is_empty() {
        return Err("there is no sentence `does` that a person could decide by".to_owned());
    }
    let reveals = facts.reveals.clone().unwrap_or_default();
    reveals.iter().try_for_each(|at| pointer(at).map(|_| ()))?;
    let harmless = |k: &EffectKind| matches!(k, EffectKind::Read | EffectKind::Define);
    if facts.safeguard == Some(true) && kinds.iter().all(harmless) {
        return Err("`safeguard` does not go with `read` or `define` alone".to_owned());
    }
    let object = facts.object.as_ref().map(|t| Template::of(t, names));
    Ok(Shape {
        kinds,
        verb: facts.verb,
        object: object.transpose()?,
        reversible: facts.reversible,
        bound: facts.bound.as_ref().map(bound).transpose()?,
        safeguard: facts.safeguard.unwrap_or_default(),
        does,
        along: facts.along.clone().unwrap_or_default(),
        grace: facts.grace.clone().filter(|g| !g.is_empty()),
        preview: facts.preview.clone(),
        reveals,
        incomplete: facts.incomplete.clone(),
        quotes: true,
    })
}

/// Where an idempotency token stands.
fn token(text: &str) -> Result<IdempotencyToken, String> {
    let named = text.split_once('.').filter(|(_, name)| !name.is_empty());
    match named {
        Some(("query", name)) => Ok(IdempotencyToken::Query(name.to_owned())),
        Some(("header", name)) if name.chars().any(|c| c.is_ascii_uppercase()) => {
            Err(format!("the header `{name}` is not in lower case"))
        }
        Some(("header", name)) => Ok(IdempotencyToken::Header(name.to_owned())),
        Some(("body", at)) => match pointer(at)?.as_slice() {
            [name] if name != "*" => Ok(IdempotencyToken::Body(name.clone())),
            _ => Err(format!(
                "`{text}` is no member of the body itself, as `body./client_token` is"
            )),
        },
        _ => Err(format!(
            "`{text}` is no place of an idempotency token; places are query.x, header.x and body./x"
        )),
    }
}

fn bound(value: &toml::Value) -> Result<Bound, String> {
    match value {
        toml::Value::Integer(n) if *n > 0 => Ok(Bound::Rows(n.unsigned_abs())),
        toml::Value::String(word) if word == "unbounded" => Ok(Bound::Unbounded),
        toml::Value::String(word) if word == "structure" => Ok(Bound::Structure),
        _ => Err("`bound` is a number from 1, \"unbounded\" or \"structure\"".to_owned()),
    }
}

fn place(written: &toml::Table) -> String {
    let first = match written.get("match") {
        Some(toml::Value::String(text)) => text.as_str(),
        Some(toml::Value::Array(list)) => list.first().and_then(toml::Value::as_str).unwrap_or("?"),
        _ => "without a `match`",
    };
    format!("operation {first}")
}

/// The keys named, and all others.
fn split(table: &toml::Table, keys: &[&str]) -> (toml::Table, toml::Table) {
    table
        .clone()
        .into_iter()
        .partition(|(key, _)| keys.contains(&key.as_str()))
}

fn message(error: &toml::de::Error) -> String {
    error.message().to_owned()
}
