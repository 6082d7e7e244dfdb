//! How the recovery points of a target stand: how much would be lost, how long it would take to bring it back, and
//! whether a drill has shown that it can be.

use std::time::Duration;

use backstop_core::point::Points;
use backstop_gates::postgres::{Upstream, archiving};
use backstop_vault::points::moment::{Reach, reach};
use serde::{Deserialize, Serialize};

use crate::config::Target;
use crate::duration::Span;

/// How long the server may take to say how it archives.
const PATIENCE: Duration = Duration::from_secs(3);

/// A target's recovery points, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointsStanding {
    /// How often one is taken, in seconds; none is never.
    pub every_s: Option<u64>,
    /// How many there were.
    pub taken: usize,
    /// The newest stored point: its name in the vault.
    pub newest: Option<String>,
    /// How old it is, in seconds.
    pub newest_age_s: Option<u64>,
    /// The newest point that was drilled: its name in the vault.
    pub drilled: Option<String>,
    /// How old that is, in seconds: what would be lost at most, going by what was proved (RPO).
    pub rpo_s: Option<u64>,
    /// How long the last drill that brought all back took to restore, in milliseconds (RTO).
    pub rto_ms: Option<u64>,
    /// How long ago that drill began, in seconds.
    #[serde(default)]
    pub drill_age_s: Option<u64>,
    /// What came of the last drill, if it failed.
    pub drill_failed: Option<String>,
    /// What is unusual about the newest point, unless a person has accepted it.
    pub alarms: Vec<String>,
    /// Since when none can be taken, and why: Unix time in milliseconds.
    pub failing: Option<(i64, String)>,
    /// Whether recovery to a moment between points is possible, in a sentence.
    pub moment: String,
}

/// How a target's points stand, and what its server says about its archive.
pub(in crate::serve) async fn points_of(
    points: Option<Points>,
    target: &Target,
    upstream: Option<&Upstream>,
    now_ms: i64,
) -> PointsStanding {
    let mut standing = standing(&points.unwrap_or_default(), target, now_ms);
    standing.moment = moment(upstream).await;
    standing
}

fn standing(points: &Points, target: &Target, now_ms: i64) -> PointsStanding {
    let age = |ms: i64| now_ms.saturating_sub(ms).max(0).unsigned_abs() / 1000;
    let (newest, drilled) = (points.newest(), points.newest_drilled());
    let last = points.drills.last().filter(|drill| !drill.succeeded());
    PointsStanding {
        every_s: target.points.map(|every| every.as_secs()),
        taken: points.taken.len(),
        newest: newest.map(|r| r.point.name.to_hex()),
        newest_age_s: newest.map(|r| age(r.point.taken_ms)),
        drilled: drilled.map(|r| r.point.name.to_hex()),
        rpo_s: drilled.map(|r| age(r.point.taken_ms)),
        rto_ms: points.last_good_drill().map(|drill| drill.restore_ms),
        drill_age_s: points.last_good_drill().map(|drill| age(drill.started_ms)),
        drill_failed: last.map(|drill| match (&drill.failure, drill.first.first()) {
            (Some(why), _) => why.clone(),
            (None, Some(first)) => format!("{} differences, first: {first}", drill.differences),
            (None, None) => format!("{} differences", drill.differences),
        }),
        alarms: newest.map(|r| r.open_alarms().to_vec()).unwrap_or_default(),
        failing: points.failing.as_ref().map(|f| (f.since_ms, f.why.clone())),
        moment: String::new(),
    }
}

async fn moment(upstream: Option<&Upstream>) -> String {
    let unknown = |why: &str| format!("recovery to a moment: not known, since {why}");
    let Some(upstream) = upstream else {
        return unknown("there is no credential for the target");
    };
    match tokio::time::timeout(PATIENCE, archiving(upstream)).await {
        Err(_) => unknown("the server does not answer"),
        Ok(Err(error)) => unknown(&format!("the server does not say ({error})")),
        Ok(Ok(archiving)) => match reach(&archiving) {
            Reach::AnyMoment { by } => format!(
                "recovery to a moment is possible as far as the archive reaches, if there is a base backup with it: {by}"
            ),
            Reach::PointsOnly { why } => {
                format!("no recovery to a moment between points: {why}")
            }
        },
    }
}

impl PointsStanding {
    /// One or more lines for people: `warn` is whether somebody should look.
    pub fn lines(&self) -> Vec<(String, bool)> {
        let rough = |seconds: u64| Span(Duration::from_secs(seconds)).to_string();
        let mut lines = vec![];
        match (self.newest_age_s, self.every_s) {
            (Some(age), _) => lines.push((format!("newest point {} old", rough(age)), false)),
            (None, Some(_)) => lines.push(("no point of it yet".to_owned(), true)),
            (None, None) => lines.push(("no points are taken of it".to_owned(), true)),
        }
        match (self.rpo_s, self.rto_ms) {
            (Some(rpo), Some(rto)) => lines.push((
                format!(
                    "drilled: back to {} ago (RPO), restored in {} (RTO)",
                    rough(rpo),
                    Span(Duration::from_millis(rto))
                ),
                false,
            )),
            _ => lines.push((
                "never drilled: nothing shows that a point can be restored".to_owned(),
                true,
            )),
        }
        if let Some(why) = &self.drill_failed {
            lines.push((format!("the last drill failed: {why}"), true));
        }
        lines.extend(
            self.alarms
                .iter()
                .map(|one| (format!("alarm: {one}"), true)),
        );
        if !self.alarms.is_empty() {
            let how = "if that is as it should be, accept it at the console, under Recovery points";
            lines.push((how.to_owned(), false));
        }
        if let Some((since_ms, why)) = &self.failing {
            lines.push((
                format!(
                    "none can be taken since {}: {why}",
                    crate::when::stamp(*since_ms)
                ),
                true,
            ));
        }
        lines.push((self.moment.clone(), false));
        lines
    }
}
