//! What to do about a credential.

use serde::Serialize;

use crate::kinds::Kind;

/// What to do about a credential. None of it is done here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// How its scope can be made smaller, or why not.
    pub narrow: String,
    /// How to replace it.
    pub rotate: String,
    /// Where to revoke it.
    pub revoke: String,
    /// SQL that closes the roads that were found, one statement each; those who own the objects run it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<String>,
    /// A script for a role that can only read, to take its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub role: Vec<String>,
    /// The command that asks for a lease in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// The lines for `backstop.toml` that put the gate before its target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

pub(super) fn of(kind: Option<&Kind>) -> Fix {
    kind.map(|k| Fix {
        narrow: k.narrow_how.clone(),
        rotate: k.rotate.clone(),
        revoke: k.revoke.clone(),
        ..Fix::default()
    })
    .unwrap_or_default()
}
