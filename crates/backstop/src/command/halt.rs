//! `backstop halt`: the red button. Needs no passkey: it takes power away.

use std::path::Path;

use serde_json::Value;

use super::running;
use crate::cli::Halt;
use crate::control::protocol::Request;
use crate::failure::Outcome;
use crate::output::Output;

/// Halts one lease, or everything.
///
/// # Errors
/// When nothing serves, or there is no such lease.
pub fn run(path: &Path, args: Halt, output: Output) -> Outcome {
    let mut client = running(path, output)?;
    let what = args
        .lease
        .clone()
        .unwrap_or_else(|| "everything".to_owned());
    let again = args.lease.clone().unwrap_or_else(|| "--all".to_owned());
    let value: Value = client.ask(&Request::Halt {
        lease: args.lease,
        why: args.why,
    })?;
    output.say(&format!(
        "{} `backstop resume {again}` asks for it to go on, which takes a passkey",
        output.paint_err.hint("hint:")
    ));
    output.either(&value, |paint| format!("{} {what}", paint.error("halted")))
}
