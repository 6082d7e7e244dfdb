//! JSON and TOML as a list of values with the names that lead to them.

use serde_json::Value;

use super::Entry;

/// The values of a JSON document; none if it is no JSON.
pub(crate) fn json(text: &[u8]) -> Option<Vec<Entry>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let value = serde_json::from_slice::<Value>(text)
        .or_else(|_| serde_json::from_slice(&without_comments(text)))
        .ok()?;
    Some(flatten(value))
}

/// The values of a TOML document; none if it is no TOML.
pub(crate) fn toml(text: &[u8]) -> Option<Vec<Entry>> {
    let table: toml::Table = toml::from_str(std::str::from_utf8(text).ok()?).ok()?;
    serde_json::to_value(table).ok().map(flatten)
}

fn flatten(value: Value) -> Vec<Entry> {
    let (mut entries, mut path) = (Vec::new(), Vec::new());
    walk(value, &mut path, &mut entries);
    entries
}

fn walk(value: Value, path: &mut Vec<String>, entries: &mut Vec<Entry>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                path.push(name);
                walk(value, path, entries);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (at, item) in items.into_iter().enumerate() {
                path.push(at.to_string());
                walk(item, path, entries);
                path.pop();
            }
        }
        Value::String(value) => entries.push(Entry {
            path: path.clone(),
            value,
        }),
        Value::Number(number) => entries.push(Entry {
            path: path.clone(),
            value: number.to_string(),
        }),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Editors' settings have comments and commas too many.
fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied().peekable();
    let mut quoted = false;
    while let Some(byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'\\', Some(_)) if quoted => {
                out.push(byte);
                out.extend(rest.next());
                continue;
            }
            (b'"', _) => quoted = !quoted,
            (b'/', Some(b'/')) if !quoted => {
                while rest.next_if(|byte| *byte != b'\n').is_some() {}
                continue;
            }
            (b'/', Some(b'*')) if !quoted => {
                let mut before = 0;
                for byte in rest.by_ref() {
                    if before == b'*' && byte == b'/' {
                        break;
                    }
                    before = byte;
                }
                continue;
            }
            (b'}' | b']', _) if !quoted => {
                let end = out
                    .iter()
                    .rposition(|byte: &u8| !byte.is_ascii_whitespace());
                if let Some(end) = end.filter(|end| out.get(*end) == Some(&b',')) {
                    out.truncate(end);
                }
            }
            _ => {}
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_comments_are_read() {
        let text = b"{ // why\n \"a\": {\"b\": \"x//y\", /* z */ \"c\": [\"1\", 2,],},\n}";
        let entries = json(text).unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| (entry.path.join("/"), entry.value.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("a/b".to_owned(), "x//y"),
                ("a/c/0".to_owned(), "1"),
                ("a/c/1".to_owned(), "2")
            ]
        );
        assert!(json(b"{nope").is_none());
        assert_eq!(
            toml(b"[x.env]\nA = 'b'\n").unwrap().first().unwrap().path,
            ["x", "env", "A"]
        );
    }
}
