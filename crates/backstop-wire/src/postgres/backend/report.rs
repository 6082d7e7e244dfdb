//! Errors and notices: reading their fields, and building our own.
//!
//! A report built here has what, why and a hint, each cleaned of NULs, so that writing it cannot fail;
//! whoever builds one keeps secrets out of it.

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::error::ProtocolError;
use super::super::read::Reader;
use super::super::{tag::backend as tag, write};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The command failed.
    Error,
    /// The connection ends.
    Fatal,
    /// The server restarts.
    Panic,
    /// Something to look at.
    Warning,
    /// Something to know.
    Notice,
    /// Something for those who look for it.
    Info,
}

impl Severity {
    /// As the protocol spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
        }
    }
}

/// Five letters or digits that say what kind of error it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// The bytes on the wire break the protocol.
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// A prepared statement of this name does not exist.
    pub const INVALID_STATEMENT_NAME: Self = Self(*b"26000");
    /// A portal of this name does not exist.
    pub const INVALID_CURSOR_NAME: Self = Self(*b"34000");
    /// A prepared statement of this name exists already.
    pub const DUPLICATE_STATEMENT: Self = Self(*b"42P05");
    /// The transaction has failed before; nothing runs in it any more.
    pub const IN_FAILED_TRANSACTION: Self = Self(*b"25P02");
    /// A cursor of this name exists already.
    pub const DUPLICATE_CURSOR: Self = Self(*b"42P03");
    /// The query was cancelled; COPY gives it too when the client gives up.
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// The error says no code.
    pub const UNKNOWN: Self = Self(*b"XX000");

    /// From five letters or digits.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        Self::from_bytes(code.as_bytes())
    }

    /// From five letters or digits.
    #[must_use]
    pub fn from_bytes(code: &[u8]) -> Option<Self> {
        let five: [u8; 5] = code.try_into().ok()?;
        five.iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            .then_some(Self(five))
    }

    /// Whether a constraint is violated (class 23).
    #[must_use]
    pub fn is_integrity_violation(self) -> bool {
        self.0.starts_with(b"23")
    }

    /// Whether the transaction cannot be committed beside others (class 40).
    #[must_use]
    pub fn is_transaction_rollback(self) -> bool {
        self.0.starts_with(b"40")
    }

    /// The five letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // INVARIANT: every way to make one lets only ASCII in.
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The fields of an error or a notice, as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads them from the body of an error or a notice.
    ///
    /// # Errors
    /// When a field lacks its NUL or something follows the last.
    pub fn parse(body: &'a [u8]) -> Result<Self, ProtocolError> {
        Self::read(Reader::new(tag::ERROR_RESPONSE, body))
    }

    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let bytes = reader.rest();
        while reader.u8("field")? != 0 {
            reader.cstr("field")?;
        }
        reader.end().map(|()| Self { bytes })
    }

    /// From the beginning of a body that may be cut off: what is whole can be asked for.
    #[must_use]
    pub fn beginning(body: &'a [u8]) -> Self {
        Self { bytes: body }
    }

    /// Letters and values in order. Values are bytes: before the session agrees on an encoding, a
    /// server may send texts that are not UTF-8.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + 'a {
        let mut reader = Reader::new(tag::ERROR_RESPONSE, self.bytes);
        std::iter::from_fn(move || match reader.u8("field") {
            Ok(0) | Err(_) => None,
            Ok(letter) => reader.cstr("field").ok().map(|value| (letter, value)),
        })
    }

    /// The value of a field by its letter.
    #[must_use]
    pub fn get(&self, letter: u8) -> Option<&'a [u8]> {
        self.iter()
            .find_map(|(found, value)| (found == letter).then_some(value))
    }

    /// The value of a field as text, with what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self, letter: u8) -> Option<Cow<'a, str>> {
        self.get(letter).map(String::from_utf8_lossy)
    }

    /// What kind of error it is.
    #[must_use]
    pub fn code(&self) -> SqlState {
        self.get(b'C')
            .and_then(SqlState::from_bytes)
            .unwrap_or(SqlState::UNKNOWN)
    }

    /// What happened.
    #[must_use]
    pub fn message(&self) -> Cow<'a, str> {
        self.text(b'M').unwrap_or_default()
    }

    /// Whether the connection ends with it.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        // `V` is never translated; `S` is all that servers before 9.6 send.
        let severity = self.get(b'V').or_else(|| self.get(b'S'));
        matches!(severity, Some(b"FATAL" | b"PANIC"))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_slice(self.bytes);
    }
}

/// An error or a notice of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    severity: Severity,
    code: SqlState,
    message: String,
    others: Vec<(u8, String)>,
}

impl Report {
    /// A report with what every report must have.
    #[must_use]
    pub fn new(severity: Severity, code: SqlState, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            message: clean(message.into()),
            others: Vec::new(),
        }
    }

    /// An error that fails the command.
    #[must_use]
    pub fn error(code: SqlState, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Adds why.
    #[must_use]
    pub fn detail(self, text: impl Into<String>) -> Self {
        self.field(b'D', text)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(self, text: impl Into<String>) -> Self {
        self.field(b'H', text)
    }

    /// Adds where in the query it is, counted in characters from 1.
    #[must_use]
    pub fn position(self, position: u32) -> Self {
        self.field(b'P', position.to_string())
    }

    /// Adds any other field by its letter.
    #[must_use]
    pub fn field(mut self, letter: u8, text: impl Into<String>) -> Self {
        if letter != 0 {
            self.others.push((letter, clean(text.into())));
        }
        self
    }

    /// The same report, of another severity.
    #[must_use]
    pub fn severe(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub fn code(&self) -> SqlState {
        self.code
    }

    /// What happened.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Writes it: warnings, notices and the like as `NoticeResponse`, the rest as `ErrorResponse`.
    pub fn write(&self, out: &mut BytesMut) {
        let kind = match self.severity {
            Severity::Error | Severity::Fatal | Severity::Panic => tag::ERROR_RESPONSE,
            Severity::Warning | Severity::Notice | Severity::Info => tag::NOTICE_RESPONSE,
        };
        let severity = self.severity.as_str();
        // INVARIANT: texts are cleaned of NULs and bounded, so that nothing here can fail.
        let written = write::message(out, kind, |out| {
            let fixed = [
                (b'S', severity),
                (b'V', severity),
                (b'C', self.code.as_str()),
            ];
            let fields = fixed
                .into_iter()
                .chain([(b'M', self.message.as_str())])
                .chain(
                    self.others
                        .iter()
                        .map(|(letter, text)| (*letter, text.as_str())),
                );
            for (letter, text) in fields {
                out.put_u8(letter);
                write::text(out, text)?;
            }
            out.put_u8(0);
            Ok(())
        });
        debug_assert!(written.is_ok());
    }

    /// The whole message as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write(&mut out);
        out.freeze()
    }
}

/// No text of a report is longer than this many bytes.
const LONGEST_TEXT: usize = 64 * 1024;

fn clean(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT)
            .rev()
            .find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or(0));
    }
    if text.contains('\0') {
        text = text.replace('\0', "\u{fffd}");
    }
    text
}
