//! Recovery points of whole databases and their drills, as the journal knows them. No data of the database's is in
//! here, only how much there was.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A recovery point of a target's whole database that the vault has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Its name in the vault.
    pub name: Digest,
    /// The further objects in the vault that it consists of.
    pub parts: Vec<Digest>,
    /// When its snapshot was asked for, by the gate's clock: Unix time in milliseconds.
    pub taken_ms: i64,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// How many bytes the vault stores for it.
    pub stored: u64,
    /// The database's size on disk, in bytes.
    pub bytes: u64,
    /// How many tables it has.
    pub tables: u64,
    /// How many rows are in them.
    pub rows: u64,
    /// Digest of the manifest, which is sealed in the vault: a drill of this point compared with just this.
    pub manifest: Digest,
    /// Digest of the figures that the gate keeps beside the journal, to compare later points with.
    pub figures: Digest,
}

/// A drill: a point was restored into a throwaway server and compared with its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// The point's name in the vault.
    pub point: Digest,
    /// The target that the point says it is of.
    pub target: String,
    /// Digest of the manifest that was compared with; none if it could not be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// When it began, by the clock of whoever drilled: Unix time in milliseconds.
    pub started_ms: i64,
    /// How long all of it took, in milliseconds.
    pub milliseconds: u64,
    /// How long restoring took, in milliseconds.
    pub restore_ms: u64,
    /// How many tables were compared.
    pub tables: u64,
    /// How many rows.
    pub rows: u64,
    /// How many things were not as the manifest says.
    pub differences: u64,
    /// The first of them.
    pub first: Vec<String>,
    /// How many things only a superuser could have restored; they were not tried.
    pub left_out: u64,
    /// Why it could not be carried to its end, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Drill {
    /// Whether all of it came back: only then is the point drilled.
    #[must_use]
    pub const fn succeeded(&self) -> bool {
        self.failure.is_none() && self.differences == 0 && self.manifest.is_some()
    }
}

/// What is known of a target's recovery points: a fold over the control log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points {
    /// Every point that was taken, in order.
    pub taken: Vec<PointRecord>,
    /// Every drill that was reported, in order.
    pub drills: Vec<Drill>,
    /// What was unusual about a point that is not written down yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<(Digest, Vec<String>)>,
    /// Since when no point could be taken, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// A point, and what has been said about it since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointRecord {
    /// The point.
    pub point: Point,
    /// What was unusual about it, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
    /// Whether a person said that all of that is as it should be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
    /// Until when it is kept at least, if that was extended: Unix time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until_ms: Option<i64>,
}

/// Taking points fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when: Unix time in milliseconds.
    pub since_ms: i64,
    /// How many times.
    pub times: u32,
    /// Why the last of them failed.
    pub why: String,
}

impl PointRecord {
    /// Whether something is unusual about it that nobody has accepted.
    #[must_use]
    pub const fn is_alarming(&self) -> bool {
        !self.alarms.is_empty() && !self.accepted
    }

    /// What is unusual about it and not accepted.
    #[must_use]
    pub fn open_alarms(&self) -> &[String] {
        if self.accepted { &[] } else { &self.alarms }
    }
}

impl Points {
    /// Takes in a point that the vault has.
    pub fn took(&mut self, point: Point) {
        let alarms = match self.alarm.take() {
            Some((name, alarms)) if name == point.name => alarms,
            _ => vec![],
        };
        self.failing = None;
        self.taken.push(PointRecord {
            point,
            alarms,
            accepted: false,
            kept_until_ms: None,
        });
    }

    /// Takes in that a person finds this point, and thereby all before it, as they should be.
    pub fn accepted(&mut self, name: Digest) {
        let upto = self.taken.iter().rposition(|r| r.point.name == name);
        let upto = upto.map_or(0, |last| last.saturating_add(1));
        for record in self.taken.iter_mut().take(upto) {
            record.accepted = true;
        }
    }

    /// Takes in that none could be taken.
    pub fn failed(&mut self, at_ms: i64, why: &str) {
        let failing = self.failing.get_or_insert_with(|| Failing {
            since_ms: at_ms,
            times: 0,
            why: String::new(),
        });
        failing.times = failing.times.saturating_add(1);
        why.clone_into(&mut failing.why);
    }

