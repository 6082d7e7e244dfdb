//! Cutting a byte stream into messages, without copying and without trusting lengths.
//!
//! Three ways to read, from cheapest to most convenient: [`peek`] borrows the first message in a
//! buffer (a relay walks over many and copies them on as one range); [`next`] splits it off as an owned
//! [`Frame`]; a message longer than its limit that needs no analysis comes as a [`Header`] and is passed
//! through in pieces by a [`Streamer`]. Nothing here knows what a message means.

use bytes::{Buf, Bytes, BytesMut};

use super::error::ProtocolError;
use super::tag::{backend, frontend};

/// Bytes before a message's body: its type and its length.
pub const HEADER: usize = 5;

/// How PostgreSQL bounds a message: its largest allocation.
pub const LARGEST: u32 = 0x3FFF_FFFF;

/// PostgreSQL's bound for messages that only carry a name or two.
const SMALL: u32 = 10_000;

/// Type and size of a message of which perhaps only the beginning has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The message's type.
    pub tag: u8,
    /// Bytes in its body.
    pub body: usize,
}

impl Header {
    /// Bytes of the whole message, type and length included.
    #[must_use]
    pub fn total(self) -> usize {
        self.body.saturating_add(HEADER)
    }
}

/// One whole message, owned; cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The message's type.
    pub tag: u8,
    raw: Bytes,
}

impl Frame {
    /// The body: what follows type and length.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.raw.get(HEADER..).unwrap_or_default()
    }

    /// The body as shared bytes.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.raw.slice(HEADER.min(self.raw.len())..)
    }

    /// The message exactly as it came, to be relayed.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The message exactly as it came.
    #[must_use]
    pub fn into_raw(self) -> Bytes {
        self.raw
    }
}

/// One whole message, borrowed from a read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The message's type.
    pub tag: u8,
    /// What follows type and length.
    pub body: &'a [u8],
}

impl Message<'_> {
    /// Bytes of the whole message, type and length included.
    #[must_use]
    pub fn total(&self) -> usize {
        self.body.len().saturating_add(HEADER)
    }
}

/// What stands at the front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek<'a> {
    /// Too few bytes; at least this many in all are needed before it is worth asking again.
    Partial(usize),
    /// A whole message.
    Whole(Message<'a>),
    /// A message too long to be kept whole, which may be streamed.
    Large(Header),
}

/// What [`next`] took from a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A whole message, split off.
    Frame(Frame),
    /// A message too long to be kept whole; its bytes, header included, are still in the buffer.
    Large(Header),
}

/// The longest body that is kept whole, by message type, and which types may be streamed beyond it.
#[derive(Debug, Clone)]
pub struct Limits {
    kept: Box<[Limit; 256]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Unknown,
    Refuse(u32),
    Stream(u32),
}

impl Limits {
    /// For what clients send: `analysed` bounds what must be read whole to be judged (Query, Parse,
    /// function calls); Bind and `CopyData` longer than `streamed` are passed through in pieces.
    #[must_use]
    pub fn frontend(analysed: u32, streamed: u32) -> Self {
        let mut limits = Self::none();
        for tag in frontend::ALL {
            limits.set(tag, Limit::Refuse(SMALL));
        }
        for tag in [frontend::QUERY, frontend::PARSE, frontend::FUNCTION_CALL] {
            limits.set(tag, Limit::Refuse(analysed));
        }
        for tag in [frontend::BIND, frontend::COPY_DATA] {
            limits.set(tag, Limit::Stream(streamed));
        }
        limits
    }

    /// For what servers send: rows, copied data and texts longer than `streamed` are passed through in
    /// pieces; of the rest a server never has reason to send more than `kept`.
    #[must_use]
    pub fn backend(kept: u32, streamed: u32) -> Self {
        let mut limits = Self::none();
        for tag in backend::ALL {
            limits.set(tag, Limit::Refuse(kept));
        }
        for tag in [
            backend::DATA_ROW,
            backend::COPY_DATA,
            backend::ERROR_RESPONSE,
            backend::NOTICE_RESPONSE,
            backend::FUNCTION_CALL_RESPONSE,
        ] {
            limits.set(tag, Limit::Stream(streamed));
        }
        limits
    }

