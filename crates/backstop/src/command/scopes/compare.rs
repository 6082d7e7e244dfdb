//! This run beside another one: an agent's environment, say, beside one's own.
//!
//! Secrets are compared by fingerprints under the salt that both runs were given. What the other run says comes from
//! whoever made it: it is shown, never believed, and what it leaves out is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use backstop_scopes::find::{Fingerprint, Place};
use backstop_scopes::report::{Ranked, Report, Severity};
use serde::{Deserialize, Serialize};

use super::text::place;
use crate::failure::{Code, Failure, Outcome};
use crate::output::{Paint, safe};

/// The longest report that is read.
const LONGEST: u64 = 256 * 1024 * 1024;

/// Another run's report, as far as it is compared.
#[derive(Deserialize)]
pub(super) struct Other {
    salt: Option<String>,
    findings: Vec<One>,
}

/// One credential of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct One {
    severity: Severity,
    kind: String,
    name: String,
    places: Vec<Place>,
    #[serde(default, skip_serializing)]
    fingerprint: Option<Fingerprint>,
    #[serde(default)]
    facts: BTreeMap<String, String>,
}

/// One credential that both runs found.
#[derive(Debug, Serialize)]
struct Shared {
    #[serde(flatten)]
    here: One,
    places_there: Vec<Place>,
}

/// The comparison. There is no fingerprint in it.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    version: u32,
    verdict: String,
    only_here: Vec<One>,
    only_there: Vec<One>,
    both: Vec<Shared>,
}

/// What makes two findings of different runs one credential: the secret, or, where none is seen, kind and place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Same {
    Secret(Fingerprint),
    Place(String, String),
}

impl One {
    fn of(finding: &Ranked) -> Self {
        Self {
            severity: finding.severity,
            kind: finding.kind.clone(),
            name: finding.name.clone(),
            places: finding.places.clone(),
            fingerprint: finding.fingerprint.clone(),
            facts: finding.facts.clone(),
        }
    }

    fn same(&self) -> Same {
        match &self.fingerprint {
            Some(fingerprint) => Same::Secret(fingerprint.clone()),
            None => {
                let at = self.places.first().map(place).unwrap_or_default();
                Same::Place(self.kind.clone(), at)
            }
        }
    }
}

/// Reads the other run's report.
///
/// # Errors
/// When it cannot be read, or is none.
pub(super) fn read(path: &Path) -> Outcome<Other> {
    let wrong = || {
        Failure::usage(format!("cannot compare with `{}`", path.display()))
            .hint("name a file of what `backstop scopes --salt-file FILE --json` printed")
    };
    let file = std::fs::File::open(path).map_err(|e| wrong().because(e))?;
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|e| wrong().because(e))?;
    let other: Other = serde_json::from_str(&text).map_err(|e| wrong().because(e))?;
    if other.salt.is_none() {
        return Err(wrong()
            .because("it was made with a salt of its own, so that nothing in it can be compared")
            .hint("make it with --salt-file, and give the same file here"));
    }
    Ok(other)
}

/// Compares, and takes the fingerprints out of `report`: under the salt that the other run knew, they are for nobody.
///
/// # Errors
/// When the two were not made with the same salt.
pub(super) fn compared(report: &mut Report, other: Other) -> Outcome<Compared> {
    if report.salt != other.salt {
        return Err(Failure::usage("the two runs cannot be compared")
            .because("they were made with different salts")
            .hint("give both the same --salt-file")
            .code(Code::Usage));
    }
    // One secret can be several credentials: the same password for two accounts.
    let mut there: BTreeMap<Same, Vec<One>> = BTreeMap::new();
    for one in other.findings {
        there.entry(one.same()).or_default().push(one);
    }
    let (mut only_here, mut both) = (vec![], vec![]);
    let mut met = BTreeSet::new();
    for finding in &mut report.findings {
        let here = One::of(finding);
        finding.fingerprint = None;
        let same = here.same();
        match there.get(&same) {
            None => only_here.push(here),
            Some(others) => {
                let places = others.iter().flat_map(|one| one.places.clone());
                both.push(Shared {
                    here,
                    places_there: places.collect(),
                });
                met.insert(same);
            }
        }
    }
    let alone = there.into_iter().filter(|(same, _)| !met.contains(same));
    let mut only_there: Vec<One> = alone.flat_map(|(_, ones)| ones).collect();
    only_there.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.kind.cmp(&b.kind)));
    Ok(Compared {
        version: 1,
        verdict: verdict(&only_here, &only_there, &both),
        only_here,
        only_there,
        both,
    })
}

fn verdict(here: &[One], there: &[One], both: &[Shared]) -> String {
    let destroys = |one: &&One| one.severity >= Severity::High;
    let bad = there.iter().filter(destroys).count()
        + both
            .iter()
            .filter(|s| s.here.severity >= Severity::High)
            .count();
    let count = |n: usize| match n {
        1 => "1 credential".to_owned(),
        n => format!("{n} credentials"),
    };
    let reach = match (there.len() + both.len(), bad) {
        (0, _) => "The other run found no credential".to_owned(),
        (all, 0) => format!(
            "The other run found {}, none that destroys data",
            count(all)
        ),
        (all, bad) => format!(
            "The other run found {}, {bad} of which could destroy data",
            count(all)
        ),
    };
    format!(
        "{reach}: {} only there, {} in both; {} only here.",
        there.len(),
        both.len(),
        here.len()
    )
}

/// The comparison on a terminal.
pub(super) fn told(compared: &Compared, paint: Paint) -> String {
    let mut out = vec![paint.strong(&safe(&compared.verdict))];
    let line = |one: &One| {
        let at = one.places.first().map(place).unwrap_or_default();
        let more = match one.places.len() {
            0 | 1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        format!(
            "  {:<9} {}  {}{more}",
            one.severity.word(),
            safe(&one.name),
            safe(&at)
        )
    };
    let mut part = |head: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push(format!("\n{}", paint.strong(head)));
            out.extend(lines);
        }
    };
    part("only there", compared.only_there.iter().map(line).collect());
    part(
        "in both",
        compared.both.iter().map(|s| line(&s.here)).collect(),
    );
    part("only here", compared.only_here.iter().map(line).collect());
    out.join("\n")
}
