//! What HTTP calls `deflate`: a zlib stream (RFC 1950). Some servers read deflate without the frame (RFC 1951)
//! under the same name; bytes that could be both are refused, and so are bytes that are only the latter.

use flate2::{Decompress, FlushDecompress, Status};

use super::super::Refused;
use super::super::refuse::refused;
use super::{EXPANDED, bounded, broken, ended};

pub(super) fn take_off(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    let zlib = inflate(bytes, true)?;
    let bare = inflate(bytes, false)?;
    match (zlib, bare) {
        (Some(Inflated { out, rest }), None) => {
            ended(rest)?;
            Ok(out)
        }
        (Some(_), Some(_)) => Err(refused(
            "the body can be read as zlib and as bare deflate, and servers differ",
            "use `content-encoding: gzip`",
        )),
        (None, Some(_)) => Err(refused(
            "the body is deflate without the zlib frame, which servers read differently",
            "use `content-encoding: gzip`",
        )),
        (None, None) => Err(broken()),
    }
}

struct Inflated<'b> {
    out: Vec<u8>,
    /// What follows the stream.
    rest: &'b [u8],
}

/// What `bytes` hold and what follows it; `None` if they are no such stream or end too early.
fn inflate(bytes: &[u8], framed: bool) -> Result<Option<Inflated<'_>>, Refused> {
    let mut state = Decompress::new(framed);
    let mut out = Vec::new();
    let mut rest = bytes;
    loop {
        bounded(&out)?;
        out.reserve(out.len().clamp(4096, EXPANDED / 4));
        let (taken, given) = (state.total_in(), out.len());
        let status = state.decompress_vec(rest, &mut out, FlushDecompress::None);
        let taken = usize::try_from(state.total_in() - taken).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        match status {
            Ok(Status::StreamEnd) => {
                bounded(&out)?;
                return Ok(Some(Inflated { out, rest }));
            }
            Ok(_) if taken > 0 || out.len() > given => {}
            _ => return Ok(None),
        }
    }
}
