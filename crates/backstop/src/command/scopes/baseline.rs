//! Known findings that a person has accepted, each with a reason and a date until which that holds.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use backstop_scopes::find::Place;
use backstop_scopes::report::Ranked;
use serde::Deserialize;
use time::Date;
use time::macros::format_description;

use super::text::place;
use crate::failure::{Code, Context, Failure, Outcome};

/// The file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accept: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The kind's id.
    kind: String,
    /// The file, or the place as the report shows it without line and column.
    place: String,
    /// Why it may stay.
    reason: String,
    /// The last day on which it may, `YYYY-MM-DD`.
    until: String,
}

/// What is accepted.
pub(super) struct Baseline {
    entries: Vec<Accepted>,
    today: Date,
}

struct Accepted {
    entry: Entry,
    until: Date,
    met: AtomicBool,
}

impl Baseline {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read, or an entry has no reason or no date.
    pub(super) fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path)
            .doing(format!("cannot read the baseline `{}`", path.display()))?;
        Self::of(&text, today()).map_err(|why| {
            Failure::usage(format!("the baseline `{}` does not hold", path.display()))
                .because(why)
                .hint(
                    "each entry is [[accept]] with kind, place, reason and until = \"YYYY-MM-DD\"",
                )
                .code(Code::Usage)
        })
    }

    fn of(text: &str, today: Date) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let entries = file.accept.into_iter().map(|entry| {
            if entry.reason.trim().len() < 3 {
                return Err(format!("{} at {} has no reason", entry.kind, entry.place));
            }
            let form = format_description!("[year]-[month]-[day]");
            let until = Date::parse(&entry.until, form)
                .map_err(|_| format!("`{}` is no date", entry.until))?;
            Ok(Accepted {
                entry,
                until,
                met: AtomicBool::new(false),
            })
        });
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
            today,
        })
    }

    /// Why a finding is accepted, if every place where it lies is.
    pub(super) fn accepts(&self, finding: &Ranked, root: &Path) -> Option<String> {
        let mut why = None;
        for one in &finding.places {
            let accepted = self.entries.iter().find(|a| {
                a.entry.kind == finding.kind
                    && a.until >= self.today
                    && same(one, &a.entry.place, root)
            })?;
            accepted.met.store(true, Ordering::Relaxed);
            why = Some(format!(
                "{} (until {})",
                accepted.entry.reason, accepted.entry.until
            ));
        }
        why
    }

    /// What to say of entries that are over, or met nothing.
    pub(super) fn over(&self) -> Vec<String> {
        self.entries
            .iter()
            .filter_map(|a| {
                let of = format!("{} at {}", a.entry.kind, a.entry.place);
                if a.until < self.today {
                    Some(format!(
                        "the baseline's entry for {of} was good until {}",
                        a.entry.until
                    ))
                } else if !a.met.load(Ordering::Relaxed) {
                    Some(format!(
                        "the baseline's entry for {of} meets nothing any more"
                    ))
                } else {
                    None
                }
            })
            .collect()
    }
}

fn same(at: &Place, named: &str, root: &Path) -> bool {
    match at {
        Place::File { path, .. } => {
            let path = path.to_path();
            let plain = path.strip_prefix(".").unwrap_or(&path);
            let named = Path::new(named);
            let named = named.strip_prefix(".").unwrap_or(named);
            plain == named || root.join(plain) == root.join(named)
        }
        // Processes come and go: it is the variable that is known.
        Place::Environment { variable, .. } => named == format!("${variable}"),
        Place::History {
            path: Some(path), ..
        } => named == path.to_string(),
        other => named == place(other),
    }
}

fn today() -> Date {
    time::OffsetDateTime::now_utc().date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    const TODAY: Date = date!(2026 - 11 - 25);

    #[test]
    fn an_entry_needs_a_reason_and_a_date() {
        let entry = |reason: &str, until: &str| {
            Baseline::of(
                &format!(
                    "[[accept]]\nkind = \"npm.token\"\nplace = \".npmrc\"\nreason = \"{reason}\"\nuntil = \"{until}\""
                ),
                TODAY,
            )
        };
        assert!(entry("the registry is ours", "2027-01-01").is_ok());
        assert!(entry("", "2027-01-01").is_err());
        assert!(entry("x y z", "soon").is_err());
        assert!(Baseline::of("[[accept]]\nkind = \"x\"", TODAY).is_err());
    }

    #[test]
    fn a_place_is_the_same_however_it_is_named() {
        let file = |path: &str| Place::File {
            path: path.into(),
            line: 3,
            column: 1,
            offset: 0,
            length: 1,
        };
        let root = Path::new("/srv");
        assert!(same(&file("./a/.env"), "a/.env", root));
        assert!(same(&file("/srv/a/.env"), "a/.env", root));
        assert!(!same(&file("b/.env"), "a/.env", root));
        let variable = Place::Environment {
            process: 7,
            command: "sh".into(),
            variable: "TOKEN".into(),
        };
        assert!(same(&variable, "$TOKEN", root));
    }
}
