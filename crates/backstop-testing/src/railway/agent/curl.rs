//! One call by the system's curl, which is what that agent used.
//!
//! Its environment is what the agent was given and a `PATH`, so that a proxy and a CA come from nowhere else.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

/// A call to be made.
pub(super) struct Call<'a> {
    /// Where it runs.
    pub(super) folder: &'a Path,
    pub(super) url: &'a str,
    /// The header with the credential.
    pub(super) header: &'a str,
    pub(super) body: &'a str,
    pub(super) environment: &'a [(String, String)],
    pub(super) patience: Duration,
}

/// What came back.
pub(super) enum Said {
    Answer { status: u16, body: String },
    Nothing(String),
}

impl Call<'_> {
    pub(super) fn run(&self) -> Result<Said> {
        let mut curl = Command::new("curl")
            .args(["--silent", "--show-error", "--request", "POST"])
            .args(["--max-time", &self.patience.as_secs_f64().to_string()])
            .args(["--write-out", "\n%{http_code}"])
            // From standard input: other users can read a command line.
            .args(["--config", "-", "--url", self.url])
            .current_dir(self.folder)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting curl; hint: apt-get install curl")?;
        if let Some(mut input) = curl.stdin.take() {
            input
                .write_all(self.configuration().as_bytes())
                .context("telling curl what to send")?;
        }
        let output = curl.wait_with_output().context("waiting for curl")?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Ok(Said::Nothing(why.trim().to_owned()));
        }
        let (body, status) = said.rsplit_once('\n').unwrap_or(("", "0"));
        Ok(Said::Answer {
            status: status.trim().parse().unwrap_or(0),
            body: body.to_owned(),
        })
    }

    fn configuration(&self) -> String {
        format!(
            "header = {}\nheader = \"Content-Type: application/json\"\ndata = {}\n",
            quoted(self.header),
            quoted(self.body)
        )
    }
}

/// A value of curl's configuration.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
