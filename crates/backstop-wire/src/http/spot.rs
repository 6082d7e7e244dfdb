//! Where one text stands in a body, so that it can be replaced and nothing else of the body changes.
//!
//! What a server could take for the same text is not looked over: where there are two, there is none.

use std::ops::Range;

use serde_json::Value;

use super::json::{fold, strict_json};
use super::percent::{self, Plus};

/// One text in a body.
#[derive(Clone, PartialEq, Eq)]
pub struct Spot {
    /// The bytes that it is written in; of a JSON text, its quotes included.
    pub range: Range<usize>,
    /// What it says.
    pub text: String,
}

/// Shows where it stands alone: the text may be a credential (invariant 8).
impl std::fmt::Debug for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a text at {:?}", self.range)
    }
}

/// The text that a JSON pointer (RFC 6901) leads to in a body. None if there is no such text, if the body is no JSON that
/// every server reads in one way, or if a name on the way stands there again in other letters.
#[must_use]
pub fn json_text(body: &[u8], pointer: &str) -> Option<Spot> {
    let steps: Vec<String> = pointer.split('/').skip(1).map(unescaped).collect();
    let value = strict_json(std::str::from_utf8(body).ok()?).ok()?;
    if steps.is_empty() || !is_one(&value, &steps) {
        return None;
    }
    let mut walk = Walk { body, at: 0 };
    for step in &steps {
        walk.enter(step)?;
    }
    walk.space();
    let range = walk.string()?;
    let text = serde_json::from_slice(body.get(range.clone())?).ok()?;
    Some(Spot { range, text })
}

/// The value of the one field `name` of a form. None if there is no such field, if the form cannot be read, or if another
/// field has a name that some servers take for this one.
#[must_use]
pub fn form_text(body: &[u8], name: &str) -> Option<Spot> {
    let (mut found, mut end) = (None, 0);
    for piece in body.split(|byte| *byte == b'&') {
        let start = end;
        end = start + piece.len() + 1;
        let equals = piece.iter().position(|byte| *byte == b'=');
        let (key, value) = piece.split_at(equals.unwrap_or(piece.len()));
        let key = percent::decode(key, Plus::Space).ok()?;
        if !is_rival(&key, name) {
            continue;
        }
        let value = value.strip_prefix(b"=")?;
        if key != name || found.is_some() {
            return None;
        }
        let till = start + piece.len();
        found = Some(Spot {
            range: till - value.len()..till,
            text: percent::decode(value, Plus::Space).ok()?,
        });
    }
    found
}

/// RFC 6901, section 4.
fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// Whether the steps lead to a text, and each through the only name of its kind: Go does not tell capitals from others.
fn is_one(value: &Value, steps: &[String]) -> bool {
    let mut here = value;
    for step in steps {
        let next = match here {
            Value::Object(map) => {
                let folded = fold(step);
                let alike = map.keys().filter(|key| fold(key) == folded);
                map.get(step).filter(|_| alike.count() == 1)
            }
            Value::Array(all) => number(step).and_then(|at| all.get(at)),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => return false,
        }
    }
    here.is_string()
}

/// The place in a list that a step names.
fn number(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with('0');
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    step.parse().ok().filter(|_| plain && digits)
}

