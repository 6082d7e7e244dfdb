//! One file a verb; this one only finds the right one.

mod adopt;
mod completions;
mod decide;
mod demo;
mod doctor;
mod freeze;
mod halt;
mod holds;
mod init;
mod journal;
mod judge;
mod lease;
mod remembered;
mod resume;
mod scopes;
mod serve;
mod status;
mod undo;
mod vault;
mod waiting;

pub(crate) use journal::verify_log;
pub(crate) use undo::ask as ask_undo;

use std::path::Path;

use crate::cli::{Cli, Verb};
use crate::config::Config;
use crate::control::client::Client;
use crate::failure::{Context, Outcome};
use crate::home::Home;
use crate::output::Output;

/// Runs the verb.
///
/// # Errors
/// Why it failed, with the exit code.
pub fn run(cli: Cli, output: Output) -> Outcome {
    let path = cli.common.config;
    match cli.verb {
        Verb::Init(args) => init::run(&path, args, output),
        Verb::Serve(args) => serve::run(&path, &args, output),
        Verb::Adopt(args) => adopt::run(&path, &args, output),
        Verb::Lease(args) => lease::run(&path, args.verb, output),
        Verb::Holds(args) => holds::run(&path, &args, output),
        Verb::Approve(args) => decide::run(&path, &args, "approve", output),
        Verb::Deny(args) => decide::run(&path, &args, "deny", output),
        Verb::Halt(args) => halt::run(&path, args, output),
        Verb::Resume(args) => resume::run(&path, args, output),
        Verb::Freeze(args) => freeze::run(&path, args, output),
        Verb::Judge(args) => judge::run(&path, &args.protocol, output),
        Verb::Journal(args) => journal::run(&path, args.verb, output),
        Verb::Undo(args) => undo::run(&path, &args, output),
        Verb::Vault(args) => vault::run(&path, args.verb, output),
        Verb::Status => status::run(&path, output),
        Verb::Scopes(args) => scopes::run(&path, &args, output),
        Verb::Doctor(args) => doctor::run(&path, &args, output),
        Verb::Demo(args) => demo::run(&args, output),
        Verb::Completions(args) => completions::run(&args, output),
    }
}

/// A connection to the running `serve`.
fn running(path: &Path, output: Output) -> Outcome<Client> {
    Client::connect(&home(path, output)?)
}

/// The data directory. A configuration that was broken while Backstop runs must not keep anybody from the red
/// button: where the directory is can be read from it all the same.
fn home(path: &Path, output: Output) -> Outcome<Home> {
    let failure = match Config::load(path) {
        Ok(config) => return Ok(Home::at(&config.data_dir)),
        Err(failure) => failure,
    };
    let home = Config::data_dir_of(path)
        .map(|dir| Home::at(&dir))
        .filter(|home| home.socket().exists());
    match home {
        Some(home) => {
            output.warn(&format!(
                "{}; what runs goes on under the configuration before",
                failure.what
            ));
            Ok(home)
        }
        None => Err(failure),
    }
}

/// A runtime for verbs that talk to servers.
pub(crate) fn runtime(threads: usize) -> Outcome<tokio::runtime::Runtime> {
    let mut builder = if threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder
        .enable_all()
        .build()
        .doing("cannot start the runtime")
}
