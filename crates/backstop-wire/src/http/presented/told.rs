//! Places in words, as people and agents read them.

use std::fmt;

use super::{Part, Place};

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, part } => write!(f, "the header `{}`{part}", shown(name)),
            Self::Proxy { part } => write!(f, "the header `proxy-authorization`{part}"),
            Self::Userinfo { .. } => f.write_str("the user of the URL"),
            Self::Query {
                name,
                presigned: false,
            } => write!(f, "the parameter `{}` of the URL", shown(name)),
            Self::Query { .. } => f.write_str("a presigned URL"),
            Self::Path { .. } => f.write_str("the path of the URL"),
            Self::Line => f.write_str("the request line"),
            Self::Cookie { name } => write!(f, "the cookie `{}`", shown(name)),
            Self::Subprotocol => f.write_str("the protocol of a WebSocket"),
            Self::Metadata { name } => write!(f, "the metadata `{}`", shown(name)),
            Self::Body { pointer } if pointer.is_empty() => f.write_str("the body"),
            Self::Body { pointer } => write!(f, "the body at `{}`", shown(pointer)),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Bearer => f.write_str(" (bearer)"),
            Self::User | Self::Password => f.write_str(" (basic)"),
            Self::KeyId | Self::Signature => f.write_str(" (a signature of AWS)"),
            Self::Scheme(scheme) => write!(f, " ({})", shown(scheme)),
        }
    }
}

/// A name that a client chose: short, and without what a terminal or a page could take for more.
fn shown(name: &str) -> String {
    name.chars()
        .take(60)
        .map(|c| match c {
            c if c.is_ascii_graphic() && c != '`' => c,
            ' ' => ' ',
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_client_chose_is_cut_and_tame() {
        let place = Place::Cookie {
            name: format!("a`b\u{1b}[31m{}", "x".repeat(100)),
        };
        let told = place.to_string();
        assert!(told.starts_with("the cookie `a?b?[31mxxx"), "{told}");
        assert!(told.len() < 80);
    }
}
