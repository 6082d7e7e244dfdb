//! Waiting for a person: says which hold, where its page is, and that the command waits.

use serde_json::{Value, json};

use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::failure::Outcome;
use crate::output::Output;
use crate::when;

/// Asks what a person must decide. `None` when the command was not to wait: the hold was printed then.
///
/// # Errors
/// When it was not granted.
pub fn ask(
    client: &mut Client,
    request: &Request,
    wait: bool,
    output: Output,
) -> Outcome<Option<Value>> {
    client.ask_held(request, |held| {
        let paint = output.paint_err;
        if held.enrolled == 0 {
            output.warn("nobody is enrolled, so nobody can decide it yet; `backstop serve` printed the link for the first person when it started");
        }
        if !wait {
            output.either(held, |_| held.hold.clone())?;
            output.say(&format!("{} decide at {}", paint.hint("hint:"), held.link));
            return Ok(false);
        }
        if output.json {
            output.err(&json!({ "held": held }).to_string());
            return Ok(true);
        }
        output.err(&format!(
            "{} waits for a person ({}, until {})\n  {} {}\n  {}",
            paint.warn(&held.hold),
            held.summary,
            when::stamp(held.decide_by_ms),
            paint.strong("decide at"),
            held.link,
            paint.dim(
                "waiting; Ctrl-C leaves it waiting there, and the same command picks it up later"
            ),
        ));
        Ok(true)
    })
}
