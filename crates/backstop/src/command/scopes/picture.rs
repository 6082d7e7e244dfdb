//! The picture of what reaches what: agent, credentials, what they open, backups. SVG, no script.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use backstop_scopes::kinds::Backups;
use backstop_scopes::report::{Ranked, Report, Severity};

use crate::page::escape;

/// Credentials drawn; the rest are one box.
const DRAWN: usize = 14;
const ROW: usize = 46;
const BOX: usize = 34;
/// Where the four columns begin, and how wide their boxes are.
const COLUMNS: [(usize, usize); 4] = [(0, 110), (180, 260), (510, 210), (790, 170)];

/// The picture.
pub(super) fn svg(report: &Report) -> String {
    let open: Vec<&Ranked> = report
        .findings
        .iter()
        .filter(|f| f.accepted.is_none())
        .collect();
    let drawn: Vec<&Ranked> = open.iter().take(DRAWN).copied().collect();
    let mut targets: Vec<String> = vec![];
    for finding in &drawn {
        let target = target(finding);
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let rows = drawn.len() + usize::from(open.len() > DRAWN);
    let height = rows.max(targets.len()).max(3) * ROW + 30;
    let width = COLUMNS.last().map_or(0, |(x, w)| x + w);
    let mut lines = String::new();
    let mut boxes = String::new();
    let y = |row: usize| 30 + row * ROW;
    let agent_y = y(rows.saturating_sub(1) / 2);
    let who = report.user.as_deref().unwrap_or("the agent");
    put(&mut boxes, 0, agent_y, who, "agent");
    let mut reached: BTreeMap<&str, Severity> = BTreeMap::new();
    for (row, finding) in drawn.iter().enumerate() {
        let class = finding.severity.word();
        put(&mut boxes, 1, y(row), &finding.name, class);
        line(&mut lines, (0, agent_y), (1, y(row)), class);
        let target = target(finding);
        if let Some(at) = targets.iter().position(|t| *t == target) {
            line(&mut lines, (1, y(row)), (2, y(at)), class);
            if finding.backups == Backups::Yes
                && let Some(name) = targets.get(at)
            {
                let worst = reached.entry(name).or_insert(finding.severity);
                *worst = (*worst).max(finding.severity);
            }
        }
    }
    if open.len() > DRAWN {
        let more = format!("{} more", open.len() - DRAWN);
        put(&mut boxes, 1, y(drawn.len()), &more, "low");
        line(&mut lines, (0, agent_y), (1, y(drawn.len())), "low");
    }
    for (at, name) in targets.iter().enumerate() {
        put(&mut boxes, 2, y(at), name, "target");
        if let Some(severity) = reached.get(name.as_str()) {
            put(&mut boxes, 3, y(at), "its backups", "critical");
            line(&mut lines, (2, y(at)), (3, y(at)), severity.word());
        }
    }
    let mut heads = String::new();
    for (column, head) in ["Agent", "Credential", "Opens", "Backups that go too"]
        .iter()
        .enumerate()
    {
        let x = COLUMNS.get(column).map_or(0, |c| c.0);
        let _ = write!(
            heads,
            "<text class=\"head\" x=\"{x}\" y=\"16\">{head}</text>"
        );
    }
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"What reaches what\">{heads}{lines}{boxes}</svg>"
    )
}

/// What a credential opens, as a box is called.
fn target(finding: &Ranked) -> String {
    let fact = |name: &str| finding.facts.get(name).filter(|v| !v.is_empty());
    let provider = finding.kind.split('.').next().unwrap_or_default();
    match (&finding.audit, fact("host"), fact("database")) {
        (Some(audit), Some(host), _) => format!("{} at {host}", audit.database),
        (Some(audit), None, _) => audit.database.clone(),
        (None, Some(host), Some(database)) => format!("{database} at {host}"),
        (None, Some(host), None) => host.clone(),
        (None, None, _) => match provider {
            "token" | "password" | "service" | "key" => "unknown".to_owned(),
            other => other.to_owned(),
        },
    }
}

fn put(out: &mut String, column: usize, y: usize, text: &str, class: &str) {
    let (x, width) = COLUMNS.get(column).copied().unwrap_or_default();
    let most = width / 8 + 1;
    let shown: String = if text.chars().count() > most {
        let short: String = text.chars().take(most.saturating_sub(1)).collect();
        format!("{short}…")
    } else {
        text.to_owned()
    };
    let _ = write!(
        out,
        "<g class=\"{class}\"><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BOX}\" rx=\"5\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
        escape(text),
        x + 10,
        y + 22,
        escape(&shown)
    );
}

fn line(out: &mut String, from: (usize, usize), to: (usize, usize), class: &str) {
    let (x1, width) = COLUMNS.get(from.0).copied().unwrap_or_default();
    let x1 = x1 + width;
    let x2 = COLUMNS.get(to.0).map_or(0, |c| c.0);
    let (y1, y2) = (from.1 + BOX / 2, to.1 + BOX / 2);
    let middle = usize::midpoint(x1, x2);
    let _ = write!(
        out,
        "<path class=\"{class}\" d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}\"/>"
    );
}
