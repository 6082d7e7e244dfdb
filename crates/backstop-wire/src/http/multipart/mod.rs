//! Multipart bodies (RFC 2046, section 5.1; RFC 7578), in the one form that all readers agree about: lines end with
//! CRLF, nothing stands before the first boundary or after the last, and the boundary stands nowhere else.

mod disposition;

use super::refuse::refused;
use super::token::is_token;
use super::{Carried, Media, Part, Refused, charset};

/// Servers stop at some number; this is the one of the more generous ones.
const PARTS: usize = 1_000;

pub(super) fn read(bytes: &[u8], media: &Media<'_>) -> Result<Vec<Part>, Refused> {
    let boundary = boundary(media)?;
    let mut parts = Vec::new();
    let start = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let mut rest = start
        .strip_prefix(boundary.as_slice())
        .ok_or_else(|| broken("does not begin with its boundary"))?;
    loop {
        if let Some(after) = rest.strip_prefix(b"--") {
            return end(after).map(|()| parts);
        }
        let inside = rest
            .strip_prefix(b"\r\n")
            .ok_or_else(|| broken("has more than a line break after a boundary"))?;
        let at = memchr::memmem::find(inside, &boundary)
            .ok_or_else(|| broken("does not end with its boundary"))?;
        let (content, after) = inside.split_at_checked(at).unwrap_or_default();
        let content = content
            .strip_suffix(b"\r\n")
            .ok_or_else(|| broken("has its boundary within a part"))?;
        if parts.len() == PARTS {
            return Err(broken("has too many parts"));
        }
        parts.push(part(content, media)?);
        rest = after.get(boundary.len()..).unwrap_or_default();
    }
}

/// With the two dashes before it.
fn boundary(media: &Media<'_>) -> Result<Vec<u8>, Refused> {
    let boundary = media.parameter("boundary").unwrap_or_default();
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let is_sound = (1..=70).contains(&boundary.len())
        && boundary.bytes().all(is_allowed)
        && !boundary.ends_with(' ');
    if !is_sound {
        return Err(broken("has no boundary of 1 to 70 plain characters"));
    }
    Ok(format!("--{boundary}").into_bytes())
}

fn end(after: &[u8]) -> Result<(), Refused> {
    match after {
        b"" | b"\r\n" | b"\r\n\r\n" => Ok(()),
        _ => Err(broken("goes on after its last boundary")),
    }
}

fn part(content: &[u8], media: &Media<'_>) -> Result<Part, Refused> {
    // Without headers the empty line is the first.
    let (head, body) = match content.strip_prefix(b"\r\n") {
        Some(body) => (&b""[..], body),
        None => split(content).ok_or_else(|| broken("has a part whose headers do not end"))?,
    };
    let headers = headers(head)?;
    let header = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| *value)
    };
    check_encoding(header("content-transfer-encoding"))?;
    let media_type = part_type(header("content-type"), body)?;
    let is_form = media.essence == "multipart/form-data";
    let names = match header("content-disposition") {
        Some(text) => disposition::read(text, is_form)?,
        None => disposition::Names::default(),
    };
    if is_form && names.name.is_none() {
        return Err(broken("has a part without a name"));
    }
    Ok(Part {
        name: names.name,
        file: names.file,
        media_type,
        content: Carried(body.to_vec()),
    })
}

fn split(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(content, b"\r\n\r\n")?;
    let (head, rest) = content.split_at_checked(at)?;
    Some((head, rest.strip_prefix(b"\r\n\r\n")?))
}

fn headers(head: &[u8]) -> Result<Vec<(String, &str)>, Refused> {
    let head = std::str::from_utf8(head).map_err(|_| broken("has a header that is not UTF-8"))?;
    let mut headers: Vec<(String, &str)> = Vec::new();
    for line in head.split("\r\n").filter(|_| !head.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or_default();
        // A folded line begins with white space and so has no name; bare CR and LF are controls.
        if !is_token(name) || value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(broken("has a header that cannot be read"));
        }
        let name = name.to_ascii_lowercase();
        if headers.iter().any(|(n, _)| *n == name) {
            return Err(broken("has a part with a header twice"));
        }
        headers.push((name, value.trim_matches([' ', '\t'])));
    }
    Ok(headers)
}

/// Browsers and most servers don't know of encodings here (RFC 7578, section 4.7); mail does.
fn check_encoding(encoding: Option<&str>) -> Result<(), Refused> {
    let encoding = encoding.unwrap_or("binary").to_ascii_lowercase();
    match encoding.as_str() {
        "binary" | "8bit" | "7bit" => Ok(()),
        _ => Err(broken(
            "has a part in a transfer encoding, which some servers take off and others keep",
        )),
    }
}

fn part_type(told: Option<&str>, body: &[u8]) -> Result<String, Refused> {
    let Some(told) = told else {
        return Ok("text/plain".to_owned());
    };
    let media = Media::read(told)?;
    if media.essence.starts_with("multipart/") {
        return Err(broken("has another multipart body in a part"));
    }
    if media.charset().is_some() {
        charset::text(body, media.charset())?;
    }
    Ok(media.essence)
}

fn broken(why: &str) -> Refused {
    refused(
        format!("the multipart body {why}"),
        "let a client library write it: CRLF, one level, plain names, nothing around the parts",
    )
}

#[cfg(test)]
mod tests;
