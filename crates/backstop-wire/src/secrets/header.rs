//! What stands in an `Authorization` header, and what a JSON Web Token says of itself.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::assign::{around, statement};
use super::hit::{Hit, Rank};
use super::lookalike;
use super::provider;
use super::rules::entropy;

/// The credential after `Bearer ` or `Basic `, which ends at `at`.
pub(crate) fn at(bytes: &[u8], at: usize) -> Option<Hit> {
    let rest = bytes.get(at..(at + 4096).min(bytes.len()))?;
    let length = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte))
        .count();
    let secret = rest.get(..length)?;
    if length < 16 || lookalike::is_placeholder(secret) || !secret.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let range = at..at + length;
    let before = bytes.get(at.saturating_sub(6)..at)?;
    if before.eq_ignore_ascii_case(b"basic ") {
        return basic(bytes, secret, range);
    }
    match host(bytes, &range) {
        Some(kind) => Some(Hit::new(kind, "bearer", range, secret, Rank::Known)),
        // Without a host a UUID may be anything.
        None if lookalike::is_uuid(secret) || entropy(secret) < 3.2 => None,
        None => Some(explain_jwt(
            Hit::new("token.http", "bearer", range, secret, Rank::Name).likely(),
        )),
    }
}

fn basic(bytes: &[u8], secret: &[u8], range: std::ops::Range<usize>) -> Option<Hit> {
    let decoded = STANDARD.decode(secret).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = (decoded.get(..colon)?, decoded.get(colon + 1..)?);
    if password.len() < 4
        || lookalike::is_placeholder(password)
        || !decoded.iter().all(u8::is_ascii_graphic)
    {
        return None;
    }
    let kind = host(bytes, &range).unwrap_or("password.http");
    Some(Hit::new(kind, "basic", range, password, Rank::Known).with("user", user))
}

/// Whose it is by the address in the same statement; by one nearby only where the statement has none.
fn host(bytes: &[u8], range: &std::ops::Range<usize>) -> Option<&'static str> {
    let statement = statement(bytes, range);
    provider::kind_by_host(statement).or_else(|| {
        memchr::memmem::find(statement, b"://")
            .is_none()
            .then(|| provider::kind_by_host(around(bytes, range, 400)))
            .flatten()
    })
}

/// What a token's own claims tell: whose it is, that it is public, when it ends.
pub(crate) fn explain_jwt(mut hit: Hit) -> Hit {
    let Some(claims) = claims(&hit.secret) else {
        return hit;
    };
    hit.kind = "token.jwt".into();
    hit.confidence = super::confidence::Confidence::Likely;
    let text = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (issuer, role) = (text("iss"), text("role"));
    if claims.get("kubernetes.io").is_some() || issuer == "kubernetes/serviceaccount" {
        hit.kind = "kubernetes.token".into();
        hit.rank = Rank::Known;
        hit = hit.with("account", text("sub").as_bytes());
    } else if issuer == "supabase" || (issuer.contains("supabase.co") && !role.is_empty()) {
        hit.rank = Rank::Known;
        hit = hit
            .with("project", text("ref").as_bytes())
            .with("role", role.as_bytes());
        hit.kind = if role == "service_role" {
            "supabase.secret-key".into()
        } else {
            "supabase.public-key".into()
        };
        if role == "anon" {
            return hit.doubted("meant to be public");
        }
    } else {
        hit = hit.with("issuer", issuer.as_bytes());
    }
    hit.ends = claims.get("exp").and_then(Value::as_u64);
    hit
}

fn claims(token: &[u8]) -> Option<Value> {
    let mut parts = token.split(|byte| *byte == b'.');
    let (_, body) = (parts.next()?, parts.next()?);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}
