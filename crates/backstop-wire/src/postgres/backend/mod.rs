//! Messages from server to client: what is in them, borrowed from their bytes, and how they are written.
//!
//! A relay needs none of this for rows: [`class`] tells by the type alone what can be passed on unread.

mod authentication;
mod report;
mod rows;

use bytes::{BufMut, BytesMut};

use super::error::{EncodeError, ProtocolError};
use super::read::Reader;
use super::startup::{CancelKey, LONGEST_KEY, SHORTEST_KEY};
use super::tag::backend as tag;
use super::write;

pub use authentication::{Authentication, Mechanisms};
pub use report::{Fields, Report, Severity, SqlState};
pub use rows::{Column, CopyResponse, DataRow, Oids, RowDescription};

/// Where a session stands with its transaction, as `ReadyForQuery` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// Not in a transaction block.
    Idle,
    /// In a transaction block.
    Open,
    /// In a failed transaction block: everything is refused until it ends.
    Failed,
}

impl TransactionStatus {
    /// The letter in the message.
    #[must_use]
    pub fn letter(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Open => b'T',
            Self::Failed => b'E',
        }
    }

    /// From the letter in the message.
    #[must_use]
    pub fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::Open),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }
}

/// How a relay treats a message, by its type alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Rows and copied data: the bulk, which changes no state.
    Bulk,
    /// May come at any time and answers nothing: notices, notifications, parameter changes.
    Unasked,
    /// Answers a message, or a part of one.
    Answer,
    /// Belongs to authentication and the start of a session.
    Startup,
    /// No server sends it.
    Unknown,
}

/// What a relay needs to know of a message's type.
#[must_use]
#[inline]
pub fn class(message: u8) -> Class {
    match message {
        tag::DATA_ROW | tag::COPY_DATA => Class::Bulk,
        tag::NOTICE_RESPONSE | tag::NOTIFICATION_RESPONSE | tag::PARAMETER_STATUS => Class::Unasked,
        tag::AUTHENTICATION | tag::BACKEND_KEY_DATA | tag::NEGOTIATE_PROTOCOL_VERSION => {
            Class::Startup
        }
        tag::BIND_COMPLETE
        | tag::CLOSE_COMPLETE
        | tag::COMMAND_COMPLETE
        | tag::COPY_BOTH_RESPONSE
        | tag::COPY_DONE
        | tag::COPY_IN_RESPONSE
        | tag::COPY_OUT_RESPONSE
        | tag::EMPTY_QUERY_RESPONSE
        | tag::ERROR_RESPONSE
        | tag::FUNCTION_CALL_RESPONSE
        | tag::NO_DATA
        | tag::PARAMETER_DESCRIPTION
        | tag::PARSE_COMPLETE
        | tag::PORTAL_SUSPENDED
        | tag::READY_FOR_QUERY
        | tag::ROW_DESCRIPTION => Class::Answer,
        _ => Class::Unknown,
    }
}

