//! Signed checkpoints (C2SP tlog-checkpoint) and the signed note of the oldest entry kept.
//!
//! Making and reading of notes only; which one is the newest is not known here. Reading is strict:
//! the exact bytes that signing gives, no signature besides ours, no extension lines.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use signed_note::{Note, VerifierList};

use crate::{
    error::{JournalError, Result},
    hash::Hash,
    key::{SigningKey, VerifierKey},
};

/// The first line of a minimum-index note. As a checkpoint it would have a size that is no number.
const MINIMUM_TITLE: &str = "backstop journal minimum index v1";

/// A checkpoint whose signature was made or checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    note: Vec<u8>,
}

impl Checkpoint {
    /// Reads a checkpoint and checks its signature and origin.
    ///
    /// # Errors
    /// [`JournalError::Checkpoint`].
    pub fn parse(note: &[u8], origin: &str, key: &VerifierKey) -> Result<Self> {
        let text = open_note(note, key)?;
        let (found, size, root) =
            read_body(&text).ok_or_else(|| refused("its text is malformed"))?;
        if body(found, size, root).as_bytes() != text {
            return Err(refused(
                "its text is not in the one form that is signed here",
            ));
        }
        if found != origin {
            return Err(refused(format!(
                "it is of the log `{found}`, not of `{origin}`"
            )));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
            note: note.to_vec(),
        })
    }

    pub(crate) fn sign(origin: &str, size: u64, root: Hash, key: &SigningKey) -> Result<Self> {
        if origin.is_empty() || origin.contains(char::is_control) {
            return Err(refused("the origin is empty or has control characters"));
        }
        let note = sign_note(body(origin, size, root).as_bytes(), key)?;
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
            note,
        })
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries it covers.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The Merkle root over those entries.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The signed note itself, as it is published.
    pub fn note(&self) -> &[u8] {
        &self.note
    }
}

/// The text of a checkpoint (c2sp.org/tlog-checkpoint, "Note text").
fn body(origin: &str, size: u64, root: Hash) -> String {
    format!("{origin}\n{size}\n{root}\n")
}

fn read_body(text: &[u8]) -> Option<(&str, u64, Hash)> {
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    let root = Hash::from_slice(&STANDARD.decode(root).ok()?)?;
    Some((origin, size.parse().ok()?, root))
}

/// Signs that entries before `minimum` may be missing.
pub(crate) fn sign_minimum(origin: &str, minimum: u64, key: &SigningKey) -> Result<Vec<u8>> {
    sign_note(minimum_text(origin, minimum).as_bytes(), key)
}

/// Reads a minimum-index note and checks its signature and origin.
pub(crate) fn parse_minimum(note: &[u8], origin: &str, key: &VerifierKey) -> Result<u64> {
    let text = open_note(note, key)?;
    let minimum = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.lines().nth(2)?.parse().ok())
        .ok_or_else(|| refused("its text is malformed"))?;
    if text != minimum_text(origin, minimum).as_bytes() {
        return Err(refused("it is not a minimum index of this log"));
    }
    Ok(minimum)
}

fn minimum_text(origin: &str, minimum: u64) -> String {
    format!("{MINIMUM_TITLE}\n{origin}\n{minimum}\n")
}

fn sign_note(text: &[u8], key: &SigningKey) -> Result<Vec<u8>> {
    let mut note =
        Note::new(text, &[]).map_err(|_| refused("the origin has control characters"))?;
    note.add_sigs(&[key.signer()])
        .map_err(|error| refused(format!("signing failed: {error}")))?;
    Ok(note.to_bytes())
}

/// The text of a note that carries exactly this key's signature and nothing else.
fn open_note(bytes: &[u8], key: &VerifierKey) -> Result<Vec<u8>> {
    let note = Note::from_bytes(bytes).map_err(|_| refused("it is no well-formed signed note"))?;
    let known = VerifierList::new(vec![Box::new(key.verifier().clone())]);
    let (ours, others) = note
        .verify(&known)
        .map_err(|error| refused(error.to_string()))?;
    if ours.len() != 1 || !others.is_empty() || note.to_bytes() != bytes {
        return Err(refused("it carries more than this journal's one signature"));
    }
    Ok(note.text().to_vec())
}

fn refused(what: impl Into<String>) -> JournalError {
    JournalError::Checkpoint { what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "backstop.local/control";

    fn key() -> SigningKey {
        SigningKey::generate(ORIGIN).unwrap()
    }

    #[test]
    fn a_checkpoint_survives_and_any_flip_is_refused() {
        let key = key();
        let made = Checkpoint::sign(ORIGIN, 7, Hash::empty_root(), &key).unwrap();
        let read = Checkpoint::parse(made.note(), ORIGIN, key.verifier()).unwrap();
        assert_eq!(made, read);
        for at in 0..made.note().len() {
            for bit in 0..8 {
                let mut flipped = made.note().to_vec();
                flipped[at] ^= 1 << bit;
                assert!(
                    Checkpoint::parse(&flipped, ORIGIN, key.verifier()).is_err(),
                    "byte {at} bit {bit}"
                );
            }
        }
    }

    #[test]
    fn another_key_origin_or_signature_is_refused() {
        let (ours, other) = (key(), key());
        let made = Checkpoint::sign(ORIGIN, 7, Hash::empty_root(), &ours).unwrap();
        assert!(Checkpoint::parse(made.note(), ORIGIN, other.verifier()).is_err());
        assert!(Checkpoint::parse(made.note(), "else", ours.verifier()).is_err());
        let mut note = Note::from_bytes(made.note()).unwrap();
        note.add_sigs(&[other.signer()]).unwrap();
        assert!(Checkpoint::parse(&note.to_bytes(), ORIGIN, ours.verifier()).is_err());
    }

    #[test]
    fn a_minimum_index_is_no_checkpoint() {
        let key = key();
        let note = sign_minimum(ORIGIN, 512, &key).unwrap();
        assert_eq!(parse_minimum(&note, ORIGIN, key.verifier()).unwrap(), 512);
        assert!(parse_minimum(&note, "else", key.verifier()).is_err());
        assert!(Checkpoint::parse(&note, MINIMUM_TITLE, key.verifier()).is_err());
        let checkpoint = Checkpoint::sign(ORIGIN, 512, Hash::empty_root(), &key).unwrap();
        assert!(parse_minimum(checkpoint.note(), ORIGIN, key.verifier()).is_err());
    }
}
