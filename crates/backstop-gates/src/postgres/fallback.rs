//! What is left if an action's own copy does not suffice: the target's whole database, as a recovery point has it. Said
//! on a hold, in figures alone; it is to be read and decides nothing.

use backstop_core::point::Points;

/// One sentence about the recovery point to go back to, how old it is at `now_ms` (Unix time in milliseconds) and how
/// long a drill's restore of it took.
pub(super) fn sentence(points: Option<&Points>, now_ms: i64) -> String {
    let Some((points, newest)) = points.and_then(|p| Some((p, p.newest()?))) else {
        return "no recovery point of the whole database has been taken".to_owned();
    };
    // Of that very point: the drill of another says nothing about it.
    let drilled = points.newest_drilled().and_then(|record| {
        let of_it = |d: &&backstop_core::point::Drill| d.point == record.point.name;
        let drill = points
            .drills
            .iter()
            .rev()
            .filter(of_it)
            .find(|d| d.succeeded())?;
        Some((record, drill.restore_ms))
    });
    let Some((record, restore_ms)) = drilled else {
        return format!(
            "the newest recovery point of the whole database was {} old when this was held, and no drill has shown that \
             it can be restored",
            age(newest.point.taken_ms, now_ms)
        );
    };
    let failed = match points.drills.last() {
        Some(last) if !last.succeeded() => "; the last drill since failed",
        _ => "",
    };
    format!(
        "failing that, the whole database goes back to a recovery point that was {} old when this was held: a drill \
         restored it in {}{failed}",
        age(record.point.taken_ms, now_ms),
        span(restore_ms)
    )
}

fn age(taken_ms: i64, now_ms: i64) -> String {
    // A clock that was set back makes nothing younger than new.
    span(now_ms.saturating_sub(taken_ms).max(0).unsigned_abs())
}

/// Rounded down to its two largest units.
fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use backstop_core::digest::Digest;
    use backstop_core::point::{Drill, Point, Points};

    use super::sentence;

    const HOUR: i64 = 3_600_000;

    fn took(points: &mut Points, n: u8, taken_ms: i64) {
        points.took(Point {
            name: Digest([n; 32]),
            parts: vec![],
            taken_ms,
            milliseconds: 0,
            stored: 0,
            bytes: 0,
            tables: 0,
            rows: 0,
            manifest: Digest([n; 32]),
            figures: Digest([n; 32]),
        });
    }

    fn drilled(points: &mut Points, n: u8, restore_ms: u64, failure: Option<&str>) {
        points.drills.push(Drill {
            point: Digest([n; 32]),
            target: "t".to_owned(),
            manifest: Some(Digest([n; 32])),
            started_ms: 0,
            milliseconds: restore_ms,
            restore_ms,
            tables: 0,
            rows: 0,
            differences: 0,
            first: vec![],
            left_out: 0,
            failure: failure.map(str::to_owned),
        });
    }

    #[test]
    fn only_a_drill_of_the_point_itself_says_how_long_it_takes() {
        assert!(sentence(None, 0).contains("no recovery point"));
        let mut points = Points::default();
        assert!(sentence(Some(&points), 0).contains("no recovery point"));
        took(&mut points, 1, 0);
        let said = sentence(Some(&points), 3 * HOUR);
        assert!(
            said.contains("3 h 0 min old") && said.contains("no drill"),
            "{said}"
        );
        drilled(&mut points, 1, 95_000, None);
        took(&mut points, 2, 2 * HOUR);
        // The older one is what was proved, and it is the older one's age that counts.
        let said = sentence(Some(&points), 3 * HOUR);
        assert!(
            said.contains("3 h 0 min old") && said.contains("1 min 35 s"),
            "{said}"
        );
        drilled(&mut points, 2, 7_000, None);
        // An older point drilled last: its figure is not the newer one's.
        drilled(&mut points, 1, 400, None);
        let said = sentence(Some(&points), 3 * HOUR);
        assert!(
            said.contains("1 h 0 min old") && said.ends_with("in 7 s"),
            "{said}"
        );
    }

    #[test]
    fn a_failed_drill_is_told_without_its_words_and_a_clock_set_back_is_borne() {
        let mut points = Points::default();
        took(&mut points, 1, HOUR);
        drilled(&mut points, 1, 250, Some("<b>planted</b>"));
        let said = sentence(Some(&points), 0);
        assert!(
            said.contains("0 ms old") && said.contains("no drill"),
            "{said}"
        );
        drilled(&mut points, 1, 250, None);
        drilled(&mut points, 1, 250, Some("<b>planted</b>"));
        let said = sentence(Some(&points), 0);
        assert!(
            said.contains("250 ms") && said.ends_with("failed"),
            "{said}"
        );
        assert!(!said.contains("planted"), "{said}");
    }
}
