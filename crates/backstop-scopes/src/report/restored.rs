//! Whether anybody ever restored a database: what an installation of Backstop knows of its targets' recovery points,
//! for the PostgreSQL servers that were found.

use serde::Serialize;

use super::{Ranked, Report};

/// What an installation keeps of one of its targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The installation: where its data directory is.
    pub by: String,
    /// The target's name.
    pub target: String,
    /// What no two clusters share.
    pub system_identifier: String,
    /// The database.
    pub database: String,
    /// Age of the newest recovery point, in seconds.
    pub newest_age_s: Option<u64>,
    /// How long ago a drill last restored one of them and found all of it, in seconds.
    pub restored_age_s: Option<u64>,
    /// How long that restoring took, in milliseconds.
    pub restore_ms: Option<u64>,
    /// What came of the last drill, if it failed.
    pub drill_failed: Option<String>,
}

/// Whether anybody ever restored a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// A sentence or two.
    pub say: String,
    /// Whose word that is: the data directory of the installation that keeps its recovery points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The target that it is, where an installation knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Age of the newest recovery point, in seconds.
    pub newest_age_s: Option<u64>,
    /// How long ago it was last restored whole, by a drill, in seconds.
    pub restored_age_s: Option<u64>,
    /// How long that took, in milliseconds.
    pub restore_ms: Option<u64>,
    /// Why the last drill failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill_failed: Option<String>,
}

const NEVER: &str = "Never restored, as far as can be seen here";

impl Restored {
    fn never(why: &str) -> Self {
        Self {
            say: format!("{NEVER}: {why}."),
            by: None,
            target: None,
            newest_age_s: None,
            restored_age_s: None,
            restore_ms: None,
            drill_failed: None,
        }
    }

    fn of(kept: &Kept) -> Self {
        let target = &kept.target;
        let newest = match kept.newest_age_s {
            Some(age) => format!("its newest recovery point is {} old", rough(age)),
            None => "there is no recovery point of it".to_owned(),
        };
        let mut say = match (kept.restored_age_s, kept.restore_ms) {
            (Some(age), Some(ms)) => format!(
                "Last restored {} ago, by a drill, in {}; it is the target `{target}`, and {newest}.",
                rough(age),
                span(ms)
            ),
            _ => format!("{NEVER}: it is the target `{target}`, and {newest}."),
        };
        let by = format!(" So says the installation at `{}`.", kept.by);
        say.push_str(&by);
        if let Some(why) = &kept.drill_failed {
            say.push_str(&format!(" The last drill failed: {why}."));
        }
        Self {
            say,
            by: Some(kept.by.clone()),
            target: Some(target.clone()),
            newest_age_s: kept.newest_age_s,
            restored_age_s: kept.restored_age_s,
            restore_ms: kept.restore_ms,
            drill_failed: kept.drill_failed.clone(),
        }
    }
}

impl Report {
    /// Says of every PostgreSQL server found whether anybody ever restored its database. `known` is what an
    /// installation keeps, or why that is not known.
    pub fn restored(&mut self, known: &Result<Vec<Kept>, String>) {
        for finding in &mut self.findings {
            if finding.kind.starts_with("postgres.") {
                finding.restored = Some(one(finding, known));
            }
        }
    }
}

fn one(finding: &Ranked, known: &Result<Vec<Kept>, String>) -> Restored {
    let kept = match known {
        Ok(kept) => kept,
        Err(why) => return Restored::never(why),
    };
    let Some(audit) = &finding.audit else {
        return Restored::never(
            "which server it leads to was not asked, or not answered; --probe asks",
        );
    };
    let Some(identity) = &audit.system_identifier else {
        return Restored::never("the server does not tell this role which server it is");
    };
    let mut same = kept.iter().filter(|k| k.system_identifier == *identity);
    let of_database = same.clone().find(|k| k.database == audit.database);
    match (of_database, same.next()) {
        (Some(kept), _) => Restored::of(kept),
        (None, Some(other)) => Restored::never(&format!(
            "the target `{}` is another database of the same server, and a recovery point is of one database",
            other.target
        )),
        (None, None) => Restored::never("it is no target of the installation here"),
    }
}

/// Seconds in the largest unit that is not zero.
fn rough(seconds: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let found = units.iter().find(|(size, _)| seconds >= *size);
    let (size, unit) = found.copied().unwrap_or((1, "second"));
    match seconds / size {
        1 => format!("1 {unit}"),
        n => format!("{n} {unit}s"),
    }
}

fn span(ms: u64) -> String {
    if ms < 10_000 {
        return format!("{ms} ms");
    }
    rough(ms / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_one_unit() {
        for (seconds, told) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "1 minute"),
            (7_200, "2 hours"),
            (200_000, "2 days"),
        ] {
            assert_eq!(rough(seconds), told);
        }
        assert_eq!(
            (span(950), span(61_000)),
            ("950 ms".into(), "1 minute".into())
        );
    }
}
