//! Questions on the terminal. Must not answer them by itself, and must not echo a password.

use std::io::{BufRead, IsTerminal, Write};

use backstop_core::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::failure::{Context, Failure, Outcome};
use crate::output::Output;

/// Whether somebody is there to be asked.
pub fn somebody() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a yes; anything else is a no.
///
/// # Errors
/// When the terminal cannot be read.
pub fn confirm(question: &str, output: Output) -> Outcome<bool> {
    let answer = line(&format!("{} [y/N] ", output.paint_err.strong(question)))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Asks for a password without showing it.
///
/// # Errors
/// When the terminal cannot be read or silenced.
pub fn password(question: &str) -> Outcome<Secret<String>> {
    let input = std::io::stdin();
    let shown = tcgetattr(&input).doing("cannot silence the terminal")?;
    let mut silent = shown.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &silent).doing("cannot silence the terminal")?;
    let answer = line(question);
    let back = tcsetattr(&input, OptionalActions::Flush, &shown);
    let _ = writeln!(std::io::stderr());
    back.doing("cannot bring the terminal back")?;
    let answer = answer?;
    let password = answer.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Failure::usage("no password was given"));
    }
    Ok(Secret::new(password.to_owned()))
}

fn line(question: &str) -> Outcome<String> {
    let mut err = std::io::stderr();
    write!(err, "{question}")
        .and_then(|()| err.flush())
        .doing("cannot write to the terminal")?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .doing("cannot read from the terminal")?;
    Ok(answer)
}
