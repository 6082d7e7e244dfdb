//! The page as HTML that stands alone: no script, nothing is loaded, and nothing of others is markup.

use std::fmt::Write as _;

use super::page::Page;
use super::say::{Part, Say, after};
use crate::page::{escape, head_below};
use crate::when;

/// The page.
pub(super) fn page(page: &Page) -> String {
    let summary: Vec<String> = page.summary.iter().map(Say::text).collect();
    let (title, verdict) = (page.title.text(), summary.join(" "));
    let mut alarm = String::new();
    for say in &page.alarms {
        let _ = write!(
            alarm,
            "<p class=\"alarm\" role=\"alert\">{}</p>",
            inline(say)
        );
    }
    let mut out = head_below(&alarm, &title, &verdict);
    out.push_str("<section><h2>Timeline</h2><ol class=\"time\">");
    for moment in &page.timeline {
        let _ = write!(
            out,
            "<li><b>{}</b><div>{}<br><small>{} · {} {}</small></div></li>",
            after(moment.after_ms),
            inline(&moment.what),
            when::exact(moment.at_ms),
            moment.log,
            moment.index
        );
    }
    out.push_str("</ol>");
    for say in &page.left_out {
        let _ = write!(out, "<p>{}</p>", inline(say));
    }
    out.push_str("</section><section><h2>What was tried</h2><ul>");
    for tried in &page.tried {
        let _ = write!(out, "<li>{}", inline(&tried.what));
        if let Some(lines) = &tried.text {
            let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
            let _ = write!(out, "<pre>{}</pre>", lines.join("\n"));
        }
        out.push_str("</li>");
    }
    out.push_str("</ul></section>");
    for (head, all) in [
        ("What stopped it", &page.stopped),
        ("What was lost", &page.lost),
        ("What to change", &page.change),
        ("Whether to believe this", &page.proof),
    ] {
        let _ = write!(out, "<section><h2>{head}</h2><ul>");
        for say in all {
            let _ = write!(out, "<li>{}</li>", inline(say));
        }
        out.push_str("</ul></section>");
    }
    let _ = writeln!(out, "<footer>{}</footer></body></html>", inline(&page.foot));
    out
}

fn inline(say: &Say) -> String {
    let mut out = String::new();
    for part in say.parts() {
        match part {
            Part::Ours(text) => out.push_str(&escape(text)),
            Part::Theirs(text) => {
                let _ = write!(out, "<code>{}</code>", escape(text));
            }
        }
    }
    out
}
