//! AWS: whose key it is, what its policies let it destroy (simulated by AWS, never tried), and the stores and backups of
//! the account in the regions looked at.

mod gather;
mod judge;
mod listing;
mod rights;
pub(crate) mod sign;
mod stores;
pub(crate) mod xml;

use backstop_core::secret::Secret;

use super::learnt::Learnt;
use super::region::Region;
use super::wire::{Failed, Wire};

pub(crate) use rights::any;

/// An access key.
pub(crate) struct Credential {
    /// Its id, which is no secret.
    pub(crate) id: String,
    pub(crate) secret: Secret<String>,
    /// The token of temporary credentials.
    pub(crate) session: Option<Secret<String>>,
}

/// What is known of the key before it is asked.
pub(crate) struct Where {
    /// The regions to look at; at least one.
    pub(crate) regions: Vec<Region>,
    /// Profiles that take on a role with this key: asking what those may do would make a credential.
    pub(crate) assumes: Vec<String>,
}

/// Asks.
pub(crate) async fn ask(wire: &mut Wire<'_>, known: &Where) -> Result<Learnt, String> {
    let account = gather::account(wire, known)
        .await
        .map_err(|why| match why {
            Failed::Refused(code) => {
                format!("AWS does not take it ({code}): it has ended, was deactivated, or is none")
            }
            other => other.to_string(),
        })?;
    let mut learnt = judge::judge(account, known);
    learnt.asked = wire.asked();
    Ok(learnt)
}
