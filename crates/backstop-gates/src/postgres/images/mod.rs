//! Row images: the old and the new version of every row that an open transaction changed, read before it commits.
//!
//! `touched` finds the relations, `capture` tells the story: what they are (`first`, `shape`), the short way for few
//! rows (`cheap`), a first look by the gate's own connection, the writer's own view, a second look (`old`), the new
//! versions (`fresh`), and the file (`format`, `about`) that the vault keeps. `read` reads such a file again.
//!
//! Nothing here changes a row, and nothing here is guessed: what cannot be told exactly is an error with a sentence.

mod about;
mod capture;
mod cheap;
mod error;
mod facts;
mod first;
mod format;
mod fresh;
mod hint;
mod old;
mod read;
mod shape;
mod sight;
mod text;
mod tid;
mod touched;
mod write;
mod wrote;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use about::{About, Column, Header, Relation, Sight, Trailer};
pub(crate) use capture::capture;
pub(crate) use error::CaptureError;
pub(crate) use facts::pin;
pub(crate) use hint::{Hint, Parameters, Room};
pub(crate) use read::{Image, Reader, Side};
pub(crate) use shape::Known;
pub(crate) use touched::{TOUCHED, Touched};
pub(crate) use wrote::{Budget, Captured, Counted, Writer, Wrote};
