//! How a refusal is made. It must not repeat what the client sent: any of it may be a credential (invariant 8).

use super::Refused;

/// Both parts are written here in this crate, or are numbers; never a piece of the request.
pub(super) fn refused(what: impl Into<String>, hint: impl Into<String>) -> Refused {
    Refused {
        what: what.into(),
        hint: hint.into(),
    }
}