    /// Bounds one type's body; a longer one is an error.
    #[must_use]
    pub fn refusing(mut self, tag: u8, longest: u32) -> Self {
        self.set(tag, Limit::Refuse(longest));
        self
    }

    /// Bounds what is kept whole of one type; a longer one may be streamed.
    #[must_use]
    pub fn streaming(mut self, tag: u8, longest_kept: u32) -> Self {
        self.set(tag, Limit::Stream(longest_kept));
        self
    }

    /// For a phase in which few types may come: those given, each with its longest body.
    #[must_use]
    pub fn only(types: &[(u8, u32)]) -> Self {
        let mut limits = Self::none();
        for &(tag, longest) in types {
            limits.set(tag, Limit::Refuse(longest));
        }
        limits
    }

    fn none() -> Self {
        Self {
            kept: Box::new([Limit::Unknown; 256]),
        }
    }

    fn set(&mut self, tag: u8, limit: Limit) {
        if let Some(slot) = self.kept.get_mut(usize::from(tag)) {
            *slot = limit;
        }
    }

    fn of(&self, tag: u8) -> Limit {
        self.kept
            .get(usize::from(tag))
            .copied()
            .unwrap_or(Limit::Unknown)
    }

    /// Whether a message is kept whole (`true`) or streamed (`false`).
    fn judge(&self, header: Header) -> Result<bool, ProtocolError> {
        let (limit, streams) = match self.of(header.tag) {
            Limit::Unknown => return Err(ProtocolError::UnknownTag(header.tag)),
            Limit::Refuse(limit) => (limit, false),
            Limit::Stream(limit) => (limit, true),
        };
        let size = header.body as u64;
        if size <= u64::from(limit) {
            return Ok(true);
        }
        if streams && size <= u64::from(LARGEST) {
            return Ok(false);
        }
        Err(ProtocolError::TooLong {
            tag: header.tag,
            size,
            limit: u64::from(if streams { LARGEST } else { limit }),
        })
    }
}

/// The header at the front of a buffer, if all of it has come.
///
/// # Errors
/// When the length is smaller than the length word itself, or negative.
pub fn peek_header(buffer: &[u8]) -> Result<Option<Header>, ProtocolError> {
    let Some(&[tag, a, b, c, d]) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes([a, b, c, d]);
    match length.checked_sub(4).map(usize::try_from) {
        Some(Ok(body)) => Ok(Some(Header { tag, body })),
        _ => Err(ProtocolError::Length { tag, length }),
    }
}

/// The message at the front of a buffer, borrowed.
///
/// # Errors
/// When its type is unknown, its length is impossible, or it is longer than `limits` say.
#[inline]
pub fn peek<'a>(buffer: &'a [u8], limits: &Limits) -> Result<Peek<'a>, ProtocolError> {
    let Some(header) = peek_header(buffer)? else {
        // An unknown type needs no length to be refused: a stray byte must not keep us waiting.
        return match buffer.first() {
            Some(&tag) if limits.of(tag) == Limit::Unknown => Err(ProtocolError::UnknownTag(tag)),
            _ => Ok(Peek::Partial(HEADER)),
        };
    };
    if !limits.judge(header)? {
        return Ok(Peek::Large(header));
    }
    match buffer.get(HEADER..header.total()) {
        Some(body) => Ok(Peek::Whole(Message {
            tag: header.tag,
            body,
        })),
        None => Ok(Peek::Partial(header.total())),
    }
}

/// Splits the next message off the front of a buffer.
///
/// `None` means that more bytes are needed; space for them is reserved already.
///
/// # Errors
/// As [`peek`].
pub fn next(buffer: &mut BytesMut, limits: &Limits) -> Result<Option<Next>, ProtocolError> {
    match peek(buffer, limits)? {
        Peek::Partial(needed) => {
            buffer.reserve(needed.saturating_sub(buffer.len()));
            Ok(None)
        }
        Peek::Large(header) => Ok(Some(Next::Large(header))),
        Peek::Whole(message) => {
            let (tag, total) = (message.tag, message.total());
            let raw = buffer.split_to(total).freeze();
            Ok(Some(Next::Frame(Frame { tag, raw })))
        }
    }
}

