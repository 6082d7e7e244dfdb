//! The settings that a session was given: what an approval that is spent on the lease's own connection is bound to,
//! because the same words mean something else under others. It must forget none that may stand.

use std::sync::Arc;

use backstop_core::digest::Digest;
use backstop_wire::sql::Statement;

/// Settings that change no statement's meaning and that drivers set all the time.
const COMFORT: &[&str] = &[
    "application_name",
    "client_encoding",
    "client_min_messages",
    "default_transaction_read_only",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lock_timeout",
    "search_path",
    "statement_timeout",
    "transaction_read_only",
    "transaction_timeout",
];
/// How many texts are kept to be shown, and how long they may be; older ones stay in the digest.
const SHOWN: usize = 32;
const LONGEST: usize = 4 * 1024;

/// The texts that changed settings, in order.
#[derive(Debug, Default)]
pub(crate) struct Said {
    folded: Option<Digest>,
    standing: Vec<Arc<str>>,
    /// Of the open transaction: they stand once it commits.
    open: Vec<Arc<str>>,
    /// Whether the open transaction has written: its COMMIT is then an act.
    pub(crate) wrote: bool,
}

impl Said {
    /// A text was sent that may have changed settings.
    pub(crate) fn note(&mut self, text: &Arc<str>, statements: &[Statement], in_block: bool) {
        let tells = |name: Option<&str>| name.is_none_or(|name| !COMFORT.contains(&name));
        let mut settings = statements.iter().flat_map(|s| &s.settings);
        if !settings.any(|s| tells(s.name.as_deref())) {
            return;
        }
        if in_block {
            self.open.push(Arc::clone(text));
        } else {
            self.stand(Arc::clone(text));
        }
    }

    /// A transaction was committed, or nobody knows that it was not.
    pub(crate) fn committed(&mut self) {
        self.wrote = false;
        for text in std::mem::take(&mut self.open) {
            self.stand(text);
        }
    }

    /// A transaction was rolled back, and what it set with it.
    pub(crate) fn rolled_back(&mut self) {
        self.wrote = false;
        self.open.clear();
    }

    fn stand(&mut self, text: Arc<str>) {
        if self.standing.last() == Some(&text) {
            return;
        }
        self.standing.push(text);
        while self.standing.len() > SHOWN
            || self.standing.first().is_some_and(|t| t.len() > LONGEST)
        {
            let oldest = self.standing.remove(0);
            let before = self.folded.map_or([0; 32], |d| d.0);
            self.folded = Some(Digest::of_parts(&[before.as_slice(), oldest.as_bytes()]));
        }
    }

    /// What a digest binds.
    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        let folded = self.folded.as_ref().map(|d| d.0.as_slice());
        let standing = self.standing.iter().map(|t| t.as_bytes());
        folded.into_iter().chain(standing).collect()
    }

    /// What a person is shown.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Arc<str>> {
        self.standing.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(said: &Said) -> Digest {
        Digest::of_parts(&said.parts())
    }

    #[test]
    fn what_is_set_is_never_forgotten() {
        let mut said = Said::default();
        let mut seen = vec![digest(&said)];
        for n in 0..100 {
            said.stand(format!("set x.y = {n}").into());
            assert!(!seen.contains(&digest(&said)));
            seen.push(digest(&said));
        }
        assert_eq!(said.shown().count(), SHOWN);
    }

    #[test]
    fn a_rollback_takes_it_back_and_a_commit_does_not() {
        let mut said = Said::default();
        said.open.push("set x.y = 1".into());
        said.rolled_back();
        said.committed();
        assert!(said.parts().is_empty());
        said.open.push("set x.y = 1".into());
        said.committed();
        assert_eq!(said.parts(), [b"set x.y = 1".as_slice()]);
    }
}
