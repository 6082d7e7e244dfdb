//! The gate's side: seals, sends, and believes only what the vault says is stored.
//!
//! Cheap to clone. Requests of all clones share one connection, many at a time; it is made when first
//! needed and made anew when lost. A put that got no answer is sent once more: its name makes that
//! harmless. There is nothing in here that could open what was sealed.

mod address;
mod connection;
mod upload;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backstop_core::{deletion::Cancellation, digest::Digest};
use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;

pub use address::{Address, Tls};
pub(crate) use address::{Stream, certificates, private_key};
pub(crate) use connection::next;
pub use upload::Upload;

use self::connection::Connection;
use crate::{
    error::{Result, VaultError},
    label::{Label, Stored},
    protocol::{self, Ask, Extend, Extended, Frame, Kind, MAX_INLINE, PutHead},
    seal::{Recipients, sha256},
    store::Status,
};

/// What is sealed on the spot; more than that, and another thread does it.
const ON_THE_SPOT: usize = 64 * 1024;
/// The largest content that one frame surely holds when sealed.
const SMALL: usize = MAX_INLINE - 64 * 1024;

/// A vault as the gate knows it.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    address: Address,
    recipients: Recipients,
    timeout: Duration,
    runtime: Handle,
    connection: Mutex<Option<Connection>>,
    connecting: tokio::sync::Mutex<()>,
}

impl Client {
    /// How long a small request may take, unless told otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// A client of the vault at `address` that seals to `recipients`. Connects when first asked; its
    /// connections live on the runtime that this is called in, which must outlive it.
    pub fn new(address: Address, recipients: Recipients, timeout: Duration) -> Self {
        Self {
            inner: Arc::new(Inner {
                address,
                recipients,
                timeout,
                runtime: Handle::current(),
                connection: Mutex::new(None),
                connecting: tokio::sync::Mutex::new(()),
            }),
        }
    }

    /// Compresses, encrypts and stores a content; returns when the vault's disk has it. One round trip for
    /// up to a MiB, streamed above that.
    ///
    /// # Errors
    /// Whatever kept it from being stored; then it must be taken for not stored.
    pub async fn put(&self, label: &Label, content: Bytes) -> Result<Stored> {
        label.check()?;
        if content.len() > SMALL {
            let mut upload = self.put_stream(label).await?;
            upload.write(content).await?;
            return upload.finish().await;
        }
        let plain = sha256(&content);
        let sealed = self.seal(content).await?;
        let name = sha256(&sealed);
        let head = PutHead {
            label: label.clone(),
            name,
            plain,
        };
        let prefix = head.to_prefix()?;
        let mut payload = BytesMut::with_capacity(prefix.len() + sealed.len());
        payload.extend_from_slice(&prefix);
        payload.extend_from_slice(&sealed);
        let answer = self.ask(Kind::Put, payload.freeze()).await?;
        let stored: Stored = expect(&answer, Kind::Stored)?;
        check(&stored, name, plain, sealed.len() as u64)?;
        Ok(stored)
    }

    async fn seal(&self, content: Bytes) -> Result<Vec<u8>> {
        if content.len() <= ON_THE_SPOT {
            return self.inner.recipients.seal(&content);
        }
        let recipients = self.inner.recipients.clone();
        tokio::task::spawn_blocking(move || recipients.seal(&content))
            .await
            .map_err(|e| VaultError::protocol(e.to_string()))?
    }

