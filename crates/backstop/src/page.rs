//! What every HTML page that a command writes has in common: it stands alone, nothing is loaded, nothing runs.
//!
//! Must not know what a page is about.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::failure::{Context, Outcome};

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
.alarm{border:3px solid var(--crit);border-radius:6px;padding:.6rem 1rem;margin:0 0 1.2rem;color:var(--crit);font-weight:650}
section{margin:0 0 1.6rem}section>h2{font-size:1.15rem;border-bottom:1px solid var(--edge);padding-bottom:.2rem}ol.time{list-style:none;padding:0;margin:.4rem 0}ol.time li{display:grid;grid-template-columns:6.5rem 1fr;gap:.8rem;padding:.35rem 0;border-bottom:1px solid var(--edge);break-inside:avoid}ol.time li>div{overflow-wrap:anywhere;min-width:0}ol.time b{text-align:right;font-variant-numeric:tabular-nums}small{color:var(--dim)}
@media(max-width:34rem){dl{grid-template-columns:1fr}dt{margin-top:.4rem}}
";

/// How every page begins: the question that it answers, and the answer in one line.
pub(crate) fn head(question: &str, verdict: &str) -> String {
    head_below("", question, verdict)
}

/// The same below `alarm`, which is HTML already.
pub(crate) fn head_below(alarm: &str, question: &str, verdict: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta name=\"referrer\" content=\"no-referrer\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>{0}</title><style>{STYLE}</style></head><body>{alarm}<h1>{0}</h1><p class=\"verdict\">{1}</p>",
        escape(question),
        escape(verdict)
    )
}

/// Text as HTML; nothing of it is markup, and no control character is left.
pub(crate) fn escape(text: &str) -> String {
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

/// Writes a file of one's own: it names what others need not read.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, content: &str) -> Outcome {
    let doing = || format!("cannot write `{}`", path.display());
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .doing(doing())?;
    file.write_all(content.as_bytes()).doing(doing())
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
