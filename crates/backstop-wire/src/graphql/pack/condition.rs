//! Conditions on a call's arguments, for entries whose effect an argument decides.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One argument and what must be so of it. All that is stated must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    /// Its name, and names within it: `input.replace`.
    pub(super) argument: String,
    /// It equals this.
    is: Option<Value>,
    /// It is given and not `null`, or it is not.
    given: Option<bool>,
    /// It is a list, object or string without content.
    empty: Option<bool>,
    /// It is a number below this.
    below: Option<f64>,
    /// It is a list with all of these.
    #[serde(default)]
    includes: Vec<Value>,
    /// It is an object with any of these keys.
    #[serde(default)]
    has: Vec<String>,
    /// It is an object with no other keys than these.
    #[serde(default)]
    only: Vec<String>,
    /// Somewhere within it is one of these keys with a value other than `false`.
    #[serde(default)]
    mentions: Vec<String>,
    /// Somewhere within it is a `null`.
    nulls: Option<bool>,
}

/// Values are looked through to this depth; what is deeper counts as whatever is asked for.
const DEPTH: usize = 64;

impl Condition {
    pub(super) fn holds(&self, arguments: &Map<String, Value>) -> bool {
        let value = at(arguments, &self.argument);
        let given = value.is_some_and(|value| !value.is_null());
        self.is.as_ref().is_none_or(|is| value == Some(is))
            && self.given.is_none_or(|expected| expected == given)
            && self
                .empty
                .is_none_or(|expected| value.map(is_empty) == Some(expected))
            && self
                .below
                .is_none_or(|bound| value.and_then(Value::as_f64).is_some_and(|n| n < bound))
            && (self.includes.is_empty() || value.is_some_and(|v| includes(v, &self.includes)))
            && (self.has.is_empty() || keys(value).any(|key| self.has.contains(key)))
            && (self.only.is_empty()
                || value.is_some_and(Value::is_object)
                    && keys(value).all(|key| self.only.contains(key)))
            && (self.mentions.is_empty() || value.is_some_and(|v| mentions(v, &self.mentions, 0)))
            && self
                .nulls
                .is_none_or(|expected| value.is_some_and(|v| nulls(v, 0)) == expected)
    }
}

/// The value at `path`: names with dots between them.
pub(super) fn at<'v>(arguments: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let mut steps = path.split('.');
    let mut value = arguments.get(steps.next()?)?;
    for step in steps {
        value = value.get(step)?;
    }
    Some(value)
}

fn keys(value: Option<&Value>) -> impl Iterator<Item = &String> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
}

fn includes(value: &Value, all: &[Value]) -> bool {
    value
        .as_array()
        .is_some_and(|list| all.iter().all(|one| list.contains(one)))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn mentions(value: &Value, names: &[String], depth: usize) -> bool {
    if depth > DEPTH {
        return true;
    }
    match value {
        Value::Array(list) => list.iter().any(|v| mentions(v, names, depth + 1)),
        Value::Object(object) => object.iter().any(|(key, v)| {
            let named = names.contains(key);
            (named && *v != Value::Bool(false)) || mentions(v, names, depth + 1)
        }),
        _ => false,
    }
}

fn nulls(value: &Value, depth: usize) -> bool {
    depth > DEPTH
        || match value {
            Value::Null => true,
            Value::Array(list) => list.iter().any(|v| nulls(v, depth + 1)),
            Value::Object(object) => object.values().any(|v| nulls(v, depth + 1)),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(condition: &str, arguments: Value) -> bool {
        let condition: Condition =
            toml::from_str(&format!("argument = 'a.b'\n{condition}")).unwrap();
        condition.holds(arguments.as_object().unwrap())
    }

    #[test]
    fn each_comparison_holds_for_what_it_says_alone() {
        let b = |value: Value| json!({"a": {"b": value}});
        for (condition, yes, no) in [
            (
                "is = true",
                vec![b(json!(true))],
                vec![b(json!("true")), json!({})],
            ),
            (
                "given = true",
                vec![b(json!(0))],
                vec![b(Value::Null), json!({"a": {}})],
            ),
            (
                "given = false",
                vec![b(Value::Null), json!({})],
                vec![b(json!(""))],
            ),
            (
                "empty = true",
                vec![b(json!([])), b(json!({}))],
                vec![b(json!([1])), json!({}), b(Value::Null)],
            ),
            (
                "empty = false",
                vec![b(json!([1])), b(json!(1))],
                vec![b(json!([])), json!({})],
            ),
            (
                "below = 2",
                vec![b(json!(1)), b(json!(-1.5))],
                vec![b(json!(2)), b(json!("1")), json!({})],
            ),
            (
                "includes = ['x', 'y']",
                vec![b(json!(["y", "z", "x"]))],
                vec![b(json!(["x"])), b(json!("x")), json!({})],
            ),
            (
                "has = ['x']",
                vec![b(json!({"x": null}))],
                vec![b(json!({"y": 1})), json!({})],
            ),
            (
                "only = ['x']",
                vec![b(json!({"x": 1})), b(json!({}))],
                vec![b(json!({"x": 1, "y": 1})), json!({}), b(json!([]))],
            ),
            (
                "mentions = ['gone']",
                vec![b(json!({"s": [{"gone": true}]})), b(json!({"gone": null}))],
                vec![
                    b(json!({"gone": false})),
                    b(json!({"GONE": true})),
                    b(json!("gone")),
                    json!({}),
                ],
            ),
            (
                "nulls = true",
                vec![b(json!({"x": [null]}))],
                vec![b(json!({"x": []})), json!({})],
            ),
        ] {
            for arguments in yes {
                assert!(
                    holds(condition, arguments.clone()),
                    "{condition} {arguments}"
                );
            }
            for arguments in no {
                assert!(
                    !holds(condition, arguments.clone()),
                    "{condition} {arguments}"
                );
            }
        }
    }

    #[test]
    fn what_is_nested_too_deep_counts_as_found() {
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        let arguments = json!({"a": {"b": deep}});
        assert!(holds("mentions = ['x']", arguments.clone()));
        assert!(holds("nulls = true", arguments));
    }
}
