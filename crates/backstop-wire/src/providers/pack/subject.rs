//! What a condition can look at in a request or in a GraphQL call.

use serde_json::Value;

use crate::http::{Body, Request};

/// A request, or a call of a root field, with what its path bound.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Names and values of the path's placeholders.
    pub bound: &'a [(&'a str, String)],
    /// The request, if it is one.
    pub request: Option<&'a Request>,
    /// The arguments, if it is a GraphQL call: variables put in.
    pub arguments: Option<&'a Value>,
    /// An element of the body that stands for all of it, where a case looks at `each`.
    pub within: Option<&'a Value>,
}

/// One thing found.
#[derive(Clone)]
pub enum Item<'a> {
    /// From the path, the query, a header or a form.
    Text(&'a str),
    /// From JSON.
    Json(&'a Value),
}

impl Item<'_> {
    /// What stands in an object's name; nothing for lists, objects and null.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some((*text).to_owned()),
            Self::Json(Value::String(text)) => Some(text.clone()),
            Self::Json(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
            Self::Json(_) => None,
        }
    }
}

/// What was found at a place.
#[derive(Default, Clone)]
pub struct Found<'a> {
    /// Everything, repetitions kept.
    pub items: Vec<Item<'a>>,
    /// Whether the place could not be looked into.
    pub hidden: bool,
}

/// How a place is looked into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Names as they stand, in that place alone.
    Exactly,
    /// Also in another case, and in the query for the body and the other way round, as some servers do.
    Anywhere,
}

impl<'a> Subject<'a> {
    /// The value that the path bound to `name`.
    pub fn path(&self, name: &str) -> Found<'a> {
        let items = self.bound.iter().filter(|(n, _)| *n == name);
        Found {
            items: items.map(|(_, value)| Item::Text(value)).collect(),
            hidden: false,
        }
    }

    /// The values of a header.
    pub fn header(&self, name: &str) -> Found<'a> {
        let all = self.request.map_or(&[][..], |r| &r.headers);
        let items = all.iter().filter(|(n, _)| n == name);
        Found {
            items: items.map(|(_, v)| Item::Text(v)).collect(),
            hidden: false,
        }
    }

    /// The values of a query parameter.
    pub fn query(&self, name: &str, look: Look) -> Found<'a> {
        let mut found = self.in_query(name, look);
        if look == Look::Anywhere && self.within.is_none() {
            found
                .items
                .extend(self.in_body(&[name.to_owned()], look).items);
        }
        found
    }

    /// What stands at a pointer in the body.
    pub fn body(&self, pointer: &[String], look: Look) -> Found<'a> {
        let mut found = self.in_body(pointer, look);
        if let ([name], Look::Anywhere, None) = (pointer, look, self.within) {
            found.items.extend(self.in_query(name, look).items);
        }
        found
    }

    /// Whether the body is a form, whose fields have no members.
    pub fn is_form(&self) -> bool {
        matches!(self.request.map(|r| &r.body), Some(Body::Form(_)))
    }

    /// What stands at a pointer in the arguments. GraphQL's names have one spelling.
    pub fn argument(&self, pointer: &[String]) -> Found<'a> {
        let mut items = Vec::new();
        if let Some(arguments) = self.arguments {
            walk(arguments, pointer, Look::Exactly, &mut items);
        }
        Found {
            items,
            hidden: false,
        }
    }

    /// The names of all query parameters.
    pub fn query_names(&self) -> Vec<&'a str> {
        let query = self.request.map_or(&[][..], |r| &r.query);
        query.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The names at the top of the body; nothing if it cannot be looked into.
    pub fn body_names(&self) -> Option<Vec<&'a str>> {
        if let Some(element) = self.within {
            let map = element.as_object()?;
            return Some(map.keys().map(String::as_str).collect());
        }
        match &self.request?.body {
            Body::Absent => Some(Vec::new()),
            Body::Json(Value::Object(map)) | Body::Cbor(Value::Object(map)) => {
                Some(map.keys().map(String::as_str).collect())
            }
            Body::Form(pairs) if !is_json_in_disguise(pairs) => {
                Some(pairs.iter().map(|(name, _)| name.as_str()).collect())
            }
            _ => None,
        }
    }

    fn in_query(&self, name: &str, look: Look) -> Found<'a> {
        let query = self.request.map_or(&[][..], |r| &r.query);
        let items = query.iter().filter(|(n, _)| same(n, name, look));
        Found {
            items: items.map(|(_, value)| Item::Text(value)).collect(),
            hidden: false,
        }
    }

    fn in_body(&self, pointer: &[String], look: Look) -> Found<'a> {
        if let Some(element) = self.within {
            let mut items = Vec::new();
            walk(element, pointer, look, &mut items);
            return Found {
                items,
                hidden: false,
            };
        }
        let Some(request) = self.request else {
            return Found::default();
        };
        match &request.body {
            Body::Absent => Found::default(),
            Body::Json(value) | Body::Cbor(value) => {
                let mut items = Vec::new();
                walk(value, pointer, look, &mut items);
                Found {
                    items,
                    hidden: false,
                }
            }
            Body::Form(pairs) => form(pairs, pointer, look),
            _ => Found {
                items: Vec::new(),
                hidden: true,
            },
        }
    }
}

/// JSON sent as a form: curl's `-d` does so, and many servers read it as JSON all the same.
fn is_json_in_disguise(pairs: &[(String, String)]) -> bool {
    pairs
        .first()
        .is_some_and(|(name, _)| name.trim_start().starts_with(['{', '[']))
}

fn form<'a>(pairs: &'a [(String, String)], pointer: &[String], look: Look) -> Found<'a> {
    let items = pairs
        .iter()
        .filter(|(name, _)| is_named(name, pointer, look));
    Found {
        items: items.map(|(_, value)| Item::Text(value)).collect(),
        hidden: is_json_in_disguise(pairs),
    }
}

/// Whether a form's `a[b]` is the pointer `/a/b`.
fn is_named(name: &str, pointer: &[String], look: Look) -> bool {
    let mut parts = name.split('[').map(|p| p.strip_suffix(']').unwrap_or(p));
    let all = pointer.iter().all(|token| {
        parts
            .next()
            .is_some_and(|part| token == "*" || same(part, token, look))
    });
    all && parts.all(str::is_empty)
}

fn same(left: &str, right: &str, look: Look) -> bool {
    match look {
        Look::Exactly => left == right,
        Look::Anywhere => left.eq_ignore_ascii_case(right),
    }
}

/// Collects what stands at `pointer`; `*` is every element of a list and every member of an object.
fn walk<'a>(value: &'a Value, pointer: &[String], look: Look, into: &mut Vec<Item<'a>>) {
    let Some((token, rest)) = pointer.split_first() else {
        into.push(Item::Json(value));
        return;
    };
    match value {
        Value::Object(map) => {
            let members = map
                .iter()
                .filter(|(name, _)| token == "*" || same(name, token, look));
            members.for_each(|(_, member)| walk(member, rest, look, into));
        }
        Value::Array(list) if token == "*" => {
            list.iter().for_each(|one| walk(one, rest, look, into));
        }
        Value::Array(list) => {
            let one = token.parse::<usize>().ok().and_then(|n| list.get(n));
            one.into_iter().for_each(|one| walk(one, rest, look, into));
        }
        _ => {}
    }
}
