//! Which environment a file's databases belong to, as far as it can be told.
//!
//! Must not be talked into less than production by the file itself: whoever may write it would choose how much
//! passes. Its name was typed by whoever adopts it; its text can make the guess stricter, and never laxer.

use backstop_core::target::Environment;

use super::dotenv;
use super::file::Found;
use crate::command::init::ask;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Variables in which programs are told where they run.
const SAID_BY: &[&str] = &[
    "APP_ENV",
    "DJANGO_ENV",
    "ENVIRONMENT",
    "FLASK_ENV",
    "NODE_ENV",
    "RACK_ENV",
    "RAILS_ENV",
];

/// A guess, and what it goes by.
#[derive(Debug, PartialEq, Eq)]
struct Guess {
    environment: Environment,
    by: String,
}

fn of_word(word: &str) -> Option<Environment> {
    match word.to_ascii_lowercase().as_str() {
        "production" | "prod" | "live" => Some(Environment::Production),
        "staging" | "stage" | "preview" | "uat" => Some(Environment::Staging),
        "development" | "dev" | "local" | "test" => Some(Environment::Development),
        _ => None,
    }
}

fn guess(name: &str, text: &[u8]) -> Option<Guess> {
    let by_name = name
        .split(['.', '-', '_'])
        .find_map(of_word)
        .map(|environment| Guess {
            environment,
            by: format!("the file is called `{name}`"),
        });
    let by_text = dotenv::variables(text).into_iter().find_map(|v| {
        let value = String::from_utf8_lossy(v.of(text)).into_owned();
        let environment = of_word(&value).filter(|_| SAID_BY.contains(&v.name.as_str()))?;
        Some(Guess {
            environment,
            by: format!("`{}` says `{value}`", v.name),
        })
    });
    match (by_name, by_text) {
        (Some(name), Some(text)) if strict(text.environment) > strict(name.environment) => {
            Some(text)
        }
        (Some(name), _) => Some(name),
        (None, text) => text.filter(|guess| guess.environment == Environment::Production),
    }
}

const fn strict(environment: Environment) -> u8 {
    match environment {
        Environment::Development => 0,
        Environment::Staging => 1,
        Environment::Production => 2,
    }
}

/// The environment of what `file` leads to.
///
/// # Errors
/// When it can neither be told nor asked for.
pub(super) fn of(
    file: &Found,
    given: Option<Environment>,
    yes: bool,
    output: Output,
) -> Outcome<Environment> {
    if let Some(given) = given {
        return Ok(given);
    }
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let unknown = || {
        Failure::usage(format!(
            "it cannot be told which environment `{}` is of",
            file.path.display()
        ))
        .hint("say it with --environment production, staging or development")
    };
    let guess = guess(&name, &file.bytes).ok_or_else(unknown)?;
    let told = format!(
        "{} is taken for {}: {}",
        file.path.display(),
        guess.environment,
        guess.by
    );
    output.say(&told);
    if yes || (ask::somebody() && ask::confirm("Is that so?", output)?) {
        return Ok(guess.environment);
    }
    Err(unknown()
        .because(format!("{told}, and nobody said so"))
        .hint(format!(
            "--yes takes it for that, or say it with --environment {}",
            guess.environment
        )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Environment::{Development, Production, Staging};

    #[test]
    fn a_text_makes_a_guess_stricter_and_never_laxer() {
        for (name, text, wanted) in [
            (".env.production", "", Some(Production)),
            (".env.staging.local", "", Some(Staging)),
            (".env.local", "", Some(Development)),
            (".env", "", None),
            (".env", "NODE_ENV=production", Some(Production)),
            // Whoever writes the file would choose.
            (".env", "NODE_ENV=development", None),
            (".env.production", "NODE_ENV=development", Some(Production)),
            (".env.dev", "RAILS_ENV=production", Some(Production)),
            (".env", "OTHER=production", None),
        ] {
            let found = guess(name, text.as_bytes()).map(|g| g.environment);
            assert_eq!(found, wanted, "{name} {text}");
        }
    }
}
