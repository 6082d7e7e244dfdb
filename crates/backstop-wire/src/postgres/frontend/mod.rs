//! Messages from client to server: what is in them, borrowed from their bytes, and how they are written.
//!
//! Reading is strict: a missing NUL, a count that does not fit or a byte too many is an error, for gate
//! and server must never read the same bytes differently. What SQL means is not known here.

mod bind;
mod sasl;

use bytes::{BufMut, BytesMut};

use super::error::{EncodeError, ProtocolError};
use super::read::Reader;
use super::tag::frontend as tag;
use super::write;

pub use bind::{Bind, BindNames, Formats, Values, bind_names};
pub use sasl::{SaslInitialResponse, password, write_password, write_sasl_response};

/// What a Describe or a Close is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Named<'a> {
    /// A prepared statement; the empty name is the unnamed one.
    Statement(&'a str),
    /// A portal; the empty name is the unnamed one.
    Portal(&'a str),
}

/// One message of a client, borrowed from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontendMessage<'a> {
    /// Bind parameters to a statement, making a portal.
    Bind(Bind<'a>),
    /// Forget a statement or a portal.
    Close(Named<'a>),
    /// A piece of what is copied in.
    CopyData(&'a [u8]),
    /// The end of what is copied in.
    CopyDone,
    /// The client gives up copying, and says why.
    CopyFail(&'a str),
    /// Ask what a statement or a portal takes and gives.
    Describe(Named<'a>),
    /// Run a portal.
    Execute(Execute<'a>),
    /// Send what is buffered.
    Flush,
    /// Call a function by its OID, past any SQL.
    FunctionCall(FunctionCall<'a>),
    /// Prepare a statement.
    Parse(Parse<'a>),
    /// A password or a step of SASL; which of them only the state of authentication tells.
    Password(&'a [u8]),
    /// Run a string of SQL.
    Query(&'a str),
    /// End a series of extended-protocol messages.
    Sync,
    /// Good bye.
    Terminate,
}

/// Prepare a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The statement's name; empty for the unnamed one.
    pub statement: &'a str,
    /// One statement of SQL.
    pub sql: &'a str,
    types: &'a [u8],
}

/// Run a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a str,
    /// How many rows to give before suspending; zero or less means all.
    pub max_rows: i32,
}

/// Call a function by its OID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionCall<'a> {
    /// The function's OID.
    pub function: u32,
    /// The arguments' formats.
    pub formats: Formats<'a>,
    /// The arguments.
    pub arguments: Values<'a>,
    /// The format wanted for the result.
    pub result_format: i16,
}

impl<'a> Parse<'a> {
    /// A Parse that leaves all parameter types to the server.
    #[must_use]
    pub fn new(statement: &'a str, sql: &'a str) -> Self {
        Self {
            statement,
            sql,
            types: &[],
        }
    }

    /// The same, naming types: their OIDs, each as four bytes in network order.
    #[must_use]
    pub fn typed(self, types: &'a [u8]) -> Self {
        Self { types, ..self }
    }

    /// The OIDs of parameter types that the client names; zero leaves one to the server.
    pub fn types(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.types
            .as_chunks::<4>()
            .0
            .iter()
            .map(|oid| u32::from_be_bytes(*oid))
    }

    fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let statement = reader.text("statement name")?;
        let sql = reader.text("query")?;
        let count = usize::from(reader.u16("count of parameter types")?);
        let types = reader.bytes(count.saturating_mul(4), "parameter types")?;
        reader.end()?;
        Ok(Self {
            statement,
            sql,
            types,
        })
    }

    fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::text(out, self.statement)?;
        write::text(out, self.sql)?;
        write::count(out, self.types.len() / 4)?;
        out.put_slice(self.types);
        Ok(())
    }
}

impl<'a> FunctionCall<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let function = reader.u32("function")?;
        let formats = Formats::read(&mut reader)?;
        let arguments = Values::read(&mut reader)?;
        let result_format = reader.i16("result format")?;
        reader.end()?;
        Ok(Self {
            function,
            formats,
            arguments,
            result_format,
        })
    }

    fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u32(self.function);
        self.formats.write(out)?;
        self.arguments.write(out)?;
        out.put_i16(self.result_format);
        Ok(())
    }
}

impl<'a> Named<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let kind = reader.u8("kind")?;
        let name = reader.text("name")?;
        let named = match kind {
            b'S' => Self::Statement(name),
            b'P' => Self::Portal(name),
            _ => return Err(reader.bad("kind")),
        };
        reader.end().map(|()| named)
    }

    fn write(self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let (kind, name) = match self {
            Self::Statement(name) => (b'S', name),
            Self::Portal(name) => (b'P', name),
        };
        out.put_u8(kind);
        write::text(out, name)
    }
}

