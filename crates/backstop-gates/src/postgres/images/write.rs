//! Where images go: counted, hashed, and stopped at the budget.

use backstop_core::digest::Digest;
use ring::digest::{Context, SHA256};

use super::error::CaptureError;
use super::wrote::{Budget, Captured, Counted};
use crate::postgres::pour::Sink;

/// The way to the sink.
pub(super) struct Out<'a, S> {
    sink: &'a mut S,
    hash: Context,
    bytes: u64,
    most: u64,
}

impl<'a, S: Sink> Out<'a, S> {
    pub(super) fn new(sink: &'a mut S, budget: &Budget) -> Self {
        Self {
            sink,
            hash: Context::new(&SHA256),
            bytes: 0,
            most: budget.bytes,
        }
    }

    /// Writes some.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.most {
            return Err(CaptureError::OverBudget(format!("{} bytes", self.most)));
        }
        self.hash.update(bytes);
        Ok(self.sink.write(bytes).await?)
    }

    /// What was written.
    pub(super) fn end(&mut self, relations: Vec<Counted>) -> Captured {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.hash.clone().finish().as_ref());
        Captured {
            relations,
            bytes: self.bytes,
            digest: Digest(digest),
        }
    }
}
