//! An object's content as it is read, off the runtime's threads: decryption blocks.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use crate::reader::Reader;

/// How much is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// How many chunks may wait.
const QUEUE: usize = 4;

/// The content of an object. Its end comes only if all of it was what was stored; else an error does.
pub struct Opened {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    ended: bool,
}

impl Opened {
    /// Reads on a thread of its own, a little ahead of whoever reads this.
    pub(crate) fn new(mut reader: Reader) -> Self {
        let (sender, chunks) = mpsc::channel(QUEUE);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = reader.read(&mut chunk);
                let last = !matches!(read, Ok(1..));
                chunk.truncate(*read.as_ref().unwrap_or(&0));
                // An empty chunk is the end, an error stands for itself, and a closed channel wants no more.
                if sender.blocking_send(read.map(|_| chunk.into())).is_err() || last {
                    return;
                }
            }
        });
        Self {
            chunks,
            current: Bytes::new(),
            ended: false,
        }
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        if self.current.is_empty() {
            match ready!(self.chunks.poll_recv(context)) {
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(why)) => return Poll::Ready(Err(why)),
                // The thread is gone without having seen the end.
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
            if self.current.is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
        }
        let some = self.current.len().min(buffer.remaining());
        buffer.put_slice(self.current.get(..some).unwrap_or_default());
        self.current.advance(some);
        Poll::Ready(Ok(()))
    }
}
