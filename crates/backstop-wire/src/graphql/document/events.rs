//! The tree that apollo-parser makes, as a flat list of what opens and closes.
//!
//! The tree is walked at its lowest layer, where a child costs no allocation.

use apollo_parser::cst::CstNode as _;
use apollo_parser::{Parser, SyntaxKind};

use super::super::Refused;
use super::super::refuse::{PLAINER, refused};
use super::Span;

/// Tokens in one document.
const TOKENS: usize = 15_000;
/// How deep selections and values nest.
const DEPTH: usize = 128;

/// One step through the tree. Kinds are [`SyntaxKind`] as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Open(u16),
    Token(u16, Span),
    Close,
}

/// Parses `text`; white space, comments and commas are left out.
///
/// # Errors
///
/// If the parser finds any fault, or a limit is reached.
pub(super) fn parse(text: &str) -> Result<Vec<Event>, Refused> {
    let tree = Parser::new(text)
        .token_limit(TOKENS)
        .recursion_limit(DEPTH)
        .parse();
    // What the parser says may quote the text; where it stands will do.
    if let Some(error) = tree.errors().next() {
        return Err(if error.is_limit() {
            refused(
                "the document has more than 15,000 tokens or nests deeper than 128",
                "send it in parts",
            )
        } else {
            refused(
                format!("the document is not GraphQL, at byte {}", error.index()),
                PLAINER,
            )
        });
    }
    let document = tree.document();
    let root = document.syntax().green();
    let mut events = Vec::with_capacity(text.len() / 3);
    let mut open = vec![root.children()];
    let mut at = 0;
    while let Some(children) = open.last_mut() {
        let Some(child) = children.next() else {
            open.pop();
            events.push(Event::Close);
            continue;
        };
        if let Some(node) = child.as_node() {
            events.push(Event::Open(node.kind().0));
            open.push(node.children());
        } else if let Some(token) = child.as_token() {
            let start = at;
            at += u32::from(token.text_len());
            let kind = token.kind().0;
            if !IGNORED.contains(&kind) {
                events.push(Event::Token(kind, Span { start, end: at }));
            }
        }
    }
    events.pop();
    // INVARIANT 1: every byte of the text is in the tree, so that spans are right and nothing is skipped unseen.
    if at as usize == text.len() {
        Ok(events)
    } else {
        Err(refused("the document is not read to its end", PLAINER))
    }
}

const IGNORED: [u16; 3] = [
    SyntaxKind::WHITESPACE as u16,
    SyntaxKind::COMMENT as u16,
    SyntaxKind::COMMA as u16,
];
