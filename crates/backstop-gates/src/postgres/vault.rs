//! Where the gate keeps what could be lost: a door that takes and never gives back.

use std::future::Future;
use std::pin::Pin;

use backstop_core::digest::Digest;
use bytes::Bytes;

use super::error::GateError;

/// What is kept: rows, or objects with all that belongs to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Old and new versions of rows that a transaction changed.
    Images,
    /// Objects that a statement destroys, with their rows and definitions.
    Objects,
}

/// What is put on an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What it is.
    pub class: Class,
    /// The target that it comes from.
    pub target: String,
    /// The lease on whose account it is kept.
    pub lease: String,
    /// Which action it belongs to, in a few words without data.
    pub note: String,
}

/// What the vault says of an object that it has, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name: the SHA-256 of the bytes that the vault stores.
    pub name: Digest,
    /// The SHA-256 of what was given, before it was compressed and encrypted.
    pub plain: Digest,
    /// How many bytes the vault stores.
    pub bytes: u64,
    /// The vault's own number for it.
    pub sequence: u64,
}

/// What an attempt to keep something comes to.
pub type Keeping<T> = Pin<Box<dyn Future<Output = Result<T, GateError>> + Send>>;

/// A vault, as the gate sees it.
pub trait Vault: Send + Sync {
    /// Keeps a small object. It is durable once this resolves.
    fn put(&self, label: Label, content: Bytes) -> Keeping<Kept>;

    /// Begins an object of any size.
    fn begin(&self, label: Label) -> Keeping<Box<dyn Upload>>;
}

/// An object on its way.
pub trait Upload: Send {
    /// The next piece.
    fn write(
        &mut self,
        piece: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<(), GateError>> + Send + '_>>;

    /// That was all. It is durable once this resolves.
    fn finish(self: Box<Self>) -> Keeping<Kept>;
}
