//! What a close says (RFC 6455, sections 5.5.1 and 7.4).

use super::Broken;
use super::frame::{Kind, frame};

/// What is left of a control frame for the reason.
const REASON: usize = 123;

/// A close with a code and a reason, which is cut where it is too long; masked where there is a key.
#[must_use]
pub fn close(code: u16, reason: &str, key: Option<[u8; 4]>) -> Vec<u8> {
    let mut end = reason.len().min(REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
    frame(Kind::Close, &payload, key)
}

/// The code that a close says, if it says one.
///
/// # Errors
///
/// [`Broken::Close`], if it is one that nobody says, or the reason is no text.
pub fn code_of(payload: &[u8]) -> Result<Option<u16>, Broken> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(Broken::Close)
        };
    };
    let code = u16::from_be_bytes(*code);
    // The others say within one end that there was no close.
    let said = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if !said || std::str::from_utf8(reason).is_err() {
        return Err(Broken::Close);
    }
    Ok(Some(code))
}
