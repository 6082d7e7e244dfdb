//! The installation's keys, each in its own file: the sealing key and the journals' signing keys.

use std::path::Path;

use backstop_journal::{SigningKey, VerifierKey};
use backstop_store::SealKey;

use super::{Home, write_private};
use crate::failure::{Context, Failure, Outcome};

/// The two logs, by the names of their directories.
pub const LOGS: [&str; 2] = ["control", "traffic"];

/// The keys that serving needs.
pub struct Keys {
    /// Seals texts and credentials.
    pub seal: SealKey,
    /// Signs the control log.
    pub control: SigningKey,
    /// Signs the traffic log.
    pub traffic: SigningKey,
}

impl Keys {
    /// Makes the keys that are missing; existing ones are never replaced. Says whether any was made.
    ///
    /// # Errors
    /// When one cannot be made or written.
    pub fn make(home: &Home) -> Outcome<bool> {
        let mut made = false;
        let seal = home.keys().join("seal.key");
        if !seal.exists() {
            let key = SealKey::generate().doing("cannot make the sealing key")?;
            write_private(&seal, format!("{}\n", hex(key.bytes())).as_bytes())?;
            made = true;
        }
        let seal = Self::seal(home)?;
        for log in LOGS {
            let path = signing_path(home, log);
            if !path.exists() {
                let key = SigningKey::generate(&log_name(&seal, log))
                    .doing("cannot make a journal key")?;
                key.save(&path).doing("cannot keep a journal key")?;
                let public = home.keys().join(format!("journal-{log}.pub"));
                write_private(&public, format!("{}\n", key.verifier().text()).as_bytes())?;
                made = true;
            }
        }
        Ok(made)
    }

    /// Reads them all.
    ///
    /// # Errors
    /// When one is missing or not a key.
    pub fn load(home: &Home) -> Outcome<Self> {
        let signing =
            |log| SigningKey::load(&signing_path(home, log)).doing("cannot use a journal key");
        Ok(Self {
            seal: Self::seal(home)?,
            control: signing("control")?,
            traffic: signing("traffic")?,
        })
    }

    /// Reads the sealing key alone.
    ///
    /// # Errors
    /// When it is missing or not a key.
    pub fn seal(home: &Home) -> Outcome<SealKey> {
        let path = home.keys().join("seal.key");
        let text = std::fs::read_to_string(&path)
            .doing(format!("cannot read the sealing key `{}`", path.display()))?;
        let digest = backstop_core::digest::Digest::from_hex(text.trim());
        let bytes = digest.ok_or_else(|| {
            Failure::new(format!("`{}` does not hold a sealing key", path.display()))
                .hint("restore it from where it was kept: without it sealed texts and credentials cannot be read")
        })?;
        Ok(SealKey::new(bytes.0))
    }

    /// The public half of a log's key: all that verifying needs.
    ///
    /// # Errors
    /// When it is missing or not a key.
    pub fn verifier(home: &Home, log: &str) -> Outcome<VerifierKey> {
        let path = home.keys().join(format!("journal-{log}.pub"));
        let text =
            std::fs::read_to_string(&path).doing(format!("cannot read `{}`", path.display()))?;
        VerifierKey::parse(&text).doing(format!("cannot use `{}`", path.display()))
    }
}

/// A new log's name, which its key has too and its checkpoints begin with. No other installation's log has it, so that
/// one vault can cosign those of several.
fn log_name(seal: &SealKey, log: &str) -> String {
    let [a, b, c, d, e, f, ..] = seal.derive("log names");
    format!(
        "backstop.local/{:012x}/{log}",
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    )
}

fn signing_path(home: &Home, log: &str) -> std::path::PathBuf {
    home.keys().join(Path::new(&format!("journal-{log}.key")))
}

fn hex(bytes: &[u8; 32]) -> String {
    backstop_core::digest::Digest(*bytes).to_hex()
}
