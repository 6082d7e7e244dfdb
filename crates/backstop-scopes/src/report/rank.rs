//! One secret is one finding, wherever it lies; and how bad it is.

use std::collections::BTreeMap;

use super::{Answer, Probed, Ranked, Severity, backups, fix, postgres, provider};
use crate::find::{Confidence, Finding, Fingerprint, Place};
use crate::kinds::{self, Backups, Narrow};

/// What is known to be of no power, or of little, though its provider's other credentials have some.
const SMALL: &[&str] = &[
    "supabase.public-key",
    "fly.metrics",
    "ssh.key-encrypted",
    "key.private-encrypted",
];

/// The findings of one secret.
#[derive(Debug)]
pub struct Group {
    /// All of them; at least one.
    pub findings: Vec<Finding>,
}

impl Group {
    /// What is known beside the secret, anywhere it lies; the surest place has the first word.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::new();
        for finding in self.by_confidence() {
            for (name, value) in &finding.facts {
                facts.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        facts
    }

    fn by_confidence(&self) -> Vec<&Finding> {
        let mut all: Vec<&Finding> = self.findings.iter().collect();
        all.sort_by(|a, b| a.confidence.cmp(&b.confidence));
        all
    }
}

/// What makes two findings one credential: the same secret, and for a database the same account there.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Same {
    Secret(Fingerprint, String, [Option<String>; 4]),
    /// Without a secret each place is one.
    Place(String),
}

/// Findings by secret, in the order of their first places.
#[must_use]
pub fn groups(findings: Vec<Finding>) -> Vec<Group> {
    let mut numbers: BTreeMap<Same, usize> = BTreeMap::new();
    let mut out: Vec<Group> = vec![];
    for finding in findings {
        let account = |name: &str| {
            let of_database = finding.kind.starts_with("postgres.");
            finding.facts.get(name).filter(|_| of_database).cloned()
        };
        let same = match &finding.fingerprint {
            Some(print) => Same::Secret(
                print.clone(),
                finding.kind.clone(),
                ["host", "port", "user", "database"].map(account),
            ),
            None => Same::Place(format!("{} {}", finding.kind, place_text(&finding))),
        };
        let next = out.len();
        let n = *numbers.entry(same).or_insert(next);
        match out.get_mut(n) {
            Some(group) => group.findings.push(finding),
            None => out.push(Group {
                findings: vec![finding],
            }),
        }
    }
    out
}

fn place_text(finding: &Finding) -> String {
    // Several keys of one agent are several credentials.
    let facts: Vec<String> = finding.facts.values().cloned().collect();
    format!("{:?} {}", finding.place, facts.join(" "))
}

/// Says how bad it is.
pub(super) fn rank(group: Group, answer: Option<Result<Answer, String>>) -> Ranked {
    let facts = group.facts();
    let (kind, confidence, fingerprint) = match group.by_confidence().first() {
        Some(first) => (
            first.kind.clone(),
            first.confidence.clone(),
            first.fingerprint.clone(),
        ),
        None => (String::new(), Confidence::Sure, None),
    };
    let known = kinds::of(&kind);
    let reach = known.map_or(Backups::Unknown, |k| k.backups);
    let text = |of: fn(&kinds::Kind) -> &String| known.map(|k| of(k).clone()).unwrap_or_default();
    let mut severity = match reach {
        _ if SMALL.contains(&kind.as_str()) => Severity::Low,
        Backups::Yes => Severity::Critical,
        Backups::Depends => Severity::High,
        Backups::Unknown => Severity::Unknown,
        Backups::No => Severity::Medium,
    };
    if confidence.is_doubtful() {
        severity = Severity::Low;
    }
    let mut ranked = Ranked {
        severity,
        sentence: text(|k| &k.worst),
        name: known.map_or_else(|| kind.clone(), |k| k.name.clone()),
        backups: reach,
        backups_say: backups::say(reach, &text(|k| &k.backups_why)),
        confidence,
        places: places(&group),
        fingerprint,
        evidence: vec![],
        narrow: known.map_or(Narrow::Unknown, |k| k.narrow),
        tell: text(|k| &k.tell),
        sources: known.map(|k| k.sources.clone()).unwrap_or_default(),
        looked_up: known.and_then(|k| k.looked_up.clone()),
        probed: Probed::Not,
        fix: fix::of(known),
        accepted: None,
        audit: None,
        restored: None,
        provider: None,
        facts,
        kind,
    };
    match answer {
        None => {}
        Some(Ok(Answer::Postgres(audit))) => postgres::apply(&mut ranked, *audit),
        Some(Ok(Answer::Provider(learnt))) => provider::apply(&mut ranked, *learnt),
        Some(Err(why)) => ranked.probed = Probed::Failed { why },
    }
    ranked
}

fn places(group: &Group) -> Vec<Place> {
    let all = group.by_confidence();
    let mut out: Vec<Place> = vec![];
    for place in all.into_iter().map(|f| &f.place) {
        if !out.contains(place) {
            out.push(place.clone());
        }
    }
    out
}
