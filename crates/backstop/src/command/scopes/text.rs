//! The answer on a terminal. Whatever came from files is shown escaped.

use backstop_scopes::find::{Missed, Place};
use backstop_scopes::report::{Probed, Ranked, Report, Severity};

use crate::output::{Paint, columns, safe};

/// Findings told in full, unless all are asked for.
const IN_FULL: usize = 8;
/// Places listed of one finding.
const PLACES: usize = 4;

/// The whole of it.
pub(super) fn told(report: &Report, all: bool, paint: Paint) -> String {
    let mut out = vec![paint.strong(&safe(&report.verdict)), String::new()];
    if !report.findings.is_empty() {
        out.push(table(report));
        out.push(String::new());
    }
    let worth = report
        .findings
        .iter()
        .filter(|f| all || (f.accepted.is_none() && f.severity >= Severity::Unknown));
    let most = if all { usize::MAX } else { IN_FULL };
    let mut rest = 0;
    for (n, finding) in worth.enumerate() {
        if n < most {
            out.push(in_full(finding, paint));
        } else {
            rest += 1;
        }
    }
    if rest > 0 {
        out.push(format!(
            "… and {rest} more in full with --all, or in --html FILE\n"
        ));
    }
    out.push(paint.dim(&looked(report)));
    out.join("\n")
}

fn table(report: &Report) -> String {
    let mut rows = vec![
        ["SEVERITY", "CREDENTIAL", "WHERE", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(report.findings.iter().map(|f| {
        let more = match f.places.len() {
            0 | 1 => String::new(),
            n => format!("and {} more", n - 1),
        };
        let severity = match &f.accepted {
            Some(_) => "accepted".to_owned(),
            None => f.severity.word().to_owned(),
        };
        vec![
            severity,
            safe(&f.name),
            f.places
                .first()
                .map(|p| safe(&place(p)))
                .unwrap_or_default(),
            more,
        ]
    }));
    columns(&rows)
}

fn in_full(finding: &Ranked, paint: Paint) -> String {
    let severity = finding.severity.word().to_uppercase();
    let severity = match finding.severity {
        Severity::Critical | Severity::High => paint.error(&severity),
        Severity::Unknown | Severity::Medium => paint.warn(&severity),
        Severity::Low => paint.dim(&severity),
    };
    let mut out = vec![format!(
        "{severity}  {}",
        paint.strong(&safe(&finding.name))
    )];
    out.push(format!("  {}", safe(&finding.sentence)));
    out.push(format!("  {}", safe(&finding.backups_say)));
    if let Some(restored) = &finding.restored {
        out.push(format!("  {}", safe(&restored.say)));
    }
    if let Some(why) = &finding.accepted {
        out.push(format!("  accepted: {}", safe(why)));
    }
    for one in finding.places.iter().take(PLACES) {
        out.push(format!("  at       {}", safe(&place(one))));
    }
    if finding.places.len() > PLACES {
        out.push(format!(
            "           and {} more places",
            finding.places.len() - PLACES
        ));
    }
    if !finding.facts.is_empty() {
        let facts: Vec<String> = finding
            .facts
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        out.push(format!("  beside   {}", safe(&facts.join(", "))));
    }
    if let backstop_scopes::find::Confidence::Doubtful { why } = &finding.confidence {
        out.push(format!("  doubtful {}", safe(why)));
    }
    for one in &finding.evidence {
        out.push(format!("  road     {}", safe(one)));
    }
    match &finding.probed {
        Probed::Not => out.push(format!("  to tell  {}", safe(&finding.tell))),
        Probed::Answered => {}
        Probed::Failed { why } => {
            out.push(format!(
                "  unknown  it was asked and did not answer: {}",
                safe(why)
            ));
            out.push(format!("  to tell  {}", safe(&finding.tell)));
        }
    }
    if let Some(provider) = &finding.provider {
        for one in &provider.unknown {
            out.push(format!("  unknown  {}", safe(one)));
        }
        let asked = provider.asked.len();
        out.push(format!(
            "  asked    {asked} calls, all of which only read; --json lists them"
        ));
    }
    out.push(format!("  narrow   {}", safe(&finding.fix.narrow)));
    out.push(format!("  rotate   {}", safe(&finding.fix.rotate)));
    out.push(format!("  revoke   {}", safe(&finding.fix.revoke)));
    if let Some(lease) = &finding.fix.lease {
        out.push(format!("  instead  {}", safe(lease)));
    }
    if !finding.fix.sql.is_empty() || !finding.fix.role.is_empty() {
        out.push("  SQL      --fix DIR writes what closes these roads".to_owned());
    }
    out.push(String::new());
    out.join("\n")
}

/// Where, as one writes it to find it again.
pub(super) fn place(place: &Place) -> String {
    match place {
        Place::File {
            path, line, column, ..
        } => {
            let shown = path.to_string();
            format!(
                "{}:{line}:{column}",
                shown.strip_prefix("./").unwrap_or(&shown)
            )
        }
        Place::History {
            repository,
            commit,
            path,
            blob,
            line,
            ..
        } => {
            let at = match (commit, path) {
                (Some(commit), Some(path)) => format!("{}:{path}", short(commit)),
                (Some(commit), None) => short(commit).to_owned(),
                (None, _) => format!("blob {}", short(blob)),
            };
            format!("{repository} {at}:{line}")
        }
        Place::Environment {
            process,
            command,
            variable,
        } => format!("${variable} of process {process} ({command})"),
        Place::Socket { path } => format!("{path} (socket)"),
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn looked(report: &Report) -> String {
    let looked = &report.looked;
    let mut out = format!(
        "looked at {} files in {} directories ({} MiB of text), {} blobs of history, {} processes",
        looked.files,
        looked.directories,
        looked.bytes / (1024 * 1024),
        looked.blobs,
        looked.processes
    );
    let mut missed = |missed: &Missed, what: &str| {
        if missed.count > 0 {
            let first = missed.first.first().map(|n| safe(&n.to_string()));
            let such = first.map(|n| format!(", such as {n}")).unwrap_or_default();
            out.push_str(&format!("\n{}: {}{such}", what, missed.count));
        }
    };
    missed(&looked.unreadable, "could not be read");
    missed(&looked.missing, "not there");
    missed(&looked.given_up, "too slow to search, read in part");
    missed(
        &looked.histories_not_read,
        "histories not read, or not all of them",
    );
    if looked.closed_processes > 0 {
        out.push_str(&format!(
            "\nprocesses whose environment is closed: {}",
            looked.closed_processes
        ));
    }
    out
}
