//! Railway: its GraphQL API, every mutation and every query that returns a credential.
//!
//! What is known stands in `packs/railway/`: the published schema, and one entry for each operation.

use std::sync::OnceLock;

use super::Reading;
use crate::graphql::Incoming;
use crate::graphql::pack::{Pack, PackError};
use crate::http::Request;

const ENTRIES: &str = include_str!("../../../packs/railway/pack.toml");
const SCHEMA: &str = include_str!("../../../packs/railway/schema.graphql");

/// The pack, read when it is first asked for.
///
/// # Errors
///
/// Never with the texts that are built in; a test reads them.
pub fn pack() -> Result<&'static Pack<'static>, &'static PackError> {
    static PACK: OnceLock<Result<Pack<'static>, PackError>> = OnceLock::new();
    PACK.get_or_init(|| Pack::parse(ENTRIES, SCHEMA)).as_ref()
}

/// Whether `host` is Railway's API.
#[must_use]
pub fn serves(host: &str) -> bool {
    pack().is_ok_and(|pack| pack.serves(host))
}

/// What `request`, which is for a host that [`serves`] says yes to, does at Railway.
#[must_use]
pub fn read(request: &Request) -> Reading {
    match pack() {
        Ok(pack) => pack.read(request),
        Err(error) => without(error),
    }
}

/// What a message on a WebSocket to Railway asks.
#[must_use]
pub fn asked(incoming: &Incoming) -> Reading {
    match pack() {
        Ok(pack) => {
            let mut reading = named();
            pack.asked(std::slice::from_ref(incoming), &mut reading);
            reading
        }
        Err(error) => without(error),
    }
}

fn without(error: &PackError) -> Reading {
    let mut reading = named();
    reading.analysis.incomplete.push(error.to_string());
    reading
}

fn named() -> Reading {
    Reading {
        provider: "railway".to_owned(),
        ..Reading::default()
    }
}

#[cfg(test)]
mod tests;
