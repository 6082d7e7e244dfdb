//! `backstop vault people`: who can decide, for the vault's operator to install by hand.

use std::path::Path;

use backstop_core::person::Person;

use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::failure::{Context, Outcome};
use crate::home::Home;
use crate::output::{Output, safe};

/// Prints them.
///
/// # Errors
/// When nothing serves.
pub fn run(path: &Path, output: Output) -> Outcome {
    let config = crate::config::Config::load(path)?;
    let mut client = Client::connect(&Home::at(&config.data_dir))?;
    let people: Vec<Person> = client.ask(&Request::People)?;
    for person in &people {
        output.warn(&format!(
            "`{}` ({}) could sign with {} passkeys: install this only if that is right",
            safe(&person.name),
            person.id,
            person.passkeys.len()
        ));
    }
    output.warn(&format!(
        "in vault.toml, `origins` under [deletion] must have \"{}\"",
        config.console.origin()
    ));
    let text = serde_json::to_string_pretty(&people).doing("cannot write people as JSON")?;
    output.data(&text)
}
