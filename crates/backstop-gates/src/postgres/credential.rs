//! Recognising a credential inside a statement: a connection string or URL that carries a password.

/// Whether `text` holds `password=…` or `scheme://user:password@host`.
///
/// Looked for only in statements that reach beyond the database, so that ordinary data is no false alarm.
pub(crate) fn is_in(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    has_password_option(&lower) || has_url_with_password(&lower)
}

fn has_password_option(text: &str) -> bool {
    text.match_indices("password").any(|(at, word)| {
        let rest = text.get(at + word.len()..).unwrap_or_default().trim_start();
        rest.strip_prefix('=')
            .is_some_and(|value| !value.trim_start().is_empty())
    })
}

fn has_url_with_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, mark)| {
        let rest = text.get(at + mark.len()..).unwrap_or_default();
        let end = rest.find(['/', '\'', '"', ' ', '?']).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        authority
            .split_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_strings_with_passwords_are_found() {
        for text in [
            "select dblink_connect('host=db user=owner password=hunter2')",
            "select dblink('postgresql://owner:hunter2@db/app', 'drop table x')",
            "create subscription s connection 'host=h PASSWORD = x' publication p",
        ] {
            assert!(is_in(text), "{text}");
        }
        for text in [
            "select 'password'",
            "select * from users where url = 'https://example.org/a@b'",
            "create role x",
        ] {
            assert!(!is_in(text), "{text}");
        }
    }
}
