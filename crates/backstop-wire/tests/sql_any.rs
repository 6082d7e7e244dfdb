//! Any text at all: the analysis ends, never panics, and stays within the text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

use backstop_wire::sql::{self, Catalog, Session};
use proptest::prelude::*;

/// Pieces that grammars stumble over, to be strung together.
const PIECES: &[&str] = &[
    "select",
    "delete from",
    "update",
    "set",
    "where",
    "users",
    "u",
    ".",
    ",",
    "(",
    ")",
    "*",
    "1",
    "'a'",
    "''",
    "\"x\"",
    "$1",
    "$$",
    "$a$",
    "E'\\'",
    "U&'\\0041'",
    "--",
    "/*",
    "*/",
    ";",
    "=",
    "<>",
    "and",
    "or",
    "not",
    "in",
    "any",
    "array",
    "[",
    "]",
    "::",
    "int",
    "with",
    "as",
    "recursive",
    "insert into",
    "values",
    "returning",
    "merge into",
    "using",
    "on",
    "when matched then",
    "drop table",
    "cascade",
    "create",
    "table",
    "view",
    "function",
    "f(",
    "join",
    "lateral",
    "union all",
    "order by",
    "group by",
    "limit",
    "copy",
    "from stdin",
    "to program",
    "explain analyze",
    "prepare p as",
    "execute p",
    "declare c cursor for",
    "begin",
    "commit",
    "set role",
    "null",
    "default",
    "case",
    "end",
    "\n",
    "\t",
    "\u{feff}",
    "é",
    "🦀",
    "\u{202e}",
    "0x1f",
    "1e400",
    "json_table",
    "xmltable",
    "over",
    "filter",
    "truncate",
    "grant",
    "alter",
];

fn session_of<T>(work: impl FnOnce(&Session<'_>) -> T) -> T {
    let path = ["public".to_owned()];
    work(&Session {
        search_path: &path,
        role: "agent",
        own_roles: &[],
        created: &[],
        prepared: &|_| Some("delete from prepared".to_owned()),
        parameter_types: &[],
    })
}

fn judge(text: &str) {
    let Ok(script) = session_of(|session| sql::analyse(text, &Catalog::stock(0), session)) else {
        return;
    };
    for statement in &script.statements {
        assert!(
            text.get(statement.range.clone()).is_some(),
            "{text:?} {:?}",
            statement.range
        );
        for fragment in &statement.fragments {
            assert!(
                text.get(fragment.clone()).is_some(),
                "{text:?} {fragment:?}"
            );
        }
    }
    let _ = sql::redact::redact(text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_ends(text in any::<String>()) {
        judge(&text);
    }

    #[test]
    fn any_pieces_end(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        judge(&pieces.join(" "));
    }

    /// A comment, and another statement beside it, never make a destroying one look better.
    #[test]
    fn company_hides_nothing(before in "[a-z0-9 ,()']{0,30}", comment in "[a-z0-9 ;']{0,30}") {
        let text = format!("select '{}' /* {comment} */; drop table users", before.replace('\'', "''"));
        let script = session_of(|session| sql::analyse(&text, &Catalog::stock(0), session)).unwrap();
        let worst = script.statements.iter().map(|s| s.analysis.worst()).max().unwrap();
        prop_assert_eq!(worst, backstop_core::effect::EffectKind::Destroy);
    }

    /// A credential never survives.
    #[test]
    fn no_credential_survives(secret in "[a-zA-Z0-9]{12,20}", role in "[a-z]{1,8}") {
        for text in [
            format!("alter role {role} password '{secret}'"),
            format!("create user {role} encrypted password $${secret}$$"),
            format!("create user mapping for {role} server s options (password '{secret}')"),
            format!("select dblink_connect('password={secret}')"),
        ] {
            prop_assert!(!sql::redact::redact(&text).contains(&secret), "{}", text);
        }
    }
}
