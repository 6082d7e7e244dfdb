//! What the gate keeps of the points that it took, to compare later ones with: it cannot read them any more. Bound to
//! the point by the digest in its journal entry; what was changed is not used.

use std::path::PathBuf;

use backstop_core::canonical;
use backstop_core::digest::Digest;
use backstop_core::point::{Point, Points};
use backstop_vault::points::health::Figures;

use crate::failure::{Context, Outcome};
use crate::home::{Home, write_private};

/// How many good points a new one is compared with.
const LAST: usize = 8;
/// How far back they may lie: what was unusual for so long is not unusual any more.
const BACK_MS: i64 = 35 * 86_400_000;

/// Those of a point that was just taken, in the one spelling that their digest is of.
pub(super) fn spelt(figures: &Figures) -> Outcome<Vec<u8>> {
    canonical::to_bytes(figures).doing("cannot write down how much a point holds")
}

/// Keeps them until enough later points have theirs.
pub(super) fn keep(home: &Home, name: Digest, bytes: &[u8], points: &Points) -> Outcome {
    let folder = home.points();
    std::fs::create_dir_all(&folder).doing(format!("cannot make `{}`", folder.display()))?;
    write_private(&file(home, name), bytes)?;
    // Of this target, not others: their files are theirs to remove.
    let good = points.taken.iter().rev().filter(|r| !r.is_alarming());
    let needed: Vec<Digest> = good.take(LAST).map(|r| r.point.name).collect();
    let newest = points.newest().map(|r| r.point.name);
    for record in &points.taken {
        // The newest may yet be accepted.
        if !needed.contains(&record.point.name) && newest != Some(record.point.name) {
            // Gone already is as good.
            let _ = std::fs::remove_file(file(home, record.point.name));
        }
    }
    Ok(())
}

/// Those of the good points that one taken at `now_ms` is compared with, oldest first.
pub(super) fn before(home: &Home, points: &Points, now_ms: i64) -> Vec<Figures> {
    // With what was before a change that a person accepted, it would be unlike for as long.
    let since = points.taken.iter().rposition(|r| r.accepted);
    let good = points.taken.iter().skip(since.unwrap_or(0)).rev();
    let good = good.filter(|r| !r.is_alarming());
    let near = good.filter(|r| now_ms.saturating_sub(r.point.taken_ms) <= BACK_MS);
    let mut figures: Vec<Figures> = near.take(LAST).map(|r| of(home, &r.point)).collect();
    figures.reverse();
    figures
}

/// As they were kept, or else the sums that the journal has.
fn of(home: &Home, point: &Point) -> Figures {
    let kept = std::fs::read(file(home, point.name)).ok();
    let kept = kept.filter(|bytes| Digest::of(bytes) == point.figures);
    kept.and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or(Figures {
            bytes: point.bytes,
            rows: point.rows,
            tables: vec![],
        })
}

fn file(home: &Home, name: Digest) -> PathBuf {
    home.points().join(format!("{}.json", name.to_hex()))
}

#[cfg(test)]
mod tests {
    use backstop_core::point::PointRecord;
    use backstop_vault::points::health::TableFigures;

    use super::*;

    fn figures(n: u64) -> Figures {
        Figures {
            bytes: n,
            rows: n,
            tables: vec![TableFigures {
                name: "a".to_owned(),
                rows: n,
                changes: 0,
            }],
        }
    }

    fn record(n: u8, alarms: &[&str]) -> PointRecord {
        let bytes = spelt(&figures(u64::from(n))).unwrap();
        PointRecord {
            point: Point {
                name: Digest([n; 32]),
                parts: vec![],
                taken_ms: i64::from(n) * 86_400_000,
                milliseconds: 0,
                stored: 0,
                bytes: u64::from(n),
                tables: 1,
                rows: u64::from(n),
                manifest: Digest([0; 32]),
                figures: Digest::of(&bytes),
            },
            alarms: alarms.iter().map(|one| (*one).to_owned()).collect(),
            accepted: false,
            kept_until_ms: None,
        }
    }

    #[test]
    fn a_point_is_compared_with_good_ones_of_late_as_they_were_kept() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let mut points = Points::default();
        for n in 1..=12 {
            let alarms: &[&str] = if n == 11 { &["emptied"] } else { &[] };
            points.taken.push(record(n, alarms));
            keep(
                &home,
                Digest([n; 32]),
                &spelt(&figures(u64::from(n))).unwrap(),
                &points,
            )
            .unwrap();
        }
        let day = 86_400_000;
        let rows = |all: &[Figures]| all.iter().map(|f| f.rows).collect::<Vec<_>>();
        let near = before(&home, &points, 12 * day);
        assert_eq!(rows(&near), [4, 5, 6, 7, 8, 9, 10, 12]);
        assert!(near.iter().all(|f| f.tables.len() == 1));
        // Older files are gone, and so is that of the alarmed one.
        assert_eq!(std::fs::read_dir(home.points()).unwrap().count(), 8);
        assert_eq!(rows(&before(&home, &points, 46 * day)), [12]);
        assert!(before(&home, &points, 48 * day).is_empty());
        // What a person accepted counts, and what was before it does not any more.
        points.accepted(Digest([11; 32]));
        assert_eq!(rows(&before(&home, &points, 12 * day)), [11, 12]);
        // What somebody changed is not believed; what the journal has is.
        std::fs::write(
            file(&home, Digest([12; 32])),
            spelt(&figures(9999)).unwrap(),
        )
        .unwrap();
        let changed = before(&home, &points, 46 * day);
        let newest = changed.last().map(|f| (f.rows, f.tables.len()));
        assert_eq!(newest, Some((12, 0)));
    }
}
