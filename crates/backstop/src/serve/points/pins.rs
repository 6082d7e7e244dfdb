//! Points that are kept longer than others: the last good one before an alarm that stands, the newest that was drilled, one a
//! month. The vault can be asked to keep them longer, and by nobody to keep them shorter.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use backstop_core::digest::Digest;
use backstop_core::entry::Event;
use backstop_core::point::{PointRecord, Points};
use backstop_vault::client::Client;
use backstop_vault::points::schedule::{self, Known};

use super::note;
use crate::config::Config;
use crate::serve::{Service, assemble};

/// How long it waits before it asks again for what the vault refused.
const AGAIN: Duration = Duration::from_secs(600);
/// What the vault may keep less, because it is hardly more than what holds.
const NEARLY_MS: i64 = 86_400_000;

/// A target's points, as far as keeping them is concerned.
pub(super) fn known(points: &Points) -> Vec<Known> {
    let known = |record: &PointRecord| Known {
        name: record.point.name.to_hex(),
        taken_at_ms: record.point.taken_ms,
        alarmed: record.is_alarming(),
        drilled: points.is_drilled(record.point.name),
    };
    points.taken.iter().map(known).collect()
}

/// The points to be kept until a moment that the vault has not been asked for yet.
fn wanted(points: &Points, now_ms: i64) -> Vec<(&PointRecord, i64)> {
    let known = known(points);
    let pinned = schedule::pinned(&known);
    let mut wanted = vec![];
    for (record, known) in points.taken.iter().zip(&known) {
        let until_ms = schedule::keep_until(known, true, Duration::ZERO);
        let kept = record.kept_until_ms.unwrap_or(i64::MIN);
        let lacks = kept.saturating_add(NEARLY_MS) < until_ms;
        if lacks && until_ms > now_ms && pinned.contains(&known.name.as_str()) {
            wanted.push((record, until_ms));
        }
    }
    wanted
}

/// What the vault refused, and when.
#[derive(Default)]
pub(super) struct Pins {
    refused: BTreeMap<Digest, Instant>,
}

impl Pins {
    /// Has the vault keep what is to be kept, and writes down what it keeps.
    pub(super) async fn keep(&mut self, service: &Service, config: &Config) {
        let all = service.store.state().points.clone();
        let now_ms = service.store.now_ms();
        let mut vault: Option<Client> = None;
        for (target, points) in &all {
            for (record, until_ms) in wanted(points, now_ms) {
                let name = record.point.name;
                if self
                    .refused
                    .get(&name)
                    .is_some_and(|at| at.elapsed() < AGAIN)
                {
                    continue;
                }
                if vault.is_none() {
                    vault = assemble::vault(config).ok().flatten();
                }
                let Some(vault) = &vault else { return };
                let mut names = vec![name];
                names.extend(&record.point.parts);
                match vault.extend(names, until_ms).await {
                    Ok(until_ms) => {
                        self.refused.remove(&name);
                        let event = Event::PointKept {
                            target: target.clone(),
                            point: name,
                            until_ms,
                        };
                        if !note(service, event).await {
                            return;
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, target_name = target, "a recovery point could not be kept longer");
                        self.refused.insert(name, Instant::now());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use backstop_core::point::Point;

    use super::*;

    const DAY: i64 = 86_400_000;

    fn record(n: u8, alarmed: bool) -> PointRecord {
        PointRecord {
            point: Point {
                name: Digest([n; 32]),
                parts: vec![],
                taken_ms: i64::from(n) * DAY,
                milliseconds: 0,
                stored: 0,
                bytes: 0,
                tables: 0,
                rows: 0,
                manifest: Digest([0; 32]),
                figures: Digest([0; 32]),
            },
            alarms: if alarmed {
                vec!["emptied".to_owned()]
            } else {
                vec![]
            },
            accepted: false,
            kept_until_ms: None,
        }
    }

    #[test]
    fn an_alarm_keeps_the_last_good_one_and_what_is_kept_is_not_asked_for_again() {
        let mut points = Points {
            taken: vec![record(1, false), record(2, false), record(3, false)],
            ..Points::default()
        };
        let days = |points: &Points, now: i64| {
            wanted(points, now * DAY)
                .iter()
                .map(|(r, until)| (r.point.taken_ms / DAY, until / DAY))
                .collect::<Vec<_>>()
        };
        assert_eq!(days(&points, 4), [(1, 367)]);
        points.taken.push(record(4, true));
        assert_eq!(days(&points, 4), [(1, 367), (3, 369)]);
        points.kept(Digest([1; 32]), 366 * DAY + DAY / 2);
        points.kept(Digest([3; 32]), 369 * DAY);
        assert!(days(&points, 4).is_empty());
        // What would have to be kept until a moment that is over is not asked for.
        points.taken[2].kept_until_ms = None;
        assert!(days(&points, 400).is_empty());
    }
}
