//! What the gate may do about retention: have recovery points kept longer. Never shorter, nothing but points, and
//! not beyond what a year's points need, since nobody can take it back.

use super::Vault;
use crate::{
    error::{Refusal, Result, VaultError},
    label::Class,
    protocol::{Extend, Extended},
    store::record::Event,
};

/// Objects that one request names at most.
const NAMES: usize = 64;
/// How far ahead the gate can have something kept, in milliseconds.
const AHEAD_MS: i64 = 400 * DAY_MS;
/// Less than this is not worth a record, so that nobody fills the index with them.
const WORTH_MS: i64 = DAY_MS;
const DAY_MS: i64 = 86_400_000;

impl Vault {
    /// Keeps objects of recovery points longer.
    pub(crate) async fn extend_points(&self, asked: &Extend) -> Result<Extended> {
        if asked.names.is_empty() || asked.names.len() > NAMES {
            return Err(refused(
                Refusal::Malformed,
                format!("an extension of {} objects", asked.names.len()),
            ));
        }
        if asked.until_ms > self.store.shared().stamp().saturating_add(AHEAD_MS) {
            return Err(refused(
                Refusal::NotAllowed,
                "an extension of more than 400 days from now",
            ));
        }
        // From looking to having written, lest many at once write more than one record.
        let _one_at_a_time = self.extending.lock().await;
        let (names, until_ms) = {
            let state = self.store.shared().state();
            let mut until_ms = i64::MAX;
            let mut names = vec![];
            for name in &asked.names {
                let found = state.objects.get(name);
                let entry = found.filter(|entry| entry.class == Class::Point);
                let entry = entry.ok_or_else(|| {
                    refused(
                        Refusal::Unknown,
                        format!("there is no recovery point `{}`", name.to_hex()),
                    )
                })?;
                if asked.until_ms >= entry.until_ms.saturating_add(WORTH_MS) {
                    names.push(*name);
                } else {
                    until_ms = until_ms.min(entry.until_ms);
                }
            }
            (names, until_ms)
        };
        if names.is_empty() {
            return Ok(Extended { until_ms });
        }
        let event = Event::Extended {
            names,
            until_ms: asked.until_ms,
        };
        self.store.note(event).await?;
        Ok(Extended {
            until_ms: until_ms.min(asked.until_ms),
        })
    }
}

fn refused(code: Refusal, what: impl Into<String>) -> VaultError {
    VaultError::refused(
        code,
        what,
        "the gate can have up to 64 objects of recovery points kept longer, for up to 400 days from now; \
         the rest is for the operator, on the vault's own machine",
    )
}
