//! Objects by their templates: `rds-instance.{DBInstanceIdentifier}`, filled from the arguments.

use serde_json::Value;

/// More objects than this are counted instead of named.
const NAMED: usize = 16;

/// Objects that a template stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Objects {
    /// Each by its name.
    Named(Vec<String>),
    /// So many of that kind.
    Counted(String, u64),
}

/// `kind.id`, the identifier quoted where SQL would quote it.
pub(super) fn object(kind: &str, id: &str) -> String {
    let mut bytes = id.bytes();
    let first = bytes
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let plain = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if first && plain {
        return format!("{kind}.{id}");
    }
    format!("{kind}.\"{}\"", id.replace('"', "\"\""))
}

/// Every value at `path`: names with dots between them, `*` for every item of a list or map.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    path.split('.').fold(vec![value], |found, step| {
        found.into_iter().flat_map(|v| below(v, step)).collect()
    })
}

fn below<'a>(value: &'a Value, step: &str) -> Vec<&'a Value> {
    match (value, step) {
        (Value::Array(list), "*") => list.iter().collect(),
        (Value::Object(map), "*") => map.values().collect(),
        (Value::Object(map), name) => map.get(name).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// A scalar as people write it.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Fills a template. `kind` alone where the request does not say which one.
pub(super) fn filled(template: &str, arguments: &Value) -> Objects {
    let Some((kind, pattern)) = template.split_once('.') else {
        return Objects::Named(vec![template.to_owned()]);
    };
    let mut ids = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once('{') {
        let (path, after) = behind.split_once('}').unwrap_or((behind, ""));
        let values: Vec<String> = scalars(arguments, path);
        if values.is_empty() {
            return Objects::Named(vec![kind.to_owned()]);
        }
        if ids.len().saturating_mul(values.len()) > NAMED {
            return Objects::Counted(kind.to_owned(), values.len() as u64);
        }
        ids = ids
            .iter()
            .flat_map(|id| values.iter().map(move |v| format!("{id}{before}{v}")))
            .collect();
        rest = after;
    }
    Objects::Named(
        ids.iter()
            .map(|id| object(kind, &format!("{id}{rest}")))
            .collect(),
    )
}

/// The scalars at `path`, those of a list one by one; `.@` at its end asks for the names in a map.
fn scalars(arguments: &Value, path: &str) -> Vec<String> {
    if let Some(map) = path.strip_suffix(".@") {
        let maps = at(arguments, map).into_iter().filter_map(Value::as_object);
        return maps.flat_map(|m| m.keys().cloned()).collect();
    }
    let found = at(arguments, path).into_iter();
    found
        .flat_map(|v| match v {
            Value::Array(list) => list.iter().collect(),
            other => vec![other],
        })
        .filter_map(plain)
        .collect()
}

/// A text with `{path}` in it, filled as far as the arguments go.
pub(super) fn phrase(text: &str, arguments: &Value) -> String {
    let Some((before, behind)) = text.split_once('{') else {
        return text.to_owned();
    };
    let (path, after) = behind.split_once('}').unwrap_or((behind, ""));
    let value = scalars(arguments, path).join(", ");
    format!("{before}{value}{}", phrase(after, arguments))
}

/// How many there are at `path`: items of a list, or one for anything else.
pub(super) fn count(arguments: &Value, path: &str) -> u64 {
    let counted = at(arguments, path).into_iter().map(|v| match v {
        Value::Array(list) => list.len() as u64,
        _ => 1,
    });
    counted.sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_are_filled() {
        let arguments =
            json!({"Bucket": "b-1", "Key": "a/b", "Ids": ["i-1", "i-2"], "D": {"O": [{"K": "x"}]}});
        let named = |t: &str| match filled(t, &arguments) {
            Objects::Named(names) => names,
            Objects::Counted(kind, n) => vec![format!("{n} {kind}")],
        };
        assert_eq!(named("s3-bucket.{Bucket}"), ["s3-bucket.\"b-1\""]);
        assert_eq!(named("s3-object.{Bucket}/{Key}"), ["s3-object.\"b-1/a/b\""]);
        assert_eq!(named("x.{Ids}"), ["x.\"i-1\"", "x.\"i-2\""]);
        assert_eq!(named("x.{D.O.*.K}"), ["x.x"]);
        assert_eq!(named("x.{Nothing}"), ["x"]);
        assert_eq!(named("x"), ["x"]);
        assert_eq!(named("x.{D.@}"), ["x.\"O\""]);
        assert_eq!(phrase("{Bucket} for {Key}.", &arguments), "b-1 for a/b.");
        let many = json!({"Ids": (0..40).collect::<Vec<_>>()});
        assert_eq!(filled("x.{Ids}", &many), Objects::Counted("x".into(), 40));
        assert_eq!(object("x", "a\"b"), "x.\"a\"\"b\"");
    }
}
