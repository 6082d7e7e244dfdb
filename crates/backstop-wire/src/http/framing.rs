//! Where a request ends, and what is said about the connection (RFC 9112, sections 6 and 7).
//!
//! Two servers that disagree about the end of a request read two different next ones. So whatever could be counted
//! in two ways is refused, also where the standard says which one wins.

use super::headers::{self, Headers};
use super::hop::is_hop_by_hop;
use super::refuse::refused;
use super::token::is_token;
use super::{Raw, RawBody, Refused, Version};

pub(super) fn check(raw: &Raw<'_>, headers: &Headers) -> Result<(), Refused> {
    check_transfer(raw.version, headers)?;
    check_length(&raw.body, headers)?;
    check_expect(headers)?;
    check_connection(raw.version, headers)
}

fn check_transfer(version: Version, headers: &Headers) -> Result<(), Refused> {
    let Some(coding) = headers.one("transfer-encoding") else {
        return Ok(());
    };
    if version != Version::Http11 {
        return Err(refused(
            "`transfer-encoding` stands in a version of HTTP that does not have it",
            "leave it out",
        ));
    }
    if headers.has("content-length") {
        return Err(refused(
            "the length is told twice, by `transfer-encoding` and by `content-length`",
            "send one of them",
        ));
    }
    if coding != "chunked" {
        return Err(refused(
            "`transfer-encoding` is not exactly `chunked`",
            "send `transfer-encoding: chunked`, or `content-length`",
        ));
    }
    Ok(())
}

fn check_length(body: &RawBody<'_>, headers: &Headers) -> Result<(), Refused> {
    let Some(told) = headers.one("content-length") else {
        return Ok(());
    };
    let wrong = || {
        refused(
            "`content-length` is not one plain number",
            "send the number of bytes",
        )
    };
    // Signs, lists, spaces and zeros in front are numbers to some.
    let plain =
        told == "0" || (!told.starts_with('0') && told.bytes().all(|byte| byte.is_ascii_digit()));
    if !plain {
        return Err(wrong());
    }
    let told: u64 = told.parse().map_err(|_| wrong())?;
    let length = match body {
        RawBody::Absent => Some(0),
        RawBody::Whole(bytes) => u64::try_from(bytes.len()).ok(),
        RawBody::Streamed { length } => *length,
    };
    if length.is_some_and(|length| length != told) {
        return Err(refused(
            "`content-length` is not the length of the body",
            "send the number of bytes that follow",
        ));
    }
    Ok(())
}

fn check_expect(headers: &Headers) -> Result<(), Refused> {
    match headers.one("expect") {
        Some(expected) if !expected.eq_ignore_ascii_case("100-continue") => Err(refused(
            "`expect` asks for something else than `100-continue`",
            "leave it out",
        )),
        _ => Ok(()),
    }
}

/// What `Connection` names is dropped before the request is passed on, so that the server would see another request
/// than the one that was judged. Only what is for one hop anyway may be named.
fn check_connection(version: Version, headers: &Headers) -> Result<(), Refused> {
    for option in ["connection", "proxy-connection"]
        .into_iter()
        .flat_map(|name| headers.all(name))
        .flat_map(|value| value.split(','))
    {
        let option = option.trim_matches([' ', '\t']).to_ascii_lowercase();
        if option.is_empty() {
            continue;
        }
        let is_name = is_token(&option);
        if !is_name
            || (!is_hop_by_hop(&option) && (headers::matters(&option) || headers.has(&option)))
        {
            return Err(refused(
                "`connection` names a header that is for the server",
                "leave that name out of `connection`",
            ));
        }
    }
    // RFC 9113, section 8.2.2.
    let for_one_hop = ["connection", "proxy-connection", "keep-alive", "upgrade"];
    if version == Version::Http2 && for_one_hop.iter().any(|name| headers.has(name)) {
        return Err(refused(
            "a header of HTTP/1.1 for one connection stands in HTTP/2",
            "leave it out",
        ));
    }
    Ok(())
}
