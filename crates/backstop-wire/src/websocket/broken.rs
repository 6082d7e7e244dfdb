//! What ends a WebSocket: bytes that are none of the protocol's.

/// Why no more is read of what one end says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// RSV1 to RSV3 belong to extensions, and none was agreed on.
    #[error("a frame has a reserved bit, as of an extension that was not agreed on")]
    Reserved,
    /// There is no such kind of frame.
    #[error("a frame is of no kind that there is")]
    Kind,
    /// A client masks every frame, a server none.
    #[error("a frame is masked as the other end masks")]
    Mask,
    /// A length is written in the shortest way, and below 2^63.
    #[error("the length of a frame is not written in the shortest way")]
    Length,
    /// Control frames are whole and short.
    #[error("a control frame is in pieces or longer than 125 bytes")]
    Control,
    /// A piece without a beginning, or a beginning within another message.
    #[error("the pieces of a message do not follow each other")]
    Order,
    /// There is nothing to say after a close.
    #[error("a frame follows the close")]
    AfterClose,
    /// A close says nothing, or a code that can be said and a text.
    #[error("the close has no code that can be said, or a reason that is no text")]
    Close,
    /// A message of text is UTF-8.
    #[error("a message of text is not UTF-8")]
    Text,
    /// A message is longer than is kept to be looked through.
    #[error("a message is longer than what is kept to be judged")]
    TooLong,
}

impl Broken {
    /// The code of the close that says so (RFC 6455, section 7.4.1).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Text => 1007,
            Self::TooLong => 1009,
            _ => 1002,
        }
    }
}
