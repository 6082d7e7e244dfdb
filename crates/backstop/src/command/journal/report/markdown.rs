//! The page as Markdown. What came from others stands in code, inline or fenced: nothing in it is a link, a tag, a list
//! or a heading.

use super::page::{Page, Tried};
use super::say::{Part, Say, after};
use crate::output::Paint;
use crate::when;

/// The page.
pub(super) fn page(page: &Page, paint: Paint) -> String {
    let mut out = String::new();
    for alarm in &page.alarms {
        out.push_str(&format!(
            "{}\n\n",
            paint.error(&format!("**{}**", inline(alarm)))
        ));
    }
    out.push_str(&format!("# {}\n", inline(&page.title)));
    let summary: Vec<String> = page.summary.iter().map(inline).collect();
    out.push_str(&format!("\n{}\n", summary.join(" ")));
    out.push_str("\n## Timeline\n\n");
    for moment in &page.timeline {
        out.push_str(&format!(
            "- **{}** ({}) {} ({} {})\n",
            after(moment.after_ms),
            when::exact(moment.at_ms),
            inline(&moment.what),
            moment.log,
            moment.index
        ));
    }
    for say in &page.left_out {
        out.push_str(&format!("\n{}\n", inline(say)));
    }
    out.push_str("\n## What was tried\n\n");
    for tried in &page.tried {
        out.push_str(&attempt(tried));
    }
    for (head, all) in [
        ("What stopped it", &page.stopped),
        ("What was lost", &page.lost),
        ("What to change", &page.change),
        ("Whether to believe this", &page.proof),
    ] {
        out.push_str(&format!("\n## {head}\n\n"));
        for say in all {
            out.push_str(&format!("- {}\n", inline(say)));
        }
    }
    out.push_str(&format!("\n---\n\n{}", inline(&page.foot)));
    out
}

fn attempt(tried: &Tried) -> String {
    let mut out = format!("- {}\n", inline(&tried.what));
    if let Some(lines) = &tried.text {
        let longest = lines.iter().map(|line| run(line)).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        // Within the list: every line is set in, so that none can begin anything of its own.
        out.push_str(&format!("\n  {fence}text\n"));
        for line in lines {
            out.push_str(&format!("  {line}\n"));
        }
        out.push_str(&format!("  {fence}\n\n"));
    }
    out
}

fn inline(say: &Say) -> String {
    say.parts()
        .iter()
        .map(|part| match part {
            Part::Ours(text) => text.clone(),
            Part::Theirs(text) => code(text),
        })
        .collect()
}

/// A code span that holds `text` and nothing else. A pipe would still split the cell of a table: there are none here.
fn code(text: &str) -> String {
    let ticks = "`".repeat(run(text) + 1);
    let room = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{ticks}{room}{text}{room}{ticks}")
}

/// The longest run of backticks.
fn run(text: &str) -> usize {
    let mut longest = 0;
    let mut now = 0;
    for c in text.chars() {
        now = if c == '`' { now + 1 } else { 0 };
        longest = longest.max(now);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_ends_its_code() {
        assert_eq!(code("drop table x"), "`drop table x`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``<b>`"), "``` ``<b>` ```");
        let tried = Tried {
            what: Say::new("sent"),
            text: Some(vec!["```".to_owned(), "# a heading".to_owned()]),
        };
        assert_eq!(
            attempt(&tried),
            "- sent\n\n  ````text\n  ```\n  # a heading\n  ````\n\n"
        );
    }
}
