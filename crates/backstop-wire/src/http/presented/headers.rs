//! Credentials in headers: authorization, cookies, subprotocols, metadata, and headers that nobody knows.

use super::draw::{self, Looks};
use super::names::{self, Cookie, Header};
use super::scheme;
use super::sheet::{DEEPEST, Sheet};
use super::{Part, Place, Why};
use crate::secrets::decoded_base64;

/// A shorter name hides nothing.
const NAME: usize = 20;
/// A shorter cookie is no session that could not be guessed.
const COOKIE: usize = 24;

/// Reads every header, by its own value: several of one name are several.
pub(super) fn read(sheet: &mut Sheet<'_>, headers: &[(&str, &[u8])]) {
    // A user agent last: a rule about `curl` looks at what follows it.
    let is_agent = |name: &str| name.eq_ignore_ascii_case("user-agent");
    let (agents, others): (Vec<_>, Vec<_>) = headers.iter().partition(|(name, _)| is_agent(name));
    for (name, value) in others.into_iter().chain(agents) {
        let value = String::from_utf8_lossy(value);
        let lower = name.to_ascii_lowercase();
        one(sheet, &lower, value.trim());
        // What somebody hides in a name may need its capitals.
        if lower != *name && name.len() >= NAME {
            let part = Part::Whole;
            sheet.value(&Place::Header { name: lower, part }, "", name, DEEPEST);
        }
    }
}

fn one(sheet: &mut Sheet<'_>, name: &str, value: &str) {
    let place = |part: Part| Place::Header {
        name: name.to_owned(),
        part,
    };
    match name {
        "proxy-authorization" => {
            scheme::read(
                sheet,
                &|part| Place::Proxy { part },
                name,
                value,
                None,
                true,
            );
        }
        "cookie" | "cookie2" => cookies(sheet, value, &|name| Place::Cookie {
            name: name.to_owned(),
        }),
        "sec-websocket-protocol" => subprotocols(sheet, value),
        _ if name.ends_with("-bin") => metadata(sheet, name, value),
        _ => match names::header(name) {
            Header::Credential(_) if names::is_switch(value) => {
                sheet.value(&place(Part::Whole), name, value, DEEPEST);
            }
            Header::Credential(kind) => {
                let any_scheme = name.ends_with("authorization") || name == "authentication";
                scheme::read(sheet, &place, name, value, kind, any_scheme);
            }
            Header::Ordinary => sheet.value(&place(Part::Whole), name, value, DEEPEST),
            Header::Unknown => unknown(sheet, &place(Part::Whole), name, value),
        },
    }
}

/// A header that nobody knows: each word of it may be a credential.
fn unknown(sheet: &mut Sheet<'_>, place: &Place, name: &str, value: &str) {
    sheet.value(place, name, value, DEEPEST);
    for word in value.split([' ', '\t', ',', ';', '"', '\'', '&', '(', ')', '<', '>']) {
        let drawn = |word: &str| matches!(draw::looks(word), Looks::Drawn | Looks::Hex);
        let named = word.split_once('=').filter(|(_, value)| drawn(value));
        let word = named.map_or(word, |(_, value)| value);
        if drawn(word) {
            sheet.credential(place, name, word, None, Why::Entropy);
        }
    }
}

/// Cookies (RFC 6265), each at the place that `place` gives it.
pub(super) fn cookies(sheet: &mut Sheet<'_>, value: &str, place: &dyn Fn(&str) -> Place) {
    for cookie in value.split(';') {
        let (name, value) = cookie.split_once('=').unwrap_or(("", cookie));
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        let place = place(name);
        match names::cookie(name) {
            Cookie::Credential if value.len() >= 4 && !names::is_switch(value) => {
                sheet.credential(&place, name, value, None, Why::Position);
            }
            Cookie::Unknown if is_drawn_cookie(value) => {
                sheet.credential(&place, name, value, None, Why::Entropy);
            }
            _ => sheet.value(&place, name, value, DEEPEST),
        }
    }
}

/// Whether some part of a cookie was drawn: signed ones are a value, a mark and a signature.
fn is_drawn_cookie(value: &str) -> bool {
    value
        .split(|c: char| !(c.is_ascii_alphanumeric() || "_-+/=.~".contains(c)))
        .any(|part| {
            let part = part.trim_start_matches("3A").trim_start_matches("3a");
            part.len() >= COOKIE && matches!(draw::looks(part), Looks::Drawn | Looks::Hex)
        })
}

/// What browsers and the clients of Kubernetes put where they can put no header.
fn subprotocols(sheet: &mut Sheet<'_>, value: &str) {
    const MARKS: &[&str] = &[
        "authorization",
        "access_token",
        "access-token",
        "api-key",
        "api_key",
        "apikey",
        "bearer",
        "token",
        "jwt",
        "auth",
    ];
    let (place, name) = (Place::Subprotocol, "sec-websocket-protocol");
    let mut announced = false;
    for protocol in value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        if let Some(token) = protocol.strip_prefix("base64url.bearer.authorization.k8s.io.") {
            let decoded = decoded_base64(token.as_bytes());
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
            let token = decoded.as_deref().unwrap_or(token);
            sheet.credential(&place, name, token, Some("kubernetes.token"), Why::Position);
            continue;
        }
        let lower = protocol.to_ascii_lowercase();
        let mark = MARKS
            .iter()
            .filter_map(|mark| Some(lower.find(mark)? + mark.len()))
            .max();
        let after = mark
            .and_then(|end| protocol.get(end..))
            .map(|rest| rest.trim_start_matches(['.', ':', '-', '_', '=', '|', ' ']));
        let kind = sheet.host_kind();
        match after {
            _ if announced => sheet.credential(&place, name, protocol, kind, Why::Position),
            Some(rest) if draw::is_key(rest) || draw::looks(rest) != Looks::Ordinary => {
                sheet.credential(&place, name, rest, kind, Why::Position);
            }
            _ if draw::looks(protocol) != Looks::Ordinary => {
                sheet.credential(&place, name, protocol, kind, Why::Entropy);
            }
            _ => sheet.value(&place, name, protocol, DEEPEST),
        }
        // `access_token, …`: the next one is what this one names.
        announced = !announced && after == Some("");
    }
}

/// Metadata in bytes: base64 with or without padding (gRPC over HTTP/2).
fn metadata(sheet: &mut Sheet<'_>, name: &str, value: &str) {
    let place = Place::Metadata {
        name: name.to_owned(),
    };
    let named = names::header(name.strip_suffix("-bin").unwrap_or(name));
    for value in value.split(',').map(str::trim) {
        let decoded = decoded_base64(value.as_bytes());
        let text = decoded
            .as_ref()
            .map_or(value.into(), |bytes| String::from_utf8_lossy(bytes));
        match named {
            Header::Credential(kind) if !text.is_empty() => {
                sheet.credential(&place, name, &text, kind, Why::Position);
            }
            Header::Unknown => unknown(sheet, &place, name, &text),
            _ => sheet.value(&place, name, &text, DEEPEST),
        }
    }
}
