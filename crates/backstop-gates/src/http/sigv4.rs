//! AWS Signature Version 4, for requests whose credential the gate puts in.
//!
//! A pure function: what is signed is what is sent, so it comes last, when nothing of the request changes any more.
//! Bodies in chunks that are signed each (`STREAMING-AWS4-…`) are not signed: each chunk would have to be.

use backstop_core::secret::Secret;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method};
use ring::{digest, hmac};
use time::OffsetDateTime;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const CONTENT: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// What bodies that are not hashed may be told as.
const UNHASHED: [&str; 2] = ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"];

/// A credential of AWS.
#[derive(Debug, Clone)]
pub struct AwsCredential {
    /// The access key's id. It stands in every request.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: Secret<String>,
    /// The session's token, where it is a temporary one.
    pub session_token: Option<Secret<String>>,
}

impl AwsCredential {
    /// From `ID:SECRET` or `ID:SECRET:TOKEN`, as it is sealed.
    #[must_use]
    pub fn parse(text: &Secret<String>) -> Option<Self> {
        let mut parts = text.reveal().trim().splitn(3, ':');
        let (access_key, secret_key) = (parts.next()?, parts.next()?);
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic());
        let session_token = parts.next();
        if !plain(access_key) || !plain(secret_key) || !session_token.is_none_or(plain) {
            return None;
        }
        Some(Self {
            access_key: access_key.to_owned(),
            secret_key: Secret::new(secret_key.to_owned()),
            session_token: session_token.map(|token| Secret::new(token.to_owned())),
        })
    }
}

/// What is signed beside the headers.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// As sent.
    pub method: &'a Method,
    /// `Host`, as sent.
    pub host: &'a str,
    /// Path and query, as sent.
    pub target: &'a PathAndQuery,
    /// The body.
    pub payload: Payload<'a>,
    /// As in the client's own signature.
    pub region: &'a str,
    /// As in the client's own signature.
    pub service: &'a str,
    /// Now.
    pub time: OffsetDateTime,
}

/// A body, as far as it is signed.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// What the client said in place of a hash (`x-amz-content-sha256`).
    Told(&'a str),
}

/// Why a request is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// The query could be read in two ways, or is signed itself.
    #[error("its query cannot be signed in one way only")]
    Query,
    /// The body is signed chunk by chunk, or is told in a way that is not known.
    #[error("its body is signed in pieces; hint: send it whole, or unsigned over TLS")]
    Payload,
    /// A value cannot stand in a header.
    #[error("a header of it cannot be signed")]
    Header,
}

/// Signs a request: puts in `Authorization` and what it needs, in place of what the client had there.
///
/// # Errors
/// If it cannot be signed; then the headers are as they were.
pub fn sign(
    headers: &mut HeaderMap,
    signing: &Signing<'_>,
    credential: &AwsCredential,
) -> Result<(), NotSigned> {
    let payload = payload(signing.payload)?;
    let query = canonical_query(signing.target.query())?;
    let mut signed = headers.clone();
    put(&mut signed, signing, credential, &payload)?;
    let (names, lines) = canonical_headers(&signed, signing.host)?;
    let request = format!(
        "{}\n{}\n{query}\n{lines}\n{names}\n{payload}",
        signing.method,
        canonical_path(signing),
    );
    let day = day(signing.time);
    let scope = format!("{day}/{}/{}/aws4_request", signing.region, signing.service);
    let text = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        stamp(signing.time),
        sha256(request.as_bytes())
    );
    let signature = hex::encode(mac(&key(&day, signing, credential), text.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credential.access_key
    );
    signed.insert(header::AUTHORIZATION, sensitive(&authorization)?);
    *headers = signed;
    Ok(())
}

/// What the signature needs beside itself.
fn put(
    headers: &mut HeaderMap,
    signing: &Signing<'_>,
    credential: &AwsCredential,
    payload: &str,
) -> Result<(), NotSigned> {
    headers.remove(header::AUTHORIZATION);
    headers.remove(TOKEN);
    headers.insert(DATE, value(&stamp(signing.time))?);
    if signing.service == "s3" || headers.contains_key(&CONTENT) {
        headers.insert(CONTENT, value(payload)?);
    }
    if let Some(token) = &credential.session_token {
        headers.insert(TOKEN, sensitive(token.reveal())?);
    }
    Ok(())
}

