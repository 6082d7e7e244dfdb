//! `backstop resume`: asks for a halt to be lifted. Only a passkey does.

use std::path::Path;

use super::{running, waiting};
use crate::cli::Resume;
use crate::control::protocol::Request;
use crate::failure::Outcome;
use crate::output::Output;

/// Asks, and waits for a person.
///
/// # Errors
/// When it is not halted, or a person says no.
pub fn run(path: &Path, args: Resume, output: Output) -> Outcome {
    let mut client = running(path, output)?;
    let what = args
        .lease
        .clone()
        .unwrap_or_else(|| "everything".to_owned());
    let wait = !args.no_wait;
    let request = Request::Resume {
        lease: args.lease,
        wait,
    };
    match waiting::ask(&mut client, &request, wait, output)? {
        Some(value) if !value.is_null() => {
            output.either(&value, |paint| format!("{} {what}", paint.good("resumed")))
        }
        _ => Ok(()),
    }
}
