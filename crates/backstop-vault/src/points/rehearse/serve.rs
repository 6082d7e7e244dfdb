//! Where the gate asks: a unix socket, at which the kernel says who calls.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backstop_core::rehearsal::{Rehearsal, Why};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::{Ask, Copy, QUESTION};
use crate::error::Result;

/// How long a caller may take to say what it wants.
const GREETING: Duration = Duration::from_secs(10);
/// Callers at a time; one is served, the others wait.
const CALLERS: usize = 16;

/// The copies that are up, one a target at most.
#[derive(Default)]
pub struct Copies {
    up: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Copy>>>>,
    /// One rehearsal at a time, whatever copy it is on.
    turn: tokio::sync::Mutex<()>,
    lost: Notify,
}

impl Copies {
    /// Puts a copy in the place of the one of that target.
    pub fn put(&self, target: &str, copy: Copy) {
        let copy = Arc::new(tokio::sync::Mutex::new(copy));
        self.all().insert(target.to_owned(), copy);
    }

    /// Returns once a copy was lost or could be used no more.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Runs an action on the copy of its target.
    pub async fn rehearse(&self, ask: &Ask) -> Rehearsal {
        let _turn = self.turn.lock().await;
        let copy = self.all().get(&ask.target).cloned();
        let Some(copy) = copy else {
            return Rehearsal::not(Why::NoCopy);
        };
        let mut copy = copy.lock().await;
        let told = copy.rehearse(ask).await;
        if copy.is_spent() {
            self.all().remove(&ask.target);
            self.lost.notify_one();
        }
        told
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<Copy>>>> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket. It is removed when this is dropped.
pub struct Server {
    listener: UnixListener,
    users: Vec<u32>,
    path: PathBuf,
}

impl Server {
    /// Takes the socket at `path`, for callers that run as one of `users`.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn bind(path: &Path, users: &[u32]) -> Result<Self> {
        Ok(Self {
            // Who may call is decided by the kernel's word on the caller, not by the file's mode.
            listener: crate::server::bind_unix(path, 0o666)?,
            users: users.to_vec(),
            path: path.to_owned(),
        })
    }

    /// Serves without end; what is under way ends with it.
    pub async fn run(&self, copies: Arc<Copies>) {
        let mut calls = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.begin(stream, &copies, &mut calls),
                    Err(error) => {
                        tracing::warn!(%error, "cannot take a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = calls.join_next() => {}
            }
        }
    }

    fn begin(&self, stream: UnixStream, copies: &Arc<Copies>, calls: &mut JoinSet<()>) {
        match stream.peer_cred().map(|peer| peer.uid()) {
            Ok(user) if self.users.contains(&user) => {}
            Ok(user) => {
                tracing::warn!(user, "a user called who may not; hint: `--gate-user`");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "a caller could not be told");
                return;
            }
        }
        if calls.len() >= CALLERS {
            tracing::warn!("a caller was sent away: too many connections");
            return;
        }
        let copies = Arc::clone(copies);
        calls.spawn(async move {
            if let Err(error) = answer(stream, &copies).await {
                tracing::info!(%error, "a rehearsal was not answered");
            }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // gone already is as good
    }
}

async fn answer(mut stream: UnixStream, copies: &Copies) -> std::io::Result<()> {
    let mut question = vec![];
    let (read, mut write) = stream.split();
    let reading = async {
        let mut lines = BufReader::new(read.take(QUESTION));
        lines.read_until(b'\n', &mut question).await
    };
    tokio::time::timeout(GREETING, reading)
        .await
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    let ask: Ask = serde_json::from_slice(&question)?;
    let told = copies.rehearse(&ask).await;
    write.write_all(&serde_json::to_vec(&told)?).await?;
    write.shutdown().await
}
