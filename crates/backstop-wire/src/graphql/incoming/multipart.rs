//! The GraphQL multipart request: `operations`, `map`, then the files, whose places in the variables are `null`.

use serde_json::Value;

use super::super::Refused;
use super::super::refuse::refused;
use super::url::Beside;
use super::{Incoming, Over, batch, json};
use crate::http::Part;

/// Files in one request.
const MOST: usize = 100;

fn odd(what: &str) -> Refused {
    refused(
        what,
        "send `operations`, then `map`, then the files that it names",
    )
}

pub(super) fn parts(parts: &[Part], beside: &Beside<'_>) -> Result<Vec<Incoming>, Refused> {
    let [operations, map, files @ ..] = parts else {
        return Err(odd("the multipart request is not complete"));
    };
    let mut operations = field(operations, "operations")?;
    let map = field(map, "map")?;
    let Value::Object(map) = map else {
        return Err(odd("`map` is not an object"));
    };
    if map.len() > MOST {
        return Err(odd("the multipart request has more than 100 files"));
    }
    let mut named: Vec<&str> = Vec::with_capacity(files.len());
    for file in files {
        let name = file.name.as_deref().unwrap_or_default();
        if !map.contains_key(name) || named.contains(&name) {
            return Err(odd(
                "the multipart request has a part that `map` does not name once",
            ));
        }
        named.push(name);
    }
    if named.len() != map.len() {
        return Err(odd("`map` names a file that is not there"));
    }
    for paths in map.values() {
        let paths = paths.as_array().filter(|paths| !paths.is_empty());
        for path in paths.ok_or_else(|| odd("`map` names no places"))? {
            let path = path.as_str().ok_or_else(|| odd("`map` names no places"))?;
            place(&mut operations, path)?;
        }
    }
    batch::value(&operations, Over::Post, beside)
}

fn field(part: &Part, name: &str) -> Result<Value, Refused> {
    if part.name.as_deref() != Some(name) || part.file.is_some() {
        return Err(odd(&format!("`{name}` is not in its place")));
    }
    let text =
        std::str::from_utf8(&part.content.0).map_err(|_| odd(&format!("`{name}` is not UTF-8")))?;
    json(text, name)
}

/// Marks the place of a file. It must be there, be `null`, and lie in the variables: a file could otherwise replace the
/// query.
fn place(operations: &mut Value, path: &str) -> Result<(), Refused> {
    let mut steps = path.split('.').peekable();
    let mut at = operations;
    if at.is_array() {
        at = step(at, steps.next().unwrap_or_default())?;
    }
    if steps.next() != Some("variables") || steps.peek().is_none() {
        return Err(odd("`map` names a place that is not in the variables"));
    }
    at = step(at, "variables")?;
    for name in steps {
        at = step(at, name)?;
    }
    if !at.is_null() {
        return Err(odd("`map` names a place that is not `null`"));
    }
    *at = Value::String("upload".to_owned());
    Ok(())
}

fn step<'v>(at: &'v mut Value, name: &str) -> Result<&'v mut Value, Refused> {
    let found = match at {
        Value::Array(list) => name
            .parse::<usize>()
            .ok()
            .filter(|n| n.to_string() == name)
            .and_then(|n| list.get_mut(n)),
        other => other.get_mut(name),
    };
    found.ok_or_else(|| odd("`map` names a place that is not there"))
}
