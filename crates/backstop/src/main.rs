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
mod serve;
mod telemetry;
mod when;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::of(&cli.common);
    match command::run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if output.json {
                output.err(&failure.json().to_string());
            } else {
                output.err(&failure.text(output.paint_err));
            }
            ExitCode::from(failure.code as u8)
        }
    }
}
