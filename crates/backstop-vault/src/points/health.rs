//! What is unusual about a recovery point, compared with those before it: a collapse in size or rows, or more
//! changed rows than usual. A pure function of figures; what alarms mean is for people.

use serde::{Deserialize, Serialize};

use super::database::Manifest;

/// A loss of this share of what was there is a collapse, in percent.
const COLLAPSE: u64 = 30;

/// Tables with fewer rows than this come and go without an alarm, unless they are emptied or gone.
const FEW: u64 = 100;

/// A share of changed rows above this may be unusual, in percent.
const MANY: u64 = 20;

/// How many times the usual share of changed rows is unusual.
const TIMES: u64 = 5;

/// How much a database held when a point was taken: what later points are compared with. Whoever took the point
/// cannot read it any more, so it keeps these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The database's size on disk, in bytes.
    pub bytes: u64,
    /// How many rows are in all tables.
    pub rows: u64,
    /// Its tables; none where no more than the sums is known.
    pub tables: Vec<TableFigures>,
}

/// How much a table held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFigures {
    /// `"schema"."name"`.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// Rows inserted, updated and deleted since the server's statistics began.
    pub changes: u64,
}

impl Figures {
    /// Those of a point that was just taken.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let tables = manifest.tables.iter().map(|table| TableFigures {
            name: table.name.clone(),
            rows: table.rows,
            changes: table.changes,
        });
        Self {
            bytes: manifest.bytes,
            rows: manifest.rows(),
            tables: tables.collect(),
        }
    }
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alarm", rename_all = "snake_case")]
pub enum Alarm {
    /// The database is much smaller than it was.
    Shrunk {
        /// Bytes before.
        before: u64,
        /// Bytes now.
        now: u64,
    },
    /// All tables together have much fewer rows than they had.
    FewerRows {
        /// Rows before.
        before: u64,
        /// Rows now.
        now: u64,
    },
    /// A table has much fewer rows than it had.
    TableCollapsed {
        /// `"schema"."name"`.
        table: String,
        /// Rows before.
        before: u64,
        /// Rows now.
        now: u64,
    },
    /// A table that held rows is gone.
    TableGone {
        /// `"schema"."name"`.
        table: String,
        /// Rows before.
        before: u64,
    },
    /// Many more rows were written since the last point than between the points before.
    ManyChanges {
        /// Rows written since the last point.
        changes: u64,
        /// The usual number between two points.
        usual: u64,
    },
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shrunk { before, now } => {
                write!(f, "the database had {before} bytes and has {now}")
            }
            Self::FewerRows { before, now } => {
                write!(f, "all tables together had {before} rows and have {now}")
            }
            Self::TableCollapsed { table, before, now } => {
                write!(f, "{table} had {before} rows and has {now}")
            }
            Self::TableGone { table, before } => write!(f, "{table} is gone, with {before} rows"),
            Self::ManyChanges { changes, usual } => write!(
                f,
                "{changes} rows were written since the last point; {usual} are usual"
            ),
        }
    }
}

/// Compares a point with the good ones before it, which are given oldest first. Without any, nothing is unusual.
#[must_use]
pub fn health(before: &[Figures], this: &Figures) -> Vec<Alarm> {
    let Some(last) = before.last() else {
        return vec![];
    };
    let mut alarms = Vec::new();
    // Against the largest of the last points: what shrinks slowly enough would never alarm against the last.
    let largest = |measure: fn(&Figures) -> u64| before.iter().map(measure).max().unwrap_or(0);
    let bytes = largest(|figures| figures.bytes);
    if collapsed(bytes, this.bytes) {
        alarms.push(Alarm::Shrunk {
            before: bytes,
            now: this.bytes,
        });
    }
    let rows = largest(|figures| figures.rows);
    if rows >= FEW && collapsed(rows, this.rows) {
        alarms.push(Alarm::FewerRows {
            before: rows,
            now: this.rows,
        });
    }
    alarms.extend(
        last.tables
            .iter()
            .filter_map(|table| table_alarm(table, this)),
    );
    alarms.extend(changes_alarm(before, last, this));
    alarms
}

fn collapsed(before: u64, now: u64) -> bool {
    now < before.saturating_sub(before / 100 * COLLAPSE + before % 100 * COLLAPSE / 100)
}

fn find<'a>(figures: &'a Figures, name: &str) -> Option<&'a TableFigures> {
    figures.tables.iter().find(|table| table.name == name)
}