fn value(text: &str) -> Result<HeaderValue, NotSigned> {
    HeaderValue::from_str(text).map_err(|_| NotSigned::Header)
}

fn sensitive(text: &str) -> Result<HeaderValue, NotSigned> {
    let mut value = value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn payload(payload: Payload<'_>) -> Result<String, NotSigned> {
    match payload {
        Payload::Bytes(bytes) => Ok(sha256(bytes)),
        Payload::Told(told) if UNHASHED.contains(&told) => Ok(told.to_owned()),
        // The client's own hash: the service compares it with what arrives.
        Payload::Told(told) if told.len() == 64 && told.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(told.to_owned())
        }
        Payload::Told(_) => Err(NotSigned::Payload),
    }
}

/// S3 takes paths as they are; all others with dots resolved and encoded once more.
fn canonical_path(signing: &Signing<'_>) -> String {
    let path = signing.target.path();
    if signing.service == "s3" {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = vec![];
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let mut out = String::new();
    for segment in &kept {
        out.push('/');
        encode(segment.as_bytes(), &mut out);
    }
    if kept.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    out
}

/// Decoded and encoded again as the service does it, so that the client's way of writing it does not matter.
fn canonical_query(query: Option<&str>) -> Result<String, NotSigned> {
    let mut pairs = vec![];
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|p| !p.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (recoded(name)?, recoded(value)?);
        if name.eq_ignore_ascii_case("X-Amz-Signature") {
            return Err(NotSigned::Query);
        }
        pairs.push((name, value));
    }
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
    Ok(pairs.join("&"))
}

/// A plus is a space to some and a plus to others.
fn recoded(text: &str) -> Result<String, NotSigned> {
    let mut bytes = vec![];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => return Err(NotSigned::Query),
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                let high = digit(rest.next()).ok_or(NotSigned::Query)?;
                let low = digit(rest.next()).ok_or(NotSigned::Query)?;
                u8::try_from(high * 16 + low).map_err(|_| NotSigned::Query)?
            }
            byte => byte,
        });
    }
    let mut out = String::new();
    encode(&bytes, &mut out);
    Ok(out)
}

/// All but the unreserved characters of RFC 3986.
fn encode(bytes: &[u8], out: &mut String) {
    use std::fmt::Write as _;
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The names that are signed, and their lines: the host, the content's, and AWS's own. Others may be changed on the
/// way, and need not be signed.
fn canonical_headers(headers: &HeaderMap, host: &str) -> Result<(String, String), NotSigned> {
    let signed =
        |name: &str| matches!(name, "content-type" | "content-md5") || name.starts_with("x-amz-");
    let mut lines = vec![("host".to_owned(), host.to_owned())];
    for name in headers.keys().filter(|name| signed(name.as_str())) {
        let mut values = vec![];
        for value in headers.get_all(name) {
            let text = value.to_str().map_err(|_| NotSigned::Header)?;
            let words: Vec<&str> = text.split_ascii_whitespace().collect();
            values.push(words.join(" "));
        }
        lines.push((name.as_str().to_owned(), values.join(",")));
    }
    lines.sort_unstable();
    let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines = lines.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
    Ok((names, lines))
}

fn key(day: &str, signing: &Signing<'_>, credential: &AwsCredential) -> Vec<u8> {
    let first = format!("AWS4{}", credential.secret_key.reveal());
    [day, signing.region, signing.service, "aws4_request"]
        .iter()
        .fold(first.into_bytes(), |key, part| mac(&key, part.as_bytes()))
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
        .as_ref()
        .to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

/// `20260424`.
fn day(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}{:02}{:02}",
        time.year(),
        u8::from(time.month()),
        time.day()
    )
}

/// `20260424T123045Z`.
fn stamp(time: OffsetDateTime) -> String {
    let utc = time.to_offset(time::UtcOffset::UTC);
    format!(
        "{}T{:02}{:02}{:02}Z",
        day(time),
        utc.hour(),
        utc.minute(),
        utc.second()
    )
}
