//! Why a target gave no answer, and what the client is told.

use std::io;

use backstop_core::verdict::Decision;
use hyper::StatusCode;

use super::problem::Problem;
use super::resolve::NoAddress;
use super::site::Site;

/// Why a target gave no answer. Shown in words without a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No address, or none that may be.
    #[error(transparent)]
    Address(#[from] NoAddress),
    /// Nobody listens.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// Its certificate is not trusted.
    #[error("its certificate is not trusted: {0}")]
    Untrusted(String),
    /// TLS failed otherwise.
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    /// No connection in time.
    #[error("connecting took too long")]
    SlowConnect,
    /// No answer in time.
    #[error("its answer took too long")]
    SlowAnswer,
    /// As many connections as may be are in use.
    #[error("all connections to it are in use")]
    Busy,
    /// It hung up, or does not keep to the protocol.
    #[error("{0}")]
    Broken(String),
    /// The client's body broke off or was stopped.
    #[error("the request's body ended early: {0}")]
    Body(String),
}

impl Fault {
    /// From an error of TLS.
    pub(crate) fn tls(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|e| e.downcast_ref());
        match inner {
            Some(rustls::Error::InvalidCertificate(why)) => Self::Untrusted(format!("{why}")),
            _ => Self::Tls(error),
        }
    }

    /// From an error of the HTTP library, whose texts hold nothing of the message.
    pub(crate) fn http(error: &hyper::Error) -> Self {
        if error.is_user() {
            let inner = std::error::Error::source(error).map(ToString::to_string);
            return Self::Body(inner.unwrap_or_default());
        }
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return Self::Broken("it hung up without an answer".into());
        }
        Self::Broken(format!("it does not keep to the protocol: {error}"))
    }

    /// Whether some of the request may have reached the target.
    pub(crate) const fn may_have_sent(&self) -> bool {
        matches!(self, Self::SlowAnswer | Self::Broken(_) | Self::Body(_))
    }

    /// What the client is told.
    pub(crate) fn problem(&self, site: &Site) -> Problem {
        let (status, kind, title) = match self {
            Self::Address(NoAddress::Forbidden { .. }) => (
                StatusCode::FORBIDDEN,
                "address",
                "The site is at an address that the gate does not connect to",
            ),
            Self::Address(_) => (
                StatusCode::BAD_GATEWAY,
                "unknown-host",
                "The site's name has no address",
            ),
            Self::Untrusted(_) => (
                StatusCode::BAD_GATEWAY,
                "certificate",
                "The site's certificate is not trusted",
            ),
            Self::SlowConnect | Self::SlowAnswer => (
                StatusCode::GATEWAY_TIMEOUT,
                "slow",
                "The site took too long",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "All connections to the site are in use",
            ),
            Self::Body(_) => (
                StatusCode::BAD_REQUEST,
                "body",
                "The request's body ended early",
            ),
            _ => (
                StatusCode::BAD_GATEWAY,
                "no-answer",
                "The site gave no answer",
            ),
        };
        let mut problem = Problem::new(status, kind, title, format!("{site}: {self}."));
        match self {
            Self::Address(NoAddress::Forbidden { .. }) => {
                problem = problem
                    .decided(Decision::Deny, "address")
                    .hint("a target inside a private network must be configured as one");
            }
            Self::Untrusted(_) => {
                problem = problem.hint(
                    "name the authority in the target's configuration, if it is one of yours",
                );
            }
            Self::Busy => problem = problem.retry_after(std::time::Duration::from_secs(1)),
            _ => {}
        }
        problem
    }
}
