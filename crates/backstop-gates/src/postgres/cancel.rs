//! Cancel requests by the gate's own keys: a paused call is withdrawn, a running one cancelled at the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backstop_core::digest::Digest;
use backstop_wire::postgres::startup::{CancelKey, Minor};
use bytes::{Bytes, BytesMut};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::error::GateError;
use super::upstream::{CONNECT, Upstream};

/// How long a cancel waits for what is still read.
const READING: Duration = Duration::from_secs(30);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(5);

/// The connections that can be cancelled.
#[derive(Default)]
pub(crate) struct Cancels {
    known: Mutex<HashMap<i32, Arc<Cancellable>>>,
}

/// One connection, as a cancel request finds it.
pub(crate) struct Cancellable {
    key: CancelKey,
    /// Woken when the client cancels.
    pub(crate) asked: Notify,
    /// Whether a statement runs or a transaction is open.
    busy: AtomicBool,
    /// Odd while the gate reads what the client asks and nothing of it is at the server yet; one more for each change.
    turn: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    paused: bool,
    server: Option<(Upstream, CancelKey)>,
}

impl Cancels {
    /// A new key for a connection.
    pub(crate) fn register(&self, minor: Minor) -> Result<Arc<Cancellable>, GateError> {
        let random = SystemRandom::new();
        let length = if minor == Minor::V2 { 32 } else { 4 };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut number = [0; 4];
            let mut secret = vec![0; length];
            let filled = random
                .fill(&mut number)
                .and_then(|()| random.fill(&mut secret));
            filled.map_err(|_| GateError::Config("the system gives no random bytes".into()))?;
            let process = i32::from_be_bytes(number) & i32::MAX;
            if process == 0 || known.contains_key(&process) {
                continue;
            }
            let key = CancelKey {
                process,
                secret: Bytes::from(secret),
            };
            let one = Arc::new(Cancellable {
                key,
                asked: Notify::new(),
                busy: AtomicBool::new(false),
                turn: AtomicU64::new(0),
                state: Mutex::default(),
            });
            known.insert(process, Arc::clone(&one));
            return Ok(one);
        }
    }

    /// Forgets a connection.
    pub(crate) fn forget(&self, one: &Cancellable) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&one.key.process);
    }

    /// Does what a cancel request asks. Says nothing either way, as PostgreSQL does.
    pub(crate) async fn cancel(&self, key: &CancelKey) {
        let found = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key.process)
            .cloned();
        let Some(one) = found else { return };
        // Compared by their digests, so that the time it takes tells nothing of where they differ.
        if Digest::of(&one.key.secret) != Digest::of(&key.secret) {
            return;
        }
        let turn = one.turn.load(Ordering::Acquire);
        one.cancel().await;
        if turn % 2 == 1 && one.has_gone_on(turn).await {
            // The server had nothing to cancel before, and now it has.
            one.cancel().await;
        }
    }
}

impl Cancellable {
    /// The key that the client holds.
    pub(crate) fn key(&self) -> CancelKey {
        self.key.clone()
    }

    /// Notes whether the connection is paused for people.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .paused = paused;
    }

    /// Notes whether a statement runs or a transaction is open.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Whether ending the connection now would cut something short; waiting for people is not that.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.busy.load(Ordering::Relaxed) && !state.paused
    }

    /// Notes that the gate begins to read what the client asks, with nothing of it at the server, or has done so.
    pub(crate) fn set_reading(&self, reading: bool) {
        if reading != (self.turn.load(Ordering::Acquire) % 2 == 1) {
            self.turn.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Waits until what was read in a turn is at the server, and nothing that the client asked later.
    async fn has_gone_on(&self, turn: u64) -> bool {
        let reading = || self.turn.load(Ordering::Acquire) == turn;
        for _ in 0..READING.as_millis() / LOOK.as_millis() {
            tokio::time::sleep(LOOK).await;
            if !reading() {
                break;
            }
        }
        self.turn.load(Ordering::Acquire) == turn + 1 && self.is_busy()
    }

    /// Notes where its statements run.
    ///
    /// Gives back where they ran before.
    pub(crate) fn set_server(
        &self,
        server: Option<(Upstream, CancelKey)>,
    ) -> Option<(Upstream, CancelKey)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut state.server, server)
    }

    /// Withdraws what is paused, or cancels what runs.
    pub(crate) async fn cancel(&self) {
        let server = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.paused {
                self.asked.notify_one();
                return;
            }
            state.server.clone()
        };
        if let Some((upstream, key)) = server
            && let Err(error) = tokio::time::timeout(CONNECT, send(&upstream, &key))
                .await
                .unwrap_or(Ok(()))
        {
            tracing::warn!(%error, "a cancel request did not reach the server");
        }
    }
}

async fn send(upstream: &Upstream, key: &CancelKey) -> Result<(), GateError> {
    let (mut stream, _) = upstream.secure(upstream.open().await?).await?;
    let mut out = BytesMut::new();
    key.write_request(&mut out)
        .map_err(|e| GateError::Protocol(e.to_string()))?;
    stream
        .write_all(&out)
        .await
        .map_err(GateError::io("cancelling"))?;
    stream.flush().await.map_err(GateError::io("cancelling"))?;
    // The server closes when it has acted: a cancel must not overtake what the client does next.
    let _ = stream.read_u8().await;
    Ok(())
}
