//! gzip (RFC 1952), one member.

use flate2::bufread::GzDecoder;

use super::super::Refused;
use super::{all_of, broken, ended};

/// Where flags stand in a member's header; the bits that add a name, a comment, or other fields.
const FLAGS: usize = 3;
const FIELDS: u8 = 0b1_1100;

/// A second member is refused with all other bytes after the first: Go and `gzip` read on, browsers and others stop.
pub(super) fn take_off(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    // Bits that the standard keeps for later must be zero.
    if bytes
        .get(FLAGS)
        .is_some_and(|flags| flags & 0b1110_0000 != 0)
    {
        return Err(broken());
    }
    let mut decoder = GzDecoder::new(bytes);
    let out = all_of(&mut decoder)?;
    ended(decoder.into_inner())?;
    Ok(out)
}

/// Whether the header has no field in which the client could write what it likes.
pub(super) fn has_plain_header(bytes: &[u8]) -> bool {
    bytes.get(FLAGS).is_some_and(|flags| flags & FIELDS == 0)
}
