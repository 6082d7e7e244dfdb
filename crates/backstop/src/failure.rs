//! Errors as people read them: what failed, why, and what to do about it; and the exit codes.
//!
//! Must not carry a secret: everything in it is printed.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::json;

/// The exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// What was asked for failed.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// A verdict other than allow.
    Verdict = 3,
    /// The journal or the vault is not what was written.
    Integrity = 4,
}

/// What a command gives back.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// What failed.
    pub what: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// What was asked for failed.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            code: Code::Failed,
            what: String::new(),
            causes: vec![],
            hint: None,
        }
        .titled(what)
    }

    /// Usage or configuration is wrong.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(what).code(Code::Usage)
    }

    /// The journal is not what was written.
    pub fn integrity(what: impl Into<String>) -> Self {
        Self::new(what).code(Code::Integrity)
    }

    /// Nobody reads the output any more, as after `| head`: there is nothing left to say.
    pub fn unheard() -> Self {
        Self::new("")
    }

    /// Whether it is [`Self::unheard`].
    pub fn is_unheard(&self) -> bool {
        self.what.is_empty()
    }

    fn titled(mut self, what: impl Into<String>) -> Self {
        let (what, hint) = split_hint(&what.into());
        self.what = what;
        self.hint = hint;
        self
    }

    /// The same with another exit code.
    pub fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The same with a reason. A hint inside it becomes the failure's own.
    pub fn because(mut self, cause: impl Display) -> Self {
        let (cause, hint) = split_hint(&cause.to_string());
        self.causes.push(cause);
        self.hint = self.hint.or(hint);
        self
    }

    /// The same with what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For people, on standard error.
    pub fn text(&self, paint: crate::output::Paint) -> String {
        let mut out = format!("{} {}", paint.error("error:"), self.what);
        for cause in &self.causes {
            out.push_str(&format!("\n  {} {cause}", paint.dim("caused by:")));
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!("\n{} {hint}", paint.hint("hint:")));
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "error": self.what,
            "causes": self.causes,
            "hint": self.hint,
            "exit": self.code as u8,
        })
    }
}

/// The crates below end their messages with `hint: …`; here it is kept apart.
fn split_hint(text: &str) -> (String, Option<String>) {
    let Some(at) = text.find("hint: ") else {
        return (text.trim().to_owned(), None);
    };
    let (what, hint) = text.split_at_checked(at).unwrap_or((text, ""));
    let what = what.trim_end().trim_end_matches(';').trim_end();
    let hint = hint.trim_start_matches("hint: ").trim();
    (what.to_owned(), (!hint.is_empty()).then(|| hint.to_owned()))
}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// Turns the error into a failure to do `what`.
    fn doing(self, what: impl Into<String>) -> Outcome<T>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Outcome<T> {
        self.map_err(|e| Failure::new(what).because(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Paint;

    #[test]
    fn what_why_and_hint_are_told_apart() {
        let failure = Failure::new("cannot open the journal")
            .because("the directory is locked\nhint: stop the other one first");
        assert_eq!(
            failure.text(Paint::plain()),
            "error: cannot open the journal\n  caused by: the directory is locked\nhint: stop the other one first"
        );
        let failure = Failure::usage("there is no target `x`; hint: it has `y`");
        assert_eq!(failure.hint.as_deref(), Some("it has `y`"));
        assert_eq!(failure.json()["exit"], 2);
    }
}
