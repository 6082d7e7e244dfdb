//! One connection with many requests under way: a task writes, a task reads and hands each answer to
//! whoever asked.
//!
//! Nobody writes to the socket but the writing task, so that a caller who gives up leaves no half frame.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::address::Stream;
use crate::{
    error::{Result, VaultError},
    protocol::{Frame, Kind},
};

/// Requests that may wait to be written.
const QUEUE: usize = 64;
/// Bytes that are gathered into one write.
const GATHER: usize = 256 * 1024;

type Waiting = Arc<Mutex<Option<HashMap<u32, oneshot::Sender<Frame>>>>>;

/// A connection, shared by all who ask.
#[derive(Clone)]
pub(crate) struct Connection {
    at: String,
    next: Arc<AtomicU32>,
    frames: mpsc::Sender<Frame>,
    /// `None` once the connection is lost.
    waiting: Waiting,
}

impl Connection {
    pub(crate) fn start(stream: Stream, at: String, runtime: &Handle) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (frames, queue) = mpsc::channel(QUEUE);
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let (ended, end) = oneshot::channel();
        runtime.spawn(writing(write, queue, end));
        runtime.spawn(reading(read, waiting.clone(), ended));
        Self {
            at,
            next: Arc::new(AtomicU32::new(1)),
            frames,
            waiting,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.waiting).is_some() && !self.frames.is_closed()
    }

    pub(crate) async fn ask(&self, kind: Kind, payload: Bytes) -> Result<Frame> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answered, answer) = oneshot::channel();
        let lost = || VaultError::unreachable(&self.at, "the connection was lost");
        lock(&self.waiting)
            .as_mut()
            .ok_or_else(lost)?
            .insert(id, answered);
        let _forget = Forget(&self.waiting, id);
        let frame = Frame { kind, id, payload };
        self.frames.send(frame).await.map_err(|_| lost())?;
        answer.await.map_err(|_| lost())
    }
}

/// Forgets a request when whoever asked has its answer or has given up.
struct Forget<'a>(&'a Waiting, u32);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = lock(self.0).as_mut() {
            waiting.remove(&self.1);
        }
    }
}

fn lock(
    waiting: &Waiting,
) -> std::sync::MutexGuard<'_, Option<HashMap<u32, oneshot::Sender<Frame>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes until nobody asks any more, or the reader has ended.
async fn writing(
    mut stream: WriteHalf<Stream>,
    mut queue: mpsc::Receiver<Frame>,
    mut end: oneshot::Receiver<()>,
) {
    let mut out = BytesMut::new();
    loop {
        let frame = tokio::select! {
            frame = queue.recv() => frame,
            _ = &mut end => None,
        };
        let Some(frame) = frame else {
            break;
        };
        frame.write(&mut out);
        while out.len() < GATHER
            && let Ok(frame) = queue.try_recv()
        {
            frame.write(&mut out);
        }
        let wrote = stream.write_all(&out).await;
        if wrote.is_err() || stream.flush().await.is_err() {
            break;
        }
        out.clear();
    }
    queue.close();
    let _ = stream.shutdown().await;
}

async fn reading(mut stream: ReadHalf<Stream>, waiting: Waiting, ended: oneshot::Sender<()>) {
    let mut bytes = BytesMut::with_capacity(16 * 1024);
    while let Ok(Some(frame)) = next(&mut stream, &mut bytes).await {
        let asked = lock(&waiting)
            .as_mut()
            .and_then(|waiting| waiting.remove(&frame.id));
        if let Some(asked) = asked {
            let _ = asked.send(frame);
        }
    }
    // Whoever still waits is told that the connection is lost.
    lock(&waiting).take();
    let _ = ended.send(());
}

/// The next frame; `None` at the end of the stream.
pub(crate) async fn next(
    stream: &mut ReadHalf<Stream>,
    bytes: &mut BytesMut,
) -> Result<Option<Frame>> {
    loop {
        if let Some(frame) = Frame::take(bytes)? {
            return Ok(Some(frame));
        }
        match stream.read_buf(bytes).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
}
