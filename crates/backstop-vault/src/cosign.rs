//! Cosigning the journal: the vault signs a checkpoint only if it follows from the last one it signed, and
//! remembers the newest durably. So an older copy of a whole journal is found out.
//!
//! The vault believes the log's own key, kept the first time it saw the log, and hashes; nothing that the
//! gate says about sizes.

use std::path::Path;

use backstop_core::digest::Digest;
use backstop_journal::{Checkpoint, Hash, VerifierKey, check_consistency};
use serde::{Deserialize, Serialize};
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};

use crate::{
    client::{Client, expect},
    error::{Refusal, Result, VaultError},
    protocol::{CosignRequest, Frame, Kind, LogAsk},
    seal::sha256,
    server::Vault,
    store::{dir::Dir, record::Event},
};

/// Longest origin of a log, in bytes.
const ORIGIN: usize = 256;
/// Logs that one vault keeps at most.
const LOGS: usize = 64;

/// The newest checkpoint of a log that a vault has cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosigned {
    /// The log.
    pub origin: String,
    /// How many entries it covers.
    pub size: u64,
    /// Its Merkle root, in hex.
    pub root: Digest,
    /// The checkpoint as the log signed it: what `journal verify --at-least` takes.
    pub checkpoint: String,
    /// The same note with the vault's signature added.
    pub cosigned: String,
}

impl Cosigned {
    /// Checks the vault's signature under the note, and that the note is what the fields say.
    ///
    /// # Errors
    /// [`VaultError::Integrity`].
    pub fn check(&self, vault: &VerifierKey, log: &VerifierKey) -> Result<()> {
        let broken = |what: &str| VaultError::integrity(file_name(&self.origin), what);
        let checkpoint = Checkpoint::parse(self.checkpoint.as_bytes(), &self.origin, log)
            .map_err(|e| broken(&e.to_string()))?;
        if checkpoint.size() != self.size || checkpoint.root().0 != self.root.0 {
            return Err(broken("its fields are not its checkpoint's"));
        }
        let note = Note::from_bytes(self.cosigned.as_bytes())
            .map_err(|_| broken("the cosigned note is malformed"))?;
        let mut known: Vec<Box<dyn signed_note::Verifier>> = Vec::new();
        for key in [vault, log] {
            let key = StandardVerifier::new(key.text()).map_err(|e| broken(&e.to_string()))?;
            known.push(Box::new(key));
        }
        let (ours, others) = note
            .verify(&VerifierList::new(known))
            .map_err(|_| broken("its signatures do not hold"))?;
        let whole = note.to_bytes() == self.cosigned.as_bytes();
        let same = Note::from_bytes(self.checkpoint.as_bytes())
            .is_ok_and(|first| first.text() == note.text());
        if ours.len() == 2 && others.is_empty() && whole && same {
            Ok(())
        } else {
            Err(broken("the vault's signature is under another checkpoint"))
        }
    }
}

/// The newest checkpoint that the vault in `dir` has cosigned for a log, read from its files. Blocks.
///
/// # Errors
/// When the directory cannot be read, or what stands there is damaged.
pub fn cosigned_in(dir: &Path, origin: &str) -> Result<Option<Cosigned>> {
    let file = file_name(origin);
    let Some(bytes) = Dir::open(dir)?.existing("cosigned")?.contents(&file)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| VaultError::integrity(format!("cosigned/{file}"), error.to_string()))
}

/// The file that keeps a log's newest checkpoint.
pub(crate) fn file_name(origin: &str) -> String {
    sha256(origin.as_bytes()).to_hex()
}

impl Vault {
    /// Cosigns a checkpoint that follows from the last one.
    pub(crate) async fn cosign(&self, asked: &CosignRequest) -> Result<Cosigned> {
        let _one_at_a_time = self.cosigning.lock().await;
        let origin = origin_of(&asked.note)?;
        let key = self.log_key(&origin, &asked.key)?;
        let checkpoint = Checkpoint::parse(asked.note.as_bytes(), &origin, &key)
            .map_err(|error| refused(error.to_string().lines().next().unwrap_or_default()))?;
        if let Some(last) = self.cosigned(&origin)? {
            if last.size == checkpoint.size() && last.root.0 == checkpoint.root().0 {
                return Ok(last);
            }
            follows(&last, &checkpoint, asked)?;
        }
        let cosigned = Cosigned {
            size: checkpoint.size(),
            root: Digest(checkpoint.root().0),
            cosigned: add_signature(asked.note.as_bytes(), &self.signer)?,
            checkpoint: asked.note.clone(),
            origin: origin.clone(),
        };
        let text =
            serde_json::to_vec(&cosigned).map_err(|e| VaultError::protocol(e.to_string()))?;
        let dir = self.store.shared().dirs.cosigned.again()?;
        let file = file_name(&origin);
        let write = move || dir.replace(&file, &text, 0o600);
        tokio::task::spawn_blocking(write)
            .await
            .map_err(|e| VaultError::protocol(e.to_string()))??;
        // After the file: a log that is kept without its newest checkpoint is a sign of damage.
        let kept = self.store.shared().state().logs.contains_key(&origin);
        if !kept {
            let key = asked.key.trim().to_owned();
            self.store.note(Event::LogKept { origin, key }).await?;
        }
        Ok(cosigned)
    }

