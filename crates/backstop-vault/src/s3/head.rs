//! The vault's signature under its index, which goes along with every part of it in the bucket.
//!
//! Each line of the index names the hash of the one before, so that a signature under the last is one under all. The
//! bucket's access key alone can put lines there, and cannot sign.

use backstop_core::digest::Digest;
use backstop_journal::VerifierKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};

use crate::error::{Result, VaultError};

/// What is signed. A checkpoint of a log has a bare number in its second line, so that none can be taken for this.
fn text(sequence: u64, hash: &Digest) -> String {
    format!(
        "backstop vault index\nup to record {sequence}\n{}\n",
        hash.to_hex()
    )
}

/// The signature under the record of this number and hash, fit for a header.
pub(super) fn sign(signer: &StandardSigner, sequence: u64, hash: &Digest) -> Result<String> {
    let bad = |e: &dyn std::fmt::Display| VaultError::protocol(format!("signing failed: {e}"));
    let mut note = Note::new(text(sequence, hash).as_bytes(), &[]).map_err(|e| bad(&e))?;
    note.add_sigs(&[signer]).map_err(|e| bad(&e))?;
    Ok(STANDARD.encode(note.to_bytes()))
}

/// A record that the vault has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) hash: Digest,
}

/// What one of `keys` has signed, if one has.
pub(super) fn read(header: &str, keys: &[VerifierKey]) -> Option<Head> {
    let note = Note::from_bytes(&STANDARD.decode(header).ok()?).ok()?;
    let mut known: Vec<Box<dyn signed_note::Verifier>> = Vec::new();
    for key in keys {
        known.push(Box::new(StandardVerifier::new(key.text()).ok()?));
    }
    let (ours, _) = note.verify(&VerifierList::new(known)).ok()?;
    if ours.is_empty() {
        return None;
    }
    let said = std::str::from_utf8(note.text()).ok()?;
    let mut lines = said.lines().skip(1);
    let sequence = lines.next()?.strip_prefix("up to record ")?.parse().ok()?;
    let hash = Digest::from_hex(lines.next()?)?;
    (said == text(sequence, &hash)).then_some(Head { sequence, hash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstop_journal::SigningKey;

    #[test]
    fn only_the_vaults_own_signature_under_its_own_words_is_a_head() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let key = SigningKey::generate("vault.test").unwrap();
            let path = folder.path().join(name);
            key.save(&path).unwrap();
            let text = std::fs::read_to_string(path).unwrap();
            (
                key.verifier().clone(),
                StandardSigner::new(text.trim()).unwrap(),
            )
        };
        let ((ours, signer), (theirs, other)) = (make("a"), make("b"));
        let hash = Digest::of(b"a line");
        let signed = sign(&signer, 7, &hash).unwrap();
        let head = Head { sequence: 7, hash };
        assert_eq!(read(&signed, std::slice::from_ref(&ours)), Some(head));
        assert_eq!(read(&signed, &[theirs.clone(), ours.clone()]), Some(head));
        assert_eq!(read(&signed, &[theirs]), None);
        let by_other = sign(&other, 7, &hash).unwrap();
        assert_eq!(read(&by_other, std::slice::from_ref(&ours)), None);
        // A checkpoint that the vault was made to sign, with everything that a log can choose.
        for log in [
            format!("backstop vault index\n7\n{}\n", STANDARD.encode(hash.0)),
            format!("backstop vault index\n7\n{}\n", hash.to_hex()),
        ] {
            let mut note = Note::new(log.as_bytes(), &[]).unwrap();
            note.add_sigs(&[&signer]).unwrap();
            assert_eq!(
                read(
                    &STANDARD.encode(note.to_bytes()),
                    std::slice::from_ref(&ours)
                ),
                None
            );
        }
        for odd in ["", "AAAA", "not base64"] {
            assert_eq!(read(odd, std::slice::from_ref(&ours)), None);
        }
    }
}
