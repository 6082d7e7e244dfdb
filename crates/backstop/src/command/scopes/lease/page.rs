//! The lease view as one page that stands alone.

use std::fmt::Write as _;

use backstop_scopes::lease::LeaseReport;
use backstop_scopes::proofs::{Proof, Standing};

use super::shown::{counted, facts, outside, roads, table};
use crate::page::{escape, head};

/// The page.
pub(super) fn page(report: &LeaseReport) -> String {
    let mut out = head("What does this lease hold?", &report.verdict);
    let _ = write!(
        out,
        "<article class=\"{}\"><h2>The lease</h2><dl>",
        report.worst.word()
    );
    for row in facts(report) {
        if let [name, text] = row.as_slice() {
            let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(text));
        }
    }
    out.push_str("</dl></article><article><h2>What the policies say</h2><pre>");
    let _ = write!(
        out,
        "{}</pre></article>",
        lines(&crate::output::columns(&table(&report.answers)))
    );
    for (head, roads) in roads(report) {
        if roads.is_empty() {
            continue;
        }
        let _ = write!(out, "<article><h2>{}</h2><ul>", escape(head));
        for road in roads {
            let _ = write!(out, "<li>{}</li>", escape(road));
        }
        out.push_str("</ul></article>");
    }
    for (head, proofs) in [
        ("Proved of this lease", &report.lease_proofs),
        ("Proved of the policies, whoever asks", &report.proofs),
    ] {
        let _ = write!(
            out,
            "<article><h2>{}: {}</h2><dl>",
            escape(head),
            escape(&counted(proofs))
        );
        for proof in &proofs.proofs {
            term(&mut out, proof);
        }
        out.push_str("</dl></article>");
    }
    let _ = writeln!(
        out,
        "<footer>{} Made by backstop {}.</footer></body></html>",
        escape(&outside(report)),
        env!("CARGO_PKG_VERSION")
    );
    out
}

/// Lines of a table; whatever else is in them is escaped.
fn lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

fn term(out: &mut String, proof: &Proof) {
    let (word, more) = match &proof.standing {
        Standing::Proved => ("proved", String::new()),
        Standing::Refuted { case } => (
            "not so",
            format!(
                " The policies say {} by {} to: {}.",
                case.verdict.decision, case.verdict.rule, case.told
            ),
        ),
        Standing::Unknown { why } => ("unknown", format!(" ({why})")),
    };
    let _ = write!(
        out,
        "<dt>{word}</dt><dd>{}{}</dd>",
        escape(&proof.sentence),
        escape(&more)
    );
}
