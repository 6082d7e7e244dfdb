//! Counts and hashes what goes by on its way to the vault.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ring::digest::{self, SHA256};
use tokio::io::AsyncWrite;

/// Passes everything on to `inner` and remembers its SHA-256 and length.
pub struct Digesting<W> {
    inner: W,
    hash: digest::Context,
    bytes: u64,
}

impl<W> Digesting<W> {
    /// Starts at nothing.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hash: digest::Context::new(&SHA256),
            bytes: 0,
        }
    }

    /// The lowercase hex SHA-256 of what went by, and its bytes.
    pub fn finish(self) -> (String, u64) {
        (hex::encode(self.hash.finish()), self.bytes)
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Digesting<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(context, buffer);
        if let Poll::Ready(Ok(taken)) = poll {
            // Only what was taken: the rest comes again.
            self.hash.update(buffer.get(..taken).unwrap_or(buffer));
            self.bytes += taken as u64;
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
