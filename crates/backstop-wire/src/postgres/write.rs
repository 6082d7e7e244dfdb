//! Writing messages: the type byte, the length, and fields that fit theirs.
//!
//! A message that cannot be written leaves the buffer as it was, so that no half message is sent.

use bytes::{BufMut, BytesMut};

use super::error::EncodeError;

/// Writes one message; on an error the buffer is as before.
pub(crate) fn message(
    out: &mut BytesMut,
    tag: u8,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_u8(tag);
    let result = counted(out, body);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Writes a length word that counts itself, and what follows it; on an error the buffer is as before.
pub(crate) fn counted(
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_i32(0);
    let result = body(out).and_then(|()| patch(out, start));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Writes text and the NUL that ends it.
pub(crate) fn text(out: &mut BytesMut, text: &str) -> Result<(), EncodeError> {
    cstr(out, text.as_bytes())
}

/// Writes bytes and the NUL that ends them.
pub(crate) fn cstr(out: &mut BytesMut, bytes: &[u8]) -> Result<(), EncodeError> {
    if memchr::memchr(0, bytes).is_some() {
        return Err(EncodeError::Nul);
    }
    out.put_slice(bytes);
    out.put_u8(0);
    Ok(())
}

/// Writes how many of something follow.
pub(crate) fn count(out: &mut BytesMut, count: usize) -> Result<(), EncodeError> {
    out.put_u16(u16::try_from(count).map_err(|_| EncodeError::TooLarge)?);
    Ok(())
}

/// Writes a value with its length before it, or NULL.
pub(crate) fn value(out: &mut BytesMut, value: Option<&[u8]>) -> Result<(), EncodeError> {
    let Some(bytes) = value else {
        out.put_i32(-1);
        return Ok(());
    };
    out.put_i32(i32::try_from(bytes.len()).map_err(|_| EncodeError::TooLarge)?);
    out.put_slice(bytes);
    Ok(())
}

fn patch(out: &mut BytesMut, start: usize) -> Result<(), EncodeError> {
    let length = out.len().saturating_sub(start);
    let length = i32::try_from(length).map_err(|_| EncodeError::TooLarge)?;
    if let Some(word) = out
        .get_mut(start..)
        .and_then(|rest| rest.first_chunk_mut::<4>())
    {
        *word = length.to_be_bytes();
    }
    Ok(())
}
