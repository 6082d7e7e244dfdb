//! What was found, ranked by what it could destroy: the answer that people and programs read.
//!
//! Pure: it is given findings and audits, and says what they mean. Its JSON form is stable.

mod backups;
mod fix;
mod postgres;
mod provider;
mod rank;
mod restored;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::find::{Confidence, Fingerprint, Looked, Place};
use crate::kinds::{Backups, Narrow};
use crate::postgres::Audit;
use crate::probe::Learnt;

pub(crate) use backups::DIE;
pub use fix::Fix;
pub(crate) use postgres::told;
pub use rank::{Group, groups};
pub use restored::{Kept, Restored};

/// How much a credential could destroy, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Little, or it is doubtful that it is one.
    Low,
    /// It does harm, and no data is lost by it.
    Medium,
    /// Nobody here knows what it opens.
    Unknown,
    /// It could destroy data.
    High,
    /// It could destroy data and its backups, or a whole server.
    Critical,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::Unknown => "unknown",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What came of asking a system what a credential may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Probed {
    /// It was not asked.
    Not,
    /// It answered.
    Answered,
    /// It did not.
    Failed {
        /// Why, in a sentence. No secret is in it.
        why: String,
    },
}

/// What a system answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A PostgreSQL server's catalogue.
    Postgres(Box<Audit>),
    /// A provider.
    Provider(Box<Learnt>),
}

/// Answers by the number of the group that they are about, or why there is none.
pub type Answers = BTreeMap<usize, Result<Answer, String>>;

/// One credential, wherever it lies.
#[derive(Clone, Debug, Serialize)]
pub struct Ranked {
    /// How much it could destroy.
    pub severity: Severity,
    /// Its kind, an id of [`crate::kinds`].
    pub kind: String,
    /// What people call such a credential.
    pub name: String,
    /// The worst it could do, in one sentence that needs no knowledge.
    pub sentence: String,
    /// Whether backups are within its reach.
    pub backups: Backups,
    /// What that means, in a sentence or two.
    pub backups_say: String,
    /// How sure it is that this is a live credential.
    pub confidence: Confidence,
    /// Everywhere it lies.
    pub places: Vec<Place>,
    /// The secret's salted digest.
    pub fingerprint: Option<Fingerprint>,
    /// What is known beside it and no secret.
    pub facts: BTreeMap<String, String>,
    /// What proves the sentence, where a system was asked: one sentence each, worst first.
    pub evidence: Vec<String>,
    /// Whether its scope can be made smaller.
    pub narrow: Narrow,
    /// What to look at by hand.
    pub tell: String,
    /// The pages that say what such a credential can do.
    pub sources: Vec<String>,
    /// The day when those were looked up, `YYYY-MM-DD`, if they were for this table.
    pub looked_up: Option<String>,
    /// What came of asking.
    pub probed: Probed,
    /// What to do about it.
    pub fix: Fix,
    /// Why it is accepted, if a person has accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// The whole of a PostgreSQL server's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Box<Audit>>,
    /// Whether anybody ever restored a PostgreSQL database, as far as it was looked for ([`Report::restored`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// What a provider answered: the stores of data, their backups, what stayed unknown, and every call that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Box<Learnt>>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// With whose eyes it looked, if not with its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The name of the kept salt that fingerprints were made with, if one was: only then can two reports be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// One line that says how bad it is.
    pub verdict: String,
    /// The worst that nobody has accepted.
    pub worst: Option<Severity>,
    /// Every credential, worst first.
    pub findings: Vec<Ranked>,
    /// What was looked at and what was not.
    pub looked: Looked,
}

/// Ranks credentials and says what they come to.
#[must_use]
pub fn report(
    user: Option<String>,
    groups: Vec<Group>,
    mut answers: Answers,
    looked: Looked,
    accepted: impl Fn(&Ranked) -> Option<String>,
) -> Report {
    let mut findings: Vec<Ranked> = groups
        .into_iter()
        .enumerate()
        .map(|(n, group)| rank::rank(group, answers.remove(&n)))
        .collect();
    for finding in &mut findings {
        finding.accepted = accepted(finding);
    }
    // Worst first; what a person has accepted last.
    findings.sort_by(|a, b| {
        let key = |r: &Ranked| (r.accepted.is_some(), std::cmp::Reverse(r.severity));
        key(a)
            .cmp(&key(b))
            .then_with(|| a.confidence.cmp(&b.confidence))
            .then_with(|| b.places.len().cmp(&a.places.len()))
            .then_with(|| a.kind.cmp(&b.kind))
    });
    let open = || findings.iter().filter(|f| f.accepted.is_none());
    let worst = open().map(|f| f.severity).max();
    let verdict = verdict(user.as_deref(), open());
    Report {
        version: 1,
        user,
        salt: None,
        verdict,
        worst,
        findings,
        looked,
    }
}

fn verdict<'a>(user: Option<&str>, findings: impl Iterator<Item = &'a Ranked>) -> String {
    let mut counts: BTreeMap<Severity, usize> = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.severity).or_default() += 1;
    }
    let of = |severity| counts.get(&severity).copied().unwrap_or(0);
    let who = match user {
        Some(user) => format!("An agent that runs as {user}"),
        None => "An agent that runs here".to_owned(),
    };
    let all: usize = counts.values().sum();
    let mut said = vec![];
    let mut say = |severity, one: &str, many: &str| match of(severity) {
        0 => {}
        1 => said.push(format!("1 {one}")),
        n => said.push(format!("{n} {many}")),
    };
    say(
        Severity::Critical,
        "could destroy data together with its backups, or a whole server",
        "could destroy data together with its backups, or a whole server",
    );
    say(Severity::High, "could destroy data", "could destroy data");
    say(
        Severity::Unknown,
        "opens something that nobody here knows",
        "open something that nobody here knows",
    );
    match (all, said.is_empty()) {
        (0, _) => format!("{who} finds no credential."),
        (n, true) => format!(
            "{who} finds {}, and none that destroys data.",
            credentials(n)
        ),
        (n, false) => format!("{who} finds {}: {}.", credentials(n), said.join(", ")),
    }
}

fn credentials(n: usize) -> String {
    match n {
        1 => "1 credential".to_owned(),
        n => format!("{n} credentials"),
    }
}

#[cfg(test)]
mod tests;
