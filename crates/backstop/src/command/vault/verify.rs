//! `backstop vault verify`: hashes everything and names what is wrong.

use backstop_vault::verify::{Finding, Report, verify};

use super::failed;
use crate::cli::VaultVerify;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, safe};

/// Verifies.
///
/// # Errors
/// Exit code 4 when something is not as it was stored; 1 when the directory cannot be read.
pub fn run(args: &VaultVerify, output: Output) -> Outcome {
    let dir = &args.place.dir;
    let report = verify(dir).map_err(failed(format!(
        "cannot verify the vault `{}`",
        dir.display()
    )))?;
    output.either(&report, |paint| text(&report, paint))?;
    if report.is_sound() {
        return Ok(());
    }
    let count = report.findings.len() as u64 + report.more_findings;
    Err(Failure::integrity(format!(
        "the vault is not as it was stored: {count} findings"
    ))
    .hint("leave it as it is, copy it, and restore what is damaged from a second vault if there is one"))
}

fn text(report: &Report, paint: Paint) -> String {
    let mut lines: Vec<String> = report
        .findings
        .iter()
        .map(|one| finding(one, paint))
        .collect();
    if report.more_findings > 0 {
        lines.push(format!("and {} more", report.more_findings));
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    let word = if report.is_sound() {
        paint.good("sound")
    } else {
        paint.error("damaged")
    };
    let live = if report.live {
        ", while it is served"
    } else {
        ""
    };
    lines.push(format!(
        "{word}: {} objects, {} bytes and {} files read, up to record {}{live}",
        report.objects, report.bytes, report.files, report.sequence
    ));
    lines.join("\n")
}

pub(super) fn finding(one: &Finding, paint: Paint) -> String {
    let place = one.bytes.map_or(String::new(), |(from, to)| {
        format!(", bytes {from} to {to}")
    });
    format!(
        "{} `{}`{place}: {}",
        paint.error("damage:"),
        safe(&one.file),
        safe(&one.what)
    )
}
