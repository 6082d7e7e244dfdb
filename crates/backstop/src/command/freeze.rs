//! `backstop freeze`: only reads pass, everywhere, until a passkey lifts it.

use std::path::Path;

use serde_json::Value;

use super::{running, waiting};
use crate::cli::Freeze;
use crate::control::protocol::Request;
use crate::failure::Outcome;
use crate::output::Output;

/// Freezes, or asks for the freeze to be lifted.
///
/// # Errors
/// When nothing serves, or a person says no.
pub fn run(path: &Path, args: Freeze, output: Output) -> Outcome {
    let mut client = running(path, output)?;
    if !args.lift {
        let value: Value = client.ask(&Request::Freeze { why: args.why })?;
        output.say(&format!(
            "{} `backstop freeze --lift` asks for it to be lifted, which takes a passkey",
            output.paint_err.hint("hint:")
        ));
        return output.either(&value, |paint| paint.warn("frozen: only reads pass"));
    }
    let wait = !args.no_wait;
    match waiting::ask(&mut client, &Request::Unfreeze { wait }, wait, output)? {
        Some(value) if !value.is_null() => {
            output.either(&value, |paint| paint.good("the freeze is lifted"))
        }
        _ => Ok(()),
    }
}
