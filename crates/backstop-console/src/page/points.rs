//! Recovery points: for each target how much would be lost, how long it would take to bring it back, and how both
//! went over time. All of it is read from the journal's fold; the one thing that can be asked for here is to end an
//! alarm, which takes a passkey.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use backstop_core::action::Ask;
use backstop_core::digest::Digest;
use backstop_core::point::{Drill, PointRecord, Points};
use serde::Deserialize;

use crate::page::ask_people;
use crate::page::chart::{self, Sample};
use crate::refusal::Refusal;
use crate::state::Console;
use crate::view::{Frame, render};
use crate::visitor::{Checked, SignedIn};
use crate::words::{self, Moment};

/// How far back the drawings reach.
const BACK_MS: i64 = 90 * 86_400_000;
/// What they reach at least, so that a first day is no flat line.
const LEAST_MS: i64 = 3_600_000;
/// Points that are listed.
const LISTED: usize = 10;

#[derive(Template)]
#[template(path = "points.html")]
struct Page {
    frame: Frame,
    targets: Vec<Section>,
}

/// One target.
struct Section {
    target: String,
    /// The newest point's name in the vault.
    point: Option<String>,
    /// How old the newest stored point is.
    newest: Option<String>,
    /// How old the newest drilled point is.
    rpo: Option<String>,
    /// How long the last good drill restored.
    rto: Option<String>,
    alarms: Vec<String>,
    failing: Option<(Moment, String)>,
    drill_failed: Option<String>,
    charts: Vec<Chart>,
    rows: Vec<Row>,
}

struct Chart {
    /// What is beside `id`s of the page.
    name: &'static str,
    title: &'static str,
    description: String,
    most: String,
    lines: Vec<(&'static str, String)>,
    key: Vec<(&'static str, &'static str)>,
    from: Moment,
    to: Moment,
}

struct Row {
    taken: Moment,
    what: String,
    alarms: Vec<String>,
    accepted: bool,
    drilled: bool,
    kept: Option<Moment>,
    name: String,
}

pub(crate) async fn show(
    State(console): State<Console>,
    who: SignedIn,
) -> Result<Response, Refusal> {
    let now_ms = console.store().now_ms();
    let targets = {
        let state = console.store().state();
        let all = state.points.iter();
        all.map(|(target, points)| section(target, points, now_ms))
            .collect()
    };
    render(&Page {
        frame: Frame::of(&console, &who, "points", "Recovery points"),
        targets,
    })
}

/// Which point is as it should be.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    target: String,
    point: String,
}

pub(crate) async fn accept(
    State(console): State<Console>,
    _who: SignedIn,
    Checked(Which { target, point }): Checked<Which>,
) -> Result<Response, Refusal> {
    let newest = {
        let state = console.store().state();
        let newest = state.points.get(&target).and_then(Points::newest);
        newest.filter(|r| r.is_alarming()).map(|r| r.point.name)
    };
    // Another may have been taken since the page was shown, and people accept what they have seen.
    match newest.filter(|name| Digest::from_hex(&point) == Some(*name)) {
        Some(point) => ask_people(&console, Ask::AcceptPoint { target, point }).await,
        None => Err(Refusal::new(
            StatusCode::CONFLICT,
            "no alarm stands about that point",
            "look at the recovery points again: another may have been taken meanwhile",
        )),
    }
}

fn section(target: &str, points: &Points, now_ms: i64) -> Section {
    let age = |record: &PointRecord| words::span(now_ms.saturating_sub(record.point.taken_ms));
    let last = points.drills.last().filter(|drill| !drill.succeeded());
    Section {
        target: target.to_owned(),
        point: points.newest().map(|r| r.point.name.to_hex()),
        newest: points.newest().map(age),
        rpo: points.newest_drilled().map(age),
        rto: points
            .last_good_drill()
            .map(|drill| length(drill.restore_ms)),
        alarms: points
            .newest()
            .map(|r| r.open_alarms().to_vec())
            .unwrap_or_default(),
        failing: points
            .failing
            .as_ref()
            .map(|f| (words::moment(f.since_ms, now_ms), f.why.clone())),
        drill_failed: last.map(|drill| match &drill.failure {
            Some(why) => why.clone(),
            None => format!("{} differences", drill.differences),
        }),
        charts: charts(points, now_ms),
        rows: points
            .taken
            .iter()
            .rev()
            .take(LISTED)
            .map(|r| row(points, r, now_ms))
            .collect(),
    }
}

