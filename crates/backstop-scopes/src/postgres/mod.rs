//! Roads to destruction in PostgreSQL, by the server's own catalogue.
//!
//! It only reads: every question is asked in a READ ONLY transaction with short limits.

use tokio_postgres::Client;

mod ask;
mod catalogue;
mod error;
mod judge;
mod libraries;
mod road;
mod unseen;
mod way;

pub use error::Error;
pub use road::{Act, Audit, Backups, By, Certainty, Object, Road};
pub use unseen::{Unseen, UnseenKind, unseen};
pub use way::{Place, Trust, Way};

/// What `role` could destroy in the database that `client` is connected to, itself and as every role that it can
/// become; the connected role where none is named. Writes nothing, and waits for no lock longer than a second.
///
/// # Errors
/// When the catalogue cannot be read, or there is no such role.
pub async fn audit(client: &Client, role: Option<&str>) -> Result<Audit, Error> {
    let catalogue = catalogue::load(client).await?;
    let role = match role {
        None => catalogue.me,
        Some(name) => catalogue
            .role_named(name)
            .ok_or_else(|| Error::NoRole(name.to_owned()))?,
    };
    Ok(judge::audit(&catalogue, role))
}
