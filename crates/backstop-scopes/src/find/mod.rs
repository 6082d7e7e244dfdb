//! Credentials within reach: where they lie and what kind they are.
//!
//! [`Look`] says what to look through, and its report holds what was found and what was not looked into. A secret is
//! in nothing that is printed or serialised; [`Finding::reveal_secret`] is the one way to it.

mod environment;
mod finding;
mod hba;
mod history;
mod identity;
pub(crate) mod known;
mod look;
mod reader;
mod seen;
mod sift;
mod sockets;
mod walk;

pub use backstop_wire::secrets::{Confidence, Name};
pub use finding::{Finding, Fingerprint, Place, Salt};
pub use identity::{Identity, IdentityError};
pub use look::{FindError, Look, Report};
pub use seen::{Looked, Missed};

#[cfg(test)]
mod tests {
    /// Every kind that the finder's own text names has an entry in the table, and the other way round.
    #[test]
    fn every_kind_that_is_found_has_an_entry() {
        let sources = [
            include_str!("../../../backstop-wire/src/secrets/assign.rs"),
            include_str!("../../../backstop-wire/src/secrets/dsn.rs"),
            include_str!("../../../backstop-wire/src/secrets/engine.rs"),
            include_str!("hba.rs"),
            include_str!("../../../backstop-wire/src/secrets/header.rs"),
            include_str!("known/lines.rs"),
            include_str!("known/table.rs"),
            include_str!("../../../backstop-wire/src/secrets/names.rs"),
            include_str!("../../../backstop-wire/src/secrets/pem.rs"),
            include_str!("../../../backstop-wire/src/secrets/provider.rs"),
            include_str!("../../../backstop-wire/src/http/presented/headers.rs"),
            include_str!("../../../backstop-wire/src/http/presented/scheme.rs"),
            include_str!("../../../backstop-wire/src/http/presented/tables.rs"),
            include_str!("sockets.rs"),
        ];
        let providers: std::collections::BTreeSet<&str> = crate::kinds::all()
            .iter()
            .filter_map(|kind| kind.id.split('.').next())
            .collect();
        let mut named = std::collections::BTreeSet::new();
        for text in sources.iter().flat_map(|source| source.split('"')) {
            let is_kind = text.split_once('.').is_some_and(|(provider, rest)| {
                providers.contains(provider)
                    && !rest.is_empty()
                    && rest.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            });
            // Hosts and files' names look alike.
            let end = text.rsplit('.').next().unwrap_or_default();
            let other = ["com", "io", "co", "tech", "pem", "tfstate", "sock"].contains(&end);
            if is_kind && !other {
                assert!(
                    crate::kinds::of(text).is_some(),
                    "`{text}` has no entry in data/kinds.toml"
                );
                named.insert(text);
            }
        }
        for kind in crate::kinds::all() {
            assert!(
                named.contains(kind.id.as_str()),
                "nothing finds `{}`",
                kind.id
            );
        }
    }
}
