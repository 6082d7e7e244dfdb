//! Settings that a client asks for at startup, and what the gate itself pins.

use backstop_wire::postgres::backend::Report;
use backstop_wire::sql::settings::{Class, classify};

use super::greet::fatal;

/// What every session of a lease starts with; a client cannot start with anything else.
pub(crate) const PINNED: [(&str, &str); 3] = [
    ("default_transaction_read_only", "on"),
    ("standard_conforming_strings", "on"),
    ("client_encoding", "UTF8"),
];

/// Whether the gate pins this setting itself.
pub(crate) fn is_pinned(name: &str) -> bool {
    PINNED
        .iter()
        .any(|(pinned, _)| pinned.eq_ignore_ascii_case(name))
}

/// Refuses a startup setting that a lease may not choose.
pub(crate) fn check_startup(name: &str, value: &str) -> Result<(), Report> {
    let lower = name.to_ascii_lowercase();
    if lower == "client_encoding" && is_utf8(value) {
        return Ok(());
    }
    match classify(&lower, Some(&[value.to_owned()])) {
        (Class::Harmless | Class::Meaning | Class::Transaction, _) => Ok(()),
        (Class::Refused, why) => Err(refused(name, why).hint(if lower == "client_encoding" {
            "set PGCLIENTENCODING=UTF8"
        } else {
            "connect without it"
        })),
        (Class::Held, why) => Err(refused(name, why).hint("connect without it")),
    }
}

fn refused(name: &str, why: Option<&str>) -> Report {
    let why = why.map_or_else(String::new, |w| format!(": it {w}"));
    fatal(
        "42501",
        format!("setting `{name}` cannot be chosen at this gate{why}"),
    )
}

/// As PostgreSQL compares encoding names: letters and digits only.
fn is_utf8(value: &str) -> bool {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(
        plain.to_ascii_lowercase().as_str(),
        "utf8" | "unicode" | "auto"
    )
}
