//! Takes credentials out of a text before it is stored anywhere (invariant 8).
//! It must take out too much rather than too little, and must work on texts that no parser understands.

use std::sync::LazyLock;

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
    if !may_be_sensitive(sql) {
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

/// Whether any of the words stands anywhere in `sql`, in one pass: nearly every text holds none of them.
fn may_be_sensitive(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    bytes.windows(2).enumerate().any(|(at, pair)| {
        let &[first, second] = pair else { return false };
        if first.eq_ignore_ascii_case(&b'u') && second == b'&' {
            return true;
        }
        if !BEGINNINGS.holds(first, second) {
            return false;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        SENSITIVE.iter().any(|word| {
            rest.get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
        })
    })
}

/// For each first letter, which letters may come second: one bit each.
struct Beginnings([u32; 26]);

static BEGINNINGS: LazyLock<Beginnings> = LazyLock::new(|| {
    let mut table = Beginnings([0; 26]);
    for word in SENSITIVE {
        if let [first, second, ..] = word.as_bytes()
            && let (Some(first), Some(second)) = (letter(*first), letter(*second))
            && let Some(row) = table.0.get_mut(first)
        {
            *row |= 1 << second;
        }
    }
    table
});

impl Beginnings {
    fn holds(&self, first: u8, second: u8) -> bool {
        let (Some(first), Some(second)) = (letter(first), letter(second)) else {
            return false;
        };
        self.0
            .get(first)
            .is_some_and(|row| row & (1 << second) != 0)
    }
}

fn letter(byte: u8) -> Option<usize> {
    let lower = byte.to_ascii_lowercase();
    lower
        .is_ascii_lowercase()
        .then(|| usize::from(lower - b'a'))
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
    use super::{SENSITIVE, contains_folded, may_be_sensitive, redact};

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
    fn one_pass_finds_what_a_search_for_each_word_finds() {
        for word in SENSITIVE.iter().chain(&["U&"]) {
            for text in [
                format!("select '{word}'"),
                word.to_uppercase(),
                format!("xx{word}yy"),
                format!("é{word}"),
            ] {
                assert!(may_be_sensitive(&text), "{text}");
            }
            let cut = &word[..word.len() - 1];
            let without = |text: &str| !SENSITIVE.iter().any(|w| contains_folded(text, w));
            assert_eq!(may_be_sensitive(cut), !without(cut), "{cut}");
        }
        assert!(!may_be_sensitive(
            "SELECT abalance FROM pgbench_accounts WHERE aid = 7"
        ));
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
