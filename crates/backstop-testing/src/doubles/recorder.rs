//! What both doubles share: a listener with a thread per connection, and a list of
//! what came in that a test can wait for.
//!
//! It must not know any protocol.

use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A client that says nothing must not keep a test's thread for ever.
const SILENCE: Duration = Duration::from_secs(10);

/// A list that one thread fills and another waits on.
#[derive(Debug)]
pub(super) struct Records<T> {
    list: Mutex<Vec<T>>,
    grew: Condvar,
}

impl<T: Clone> Records<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            list: Mutex::new(Vec::new()),
            grew: Condvar::new(),
        })
    }

    pub(super) fn push(&self, record: T) {
        self.lock().push(record);
        self.grew.notify_all();
    }

    pub(super) fn all(&self) -> Vec<T> {
        self.lock().clone()
    }

    /// All records, as soon as there are `count` of them.
    pub(super) fn wait_for(&self, count: usize, patience: Duration) -> Result<Vec<T>> {
        let deadline = Instant::now() + patience;
        let mut list = self.lock();
        while list.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!(
                    "{} of {count} came in within {} ms",
                    list.len(),
                    patience.as_millis()
                );
            }
            list = self
                .grew
                .wait_timeout(list, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Ok(list.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener on 127.0.0.1; dropping it stops it.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Hands every connection to `serve`, in a thread of its own.
    pub(super) fn start<F>(serve: F) -> Result<Self>
    where
        F: Fn(BufReader<TcpStream>) -> std::io::Result<()> + Send + Sync + 'static,
    {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening on 127.0.0.1")?;
        let address = listener
            .local_addr()
            .context("reading the listener's port")?;
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, serve) = (Arc::clone(&stopping), Arc::new(serve));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let serve = Arc::clone(&serve);
                thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(SILENCE));
                    // A client that breaks off is a test's own business.
                    let _ = serve(BufReader::new(stream));
                });
            }
        });
        Ok(Self {
            address,
            stopping,
            thread: Some(thread),
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the thread that accepts
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
