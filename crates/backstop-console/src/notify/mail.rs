//! Mail, over a connection that is protected or stays on this machine.

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::config::{ConfigError, is_local, read_secret};
use super::{MailConfig, MailTls, Message, NotifyError, PATIENCE};

pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    pub(super) fn new(config: &MailConfig) -> Result<Self, ConfigError> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.server)
            .port(config.port.unwrap_or(match config.tls {
                MailTls::Starttls => 587,
                MailTls::Tls => 465,
                MailTls::None => 25,
            }))
            .tls(protection(config)?)
            .timeout(Some(PATIENCE));
        if let Some(user) = &config.user {
            let path = config.password_file.as_deref().ok_or(ConfigError {
                field: "mail.password_file",
                what: "there is a user but no password".to_owned(),
                hint: "name a file that holds the password",
            })?;
            let password = read_secret(path, "mail.password_file")?;
            builder =
                builder.credentials(Credentials::new(user.clone(), password.reveal().clone()));
        }
        if config.to.is_empty() {
            return Err(ConfigError {
                field: "mail.to",
                what: "nobody is written to".to_owned(),
                hint: "name at least one address",
            });
        }
        Ok(Self {
            transport: builder.build(),
            from: mailbox(&config.from, "mail.from")?,
            to: config
                .to
                .iter()
                .map(|to| mailbox(to, "mail.to"))
                .collect::<Result<_, _>>()?,
        })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<(), NotifyError> {
        let failed = |error: String| NotifyError(format!("the mail was not sent: {error}"));
        let subject = message
            .hold
            .as_ref()
            .map_or_else(|| "Backstop".to_owned(), |hold| format!("Backstop: {hold}"));
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .subject(subject);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        let mail = mail
            .header(ContentType::TEXT_PLAIN)
            .body(format!("{}\n\n{}\n", message.sentence, message.link))
            .map_err(|error| failed(error.to_string()))?;
        self.transport
            .send(mail)
            .await
            .map(|_| ())
            .map_err(|error| failed(error.to_string()))
    }
}

fn protection(config: &MailConfig) -> Result<Tls, ConfigError> {
    let parameters = || {
        TlsParameters::new_rustls(config.server.clone()).map_err(|error| ConfigError {
            field: "mail.server",
            what: format!("no TLS under this name: {error}"),
            hint: "name the server as its certificate does",
        })
    };
    match config.tls {
        MailTls::Starttls => Ok(Tls::Required(parameters()?)),
        MailTls::Tls => Ok(Tls::Wrapper(parameters()?)),
        MailTls::None if is_local(&config.server) => Ok(Tls::None),
        MailTls::None => Err(ConfigError {
            field: "mail.tls",
            what: "mail would cross the network in plain text".to_owned(),
            hint: "use starttls or tls, or a relay on this machine",
        }),
    }
}

fn mailbox(text: &str, field: &'static str) -> Result<Mailbox, ConfigError> {
    text.parse().map_err(|_| ConfigError {
        field,
        what: format!("`{text}` is not a mail address"),
        hint: "write it as name@host",
    })
}
