//! `backstop doctor`: checks the set-up by trying it. Changes nothing.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::cli::Doctor;
use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, safe};

mod adopted;
mod apis;
mod machine;
mod targets;

pub(in crate::command) use targets::way;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Good,
    Warning,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    what: String,
    hint: Option<String>,
}

impl Finding {
    fn good(what: impl fmt::Display) -> Self {
        Self {
            level: Level::Good,
            what: what.to_string(),
            hint: None,
        }
    }

    fn warning(what: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self {
            level: Level::Warning,
            what: what.to_string(),
            hint: Some(hint.to_string()),
        }
    }

    fn bad(what: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self {
            level: Level::Bad,
            what: what.to_string(),
            hint: Some(hint.to_string()),
        }
    }

    /// A failure of ours as a finding.
    fn failed(failure: &Failure) -> Self {
        let what = std::iter::once(failure.what.clone())
            .chain(failure.causes.iter().cloned())
            .collect::<Vec<_>>()
            .join(": ");
        Self {
            level: Level::Bad,
            what,
            hint: failure.hint.clone(),
        }
    }

    fn shown(&self, paint: Paint) -> String {
        let mark = match self.level {
            Level::Good => paint.good("ok     "),
            Level::Warning => paint.warn("warning"),
            Level::Bad => paint.error("bad    "),
        };
        let hint = self.hint.as_deref().map_or_else(String::new, |h| {
            format!("\n        {} {}", paint.hint("hint:"), safe(h))
        });
        format!("{mark} {}{hint}", safe(&self.what))
    }
}

/// Checks everything.
///
/// # Errors
/// When something is bad.
pub fn run(path: &Path, args: &Doctor, output: Output) -> Outcome {
    if args.try_login {
        return adopted::try_login(output);
    }
    let config = Config::load(path)?;
    let mut findings = machine::look(&config);
    if !args.offline {
        let runtime = crate::command::runtime(1)?;
        findings.extend(runtime.block_on(targets::look(&config)));
        findings.extend(runtime.block_on(apis::look(&config)));
    }
    findings.extend(adopted::look(&config, args));
    for finding in &findings {
        if output.json {
            output.value(finding)?;
        } else {
            output.data(&finding.shown(output.paint))?;
        }
    }
    let bad = findings.iter().filter(|f| f.level == Level::Bad).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{bad} of {} checks are bad",
        findings.len()
    )))
}
