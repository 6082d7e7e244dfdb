//! What a client says, message by message: each is kept until it is whole, with the frames that it came in.

use super::Broken;
use super::close::code_of;
use super::frame::{Frames, Head, Kind, Piece, Side, mask};

/// A whole message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// What it says, in UTF-8 if it is text.
    pub payload: Vec<u8>,
    /// Whether it is text.
    pub is_text: bool,
    /// The frames that it came in, as they were sent.
    pub frames: Vec<u8>,
}

/// A control frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Control {
    /// A close, a ping or a pong.
    pub kind: Kind,
    /// What it carries.
    pub payload: Vec<u8>,
    /// The frame, as it was sent.
    pub frame: Vec<u8>,
}

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A message.
    Message(Message),
    /// A control frame. It may have stood between the pieces of a message that is not whole yet.
    Control(Control),
}

/// Shows the shape alone (invariant 8).
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_text { "text" } else { "bytes" };
        write!(f, "{} bytes of {kind}", self.payload.len())
    }
}

/// Shows the shape alone.
impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {} bytes", self.kind, self.payload.len())
    }
}

/// Puts a client's messages together.
#[derive(Debug)]
pub struct Messages {
    frames: Frames,
    /// Bytes that a message may have.
    most: usize,
    /// The head of the frame that is open.
    head: Option<Head>,
    message: Message,
    control: Control,
}

impl Messages {
    /// Of a client whose messages may have so many bytes.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            frames: Frames::of(Side::Client),
            most,
            head: None,
            message: Message {
                payload: Vec::new(),
                is_text: false,
                frames: Vec::new(),
            },
            control: Control {
                kind: Kind::Ping,
                payload: Vec::new(),
                frame: Vec::new(),
            },
        }
    }

    /// How many bytes of a message that is not whole are kept, frames and all.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.message.frames.len()
    }

    /// Takes the next thing off `input` that is whole; `None` when what is left of it is kept.
    ///
    /// # Errors
    ///
    /// [`Broken`]. Nothing more may be read then, and what was kept must not be sent.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Item>, Broken> {
        while let Some(piece) = self.frames.next(input)? {
            match piece {
                Piece::Head(head) => self.begin(head)?,
                Piece::Payload { bytes, at } => self.take(bytes, at),
                Piece::End => {
                    if let Some(item) = self.end()? {
                        return Ok(Some(item));
                    }
                }
            }
        }
        Ok(None)
    }

    fn begin(&mut self, head: Head) -> Result<(), Broken> {
        if head.kind.is_control() {
            self.control = Control {
                kind: head.kind,
                payload: Vec::new(),
                frame: head.sent.clone(),
            };
        } else {
            let length = usize::try_from(head.length).unwrap_or(usize::MAX);
            // Pieces of nothing cost their heads all the same.
            let kept = self
                .message
                .payload
                .len()
                .max(self.message.frames.len() / 2);
            if length.saturating_add(kept) > self.most {
                return Err(Broken::TooLong);
            }
            if head.kind != Kind::Continuation {
                self.message.is_text = head.kind == Kind::Text;
            }
            self.message.frames.extend_from_slice(&head.sent);
        }
        self.head = Some(head);
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], at: u64) {
        let Some(head) = &self.head else { return };
        let (payload, frames) = if head.kind.is_control() {
            (&mut self.control.payload, &mut self.control.frame)
        } else {
            (&mut self.message.payload, &mut self.message.frames)
        };
        frames.extend_from_slice(bytes);
        let before = payload.len();
        payload.extend_from_slice(bytes);
        if let (Some(key), Some(new)) = (head.key, payload.get_mut(before..)) {
            mask(new, key, at);
        }
    }

    fn end(&mut self) -> Result<Option<Item>, Broken> {
        let Some(head) = self.head.take() else {
            return Ok(None);
        };
        if head.kind.is_control() {
            let empty = Control {
                kind: head.kind,
                payload: Vec::new(),
                frame: Vec::new(),
            };
            let control = std::mem::replace(&mut self.control, empty);
            if control.kind == Kind::Close {
                code_of(&control.payload)?;
            }
            return Ok(Some(Item::Control(control)));
        }
        if !head.last {
            return Ok(None);
        }
        let empty = Message {
            payload: Vec::new(),
            is_text: false,
            frames: Vec::new(),
        };
        let message = std::mem::replace(&mut self.message, empty);
        if message.is_text && std::str::from_utf8(&message.payload).is_err() {
            return Err(Broken::Text);
        }
        Ok(Some(Item::Message(message)))
    }
}