/// Splits the next message off, for a reader that streams nothing.
///
/// # Errors
/// As [`peek`], and when the message is one that could only be streamed.
pub fn next_frame(buffer: &mut BytesMut, limits: &Limits) -> Result<Option<Frame>, ProtocolError> {
    match next(buffer, limits)? {
        None => Ok(None),
        Some(Next::Frame(frame)) => Ok(Some(frame)),
        Some(Next::Large(header)) => Err(ProtocolError::TooLong {
            tag: header.tag,
            size: header.body as u64,
            limit: match limits.of(header.tag) {
                Limit::Refuse(limit) | Limit::Stream(limit) => u64::from(limit),
                Limit::Unknown => 0,
            },
        }),
    }
}

/// Passes one long message through in pieces, and knows when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamer {
    left: usize,
}

impl Streamer {
    /// For a message whose header is still in the buffer: the header is passed through too.
    #[must_use]
    pub fn whole(header: Header) -> Self {
        Self {
            left: header.total(),
        }
    }

    /// For the rest of a message, when some of it was dealt with already.
    #[must_use]
    pub fn rest(left: usize) -> Self {
        Self { left }
    }

    /// Bytes of the message still to come.
    #[must_use]
    pub fn left(self) -> usize {
        self.left
    }

    /// Whether the whole message has passed.
    #[must_use]
    pub fn is_done(self) -> bool {
        self.left == 0
    }

    /// Takes from the front of a buffer what belongs to the message; empty when nothing is there.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Bytes {
        let count = self.left.min(buffer.len());
        self.left = self.left.saturating_sub(count);
        buffer.split_to(count).freeze()
    }

    /// Throws away from the front of a buffer what belongs to the message; says how much that was.
    pub fn discard(&mut self, buffer: &mut BytesMut) -> usize {
        let count = self.left.min(buffer.len());
        self.left = self.left.saturating_sub(count);
        buffer.advance(count);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::frontend(64, 16)
    }

    #[test]
    fn a_message_comes_out_only_when_whole() {
        let bytes = b"Q\0\0\0\x0dSELECT 1\0S\0\0\0\x04";
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for byte in bytes {
            buffer.extend_from_slice(&[*byte]);
            while let Some(frame) = next_frame(&mut buffer, &limits()).unwrap() {
                frames.push(frame);
            }
        }
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].body(), b"SELECT 1\0");
        assert_eq!(frames[0].raw().as_ref(), &bytes[..14]);
        assert_eq!((frames[1].tag, frames[1].body()), (b'S', &b""[..]));
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for length in [-1_i32, 0, 3, i32::MIN] {
            let mut bytes = vec![b'Q'];
            bytes.extend(length.to_be_bytes());
            assert_eq!(
                peek(&bytes, &limits()),
                Err(ProtocolError::Length { tag: b'Q', length })
            );
        }
    }

    #[test]
    fn an_unknown_type_is_refused_by_its_first_byte() {
        assert_eq!(peek(b"y", &limits()), Err(ProtocolError::UnknownTag(b'y')));
    }

    #[test]
    fn too_long_is_refused_before_it_is_buffered_unless_it_may_stream() {
        assert!(matches!(
            peek(b"Q\0\0\x01\0", &limits()),
            Err(ProtocolError::TooLong {
                tag: b'Q',
                size: 252,
                limit: 64
            })
        ));
        let header = Header {
            tag: b'd',
            body: 252,
        };
        assert_eq!(peek(b"d\0\0\x01\0", &limits()), Ok(Peek::Large(header)));
        assert!(peek(b"d\x7f\xff\xff\xff", &limits()).is_err());
    }

    #[test]
    fn a_streamer_ends_where_the_message_does() {
        let mut buffer = BytesMut::from(&b"d\0\0\0\x18"[..]);
        let Some(Next::Large(header)) = next(&mut buffer, &limits()).unwrap() else {
            panic!("20 bytes are beyond the 16 that are kept");
        };
        let mut streamer = Streamer::whole(header);
        let mut passed = streamer.take(&mut buffer).to_vec();
        buffer.extend_from_slice(&[b'x'; 20]);
        buffer.extend_from_slice(b"S\0\0\0\x04");
        passed.extend(streamer.take(&mut buffer));
        assert!(streamer.is_done());
        assert_eq!(passed.len(), 25);
        assert_eq!(
            next_frame(&mut buffer, &limits()).unwrap().unwrap().tag,
            b'S'
        );
    }
}