    /// Takes in that a point is kept longer.
    pub fn kept(&mut self, name: Digest, until_ms: i64) {
        if let Some(record) = self.taken.iter_mut().find(|r| r.point.name == name) {
            record.kept_until_ms = record.kept_until_ms.max(Some(until_ms));
        }
    }

    /// The point of this name.
    #[must_use]
    pub fn find(&self, name: Digest) -> Option<&PointRecord> {
        self.taken.iter().rev().find(|r| r.point.name == name)
    }

    /// The newest point.
    #[must_use]
    pub fn newest(&self) -> Option<&PointRecord> {
        self.taken.last()
    }

    /// Whether a drill brought all of this point back.
    #[must_use]
    pub fn is_drilled(&self, name: Digest) -> bool {
        self.drills
            .iter()
            .any(|drill| drill.point == name && drill.succeeded())
    }

    /// The newest point that was drilled: what is lost is what came after it.
    #[must_use]
    pub fn newest_drilled(&self) -> Option<&PointRecord> {
        self.taken
            .iter()
            .rev()
            .find(|r| self.is_drilled(r.point.name))
    }

    /// The last drill that brought all back.
    #[must_use]
    pub fn last_good_drill(&self) -> Option<&Drill> {
        self.drills.iter().rev().find(|drill| drill.succeeded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(n: u8) -> Point {
        Point {
            name: Digest([n; 32]),
            parts: vec![],
            taken_ms: i64::from(n),
            milliseconds: 0,
            stored: 0,
            bytes: 0,
            tables: 0,
            rows: 0,
            manifest: Digest([n; 32]),
            figures: Digest([n; 32]),
        }
    }

    fn drill(n: u8) -> Drill {
        Drill {
            point: Digest([n; 32]),
            target: "shop".to_owned(),
            manifest: Some(Digest([n; 32])),
            started_ms: 0,
            milliseconds: 2,
            restore_ms: 1,
            tables: 0,
            rows: 0,
            differences: 0,
            first: vec![],
            left_out: 0,
            failure: None,
        }
    }

    #[test]
    fn only_a_drill_that_brought_all_back_makes_a_point_drilled() {
        let mut points = Points::default();
        points.took(point(1));
        points.took(point(2));
        let bad = [
            Drill {
                differences: 1,
                ..drill(2)
            },
            Drill {
                failure: Some("no sandbox".to_owned()),
                ..drill(2)
            },
            Drill {
                manifest: None,
                ..drill(2)
            },
        ];
        points.drills.extend(bad);
        assert!(points.newest_drilled().is_none());
        points.drills.push(drill(1));
        assert_eq!(
            points.newest_drilled().map(|r| r.point.taken_ms),
            Some(1),
            "the newest point is not drilled by a drill of another"
        );
    }

    #[test]
    fn an_alarm_is_of_its_own_point_and_failures_count_until_one_is_taken() {
        let mut points = Points {
            alarm: Some((Digest([2; 32]), vec!["emptied".to_owned()])),
            ..Points::default()
        };
        points.failed(5, "a");
        points.failed(6, "b");
        let failing = points.failing.clone().unwrap();
        assert_eq!(
            (failing.since_ms, failing.times, failing.why.as_str()),
            (5, 2, "b")
        );
        points.took(point(1));
        assert!(points.newest().unwrap().alarms.is_empty() && points.failing.is_none());
        points.alarm = Some((Digest([2; 32]), vec!["emptied".to_owned()]));
        points.took(point(2));
        assert_eq!(points.newest().unwrap().open_alarms(), ["emptied"]);
        points.took(point(3));
        points.accepted(Digest([9; 32]));
        assert!(points.find(Digest([2; 32])).unwrap().is_alarming());
        points.accepted(Digest([2; 32]));
        assert!(
            points
                .find(Digest([2; 32]))
                .unwrap()
                .open_alarms()
                .is_empty()
        );
        assert!(
            !points.newest().unwrap().accepted,
            "of what came later nobody has said anything"
        );
        points.kept(Digest([2; 32]), 9);
        points.kept(Digest([2; 32]), 7);
        assert_eq!(points.find(Digest([2; 32])).unwrap().kept_until_ms, Some(9));
    }
}
