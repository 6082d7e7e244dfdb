//! What can go wrong in the gate, in words for the operator. What a client is told stands in `refusal`.

use backstop_wire::postgres::backend::Report;

/// An error that a PostgreSQL server reported.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
pub struct ServerError {
    /// Its SQLSTATE.
    pub code: String,
    /// Its message.
    pub message: String,
}

/// Why the gate cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A socket failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server does not offer TLS.
    #[error(
        "the server at {0} does not offer TLS; hint: enable it there, or write `sslmode=disable` in the target's dsn if the network between is yours alone"
    )]
    NoTls(String),
    /// TLS failed.
    #[error(
        "the server's certificate is not trusted: {0}; hint: name its authority with `sslrootcert=`, or pin its certificate with `init --pin`"
    )]
    Tls(String),
    /// The server wants something the gate does not do.
    #[error("the server asks for {0}; hint: use scram-sha-256 there")]
    Authentication(String),
    /// The server refused the gate's own credential: an incident's first moment.
    #[error("the server refused the gate's own credential: {0}")]
    Refused(ServerError),
    /// The server reported an error.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server said something that the protocol does not allow.
    #[error("the server does not keep to the protocol: {0}")]
    Protocol(String),
    /// An answer of the server's is longer than was asked for.
    #[error("the server's answer has more than {0} bytes")]
    Oversized(u64),
    /// The server did not answer in time.
    #[error("the server did not answer within {0} seconds")]
    Timeout(u64),
    /// The catalogue cannot be read.
    #[error("the target's catalogue cannot be read: {0}")]
    Catalogue(String),
    /// The vault does not keep what it should.
    #[error(transparent)]
    Vault(backstop_vault::VaultError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] backstop_store::StoreError),
    /// The journal does not take entries.
    #[error("the journal does not take entries: {0}")]
    Journal(String),
    /// Configuration that cannot work.
    #[error("{0}")]
    Config(String),
}

impl GateError {
    /// An I/O error with what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Whether the target refused the gate's own credential (SQLSTATE 28P01, 28000).
    #[must_use]
    pub const fn is_mismatch(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl ServerError {
    /// Reads an ErrorResponse's body.
    pub(crate) fn of(body: &[u8]) -> Self {
        let fields = backstop_wire::postgres::backend::Fields::beginning(body);
        Self {
            code: fields.code().as_str().to_owned(),
            message: fields.message().into_owned(),
        }
    }
}

/// The same error as a message to a client.
pub(crate) fn report(code: &str, message: impl Into<String>) -> Report {
    use backstop_wire::postgres::backend::SqlState;
    Report::error(SqlState::new(code).unwrap_or(SqlState::UNKNOWN), message)
}
