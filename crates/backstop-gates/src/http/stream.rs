//! The gate's sockets: towards clients, plain or TLS, one within the other; towards targets.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::{client, server};

/// A client's connection.
pub(crate) struct ClientStream {
    /// Was read before and comes first.
    before: Bytes,
    inner: Inner,
}

enum Inner {
    Tcp(Stalling<TcpStream>),
    Tls(Box<server::TlsStream<ClientStream>>),
}

impl ClientStream {
    /// Plain. A client that takes nothing for so long is given up.
    pub(crate) fn tcp(stream: TcpStream, stalled: Duration) -> Self {
        Self {
            before: Bytes::new(),
            inner: Inner::Tcp(Stalling::new(stream, stalled)),
        }
    }

    /// TLS over another.
    pub(crate) fn tls(stream: server::TlsStream<Self>) -> Self {
        Self {
            before: Bytes::new(),
            inner: Inner::Tls(Box::new(stream)),
        }
    }

    /// The same, with bytes that were read of it already.
    pub(crate) fn rewound(mut self, before: Bytes) -> Self {
        debug_assert!(self.before.is_empty());
        self.before = before;
        self
    }

    /// The first byte, which stays to be read; `None` at the end.
    pub(crate) async fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.before.is_empty() {
            let mut first = [0; 1];
            if self.read(&mut first).await? == 0 {
                return Ok(None);
            }
            self.before = Bytes::copy_from_slice(&first);
        }
        Ok(self.before.first().copied())
    }

    /// Whether TLS is spoken on it and HTTP/2 within.
    pub(crate) fn speaks_http2(&self) -> bool {
        match &self.inner {
            Inner::Tcp(_) => false,
            Inner::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if stream.before.is_empty() {
            return match &mut stream.inner {
                Inner::Tcp(inner) => Pin::new(inner).poll_read(cx, buf),
                Inner::Tls(inner) => Pin::new(inner).poll_read(cx, buf),
            };
        }
        let now = stream.before.len().min(buf.remaining());
        buf.put_slice(stream.before.get(..now).unwrap_or_default());
        stream.before.advance(now);
        Poll::Ready(Ok(()))
    }
}

/// Passes writing on to whichever it is.
macro_rules! write_through {
    ($stream:ty, $field:tt, $($variant:path),+) => {
        impl AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                match &mut self.get_mut().$field {
                    $($variant(inner) => Pin::new(inner).poll_write(cx, buf),)+
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match &mut self.get_mut().$field {
                    $($variant(inner) => Pin::new(inner).poll_write_vectored(cx, bufs),)+
                }
            }

            fn is_write_vectored(&self) -> bool {
                match &self.$field {
                    $($variant(inner) => inner.is_write_vectored(),)+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.get_mut().$field {
                    $($variant(inner) => Pin::new(inner).poll_flush(cx),)+
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.get_mut().$field {
                    $($variant(inner) => Pin::new(inner).poll_shutdown(cx),)+
                }
            }
        }
    };
}

write_through!(ClientStream, inner, Inner::Tcp, Inner::Tls);
write_through!(TargetStream, 0, Road::Tcp, Road::Tls);

/// A connection to a target.
pub(crate) struct TargetStream(Road);

enum Road {
    Tcp(TcpStream),
    Tls(Box<client::TlsStream<TcpStream>>),
}

impl TargetStream {
    pub(crate) const fn tcp(stream: TcpStream) -> Self {
        Self(Road::Tcp(stream))
    }

    pub(crate) fn tls(stream: client::TlsStream<TcpStream>) -> Self {
        Self(Road::Tls(Box::new(stream)))
    }

    /// Whether the target chose HTTP/2.
    pub(crate) fn speaks_http2(&self) -> bool {
        match &self.0 {
            Road::Tcp(_) => false,
            Road::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

impl AsyncRead for TargetStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Road::Tcp(inner) => Pin::new(inner).poll_read(cx, buf),
            Road::Tls(inner) => Pin::new(inner).poll_read(cx, buf),
        }
    }
}

/// Gives up when the other end takes nothing for too long. The timer runs only while somebody waits to write.
struct Stalling<S> {
    stream: S,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalling<S> {
    const fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            timer: None,
        }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.timer = None;
            return done;
        }
        let end = Instant::now() + self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stalling = self.get_mut();
        let done = Pin::new(&mut stalling.stream).poll_write(cx, buf);
        stalling.watch(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stalling = self.get_mut();
        let done = Pin::new(&mut stalling.stream).poll_write_vectored(cx, bufs);
        stalling.watch(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn whoever_takes_nothing_is_given_up() {
        let limit = Duration::from_millis(200);
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = Stalling::new(near, limit);
        near.write_all(&[0; 8]).await.unwrap();
        let begun = Instant::now();
        let error = near.write_all(&[0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= limit);
        // Slow is not stalled.
        let mut near = Stalling::new(near.stream, limit);
        let reader = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(limit / 4).await;
                far.read_exact(&mut [0; 8]).await.unwrap();
            }
        });
        near.write_all(&[0; 72]).await.unwrap();
        reader.await.unwrap();
    }
}
