//! How a refusal is worded. Names of fields and types are shown, cut; values never are (invariant 8).

use crate::http::Refused;

/// The hint where the text can be written in a plainer way.
pub(super) const PLAINER: &str = "write it as every GraphQL server reads it";
/// The hint where the values belong beside the text.
pub(super) const VARIABLES: &str = "send the value in `variables`";
/// The hint where the request does not validate.
pub(super) const VALID: &str = "send what the provider's published schema allows";

/// A refusal.
pub(super) fn refused(what: impl Into<String>, hint: &str) -> Refused {
    Refused {
        what: what.into(),
        hint: hint.to_owned(),
    }
}

/// `name` as a message may show it: names are the client's, so they are cut.
pub(super) fn shown(name: &str) -> String {
    const LONGEST: usize = 60;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", name.get(..end).unwrap_or_default()),
        None => format!("`{name}`"),
    }
}
