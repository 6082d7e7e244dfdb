//! The query protocols: `Filters.member.1.Name=x` in a form or in the query, unfolded into JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::shapes::{Kind, Place, Shape, Shapes};
use super::value::{Decoded, scalar, text};
use crate::http::{Body, Request};

/// Names and values of the query and of the form, in order.
pub(super) fn pairs(request: &Request) -> Vec<(String, String)> {
    let mut pairs = request.query.clone();
    match &request.body {
        Body::Form(form) => pairs.extend(form.iter().cloned()),
        body => {
            let text = text(body)
                .map(str::trim)
                .filter(|t| !t.starts_with(['{', '<']));
            let form = text.map(|t| form_urlencoded::parse(t.as_bytes()));
            pairs.extend(
                form.into_iter()
                    .flatten()
                    .map(|(n, v)| (n.into(), v.into())),
            );
        }
    }
    pairs
}

/// The values of one name.
pub(super) fn values<'a>(
    pairs: &'a [(String, String)],
    name: &str,
) -> impl Iterator<Item = &'a str> {
    pairs
        .iter()
        .filter(move |(n, _)| n == name)
        .map(|(_, v)| v.as_str())
}

/// What is not an argument.
fn is_frame(name: &str) -> bool {
    matches!(
        name,
        "Action"
            | "Version"
            | "SignatureMethod"
            | "SignatureVersion"
            | "AWSAccessKeyId"
            | "Signature"
            | "Timestamp"
            | "Expires"
            | "SecurityToken"
    ) || name
        .get(..6)
        .is_some_and(|p| p.eq_ignore_ascii_case("x-amz-"))
}

/// One name's value and what stands below it.
#[derive(Debug, Default)]
struct Node {
    value: Option<String>,
    below: BTreeMap<String, Node>,
}

impl Node {
    fn numbered(&self) -> Option<Vec<&Node>> {
        let mut found = Vec::new();
        for (name, node) in &self.below {
            found.push((name.parse::<u32>().ok()?, node));
        }
        found.sort_by_key(|(n, _)| *n);
        let twice = found.windows(2).any(|w| matches!(w, [a, b] if a.0 == b.0));
        (!twice).then(|| found.into_iter().map(|(_, node)| node).collect())
    }
}

/// Unfolds the arguments, by their shape where it is known.
pub(super) fn decode(request: &Request, shape: Option<(&Shapes, &Shape)>, ec2: bool) -> Decoded {
    let mut root = Node::default();
    let mut out = Decoded::default();
    for (name, value) in pairs(request) {
        if is_frame(&name) {
            continue;
        }
        let mut node = &mut root;
        for part in name.split('.') {
            node = node.below.entry(part.to_owned()).or_default();
        }
        match &node.value {
            Some(before) if *before != value => out.doubt(format!("`{name}` is given twice")),
            _ => node.value = Some(value),
        }
    }
    out.value = match shape {
        Some((shapes, shape)) => {
            let mut reader = Reader {
                shapes,
                ec2,
                doubts: Vec::new(),
            };
            let value = reader.structure(&root, shape);
            out.doubts.append(&mut reader.doubts);
            value
        }
        None => unfolded("", &root),
    };
    out
}

/// Without a shape: numbers are places in a list, `member` is nothing, and so is `Filter` below `Filters`.
fn unfolded(name: &str, node: &Node) -> Value {
    if node.below.is_empty() {
        return node.value.as_deref().map_or(Value::Null, Value::from);
    }
    if let Some(items) = node.numbered() {
        return items.into_iter().map(|n| unfolded("", n)).collect();
    }
    if let (1, Some((inner, below))) = (node.below.len(), node.below.first_key_value()) {
        if let (true, Some(map)) = (inner == "entry", below.numbered().and_then(entries)) {
            return map;
        }
        let wraps = inner == "member" || name.strip_suffix('s') == Some(inner);
        if wraps && below.numbered().is_some() {
            return unfolded("", below);
        }
    }
    let named = node.below.iter();
    Value::Object(named.map(|(n, v)| (n.clone(), unfolded(n, v))).collect())
}

/// `entry.1.Name=a`, `entry.1.Value=b`: a map.
fn entries(items: Vec<&Node>) -> Option<Value> {
    let mut out = Map::new();
    for item in items {
        let key = ["key", "Name"].iter().find_map(|k| item.below.get(*k))?;
        let value = ["value", "Value"].iter().find_map(|v| item.below.get(*v))?;
        out.insert(key.value.clone()?, unfolded("", value));
    }
    Some(Value::Object(out))
}

struct Reader<'a> {
    shapes: &'a Shapes,
    ec2: bool,
    doubts: Vec<String>,
}

impl Reader<'_> {
    fn structure(&mut self, node: &Node, shape: &Shape) -> Value {
        let Shape::Structure(members) = shape else {
            return Value::Null;
        };
        let mut out = Map::new();
        for (wire, below) in &node.below {
            match members.iter().find(|m| m.wire == wire) {
                Some(member) if member.place == Place::Body => {
                    let value = self.value(below, &member.kind, member.flat);
                    out.insert(member.name.to_owned(), value);
                }
                _ => {
                    self.doubts
                        .push(format!("the pack does not know the argument `{wire}`"));
                    out.insert(wire.clone(), unfolded(wire, below));
                }
            }
        }
        Value::Object(out)
    }

    fn value(&mut self, node: &Node, kind: &Kind, flat: bool) -> Value {
        let Kind::Of(name) = kind else {
            return node
                .value
                .as_deref()
                .map_or(Value::Null, |v| scalar(v, kind));
        };
        match self.shapes.shape(name) {
            Some(shape @ Shape::Structure(_)) => self.structure(node, shape),
            Some(Shape::List { kind, wire }) => self.list(node, kind, wire, flat),
            Some(Shape::Map { kind, key, value }) => self.map(node, kind, (key, value), flat),
            None => unfolded("", node),
        }
    }

    fn list(&mut self, node: &Node, kind: &Kind, wire: &str, flat: bool) -> Value {
        let name = if wire.is_empty() { "member" } else { wire };
        let inner = if flat || self.ec2 {
            None
        } else {
            node.below.get(name)
        };
        let holder = inner.unwrap_or(node);
        match holder.numbered() {
            Some(items) => items
                .into_iter()
                .map(|n| self.value(n, kind, false))
                .collect(),
            None => {
                self.doubts
                    .push("a list is not numbered as lists are".to_owned());
                unfolded("", node)
            }
        }
    }

    fn map(&mut self, node: &Node, kind: &Kind, names: (&str, &str), flat: bool) -> Value {
        let inner = if flat { None } else { node.below.get("entry") };
        let mut out = Map::new();
        for item in inner.unwrap_or(node).numbered().unwrap_or_default() {
            let key = item.below.get(names.0).and_then(|n| n.value.clone());
            let value = item.below.get(names.1);
            if let (Some(key), Some(value)) = (key, value) {
                let value = self.value(value, kind, false);
                out.insert(key, value);
            }
        }
        Value::Object(out)
    }
}
