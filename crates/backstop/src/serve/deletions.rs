//! What the console knows of deletions from the vault: which are scheduled, and a person's word that one is not to be.
//! Signatures that delete have no road here; they are carried to the vault by hand.

use backstop_console::{Deletions, DeletionsFuture};
use backstop_core::deletion::{Cancellation, Scheduled};
use backstop_vault::client::Client;

/// Hands the console's questions on to the vault.
pub(super) struct Carried(pub(super) Client);

impl Deletions for Carried {
    fn scheduled(&self) -> DeletionsFuture<'_, (String, Vec<Scheduled>)> {
        Box::pin(async {
            let status = self.0.status().await.map_err(|e| e.to_string())?;
            Ok((status.vault, status.deletions))
        })
    }

    fn cancel(&self, signed: Cancellation) -> DeletionsFuture<'_, ()> {
        Box::pin(async move { self.0.cancel(&signed).await.map_err(|e| e.to_string()) })
    }
}
