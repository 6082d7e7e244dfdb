//! What to do, as files. Nothing of it is run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use backstop_scopes::report::{Ranked, Report};

use super::text::place;
use crate::failure::{Context, Outcome};

/// Writes `fix.sql`, `backstop.toml.add` and `revoke.md` into `folder`, those of them that have something to say; gives
/// their paths.
pub(super) fn write(folder: &Path, report: &Report) -> Outcome<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).doing(format!("cannot make `{}`", folder.display()))?;
    let open: Vec<&Ranked> = report
        .findings
        .iter()
        .filter(|f| f.accepted.is_none())
        .collect();
    let files = [
        ("fix.sql", sql(&open)),
        ("backstop.toml.add", config(&open)),
        ("revoke.md", revoke(&open)),
    ];
    let mut written = vec![];
    for (name, content) in files {
        if content.is_empty() {
            continue;
        }
        let path = folder.join(name);
        super::write(&path, &content)?;
        written.push(path);
    }
    Ok(written)
}

/// A comment line, whatever stands in it.
fn comment(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("-- {plain}\n")
}

fn sql(findings: &[&Ranked]) -> String {
    let mut out = String::new();
    for finding in findings {
        if finding.fix.sql.is_empty() && finding.fix.role.is_empty() {
            continue;
        }
        out.push_str(&comment(&finding.sentence));
        if !finding.fix.role.is_empty() {
            out.push_str(
                "-- A role in its place that can read what it can read, and nothing else:\n",
            );
            for statement in &finding.fix.role {
                let _ = writeln!(out, "{};", statement.trim_end_matches(';'));
            }
        }
        if !finding.fix.sql.is_empty() {
            out.push_str("-- Or close the roads of the role that there is. Read each: it takes rights away.\n");
            for statement in &finding.fix.sql {
                for line in statement.trim_end_matches(';').lines() {
                    let _ = writeln!(out, "-- {line};");
                }
            }
        }
        out.push('\n');
    }
    out
}

fn config(findings: &[&Ranked]) -> String {
    let mut out = String::new();
    for finding in findings {
        if let Some(lines) = &finding.fix.config {
            let _ = writeln!(out, "{lines}");
        }
        if let Some(lease) = &finding.fix.lease {
            let _ = writeln!(out, "# then, for an agent: {lease}\n");
        }
    }
    out
}

fn revoke(findings: &[&Ranked]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut out = String::from("# What to revoke, worst first\n");
    for finding in findings {
        let _ = writeln!(
            out,
            "\n## {} ({})\n\n{}\n",
            finding.name,
            finding.severity.word(),
            finding.sentence
        );
        for one in &finding.places {
            let _ = writeln!(out, "- at `{}`", place(one).replace('`', "'"));
        }
        let _ = writeln!(
            out,
            "- [ ] replace: {}\n- [ ] revoke: {}\n- narrow: {}",
            finding.fix.rotate, finding.fix.revoke, finding.fix.narrow
        );
    }
    out
}
