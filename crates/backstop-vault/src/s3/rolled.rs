//! Rolling the index up: what came in many small parts goes there once more in one, locked for as long as anything
//! that is stored is.
//!
//! A part is locked only as long as its own objects. The chain of records is whole only from its first, so that
//! without this the bucket would forget the beginning while what came later is still kept.

use serde::{Deserialize, Serialize};

use super::{
    Kept, head,
    large::Stretch,
    mirror::{Mark, Mirror},
};
use crate::{
    error::{Result, VaultError},
    server::Vault,
    store::index::INDEX,
};

/// What is locked longer by less than this is not worth a request, in milliseconds.
const WORTH_MS: i64 = 6 * 3_600_000;
pub(super) const ROLLED: &str = "rolled/";

/// How far the index is rolled up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rolled {
    sequence: u64,
    offset: u64,
    /// Until when all of it is locked: Unix time in milliseconds.
    until_ms: i64,
}

impl Mirror {
    /// Rolls up what the bucket has of the index, and locks what was rolled up before for as long as the longest
    /// that is kept, but at least until `least_ms`.
    pub(super) async fn roll(&self, vault: &Vault, least_ms: i64) -> Result<()> {
        let shared = vault.store.shared();
        let root = &shared.dirs.root;
        let mark = Mark::read(root)?;
        let longest = {
            let state = shared.state();
            state.objects.values().map(|entry| entry.until_ms).max()
        };
        let until_ms = longest.unwrap_or(0).max(least_ms);
        let mut rolled = mark.rolled.clone();
        if until_ms > rolled.until_ms.saturating_add(WORTH_MS) {
            for key in self.rolled_keys().await? {
                self.bucket.retain_all(&key, until_ms).await?;
            }
            rolled.until_ms = until_ms;
        }
        if mark.sequence > rolled.sequence {
            let hash = crate::store::index::hash_before(root, mark.offset)?;
            let signed = head::sign(&vault.signer, mark.sequence, &hash)?;
            let kept = Kept {
                key: &format!("{ROLLED}{:020}-{:020}", rolled.sequence + 1, mark.sequence),
                until_ms: rolled.until_ms.max(until_ms),
                head: Some(&signed),
            };
            let bytes = mark.offset.checked_sub(rolled.offset);
            let stretch = Stretch {
                open: &|| root.read(INDEX),
                from: rolled.offset,
                bytes: bytes.ok_or_else(|| {
                    VaultError::integrity(super::mirror::MARK, "it is not in order")
                })?,
                file: INDEX,
            };
            self.bucket.put_stretch(kept, &stretch, None).await?;
            (rolled.sequence, rolled.offset) = (mark.sequence, mark.offset);
        }
        if rolled == mark.rolled {
            return Ok(());
        }
        // Nobody else writes the mark.
        Mark { rolled, ..mark }.write(root)
    }

    async fn rolled_keys(&self) -> Result<Vec<String>> {
        let found = self.bucket.versions(ROLLED).await?;
        let mut keys: Vec<String> = found.into_iter().map(|one| one.key).collect();
        keys.dedup();
        Ok(keys)
    }
}
