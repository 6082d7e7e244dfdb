//! `backstop completions`.

use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::failure::Outcome;
use crate::output::Output;

/// Prints a shell's completions.
///
/// # Errors
/// When standard output is closed.
pub fn run(args: &Completions, output: Output) -> Outcome {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "backstop", &mut script);
    output.data(String::from_utf8_lossy(&script).trim_end())
}
