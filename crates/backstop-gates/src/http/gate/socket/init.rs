//! How GraphQL's clients log in: `connection_init` carries what a header carries elsewhere. The placeholder is taken out
//! of it there, and the credential put in.

use backstop_wire::graphql::frames::{Message, message};
use serde_json::Value;

use super::Talk;

/// A `connection_init` in which the placeholder stood.
pub(super) struct Init {
    /// With nothing in its place, to be looked through.
    pub(super) clean: String,
    /// With the credential in its place.
    pub(super) filled: String,
}

/// Shows nothing (invariant 8).
impl std::fmt::Debug for Init {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection_init")
    }
}

impl Talk {
    /// The message, if it is a `connection_init` in which this lease's placeholder is all of a text, or all of one after
    /// `Bearer`.
    pub(super) fn init(&self, text: &str) -> Option<Init> {
        let placeholder = self.placeholder.as_deref()?;
        let secret = self.api.secret.as_ref()?;
        swapped(text, placeholder, secret.reveal())
    }
}

fn swapped(text: &str, placeholder: &str, secret: &str) -> Option<Init> {
    // The cheap question first: most messages are no such.
    if !text.contains(placeholder) || !matches!(message(text), Ok(Message::Init(_))) {
        return None;
    }
    let mut clean: Value = serde_json::from_str(text).ok()?;
    let mut filled = clean.clone();
    let swapped = put(filled.get_mut("payload")?, placeholder, secret);
    let taken = put(clean.get_mut("payload")?, placeholder, "");
    (swapped > 0 && taken == swapped).then(|| Init {
        clean: clean.to_string(),
        filled: filled.to_string(),
    })
}

/// Puts `with` into the place of each text that is the placeholder. How many there were.
fn put(value: &mut Value, placeholder: &str, with: &str) -> usize {
    match value {
        Value::Array(all) => all.iter_mut().map(|one| put(one, placeholder, with)).sum(),
        Value::Object(all) => {
            let all = all.values_mut();
            all.map(|one| put(one, placeholder, with)).sum()
        }
        Value::String(text) => match in_place(text, placeholder, with) {
            Some(swapped) => {
                *text = swapped;
                1
            }
            None => 0,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn in_place(text: &str, placeholder: &str, with: &str) -> Option<String> {
    if text == placeholder {
        return Some(with.to_owned());
    }
    let (scheme, rest) = text.split_once(' ')?;
    let is = scheme.eq_ignore_ascii_case("bearer") && rest.trim() == placeholder;
    // A scheme and nothing is no credential.
    is.then(|| format!("{scheme} {with}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(payload: &str) -> Option<(String, String)> {
        let text = format!(r#"{{"type":"connection_init","payload":{payload}}}"#);
        swapped(&text, "bsp_a", "real").map(|init| (init.clean, init.filled))
    }

    #[test]
    fn it_is_swapped_where_clients_log_in() {
        for (payload, filled) in [
            (
                r#"{"Authorization":"Bearer bsp_a"}"#,
                r#"{"Authorization":"Bearer real"}"#,
            ),
            (r#"{"token":"bsp_a"}"#, r#"{"token":"real"}"#),
            (
                r#"{"headers":{"authorization":"bearer bsp_a","x":"y"}}"#,
                r#"{"headers":{"authorization":"bearer real","x":"y"}}"#,
            ),
        ] {
            let (clean, done) = init(payload).unwrap();
            assert!(done.contains(&format!("\"payload\":{filled}")), "{done}");
            assert!(
                !clean.contains("bsp_a") && !clean.contains("real"),
                "{clean}"
            );
        }
    }

    #[test]
    fn it_is_swapped_nowhere_else() {
        for payload in [
            r#"{"note":"my bsp_a"}"#,
            r#"{"note":"Bearer  bsp_a x"}"#,
            r#"{"bsp_a":"x"}"#,
            r#"{"note":"x"}"#,
        ] {
            assert!(init(payload).is_none(), "{payload}");
        }
        for text in [
            r#"{"type":"ping","payload":{"token":"bsp_a"}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{x}","variables":{"t":"bsp_a"}}}"#,
            r#"{"type":"connection_init","payload":{"token":"bsp_a"},"payload":{}}"#,
            r#"{"type":"connection_init","payload":{"token":"bsp_a"}"#,
        ] {
            assert!(swapped(text, "bsp_a", "real").is_none(), "{text}");
        }
    }
}
