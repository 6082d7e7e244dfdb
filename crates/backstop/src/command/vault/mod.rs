//! `backstop vault init|serve|list|verify`.

mod certificates;
mod config;
mod init;
mod list;
mod serve;
mod template;
mod verify;

use backstop_vault::VaultError;

use crate::cli::VaultVerb;
use crate::failure::{Code, Failure, Outcome};
use crate::output::Output;

/// Runs one of the verbs.
///
/// # Errors
/// Why it failed; exit code 4 when the vault is not what was stored.
pub fn run(verb: VaultVerb, output: Output) -> Outcome {
    match verb {
        VaultVerb::Init(args) => init::run(&args, output),
        VaultVerb::Serve(args) => serve::run(&args, output),
        VaultVerb::List(args) => list::run(&args, output),
        VaultVerb::Verify(args) => verify::run(&args, output),
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
