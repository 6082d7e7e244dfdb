//! The journal's Ed25519 key, in the text forms of C2SP signed-note.
//!
//! The signing key's text is a secret: it has no `Debug` or `Display`, and never enters a message.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::{SecureRandom as _, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use signed_note::{Signer as _, StandardSigner, StandardVerifier, Verifier as _};

use crate::error::{JournalError, Result};

/// The algorithm byte for Ed25519 (c2sp.org/signed-note, "Signature types").
const ED25519: u8 = 1;
const SEED_LEN: usize = 32;

/// The key that signs a journal's checkpoints.
pub struct SigningKey {
    signer: StandardSigner,
    text: String,
    verifier: VerifierKey,
}

impl SigningKey {
    /// Makes a new key. The name is best the journal's origin: no spaces, no `+`.
    ///
    /// # Errors
    /// [`JournalError::Key`] if the name is not allowed or the system has no randomness.
    pub fn generate(name: &str) -> Result<Self> {
        let mut seed = [0; SEED_LEN];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| bad_key("the system gave no random bytes", "check `/dev/urandom`"))?;
        Self::from_seed(name, &seed)
    }

    fn from_seed(name: &str, seed: &[u8; SEED_LEN]) -> Result<Self> {
        if !signed_note::is_key_name_valid(name) {
            return Err(bad_key(
                format!("`{name}` cannot be a key's name"),
                "use a name without spaces and without `+`, such as `backstop.local/control`",
            ));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| bad_key("the seed was refused", "generate a new key"))?;
        let public = [&[ED25519], pair.public_key().as_ref()].concat();
        let id = signed_note::key_id(name, &public);
        let secret = STANDARD.encode([&[ED25519], seed.as_slice()].concat());
        Self::parse(&format!("PRIVATE+KEY+{name}+{id:08x}+{secret}"))
    }

    /// Reads a key's text, `PRIVATE+KEY+<name>+<id>+<base64>`.
    ///
    /// # Errors
    /// [`JournalError::Key`] if it is malformed; the message does not repeat it.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let signer = StandardSigner::new(text).map_err(|error| malformed_signing(&error))?;
        // Base64 may itself hold a `+`.
        let seed = text.splitn(5, '+').nth(4).unwrap_or_default();
        let seed = STANDARD.decode(seed).unwrap_or_default();
        let public = seed
            .get(1..)
            .and_then(|seed| Ed25519KeyPair::from_seed_unchecked(seed).ok())
            .ok_or_else(|| malformed_signing(&"not an Ed25519 seed"))?;
        let public = [&[ED25519], public.public_key().as_ref()].concat();
        let verifier = format!(
            "{}+{:08x}+{}",
            signer.name(),
            signer.key_id(),
            STANDARD.encode(public)
        );
        Ok(Self {
            verifier: VerifierKey::parse(&verifier)?,
            text: text.to_owned(),
            signer,
        })
    }

    /// Loads a key from a file written by [`SigningKey::save`].
    ///
    /// # Errors
    /// [`JournalError::Io`] or [`JournalError::Key`].
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| JournalError::io("read the journal key", path, source))?;
        Self::parse(&text)
    }

    /// Writes the key to a new file that only its owner can read; an existing file is never replaced.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let io = |source| JournalError::io("write the journal key", path, source);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        file.write_all(format!("{}\n", self.text).as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(io)
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        self.signer.name()
    }

    /// The public half, to be given to whoever verifies.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn signer(&self) -> &StandardSigner {
        &self.signer
    }
}

/// The public half of a journal's key, `<name>+<id>+<base64>` in text.
#[derive(Clone)]
pub struct VerifierKey {
    verifier: StandardVerifier,
    text: String,
}

impl VerifierKey {
    /// Reads a verifier key's text.
    ///
    /// # Errors
    /// [`JournalError::Key`] if it is malformed.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let verifier = StandardVerifier::new(text).map_err(|error| {
            bad_key(
                format!("the verifier key is malformed: {error}"),
                "it looks like `name+1234abcd+base64`, on one line",
            )
        })?;
        Ok(Self {
            verifier,
            text: text.to_owned(),
        })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The key's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn verifier(&self) -> &StandardVerifier {
        &self.verifier
    }
}

impl std::fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("VerifierKey").field(&self.text).finish()
    }
}

fn bad_key(what: impl Into<String>, hint: &'static str) -> JournalError {
    JournalError::Key {
        what: what.into(),
        hint,
    }
}

fn malformed_signing(why: &dyn std::fmt::Display) -> JournalError {
    bad_key(
        format!("the signing key is malformed: {why}"),
        "it looks like `PRIVATE+KEY+name+1234abcd+base64`, on one line; restore it from where it was kept",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = SigningKey::generate("backstop.local/control").unwrap();
        key.save(&path).unwrap();
        let loaded = SigningKey::load(&path).unwrap();
        assert_eq!(loaded.verifier().text(), key.verifier().text());
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(key.save(&path).is_err());
    }

    #[test]
    fn what_one_half_signs_the_other_accepts() {
        let key = SigningKey::from_seed("a.example/log", &[3; 32]).unwrap();
        let signature = key.signer().sign(b"text\n").unwrap();
        assert!(key.verifier().verifier().verify(b"text\n", &signature));
        assert!(!key.verifier().verifier().verify(b"test\n", &signature));
    }

    #[test]
    fn errors_do_not_repeat_a_secret() {
        let key = SigningKey::generate("name").unwrap();
        let broken = key.text.replace("PRIVATE+KEY+name", "PRIVATE+KEY+other");
        let error = SigningKey::parse(&broken).err().unwrap().to_string();
        let secret = broken.splitn(5, '+').nth(4).unwrap();
        assert!(
            !error.contains(secret) && error.contains("hint:"),
            "{error}"
        );
        assert!(SigningKey::generate("with space").is_err());
        assert!(VerifierKey::parse("name+00000000+AAAA").is_err());
    }
}
