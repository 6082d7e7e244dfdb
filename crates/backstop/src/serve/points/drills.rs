//! Reports of drills: believed only if the drill's own key signed them, about a point that this gate took, and once.
//!
//! Whoever shares the gate's user or its control socket can hand one in, and cannot make one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backstop_core::digest::Digest;
use backstop_core::entry::Event;
use backstop_core::point::{Drill, Points};
use backstop_vault::points::drill::report;
use tokio::sync::watch;

use super::note;
use crate::config::Config;
use crate::failure::{Context, Failure, Outcome};
use crate::serve::Service;

/// How often it looks whether reports have been put into the folder for them.
const EVERY: Duration = Duration::from_secs(5);
/// Files that are looked at each time.
const FILES: usize = 1_000;
/// Reports that are remembered as judged; beyond that they are judged anew, which says nothing new.
const SEEN: usize = 20_000;
/// How far the clocks of gate and drill may be apart, in milliseconds.
const APART_MS: i64 = 3_600_000;
/// What a report's file is called at its end.
pub(crate) const SUFFIX: &str = "drill";

/// Writes down which key is believed, when it is another one.
pub(super) async fn trust(service: &Service, config: &Config) {
    let key = config.vault.as_ref().and_then(|v| v.drill_key.as_ref());
    let Some(key) = key.map(|key| key.text().to_owned()) else {
        return;
    };
    let before = service.store.state().drill_key.clone();
    if before.as_ref() != Some(&key) {
        note(service, Event::DrillKey { key, before }).await;
    }
}

/// Takes in reports from the folder for them, until told to stop.
pub(in crate::serve) async fn run(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let mut seen = BTreeSet::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let config = service.config();
        let folder = config.vault.as_ref().and_then(|v| v.drill_reports.clone());
        let Some(folder) = folder else { continue };
        let found = tokio::task::spawn_blocking(move || reports(&folder));
        if seen.len() > SEEN {
            seen.clear();
        }
        for text in found.await.unwrap_or_default() {
            // Read anew each time, and judged once: who can put a file there can replace it.
            if !seen.insert(Digest::of(text.as_bytes())) {
                continue;
            }
            if service.knows(&config, &text) {
                continue;
            }
            if let Err(failure) = service.drilled(&text).await {
                let causes = failure.causes.join(": ");
                tracing::warn!(causes, "{}", failure.what);
            }
        }
    }
}

/// The reports in a folder, oldest name first; what is no file, or too long, is passed over.
fn reports(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return vec![];
    };
    let mut paths: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == SUFFIX))
        .collect();
    // Names begin with the time, so that the newest are those looked at.
    paths.sort();
    let newest = paths.split_off(paths.len().saturating_sub(FILES));
    newest.iter().filter_map(|path| small(path)).collect()
}

fn small(path: &Path) -> Option<String> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)
        .ok()?;
    let mut text = String::new();
    let limit = report::LONGEST as u64 + 1;
    file.take(limit).read_to_string(&mut text).ok()?;
    (text.len() <= report::LONGEST).then_some(text)
}

impl Service {
    /// Whether this very report is written down already.
    fn knows(&self, config: &Config, text: &str) -> bool {
        let key = config.vault.as_ref().and_then(|v| v.drill_key.as_ref());
        let drill = key.and_then(|key| report::open(text, key).ok());
        drill.is_some_and(|drill| {
            let state = self.store.state();
            let points = state.points.get(&drill.target);
            points.is_some_and(|points| points.drills.contains(&drill))
        })
    }

    /// Takes in the report of a drill.
    ///
    /// # Errors
    /// Why it is not believed.
    pub(in crate::serve) async fn drilled(&self, text: &str) -> Outcome<Drill> {
        let config = self.config();
        let key = config.vault.as_ref().and_then(|v| v.drill_key.clone());
        let key = key.ok_or_else(|| {
            Failure::usage("no report of a drill is believed, since no key for them is known")
                .hint("set `drill_key` under `[vault]` to what `backstop vault init` printed")
        })?;
        let drill = report::open(text, &key).doing("the report of a drill is not believed")?;
        // From looking to having written down, lest the same report counts twice.
        let _one_at_a_time = self.drilling.lock().await;
        trust(self, &config).await;
        {
            let state = self.store.state();
            let points = state.points.get(&drill.target);
            believable(&drill, points, self.store.now_ms()).map_err(|why| {
                Failure::new("the report of a drill is not believed").because(why)
            })?;
        }
        let event = Event::Drilled {
            drill: drill.clone(),
            report: text.to_owned(),
            key: key.text().to_owned(),
        };
        self.store
            .note(event)
            .await
            .doing("the drill could not be written down")?;
        Ok(drill)
    }
}

