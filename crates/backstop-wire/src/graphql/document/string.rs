//! String literals: their escapes, as every version of the specification reads them.

use super::super::Refused;
use super::super::refuse::{VARIABLES, refused};

/// The value of the string literal `token`, quotes included.
///
/// # Errors
///
/// For block strings, `\u{…}` and surrogates, which older parsers refuse or read otherwise.
pub(super) fn decode(token: &str) -> Result<String, Refused> {
    if token.starts_with("\"\"\"") {
        return Err(refused("the document has a block string", VARIABLES));
    }
    let inner = token
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(broken)?;
    if !inner.contains(['\\', '\n', '\r']) {
        return Ok(inner.to_owned());
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => out.push(escape(&mut rest)?),
            '\n' | '\r' => return Err(broken()),
            _ => out.push(c),
        }
    }
    Ok(out)
}

fn escape(rest: &mut std::str::Chars<'_>) -> Result<char, Refused> {
    Ok(match rest.next().ok_or_else(broken)? {
        c @ ('"' | '\\' | '/') => c,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => unicode(rest)?,
        _ => return Err(broken()),
    })
}

fn unicode(rest: &mut std::str::Chars<'_>) -> Result<char, Refused> {
    let mut code = 0;
    for _ in 0..4 {
        let digit = rest.next().ok_or_else(broken)?;
        if digit == '{' {
            return Err(refused("the document has an escape `\\u{…}`", VARIABLES));
        }
        code = code * 16 + digit.to_digit(16).ok_or_else(broken)?;
    }
    char::from_u32(code)
        .filter(|&c| c != '\0')
        .ok_or_else(|| refused("the document escapes a surrogate or NUL", VARIABLES))
}

fn broken() -> Refused {
    refused("a string of the document is not well-formed", VARIABLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_off() {
        assert_eq!(decode(r#""""#).unwrap(), "");
        assert_eq!(decode(r#""plain""#).unwrap(), "plain");
        assert_eq!(
            decode(r#""\"\\\/\b\f\n\r\t\u0041\u00e9""#).unwrap(),
            "\"\\/\u{8}\u{c}\n\r\tAé"
        );
    }

    #[test]
    fn what_parsers_differ_in_is_refused() {
        for bad in [
            r#""""block""""#,
            r#""\u{41}""#,
            r#""\uD83D\uDE00""#,
            r#""\uD800""#,
            r#""\u0000""#,
            r#""\x41""#,
            r#""\u00""#,
            "\"a\nb\"",
            "\"",
        ] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
