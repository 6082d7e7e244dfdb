//! Calling people: a command, a webhook, mail. A message carries a hold's id, one sentence and the link, and
//! no data; whoever carries it learns nothing worth having, and can do nothing with it.
//!
//! A notification that fails is tried again and logged, and never holds anything up.

mod command;
mod config;
mod http;
mod mail;
mod watch;
mod webhook;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

pub use config::{
    CommandConfig, Config, ConfigError, MailConfig, MailTls, WebhookConfig, WebhookShape,
};

/// How long one delivery may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait before each further try.
const AGAIN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(15)];

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The hold it is about, if it is about one.
    pub hold: Option<String>,
    /// One sentence, without data.
    pub sentence: String,
    /// Where to look.
    pub link: String,
    /// Whether it cannot wait: something was stopped, or destroys.
    pub urgent: bool,
}

/// Why a channel did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotifyError(String);

/// One configured way to reach people.
enum Channel {
    Command(CommandConfig),
    Webhook(webhook::Webhook),
    Mail(Box<mail::Mail>),
}

/// All configured ways. Cheap to clone.
#[derive(Clone)]
pub struct Notifier {
    channels: Arc<Vec<(String, Channel)>>,
    troubles: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Notifier {
    /// Makes the channels ready; contacts nobody.
    ///
    /// # Errors
    /// When a channel's configuration cannot work.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut channels = vec![];
        if let Some(command) = &config.command {
            channels.push(("command".to_owned(), Channel::Command(command.clone())));
        }
        for (i, webhook) in config.webhook.iter().enumerate() {
            let name = format!("webhook {}", i + 1);
            channels.push((name, Channel::Webhook(webhook::Webhook::new(webhook)?)));
        }
        if let Some(mail) = &config.mail {
            channels.push((
                "mail".to_owned(),
                Channel::Mail(Box::new(mail::Mail::new(mail)?)),
            ));
        }
        Ok(Self {
            channels: Arc::new(channels),
            troubles: Arc::default(),
        })
    }

    /// Whether there is any way to reach people.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.channels.is_empty()
    }

    /// The channels whose last message was lost, with why.
    #[must_use]
    pub fn troubles(&self) -> Vec<(String, String)> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles
            .iter()
            .map(|(name, why)| (name.clone(), why.clone()))
            .collect()
    }

    /// Tries each channel once and says what came of it: for `init` and `doctor`.
    pub async fn try_all(&self, message: &Message) -> Vec<(String, Result<(), NotifyError>)> {
        let mut results = vec![];
        for (name, channel) in self.channels.iter() {
            results.push((name.clone(), channel.deliver(message).await));
        }
        results
    }

    /// Sends a message on every channel, each trying again by itself, and comes back at once.
    pub fn send(&self, message: &Message) {
        for index in 0..self.channels.len() {
            let (this, message) = (self.clone(), message.clone());
            tokio::spawn(async move { this.insist(index, &message).await });
        }
    }

    async fn insist(&self, index: usize, message: &Message) {
        let Some((name, channel)) = self.channels.get(index) else {
            return;
        };
        let mut waits = AGAIN.iter();
        loop {
            let Err(error) = channel.deliver(message).await else {
                self.troubles
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(name);
                return;
            };
            let Some(wait) = waits.next() else {
                tracing::error!(channel = name, %error, hold = message.hold, "nobody was told");
                let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
                troubles.insert(name.clone(), error.to_string());
                return;
            };
            tracing::warn!(channel = name, %error, "a notification failed and will be tried again");
            tokio::time::sleep(*wait).await;
        }
    }
}

impl Channel {
    async fn deliver(&self, message: &Message) -> Result<(), NotifyError> {
        let delivery = async {
            match self {
                Self::Command(command) => command::run(command, message).await,
                Self::Webhook(webhook) => webhook.post(message).await,
                Self::Mail(mail) => mail.send(message).await,
            }
        };
        match tokio::time::timeout(PATIENCE, delivery).await {
            Ok(result) => result,
            Err(_) => Err(NotifyError(format!(
                "no answer within {} s",
                PATIENCE.as_secs()
            ))),
        }
    }
}
