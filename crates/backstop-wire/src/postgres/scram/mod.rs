//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, as server and as client: a password is proved, never shown.
//!
//! As server it keeps only a [`Verifier`], lets nobody learn which users exist, and refuses a client
//! that was made to believe that channel binding is not offered. As client it believes no server that
//! cannot prove that it knows the verifier. It stores nothing and logs nothing. RFC 5802, 7677 and 5929.

mod client;
mod crypto;
mod message;
mod server;
mod verifier;

pub use client::{Binding, Client, Proving, Waiting};
pub use server::{Challenged, Server};
pub use verifier::Verifier;

/// The mechanism without channel binding.
pub const PLAIN: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The one kind of channel binding spoken here.
const BINDING: &str = "tls-server-end-point";

/// Why a password could not be proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message is not what the mechanism says.
    #[error("malformed SCRAM message: the {0} is missing or wrong")]
    Malformed(&'static str),
    /// The mechanism is none that was offered.
    #[error("the SASL mechanism asked for is not offered")]
    Mechanism,
    /// Somebody between client and server hides that channel binding is offered.
    #[error("the client was not told that channel binding is offered")]
    Downgrade,
    /// The ends of the TLS connection are not the same.
    #[error("channel binding does not match: somebody stands between client and server")]
    Binding,
    /// The password is wrong, or there is no such user; from outside both look the same.
    #[error("password authentication failed")]
    Failed,
    /// The server did not prove that it knows the password.
    #[error("the server did not prove that it knows the password")]
    Server,
    /// The server asks for more work than is reasonable.
    #[error("the server asks for too many SCRAM iterations")]
    Iterations,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

impl ScramError {
    /// The SQLSTATE that PostgreSQL gives for it.
    #[must_use]
    pub fn sqlstate(self) -> &'static str {
        match self {
            Self::Failed => "28P01",
            Self::Downgrade | Self::Binding | Self::Server => "28000",
            Self::Random => "58000",
            Self::Malformed(_) | Self::Mechanism | Self::Iterations => "08P01",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Failed => "check user and password",
            Self::Downgrade | Self::Binding => {
                "check that nothing between client and server takes TLS apart"
            }
            Self::Server => "check that this is the server it should be",
            Self::Iterations => "lower scram_iterations on the server and set the password again",
            Self::Random => "check the system's source of random bytes",
            Self::Malformed(_) | Self::Mechanism => {
                "use a client and server that speak SCRAM-SHA-256"
            }
        }
    }
}

#[cfg(test)]
mod tests;
