//! What a body says about an object: which fields, with what values.

use serde_json::Value;

use crate::http::{Body, Request};

/// The fields that a body sets or takes away.
#[derive(Debug, Default, PartialEq)]
pub struct Touched {
    /// Path and new value; `None` for a field that goes, or is replaced with all below it.
    pub fields: Vec<(Vec<String>, Option<Value>)>,
    /// Why it is not all.
    pub hidden: Option<&'static str>,
}

/// Reads a body: a whole object, a merge patch, a strategic merge patch, a JSON patch, or an object to apply.
pub fn of(request: &Request) -> Touched {
    let mut out = Touched::default();
    match &request.body {
        Body::Json(Value::Array(operations)) => {
            operations.iter().for_each(|o| operation(o, &mut out))
        }
        Body::Json(value) => flatten(value, &mut Vec::new(), &mut out),
        Body::Absent => {}
        Body::Text { text, .. } => applied(text, &mut out),
        Body::Bytes { media_type, bytes } if media_type.ends_with("yaml") => {
            applied(std::str::from_utf8(&bytes.0).unwrap_or_default(), &mut out);
        }
        _ => out.hidden = Some("the body is not JSON"),
    }
    out
}

/// An object to apply is YAML by its name; kubectl writes it as JSON.
fn applied(text: &str, out: &mut Touched) {
    match serde_json::from_str::<Once>(text) {
        Ok(Once(value @ Value::Object(_))) => flatten(&value, &mut Vec::new(), out),
        _ => out.hidden = Some("the body is YAML that is not JSON"),
    }
}

fn operation(value: &Value, out: &mut Touched) {
    let text = |name| value.get(name).and_then(Value::as_str);
    let (Some(op), Some(path)) = (text("op"), text("path")) else {
        out.hidden = Some("the JSON patch has a step without operation or path");
        return;
    };
    let mut path = tokens(path);
    match op {
        "test" => {}
        "remove" => out.fields.push((path, None)),
        "add" | "replace" => match value.get("value") {
            Some(new @ (Value::Object(_) | Value::Array(_))) => {
                out.fields.push((path.clone(), None));
                flatten(new, &mut path, out);
            }
            new => out.fields.push((path, new.cloned())),
        },
        _ => {
            out.fields.push((path, None));
            out.fields
                .push((tokens(text("from").unwrap_or_default()), None));
            out.hidden = Some("the JSON patch moves or copies what is already there");
        }
    }
}

fn tokens(path: &str) -> Vec<String> {
    let unescape = |t: &str| t.replace("~1", "/").replace("~0", "~");
    path.split('/').skip(1).map(unescape).collect()
}

fn flatten(value: &Value, at: &mut Vec<String>, out: &mut Touched) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, member) in map {
                if matches!(name.as_str(), "$patch" | "$retainKeys") {
                    out.hidden = Some("the patch replaces or deletes more than it names");
                }
                at.push(name.clone());
                flatten(member, at, out);
                at.pop();
            }
        }
        Value::Object(_) if at.is_empty() => {}
        Value::Null => out.fields.push((at.clone(), None)),
        leaf => out.fields.push((at.clone(), Some(leaf.clone()))),
    }
}

impl Touched {
    /// The new value of a field, wherever it is set: `Some(None)` if it goes.
    pub fn value(&self, path: &[&str]) -> Option<Option<&Value>> {
        let mut found = self.fields.iter().filter(|(at, _)| at == path);
        found.next_back().map(|(_, value)| value.as_ref())
    }

    /// Whether a field is set to one of these texts; any case.
    pub fn says(&self, path: &[&str], texts: &[&str]) -> bool {
        let value = self.value(path).flatten().and_then(Value::as_str);
        value.is_some_and(|v| texts.iter().any(|t| v.eq_ignore_ascii_case(t)))
    }

    /// Whether anything at or above or below `path` is touched.
    pub fn near(&self, path: &[&str]) -> bool {
        self.fields.iter().any(|(at, value)| {
            let common = at.iter().zip(path).all(|(a, b)| a == b);
            common && (at.len() >= path.len() || value.is_none())
        })
    }

    /// Whether finalizers or the owners of an object change, by whichever way of writing it.
    pub fn guards(&self) -> bool {
        let whole = |at: &[String]| at.is_empty() || at == ["metadata"];
        self.fields.iter().any(|(at, value)| {
            let named = at.first().is_some_and(|f| f == "metadata")
                && at
                    .iter()
                    .any(|t| t.contains("finalizers") || t.contains("ownerReferences"));
            named || (value.is_none() && whole(at))
        })
    }

    /// Whether every field lies at or below one of `allowed`, or only says which object it is.
    pub fn within(&self, allowed: &[&[&str]]) -> bool {
        let below = |at: &[String], path: &[&str]| {
            at.len() >= path.len() && at.iter().zip(path).all(|(a, b)| a == b)
        };
        self.hidden.is_none()
            && self.fields.iter().all(|(at, _)| {
                IDENTITY.iter().any(|path| at == path) || allowed.iter().any(|path| below(at, path))
            })
    }
}

const IDENTITY: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "resourceVersion"],
    &["metadata", "uid"],
];

/// A JSON value in which no key stands twice.
struct Once(Value);

impl<'de> serde::Deserialize<'de> for Once {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OnceReader)
    }
}

struct OnceReader;

impl<'de> serde::de::Visitor<'de> for OnceReader {
    type Value = Once;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON in which no key stands twice")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once(Value::Null))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Once, A::Error> {
        let mut out = Vec::new();
        while let Some(Once(value)) = list.next_element()? {
            out.push(value);
        }
        Ok(Once(Value::Array(out)))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut out = serde_json::Map::new();
        while let Some((name, Once(value))) = map.next_entry::<String, Once>()? {
            if out.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("a key stands twice"));
            }
        }
        Ok(Once(Value::Object(out)))
    }
}
