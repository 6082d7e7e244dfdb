//! The lease view on a terminal.

use backstop_core::verdict::Decision;
use backstop_scopes::lease::{Answer, LeaseReport};
use backstop_scopes::proofs::{Proof, Proofs, Standing};
use backstop_scopes::report::Severity;

use crate::output::{Paint, columns, safe};
use crate::when;

/// Roads listed of a sort, unless all are asked for.
const ROADS: usize = 8;

/// The whole of it.
pub(super) fn told(report: &LeaseReport, all: bool, paint: Paint) -> String {
    let verdict = safe(&report.verdict);
    let mut out = vec![
        match report.worst {
            Severity::Critical | Severity::High => paint.error(&verdict),
            Severity::Unknown | Severity::Medium => paint.warn(&verdict),
            Severity::Low => paint.strong(&verdict),
        },
        String::new(),
        columns(&facts(report)),
        String::new(),
        columns(&table(&report.answers)),
    ];
    let most = if all { usize::MAX } else { ROADS };
    for (head, roads) in roads(report) {
        if roads.is_empty() {
            continue;
        }
        out.push(format!("\n{}", paint.strong(head)));
        out.extend(roads.iter().take(most).map(|r| format!("  {}", safe(r))));
        if roads.len() > most {
            out.push(format!("  … and {} more with --all", roads.len() - most));
        }
    }
    for (head, proofs) in [
        ("this lease", &report.lease_proofs),
        ("the policies, whoever asks", &report.proofs),
    ] {
        out.push(format!(
            "\n{}",
            paint.strong(&format!("{head}: {}", counted(proofs)))
        ));
        for proof in &proofs.proofs {
            out.push(line(proof, paint));
        }
    }
    out.push(format!("\n{}", paint.dim(&outside(report))));
    out.join("\n")
}

/// What is outside of the proofs, in words.
pub(super) fn outside(report: &LeaseReport) -> String {
    let by = match &report.proofs.solver {
        Some(solver) => format!("Proved with Cedar's symbolic compiler and {solver}"),
        None => "Nothing was proved".to_owned(),
    };
    format!(
        "{by}, about policies {}. What is proved is what the policies say to an effect; that the gate finds effects and facts rightly, and that an approved action is copied first, is tested and not proved.",
        report.proofs.policies.get(..12).unwrap_or_default()
    )
}

/// How many of them are proved.
pub(super) fn counted(proofs: &Proofs) -> String {
    let of = |wanted: fn(&Standing) -> bool| {
        proofs.proofs.iter().filter(|p| wanted(&p.standing)).count()
    };
    let mut out = format!("{} proved", of(Standing::is_proved));
    for (n, word) in [
        (of(|s| matches!(s, Standing::Refuted { .. })), "not so"),
        (of(|s| matches!(s, Standing::Unknown { .. })), "unknown"),
    ] {
        if n > 0 {
            out.push_str(&format!(", {n} {word}"));
        }
    }
    out
}

fn line(proof: &Proof, paint: Paint) -> String {
    let sentence = safe(&proof.sentence);
    match &proof.standing {
        Standing::Proved => format!("  {}   {sentence}", paint.good("proved")),
        Standing::Refuted { case } => format!(
            "  {}   {sentence}\n           `{}` by `{}` {}",
            paint.error("not so"),
            case.verdict.decision,
            safe(&case.verdict.rule),
            safe(&case.told)
        ),
        Standing::Unknown { why } => {
            format!("  {}  {sentence} ({})", paint.warn("unknown"), safe(why))
        }
    }
}

/// What is known of the lease, by name.
pub(super) fn facts(report: &LeaseReport) -> Vec<Vec<String>> {
    let held = &report.held;
    let lease = &held.lease;
    let mut rows = vec![];
    let mut row = |name: &str, text: String| rows.push(vec![name.to_owned(), safe(&text)]);
    let why = held.why.as_ref().map(|w| format!(": {w}"));
    row(
        "lease",
        format!("{} ({}{})", lease.id, held.state, why.unwrap_or_default()),
    );
    row("task", lease.spec.task.clone());
    row(
        "target",
        format!("{} ({})", lease.spec.target, lease.spec.environment),
    );
    row("scopes", lease.spec.may_do().join("  "));
    row("person", lease.person.clone());
    row(
        "until",
        format!(
            "{} ({})",
            when::stamp(lease.expires_ms),
            when::from_now(lease.expires_ms, when::now_ms())
        ),
    );
    if let Some(parent) = &lease.spec.parent {
        row("narrowed", format!("from {parent}"));
    }
    for child in &held.children {
        row(
            "child",
            format!(
                "{} ({}): {}",
                child.lease,
                child.state,
                child.scopes.join("  ")
            ),
        );
    }
    match &held.budget {
        None => row("budget", "none: nothing that it writes is measured".into()),
        Some(b) => {
            row(
                "at once",
                format!(
                    "{} rows of a table, under {}.{:02} % of it beyond {} rows",
                    b.rows,
                    b.share / 100,
                    b.share % 100,
                    b.few
                ),
            );
            let window = crate::duration::Span(std::time::Duration::from_millis(
                b.window_ms.max(0).unsigned_abs(),
            ));
            row(
                "left",
                format!(
                    "{} of {} rows within {window}; for all leases at the target {} of {}",
                    b.lease_left, b.lease_rows, b.target_left, b.target_rows
                ),
            );
        }
    }
    row("recover", held.recoverable.clone());
    if let Some(age) = held.drilled_age_s {
        let age = crate::duration::Span(std::time::Duration::from_secs(age));
        row("drilled", format!("a recovery point, {age} ago"));
    }
    if let Some(stopped) = &held.stopped {
        row("stopped", stopped.clone());
    }
    rows
}

/// The answers as a table: what on what, by verdict.
pub(super) fn table(answers: &[Answer]) -> Vec<Vec<String>> {
    let mut rows = vec![
        ["ON", "ALLOWED", "MEASURED", "HELD", "DENIED"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut things: Vec<&str> = vec![];
    for answer in answers {
        if !things.contains(&answer.on.as_str()) {
            things.push(&answer.on);
        }
    }
    for thing in things {
        let of = |wanted: fn(Decision) -> bool| {
            let acts = answers
                .iter()
                .filter(|a| a.on == thing && wanted(a.verdict.decision));
            let told = acts.map(|a| match a.verdict.people {
                0 | 1 => a.act.clone(),
                n => format!("{} ({n} people)", a.act),
            });
            told.collect::<Vec<_>>()
        };
        let cells = [
            of(|d| d == Decision::Allow),
            of(|d| d == Decision::Measure),
            of(|d| d == Decision::Hold),
            of(|d| d >= Decision::Deny),
        ];
        let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
        for n in 0..height {
            let mut row = vec![if n == 0 { safe(thing) } else { String::new() }];
            row.extend(
                cells
                    .iter()
                    .map(|c| c.get(n).map(|a| safe(a)).unwrap_or_default()),
            );
            rows.push(row);
        }
    }
    rows
}

/// The role's roads, by sort.
pub(super) fn roads(report: &LeaseReport) -> [(&'static str, &[String]); 5] {
    let role = &report.role;
    [
        (
            "its role, beyond the scopes: only the gate's judgement stands before this",
            &role.beyond,
        ),
        ("its role reaches backups", &role.backups),
        ("its role, as the scopes say", &role.in_scope),
        (
            "what goes with a write in scope, and is measured with it",
            &role.with_it,
        ),
        ("its role, besides: nothing is lost by it", &role.besides),
    ]
}
