//! Credentials in a GraphQL document: strings with the argument that they are for, and variables by that argument.

use apollo_parser::{Lexer, TokenKind};

use super::sheet::{DEEPEST, Sheet};
use super::{Place, Why, names};

/// Reads the strings of `text`, and gives each variable with the argument or field that it is put into.
pub(super) fn read(sheet: &mut Sheet<'_>, place: &Place, text: &str) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    // A document without either holds nothing; most are such.
    if !text.contains(['"', '$']) {
        return variables;
    }
    let (mut name, mut last, mut kind) = ("", "", TokenKind::Eof);
    for token in Lexer::new(text).map_while(Result::ok) {
        match token.kind() {
            TokenKind::Whitespace | TokenKind::Comma | TokenKind::Comment => continue,
            TokenKind::Colon => name = last,
            TokenKind::Name if kind == TokenKind::Dollar => {
                if !name.is_empty() {
                    variables.push((token.data().to_owned(), name.to_owned()));
                }
                last = token.data();
            }
            TokenKind::Name => {
                last = token.data();
                name = "";
            }
            TokenKind::StringValue => string(sheet, place, name, token.data()),
            TokenKind::LCurly | TokenKind::LParen | TokenKind::RCurly | TokenKind::RParen => {
                name = ""
            }
            _ => {}
        }
        kind = token.kind();
    }
    variables
}

fn string(sheet: &mut Sheet<'_>, place: &Place, name: &str, literal: &str) {
    let text = match literal.strip_prefix("\"\"\"") {
        Some(block) => block.trim_end_matches('"').trim(),
        None => literal.trim_matches('"'),
    };
    let decoded = crate::secrets::unescaped(text.as_bytes(), b'\\');
    let decoded = decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = decoded.as_deref().unwrap_or(text);
    match names::field(name, text) {
        Some(kind) => sheet.credential(place, name, text, Some(kind), Why::Position),
        None => sheet.value(place, name, text, DEEPEST),
    }
}
