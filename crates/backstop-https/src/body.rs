//! What is sent: some bytes, or a file as it is read.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

/// How much of a file is read at a time, in bytes.
const PIECE: usize = 128 * 1024;

/// A request's body.
#[derive(Debug)]
pub enum Body {
    /// Bytes in memory; none once they are sent.
    Bytes(Option<Bytes>),
    /// A file, and how many bytes of it are left.
    File(File, u64),
}

impl Body {
    /// Nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Bytes(None)
    }

    /// These bytes.
    #[must_use]
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes.into()))
    }

    /// A file of that many bytes.
    #[must_use]
    pub fn file(file: std::fs::File, bytes: u64) -> Self {
        Self::File(File::from_std(file), bytes)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::File(_, 0) => Poll::Ready(None),
            Self::File(file, left) => {
                let want = PIECE.min(usize::try_from(*left).unwrap_or(PIECE));
                let mut piece = vec![0; want];
                let mut buffer = ReadBuf::new(&mut piece);
                match Pin::new(file).poll_read(context, &mut buffer) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
                    Poll::Ready(Ok(())) => {
                        let read = buffer.filled().len();
                        if read == 0 {
                            return Poll::Ready(Some(
                                Err(std::io::ErrorKind::UnexpectedEof.into()),
                            ));
                        }
                        piece.truncate(read);
                        *left -= read as u64;
                        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
                    }
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.as_ref().map_or(0, Bytes::len) as u64,
            Self::File(_, left) => *left,
        })
    }
}