/// Whether a server could take a field called `key` for the one called `name`: in any letters, as PHP writes names, and
/// with brackets, which make a list or a table of it.
fn is_rival(key: &str, name: &str) -> bool {
    let (key, name) = (spelled(key), spelled(name));
    key.strip_prefix(&name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

fn spelled(name: &str) -> String {
    fold(&name.trim_start().replace(['.', ' '], "_"))
}

/// A way through JSON that was read before, so that it has the form.
struct Walk<'b> {
    body: &'b [u8],
    at: usize,
}

impl Walk<'_> {
    fn here(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.here(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// To the member or element that a step names.
    fn enter(&mut self, step: &str) -> Option<()> {
        self.space();
        let opened = self.here()?;
        self.at += 1;
        match opened {
            b'{' => self.member(step),
            b'[' => self.element(number(step)?),
            _ => None,
        }
    }

    fn member(&mut self, name: &str) -> Option<()> {
        loop {
            self.space();
            let key = self.string()?;
            let key: String = serde_json::from_slice(self.body.get(key)?).ok()?;
            self.space();
            self.take(b':')?;
            if key == name {
                return Some(());
            }
            self.pass()?;
            self.take(b',')?;
        }
    }

    fn element(&mut self, number: usize) -> Option<()> {
        for _ in 0..number {
            self.pass()?;
            self.take(b',')?;
        }
        Some(())
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        let is = self.here()? == byte;
        self.at += 1;
        is.then_some(())
    }

    /// Over a string, which is here.
    fn string(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        self.take(b'"')?;
        loop {
            match self.here()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(start..self.at)
    }

    /// Over a value, to the comma or the bracket behind it.
    fn pass(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.here()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b',' | b'}' | b']' if depth == 0 => return Some(()),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// How the text is written, and what it says.
    fn told(spot: Option<Spot>, body: &str) -> Option<(String, String)> {
        spot.map(|spot| (body[spot.range].to_owned(), spot.text))
    }

    #[test]
    fn a_text_in_json_is_found_where_its_pointer_leads() {
        for (body, pointer, written, says) in [
            (r#"{"key":"a"}"#, "/key", r#""a""#, "a"),
            (
                " {\n\"x\" : [ {\"key\":\"no\"} , \"}\\\"\" ] ,\t\"key\" : \"a\" } ",
                "/key",
                r#""a""#,
                "a",
            ),
            (
                r#"{"n":-1.5e3,"t":true,"e":{},"l":[],"key":"\u0061\"\\"}"#,
                "/key",
                r#""\u0061\"\\""#,
                "a\"\\",
            ),
            (r#"{"k\u0065y":""}"#, "/key", r#""""#, ""),
            (
                r#"{"params":[1,{"a":[2]},"t"]}"#,
                "/params/2",
                r#""t""#,
                "t",
            ),
            (
                r#"{"auth":{"key":"ü","other":1}}"#,
                "/auth/key",
                "\"ü\"",
                "ü",
            ),
            (r#"{"a/b~":{"":"a"}}"#, "/a~1b~0/", r#""a""#, "a"),
            (r#"[["no","no"],[{"key":"a"}]]"#, "/1/0/key", r#""a""#, "a"),
        ] {
            let found = told(json_text(body.as_bytes(), pointer), body);
            let wanted = Some((written.to_owned(), says.to_owned()));
            assert_eq!(found, wanted, "{body} {pointer}");
        }
    }

    #[test]
    fn where_json_has_no_such_text_or_two_there_is_none() {
        for (body, pointer) in [
            ("", "/key"),
            ("\"a\"", ""),
            ("{}", "/key"),
            (r#"{"key":1}"#, "/key"),
            (r#"{"key":null}"#, "/key"),
            (r#"{"key":["a"]}"#, "/key"),
            (r#"{"key":{"key":"a"}}"#, "/key"),
            (r#"{"x":{"key":"a"}}"#, "/key"),
            (r#"[{"key":"a"}]"#, "/key"),
            (r#"["a"]"#, "/00"),
            (r#"["a"]"#, "/+0"),
            (r#"["a"]"#, "/1"),
            (r#"["a"]"#, "/-"),
            (r#"{"key":"a","key":"b"}"#, "/key"),
            (r#"{"key":"a","\u006bey":"b"}"#, "/key"),
            (r#"{"key":"a","KEY":"b"}"#, "/key"),
            (r#"{"auth":{"key":"a","Key":"b"}}"#, "/auth/key"),
            (r#"{"auth":{"key":"a"},"x":{"a":1,"a":1}}"#, "/auth/key"),
            (r#"{"key":"a"}{"key":"a"}"#, "/key"),
            (r#"{"key":"a"}x"#, "/key"),
            ("\u{feff}{\"key\":\"a\"}", "/key"),
            (r#"{"key":"a\ud800"}"#, "/key"),
            ("key=a", "/key"),
        ] {
            assert_eq!(json_text(body.as_bytes(), pointer), None, "{body}");
        }
        assert_eq!(json_text(b"{\"key\":\"\xff\"}", "/key"), None);
    }

    #[test]
    fn a_field_of_a_form_is_found_by_its_name() {
        for (body, written, says) in [
            ("key=a", "a", "a"),
            ("x=1&key=a%20b+c&y=2", "a%20b+c", "a b c"),
            ("&&k%65y=&", "", ""),
            ("keys=1&key=a=b&monkey=2&ke=3", "a=b", "a=b"),
        ] {
            let found = told(form_text(body.as_bytes(), "key"), body);
            let wanted = Some((written.to_owned(), says.to_owned()));
            assert_eq!(found, wanted, "{body}");
        }
        let nested = "user[name]=x&user[key]=a&user=1";
        let found = told(form_text(nested.as_bytes(), "user[key]"), nested);
        assert_eq!(found, Some(("a".to_owned(), "a".to_owned())));
    }

    #[test]
    fn where_a_form_has_no_such_field_or_two_there_is_none() {
        for body in [
            "",
            "x=1",
            "key",
            "key=a&key",
            "key=a&key=a",
            "key=a&k%65y=b",
            "key=a&KEY=b",
            "KEY=a",
            "key=a&key[]=b",
            "key[0]=b&key=a",
            "key=a&+key=b",
            "key=%zz",
            "key=a&%zz=b",
            "key=%ff",
            r#"{"key":"a"}"#,
        ] {
            assert_eq!(form_text(body.as_bytes(), "key"), None, "{body}");
        }
        assert_eq!(form_text(b"api_key=a&api.key=b", "api_key"), None);
    }

    proptest! {
        /// Whatever stands around it and however it is spaced, the text is found, and nothing else is cut out.
        #[test]
        fn what_is_cut_out_is_what_the_pointer_says(
            says in "\\PC{0,12}|[\"\\\\/{}\\[\\],:]{0,12}",
            before in "\\PC{0,8}|[\"\\\\{}\\[\\],:]{0,8}",
            road in proptest::collection::vec(("[a-c~/\"\\\\]{0,3}", any::<bool>()), 1..4),
            pretty in any::<bool>(),
        ) {
            let (mut value, mut pointer) = (json!(says), String::new());
            for (name, list) in &road {
                let step = match list {
                    true => "1".to_owned(),
                    false => name.replace('~', "~0").replace('/', "~1"),
                };
                pointer = format!("/{step}{pointer}");
                value = match list {
                    true => json!([before, value, { "k": before }]),
                    false => json!({ "0": [before, {}], name: value, "z": { "x": before } }),
                };
            }
            let body = match pretty {
                true => serde_json::to_string_pretty(&value).unwrap(),
                false => value.to_string(),
            };
            let spot = json_text(body.as_bytes(), &pointer).unwrap();
            prop_assert_eq!(&spot.text, &says);
            let mut other = body.clone();
            other.replace_range(spot.range, "\"another\"");
            let other: Value = serde_json::from_str(&other).unwrap();
            *value.pointer_mut(&pointer).unwrap() = json!("another");
            prop_assert_eq!(other, value);
        }
    }
}
