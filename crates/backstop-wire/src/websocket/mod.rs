//! WebSockets (RFC 6455): the handshake, and frames as they come.
//!
//! It reads strictly what two ends could read in two ways: no extension is agreed on, so that a reserved bit means nothing
//! that anybody could have said. It must not open sockets, and must not decide what may be said on one.

mod broken;
mod close;
mod frame;
mod handshake;
mod message;

#[cfg(test)]
mod tests;

pub use broken::Broken;
pub use close::{close, code_of};
pub use frame::{Frames, Head, Kind, Piece, Side, frame, mask};
pub use handshake::{Opening, accept};
pub use message::{Control, Item, Message, Messages};