    /// Begins a content that comes in pieces, on a connection of its own, with flat memory.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn put_stream(&self, label: &Label) -> Result<Upload> {
        label.check()?;
        let stream = self.within(self.inner.address.connect()).await?;
        let inner = &self.inner;
        Upload::begin(
            stream,
            label,
            &inner.recipients,
            &inner.runtime,
            inner.timeout,
        )
    }

    /// Whether the vault has an object of this name.
    ///
    /// # Errors
    /// When it could not be asked.
    pub async fn has(&self, name: Digest) -> Result<Option<Stored>> {
        let ask = Frame::json(Kind::Has, 0, &Ask { name })?;
        let found: Option<Stored> = expect(&self.ask(Kind::Has, ask.payload).await?, Kind::Held)?;
        match found {
            Some(stored) if stored.name != name => {
                Err(VaultError::protocol("an answer about another object"))
            }
            found => Ok(found),
        }
    }

    /// Has recovery points kept until `until_ms` at least, Unix time in milliseconds; gives until when they are
    /// kept now, which may be up to a day less. `names` are objects of points, at most 64.
    ///
    /// # Errors
    /// When the vault refuses, or could not be asked.
    pub async fn extend(&self, names: Vec<Digest>, until_ms: i64) -> Result<i64> {
        let ask = Frame::json(Kind::Extend, 0, &Extend { names, until_ms })?;
        let answer = self.ask(Kind::Extend, ask.payload).await?;
        expect::<Extended>(&answer, Kind::Extended).map(|now| now.until_ms)
    }

    /// Hands a person's word to the vault that a deletion is not to be done.
    ///
    /// # Errors
    /// When the signature does not count, the deletion is not open any more, or the vault could not be asked.
    pub async fn cancel(&self, signed: &Cancellation) -> Result<()> {
        let payload = Frame::json(Kind::Cancel, 0, signed)?.payload;
        expect::<()>(&self.ask(Kind::Cancel, payload).await?, Kind::Cancelled)
    }

    /// How the vault stands: its room, its newest record, its clock.
    ///
    /// # Errors
    /// When it could not be asked.
    pub async fn status(&self) -> Result<Status> {
        expect(
            &self.ask(Kind::Status, Bytes::new()).await?,
            Kind::StatusAnswer,
        )
    }

    /// Where the vault is.
    pub fn address(&self) -> &Address {
        &self.inner.address
    }

    pub(crate) async fn ask(&self, kind: Kind, payload: Bytes) -> Result<Frame> {
        self.within(self.ask_twice(kind, payload)).await
    }

    async fn ask_twice(&self, kind: Kind, payload: Bytes) -> Result<Frame> {
        let connection = self.connection().await?;
        match connection.ask(kind, payload.clone()).await {
            Err(VaultError::Unreachable { .. }) => {
                self.connection().await?.ask(kind, payload).await
            }
            answer => answer,
        }
    }

    async fn connection(&self) -> Result<Connection> {
        if let Some(open) = self.open() {
            return Ok(open);
        }
        let _one_at_a_time = self.inner.connecting.lock().await;
        if let Some(open) = self.open() {
            return Ok(open);
        }
        let stream = self.inner.address.connect().await?;
        let fresh = Connection::start(stream, self.inner.address.to_string(), &self.inner.runtime);
        *self.slot() = Some(fresh.clone());
        Ok(fresh)
    }

    fn open(&self) -> Option<Connection> {
        self.slot().clone().filter(Connection::is_open)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.inner
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn within<T>(&self, done: impl Future<Output = Result<T>>) -> Result<T> {
        let after = self.inner.timeout;
        tokio::time::timeout(after, done)
            .await
            .unwrap_or(Err(VaultError::Timeout { after }))
    }
}

/// The answer, if it is of the kind that was asked for.
pub(crate) fn expect<T: serde::de::DeserializeOwned>(answer: &Frame, kind: Kind) -> Result<T> {
    match answer.kind {
        Kind::Fault => Err(VaultError::Refused(answer.read()?)),
        found if found == kind => answer.read(),
        found => Err(VaultError::protocol(format!(
            "`{found:?}` instead of `{kind:?}`"
        ))),
    }
}

/// Whether the vault says that it stored what was sent.
pub(crate) fn check(stored: &Stored, name: Digest, plain: Digest, bytes: u64) -> Result<()> {
    if stored.name == name && stored.plain == plain && stored.bytes == bytes {
        return Ok(());
    }
    Err(VaultError::protocol(
        "the vault says that it stored something else",
    ))
}

/// The protocol's version, for `doctor`.
pub const fn version() -> u8 {
    protocol::VERSION
}
