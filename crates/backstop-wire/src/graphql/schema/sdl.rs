//! The tokens of the schema language, as far as a schema without descriptions has them.

use super::SchemaError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Mark(u8),
    /// A number or string, which only stands in defaults.
    Literal,
}

/// Takes the tokens of a text one after another, with one token of sight.
pub(super) struct Tokens<'a> {
    rest: &'a str,
    line: usize,
    next: Option<Token<'a>>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, SchemaError> {
        let mut tokens = Self {
            rest: text,
            line: 1,
            next: None,
        };
        tokens.advance()?;
        Ok(tokens)
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.next
    }

    pub(super) fn bump(&mut self) -> Result<Option<Token<'a>>, SchemaError> {
        let token = self.next;
        self.advance()?;
        Ok(token)
    }

    pub(super) fn eat(&mut self, mark: u8) -> Result<bool, SchemaError> {
        let there = self.next == Some(Token::Mark(mark));
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    pub(super) fn expect(&mut self, mark: u8) -> Result<(), SchemaError> {
        if self.eat(mark)? {
            return Ok(());
        }
        Err(self.odd())
    }

    pub(super) fn name(&mut self) -> Result<&'a str, SchemaError> {
        match self.bump()? {
            Some(Token::Name(name)) => Ok(name),
            _ => Err(self.odd()),
        }
    }

    pub(super) fn odd(&self) -> SchemaError {
        SchemaError::Text { line: self.line }
    }

    fn advance(&mut self) -> Result<(), SchemaError> {
        self.skip();
        let bytes = self.rest.as_bytes();
        let Some(&first) = bytes.first() else {
            self.next = None;
            return Ok(());
        };
        let length = |is: fn(&u8) -> bool| bytes.iter().take_while(|b| is(b)).count();
        let (token, taken) = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let end = length(|b| b.is_ascii_alphanumeric() || *b == b'_');
                (Token::Name(self.rest.get(..end).unwrap_or_default()), end)
            }
            b'-' | b'0'..=b'9' => {
                let end = length(|b| b.is_ascii_alphanumeric() || b"-+.".contains(b));
                (Token::Literal, end)
            }
            b'"' => (Token::Literal, self.string()?),
            b'{' | b'}' | b'(' | b')' | b'[' | b']' | b':' | b'!' | b'=' | b'|' | b'&' | b'@' => {
                (Token::Mark(first), 1)
            }
            _ => return Err(self.odd()),
        };
        self.next = Some(token);
        self.rest = self.rest.get(taken..).unwrap_or_default();
        Ok(())
    }

    /// The length of a one-line string, quotes included.
    fn string(&self) -> Result<usize, SchemaError> {
        let mut escaped = false;
        for (at, b) in self.rest.bytes().enumerate().skip(1) {
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'\n' => break,
                b'"' => return Ok(at + 1),
                _ => {}
            }
        }
        Err(self.odd())
    }

    fn skip(&mut self) {
        let mut comment = false;
        let mut taken = 0;
        for b in self.rest.bytes() {
            match b {
                b'\n' => {
                    self.line += 1;
                    comment = false;
                }
                _ if comment => {}
                b'#' => comment = true,
                b' ' | b'\t' | b'\r' | b',' => {}
                _ => break,
            }
            taken += 1;
        }
        self.rest = self.rest.get(taken..).unwrap_or_default();
    }
}
