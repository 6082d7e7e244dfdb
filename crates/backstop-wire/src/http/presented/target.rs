//! Credentials in method, host, path and query.

use super::draw::{self, Looks};
use super::names;
use super::scheme::{self, aws_kind};
use super::sheet::{DEEPEST, Sheet};
use super::{Part, Place, Why};
use crate::http::{Raw, Request};

/// Parameters that make a URL a credential as a whole: signatures of AWS (both versions), Google, Azure, CloudFront,
/// Alibaba.
const SIGNATURES: &[&str] = &["x-amz-signature", "x-goog-signature", "sig", "signature"];

/// What belongs to such a signature and names the key, or is a credential itself.
const SIGNERS: &[&str] = &[
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "x-goog-signature",
    "x-goog-credential",
    "awsaccesskeyid",
    "googleaccessid",
    "ossaccesskeyid",
    "key-pair-id",
    "security-token",
    "sig",
    "signature",
];

/// Reads everything in front of the headers.
pub(super) fn read(sheet: &mut Sheet<'_>, request: &Request, raw: &Raw<'_>) {
    userinfo(sheet, raw);
    query(sheet, &request.query);
    path(sheet, request);
    // As it was sent: rules about addresses see one, and what reading took away is seen, too.
    let sent = format!("https://{}{}", request.host, raw.target);
    sheet.value(&Place::Line, "", &sent, 1);
    for word in [Some(raw.method), raw.authority, raw.tls_name] {
        sheet.value(&Place::Line, "", word.unwrap_or_default(), 1);
    }
}

fn userinfo(sheet: &mut Sheet<'_>, raw: &Raw<'_>) {
    let absolute = raw.target.split_once("://").map(|(_, rest)| rest);
    let absolute = absolute.filter(|_| !raw.target.starts_with('/'));
    let authorities = absolute.and_then(|rest| rest.split(['/', '?', '#']).next());
    for authority in raw.authority.into_iter().chain(authorities) {
        let Some((user, _)) = authority.rsplit_once('@') else {
            continue;
        };
        let decoded = crate::secrets::unescaped(user.as_bytes(), b'%');
        let decoded = decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let kind = sheet.host_kind();
        let place = |part| Place::Userinfo { part };
        scheme::pair(sheet, &place, "", decoded.as_deref().unwrap_or(user), kind);
    }
}

fn query(sheet: &mut Sheet<'_>, query: &[(String, String)]) {
    let lower = |name: &str| name.to_ascii_lowercase();
    let presigned = query.iter().any(|(name, value)| {
        SIGNATURES.contains(&lower(name).as_str()) && !names::is_switch(value)
    });
    for (name, value) in query {
        let signs = presigned && SIGNERS.contains(&lower(name).as_str());
        let place = Place::Query {
            name: name.clone(),
            presigned: signs,
        };
        if signs {
            signer(sheet, &place, name, value);
        } else {
            parameter(sheet, &place, name, value);
        }
        // Some servers take `;` for `&`.
        for (name, value) in value
            .split(';')
            .skip(1)
            .filter_map(|pair| pair.split_once('='))
        {
            parameter(sheet, &place, name, value);
        }
    }
}

/// A part of a presigned URL.
fn signer(sheet: &mut Sheet<'_>, place: &Place, name: &str, value: &str) {
    // `AKIA…/date/region/service/aws4_request`: the key's id is what tells whose it is.
    let is_scope = name.to_ascii_lowercase().ends_with("-credential");
    let id = value
        .split('/')
        .next()
        .filter(|_| is_scope)
        .unwrap_or(value);
    let is_aws = id.len() == 20 && (id.starts_with("AKIA") || id.starts_with("ASIA"));
    let kind = is_aws.then(|| aws_kind(id));
    sheet.credential(place, name, id, kind, Why::Position);
}

/// A named value in a query or a form, or in the query of an address inside of something else.
pub(super) fn parameter(sheet: &mut Sheet<'_>, place: &Place, name: &str, value: &str) {
    match names::parameter(name, value) {
        Some(kind) => {
            let kind = Some(kind)
                .filter(|kind| !kind.is_empty() && *kind != "token.unnamed")
                .or(sheet.host_kind());
            if scheme::is_one(value) {
                let at = |_: Part| place.clone();
                return scheme::read(sheet, &at, name, value, kind, false);
            }
            sheet.credential(place, name, value, kind, Why::Position);
        }
        None => sheet.value(place, name, value, DEEPEST),
    }
}

/// Where the next segment is what this one says.
const SAYS: &[&str] = &[
    "token",
    "apikey",
    "api_key",
    "api-key",
    "auth",
    "secret",
    "access_token",
    "key",
];

fn path(sheet: &mut Sheet<'_>, request: &Request) {
    let mut before = "";
    let mut webhook = false;
    for (index, segment) in request.segments.iter().enumerate() {
        let place = Place::Path { index };
        let kind = sheet.host_kind();
        let (own, matrix) = segment.split_once(';').unwrap_or((segment, ""));
        let drawn = matches!(draw::looks(own), Looks::Drawn | Looks::Hex);
        let said = SAYS.iter().any(|word| before.eq_ignore_ascii_case(word));
        match telegram(own) {
            Some(token) => {
                let kind = Some("telegram-bot-api-token");
                sheet.credential(&place, "", token, kind, Why::Position);
            }
            None if said && drawn => sheet.credential(&place, "", own, kind, Why::Position),
            None if webhook && drawn && own.len() >= 32 => {
                sheet.credential(&place, "", own, kind, Why::Entropy);
            }
            None => sheet.value(&place, "", own, DEEPEST),
        }
        for pair in matrix.split(';').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or(("", pair));
            if name.eq_ignore_ascii_case("jsessionid") {
                sheet.credential(&place, name, value, None, Why::Position);
            } else {
                parameter(sheet, &place, name, value);
            }
        }
        webhook |=
            segment.eq_ignore_ascii_case("webhooks") || segment.eq_ignore_ascii_case("webhook");
        before = segment;
    }
}

/// `bot123456:AA…`, as the bots' API has it.
fn telegram(segment: &str) -> Option<&str> {
    let token = segment.strip_prefix("bot")?;
    let (id, secret) = token.split_once(':')?;
    let is_one = id.len() >= 5
        && id.bytes().all(|byte| byte.is_ascii_digit())
        && secret.len() >= 30
        && secret
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    is_one.then_some(token)
}
