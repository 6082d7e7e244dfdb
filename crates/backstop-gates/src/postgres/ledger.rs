//! What the open transaction has been given to do: what its COMMIT will be judged, held and approved as.

use std::sync::Arc;

use backstop_core::digest::Digest;
use backstop_wire::sql::StatementKind;

use super::hints::Hints;
use super::judge::Judged;

/// How many statements of one transaction are told apart for a person; more are still bound by the digest.
const SHOWN: usize = 200;

/// The statements of the open transaction, in order.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    shown: Vec<(Arc<Judged>, Option<Digest>)>,
    more: usize,
    digest: Option<Digest>,
    /// Data were copied in.
    data: bool,
    /// One of them may have written something.
    pub(crate) writes: bool,
    /// One of them is not proved to do only what its text shows.
    pub(crate) unproven: bool,
    /// The numbers of the first and the last of them.
    pub(crate) actions: Option<(u64, u64)>,
    /// People have approved one of its statements: copying its rows may take longer.
    pub(crate) approved: bool,
    /// Parameters of it were too long to be bound by an approval.
    pub(crate) streamed: bool,
    /// Cursors that will be filled at COMMIT, and are proved to look only.
    pub(crate) cursors: Vec<String>,
    /// Where the rows lie that it changes.
    pub(crate) hints: Hints,
}

impl Ledger {
    /// A statement is sent.
    pub(crate) fn note(&mut self, judged: &Arc<Judged>, parameters: Option<Digest>, action: u64) {
        let before = self.digest.map_or([0; 32], |d| d.0);
        let values = parameters.map_or([0; 32], |d| d.0);
        self.digest = Some(Digest::of_parts(&[
            &before,
            judged.text.as_bytes(),
            &values,
        ]));
        if self.shown.len() < SHOWN {
            self.shown.push((Arc::clone(judged), parameters));
        } else {
            self.more += 1;
        }
        self.writes |= judged.writes;
        self.unproven |= !judged.analysis.is_complete();
        let first = self.actions.map_or(action, |(first, _)| first);
        self.actions = Some((first, action));
        for statement in &judged.script.statements {
            if let StatementKind::Declare { name, hold: true } = &statement.kind
                && judged.analysis.is_read()
            {
                self.cursors.push(name.clone());
            }
        }
    }

    /// The texts that the transaction consists of, if those are all of it: no parameters, no data.
    pub(crate) fn texts(&self) -> Option<Vec<&Arc<Judged>>> {
        let all = self.more == 0 && !self.data;
        let plain = self
            .shown
            .iter()
            .all(|(_, parameters)| parameters.is_none());
        (all && plain).then(|| {
            let begins = |judged: &Judged| {
                judged.any(|kind| matches!(kind, StatementKind::Begin(_)))
                    && judged.script.statements.len() == 1
            };
            let texts = self.shown.iter().map(|(judged, _)| judged);
            texts.filter(|judged| !begins(judged)).collect()
        })
    }

    /// Data that were copied in belong to the statement before.
    pub(crate) fn note_data(&mut self, data: Digest) {
        let before = self.digest.map_or([0; 32], |d| d.0);
        self.data = true;
        self.digest = Some(Digest::of_parts(&[&before, b"data", &data.0]));
    }

    /// What an approval binds of all of it: texts and parameters, in order.
    pub(crate) fn digest(&self) -> Digest {
        self.digest.unwrap_or_else(|| Digest::of(b""))
    }

    /// As a person reads it.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self
            .shown
            .iter()
            .map(|(j, _)| {
                j.text
                    .trim_end_matches(|c: char| c == ';' || c.is_whitespace())
            })
            .collect();
        let mut text = texts.join(";\n");
        if self.more > 0 {
            text.push_str(&format!("\n-- and {} statements more", self.more));
        }
        text
    }

    /// Every object that its names resolved to.
    pub(crate) fn objects(&self) -> Vec<String> {
        let mut all: Vec<String> = self.shown.iter().flat_map(|(j, _)| j.objects()).collect();
        all.sort();
        all.dedup();
        all
    }
}
