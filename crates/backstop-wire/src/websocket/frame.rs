//! Frames (RFC 6455, section 5.2), cut from bytes as they come. A payload is given on in pieces, as it was sent.

use super::Broken;

/// What a head takes at most: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;
/// What a control frame carries at most (section 5.5).
const LONGEST_CONTROL: u64 = 125;

/// Whose frames they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Masked, each of them (section 5.3).
    Client,
    /// Not masked.
    Server,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes on with a message.
    Continuation,
    /// Begins one of text.
    Text,
    /// Begins one of bytes.
    Binary,
    /// Ends the connection.
    Close,
    /// Asks whether the other end is there.
    Ping,
    /// Says so.
    Pong,
}

impl Kind {
    const fn of(opcode: u8) -> Option<Self> {
        Some(match opcode {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    const fn opcode(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// Whether it may stand between the pieces of a message.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The head of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What it is.
    pub kind: Kind,
    /// Whether its message ends with it.
    pub last: bool,
    /// How long its payload is, in bytes.
    pub length: u64,
    /// What its payload is masked with.
    pub key: Option<[u8; 4]>,
    /// As it was sent.
    pub sent: Vec<u8>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A frame begins.
    Head(Head),
    /// Some of its payload, as it was sent.
    Payload {
        /// The bytes.
        bytes: &'a [u8],
        /// How many of the payload came before them.
        at: u64,
    },
    /// The frame is over.
    End,
}

/// Cuts what one end says into frames.
#[derive(Debug)]
pub struct Frames {
    side: Side,
    /// What came of the next head.
    head: Vec<u8>,
    /// The frame that is open: how long it is, and how much of it came.
    open: Option<(u64, u64)>,
    /// Whether a message is in pieces.
    pieces: bool,
    closed: bool,
}

impl Frames {
    /// Nothing came yet.
    #[must_use]
    pub const fn of(side: Side) -> Self {
        Self {
            side,
            head: Vec::new(),
            open: None,
            pieces: false,
            closed: false,
        }
    }

    /// Takes what comes next off `input`; `None` when there is nothing more in it.
    ///
    /// # Errors
    ///
    /// [`Broken`]. Nothing more may be read then.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Broken> {
        let Some((length, at)) = self.open else {
            return Ok(self.begin(input)?.map(Piece::Head));
        };
        if at == length {
            self.open = None;
            return Ok(Some(Piece::End));
        }
        let left = usize::try_from(length - at).unwrap_or(usize::MAX);
        let (bytes, rest) = input.split_at(left.min(input.len()));
        if bytes.is_empty() {
            return Ok(None);
        }
        *input = rest;
        self.open = Some((length, at + bytes.len() as u64));
        Ok(Some(Piece::Payload { bytes, at }))
    }

    fn begin(&mut self, input: &mut &[u8]) -> Result<Option<Head>, Broken> {
        loop {
            let wanted = match *self.head.as_slice() {
                [] | [_] => 2,
                [first, second, ..] => {
                    self.check(first, second)?;
                    wanted(second)
                }
            };
            let Some(missing) = wanted
                .checked_sub(self.head.len())
                .filter(|missing| *missing > 0)
            else {
                break;
            };
            let (bytes, rest) = input.split_at(missing.min(input.len()));
            if bytes.is_empty() {
                return Ok(None);
            }
            if self.closed {
                return Err(Broken::AfterClose);
            }
            self.head.extend_from_slice(bytes);
            *input = rest;
        }
        let head = read(std::mem::take(&mut self.head))?;
        if head.kind.is_control() && head.length > LONGEST_CONTROL {
            return Err(Broken::Control);
        }
        self.follow(&head);
        self.open = Some((head.length, 0));
        Ok(Some(head))
    }

    /// What the first two bytes say already.
    fn check(&self, first: u8, second: u8) -> Result<(), Broken> {
        if first & 0x70 != 0 {
            return Err(Broken::Reserved);
        }
        let kind = Kind::of(first & 0x0f).ok_or(Broken::Kind)?;
        if (second & 0x80 != 0) != (self.side == Side::Client) {
            return Err(Broken::Mask);
        }
        let last = first & 0x80 != 0;
        match kind {
            _ if kind.is_control() && !last => Err(Broken::Control),
            Kind::Continuation if !self.pieces => Err(Broken::Order),
            Kind::Text | Kind::Binary if self.pieces => Err(Broken::Order),
            _ => Ok(()),
        }
    }

    fn follow(&mut self, head: &Head) {
        match head.kind {
            Kind::Close => self.closed = true,
            Kind::Ping | Kind::Pong => {}
            Kind::Continuation | Kind::Text | Kind::Binary => self.pieces = !head.last,
        }
    }
}

/// How long a head is, by its second byte.
const fn wanted(second: u8) -> usize {
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let key = if second & 0x80 == 0 { 0 } else { 4 };
    2 + length + key
}

/// A head that is there to its end, and whose first two bytes are as they should be.
fn read(sent: Vec<u8>) -> Result<Head, Broken> {
    let (Some(&first), Some(&second)) = (sent.first(), sent.get(1)) else {
        return Err(Broken::Length);
    };
    let rest = sent.get(2..).unwrap_or_default();
    let long = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let (long, key) = rest.split_at_checked(long).ok_or(Broken::Length)?;
    let written = long
        .iter()
        .fold(0_u64, |length, byte| (length << 8) | u64::from(*byte));
    let length = match long.len() {
        0 => u64::from(second & 0x7f),
        2 if written > 125 => written,
        8 if written > 0xffff && written >> 63 == 0 => written,
        _ => return Err(Broken::Length),
    };
    Ok(Head {
        kind: Kind::of(first & 0x0f).ok_or(Broken::Kind)?,
        last: first & 0x80 != 0,
        length,
        key: key.try_into().ok(),
        sent,
    })
}

/// Puts a mask on a piece of a payload, or takes it off; `at` bytes of the payload stand before the piece.
pub fn mask(bytes: &mut [u8], key: [u8; 4], at: u64) {
    let from = (at % 4) as usize;
    let keys = key.iter().cycle().skip(from);
    for (byte, key) in bytes.iter_mut().zip(keys) {
        *byte ^= key;
    }
}

/// A whole frame that ends its message; masked where there is a key, as a client's has to be.
#[must_use]
pub fn frame(kind: Kind, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(LONGEST_HEAD + payload.len());
    out.push(0x80 | kind.opcode());
    let masked = if key.is_some() { 0x80 } else { 0 };
    let length = payload.len();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(masked | short),
        (_, Ok(long)) => {
            out.push(masked | 126);
            out.extend_from_slice(&long.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if let Some(key) = &key {
        out.extend_from_slice(key);
    }
    let head = out.len();
    out.extend_from_slice(payload);
    if let (Some(key), Some(payload)) = (key, out.get_mut(head..)) {
        mask(payload, key, 0);
    }
    out
}
