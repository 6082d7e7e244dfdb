//! Trying the lock: a canary is stored, and then everything is tried that must not go through.
//!
//! A bucket that lets go of it, lets its retention be shortened or weakened, or forgets its bytes when they are
//! written over, is refused, whatever its settings say.

use ring::rand::{SecureRandom as _, SystemRandom};

use super::{
    Bucket, Kept,
    http::{Body, Said as _},
};
use crate::{
    error::{Result, VaultError},
    seal::sha256,
};

/// How long a canary is locked, in milliseconds: one a day stays, and costs nothing.
const LOCKED_MS: i64 = 86_400_000;

impl Bucket {
    /// Tries the lock with a canary of its own.
    ///
    /// # Errors
    /// [`VaultError::Setup`] when the bucket is not fit, with what went through;
    /// [`VaultError::Unreachable`] when it could not be tried.
    pub async fn probe(&self, now_ms: i64) -> Result<()> {
        let mut random = [0; 16];
        SystemRandom::new().fill(&mut random).map_err(|_| {
            VaultError::setup("the system gave no random bytes", "check `/dev/urandom`")
        })?;
        let key = format!("canary/{}", hex::encode(random));
        let bytes = format!("a canary of Backstop's, stored at {now_ms}\n").into_bytes();
        let until_ms = now_ms.saturating_add(LOCKED_MS);
        let version = self.store(&key, &bytes, until_ms).await?;
        // First something that must go through, lest refusals prove only that nothing is understood.
        let longer = self
            .retain(&key, &version, "COMPLIANCE", until_ms + 3_600_000)
            .await?;
        if !longer.is_success() {
            return Err(self.refused("lengthen a retention", &longer));
        }
        let shorter = self
            .retain(&key, &version, "COMPLIANCE", now_ms + 60_000)
            .await?;
        self.must_be_forbidden("a retention be shortened", &shorter)?;
        let weaker = self
            .retain(&key, &version, "GOVERNANCE", until_ms + 3_600_000)
            .await?;
        self.must_be_forbidden("a lock be turned into a weaker one", &weaker)?;
        let gone = self.delete(&key, &version).await?;
        self.must_be_forbidden("a locked object be deleted", &gone)?;
        let over = b"something else\n".to_vec();
        let second = self.store(&key, &over, until_ms).await?;
        if second == version {
            return Err(self.unfit("a locked object be written over"));
        }
        let kept = self.get(&key, &version).await?;
        if !kept.is_success() || kept.body != bytes {
            return Err(self.unfit("a locked object be lost"));
        }
        Ok(())
    }

    async fn store(&self, key: &str, bytes: &[u8], until_ms: i64) -> Result<String> {
        let kept = Kept {
            key,
            until_ms,
            head: None,
        };
        self.put(kept, Body::bytes(bytes.to_vec()), &sha256(bytes))
            .await
    }

    fn must_be_forbidden(&self, what: &str, answer: &super::Response) -> Result<()> {
        if answer.is_success() {
            return Err(self.unfit(what));
        }
        if answer.is_forbidden() {
            return Ok(());
        }
        // Anything else is no proof that it would not go through another time.
        Err(VaultError::unreachable(
            format!("the bucket `{}`", self.name.name()),
            format!(
                "it answered {} {} when its lock was tried",
                answer.status,
                answer.code()
            ),
        ))
    }

    fn unfit(&self, what: &str) -> VaultError {
        VaultError::setup(
            format!(
                "the bucket `{}` is refused: it let {what}, so whoever has the vault's key can destroy what is in it",
                self.name.name()
            ),
            "use a bucket whose Object Lock holds in compliance mode; a setting that says so is not enough",
        )
    }
}
