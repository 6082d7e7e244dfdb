//! Bind: parameters for a prepared statement, read lazily and without copying.
//!
//! Its lists are checked once when the message is read, so that walking them later cannot fail. A Bind
//! too long to be kept whole still shows its two names, by [`bind_names`].

use bytes::{BufMut, BytesMut};

use super::super::error::{EncodeError, ProtocolError};
use super::super::read::Reader;
use super::super::tag::frontend as tag;
use super::super::write;

/// Bind parameters to a statement, making a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal to make; empty for the unnamed one.
    pub portal: &'a str,
    /// The statement to bind; empty for the unnamed one.
    pub statement: &'a str,
    /// The parameters' formats.
    pub parameter_formats: Formats<'a>,
    /// The parameters.
    pub parameters: Values<'a>,
    /// The formats wanted for the result's columns.
    pub result_formats: Formats<'a>,
}

/// The names at the beginning of a Bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindNames<'a> {
    /// The portal to make.
    pub portal: &'a str,
    /// The statement to bind.
    pub statement: &'a str,
}

/// Format codes: none (all text), one (for all), or one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Formats<'a> {
    codes: &'a [u8],
}

/// Values with their lengths, each perhaps NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Values<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> Bind<'a> {
    /// A Bind without parameters, with results as text.
    #[must_use]
    pub fn new(portal: &'a str, statement: &'a str) -> Self {
        Self {
            portal,
            statement,
            parameter_formats: Formats::default(),
            parameters: Values::default(),
            result_formats: Formats::default(),
        }
    }

    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let bind = Self {
            portal: reader.text("portal name")?,
            statement: reader.text("statement name")?,
            parameter_formats: Formats::read(&mut reader)?,
            parameters: Values::read(&mut reader)?,
            result_formats: Formats::read(&mut reader)?,
        };
        reader.end().map(|()| bind)
    }

    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::text(out, self.portal)?;
        write::text(out, self.statement)?;
        self.parameter_formats.write(out)?;
        self.parameters.write(out)?;
        self.result_formats.write(out)
    }
}

impl<'a> Formats<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        let count = usize::from(reader.u16("count of formats")?);
        let codes = reader.bytes(count.saturating_mul(2), "formats")?;
        Ok(Self { codes })
    }

    /// Codes as they stand in a message: each as two bytes in network order.
    #[must_use]
    pub fn of_bytes(codes: &'a [u8]) -> Self {
        Self { codes }
    }

    /// The codes as they were sent: 0 is text, 1 is binary.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i16> + 'a {
        self.codes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|code| i16::from_be_bytes(*code))
    }

    /// How many codes were sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.codes.len() / 2
    }

    /// Whether no code was sent, so that all is text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The code for the value at `index`, by the rule of none, one or all.
    #[must_use]
    pub fn of(&self, index: usize) -> Option<i16> {
        match self.len() {
            0 => Some(0),
            1 => self.iter().next(),
            _ => self.iter().nth(index),
        }
    }

    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::count(out, self.len())?;
        out.put_slice(self.codes);
        Ok(())
    }
}

impl<'a> Values<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        let count = reader.u16("count of values")?;
        let before = reader.rest();
        for _ in 0..count {
            reader.value("value")?;
        }
        let used = before.len().saturating_sub(reader.rest().len());
        let bytes = before.get(..used).unwrap_or_default();
        Ok(Self { count, bytes })
    }

    /// Values as they stand in a message, behind their count.
    ///
    /// # Errors
    /// When these bytes are not so many values.
    pub fn of_bytes(count: u16, bytes: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(tag::BIND, bytes);
        for _ in 0..count {
            reader.value("value")?;
        }
        reader.end()?;
        Ok(Self { count, bytes })
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values in order; `None` is NULL.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a [u8]>> + 'a {
        let mut reader = Reader::new(tag::BIND, self.bytes);
        // INVARIANT: `read` has walked these bytes once, so every step succeeds.
        (0..self.count).map_while(move |_| reader.value("value").ok())
    }

    /// The bytes of all values with their length words, for a digest.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u16(self.count);
        out.put_slice(self.bytes);
        Ok(())
    }
}

/// The names at the beginning of a Bind of which perhaps not all has arrived; `None` if they have not.
///
/// # Errors
/// When a name is not UTF-8.
pub fn bind_names(beginning: &[u8]) -> Result<Option<BindNames<'_>>, ProtocolError> {
    let mut reader = Reader::new(tag::BIND, beginning);
    let cut = |error| match error {
        ProtocolError::Truncated { .. } => Ok(None),
        other => Err(other),
    };
    let portal = match reader.text("portal name") {
        Ok(name) => name,
        Err(error) => return cut(error),
    };
    match reader.text("statement name") {
        Ok(statement) => Ok(Some(BindNames { portal, statement })),
        Err(error) => cut(error),
    }
}
