//! The solver: cvc5, a program of others, run for one question and ended by force when it takes too long.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cedar_policy_symcc::solver::LocalSolver;
use tokio::process::Command;

/// How long it may take to say its version.
const GREETING: Duration = Duration::from_secs(20);

/// A solver that answers.
#[derive(Debug, Clone)]
pub struct Solver {
    program: PathBuf,
    /// What it calls itself.
    pub version: String,
    /// How long it may think about one sentence.
    pub patience: Duration,
}

/// Why there is no solver to ask.
#[derive(Debug, thiserror::Error)]
pub enum SolverError {
    /// None is there.
    #[error(
        "there is no solver: `{0}` cannot be run; hint: install cvc5 {OLDEST_WORDS} or newer and put it on PATH, or name it with --solver or CVC5"
    )]
    Missing(String),
    /// It is something else.
    #[error("`{0}` does not say that it is cvc5; hint: name cvc5 with --solver")]
    Other(String),
    /// It cannot be relied on for what is asked.
    #[error(
        "cvc5 {0} is too old; hint: {OLDEST_WORDS} is the oldest that Cedar's compiler is made for"
    )]
    Old(String),
}

/// The oldest version that is asked: what the documentation of Cedar's compiler names.
const OLDEST: [u32; 3] = [1, 3, 1];
const OLDEST_WORDS: &str = "1.3.1";

impl Solver {
    /// The solver at `program`, or else at `CVC5` in the environment, or else `cvc5` on the path.
    ///
    /// # Errors
    /// When it is not there, is no cvc5, or too old.
    pub async fn find(program: Option<&Path>, patience: Duration) -> Result<Self, SolverError> {
        let program = program
            .map(Path::to_path_buf)
            .or_else(|| {
                std::env::var_os("CVC5")
                    .filter(|path| !path.is_empty())
                    .map(PathBuf::from)
            })
            .unwrap_or_else(|| PathBuf::from("cvc5"));
        let shown = program.display().to_string();
        let mut command = Command::new(&program);
        command
            .arg("--version")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let said = tokio::time::timeout(GREETING, command.output()).await;
        let Ok(Ok(said)) = said else {
            return Err(SolverError::Missing(shown));
        };
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version = version(&said).ok_or(SolverError::Other(shown))?;
        let numbers: Vec<u32> = version.split('.').map_while(|n| n.parse().ok()).collect();
        if numbers.as_slice() < OLDEST.as_slice() {
            return Err(SolverError::Old(version));
        }
        Ok(Self {
            program,
            version: format!("cvc5 {version}"),
            patience,
        })
    }

    /// A fresh process, that ends with what holds it.
    pub(super) fn start(&self) -> Result<LocalSolver, String> {
        // Its own limit as well: it then says `unknown`, and nobody has to end it.
        let limit = format!("--tlimit={}", self.patience.as_millis());
        let mut command = Command::new(&self.program);
        command.args(["--lang", "smt", &limit]).kill_on_drop(true);
        LocalSolver::from_command(&mut command).map_err(|e| e.to_string())
    }
}

/// The number in `This is cvc5 version 1.3.1 [...]`.
fn version(said: &str) -> Option<String> {
    let rest = said.split("cvc5").nth(1)?;
    let rest = rest.trim_start().strip_prefix("version")?.trim_start();
    let number: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    (!number.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_version_is_read_from_what_it_says() {
        let said = "This is cvc5 version 1.3.1 [git tag 1.3.1 branch HEAD]\ncompiled with GCC";
        assert_eq!(version(said).as_deref(), Some("1.3.1"));
        assert_eq!(version("Z3 version 4.8.12 - 64 bit"), None);
        assert_eq!(version("cvc5"), None);
    }
}
