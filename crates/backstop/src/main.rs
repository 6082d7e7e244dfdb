//! The `backstop` binary: reads the command line, runs one verb, and turns what came of it into words and an
//! exit code. All that each verb does stands in `command/<verb>.rs`.

mod cli;
mod command;
mod config;
mod control;
mod demo;
mod duration;
mod entries;
mod failure;
mod home;
mod judging;
mod notify;
mod output;
mod page;
mod serve;
mod telemetry;
mod when;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use cli::Cli;
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let output = Output::of(&cli.common);
    match command::run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough, as `head` has.
        Err(failure) if failure.is_unheard() => ExitCode::from(failure.code as u8),
        Err(failure) => {
            output.failed(&failure);
            ExitCode::from(failure.code as u8)
        }
    }
}

/// Help, or what is wrong with the command line; a program that asked for JSON gets it in JSON too.
fn misused(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !error.use_stderr() || !json {
        let _ = error.print();
    } else {
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let what = match error.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                "a command is missing".to_owned()
            }
            _ => first.trim_start_matches("error: ").replace("\n ", ""),
        };
        let failure = Failure::usage(what).hint("`--help` says how the command is used");
        let _ = writeln!(std::io::stderr().lock(), "{}", failure.json());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
