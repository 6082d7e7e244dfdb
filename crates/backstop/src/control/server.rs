//! The serving end of the control socket: accepts, checks who it is, reads a request, writes replies.
//!
//! Must not decide what is allowed beyond who may ask: `answer` in `serve::answer` does the work.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use super::protocol::{Reply, Request};
use crate::failure::{Context, Failure, Outcome};
use crate::serve::Service;

/// The longest request.
const LONGEST: u64 = 256 * 1024;
/// Requests at a time: those that wait for people count.
const CONNECTIONS: usize = 128;

/// Listens at `path`, reachable for this user alone.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen(path: &Path) -> Outcome<UnixListener> {
    // Whoever served before has gone: the directory is locked by us.
    let _ = std::fs::remove_file(path);
    let doing = format!("cannot listen at `{}`", path.display());
    let listener = UnixListener::bind(path).doing(doing.clone())?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).doing(doing)?;
    Ok(listener)
}

/// Serves until dropped.
pub async fn serve(listener: UnixListener, service: Arc<Service>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) if is_own(&stream) => {
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    converse(stream, service).await;
                    drop(permit);
                });
            }
            Ok(_) => tracing::warn!("another user reached the control socket and was turned away"),
            Err(error) => {
                tracing::warn!(%error, "the control socket cannot accept");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// The socket's mode keeps others out already; root gets in anyway.
fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn converse(stream: UnixStream, service: Arc<Service>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    while let Some(request) = next(&mut lines).await {
        let (reply, replies) = mpsc::channel(4);
        let answering = async {
            let last = match request {
                Ok(request) => service.answer(request, &reply).await,
                Err(failure) => Err(failure),
            };
            let last = last.unwrap_or_else(|failure| Reply::failed(&failure));
            let _ = reply.send(last).await;
            drop(reply);
        };
        tokio::select! {
            (sent, ()) = async { tokio::join!(write_all(&mut write, replies), answering) } => {
                if !sent {
                    return;
                }
            }
            // Whoever asked has gone, or talks out of turn: nothing is worked on any further for them.
            _ = lines.fill_buf() => return,
        }
    }
}

/// Writes replies as they come; whether all of them went out.
async fn write_all(write: &mut OwnedWriteHalf, mut replies: mpsc::Receiver<Reply>) -> bool {
    while let Some(reply) = replies.recv().await {
        if send(write, &reply).await.is_err() {
            return false;
        }
    }
    true
}

async fn next(lines: &mut BufReader<OwnedReadHalf>) -> Option<Outcome<Request>> {
    let mut line = Vec::new();
    let read = lines.take(LONGEST).read_until(b'\n', &mut line).await;
    match read {
        Ok(n) if n > 0 && line.ends_with(b"\n") => {
            Some(serde_json::from_slice(&line).map_err(|e| {
                Failure::usage("this is not a request that this version knows").because(e)
            }))
        }
        _ => None,
    }
}

async fn send(write: &mut OwnedWriteHalf, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write.write_all(&line).await
}
