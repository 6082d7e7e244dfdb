//! The `[notify]` section of the configuration. Secrets stand in files of their own, never here.

use std::path::{Path, PathBuf};

use backstop_core::secret::Secret;
use serde::Deserialize;

/// Ways to reach people; all that are set are used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A program to run.
    pub command: Option<CommandConfig>,
    /// Addresses to post to.
    pub webhook: Vec<WebhookConfig>,
    /// Mail to send.
    pub mail: Option<MailConfig>,
}

/// A program that gets the message as JSON on its standard input, and in `BACKSTOP_HOLD`,
/// `BACKSTOP_SENTENCE` and `BACKSTOP_LINK`. No shell is involved.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program, by its full path.
    pub program: PathBuf,
    /// Its arguments, as they are.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// An address to post to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// `https://…`; `http://` only to this machine.
    pub url: String,
    /// What it expects.
    pub shape: WebhookShape,
    /// A file with a token to send as `Authorization: Bearer`.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// What a webhook expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookShape {
    /// The text as the body, the rest in headers.
    Ntfy,
    /// JSON with `text`, as Slack, Mattermost and many others take it.
    Slack,
}

/// A mail server and who is written to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// The server's name.
    pub server: String,
    /// Its port; 587 for `starttls`, 465 for `tls`, 25 for `none` when left out.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: MailTls,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// The user to sign in as, if the server wants one.
    #[serde(default)]
    pub user: Option<String>,
    /// A file with that user's password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// TLS after STARTTLS, required.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None: only to a server on this machine.
    None,
}

/// A channel that cannot work as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("notify.{field}: {what}; hint: {hint}")]
pub struct ConfigError {
    /// Where in `[notify]`.
    pub field: &'static str,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub hint: &'static str,
}

/// The secret in a file, without the line's end.
pub(super) fn read_secret(path: &Path, field: &'static str) -> Result<Secret<String>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
        field,
        what: format!("`{}` cannot be read: {error}", path.display()),
        hint: "name a file that holds nothing but the secret and that only the gate's user can read",
    })?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Whether a host is this machine, so that nothing can listen in on plain text.
pub(super) fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]")
}
