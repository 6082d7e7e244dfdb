//! Content encodings taken off, as a server that follows RFC 9110, section 8.4, would.
//!
//! What decoders differ about is refused: bytes after the end, several members, dictionaries, deflate without its
//! zlib frame. No output is longer than [`EXPANDED`].

mod aws_chunked;
mod gzip;
mod zlib;
mod zstandard;

use std::borrow::Cow;
use std::io::Read;

use super::Refused;
use super::refuse::refused;

/// The most that is decoded of one body, in bytes.
pub const EXPANDED: usize = 16 * 1024 * 1024;

/// Encodings upon one another that are taken off; nobody has cause for more.
const STACKED: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Zlib,
    Zstandard,
}

/// What was taken off.
pub(super) struct Decoded<'b> {
    pub(super) bytes: Cow<'b, [u8]>,
    /// Whether somebody who takes the bytes as they were sent, and many servers do, could find text of the client's
    /// choice in them.
    pub(super) is_legible: bool,
}

/// Takes off what `content-encoding` names. `decoded_length` is what `x-amz-decoded-content-length` says.
pub(super) fn take_off<'b>(
    sent: &'b [u8],
    encoding: Option<&str>,
    decoded_length: Option<&str>,
) -> Result<Decoded<'b>, Refused> {
    let mut decoded = Decoded {
        bytes: Cow::Borrowed(sent),
        is_legible: false,
    };
    let Some(encoding) = encoding else {
        return Ok(decoded);
    };
    let (codings, is_chunked) = codings(encoding)?;
    // S3's frame is the outermost wherever it is named.
    if is_chunked {
        decoded.bytes = Cow::Owned(aws_chunked::take_off(sent, decoded_length)?);
        decoded.is_legible = true;
    }
    // Named in the order in which they were put on.
    for coding in codings.iter().rev() {
        let bytes = decoded.bytes.as_ref();
        decoded.is_legible |= *coding != Coding::Gzip || !gzip::has_plain_header(bytes);
        decoded.bytes = Cow::Owned(match coding {
            Coding::Gzip => gzip::take_off(bytes)?,
            Coding::Zlib => zlib::take_off(bytes)?,
            Coding::Zstandard => zstandard::take_off(bytes)?,
        });
    }
    Ok(decoded)
}

fn codings(encoding: &str) -> Result<(Vec<Coding>, bool), Refused> {
    let mut codings = Vec::new();
    let mut is_chunked = false;
    for name in encoding.split(',') {
        match name.trim_matches([' ', '\t']).to_ascii_lowercase().as_str() {
            "identity" => {}
            "gzip" | "x-gzip" => codings.push(Coding::Gzip),
            "deflate" => codings.push(Coding::Zlib),
            "zstd" => codings.push(Coding::Zstandard),
            "aws-chunked" if !is_chunked => is_chunked = true,
            "br" => {
                return Err(refused(
                    "the body is encoded with Brotli, which is not read",
                    HINT,
                ));
            }
            _ => return Err(refused("the body has an encoding that is not known", HINT)),
        }
    }
    if codings.len() > STACKED {
        return Err(refused(
            format!("the body is encoded more than {STACKED} times"),
            HINT,
        ));
    }
    Ok((codings, is_chunked))
}

const HINT: &str = "send it plain, or with `content-encoding: gzip`";

/// All that `from` gives, up to [`EXPANDED`].
fn all_of(from: &mut impl Read) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::new();
    let most = u64::try_from(EXPANDED)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    from.take(most)
        .read_to_end(&mut out)
        .map_err(|_| broken())?;
    bounded(&out)?;
    Ok(out)
}

fn bounded(out: &[u8]) -> Result<(), Refused> {
    if out.len() > EXPANDED {
        return Err(refused(
            format!(
                "the body grows beyond {} MiB when it is decoded",
                EXPANDED / 1024 / 1024
            ),
            "send it in smaller requests, or plain",
        ));
    }
    Ok(())
}

fn ended(rest: &[u8]) -> Result<(), Refused> {
    if rest.is_empty() {
        return Ok(());
    }
    Err(refused(
        "bytes follow after the end of the encoded body, which some servers drop and others decode",
        "send one encoded stream and nothing after it",
    ))
}

fn broken() -> Refused {
    refused(
        "the body is not what its `content-encoding` says, or ends too early",
        HINT,
    )
}

#[cfg(test)]
mod tests;
