//! What a person or a program sees: data on standard output, all the rest on standard error.
//!
//! The one place that writes to either, and that knows about colour.

use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use crate::cli::{Color, Common};
use crate::failure::{Context, Failure, Outcome};

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// No colours.
    pub const fn plain() -> Self {
        Self { on: false }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Something failed or was refused.
    pub fn error(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// What to do next.
    pub fn hint(self, text: &str) -> String {
        self.wrap("1;36", text)
    }

    /// It is as it should be.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// It needs a look.
    pub fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// A heading.
    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Beside the point.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
}

/// How to say things.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Whether programs read it.
    pub json: bool,
    /// Whether only what was asked for, and errors, are wanted.
    pub quiet: bool,
    /// Colours on standard output.
    pub paint: Paint,
    /// Colours on standard error.
    pub paint_err: Paint,
}

impl Output {
    /// As the command line says.
    pub fn of(common: &Common) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let on = |terminal: bool| match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        Self {
            json: common.json,
            quiet: common.quiet,
            paint: Paint {
                on: on(std::io::stdout().is_terminal()),
            },
            paint_err: Paint {
                on: on(std::io::stderr().is_terminal()),
            },
        }
    }

    /// What was asked for.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn data(&self, text: &str) -> Outcome {
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Err(Failure::unheard()),
            written => written.doing("cannot write to standard output"),
        }
    }

    /// What was asked for, as JSON on one line.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn value<T: Serialize>(&self, value: &T) -> Outcome {
        let text = serde_json::to_string(value).doing("cannot write JSON")?;
        self.data(&text)
    }

    /// What was asked for, as JSON or as text.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn either<T: Serialize>(&self, value: &T, text: impl FnOnce(Paint) -> String) -> Outcome {
        if self.json {
            self.value(value)
        } else {
            self.data(&text(self.paint))
        }
    }

    /// A word beside the data, for people. A program reads JSON on standard error, too, and nothing else.
    pub fn say(&self, text: &str) {
        if !self.quiet && !self.json {
            self.err(text);
        }
    }

    /// A warning.
    pub fn warn(&self, text: &str) {
        if self.json {
            self.err(&json!({ "warning": text }).to_string());
            return;
        }
        self.err(&format!("{} {text}", self.paint_err.warn("warning:")));
    }

    /// Why something failed.
    pub fn failed(&self, failure: &Failure) {
        if self.json {
            self.err(&failure.json().to_string());
        } else {
            self.err(&failure.text(self.paint_err));
        }
    }

    /// Writes to standard error; nobody is left to tell if that fails.
    pub fn err(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

/// Text in columns, the last of which may be long.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|r| r.get(i));
        cells.map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Text of others made safe for a terminal: control and bidirectional characters are shown escaped.
pub fn safe(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let shown: Box<dyn Iterator<Item = char>> = if c.is_control() || bidi {
                Box::new(c.escape_default())
            } else {
                Box::new(std::iter::once(c))
            };
            shown
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![
            vec!["a".to_owned(), "bb".to_owned()],
            vec!["ccc".to_owned(), "d".to_owned()],
        ];
        assert_eq!(columns(&rows), "a    bb\nccc  d");
    }

    #[test]
    fn a_terminal_is_not_driven_by_others() {
        assert_eq!(safe("a\x1b[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\n");
        assert_eq!(safe("täglich 日本"), "täglich 日本");
    }
}