impl<'a> FrontendMessage<'a> {
    /// Reads a message from its type and body.
    ///
    /// # Errors
    /// When no such type exists or the body is not what the type asks for.
    pub fn parse(tag: u8, body: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(tag, body);
        match tag {
            tag::BIND => Bind::read(reader).map(Self::Bind),
            tag::CLOSE => Named::read(reader).map(Self::Close),
            tag::COPY_DATA => Ok(Self::CopyData(body)),
            tag::COPY_DONE => reader.end().map(|()| Self::CopyDone),
            tag::COPY_FAIL => {
                let reason = reader.text("reason")?;
                reader.end().map(|()| Self::CopyFail(reason))
            }
            tag::DESCRIBE => Named::read(reader).map(Self::Describe),
            tag::EXECUTE => {
                let portal = reader.text("portal name")?;
                let max_rows = reader.i32("row limit")?;
                reader
                    .end()
                    .map(|()| Self::Execute(Execute { portal, max_rows }))
            }
            tag::FLUSH => reader.end().map(|()| Self::Flush),
            tag::FUNCTION_CALL => FunctionCall::read(reader).map(Self::FunctionCall),
            tag::PARSE => Parse::read(reader).map(Self::Parse),
            tag::PASSWORD => Ok(Self::Password(body)),
            tag::QUERY => {
                let sql = reader.text("query")?;
                reader.end().map(|()| Self::Query(sql))
            }
            tag::SYNC => reader.end().map(|()| Self::Sync),
            // PostgreSQL does not look into it, and nothing follows it.
            tag::TERMINATE => Ok(Self::Terminate),
            _ => Err(ProtocolError::UnknownTag(tag)),
        }
    }

    /// The message's type.
    #[must_use]
    pub fn tag(&self) -> u8 {
        match self {
            Self::Bind(_) => tag::BIND,
            Self::Close(_) => tag::CLOSE,
            Self::CopyData(_) => tag::COPY_DATA,
            Self::CopyDone => tag::COPY_DONE,
            Self::CopyFail(_) => tag::COPY_FAIL,
            Self::Describe(_) => tag::DESCRIBE,
            Self::Execute(_) => tag::EXECUTE,
            Self::Flush => tag::FLUSH,
            Self::FunctionCall(_) => tag::FUNCTION_CALL,
            Self::Parse(_) => tag::PARSE,
            Self::Password(_) => tag::PASSWORD,
            Self::Query(_) => tag::QUERY,
            Self::Sync => tag::SYNC,
            Self::Terminate => tag::TERMINATE,
        }
    }

    /// Writes the message; on an error the buffer is as before.
    ///
    /// # Errors
    /// When a text has a NUL inside, or something is too large for its field.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::message(out, self.tag(), |out| match self {
            Self::Bind(bind) => bind.write(out),
            Self::Close(named) | Self::Describe(named) => named.write(out),
            Self::CopyData(bytes) | Self::Password(bytes) => {
                out.put_slice(bytes);
                Ok(())
            }
            Self::CopyFail(text) | Self::Query(text) => write::text(out, text),
            Self::Execute(execute) => {
                write::text(out, execute.portal)?;
                out.put_i32(execute.max_rows);
                Ok(())
            }
            Self::FunctionCall(call) => call.write(out),
            Self::Parse(parse) => parse.write(out),
            Self::CopyDone | Self::Flush | Self::Sync | Self::Terminate => Ok(()),
        })
    }
}

#[cfg(test)]
mod tests;
