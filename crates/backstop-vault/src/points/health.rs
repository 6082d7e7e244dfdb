//! What is unusual about a recovery point, compared with those before it: a collapse in size or rows, or more
//! changed rows than usual. A pure function of manifests; what alarms mean is for people.

use serde::{Deserialize, Serialize};

use super::database::{Manifest, Table};

/// A loss of this share of what was there is a collapse, in percent.
const COLLAPSE: u64 = 30;

/// Tables with fewer rows than this come and go without an alarm, unless they are emptied or gone.
const FEW: u64 = 100;

/// A share of changed rows above this may be unusual, in percent.
const MANY: u64 = 20;

/// How many times the usual share of changed rows is unusual.
const TIMES: u64 = 5;

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

/// Compares a point with the good ones before it, which are given oldest first. Without any, nothing is unusual.
#[must_use]
pub fn health(before: &[Manifest], this: &Manifest) -> Vec<Alarm> {
    let Some(last) = before.last() else {
        return vec![];
    };
    let mut alarms = Vec::new();
    // Against the largest of the last points: what shrinks slowly enough would never alarm against the last.
    let largest = |measure: fn(&Manifest) -> u64| before.iter().map(measure).max().unwrap_or(0);
    let bytes = largest(|manifest| manifest.bytes);
    if collapsed(bytes, this.bytes) {
        alarms.push(Alarm::Shrunk {
            before: bytes,
            now: this.bytes,
        });
    }
    let rows = largest(Manifest::rows);
    if rows >= FEW && collapsed(rows, this.rows()) {
        alarms.push(Alarm::FewerRows {
            before: rows,
            now: this.rows(),
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

fn find<'a>(manifest: &'a Manifest, name: &str) -> Option<&'a Table> {
    manifest.tables.iter().find(|table| table.name == name)
}

fn table_alarm(was: &Table, this: &Manifest) -> Option<Alarm> {
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
fn changes(from: &Manifest, to: &Manifest) -> u64 {
    to.tables
        .iter()
        .map(|table| {
            let before = find(from, &table.name).map_or(0, |was| was.changes);
            table.changes.checked_sub(before).unwrap_or(table.changes)
        })
        .sum()
}

fn changes_alarm(before: &[Manifest], last: &Manifest, this: &Manifest) -> Option<Alarm> {
    let now = changes(last, this);
    let mut usual: Vec<u64> = before
        .windows(2)
        .filter_map(|pair| Some(changes(pair.first()?, pair.last()?)))
        .collect();
    usual.sort_unstable();
    // Two points say nothing about what is usual.
    let median = *usual.get(usual.len() / 2)?;
    let many = last.rows().max(FEW) / 100 * MANY;
    (now > many && now > median.saturating_mul(TIMES)).then_some(Alarm::ManyChanges {
        changes: now,
        usual: median,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(bytes: u64, tables: &[(&str, u64, u64)]) -> Manifest {
        let empty = serde_json::json!({
            "version": 1, "server_version": 150_018, "database": "app", "owner": "owner", "encoding": "UTF8",
            "collate": "C", "ctype": "C", "taken_at_ms": 0, "position": "", "bytes": bytes,
            "large_objects": 0, "tables": [], "extensions": [], "settings": {}, "bootstrap": "postgres",
            "roles": []
        });
        let mut manifest: Manifest = serde_json::from_value(empty).unwrap();
        manifest.tables = tables
            .iter()
            .map(|(name, rows, changes)| Table {
                name: (*name).to_owned(),
                rows: *rows,
                digest: String::new(),
                bytes: 0,
                changes: *changes,
            })
            .collect();
        manifest
    }

    #[test]
    fn growth_and_small_losses_are_no_alarm() {
        let before = [manifest(1000, &[("a", 1000, 0), ("b", 3, 0)])];
        let this = manifest(900, &[("a", 750, 300), ("b", 1, 2), ("c", 9, 9)]);
        assert_eq!(health(&before, &this), []);
        assert_eq!(health(&[], &this), []);
    }

    #[test]
    fn collapses_are_seen_in_all_and_in_one() {
        let before = [
            manifest(2000, &[("a", 1000, 0), ("b", 3, 0), ("c", 1, 0)]),
            manifest(1500, &[("a", 900, 0), ("b", 3, 0), ("c", 1, 0)]),
        ];
        let this = manifest(1300, &[("a", 600, 0), ("b", 0, 0)]);
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
        let point = |changes| manifest(1000, &[("a", 1000, changes)]);
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
}
