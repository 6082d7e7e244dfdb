//! What the letter `p` can hold: a password, or the first step of SASL.
//!
//! It reads; nothing here keeps or compares a secret.

use bytes::{BufMut, BytesMut};

use super::super::error::{EncodeError, ProtocolError};
use super::super::read::Reader;
use super::super::tag::frontend as tag;
use super::super::write;

/// The client's choice of a mechanism, and its first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaslInitialResponse<'a> {
    /// The mechanism chosen.
    pub mechanism: &'a str,
    /// The first message of the mechanism, if the client sends one.
    pub data: Option<&'a [u8]>,
}

impl<'a> SaslInitialResponse<'a> {
    /// Reads it from the body of a `p` message.
    ///
    /// # Errors
    /// When the body is anything else.
    pub fn parse(body: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(tag::PASSWORD, body);
        let mechanism = reader.text("mechanism")?;
        let data = reader.value("initial response")?;
        reader.end()?;
        Ok(Self { mechanism, data })
    }

    /// Writes the whole message.
    ///
    /// # Errors
    /// When the mechanism has a NUL inside or the data is too long.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::message(out, tag::PASSWORD, |out| {
            write::text(out, self.mechanism)?;
            write::value(out, self.data)
        })
    }
}

/// The password in the body of a `p` message.
///
/// # Errors
/// When the body is not one text.
pub fn password(body: &[u8]) -> Result<&[u8], ProtocolError> {
    let mut reader = Reader::new(tag::PASSWORD, body);
    let password = reader.cstr("password")?;
    reader.end().map(|()| password)
}

/// Writes a password message.
///
/// # Errors
/// When the password has a NUL inside.
pub fn write_password(password: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
    write::message(out, tag::PASSWORD, |out| write::cstr(out, password))
}

/// Writes a later step of SASL.
///
/// # Errors
/// When the data is too long.
pub fn write_sasl_response(data: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
    write::message(out, tag::PASSWORD, |out| {
        out.put_slice(data);
        Ok(())
    })
}
