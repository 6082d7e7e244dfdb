//! What can be wrong with the bytes of a PostgreSQL connection.
//!
//! Every error here costs the connection it came from and nothing else. It never repeats what the
//! peer sent, since a password or a key may be in it.

/// The bytes do not follow PostgreSQL's protocol, so the connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A length word is smaller than itself or negative.
    #[error("invalid length {length} in a message of type {}", shown(*.tag))]
    Length {
        /// The message's type byte; zero for a startup packet, which has none.
        tag: u8,
        /// The length word as it was sent.
        length: i32,
    },
    /// A message is longer than this side takes.
    #[error("a message of type {} has {size} bytes, and the limit is {limit}", shown(*.tag))]
    TooLong {
        /// The message's type byte; zero for a startup packet, which has none.
        tag: u8,
        /// Bytes in the message's body.
        size: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// No message of this type exists in this direction.
    #[error("invalid message type {}", shown(*.0))]
    UnknownTag(u8),
    /// A command where only copied data may come.
    #[error("unexpected message of type {} during COPY from stdin", shown(*.0))]
    DuringCopy(u8),
    /// A message ends before its fields do.
    #[error("message of type {} ends in the middle of its {field}", shown(*.tag))]
    Truncated {
        /// The message's type byte.
        tag: u8,
        /// The field that is cut off.
        field: &'static str,
    },
    /// A message goes on after its last field.
    #[error("message of type {} has {extra} bytes after its last field", shown(*.tag))]
    Trailing {
        /// The message's type byte.
        tag: u8,
        /// How many bytes are left over.
        extra: usize,
    },
    /// Text that must be UTF-8 is not.
    #[error("the {field} in a message of type {} is not valid UTF-8", shown(*.tag))]
    NotUtf8 {
        /// The message's type byte.
        tag: u8,
        /// The field that is no text.
        field: &'static str,
    },
    /// A field has a value that the protocol does not know.
    #[error("the {field} in a message of type {} has no meaning", shown(*.tag))]
    BadValue {
        /// The message's type byte.
        tag: u8,
        /// The field.
        field: &'static str,
    },
    /// A startup packet names a protocol that this side does not speak.
    #[error("unsupported frontend protocol {major}.{minor}: this side speaks 3.0 to 3.2")]
    Version {
        /// Major version asked for.
        major: u16,
        /// Minor version asked for.
        minor: u16,
    },
    /// A startup packet names one parameter twice.
    #[error("a startup parameter is given twice")]
    DuplicateParameter,
    /// A startup packet names no user.
    #[error("no user name was given in the startup packet")]
    NoUser,
}

impl ProtocolError {
    /// The SQLSTATE that PostgreSQL gives for it.
    #[must_use]
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Self::Version { .. } => "0A000",
            Self::NoUser => "28000",
            _ => "08P01",
        }
    }

    /// What the person at the other end can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "send less in one message, for example with COPY",
            Self::Version { .. } => "use a client that speaks protocol 3.0 or 3.2",
            Self::NotUtf8 { .. } => "set client_encoding to UTF8 in the client",
            Self::NoUser => "name a user in the connection string",
            Self::DuringCopy(_) => "end copied data with CopyDone or CopyFail",
            Self::DuplicateParameter => "give each startup parameter once",
            _ => "check that client and server both speak PostgreSQL's protocol, version 3",
        }
    }
}

/// What cannot be written as a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The protocol ends its texts with a NUL, so none can be inside.
    #[error("text with a NUL inside cannot be sent")]
    Nul,
    /// A count or a length does not fit its field.
    #[error("the message is too large for the protocol")]
    TooLarge,
}

/// A message type as people read it: the letter if it is one.
pub(crate) fn shown(tag: u8) -> String {
    if tag == 0 {
        "startup".to_owned()
    } else if tag.is_ascii_graphic() {
        format!("`{}`", char::from(tag))
    } else {
        format!("0x{tag:02X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_sentences() {
        let error = ProtocolError::TooLong {
            tag: b'Q',
            size: 2_000,
            limit: 1_000,
        };
        assert_eq!(
            error.to_string(),
            "a message of type `Q` has 2000 bytes, and the limit is 1000"
        );
        assert_eq!(error.sqlstate(), "08P01");
        assert_eq!(
            ProtocolError::UnknownTag(7).to_string(),
            "invalid message type 0x07"
        );
    }
}
