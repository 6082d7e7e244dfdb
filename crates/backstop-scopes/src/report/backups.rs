//! Whether the backups survive whoever holds the credential.

use crate::kinds::Backups;

/// The words that everybody understands.
pub(crate) const DIE: &str = "Your backups die with your data.";

pub(super) fn say(reach: Backups, why: &str) -> String {
    match reach {
        Backups::Yes if why.contains(DIE) => why.to_owned(),
        Backups::Yes => format!("{DIE} {why}"),
        Backups::No => format!("Backups are out of its reach: {why}"),
        Backups::Depends => format!("Whether backups are within its reach depends: {why}"),
        Backups::Unknown => format!("Whether backups are within its reach is not known: {why}"),
    }
}