fn row(points: &Points, record: &PointRecord, now_ms: i64) -> Row {
    let point = &record.point;
    Row {
        taken: words::moment(point.taken_ms, now_ms),
        what: format!(
            "{} rows of {} tables, taken in {}",
            point.rows,
            point.tables,
            length(point.milliseconds)
        ),
        alarms: record.alarms.clone(),
        accepted: record.accepted,
        drilled: points.is_drilled(point.name),
        kept: record.kept_until_ms.map(|ms| words::moment(ms, now_ms)),
        name: point.name.short(),
    }
}

/// A length that may be short.
fn length(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        _ => words::span(i64::try_from(ms).unwrap_or(i64::MAX)),
    }
}

fn ended_ms(drill: &Drill) -> i64 {
    let lasted = i64::try_from(drill.milliseconds).unwrap_or(i64::MAX);
    drill.started_ms.saturating_add(lasted)
}

fn charts(points: &Points, now_ms: i64) -> Vec<Chart> {
    let Some(first) = points.taken.first() else {
        return vec![];
    };
    let from_ms = first
        .point
        .taken_ms
        .max(now_ms.saturating_sub(BACK_MS))
        .min(now_ms.saturating_sub(LEAST_MS));
    vec![rpo(points, from_ms, now_ms), rto(points, from_ms, now_ms)]
}

/// How much would have been lost at each moment.
fn rpo(points: &Points, from_ms: i64, now_ms: i64) -> Chart {
    let stored: Vec<Sample> = points
        .taken
        .iter()
        .map(|record| {
            let point = &record.point;
            let lasted = i64::try_from(point.milliseconds).unwrap_or(i64::MAX);
            (point.taken_ms.saturating_add(lasted), point.taken_ms)
        })
        .collect();
    let mut drilled: Vec<Sample> = points
        .drills
        .iter()
        .filter(|drill| drill.succeeded())
        .filter_map(|drill| Some((ended_ms(drill), points.find(drill.point)?.point.taken_ms)))
        .collect();
    drilled.sort_unstable();
    let stored = chart::age(&stored, from_ms, now_ms);
    let drilled = chart::age(&drilled, from_ms, now_ms);
    let frame = chart::Frame::around(from_ms, now_ms, stored.iter().chain(&drilled));
    let worst = |line: &[Sample]| line.iter().map(|(_, value)| *value).max();
    let said = |line: &[Sample], what: &str| match (line.last(), worst(line)) {
        (Some((_, now)), Some(worst)) => format!(
            "The newest {what} point is {} old, and was {} at most.",
            words::span(*now),
            words::span(worst)
        ),
        _ => format!("No point was ever {what}."),
    };
    Chart {
        name: "rpo",
        title: "What would be lost (RPO)",
        description: format!("{} {}", said(&drilled, "drilled"), said(&stored, "stored")),
        most: words::span(frame.most),
        lines: vec![
            ("stored", frame.line(&stored)),
            ("drilled", frame.line(&drilled)),
        ],
        key: vec![
            ("drilled", "since the newest drilled point"),
            ("stored", "since the newest stored point"),
        ],
        from: words::moment(from_ms, now_ms),
        to: words::moment(now_ms, now_ms),
    }
}

/// How long each drill restored.
fn rto(points: &Points, from_ms: i64, now_ms: i64) -> Chart {
    let late = |drill: &&Drill| ended_ms(drill) >= from_ms;
    let (good, bad): (Vec<&Drill>, Vec<&Drill>) = points
        .drills
        .iter()
        .filter(late)
        .partition(|d| d.succeeded());
    let sample = |drill: &&Drill| {
        (
            ended_ms(drill),
            i64::try_from(drill.restore_ms).unwrap_or(i64::MAX),
        )
    };
    let samples: Vec<Sample> = good.iter().map(sample).collect();
    let failed: Vec<Sample> = bad.iter().map(|drill| (ended_ms(drill), 0)).collect();
    let frame = chart::Frame::around(from_ms, now_ms, samples.iter());
    let description = match good.last() {
        Some(last) => format!(
            "{} drills brought all back, the last in {}; {} failed.",
            good.len(),
            length(last.restore_ms),
            bad.len()
        ),
        None => format!("No drill has brought a point back; {} failed.", bad.len()),
    };
    let most = if samples.is_empty() {
        String::new()
    } else {
        length(frame.most.unsigned_abs())
    };
    Chart {
        name: "rto",
        title: "How long restoring took (RTO)",
        description,
        most,
        lines: vec![
            ("drilled", frame.line(&samples)),
            ("dot", frame.dots(&samples)),
            ("dot bad", frame.dots(&failed)),
        ],
        key: vec![
            ("drilled", "a drill that brought all back"),
            ("bad", "a drill that failed"),
        ],
        from: words::moment(from_ms, now_ms),
        to: words::moment(now_ms, now_ms),
    }
}
