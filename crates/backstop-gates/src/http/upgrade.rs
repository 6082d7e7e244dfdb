//! Bytes both ways: after a change of protocol (101) and in opaque tunnels.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use super::exchange::Open;
use super::judge::{Duplex, Filter, How, Judge, Stop};

/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// How long the last words may take.
const PARTING: Duration = Duration::from_secs(2);

/// A change of protocol that both ends agreed to.
pub(crate) struct Changed<J: Judge> {
    pub(crate) client: OnUpgrade,
    pub(crate) target: OnUpgrade,
    pub(crate) duplex: Duplex,
    pub(crate) open: Open<J>,
}

impl<J: Judge> Changed<J> {
    /// Carries until one end is done.
    pub(crate) async fn carry(mut self, silent: Duration) {
        let (client, target) = match tokio::try_join!(self.client, self.target) {
            Ok((client, target)) => (TokioIo::new(client), TokioIo::new(target)),
            Err(error) => {
                self.open.end.how = How::Failed(error.to_string());
                return;
            }
        };
        self.open.end.how = match copy(client, target, self.duplex, silent).await {
            Ok(()) => How::Finished,
            Err(error) => How::Failed(error.to_string()),
        };
    }
}

/// Copies both ways through the filters, until both directions have ended, one has failed or was stopped, or nothing has
/// moved for too long.
pub(crate) async fn copy<A, B>(
    client: A,
    target: B,
    duplex: Duplex,
    silent: Duration,
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_target, to_target) = tokio::io::split(target);
    let mut up = Way::new(from_client, to_target, duplex.up);
    let mut down = Way::new(from_target, to_client, duplex.down);
    let moved = Moved {
        begun: Instant::now(),
        ms: AtomicU64::new(0),
    };
    let both = async { tokio::try_join!(up.carry(&moved), down.carry(&moved)) };
    let done = tokio::select! {
        done = both => done.map(drop),
        () = moved.silence(silent) => Err(io::ErrorKind::TimedOut.into()),
    };
    if let Some(stop) = done.as_ref().err().and_then(stopped) {
        let parting = async {
            let _ = tokio::join!(down.part(stop), up.part(stop));
            up.drain().await;
        };
        let _ = tokio::time::timeout(PARTING, parting).await;
    }
    done
}

/// Why a filter stopped, if that is what an error says.
fn stopped(error: &io::Error) -> Option<&Stop> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// When something moved last.
struct Moved {
    begun: Instant,
    ms: AtomicU64,
}

impl Moved {
    fn now(&self) {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.ms.store(ms, Ordering::Relaxed);
    }

    async fn silence(&self, limit: Duration) {
        loop {
            let last = self.ms.load(Ordering::Relaxed);
            tokio::time::sleep_until(self.begun + Duration::from_millis(last) + limit).await;
            if self.ms.load(Ordering::Relaxed) == last {
                return;
            }
        }
    }
}

/// One direction.
struct Way<R, W> {
    from: R,
    to: W,
    filter: Option<Box<dyn Filter>>,
    piece: Vec<u8>,
    /// What passed the filter and was not written yet.
    left: Bytes,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Way<R, W> {
    fn new(from: R, to: W, filter: Option<Box<dyn Filter>>) -> Self {
        Self {
            from,
            to,
            filter,
            piece: vec![0; PIECE],
            left: Bytes::new(),
        }
    }

    /// Carries to the end of what comes. It may be dropped at any time: what passed the filter is then in `left`.
    async fn carry(&mut self, moved: &Moved) -> io::Result<()> {
        loop {
            let read = tokio::select! {
                biased;
                stop = stops(&mut self.filter) => return Err(io::Error::other(stop)),
                read = self.from.read(&mut self.piece) => read?,
            };
            if read == 0 {
                break;
            }
            moved.now();
            let bytes = self.piece.get(..read).unwrap_or_default();
            match &mut self.filter {
                None => self.to.write_all(bytes).await?,
                Some(filter) => {
                    let passed = filter.data(Bytes::copy_from_slice(bytes));
                    self.left = passed.map_err(io::Error::other)?;
                    self.write_left().await?;
                }
            }
            self.to.flush().await?;
            moved.now();
        }
        if let Some(filter) = &mut self.filter {
            self.left = filter.end().map_err(io::Error::other)?;
            self.write_left().await?;
        }
        self.to.shutdown().await
    }

    async fn write_left(&mut self) -> io::Result<()> {
        while !self.left.is_empty() {
            if self.to.write_buf(&mut self.left).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// The last words, behind what was begun.
    async fn part(&mut self, stop: &Stop) -> io::Result<()> {
        self.write_left().await?;
        if let Some(filter) = &mut self.filter {
            self.left = filter.parting(stop);
            self.write_left().await?;
        }
        self.to.shutdown().await
    }

    /// Reads what is still said and throws it away: whoever has more on its way would not read the last words.
    async fn drain(&mut self) {
        while let Ok(1..) = self.from.read(&mut self.piece).await {}
    }
}

/// When a filter stops though nothing comes.
async fn stops(filter: &mut Option<Box<dyn Filter>>) -> Stop {
    std::future::poll_fn(|cx| match filter {
        Some(filter) => filter.poll_stopped(cx),
        None => Poll::Pending,
    })
    .await
}
