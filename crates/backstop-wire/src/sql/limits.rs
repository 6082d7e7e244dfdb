//! What the analysis is ready to spend on one text: its length, and how much nesting it may hide.
//! Nothing here understands SQL; it only counts, before the parser sees a byte.

use super::error::SqlError;

/// The longest text that is analysed, in bytes. What is longer is refused, never passed on unread.
pub const MAX_TEXT: usize = 1 << 20;

/// Up to this many bytes a shallow text is read in well under a millisecond.
pub(super) const QUICK_TEXT: usize = 8 << 10;

/// Up to this many tokens a parse tree is shallow enough for any thread's stack.
pub(super) const SHALLOW_TOKENS: usize = 120;

/// The stack of the thread that reads a text which may nest deeper. Only touched pages cost memory.
pub(super) const DEEP_STACK: usize = 512 << 20;

/// How deep the walk follows expressions and subqueries before it gives up.
pub(super) const MAX_WALK_DEPTH: usize = 5_200;

/// How deep the walk follows view in view, query in text.
pub(super) const MAX_EXPANSION: usize = 16;

/// How many different objects, reasons or names one statement is followed to. Each new one is compared with those
/// known, so that this also bounds the time that a hostile text can cost.
pub(super) const MAX_FOUND: usize = 1_000;

/// How many places of a text are shown to a person first.
pub(super) const MAX_MARKS: usize = 16;

/// Refuses what is too long or would end early for the server.
pub(super) fn check(sql: &str) -> Result<(), SqlError> {
    if sql.len() > MAX_TEXT {
        return Err(SqlError::TooLong {
            length: sql.len(),
            limit: MAX_TEXT,
        });
    }
    if sql.as_bytes().contains(&0) {
        return Err(SqlError::ZeroByte);
    }
    if costs_the_lexer(sql.as_bytes()) {
        return Err(SqlError::TooDeep);
    }
    Ok(())
}

/// Comments in comments, and operator characters in one run, cost PostgreSQL's lexer the square of their number.
/// No text that a person or a program means has this many, wherever they stand.
const MAX_COMMENT_STARTS: usize = 4_000;
const MAX_OPERATOR_RUN: usize = 10_000;

fn costs_the_lexer(sql: &[u8]) -> bool {
    let (mut comments, mut run, mut before) = (0_usize, 0_usize, 0_u8);
    for &byte in sql {
        if before == b'/' && byte == b'*' {
            comments += 1;
        }
        run = if b"+-*/<>=~!@#%^&|`?".contains(&byte) {
            run + 1
        } else {
            0
        };
        if comments > MAX_COMMENT_STARTS || run > MAX_OPERATOR_RUN {
            return true;
        }
        before = byte;
    }
    false
}

/// An upper bound of the tokens in `sql`, and so of its nesting: words, and every other byte that is no space.
/// Counting stops at `SHALLOW_TOKENS`: beyond that the answer makes no difference.
pub(super) fn may_nest_deeply(sql: &str) -> bool {
    let mut tokens = 0;
    let mut in_word = false;
    for byte in sql.bytes() {
        let word = byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        if (word && !in_word) || (!word && !byte.is_ascii_whitespace() && byte != b',') {
            tokens += 1;
            if tokens > SHALLOW_TOKENS {
                return true;
            }
        }
        in_word = word;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_and_zero_bytes_are_refused() {
        assert!(matches!(
            check(&"x".repeat(MAX_TEXT + 1)),
            Err(SqlError::TooLong { .. })
        ));
        assert_eq!(check("select 1\0; drop table t"), Err(SqlError::ZeroByte));
        assert_eq!(check("select 1"), Ok(()));
    }

    #[test]
    fn what_costs_the_lexer_its_square_is_refused() {
        for text in ["/*".repeat(40_000), "+".repeat(200_000)] {
            assert_eq!(check(&format!("select {text}")), Err(SqlError::TooDeep));
        }
        for text in [
            "/* a */ ".repeat(3_000),
            "=".repeat(9_000),
            "a + ".repeat(20_000),
        ] {
            assert_eq!(check(&format!("select '{text}'")), Ok(()));
        }
    }

    #[test]
    fn nesting_is_never_underestimated() {
        assert!(!may_nest_deeply("select a, b, c from t where id = 1"));
        assert!(may_nest_deeply(&format!(
            "select {}1",
            "-".repeat(500).replace('-', "- ")
        )));
        assert!(may_nest_deeply(&format!("select {}", "(".repeat(500))));
        assert!(may_nest_deeply(&format!(
            "select {} true",
            "not ".repeat(500)
        )));
    }
}
