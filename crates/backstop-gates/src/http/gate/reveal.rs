//! Answers that hold credentials: people approved that the gate gets them, and the agent gets placeholders (invariant 8).

use backstop_store::StoreError;
use backstop_wire::http::strict_json;
use backstop_wire::secrets::Known;
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::Value;

use crate::http::Problem;
use crate::http::judge::Whole;

/// What stands in the place of a credential that has no placeholder.
const KEPT: &str = "[credential kept by Backstop]";
/// What stands in the place of a refusal that cannot be read.
const UNREADABLE: &[u8] = b"[kept by Backstop: it could hold a credential]";

/// The answer without its credentials; none where there are none in it, and it may pass as it came. `keep` seals them,
/// and gives a placeholder for each, if it can.
pub(super) fn answer(
    status: StatusCode,
    body: Option<&Bytes>,
    pointers: &[String],
    known: &Known<usize>,
    keep: impl FnOnce(Vec<String>) -> Result<Vec<Option<String>>, StoreError>,
) -> Option<Whole> {
    if body.is_some_and(Bytes::is_empty) {
        return None;
    }
    let value = body.and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let Some(mut value) = value else {
        return Some(unreadable(status));
    };
    let mut texts = Vec::new();
    each(&mut value, pointers, &mut |one| {
        texts.push(match one {
            Value::String(text) => std::mem::take(text),
            _ => String::new(),
        });
    });
    if texts.is_empty() && body.is_some_and(|body| is_plain(body)) {
        return None;
    }
    // A number has no place for a placeholder, and nothing is no secret.
    let secrets = texts.iter().filter(|text| !text.is_empty());
    let placeholders = match keep(secrets.cloned().collect()) {
        Ok(placeholders) => placeholders,
        Err(error) => {
            tracing::error!(%error, "what a target revealed was not sealed");
            return Some(Whole::Problem(not_kept()));
        }
    };
    let (mut placeholders, mut texts) = (placeholders.into_iter(), texts.into_iter());
    each(&mut value, pointers, &mut |one| {
        // Where pointers meet, it was done already.
        if one.as_str().is_some_and(|text| !text.is_empty()) {
            let _ = texts.next();
            return;
        }
        let is_text = texts.next().is_some_and(|text| !text.is_empty());
        let placeholder = is_text.then(|| placeholders.next().flatten()).flatten();
        *one = Value::String(placeholder.unwrap_or_else(|| KEPT.into()));
    });
    let mut text = value.to_string().into_bytes();
    known.mask(&mut text);
    Some(Whole::Replaced(text.into()))
}

/// Whether nobody could read it otherwise than it was read here: of a key that stands twice one value was not looked at.
fn is_plain(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| strict_json(text).is_ok())
}

/// A refusal's status is passed on, which is what the agent needs to know, and its text is not.
fn unreadable(status: StatusCode) -> Whole {
    if status.is_client_error() || status.is_server_error() {
        return Whole::Replaced(Bytes::from_static(UNREADABLE));
    }
    Whole::Problem(Box::new(
        Problem::new(
            StatusCode::BAD_GATEWAY,
            "revealing",
            "The answer holds a credential",
            "The target did it. Its answer is not passed on: it holds a credential, and cannot be read.",
        )
        .hint("a person can look it up at the provider"),
    ))
}

fn not_kept() -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::BAD_GATEWAY,
            "revealing",
            "The answer holds a credential",
            "The target did it. Its answer is not passed on: it holds a credential, and the gate could not seal it.",
        )
        .hint("tell the person who runs Backstop; its log says more"),
    )
}

/// Every text and number that the pointers lead to, in an order that is the same each time.
fn each(value: &mut Value, pointers: &[String], with: &mut dyn FnMut(&mut Value)) {
    for pointer in pointers {
        let parts: Vec<String> = pointer.split('/').skip(1).map(unescaped).collect();
        hide(value, &parts, with);
    }
}

/// RFC 6901, section 4.
fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// What a pointer leads to; `*` is every element.
fn hide(value: &mut Value, parts: &[String], with: &mut dyn FnMut(&mut Value)) {
    let Some((first, rest)) = parts.split_first() else {
        return cover(value, with);
    };
    match value {
        Value::Array(all) if first == "*" => {
            all.iter_mut().for_each(|one| hide(one, rest, with));
        }
        Value::Array(all) => {
            let at = first.parse().ok().and_then(|i: usize| all.get_mut(i));
            at.into_iter().for_each(|one| hide(one, rest, with));
        }
        Value::Object(all) if first == "*" => {
            all.values_mut().for_each(|one| hide(one, rest, with));
        }
        Value::Object(all) => all
            .get_mut(first)
            .into_iter()
            .for_each(|one| hide(one, rest, with)),
        _ => {}
    }
}

/// Every text and number below.
fn cover(value: &mut Value, with: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| cover(one, with)),
        Value::Object(all) => all.values_mut().for_each(|one| cover(one, with)),
        Value::Null | Value::Bool(_) => {}
        other => with(other),
    }
}

#[cfg(test)]
mod tests {
    use backstop_store::LedgerError;

    use super::*;

    fn none() -> Known<usize> {
        Known::new([]).unwrap()
    }

