//! The newest checkpoint of each log: the furthest that bears both signatures. With it an older copy of the journal is
//! found out as before.

use backstop_journal::Checkpoint;
use backstop_journal::VerifierKey;

use super::{Rebuilt, Work};
use crate::{
    cosign::{Cosigned, add_signature, file_name},
    error::{Result, VaultError},
    verify::{FindingKind, records::Records},
};

/// The longest file of a checkpoint, in bytes.
const LONGEST: usize = 64 * 1024;

impl Work<'_> {
    /// Brings the newest checkpoint of every log that the records know.
    pub(super) async fn checkpoints(&self, records: &Records, done: &mut Rebuilt) -> Result<()> {
        for (origin, key) in &records.logs {
            self.told.at("fetching checkpoints", done.logs, None);
            let file = file_name(origin);
            match self.checkpoint(origin, key).await? {
                Some(cosigned) => {
                    let text = serde_json::to_vec(&cosigned)
                        .map_err(|e| VaultError::protocol(e.to_string()))?;
                    self.dirs.cosigned.replace(&file, &text, 0o600)?;
                    done.logs += 1;
                }
                None => done.report.file(
                    FindingKind::Missing,
                    format!("cosigned/{file}"),
                    format!("the bucket has no checkpoint of `{origin}` that the vault cosigned"),
                ),
            }
        }
        Ok(())
    }

    async fn checkpoint(&self, origin: &str, key: &str) -> Result<Option<Cosigned>> {
        let log = super::key(key)?;
        let prefix = format!("cosigned/{}/", file_name(origin));
        let mut versions = self.bucket.versions(&prefix).await?;
        // The size stands in the key; whether that is true is seen in the note.
        versions.sort_by_key(|at| std::cmp::Reverse(at.key.clone()));
        for at in versions {
            let mut bytes = Vec::new();
            let mut take = |piece: &[u8]| {
                bytes.extend_from_slice(piece);
                match bytes.len() > LONGEST {
                    true => Err(VaultError::integrity(&at.key, "it is too long")),
                    false => Ok(()),
                }
            };
            let fetched = self
                .bucket
                .fetch(&at.key, Some(&at.version), &mut take)
                .await;
            match fetched {
                Ok(Some(_)) => {}
                Ok(None) | Err(VaultError::Integrity { .. }) => continue,
                Err(error) => return Err(error),
            }
            let named = at.key.strip_prefix(&prefix);
            let read = serde_json::from_slice::<Cosigned>(&bytes).ok();
            let fits = read.filter(|found| {
                found.origin == origin && named == Some(format!("{:020}", found.size).as_str())
            });
            if let Some(found) = fits.and_then(|found| self.taken(found, &log)) {
                return found.map(Some);
            }
        }
        Ok(None)
    }

    /// The checkpoint under the vault's key of now, if one of its keys has signed it.
    fn taken(&self, found: Cosigned, log: &VerifierKey) -> Option<Result<Cosigned>> {
        if found.check(&self.own, log).is_ok() {
            return Some(Ok(found));
        }
        let ours = self.keys.iter().any(|key| found.check(key, log).is_ok());
        let checkpoint = Checkpoint::parse(found.checkpoint.as_bytes(), &found.origin, log).ok()?;
        if !ours && !self.unsigned {
            return None;
        }
        let signed = add_signature(found.checkpoint.as_bytes(), &self.signer);
        Some(signed.map(|cosigned| Cosigned {
            size: checkpoint.size(),
            root: backstop_core::digest::Digest(checkpoint.root().0),
            cosigned,
            ..found
        }))
    }
}
