//! Long work, told as it goes: one line for each part of it, and one every few seconds meanwhile.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use backstop_vault::points::Progress;

use crate::output::Output;

/// How often a part that goes on is told of.
const EVERY: Duration = Duration::from_secs(5);

/// Tells people on standard error; programs hear nothing until the end.
pub(super) struct Told {
    output: Output,
    last: Mutex<Option<(String, Instant)>>,
}

impl Told {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            last: Mutex::new(None),
        }
    }
}

impl Progress for Told {
    fn at(&self, what: &str, done: u64, of: Option<u64>) {
        let Ok(mut last) = self.last.lock() else {
            return; // it is only talk
        };
        let is_new = last.as_ref().is_none_or(|(part, _)| part != what);
        let is_due = last.as_ref().is_some_and(|(_, at)| at.elapsed() > EVERY);
        if is_new {
            self.output.say(what);
        } else if is_due {
            let of = of.map_or(String::new(), |of| format!(" of {of}"));
            self.output.say(&format!("{what}: {done}{of}"));
        }
        if is_new || is_due {
            *last = Some((what.to_owned(), Instant::now()));
        }
    }
}
