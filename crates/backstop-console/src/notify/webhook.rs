//! Webhooks in the shapes of ntfy and of Slack.

use backstop_core::secret::Secret;
use serde_json::json;

use super::config::{ConfigError, read_secret};
use super::http::Address;
use super::{Message, NotifyError, WebhookConfig, WebhookShape};

pub(super) struct Webhook {
    address: Address,
    shape: WebhookShape,
    token: Option<Secret<String>>,
}

impl Webhook {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, ConfigError> {
        let token = config
            .token_file
            .as_deref()
            .map(|path| read_secret(path, "webhook.token_file"));
        Ok(Self {
            address: Address::parse(&config.url)?,
            shape: config.shape,
            token: token.transpose()?,
        })
    }

    pub(super) async fn post(&self, message: &Message) -> Result<(), NotifyError> {
        let (mut headers, body) = match self.shape {
            WebhookShape::Ntfy => ntfy(message),
            WebhookShape::Slack => slack(message),
        };
        if let Some(token) = &self.token {
            headers.push(("authorization", format!("Bearer {}", token.reveal())));
        }
        self.address.post(&headers, body).await
    }
}

/// A webhook's headers and body.
type Shaped = (Vec<(&'static str, String)>, Vec<u8>);

/// Headers are ASCII by ntfy's rules, so the sentence goes into the body.
fn ntfy(message: &Message) -> Shaped {
    let priority = if message.urgent { "urgent" } else { "high" };
    let headers = vec![
        ("content-type", "text/plain; charset=utf-8".to_owned()),
        (
            "title",
            message
                .hold
                .as_ref()
                .map_or_else(|| "Backstop".to_owned(), |hold| format!("Backstop: {hold}")),
        ),
        ("click", message.link.clone()),
        ("priority", priority.to_owned()),
        ("tags", "octagonal_sign".to_owned()),
    ];
    (headers, message.sentence.clone().into_bytes())
}

fn slack(message: &Message) -> Shaped {
    let hold = message
        .hold
        .as_ref()
        .map(|hold| format!(" ({hold})"))
        .unwrap_or_default();
    let text = format!(
        "{}{hold}\n<{}|Open the console>",
        escaped(&message.sentence),
        message.link
    );
    (
        vec![("content-type", "application/json".to_owned())],
        json!({ "text": text }).to_string().into_bytes(),
    )
}

/// Slack's three control characters, so that an object's name cannot become a link or call a channel.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
