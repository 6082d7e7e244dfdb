//! What is reported of a credential: kind, place, fingerprint and what stands beside it that is no secret. The secret
//! itself rides along in memory for probes and for sealing, and is in nothing that is printed, logged or serialised.

use std::collections::{BTreeMap, BTreeSet};

use backstop_core::secret::Secret;
use backstop_wire::secrets::{Confidence, Name};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// One credential at one place. The same secret at another place is another finding with the same fingerprint.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What kind of credential it is: an id of [`crate::kinds`], such as `railway.token`.
    pub kind: String,
    /// What found it: a published rule's id, or a reader of Backstop's own.
    pub rule: String,
    /// Where it lies.
    pub place: Place,
    /// The secret's salted digest; none where only a credential's presence is seen (a socket, an encrypted key).
    pub fingerprint: Option<Fingerprint>,
    /// What is known beside it and no secret: `host`, `port`, `user`, `database`, `profile`, `account` and such.
    pub facts: BTreeMap<String, String>,
    /// How sure it is that this is a live credential.
    pub confidence: Confidence,
    #[serde(skip)]
    pub(crate) secret: Option<Held>,
}

/// A secret in memory: prints as `[secret]` and is overwritten when it goes.
pub(crate) type Held = Secret<Zeroizing<Vec<u8>>>;

impl Finding {
    /// The secret itself, decoded (a DSN's password, not the DSN), for a probe or for sealing it. Every use of this is
    /// a place to review; none may print, log or store it.
    pub fn reveal_secret(&self) -> Option<&[u8]> {
        self.secret.as_ref().map(|held| held.reveal().as_slice())
    }
}

/// Where a credential lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "in")]
pub enum Place {
    /// A file.
    File {
        /// Its path.
        path: Name,
        /// The line, from 1.
        line: u64,
        /// The column in bytes, from 1.
        column: u64,
        /// Bytes before the text that holds the secret (of a DSN: before the DSN).
        offset: u64,
        /// Bytes of that text.
        length: u64,
    },
    /// Something that a repository remembers, in a commit or in none.
    History {
        /// The repository's own directory, usually `.git`.
        repository: Name,
        /// The oldest commit that has it, if any branch or tag leads there.
        commit: Option<String>,
        /// The path in that commit.
        path: Option<Name>,
        /// The blob that holds it.
        blob: String,
        /// The line, from 1.
        line: u64,
        /// The column in bytes, from 1.
        column: u64,
    },
    /// A process's environment.
    Environment {
        /// The process.
        process: u32,
        /// The program it runs.
        command: Name,
        /// The variable.
        variable: Name,
    },
    /// A socket: who reaches it needs nothing else.
    Socket {
        /// Its path.
        path: Name,
    },
}

/// Bytes of a salt that is kept.
const KEPT: usize = 32;

/// What fingerprints are salted with. A fresh one for each report, so that two reports cannot be compared by whoever
/// finds them; a kept one for a baseline.
pub struct Salt(hmac::Key);

impl Salt {
    /// A random salt.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn random() -> Result<Self, ring::error::Unspecified> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(bytes.as_mut_slice())?;
        Ok(Self::keyed(bytes.as_slice()))
    }

    /// A kept salt, for findings that are compared with a baseline. It must be kept as a secret: with it a weak
    /// password can be guessed from its fingerprint.
    pub fn keyed(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A random salt that is to be kept, and the text to keep it as.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn drawn() -> Result<(Self, Zeroizing<String>), ring::error::Unspecified> {
        let mut bytes = Zeroizing::new([0; KEPT]);
        SystemRandom::new().fill(bytes.as_mut_slice())?;
        let text = Zeroizing::new(hex::encode(bytes.as_slice()));
        Ok((Self::keyed(bytes.as_slice()), text))
    }

    /// The salt that was kept as `text`; none if it is no such text, or one that somebody typed: a salt that can be
    /// guessed hides nothing.
    pub fn of_text(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(hex::decode(text.trim()).ok()?);
        // Of so many random bytes hardly ever more than a few are the same.
        let different: BTreeSet<&u8> = bytes.iter().collect();
        (bytes.len() == KEPT && different.len() >= KEPT / 2).then(|| Self::keyed(&bytes))
    }

    /// A name for this salt, by which two reports show that they were made with the same. It tells nothing of the salt,
    /// which is random, nor of any secret.
    pub fn name(&self) -> String {
        // No secret that is found begins so: a NUL ends every text that is looked through.
        let tag = hmac::sign(&self.0, b"\0the name of the salt itself");
        hex::encode(tag.as_ref().get(..8).unwrap_or_default())
    }

    /// The fingerprint of `secret`.
    pub fn fingerprint(&self, secret: &[u8]) -> Fingerprint {
        let tag = hmac::sign(&self.0, secret);
        Fingerprint(hex::encode(tag.as_ref().get(..16).unwrap_or_default()))
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// The first 128 bits of HMAC-SHA-256 over a secret with the report's salt, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_equal_from_different_only_under_one_salt() {
        let (one, other) = (Salt::random().unwrap(), Salt::random().unwrap());
        assert_eq!(one.fingerprint(b"x"), one.fingerprint(b"x"));
        assert_ne!(one.fingerprint(b"x"), one.fingerprint(b"y"));
        assert_ne!(one.fingerprint(b"x"), other.fingerprint(b"x"));
        assert_eq!(
            Salt::keyed(b"k").fingerprint(b"x"),
            Salt::keyed(b"k").fingerprint(b"x")
        );
        assert_eq!(one.fingerprint(b"x").to_string().len(), 32);
    }

    #[test]
    fn a_secret_is_in_no_output() {
        let finding = Finding {
            kind: "postgres.password".into(),
            rule: "dsn".into(),
            place: Place::Socket { path: "/s".into() },
            fingerprint: Some(Salt::random().unwrap().fingerprint(b"hunter2hunter2")),
            facts: BTreeMap::new(),
            confidence: Confidence::Sure,
            secret: Some(Secret::new(Zeroizing::new(b"hunter2hunter2".to_vec()))),
        };
        let outputs = [
            format!("{finding:?}{finding:#?}"),
            serde_json::to_string(&finding).unwrap(),
        ];
        for output in outputs {
            assert!(!output.contains("hunter2"), "{output}");
            assert!(!output.contains("104, 117, 110"), "{output}");
        }
        assert_eq!(finding.reveal_secret().unwrap(), b"hunter2hunter2");
    }
}
