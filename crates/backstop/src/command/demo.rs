//! `backstop demo`: see [`crate::demo`].

use crate::cli::{Demo, LogFormat};
use crate::failure::Outcome;
use crate::output::Output;
use crate::{demo, telemetry};

/// Runs the demo.
///
/// # Errors
/// When something cannot be started, or anything did not hold.
pub fn run(args: &Demo, output: Output) -> Outcome {
    telemetry::begin(LogFormat::Text, &output, "error");
    demo::run(args, output)
}
