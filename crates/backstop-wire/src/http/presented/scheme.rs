//! A scheme and a credential, as `Authorization` has them (RFC 9110, section 11.4), and pairs of user and password.

use super::draw::{self, Looks};
use super::sheet::{DEEPEST, Sheet};
use super::{Part, Place, Why};
use crate::secrets::decoded_base64;

/// Words that are a scheme wherever they stand in front of something.
const SCHEMES: &[&str] = &[
    "api-key",
    "apikey",
    "aws",
    "basic",
    "bearer",
    "bot",
    "digest",
    "dpop",
    "geniekey",
    "gnap",
    "googlelogin",
    "hawk",
    "jwt",
    "key",
    "mutual",
    "negotiate",
    "ntlm",
    "oauth",
    "privatetoken",
    "scram-sha-1",
    "scram-sha-256",
    "sharedkey",
    "sharedkeylite",
    "signature",
    "splunk",
    "ssws",
    "token",
    "vapid",
];

/// Reads what `value` presents. `any_scheme` says whether its first word is a scheme though nobody knows it.
pub(super) fn read(
    sheet: &mut Sheet<'_>,
    place: &dyn Fn(Part) -> Place,
    name: &str,
    value: &str,
    kind: Option<&str>,
    any_scheme: bool,
) {
    let value = value.trim();
    let (scheme, rest) = value
        .split_once([' ', '\t'])
        .map_or((value, ""), |(scheme, rest)| (scheme, rest.trim()));
    let lower = scheme.to_ascii_lowercase();
    let known = SCHEMES.contains(&lower.as_str()) || lower.starts_with("aws4-");
    // A scheme and nothing is a question, not a credential.
    if rest.is_empty() && known {
        return;
    }
    let kind = kind.or(sheet.host_kind());
    match lower.as_str() {
        _ if rest.is_empty() || !(known || any_scheme && is_token(scheme)) => {
            sheet.credential(&place(Part::Whole), name, value, kind, Why::Position);
        }
        "bearer" => {
            sheet.credential(&place(Part::Bearer), name, rest, kind, Why::Position);
        }
        "basic" => basic(sheet, place, name, rest, kind),
        "aws" => key_and_signature(sheet, place, name, rest.split_once(':'), rest),
        lower if lower.starts_with("aws4-") => {
            let field = |field: &str| {
                rest.split([',', ' '])
                    .find_map(|pair| pair.trim().strip_prefix(field)?.strip_prefix('='))
            };
            let id = field("Credential").and_then(|scope| scope.split('/').next());
            key_and_signature(sheet, place, name, id.zip(field("Signature")), rest);
        }
        lower => {
            let part = Part::Scheme(lower.to_owned());
            sheet.credential(&place(part), name, rest, kind, Why::Position);
        }
    }
}

/// Whether `value` begins with a scheme and goes on with one thing that looks like a credential: also where no header
/// stands, such as in a list of headers in a body.
pub(super) fn is_one(value: &str) -> bool {
    let Some((scheme, rest)) = value.trim().split_once(' ') else {
        return false;
    };
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => pair_of(rest).is_some_and(|pair| pair.contains(':')),
        "bearer" | "token" | "apikey" | "bot" | "ssws" | "splunk" => {
            draw::looks(rest) != Looks::Ordinary || draw::is_key(rest) && rest.len() >= 16
        }
        "aws4-hmac-sha256" => rest.contains("Signature="),
        _ => false,
    }
}

/// User and password: the password is a credential, and so is a user that stands alone or looks like one.
pub(super) fn pair(
    sheet: &mut Sheet<'_>,
    place: &dyn Fn(Part) -> Place,
    name: &str,
    pair: &str,
    kind: Option<&str>,
) {
    let (user, password) = pair.split_once(':').unwrap_or((pair, ""));
    let kind = kind.or(Some("password.http"));
    if !password.is_empty() {
        sheet.credential(&place(Part::Password), name, password, kind, Why::Position);
    }
    let user_place = place(Part::User);
    if password.is_empty() {
        sheet.credential(&user_place, name, user, kind, Why::Position);
    } else if draw::looks(user) != Looks::Ordinary {
        sheet.credential(&user_place, name, user, kind, Why::Entropy);
    } else {
        sheet.value(&user_place, name, user, DEEPEST);
    }
}

fn basic(
    sheet: &mut Sheet<'_>,
    place: &dyn Fn(Part) -> Place,
    name: &str,
    rest: &str,
    kind: Option<&str>,
) {
    match pair_of(rest) {
        Some(text) => pair(sheet, place, name, &text, kind),
        // What cannot be read is a credential as it stands.
        None => {
            let part = Part::Scheme("basic".to_owned());
            sheet.credential(&place(part), name, rest, kind, Why::Position);
        }
    }
}

fn pair_of(text: &str) -> Option<String> {
    let decoded = decoded_base64(text.as_bytes())?;
    String::from_utf8(decoded.to_vec()).ok()
}

fn key_and_signature(
    sheet: &mut Sheet<'_>,
    place: &dyn Fn(Part) -> Place,
    name: &str,
    found: Option<(&str, &str)>,
    rest: &str,
) {
    let Some((id, signature)) =
        found.filter(|(id, signature)| !id.is_empty() && !signature.is_empty())
    else {
        let part = Part::Scheme("aws".to_owned());
        return sheet.credential(
            &place(part),
            name,
            rest,
            Some("aws.access-key"),
            Why::Position,
        );
    };
    let kind = Some(aws_kind(id));
    sheet.credential(&place(Part::KeyId), name, id, kind, Why::Position);
    sheet.credential(
        &place(Part::Signature),
        name,
        signature,
        kind,
        Why::Position,
    );
    // What else stands there is not AWS's.
    sheet.value(&place(Part::Whole), name, rest, 1);
}

/// Temporary keys have ids of their own.
pub(super) fn aws_kind(id: &str) -> &'static str {
    if id.starts_with("ASIA") {
        "aws.session"
    } else {
        "aws.access-key"
    }
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(word: &str) -> bool {
    word.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
