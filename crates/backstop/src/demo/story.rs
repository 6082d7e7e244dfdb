//! How the demo is told: a story on a terminal, plain lines elsewhere, events for programs.
//!
//! A beat that does not hold is told as loudly as one that does, and the demo fails for it.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::{Output, safe};

/// Lines of a client's output that are worth showing.
const MOST_LINES: usize = 6;
/// Columns of a line that are worth showing.
const WIDTH: usize = 150;

/// The teller.
pub(super) struct Story {
    output: Output,
    broken: RefCell<Vec<String>>,
    held: RefCell<u32>,
}

impl Story {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            broken: RefCell::default(),
            held: RefCell::default(),
        }
    }

    fn tell(&self, text: &str) {
        if !self.output.json {
            // Nobody is left to tell if standard output is closed.
            let _ = self.output.data(text);
        }
    }

    fn event(&self, value: &serde_json::Value) {
        if self.output.json {
            let _ = self.output.value(value);
        }
    }

    /// The first line of all.
    pub(super) fn title(&self, text: &str) {
        self.tell(&format!("{}\n", self.output.paint.strong(text)));
        self.event(&json!({ "event": "title", "text": text }));
    }

    /// An act begins.
    pub(super) fn act(&self, text: &str) {
        self.tell(&format!(
            "\n{}\n",
            self.output.paint.strong(&format!("── {text} ──"))
        ));
        self.event(&json!({ "event": "act", "text": text }));
    }

    /// Something is set up.
    pub(super) fn scene(&self, text: &str) {
        self.tell(&format!("{} {text}", self.output.paint.dim("·")));
        self.event(&json!({ "event": "scene", "text": text }));
    }

    /// A plain fact.
    pub(super) fn fact(&self, text: &str) {
        self.tell(&format!("  {text}"));
        self.event(&json!({ "event": "fact", "text": text }));
    }

    /// The agent says something to a server.
    pub(super) fn agent(&self, sql: &str) {
        self.tell(&format!(
            "\n{} {}",
            self.output.paint.hint("agent ›"),
            safe(sql)
        ));
        self.event(&json!({ "event": "agent", "sql": sql }));
    }

    /// What the agent's client shows.
    pub(super) fn answer(&self, text: &str) {
        // What is for programs (`DETAIL:  {"backstop":…}`) is in the events.
        let for_people = |l: &&str| !l.trim().is_empty() && !l.starts_with("DETAIL:  {");
        for line in text.lines().filter(for_people).take(MOST_LINES) {
            let shown: String = safe(line).chars().take(WIDTH).collect();
            self.tell(&format!(
                "  {}",
                self.output.paint.dim(&format!("│ {shown}"))
            ));
        }
        self.event(&json!({ "event": "answer", "text": text }));
    }

    /// The person does something.
    pub(super) fn person(&self, text: &str) {
        self.tell(&format!("{} {text}", self.output.paint.warn("person ›")));
        self.event(&json!({ "event": "person", "text": text }));
    }

    /// Something that had to hold, and whether it did.
    pub(super) fn beat(&self, held: bool, text: &str) {
        let mark = if held {
            self.output.paint.good("✓")
        } else {
            self.output.paint.error("✗ DID NOT HOLD:")
        };
        self.tell(&format!("  {mark} {text}"));
        self.event(&json!({ "event": "beat", "held": held, "text": text }));
        if held {
            *self.held.borrow_mut() += 1;
        } else {
            self.broken.borrow_mut().push(text.to_owned());
        }
    }

    /// Something went wrong in the control, as it had to.
    pub(super) fn loss(&self, text: &str) {
        self.tell(&format!("  {} {text}", self.output.paint.error("✗")));
        self.event(&json!({ "event": "loss", "text": text }));
    }

    /// The last line of all.
    pub(super) fn end(&self, took: Duration) -> Outcome {
        let (held, broken) = (*self.held.borrow(), self.broken.borrow());
        self.event(&json!({ "event": "end", "held": held, "broken": broken.len(), "seconds": took.as_secs() }));
        if broken.is_empty() {
            self.tell(&format!(
                "\n{} {held} of {held} held, in {} seconds",
                self.output.paint.good("done:"),
                took.as_secs()
            ));
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} of {} did not hold",
            broken.len(),
            held + u32::try_from(broken.len()).unwrap_or(0)
        ))
        .because(broken.join("; ")))
    }
}

/// 212416 as `212,416`.
pub(super) fn number(n: u64) -> String {
    let digits: Vec<char> = n.to_string().chars().rev().collect();
    let groups: Vec<String> = digits.chunks(3).map(|c| c.iter().collect()).collect();
    groups.join(",").chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            (number(7), number(1_000), number(212_416)),
            ("7".into(), "1,000".into(), "212,416".into())
        );
    }
}
