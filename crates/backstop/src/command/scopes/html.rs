//! The answer as one page that stands alone: nothing is loaded, nothing runs; print it, mail it.

use std::fmt::Write as _;

use backstop_scopes::report::{Probed, Ranked, Report};

use super::picture;
use super::text::place;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c1f23;--dim:#5d6670;--paper:#fff;--edge:#d5dae0;--crit:#b3261e;--high:#b75a00;--unk:#6a4fb3;--med:#8a6d00;--low:#5d6670}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--dim:#9aa3ad;--paper:#15181c;--edge:#343a42;--crit:#ff8a80;--high:#ffb26b;--unk:#b9a5ff;--med:#e3c65b;--low:#9aa3ad}}
@media print{:root{color-scheme:light}article{break-inside:avoid}}
*{box-sizing:border-box}body{margin:0 auto;max-width:62rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.15rem;margin:0 0 .4rem;color:var(--dim);font-weight:600}.verdict{font-size:1.45rem;line-height:1.3;font-weight:650;margin:.2rem 0 1.5rem;overflow-wrap:anywhere}
figure{margin:0 0 2rem;overflow-x:auto}svg{min-width:46rem;width:100%;height:auto;font:13px system-ui,sans-serif}svg rect{fill:var(--paper);stroke:var(--edge);stroke-width:1.5}svg text{fill:var(--ink)}svg .head{fill:var(--dim);font-weight:600}svg path{fill:none;stroke-width:1.6;opacity:.75}
.critical rect,path.critical{stroke:var(--crit)}.high rect,path.high{stroke:var(--high)}.unknown rect,path.unknown{stroke:var(--unk)}.medium rect,path.medium{stroke:var(--med)}.low rect,path.low{stroke:var(--low)}
article{border:1px solid var(--edge);border-left-width:5px;border-radius:6px;padding:.9rem 1.1rem;margin:0 0 1rem}article.critical{border-left-color:var(--crit)}article.high{border-left-color:var(--high)}article.unknown{border-left-color:var(--unk)}article.medium{border-left-color:var(--med)}
h2{font-size:1.05rem;margin:0 0 .3rem;overflow-wrap:anywhere}.tag{font-size:.8rem;text-transform:uppercase;letter-spacing:.04em;color:var(--dim);margin-right:.6rem}
p{margin:.3rem 0;overflow-wrap:anywhere}dl{display:grid;grid-template-columns:minmax(6rem,11rem) 1fr;gap:.15rem .8rem;margin:.6rem 0 0}dt{color:var(--dim);overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere}code,pre{font:13px/1.5 ui-monospace,monospace}pre{overflow-x:auto;background:color-mix(in srgb,var(--edge) 30%,transparent);padding:.6rem;border-radius:4px;margin:.4rem 0}
ul{margin:.3rem 0;padding-left:1.2rem}footer{color:var(--dim);font-size:.9rem;margin-top:2rem;overflow-wrap:anywhere}
@media(max-width:34rem){dl{grid-template-columns:1fr}dt{margin-top:.4rem}}
";

/// How every page begins: the question that it answers, and the answer in one line.
pub(super) fn head(question: &str, verdict: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta name=\"referrer\" content=\"no-referrer\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>{0}</title><style>{STYLE}</style></head><body><h1>{0}</h1><p class=\"verdict\">{1}</p>",
        escape(question),
        escape(verdict)
    )
}

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

/// Text as HTML; nothing of it is markup, and no control character is left.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::output::safe(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_of_a_name_is_markup() {
        assert_eq!(
            escape("<img src=x onerror='a&b'>\u{1b}\"\u{202e}"),
            "&lt;img src=x onerror=&#39;a&amp;b&#39;&gt;\\u{1b}&quot;\\u{202e}"
        );
    }
}