fn table_alarm(was: &TableFigures, this: &Figures) -> Option<Alarm> {
    let table = was.name.clone();
    let Some(is) = find(this, &was.name) else {
        return (was.rows > 0).then_some(Alarm::TableGone {
            table,
            before: was.rows,
        });
    };
    let emptied = was.rows > 0 && is.rows == 0;
    (emptied || was.rows >= FEW && collapsed(was.rows, is.rows)).then_some(Alarm::TableCollapsed {
        table,
        before: was.rows,
        now: is.rows,
    })
}

/// Rows written between two points; a table whose counter went back was reset and counts from zero.
fn changes(from: &Figures, to: &Figures) -> u64 {
    to.tables
        .iter()
        .map(|table| {
            let before = find(from, &table.name).map_or(0, |was| was.changes);
            table.changes.checked_sub(before).unwrap_or(table.changes)
        })
        .sum()
}

fn changes_alarm(before: &[Figures], last: &Figures, this: &Figures) -> Option<Alarm> {
    // Where the tables are not known, their counters cannot be told from changes.
    let between = |from: &Figures, to: &Figures| {
        let known = !from.tables.is_empty() && !to.tables.is_empty();
        known.then(|| changes(from, to))
    };
    let now = between(last, this)?;
    let mut usual: Vec<u64> = before
        .windows(2)
        .filter_map(|pair| between(pair.first()?, pair.last()?))
        .collect();
    usual.sort_unstable();
    // Two points say nothing about what is usual.
    let median = *usual.get(usual.len() / 2)?;
    let many = last.rows.max(FEW) / 100 * MANY;
    (now > many && now > median.saturating_mul(TIMES)).then_some(Alarm::ManyChanges {
        changes: now,
        usual: median,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(bytes: u64, tables: &[(&str, u64, u64)]) -> Figures {
        Figures {
            bytes,
            rows: tables.iter().map(|(_, rows, _)| rows).sum(),
            tables: tables
                .iter()
                .map(|(name, rows, changes)| TableFigures {
                    name: (*name).to_owned(),
                    rows: *rows,
                    changes: *changes,
                })
                .collect(),
        }
    }

    #[test]
    fn growth_and_small_losses_are_no_alarm() {
        let before = [figures(1000, &[("a", 1000, 0), ("b", 3, 0)])];
        let this = figures(900, &[("a", 750, 300), ("b", 1, 2), ("c", 9, 9)]);
        assert_eq!(health(&before, &this), []);
        assert_eq!(health(&[], &this), []);
    }

    #[test]
    fn collapses_are_seen_in_all_and_in_one() {
        let before = [
            figures(2000, &[("a", 1000, 0), ("b", 3, 0), ("c", 1, 0)]),
            figures(1500, &[("a", 900, 0), ("b", 3, 0), ("c", 1, 0)]),
        ];
        let this = figures(1300, &[("a", 600, 0), ("b", 0, 0)]);
        let alarms = health(&before, &this);
        let named = |name: &str, alarms: &[Alarm]| {
            alarms
                .iter()
                .any(|alarm| matches!(alarm, Alarm::TableCollapsed { table, .. } if table == name))
        };
        assert!(named("a", &alarms) && named("b", &alarms), "{alarms:?}");
        assert!(alarms.contains(&Alarm::TableGone {
            table: "c".to_owned(),
            before: 1
        }));
        // Slowly, point by point, is a collapse too.
        assert!(alarms.contains(&Alarm::Shrunk {
            before: 2000,
            now: 1300
        }));
        assert!(alarms.contains(&Alarm::FewerRows {
            before: 1004,
            now: 600
        }));
    }

    #[test]
    fn as_many_rows_with_other_contents_are_seen_by_their_changes() {
        let point = |changes| figures(1000, &[("a", 1000, changes)]);
        let before = [point(0), point(10), point(25), point(30)];
        assert_eq!(health(&before, &point(60)), []);
        assert_eq!(
            health(&before, &point(1030)),
            [Alarm::ManyChanges {
                changes: 1000,
                usual: 10
            }]
        );
        // The server's statistics were reset in between.
        assert_eq!(health(&before, &point(7)), []);
    }

    #[test]
    fn where_only_sums_are_known_sums_are_compared() {
        let sums = |bytes, rows| Figures {
            bytes,
            rows,
            tables: vec![],
        };
        let before = [sums(1000, 1000), sums(1000, 1000), sums(1000, 1000)];
        let this = figures(1000, &[("a", 1000, 900_000)]);
        // Counters since the server's statistics began are no changes since the last point.
        assert_eq!(health(&before, &this), []);
        let this = figures(1000, &[("a", 500, 0)]);
        let said: Vec<String> = health(&before, &this)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said, ["all tables together had 1000 rows and have 500"]);
    }
}
