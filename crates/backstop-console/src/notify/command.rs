//! A program of the person's own. It gets nothing of the gate's environment and no shell.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{CommandConfig, Message, NotifyError};

pub(super) async fn run(config: &CommandConfig, message: &Message) -> Result<(), NotifyError> {
    let failed =
        |what: &str, error: std::io::Error| NotifyError(format!("the command {what}: {error}"));
    let mut child = Command::new(&config.program)
        .args(&config.arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("BACKSTOP_HOLD", message.hold.as_deref().unwrap_or_default())
        .env("BACKSTOP_SENTENCE", &message.sentence)
        .env("BACKSTOP_LINK", &message.link)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed("did not start", error))?;
    let json = serde_json::to_vec(message).map_err(|error| NotifyError(error.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read its input is fine.
        let _ = input.write_all(&json).await;
    }
    let status = child
        .wait()
        .await
        .map_err(|error| failed("was lost", error))?;
    if status.success() {
        Ok(())
    } else {
        Err(NotifyError(format!("the command failed: {status}")))
    }
}
