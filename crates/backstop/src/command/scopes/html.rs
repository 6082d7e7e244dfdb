//! The answer as one page that stands alone: nothing is loaded, nothing runs; print it, mail it.

use std::fmt::Write as _;

use backstop_scopes::report::{Probed, Ranked, Report};

use super::picture;
use super::text::place;
use crate::page::{escape, head};

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut out = head("What could an agent destroy today?", &report.verdict);
    if !report.findings.is_empty() {
        let _ = write!(out, "<figure>{}</figure>", picture::svg(report));
    }
    for finding in &report.findings {
        article(&mut out, finding);
    }
    let looked = &report.looked;
    let _ = writeln!(
        out,
        "<footer>Looked at {} files in {} directories, {} blobs of history, {} processes; {} could not be read. Secrets are in no report: only salted fingerprints. Made by backstop {}.</footer></body></html>",
        looked.files,
        looked.directories,
        looked.blobs,
        looked.processes,
        looked.unreadable.count,
        env!("CARGO_PKG_VERSION")
    );
    out
}

fn article(out: &mut String, finding: &Ranked) {
    let class = match finding.accepted {
        Some(_) => "low",
        None => finding.severity.word(),
    };
    let tag = match &finding.accepted {
        Some(_) => "accepted",
        None => finding.severity.word(),
    };
    let _ = write!(
        out,
        "<article class=\"{class}\"><h2><span class=\"tag\">{tag}</span>{}</h2><p>{}</p><p>{}</p>",
        escape(&finding.name),
        escape(&finding.sentence),
        escape(&finding.backups_say)
    );
    if let Some(restored) = &finding.restored {
        let _ = write!(out, "<p>{}</p>", escape(&restored.say));
    }
    if !finding.evidence.is_empty() {
        out.push_str("<ul>");
        for one in &finding.evidence {
            let _ = write!(out, "<li>{}</li>", escape(one));
        }
        out.push_str("</ul>");
    }
    out.push_str("<dl>");
    let mut term = |name: &str, text: &str| {
        let _ = write!(out, "<dt>{name}</dt><dd>{}</dd>", escape(text));
    };
    if let Some(why) = &finding.accepted {
        term("accepted", why);
    }
    for one in &finding.places {
        term("at", &place(one));
    }
    for (name, value) in &finding.facts {
        term(&escape(name), value);
    }
    match &finding.probed {
        Probed::Answered => {}
        Probed::Not => term("to tell", &finding.tell),
        Probed::Failed { why } => {
            term(
                "unknown",
                &format!("it was asked and did not answer: {why}"),
            );
            term("to tell", &finding.tell);
        }
    }
    if let Some(provider) = &finding.provider {
        for one in &provider.unknown {
            term("unknown", one);
        }
        for one in &provider.asked {
            term("asked", one);
        }
    }
    term("narrow", &finding.fix.narrow);
    term("rotate", &finding.fix.rotate);
    term("revoke", &finding.fix.revoke);
    if let Some(lease) = &finding.fix.lease {
        term("instead", lease);
    }
    for source in &finding.sources {
        match &finding.looked_up {
            Some(day) => term("source", &format!("{source} (looked up {day})")),
            None => term("see", source),
        }
    }
    out.push_str("</dl>");
    if !finding.fix.role.is_empty() {
        let _ = write!(
            out,
            "<pre>{}</pre>",
            escape(&format!("{};", finding.fix.role.join(";\n")))
        );
    }
    out.push_str("</article>");
}
