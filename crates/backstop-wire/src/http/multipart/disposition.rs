//! `Content-Disposition` of a part: its name, and the name of its file.

use super::super::Refused;
use super::super::parameters::Parameters;
use super::super::percent::{self, Plus};
use super::broken;

#[derive(Default)]
pub(super) struct Names {
    pub(super) name: Option<String>,
    pub(super) file: Option<String>,
}

pub(super) fn read(text: &str, is_form: bool) -> Result<Names, Refused> {
    let parameters = Parameters::read(text)
        .ok_or_else(|| broken("has a disposition that readers take differently"))?;
    if is_form && !parameters.head.eq_ignore_ascii_case("form-data") {
        return Err(broken("has a part that is not `form-data`"));
    }
    // `name*` and `name*0` are read by some. The name of a file alone is sent so by clients in use.
    let is_extended = |name: &str| name.contains('*') && name != "filename*";
    if parameters.names().any(is_extended) {
        return Err(broken(
            "has an extended parameter that only some readers know",
        ));
    }
    let plain = parameters.get("filename").map(ToOwned::to_owned);
    let extended = parameters.get("filename*").map(extended).transpose()?;
    let file = match (plain, extended) {
        (Some(plain), Some(extended)) if plain != extended => {
            return Err(broken("has a part with two names for one file"));
        }
        (plain, extended) => extended.or(plain),
    };
    let name = parameters.get("name").map(ToOwned::to_owned);
    if name.as_deref() == Some("") {
        return Err(broken("has a part with an empty name"));
    }
    Ok(Names { name, file })
}

/// `UTF-8'language'text`, RFC 8187.
fn extended(value: &str) -> Result<String, Refused> {
    let mut pieces = value.splitn(3, '\'');
    let (charset, _language, text) = (pieces.next(), pieces.next(), pieces.next());
    let is_utf_8 = charset.is_some_and(|charset| charset.eq_ignore_ascii_case("utf-8"));
    text.filter(|_| is_utf_8)
        .and_then(|text| percent::decode(text.as_bytes(), Plus::Itself).ok())
        .filter(|text| !text.chars().any(char::is_control))
        .ok_or_else(|| broken("has the name of a file that is not in UTF-8"))
}