/// Whether a report that was rightly signed is about a point of ours, and new.
fn believable(drill: &Drill, points: Option<&Points>, now_ms: i64) -> Result<(), String> {
    let unknown = || {
        format!(
            "this gate took no point `{}` of the target `{}`",
            drill.point.short(),
            drill.target.escape_default()
        )
    };
    let points = points.ok_or_else(unknown)?;
    let point = &points.find(drill.point).ok_or_else(unknown)?.point;
    if drill
        .manifest
        .is_some_and(|manifest| manifest != point.manifest)
    {
        return Err("it was compared with another manifest than the point was taken with".into());
    }
    let told = points
        .drills
        .iter()
        .filter(|known| known.point == drill.point);
    if told.map(|known| known.started_ms).max() >= Some(drill.started_ms) {
        return Err(
            "a drill of this point that began then, or later, is written down already".into(),
        );
    }
    if drill.started_ms < point.taken_ms.saturating_sub(APART_MS) {
        return Err(
            "it says that it began before the point was taken; hint: compare the clocks".into(),
        );
    }
    let lasted = i64::try_from(drill.milliseconds).unwrap_or(i64::MAX);
    if drill.started_ms.saturating_add(lasted) > now_ms.saturating_add(APART_MS) {
        return Err("it says that it ended in the future; hint: compare the clocks".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use backstop_core::point::Point;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn points() -> Points {
        let mut points = Points::default();
        points.took(Point {
            name: Digest([1; 32]),
            parts: vec![],
            taken_ms: 100 * HOUR,
            milliseconds: 0,
            stored: 0,
            bytes: 0,
            tables: 0,
            rows: 0,
            manifest: Digest([2; 32]),
            figures: Digest([0; 32]),
        });
        points
    }

    fn drill() -> Drill {
        Drill {
            point: Digest([1; 32]),
            target: "shop".to_owned(),
            manifest: Some(Digest([2; 32])),
            started_ms: 101 * HOUR,
            milliseconds: 1_000,
            restore_ms: 500,
            tables: 0,
            rows: 0,
            differences: 0,
            first: vec![],
            left_out: 0,
            failure: None,
        }
    }

    #[test]
    fn a_report_is_about_a_point_of_ours_and_new() {
        let mut points = points();
        let now = 102 * HOUR;
        let refused = |points: &Points, drill: &Drill| {
            believable(drill, Some(points), now)
                .err()
                .unwrap_or_default()
        };
        assert_eq!(refused(&points, &drill()), "");
        assert!(believable(&drill(), None, now).is_err());
        let other = Drill {
            point: Digest([9; 32]),
            ..drill()
        };
        assert!(refused(&points, &other).contains("took no point"));
        let other = Drill {
            manifest: Some(Digest([9; 32])),
            ..drill()
        };
        assert!(refused(&points, &other).contains("another manifest"));
        let early = Drill {
            started_ms: 98 * HOUR,
            ..drill()
        };
        assert!(refused(&points, &early).contains("before the point was taken"));
        let late = Drill {
            started_ms: 104 * HOUR,
            ..drill()
        };
        assert!(refused(&points, &late).contains("in the future"));
        let long = Drill {
            milliseconds: u64::MAX,
            ..drill()
        };
        assert!(refused(&points, &long).contains("in the future"));
        points.drills.push(drill());
        assert!(refused(&points, &drill()).contains("written down already"));
        let older = Drill {
            started_ms: 101 * HOUR - 1,
            ..drill()
        };
        assert!(refused(&points, &older).contains("written down already"));
        let newer = Drill {
            started_ms: 101 * HOUR + 1,
            ..drill()
        };
        assert_eq!(refused(&points, &newer), "");
    }

    #[test]
    fn only_small_files_of_the_folder_itself_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put("1.drill", "one");
        put("2.drill", &"x".repeat(report::LONGEST + 1));
        put("3.txt", "three");
        put("4.drill", "four");
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("5.drill")).unwrap();
        std::fs::create_dir(dir.path().join("6.drill")).unwrap();
        assert_eq!(reports(dir.path()), ["one", "four"]);
        assert!(reports(&dir.path().join("none")).is_empty());
    }
}
