//! Takes credentials out of a text before it is stored anywhere (invariant 8).
//! It must take out too much rather than too little, and must work on texts that no parser understands.

use pg_query::protobuf::{ScanToken, Token};

/// What stands in place of a literal that was taken out.
const GONE: &str = "'<redacted>'";

/// Words after which, in the same statement, every string literal may be a credential: roles, servers, mappings,
/// subscriptions, connections.
const SENSITIVE: &[&str] = &[
    "password",
    "passwd",
    "mapping",
    "subscription",
    "connection",
    "server",
    "dblink",
    "conninfo",
    "passfile",
    "sslpassword",
    "secret",
    "authorization",
    "crypt",
    "encrypt",
    "decrypt",
    "hmac",
    "vault",
    "token",
    "credential",
    "api_key",
    "apikey",
];

/// `sql` with every string literal of a statement that may carry a credential taken out.
///
/// A text that cannot be read as tokens at all is kept only up to where the trouble starts to matter: if it holds
/// any of the words that go with credentials, nothing of it is kept.
#[must_use]
pub fn redact(sql: &str) -> String {
    if !SENSITIVE.iter().any(|word| contains_folded(sql, word)) && !contains_folded(sql, "U&") {
        return sql.to_owned();
    }
    let Ok(scan) = pg_query::scan(sql) else {
        return "<redacted: not readable, and may hold a credential>".to_owned();
    };
    let mut out = String::with_capacity(sql.len());
    let mut kept = 0;
    for statement in statements(&scan.tokens) {
        if !is_sensitive(sql, statement) {
            continue;
        }
        for token in statement.iter().filter(|token| holds_text(token.token)) {
            let (Ok(start), Ok(end)) = (usize::try_from(token.start), usize::try_from(token.end))
            else {
                continue;
            };
            let (Some(before), true) = (sql.get(kept..start), end <= sql.len()) else {
                continue;
            };
            out.push_str(before);
            out.push_str(if is_comment(token.token) {
                "/* redacted */"
            } else {
                GONE
            });
            kept = end;
        }
    }
    out.push_str(sql.get(kept..).unwrap_or_default());
    out
}

fn contains_folded(haystack: &str, needle: &str) -> bool {
    haystack
        .as_bytes()
        .windows(needle.len())
        .any(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
}

fn statements(tokens: &[ScanToken]) -> impl Iterator<Item = &[ScanToken]> {
    tokens.split(|token| token.token == Token::Ascii59 as i32)
}

fn is_sensitive(sql: &str, statement: &[ScanToken]) -> bool {
    statement.iter().any(|token| {
        let range = usize::try_from(token.start)
            .ok()
            .zip(usize::try_from(token.end).ok());
        let text = range
            .and_then(|(start, end)| sql.get(start..end))
            .unwrap_or_default();
        SENSITIVE.iter().any(|word| contains_folded(text, word))
            || text.get(..2).is_some_and(|p| p.eq_ignore_ascii_case("u&"))
    })
}

fn holds_text(token: i32) -> bool {
    let kinds = [Token::Sconst, Token::Usconst, Token::Bconst, Token::Xconst];
    kinds.iter().any(|kind| *kind as i32 == token) || is_comment(token)
}

fn is_comment(token: i32) -> bool {
    token == Token::SqlComment as i32 || token == Token::CComment as i32
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn credentials_go() {
        for (sql, secret) in [
            ("ALTER ROLE app PASSWORD 'hunter2'", "hunter2"),
            (
                "create user x with encrypted password E'hun\\'ter2' login",
                "ter2",
            ),
            (
                "CREATE USER MAPPING FOR x SERVER s OPTIONS (user 'u', password 'hunter2')",
                "hunter2",
            ),
            (
                "CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2' PUBLICATION p",
                "hunter2",
            ),
            (
                "select * from dblink('host=h password=hunter2', $$select 1$$) t(a int)",
                "hunter2",
            ),
            (
                "select set_config('app.Secret', 'hunter2', false)",
                "hunter2",
            ),
            (
                "ALTER ROLE a PASSWORD $pw$hunter2$pw$ -- hunter2",
                "hunter2",
            ),
            (
                "update users set password = 'hunter2' where id = 7",
                "hunter2",
            ),
            ("ALTER ROLE x PASS'hunter2' password ~~~ \u{1}'", "hunter2"),
        ] {
            let redacted = redact(sql);
            assert!(!redacted.contains(secret), "{redacted}");
        }
    }

    #[test]
    fn the_rest_stays() {
        let sql = "select * from users where name = 'Ada'; alter role x password 'p'";
        assert_eq!(
            redact(sql),
            "select * from users where name = 'Ada'; alter role x password '<redacted>'"
        );
        assert_eq!(
            redact("delete from t where a = 'b'"),
            "delete from t where a = 'b'"
        );
    }
}