    fn shown(body: &str, pointers: &[&str]) -> String {
        let pointers: Vec<String> = pointers.iter().map(|p| (*p).to_owned()).collect();
        match answer(
            StatusCode::OK,
            Some(&Bytes::copy_from_slice(body.as_bytes())),
            &pointers,
            &none(),
            |secrets| Ok(vec![None; secrets.len()]),
        ) {
            Some(Whole::Replaced(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
            None => body.to_owned(),
            _ => "a problem".to_owned(),
        }
    }

    #[test]
    fn credentials_are_covered_wherever_a_pointer_leads() {
        for (body, pointers, hidden) in [
            (r#"{"data":{"token":"s3cret"}}"#, &["/data/token"][..], true),
            (
                r#"{"all":[{"key":"s3cret"},{"key":"s3cret"}]}"#,
                &["/all/*/key"],
                true,
            ),
            (
                r#"{"vars":{"A":"s3cret","B":{"C":"s3cret"}}}"#,
                &["/vars"],
                true,
            ),
            (r#"{"a~/b":"s3cret"}"#, &["/a~0~1b"], true),
            (r#""s3cret""#, &[""], true),
            (r#"{"other":"s3cret"}"#, &["/token"], false),
        ] {
            let shown = shown(body, pointers);
            assert_eq!(!shown.contains("s3cret"), hidden, "{shown}");
        }
    }

    proptest::proptest! {
        /// Wherever a credential stands, what leads there with or without stars covers it, and nothing beside it.
        #[test]
        fn whatever_stands_below_a_pointer_is_covered(
            road in proptest::collection::vec((proptest::bool::ANY, "[a-c~/*]{1,3}", proptest::bool::ANY), 0..5),
            number in proptest::bool::ANY,
        ) {
            let mut value = match number {
                true => serde_json::json!([8_675_309_421_u64, { "deep": ["s3cret"] }]),
                false => serde_json::json!("s3cret"),
            };
            let mut pointer = String::new();
            for (list, name, star) in &road {
                let step = match (list, star) {
                    (_, true) => "*".to_owned(),
                    (true, false) => "1".to_owned(),
                    (false, false) => name.replace('~', "~0").replace('/', "~1"),
                };
                // A name that is a star means all of them, which covers more.
                pointer = format!("/{step}{pointer}");
                value = match list {
                    true => serde_json::json!(["beside", value, 3]),
                    false => serde_json::json!({ name: value, "z": "beside" }),
                };
            }
            let shown = shown(&value.to_string(), &[&pointer]);
            proptest::prop_assert!(!shown.contains("s3cret") && !shown.contains("8675309421"), "{pointer}: {shown}");
            let stars = pointer.contains('*');
            proptest::prop_assert!(stars || road.is_empty() || shown.contains("beside"), "{pointer}: {shown}");
        }
    }

    #[test]
    fn a_placeholder_stands_where_its_credential_stood() {
        let body = Bytes::from_static(br#"{"a":"one","n":7,"b":["two",""],"c":null,"d":"shown"}"#);
        let pointers = ["/a", "/n", "/b/*", "/c"].map(ToOwned::to_owned);
        let keep = |secrets: Vec<String>| {
            assert_eq!(secrets, ["one", "two"]);
            Ok(vec![Some("bsp_1".to_owned()), None])
        };
        let ok = StatusCode::OK;
        let Some(Whole::Replaced(shown)) = answer(ok, Some(&body), &pointers, &none(), keep) else {
            panic!("it is not shown");
        };
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        let wanted = serde_json::json!({"a": "bsp_1", "n": KEPT, "b": [KEPT, KEPT], "c": null, "d": "shown"});
        assert_eq!(shown, wanted);
        let full = |_| Err(StoreError::Ledger(LedgerError("full".into())));
        assert!(matches!(
            answer(ok, Some(&body), &pointers, &none(), full),
            Some(Whole::Problem(_))
        ));
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_passed_on() {
        assert_eq!(shown("s3cret", &["/token"]), "a problem");
        assert!(matches!(
            answer(StatusCode::OK, None, &["/token".into()], &none(), |_| Ok(
                vec![]
            )),
            Some(Whole::Problem(_))
        ));
        // Of a refusal the status is.
        let page = Bytes::from_static(b"<html>s3cret");
        let not_found = answer(
            StatusCode::NOT_FOUND,
            Some(&page),
            &["/token".into()],
            &none(),
            |_| Ok(vec![]),
        );
        let Some(Whole::Replaced(text)) = not_found else {
            panic!("its status is lost");
        };
        assert_eq!(text, UNREADABLE);
    }

    #[test]
    fn an_answer_without_one_passes_byte_for_byte() {
        let nothing = |_: Vec<String>| panic!("there is nothing to keep");
        for body in [
            "",
            "{\"id\": 1.0,\n \"token\": null}",
            "{\"token\": {}}",
            "[]",
        ] {
            let body = Bytes::copy_from_slice(body.as_bytes());
            let pointers = ["/token".to_owned()];
            let made = answer(StatusCode::OK, Some(&body), &pointers, &none(), nothing);
            assert!(made.is_none(), "{body:?}");
        }
        // Unless it could be read in another way.
        let twice = r#"{"token":"s3cret","token":null}"#;
        assert!(!shown(twice, &["/token"]).contains("s3cret"));
    }
}
