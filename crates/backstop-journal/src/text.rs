//! Sealed texts: what lies beside the entries and can be erased without breaking the log.
//!
//! A text is named by the SHA-256 of its sealed bytes, and the entry holds that name; so a replaced
//! text is found out although it is no leaf. The journal never sees inside a text and has no key to.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{
    error::{JournalError, Result},
    hash::{HASH_LEN, sha256},
};

/// The largest sealed text, in bytes.
pub const MAX_TEXT: usize = 16 * 1024 * 1024;

/// The shortest sealed text, in bytes: an authentication tag alone is as long.
pub const MIN_TEXT: usize = 16;

/// What the bytes of erased texts are derived from, so that they cannot be mistaken for a text.
const ERASED: &[u8] = b"backstop journal: this text was erased\n";

/// The name of a sealed text: the SHA-256 of its sealed bytes. Shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextDigest(pub [u8; HASH_LEN]);

impl fmt::Display for TextDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TextDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TextDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text as the caller sealed it, with its name.
#[derive(Clone)]
pub struct SealedText {
    digest: TextDigest,
    bytes: Vec<u8>,
}

impl SealedText {
    /// Takes bytes that were sealed with an authenticated cipher. Put [`SealedText::digest`] into
    /// the entry that the text belongs to.
    ///
    /// # Errors
    /// [`JournalError::TooLarge`] beyond [`MAX_TEXT`], [`JournalError::TextTooShort`] below [`MIN_TEXT`].
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        let size = bytes.len();
        if size > MAX_TEXT {
            return Err(JournalError::TooLarge {
                what: "a sealed text",
                size,
                limit: MAX_TEXT,
            });
        }
        if size < MIN_TEXT {
            return Err(JournalError::TextTooShort {
                size,
                least: MIN_TEXT,
            });
        }
        Ok(Self {
            digest: digest_of(&bytes),
            bytes,
        })
    }

    /// The text's name.
    pub fn digest(&self) -> TextDigest {
        self.digest
    }

    /// The sealed bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What looking for a text found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextState {
    /// The sealed bytes; their hash has been checked.
    Present(Vec<u8>),
    /// It was erased.
    Erased,
    /// The journal has never had it, or retention has pruned it.
    Unknown,
}

/// How the bytes stored for a text look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Whole,
    Erased,
    Damaged,
}

/// Tells whether stored bytes are the text, its erasure, or neither.
pub(crate) fn condition(digest: TextDigest, bytes: &[u8]) -> Condition {
    if digest_of(bytes) == digest {
        Condition::Whole
    } else if erased(digest, bytes.len()) == bytes {
        Condition::Erased
    } else {
        Condition::Damaged
    }
}

/// What overwrites an erased text of this length.
pub(crate) fn erased(digest: TextDigest, len: usize) -> Vec<u8> {
    let pattern = sha256(&[ERASED, &digest.0]).0;
    pattern.iter().copied().cycle().take(len).collect()
}

fn digest_of(bytes: &[u8]) -> TextDigest {
    TextDigest(sha256(&[bytes]).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_whole_erased_or_damaged() {
        let text = SealedText::new(vec![5; 100]).unwrap();
        assert_eq!(condition(text.digest(), text.bytes()), Condition::Whole);
        let gone = erased(text.digest(), 100);
        assert_eq!(condition(text.digest(), &gone), Condition::Erased);
        for at in 0..100 {
            for from in [text.bytes(), &gone] {
                let mut flipped = from.to_vec();
                flipped[at] ^= 1;
                assert_eq!(condition(text.digest(), &flipped), Condition::Damaged);
            }
        }
    }

    #[test]
    fn limits() {
        assert!(SealedText::new(vec![0; MIN_TEXT - 1]).is_err());
        assert!(SealedText::new(vec![0; MAX_TEXT + 1]).is_err());
    }
}
