//! What can go wrong while a server is asked, without any secret.

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be reached, or did not let us in.
    #[error("cannot connect: {0}; hint: is it up, and is the credential still right?")]
    Connect(String),
    /// Its certificate is not trusted, or there is nothing to trust it by.
    #[error("no trusted TLS connection: {0}; hint: name its authority, or pin its certificate")]
    Tls(String),
    /// A question was refused.
    #[error(
        "cannot ask {about}: {why}; hint: a role that may log in may read the catalogue, unless somebody revoked it"
    )]
    Ask {
        /// What the question was about.
        about: &'static str,
        /// What the server said, with its SQLSTATE.
        why: String,
    },
    /// There is no such role.
    #[error("there is no role `{0}`; hint: `\\du` in psql lists them")]
    NoRole(String),
    /// An answer was not of the form that PostgreSQL gives.
    #[error("the server's answer about {0} cannot be read; hint: is it PostgreSQL 15 or newer?")]
    Answer(&'static str),
}

/// What the server said, or the client where the server said nothing.
pub(crate) fn said(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", db.message(), db.code().code());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
