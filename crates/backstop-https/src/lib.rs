//! One request over HTTP/1.1 and TLS: what the vault's bucket, webhooks and the audit's probes send.
//!
//! It follows no redirects, asks no proxy, keeps no connection, and reads no more of an answer than it is told to. What
//! a request is for, and whether it may be sent, it does not know.

mod answer;
mod body;
mod endpoint;
mod trust;

pub use answer::Response;
pub use body::Body;
pub use endpoint::{Endpoint, Limits};
pub use trust::{Trust, TrustError};

/// Why there is no answer, in a few words. Nothing that was sent is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HttpsError(pub(crate) String);

impl From<HttpsError> for String {
    fn from(error: HttpsError) -> Self {
        error.0
    }
}

impl HttpsError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}
