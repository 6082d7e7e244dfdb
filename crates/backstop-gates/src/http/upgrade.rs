//! Bytes both ways: after a change of protocol (101) and in opaque tunnels.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use super::exchange::Open;
use super::judge::{Duplex, Filter, How, Judge};

/// How much is read at once.
const PIECE: usize = 16 * 1024;

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

/// Copies both ways through the filters, until both directions have ended, one has failed, or nothing has moved for
/// too long.
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
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_target, mut to_target) = tokio::io::split(target);
    let moved = Moved {
        begun: Instant::now(),
        ms: AtomicU64::new(0),
    };
    let both = async {
        tokio::try_join!(
            one_way(&mut from_client, &mut to_target, duplex.up, &moved),
            one_way(&mut from_target, &mut to_client, duplex.down, &moved),
        )
    };
    tokio::select! {
        done = both => done.map(drop),
        () = moved.silence(silent) => Err(io::ErrorKind::TimedOut.into()),
    }
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

async fn one_way(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut filter: Option<Box<dyn Filter>>,
    moved: &Moved,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        moved.now();
        let bytes = piece.get(..read).unwrap_or_default();
        match &mut filter {
            None => to.write_all(bytes).await?,
            Some(filter) => {
                let bytes = filter.data(Bytes::copy_from_slice(bytes));
                to.write_all(&bytes.map_err(io::Error::other)?).await?;
            }
        }
        to.flush().await?;
        moved.now();
    }
    if let Some(filter) = &mut filter {
        let left = filter.end().map_err(io::Error::other)?;
        to.write_all(&left).await?;
    }
    to.shutdown().await
}