/// One message of a server, borrowed from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendMessage<'a> {
    /// A step of authentication.
    Authentication(Authentication<'a>),
    /// The key by which this session's queries can be cancelled.
    BackendKeyData(CancelKey),
    /// A portal was made.
    BindComplete,
    /// A statement or portal is forgotten.
    CloseComplete,
    /// A statement is done.
    CommandComplete(CommandTag<'a>),
    /// Copying both ways begins (replication only).
    CopyBothResponse(CopyResponse<'a>),
    /// A piece of what is copied out.
    CopyData(&'a [u8]),
    /// The end of what is copied out.
    CopyDone,
    /// The server waits for data to copy in.
    CopyInResponse(CopyResponse<'a>),
    /// Data to copy out follow.
    CopyOutResponse(CopyResponse<'a>),
    /// A row.
    DataRow(DataRow<'a>),
    /// The query string was empty.
    EmptyQueryResponse,
    /// Something failed.
    ErrorResponse(Fields<'a>),
    /// What a function called by its OID gave; `None` is NULL.
    FunctionCallResponse(Option<&'a [u8]>),
    /// The server speaks less than it was asked for.
    NegotiateProtocolVersion(Negotiation<'a>),
    /// A statement or portal gives no rows.
    NoData,
    /// A notice.
    NoticeResponse(Fields<'a>),
    /// A notification from another session.
    NotificationResponse(Notification<'a>),
    /// The types of a statement's parameters.
    ParameterDescription(Oids<'a>),
    /// A setting has a value that clients are told of.
    ParameterStatus(ParameterStatus<'a>),
    /// A statement is prepared.
    ParseComplete,
    /// A portal has given as many rows as were asked for, and has more.
    PortalSuspended,
    /// The server waits for the next command.
    ReadyForQuery(TransactionStatus),
    /// The columns of the rows that follow.
    RowDescription(RowDescription<'a>),
}

/// What a statement says of itself when done, such as `DELETE 3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandTag<'a>(pub &'a str);

impl<'a> CommandTag<'a> {
    /// Reads it from the body of a `CommandComplete`.
    ///
    /// # Errors
    /// When the body is anything else.
    pub fn parse(body: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(tag::COMMAND_COMPLETE, body);
        let text = reader.text("command tag")?;
        reader.end().map(|()| Self(text))
    }

    /// How many rows it was about, where it says so.
    #[must_use]
    pub fn rows(self) -> Option<u64> {
        self.0.rsplit_once(' ')?.1.parse().ok()
    }

    /// What was done, without counts, such as `DELETE`.
    #[must_use]
    pub fn command(self) -> &'a str {
        self.0
            .trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ')
    }
}

/// A notification from another session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification<'a> {
    /// The process that notified.
    pub process: i32,
    /// The channel.
    pub channel: &'a str,
    /// What was said.
    pub payload: &'a str,
}

/// A setting has a value that clients are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// The setting.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

impl<'a> ParameterStatus<'a> {
    /// Reads it from the body of its message.
    ///
    /// # Errors
    /// When the body is anything else.
    pub fn parse(body: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(tag::PARAMETER_STATUS, body);
        let name = reader.text("setting")?;
        let value = reader.text("value")?;
        reader.end().map(|()| Self { name, value })
    }
}

/// The server speaks less than it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiation<'a> {
    /// The newest version that the server speaks: major in the upper 16 bits, minor in the lower.
    pub version: u32,
    count: u32,
    names: &'a [u8],
}

impl<'a> Negotiation<'a> {
    /// The minor version.
    #[must_use]
    pub fn minor(&self) -> u16 {
        let [_, _, a, b] = self.version.to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// The extensions that the server does not know.
    pub fn unknown(&self) -> impl Iterator<Item = &'a str> + 'a {
        let mut reader = Reader::new(tag::NEGOTIATE_PROTOCOL_VERSION, self.names);
        (0..self.count).map_while(move |_| reader.text("extension").ok())
    }

    fn read(mut reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let version = reader.u32("version")?;
        let count = reader.u32("count of extensions")?;
        let names = reader.rest();
        for _ in 0..count {
            reader.text("extension")?;
        }
        reader.end()?;
        Ok(Self {
            version,
            count,
            names,
        })
    }
}

/// Reads the status from the body of a `ReadyForQuery`.
///
/// # Errors
/// When the body is anything else.
pub fn ready_status(body: &[u8]) -> Result<TransactionStatus, ProtocolError> {
    let mut reader = Reader::new(tag::READY_FOR_QUERY, body);
    let letter = reader.u8("transaction status")?;
    let status = TransactionStatus::from_letter(letter);
    let status = status.ok_or_else(|| reader.bad("transaction status"))?;
    reader.end().map(|()| status)
}

/// Writes a `ReadyForQuery`.
pub fn write_ready(status: TransactionStatus, out: &mut BytesMut) {
    out.put_u8(tag::READY_FOR_QUERY);
    out.put_i32(5);
    out.put_u8(status.letter());
}

fn key_data(mut reader: Reader<'_>) -> Result<CancelKey, ProtocolError> {
    let process = reader.i32("process")?;
    let secret = reader.rest();
    if !(SHORTEST_KEY..=LONGEST_KEY).contains(&secret.len()) {
        return Err(reader.bad("cancel key"));
    }
    Ok(CancelKey {
        process,
        secret: bytes::Bytes::copy_from_slice(secret),
    })
}

impl<'a> BackendMessage<'a> {
    /// Reads a message from its type and body.
    ///
    /// # Errors
    /// When no such type exists or the body is not what the type asks for.
    pub fn parse(message: u8, body: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(message, body);
        Ok(match message {
            tag::AUTHENTICATION => Self::Authentication(Authentication::read(reader)?),
            tag::BACKEND_KEY_DATA => Self::BackendKeyData(key_data(reader)?),
            tag::COMMAND_COMPLETE => Self::CommandComplete(CommandTag::parse(body)?),
            tag::COPY_BOTH_RESPONSE => Self::CopyBothResponse(CopyResponse::read(reader)?),
            tag::COPY_DATA => Self::CopyData(body),
            tag::COPY_IN_RESPONSE => Self::CopyInResponse(CopyResponse::read(reader)?),
            tag::COPY_OUT_RESPONSE => Self::CopyOutResponse(CopyResponse::read(reader)?),
            tag::DATA_ROW => Self::DataRow(DataRow::read(reader)?),
            tag::ERROR_RESPONSE => Self::ErrorResponse(Fields::read(reader)?),
            tag::FUNCTION_CALL_RESPONSE => {
                let value = reader.value("result")?;
                reader.end()?;
                Self::FunctionCallResponse(value)
            }
            tag::NEGOTIATE_PROTOCOL_VERSION => {
                Self::NegotiateProtocolVersion(Negotiation::read(reader)?)
            }
            tag::NOTICE_RESPONSE => Self::NoticeResponse(Fields::read(reader)?),
            tag::NOTIFICATION_RESPONSE => {
                let process = reader.i32("process")?;
                let channel = reader.text("channel")?;
                let payload = reader.text("payload")?;
                reader.end()?;
                Self::NotificationResponse(Notification {
                    process,
                    channel,
                    payload,
                })
            }
            tag::PARAMETER_DESCRIPTION => Self::ParameterDescription(Oids::read(reader)?),
            tag::PARAMETER_STATUS => Self::ParameterStatus(ParameterStatus::parse(body)?),
            tag::READY_FOR_QUERY => Self::ReadyForQuery(ready_status(body)?),
            tag::ROW_DESCRIPTION => Self::RowDescription(RowDescription::read(reader)?),
            _ => return Self::bare(message, reader),
        })
    }

    fn bare(message: u8, reader: Reader<'a>) -> Result<Self, ProtocolError> {
        let bare = match message {
            tag::BIND_COMPLETE => Self::BindComplete,
            tag::CLOSE_COMPLETE => Self::CloseComplete,
            tag::COPY_DONE => Self::CopyDone,
            tag::EMPTY_QUERY_RESPONSE => Self::EmptyQueryResponse,
            tag::NO_DATA => Self::NoData,
            tag::PARSE_COMPLETE => Self::ParseComplete,
            tag::PORTAL_SUSPENDED => Self::PortalSuspended,
            _ => return Err(ProtocolError::UnknownTag(message)),
        };
        reader.end().map(|()| bare)
    }

    /// The message's type.
    #[must_use]
    pub fn tag(&self) -> u8 {
        match self {
            Self::Authentication(_) => tag::AUTHENTICATION,
            Self::BackendKeyData(_) => tag::BACKEND_KEY_DATA,
            Self::BindComplete => tag::BIND_COMPLETE,
            Self::CloseComplete => tag::CLOSE_COMPLETE,
            Self::CommandComplete(_) => tag::COMMAND_COMPLETE,
            Self::CopyBothResponse(_) => tag::COPY_BOTH_RESPONSE,
            Self::CopyData(_) => tag::COPY_DATA,
            Self::CopyDone => tag::COPY_DONE,
            Self::CopyInResponse(_) => tag::COPY_IN_RESPONSE,
            Self::CopyOutResponse(_) => tag::COPY_OUT_RESPONSE,
            Self::DataRow(_) => tag::DATA_ROW,
            Self::EmptyQueryResponse => tag::EMPTY_QUERY_RESPONSE,
            Self::ErrorResponse(_) => tag::ERROR_RESPONSE,
            Self::FunctionCallResponse(_) => tag::FUNCTION_CALL_RESPONSE,
            Self::NegotiateProtocolVersion(_) => tag::NEGOTIATE_PROTOCOL_VERSION,
            Self::NoData => tag::NO_DATA,
            Self::NoticeResponse(_) => tag::NOTICE_RESPONSE,
            Self::NotificationResponse(_) => tag::NOTIFICATION_RESPONSE,
            Self::ParameterDescription(_) => tag::PARAMETER_DESCRIPTION,
            Self::ParameterStatus(_) => tag::PARAMETER_STATUS,
            Self::ParseComplete => tag::PARSE_COMPLETE,
            Self::PortalSuspended => tag::PORTAL_SUSPENDED,
            Self::ReadyForQuery(_) => tag::READY_FOR_QUERY,
            Self::RowDescription(_) => tag::ROW_DESCRIPTION,
        }
    }

    /// Writes the message; on an error the buffer is as before.
    ///
    /// # Errors
    /// When a text has a NUL inside, or something is too large for its field.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::message(out, self.tag(), |out| self.write_body(out))
    }

    fn write_body(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Self::Authentication(step) => step.write(out)?,
            Self::BackendKeyData(key) => {
                out.put_i32(key.process);
                out.put_slice(&key.secret);
            }
            Self::CommandComplete(done) => write::text(out, done.0)?,
            Self::CopyBothResponse(copy)
            | Self::CopyInResponse(copy)
            | Self::CopyOutResponse(copy) => copy.write(out)?,
            Self::CopyData(bytes) => out.put_slice(bytes),
            Self::DataRow(row) => row.write(out),
            Self::ErrorResponse(fields) | Self::NoticeResponse(fields) => fields.write(out),
            Self::FunctionCallResponse(result) => write::value(out, *result)?,
            Self::NegotiateProtocolVersion(negotiation) => {
                out.put_u32(negotiation.version);
                out.put_u32(negotiation.count);
                out.put_slice(negotiation.names);
            }
            Self::NotificationResponse(notification) => {
                out.put_i32(notification.process);
                write::text(out, notification.channel)?;
                write::text(out, notification.payload)?;
            }
            Self::ParameterDescription(types) => types.write(out)?,
            Self::ParameterStatus(status) => {
                write::text(out, status.name)?;
                write::text(out, status.value)?;
            }
            Self::ReadyForQuery(status) => out.put_u8(status.letter()),
            Self::RowDescription(columns) => columns.write(out),
            Self::BindComplete
            | Self::CloseComplete
            | Self::CopyDone
            | Self::EmptyQueryResponse
            | Self::NoData
            | Self::ParseComplete
            | Self::PortalSuspended => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
