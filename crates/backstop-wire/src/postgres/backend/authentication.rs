//! The steps of authentication that a server asks for.
//!
//! Kinds that this side never uses are still told apart, so that an error can name what was asked for.

use bytes::{BufMut, BytesMut};

use super::super::error::{EncodeError, ProtocolError};
use super::super::read::Reader;
use super::super::write;

/// A step of authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// Done.
    Ok,
    /// The password as it is.
    Cleartext,
    /// The password's MD5 with a salt.
    Md5([u8; 4]),
    /// SASL begins; these mechanisms are offered.
    Sasl(Mechanisms<'a>),
    /// SASL goes on.
    SaslContinue(&'a [u8]),
    /// SASL ends.
    SaslFinal(&'a [u8]),
    /// A kind that this side does not speak, by its number: Kerberos, GSSAPI, SSPI and the like.
    Other(i32),
}

/// The SASL mechanisms that a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mechanisms<'a> {
    names: &'a [u8],
}

impl<'a> Mechanisms<'a> {
    /// A list as the message holds it: each name ended by a NUL.
    #[must_use]
    pub fn new(names: &'a [u8]) -> Self {
        Self { names }
    }

    /// The names, the server's favourite first.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.names
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty())
    }

    /// Whether a mechanism is among them.
    #[must_use]
    pub fn contains(&self, mechanism: &str) -> bool {
        self.iter().any(|name| name == mechanism.as_bytes())
    }

    fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let all = reader.rest();
        while !reader.text("mechanism")?.is_empty() {}
        let names = all
            .get(
                ..all
                    .len()
                    .saturating_sub(reader.rest().len())
                    .saturating_sub(1),
            )
            .unwrap_or_default();
        reader.end().map(|()| Self { names })
    }
}

impl<'a> Authentication<'a> {
    pub(super) fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let kind = reader.i32("kind of authentication")?;
        let step = match kind {
            0 => Self::Ok,
            3 => Self::Cleartext,
            5 => {
                let salt = reader.u32("salt")?;
                Self::Md5(salt.to_be_bytes())
            }
            10 => return Mechanisms::read(reader).map(Self::Sasl),
            11 => return Ok(Self::SaslContinue(reader.rest())),
            12 => return Ok(Self::SaslFinal(reader.rest())),
            other => return Ok(Self::Other(other)),
        };
        reader.end().map(|()| step)
    }

    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Self::Ok => out.put_i32(0),
            Self::Cleartext => out.put_i32(3),
            Self::Md5(salt) => {
                out.put_i32(5);
                out.put_slice(salt);
            }
            Self::Sasl(mechanisms) => {
                out.put_i32(10);
                mechanisms
                    .iter()
                    .try_for_each(|name| write::cstr(out, name))?;
                out.put_u8(0);
            }
            Self::SaslContinue(data) => {
                out.put_i32(11);
                out.put_slice(data);
            }
            Self::SaslFinal(data) => {
                out.put_i32(12);
                out.put_slice(data);
            }
            Self::Other(kind) => out.put_i32(*kind),
        }
        Ok(())
    }
}
