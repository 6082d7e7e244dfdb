//! `aws-chunked`: S3's own frame around an upload, with signatures and checksums between the pieces. Every present
//! SDK of AWS sends uploads in it.

use super::super::Refused;
use super::super::refuse::refused;
use super::super::token::is_token;

/// What lies in the frame. `told` is the length that the client says it has.
pub(super) fn take_off(sent: &[u8], told: Option<&str>) -> Result<Vec<u8>, Refused> {
    let out = pieces(sent).ok_or_else(|| {
        refused(
            "the body is not in the frame that `aws-chunked` stands for",
            "use an SDK of AWS to send it",
        )
    })?;
    if told.is_some_and(|told| told != out.len().to_string()) {
        return Err(refused(
            "`x-amz-decoded-content-length` is not the length of what was sent",
            "use an SDK of AWS to send it",
        ));
    }
    Ok(out)
}

fn pieces(sent: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(sent.len());
    let mut rest = sent;
    loop {
        let (head, after) = line(rest)?;
        let size = size(head)?;
        if size == 0 {
            return trailers(after).then_some(out);
        }
        let (piece, after) = after.split_at_checked(size)?;
        out.extend_from_slice(piece);
        rest = after.strip_prefix(b"\r\n")?;
    }
}

/// Hexadecimal digits, and perhaps the signature of the piece.
fn size(head: &str) -> Option<usize> {
    let (digits, signature) = head.split_once(';').unwrap_or((head, ""));
    let is_signature = signature.is_empty()
        || signature
            .strip_prefix("chunk-signature=")
            .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_signature && is_number)
        .then(|| usize::from_str_radix(digits, 16).ok())
        .flatten()
}

/// Lines with a name each, an empty line, and nothing after it.
fn trailers(mut rest: &[u8]) -> bool {
    while let Some((trailer, after)) = line(rest) {
        if trailer.is_empty() {
            return after.is_empty();
        }
        if !trailer
            .split_once(':')
            .is_some_and(|(name, _)| is_token(name))
        {
            return false;
        }
        rest = after;
    }
    // Some SDKs leave the last line out.
    rest.is_empty()
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memmem::find(bytes, b"\r\n")?;
    let (line, after) = bytes.split_at_checked(end)?;
    let line = std::str::from_utf8(line).ok()?;
    (!line.chars().any(char::is_control)).then_some((line, after.strip_prefix(b"\r\n")?))
}
