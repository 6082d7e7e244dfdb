//! Railway's published schema, read once.
//!
//! It must not be changed by hand: it is generated from what Railway publishes.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use apollo_compiler::collections::HashMap;
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};

/// The schema in GraphQL's own language; where it is from stands in its first lines.
pub const SDL: &str = include_str!("../../../backstop-wire/packs/railway/schema.graphql");

/// Where the API answers.
pub const PATH: &str = "/graphql/v2";

/// The schema, and who implements what in it.
pub(super) struct Published {
    pub(super) schema: Valid<Schema>,
    pub(super) implementers: HashMap<Name, Implementers>,
}

/// The schema, validated.
pub(super) fn published() -> Result<&'static Published> {
    static PUBLISHED: OnceLock<Result<Published, String>> = OnceLock::new();
    PUBLISHED
        .get_or_init(read)
        .as_ref()
        .map_err(|why| anyhow!("Railway's schema cannot be read: {why}"))
}

fn read() -> Result<Published, String> {
    let schema = Schema::parse_and_validate(SDL, "railway.graphql")
        .map_err(|errors| errors.errors.to_string())?;
    let implementers = schema.implementers_map();
    Ok(Published {
        schema,
        implementers,
    })
}
