//! `backstop vault init|serve|list|verify|rebuild|drill|restore|people|delete|deletions|sign|cancel|lift`.

mod certificates;
mod config;
mod deletion;
mod drill;
mod init;
mod list;
mod moment;
mod people;
mod progress;
mod rebuild;
mod reports;
mod restore;
mod serve;
mod template;
mod verify;

use std::path::Path;

use backstop_vault::points::PointError;
use backstop_vault::reader::Identity;
use backstop_vault::{Listed, VaultError};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::VaultVerb;
use crate::command::runtime;
use crate::failure::{Code, Context, Failure, Outcome};
use crate::output::Output;

/// Runs one of the verbs.
///
/// # Errors
/// Why it failed; exit code 4 when the vault is not what was stored.
pub fn run(path: &Path, verb: VaultVerb, output: Output) -> Outcome {
    match verb {
        VaultVerb::Init(args) => init::run(&args, output),
        VaultVerb::Serve(args) => serve::run(&args, output),
        VaultVerb::List(args) => list::run(&args, output),
        VaultVerb::Verify(args) => verify::run(&args, output),
        VaultVerb::Rebuild(args) => rebuild::run(&args, output),
        VaultVerb::Drill(args) => drill::run(&args, output),
        VaultVerb::Restore(args) => restore::run(&args, output),
        VaultVerb::People => people::run(path, output),
        VaultVerb::Delete(args) => deletion::delete(&args, output),
        VaultVerb::Deletions(args) => deletion::show(&args, output),
        VaultVerb::Sign(args) => deletion::sign(&args, output),
        VaultVerb::Cancel(args) => deletion::cancel(&args, output),
        VaultVerb::Lift(args) => deletion::lift(&args, output),
    }
}

/// An error of the vault's as a failure to do `what`.
fn failed(what: impl Into<String>) -> impl FnOnce(VaultError) -> Failure {
    move |error| {
        let code = match &error {
            VaultError::Integrity { .. } => Code::Integrity,
            VaultError::Setup { .. } | VaultError::Key { .. } => Code::Usage,
            _ => Code::Failed,
        };
        Failure::new(what).code(code).because(error)
    }
}

/// An error about a recovery point as a failure to do `what`.
fn not_done(what: impl Into<String>) -> impl FnOnce(PointError) -> Failure {
    move |error| match error {
        PointError::Vault(error) => failed(what)(error),
        PointError::Broken(_) => Failure::integrity(what).because(error),
        error => Failure::new(what).because(error),
    }
}

/// The private half of a key.
fn identity(file: &Path) -> Outcome<Identity> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("cannot read the key `{}`", file.display()))
            .because(error)
            .hint("`backstop vault init` wrote it, or showed it once")
    })?;
    Identity::parse(&text).map_err(failed(format!("cannot use the key `{}`", file.display())))
}

/// What a person meant by the beginning of a name.
fn named<'a>(found: &'a [Listed], beginning: &str) -> Outcome<&'a Listed> {
    let beginning = beginning.to_lowercase();
    let fits = |one: &&Listed| one.stored.name.to_hex().starts_with(&beginning);
    let mut fitting = found.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "more than one object begins with `{beginning}`"
        ))
        .hint("write more of the name")),
        _ => Err(Failure::usage(format!("nothing is named `{beginning}`"))
            .hint("`backstop vault list --class point` and `--class objects` show what there is")),
    }
}

/// Does long work until it is done or somebody stops it; what is given up is cleaned up before this returns.
fn unless_stopped<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    unless_stopped_on(1, work)
}

/// The same on so many threads.
fn unless_stopped_on<T>(threads: usize, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    runtime(threads)?.block_on(async {
        let mut told = signal(SignalKind::terminate()).doing("cannot listen for signals")?;
        tokio::select! {
            outcome = work => outcome,
            _ = tokio::signal::ctrl_c() => Err(stopped()),
            _ = told.recv() => Err(stopped()),
        }
    })
}

fn stopped() -> Failure {
    Failure::new("stopped before the end").hint("run it again; it begins anew")
}
