//! gRPC and what is made like it: calls whose messages come one after the other, each with its length before it.
//!
//! What a message means is in a schema that is not here. It must not decide what may be called.

/// A flag and four bytes of length.
const PREFIX: usize = 5;

/// How a call is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web: its trailers are a last message.
    Web,
    /// The same in base64, where nothing can be looked through as it goes.
    WebText,
    /// Connect's streams: how they end is a last message.
    Connect,
}

impl Kind {
    /// By a media type, with or without parameters. Servers differ in what they take after `application/grpc`.
    #[must_use]
    pub fn of(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        let rest = essence.strip_prefix("application/")?;
        if rest.starts_with("grpc-web-text") {
            return Some(Self::WebText);
        }
        if rest.starts_with("grpc-web") {
            return Some(Self::Web);
        }
        if rest.starts_with("grpc") {
            return Some(Self::Grpc);
        }
        rest.starts_with("connect+").then_some(Self::Connect)
    }

    /// The flag of the message that an answer ends with.
    const fn last(self) -> u8 {
        match self {
            Self::Grpc => 0,
            Self::Web | Self::WebText => 0x80,
            Self::Connect => 0x02,
        }
    }
}

/// Why no more of a call is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It cannot be looked through.
    #[error("a message of the call is compressed, and cannot be looked through")]
    Compressed,
    /// A flag that nobody knows.
    #[error("a message of the call has a flag that is not known")]
    Flag,
}

/// Some of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Whether they are of a message, or of what stands before one.
    pub is_message: bool,
    /// Whether a message ends with them.
    pub ends: bool,
}

/// Cuts what one end of a call says into messages.
#[derive(Debug)]
pub struct Messages {
    /// The flag of a last message, which only answers have.
    last: u8,
    prefix: Vec<u8>,
    left: usize,
}

impl Messages {
    /// Of a request.
    #[must_use]
    pub const fn asked() -> Self {
        Self::with(0)
    }

    /// Of an answer.
    #[must_use]
    pub const fn answered(kind: Kind) -> Self {
        Self::with(kind.last())
    }

    const fn with(last: u8) -> Self {
        Self {
            last,
            prefix: Vec::new(),
            left: 0,
        }
    }

    /// Takes what comes next off `input`; `None` when there is nothing more in it.
    ///
    /// # Errors
    ///
    /// [`Broken`]. Nothing more may be passed on then.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Broken> {
        if input.is_empty() {
            return Ok(None);
        }
        let is_message = self.left > 0;
        let wanted = match is_message {
            true => self.left,
            false => PREFIX - self.prefix.len(),
        };
        let (bytes, rest) = input.split_at(wanted.min(input.len()));
        *input = rest;
        let ends = match is_message {
            true => {
                self.left -= bytes.len();
                self.left == 0
            }
            false => self.begin(bytes)?,
        };
        Ok(Some(Piece {
            bytes,
            is_message,
            ends,
        }))
    }

    /// Whether the message that begins is over already.
    fn begin(&mut self, bytes: &[u8]) -> Result<bool, Broken> {
        self.prefix.extend_from_slice(bytes);
        if let Some(flag) = self.prefix.first() {
            match *flag {
                0 => {}
                flag if flag & 1 != 0 => return Err(Broken::Compressed),
                flag if flag == self.last => {}
                _ => return Err(Broken::Flag),
            }
        }
        let Some((_, length)) = self.prefix.split_first_chunk::<1>() else {
            return Ok(false);
        };
        let Ok(length) = <[u8; 4]>::try_from(length) else {
            return Ok(false);
        };
        self.left = u32::from_be_bytes(length) as usize;
        self.prefix.clear();
        Ok(self.left == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(flag: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap();
        [&[flag][..], &length.to_be_bytes(), payload].concat()
    }

    /// The messages in `bytes`, taken `step` bytes at a time, and how much passed.
    fn read(
        mut messages: Messages,
        bytes: &[u8],
        step: usize,
    ) -> Result<(Vec<Vec<u8>>, usize), Broken> {
        let (mut all, mut passed) = (vec![vec![]], 0);
        for mut input in bytes.chunks(step) {
            while let Some(piece) = messages.next(&mut input)? {
                passed += piece.bytes.len();
                if piece.is_message {
                    all.last_mut().unwrap().extend_from_slice(piece.bytes);
                }
                if piece.ends {
                    all.push(vec![]);
                }
            }
        }
        all.pop();
        Ok((all, passed))
    }

    #[test]
    fn messages_are_told_apart_wherever_they_are_cut() {
        let bytes = [
            message(0, b"one"),
            message(0, b""),
            message(0, &[7; 300]),
            message(0, b"cut off"),
        ]
        .concat();
        let bytes = &bytes[..bytes.len() - 1];
        for step in [1, 4, 5, 6, bytes.len()] {
            let (all, passed) = read(Messages::asked(), bytes, step).unwrap();
            assert_eq!(all, [b"one".to_vec(), vec![], vec![7; 300]], "{step}");
            assert_eq!(passed, bytes.len());
        }
    }

    #[test]
    fn what_is_compressed_is_not_read() {
        for (messages, flag, read_to) in [
            (Messages::asked(), 1, Err(Broken::Compressed)),
            (Messages::asked(), 0x80, Err(Broken::Flag)),
            (Messages::asked(), 2, Err(Broken::Flag)),
            (Messages::answered(Kind::Grpc), 0x80, Err(Broken::Flag)),
            (Messages::answered(Kind::Web), 0x80, Ok(1)),
            (Messages::answered(Kind::Web), 0x81, Err(Broken::Compressed)),
            (Messages::answered(Kind::Connect), 2, Ok(1)),
            (
                Messages::answered(Kind::Connect),
                3,
                Err(Broken::Compressed),
            ),
        ] {
            let bytes = message(flag, b"x");
            let read = read(messages, &bytes, 1).map(|(all, _)| all.len());
            assert_eq!(read, read_to, "{flag}");
        }
    }

    #[test]
    fn kinds_are_told_by_their_media_types() {
        for (text, kind) in [
            ("application/grpc", Some(Kind::Grpc)),
            ("Application/gRPC+proto; x=y", Some(Kind::Grpc)),
            ("application/grpcx", Some(Kind::Grpc)),
            ("application/grpc-web+proto", Some(Kind::Web)),
            ("application/grpc-web-text", Some(Kind::WebText)),
            ("application/connect+json", Some(Kind::Connect)),
            ("application/json", None),
            ("text/grpc", None),
        ] {
            assert_eq!(Kind::of(text), kind, "{text}");
        }
    }
}
