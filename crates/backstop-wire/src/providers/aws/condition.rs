//! Conditions on arguments: `{ DeletionProtection = false }`, `{ BackupRetentionPeriod = { below = 7 } }`.
//!
//! What a server could read as the dangerous value meets the condition: `"False"`, `0` and a truth that is no truth
//! are all `false` here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::object::{at, plain};

/// All of them must hold.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Condition(BTreeMap<String, Test>);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Test {
    Truth(bool),
    Number(i64),
    Text(String),
    OneOf(Vec<String>),
    Other(Other),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Other {
    /// Whether it is there at all.
    Present(bool),
    /// A number smaller than that, or something that is no number.
    Below(i64),
    /// None of them, and there.
    Not(Vec<String>),
    /// Holds that text, case aside.
    Contains(String),
}

impl Condition {
    /// Whether `arguments` meet it.
    pub(super) fn holds(&self, arguments: &Value) -> bool {
        self.0.iter().all(|(path, test)| {
            let found = at(arguments, path);
            match test {
                Test::Other(Other::Present(wanted)) => found.is_empty() != *wanted,
                test => found.iter().any(|v| test.meets(v)),
            }
        })
    }

    /// The paths that it asks about.
    #[cfg(test)]
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Test {
    fn meets(&self, value: &Value) -> bool {
        let said = plain(value).map(|v| v.trim().to_lowercase());
        match self {
            Self::Truth(true) => !says(said.as_deref(), &["false", "0", ""]),
            Self::Truth(false) => !says(said.as_deref(), &["true", "1"]),
            Self::Number(n) => said
                .and_then(|s| s.parse::<f64>().ok())
                .is_none_or(|s| s == *n as f64),
            Self::Text(text) => said.is_some_and(|s| s == text.to_lowercase()),
            Self::OneOf(texts) => said.is_some_and(|s| texts.iter().any(|t| s == t.to_lowercase())),
            Self::Other(Other::Present(_)) => true,
            Self::Other(Other::Below(n)) => said
                .and_then(|s| s.parse::<f64>().ok())
                .is_none_or(|s| s < *n as f64),
            Self::Other(Other::Not(texts)) => {
                said.is_none_or(|s| texts.iter().all(|t| s != t.to_lowercase()))
            }
            Self::Other(Other::Contains(text)) => {
                let whole = said.unwrap_or_else(|| value.to_string().to_lowercase());
                whole.contains(&text.to_lowercase())
            }
        }
    }
}

fn says(said: Option<&str>, words: &[&str]) -> bool {
    said.is_some_and(|s| words.contains(&s))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(condition: &str, arguments: Value) -> bool {
        #[derive(Deserialize)]
        struct Holder {
            r#if: Condition,
        }
        let holder: Holder = toml::from_str(&format!("if = {condition}")).unwrap();
        holder.r#if.holds(&arguments)
    }

    #[test]
    fn what_could_be_meant_counts() {
        for (condition, value, wanted) in [
            ("{ A = false }", json!({"A": false}), true),
            ("{ A = false }", json!({"A": "False"}), true),
            ("{ A = false }", json!({"A": 0}), true),
            ("{ A = false }", json!({"A": {"x": 1}}), true),
            ("{ A = false }", json!({"A": true}), false),
            ("{ A = false }", json!({"A": "TRUE"}), false),
            ("{ A = false }", json!({}), false),
            ("{ A = true }", json!({"A": "yes"}), true),
            ("{ A = true }", json!({"A": "false"}), false),
            ("{ A = 0 }", json!({"A": "0"}), true),
            ("{ A = 0 }", json!({"A": 0.0}), true),
            ("{ A = 0 }", json!({"A": 7}), false),
            ("{ A = { below = 7 } }", json!({"A": 6}), true),
            ("{ A = { below = 7 } }", json!({"A": "x"}), true),
            ("{ A = { below = 7 } }", json!({"A": 7}), false),
            ("{ A = 'Suspended' }", json!({"A": " suspended "}), true),
            ("{ A = ['x', 'y'] }", json!({"A": "Y"}), true),
            ("{ A = { not = ['x'] } }", json!({"A": "y"}), true),
            ("{ A = { not = ['x'] } }", json!({"A": "X"}), false),
            ("{ A = { not = ['x'] } }", json!({}), false),
            ("{ A = { present = false } }", json!({}), true),
            ("{ A = { present = true } }", json!({"A": ""}), true),
            (
                "{ 'A.*.B' = 'x' }",
                json!({"A": [{"B": "z"}, {"B": "x"}]}),
                true,
            ),
            (
                "{ A = { contains = '\"*\"' } }",
                json!({"A": "{\"P\":\"*\"}"}),
                true,
            ),
            ("{ A = 'x', B = 'y' }", json!({"A": "x"}), false),
        ] {
            assert_eq!(
                holds(condition, value.clone()),
                wanted,
                "{condition} {value}"
            );
        }
    }
}
