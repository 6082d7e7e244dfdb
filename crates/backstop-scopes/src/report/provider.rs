//! What a provider answered in the place of what is true of any such credential.

use super::{Probed, Ranked};
use crate::probe::Learnt;

/// Puts the answer there.
pub(super) fn apply(ranked: &mut Ranked, learnt: Learnt) {
    ranked.probed = Probed::Answered;
    ranked.severity = learnt.severity;
    ranked.sentence.clone_from(&learnt.sentence);
    ranked.backups = learnt.backups;
    ranked.backups_say.clone_from(&learnt.backups_say);
    ranked.evidence.clone_from(&learnt.evidence);
    if let Some(narrow) = &learnt.narrow {
        ranked.fix.narrow.clone_from(narrow);
    }
    ranked.provider = Some(Box::new(learnt));
}