    /// The newest checkpoint that was cosigned for a log.
    pub(crate) fn cosigned(&self, origin: &str) -> Result<Option<Cosigned>> {
        let Some(bytes) = self
            .store
            .shared()
            .dirs
            .cosigned
            .contents(&file_name(origin))?
        else {
            // A log that was cosigned once has its checkpoint; one whose file is gone is no new log.
            if self.store.shared().state().logs.contains_key(origin) {
                return Err(VaultError::integrity(
                    format!("cosigned/{}", file_name(origin)),
                    "the newest checkpoint of this log is missing",
                ));
            }
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            VaultError::integrity(format!("cosigned/{}", file_name(origin)), error.to_string())
        })
    }

    fn log_key(&self, origin: &str, given: &str) -> Result<VerifierKey> {
        let state = self.store.shared().state();
        let kept = state.logs.get(origin);
        if kept.is_none() && state.logs.len() >= LOGS {
            return Err(refused(format!("the vault keeps {LOGS} logs already")));
        }
        if kept.is_some_and(|kept| kept != given.trim()) {
            return Err(refused(
                "the log's key is not the one that the vault kept when it first saw this log",
            ));
        }
        VerifierKey::parse(given).map_err(|error| refused(error.to_string()))
    }
}

/// Whether the checkpoint contains all that was cosigned before.
fn follows(last: &Cosigned, now: &Checkpoint, asked: &CosignRequest) -> Result<()> {
    if now.size() < last.size {
        return Err(refused(format!(
            "the log has shrunk: {} entries, and {} were cosigned before",
            now.size(),
            last.size
        )));
    }
    if now.size() == last.size {
        return Err(refused("the log is of the same size with another root"));
    }
    if asked.old != last.size {
        return Err(refused(format!(
            "the proof begins at {} entries; {} were cosigned last",
            asked.old, last.size
        )));
    }
    let proof: Vec<Hash> = asked.proof.iter().map(|hash| Hash(hash.0)).collect();
    if check_consistency(&proof, now.size(), now.root(), last.size, Hash(last.root.0)) {
        return Ok(());
    }
    Err(refused(
        "the proof does not show that the log has only grown",
    ))
}

fn origin_of(note: &str) -> Result<String> {
    let origin = note.lines().next().unwrap_or_default();
    if origin.is_empty() || origin.len() > ORIGIN || origin.contains(char::is_control) {
        return Err(refused("the checkpoint names no log"));
    }
    Ok(origin.to_owned())
}

/// The note with one signature more.
pub(crate) fn add_signature(note: &[u8], key: &StandardSigner) -> Result<String> {
    let mut note =
        Note::from_bytes(note).map_err(|_| refused("it is no well-formed signed note"))?;
    let bad = |error: &dyn std::fmt::Display| refused(format!("signing failed: {error}"));
    note.add_sigs(&[key]).map_err(|e| bad(&e))?;
    String::from_utf8(note.to_bytes()).map_err(|e| bad(&e))
}

fn refused(what: impl Into<String>) -> VaultError {
    VaultError::refused(
        Refusal::Inconsistent,
        format!("the checkpoint is not cosigned: {}", what.into()),
        "if nobody restored an older copy of the journal on purpose, somebody has changed its history: \
         keep the directory, and compare it with `backstop journal verify`",
    )
}

impl Client {
    /// Has a checkpoint cosigned. `prove` makes a consistency proof between two sizes of the log, as
    /// `Journal::consistency_proof` does; it is called at most twice, and not for a log's first checkpoint.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`] when the checkpoint does not follow from the last one that was cosigned;
    /// what `prove` said.
    pub async fn cosign<E: std::fmt::Display>(
        &self,
        key: &VerifierKey,
        note: &[u8],
        size: u64,
        prove: impl Fn(u64, u64) -> std::result::Result<Vec<Hash>, E>,
    ) -> Result<Cosigned> {
        let note = String::from_utf8(note.to_vec())
            .map_err(|_| refused("it is no well-formed signed note"))?;
        let old = self.cosigned(&origin_of(&note)?).await?;
        let old = old.map_or(0, |last| last.size);
        let proof = if old == 0 || old >= size {
            Vec::new()
        } else {
            prove(old, size).map_err(|error| {
                VaultError::protocol(format!("the journal gave no proof: {error}"))
            })?
        };
        let request = CosignRequest {
            key: key.text().to_owned(),
            note,
            old,
            proof: proof.into_iter().map(|hash| Digest(hash.0)).collect(),
        };
        let payload = Frame::json(Kind::Cosign, 0, &request)?.payload;
        expect(&self.ask(Kind::Cosign, payload).await?, Kind::CosignAnswer)
    }

    /// The newest checkpoint that the vault has cosigned for a log: what a journal must still contain.
    ///
    /// # Errors
    /// When the vault could not be asked.
    pub async fn cosigned(&self, origin: &str) -> Result<Option<Cosigned>> {
        let origin = origin.to_owned();
        let payload = Frame::json(Kind::Cosigned, 0, &LogAsk { origin })?.payload;
        expect(
            &self.ask(Kind::Cosigned, payload).await?,
            Kind::CosignAnswer,
        )
    }
}
