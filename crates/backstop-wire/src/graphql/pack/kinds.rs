//! What kinds of object a query reads: the schema's types that have an `id`, by name.

use std::collections::HashMap;

use serde_json::Value;

use super::super::Schema;
use super::super::call::Call;
use super::super::schema::Type;
use super::effect::canonical;
use crate::sql::{ident, qualified};

/// The kind of each type.
#[derive(Debug)]
pub(super) struct Kinds<'a> {
    of: HashMap<&'a str, Kind>,
}

#[derive(Debug)]
struct Kind {
    name: String,
    /// The name as an object is written.
    object: String,
    /// The argument that carries its id, besides `id`.
    argument: String,
}

impl<'a> Kinds<'a> {
    pub(super) fn of(schema: &Schema<'a>) -> Self {
        let mut of = HashMap::new();
        for known in &schema.types {
            if let Some(node) = node(schema, known) {
                of.insert(known.name, kind(node.name));
            }
        }
        Self { of }
    }

    /// The objects that a query reads: what it returns, with its id where an argument carries it, then the kinds below.
    pub(super) fn objects(&self, call: &Call<'_>) -> Vec<String> {
        let first = match call.returns.and_then(|returns| self.of.get(returns)) {
            Some(kind) => {
                let id = |name: &str| call.arguments.get(name).and_then(Value::as_str);
                match id("id").or_else(|| id(&kind.argument)) {
                    Some(id) if call.lists == 0 && !id.is_empty() => {
                        qualified(&kind.name, &canonical(id))
                    }
                    _ => kind.object.clone(),
                }
            }
            None => ident(&snake(call.field)),
        };
        let mut objects = vec![first];
        for select in &call.selects {
            let Some(kind) = select.returns.and_then(|returns| self.kind(returns)) else {
                continue;
            };
            if !objects.contains(&kind.object) {
                objects.push(kind.object.clone());
            }
        }
        objects
    }
}

impl Kinds<'_> {
    fn kind(&self, of: &str) -> Option<&Kind> {
        // Most fields are one of these.
        match of {
            "String" | "ID" | "Int" | "Boolean" | "Float" => None,
            other => self.of.get(other),
        }
    }
}

fn kind(name: &str) -> Kind {
    let mut letters = name.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    Kind {
        object: ident(&snake(name)),
        name: snake(name),
        argument: first
            .into_iter()
            .chain(letters)
            .chain("Id".chars())
            .collect(),
    }
}

/// The type that a connection pages through, or the type itself where it has an `id`.
fn node<'s, 'a>(schema: &'s Schema<'a>, of: &'s Type<'a>) -> Option<&'s Type<'a>> {
    let below = |of: &'s Type<'a>, name: &str| Some(schema.get(of.field(name)?.of.named));
    if let Some(edge) = below(of, "edges") {
        return below(edge, "node");
    }
    of.field("id").is_some().then_some(of)
}

/// `VolumeInstance` as `volume_instance`, `TCPProxy` as `tcp_proxy`.
pub(super) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, &c) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after = letters.get(at + 1);
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|&b| {
                b.is_ascii_lowercase()
                    || b.is_ascii_digit()
                    || (b.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if begins {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_written_as_sql_names_are() {
        for (name, expected) in [
            ("Project", "project"),
            ("VolumeInstance", "volume_instance"),
            ("TCPProxy", "tcp_proxy"),
            (
                "BucketS3CompatibleCredentials",
                "bucket_s3_compatible_credentials",
            ),
            ("me", "me"),
        ] {
            assert_eq!(super::snake(name), expected);
        }
    }
}
