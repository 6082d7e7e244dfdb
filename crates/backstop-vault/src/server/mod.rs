//! The vault's process: takes connections, and lets each do only what its road allows.
//!
//! The gate's roads are a unix socket, where the kernel says which user calls, and TCP with a client
//! certificate. The operator's road is a socket inside the vault's directory, which only the vault's own
//! user can enter.

mod extend;
pub mod operator;
mod session;
mod tls;
mod upload;
mod vault;

use std::{
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, UnixListener, UnixStream},
    sync::{Semaphore, watch},
};

pub use tls::ServerTls;
pub(crate) use vault::read_key;
pub use vault::{KEY_FILE, People, Vault};

use self::session::{Role, Session};
use crate::{
    error::{Result, VaultError},
    s3::{BucketOptions, Mirror},
};

/// Connections that may be open at a time.
const CONNECTIONS: usize = 128;
/// Callers over TCP that may be about to show their certificate; they keep no place from those who have.
const HANDSHAKES: usize = 64;
/// Connections of the operator's; the gate's keep none of them.
const OPERATORS: usize = 8;
/// The operator's socket, inside the vault's directory.
pub const OPERATOR_SOCKET: &str = "operator.sock";

/// Where the gate may call.
#[derive(Clone)]
pub struct Listen {
    /// A unix socket, and the users that may call there.
    pub unix: Option<(PathBuf, Vec<u32>)>,
    /// A TCP address with mutual TLS.
    pub tcp: Option<(String, ServerTls)>,
}

/// A server that has its sockets and has not begun.
pub struct Server {
    vault: Arc<Vault>,
    unix: Option<(UnixListener, Vec<u32>)>,
    tcp: Option<(TcpListener, ServerTls)>,
    operator: UnixListener,
    sockets: Vec<PathBuf>,
    places: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    operators: Arc<Semaphore>,
    mirror: Option<Mirror>,
}

impl Server {
    /// Takes the sockets.
    ///
    /// # Errors
    /// When one cannot be had.
    pub async fn bind(vault: Arc<Vault>, listen: Listen) -> Result<Self> {
        let operator_path = vault.dir().join(OPERATOR_SOCKET);
        let operator = bind_unix(&operator_path, 0o600)?;
        let mut sockets = vec![operator_path];
        let unix = match listen.unix {
            None => None,
            Some((path, users)) => {
                // Who may call is decided by the kernel's word on the caller, not by the file's mode.
                let bound = bind_unix(&path, 0o666)?;
                sockets.push(path);
                Some((bound, users))
            }
        };
        let tcp = match listen.tcp {
            None => None,
            Some((at, tls)) => {
                let bound = TcpListener::bind(&at).await;
                let bound = bound.map_err(|e| VaultError::io("listen at", &at, e))?;
                Some((bound, tls))
            }
        };
        Ok(Self {
            vault,
            unix,
            tcp,
            operator,
            sockets,
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            operators: Arc::new(Semaphore::new(OPERATORS)),
            mirror: None,
        })
    }

    /// Keeps a copy in a bucket, too, whose lock is tried first.
    ///
    /// # Errors
    /// When the bucket cannot be reached, or its lock does not hold.
    pub async fn with_bucket(mut self, options: &BucketOptions) -> Result<Self> {
        self.mirror = Some(Mirror::begin(options, &self.vault).await?);
        Ok(self)
    }

    /// The TCP address, with the port that the system chose if it was to.
    pub fn tcp_address(&self) -> Option<std::net::SocketAddr> {
        self.tcp.as_ref().and_then(|(tcp, _)| tcp.local_addr().ok())
    }

    /// Serves until `stop` says so; what is under way may end within `grace`.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, grace: Duration) {
        let keeper = tokio::spawn(self.vault.clone().keep(stop.clone()));
        let mirror = self
            .mirror
            .take()
            .map(|mirror| tokio::spawn(mirror.run(self.vault.clone(), stop.clone())));
        while !*stop.borrow() {
            tokio::select! {
                _ = stop.changed() => break,
                called = accept_unix(self.unix.as_ref()) => self.gate(called, &stop),
                called = accept_tcp(self.tcp.as_ref()) => self.remote(called, &stop),
                called = self.operator.accept() => match called {
                    Ok((stream, _)) => self.begin(stream, Role::Operator, &stop),
                    Err(error) => breathe(&error).await,
                },
            }
        }
        for path in &self.sockets {
            let _ = std::fs::remove_file(path);
        }
        let ended = async {
            for (places, all) in [(&self.places, CONNECTIONS), (&self.operators, OPERATORS)] {
                let all = u32::try_from(all).unwrap_or(u32::MAX);
                let _ = places.acquire_many(all).await;
            }
        };
        let _ = tokio::time::timeout(grace, ended).await;
        let _ = keeper.await;
        if let Some(mirror) = mirror {
            let _ = mirror.await;
        }
    }

    fn gate(&self, stream: Option<UnixStream>, stop: &watch::Receiver<bool>) {
        let Some(stream) = stream else {
            return;
        };
        let users = self
            .unix
            .as_ref()
            .map(|(_, users)| users.as_slice())
            .unwrap_or_default();
        let caller = stream.peer_cred().map(|peer| peer.uid());
        match caller {
            Ok(user) if users.contains(&user) => self.begin(stream, Role::Gate, stop),
            Ok(user) => tracing::warn!(
                user,
                "a user called who may not; hint: `users` in vault.toml"
            ),
            Err(error) => tracing::warn!(%error, "a caller could not be told"),
        }
    }

    fn remote(&self, stream: Option<tokio::net::TcpStream>, stop: &watch::Receiver<bool>) {
        let (Some(stream), Some((_, tls))) = (stream, &self.tcp) else {
            return;
        };
        let Ok(handshake) = self.handshakes.clone().try_acquire_owned() else {
            return;
        };
        let (tls, session) = (tls.clone(), Session::new(self.vault.clone(), Role::Gate));
        let (stop, places) = (stop.clone(), self.places.clone());
        tokio::spawn(async move {
            let stream = match tls.accept(stream).await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a caller was refused");
                    return;
                }
            };
            drop(handshake);
            if let Ok(place) = places.try_acquire_owned() {
                session.run(stream, stop).await;
                drop(place);
            }
        });
    }

    fn begin(&self, stream: UnixStream, role: Role, stop: &watch::Receiver<bool>) {
        let places = match role {
            Role::Gate => &self.places,
            Role::Operator => &self.operators,
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!("a caller was sent away: too many connections");
            return;
        };
        let (session, stop) = (Session::new(self.vault.clone(), role), stop.clone());
        tokio::spawn(async move {
            session.run(stream, stop).await;
            drop(place);
        });
    }
}

async fn accept_unix(listener: Option<&(UnixListener, Vec<u32>)>) -> Option<UnixStream> {
    match listener {
        Some((listener, _)) => match listener.accept().await {
            Ok((stream, _)) => Some(stream),
            Err(error) => {
                breathe(&error).await;
                None
            }
        },
        None => std::future::pending().await,
    }
}

async fn accept_tcp(listener: Option<&(TcpListener, ServerTls)>) -> Option<tokio::net::TcpStream> {
    match listener {
        Some((listener, _)) => match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                Some(stream)
            }
            Err(error) => {
                breathe(&error).await;
                None
            }
        },
        None => std::future::pending().await,
    }
}

/// Out of file handles, most likely: trying again at once would only keep a processor busy.
async fn breathe(error: &std::io::Error) {
    tracing::warn!(%error, "cannot take a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Binds a unix socket in place of one that an earlier server left; never in place of anything else.
pub(crate) fn bind_unix(path: &Path, mode: u32) -> Result<UnixListener> {
    let io = |what: &'static str| move |e| VaultError::io(what, path, e);
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            std::fs::remove_file(path).map_err(io("replace the socket"))?;
        }
        Ok(_) => {
            return Err(VaultError::setup(
                format!("`{}` is there and is no socket", path.display()),
                "name another path for the socket in vault.toml",
            ));
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(io("listen at"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(io("open"))?;
    Ok(listener)
}
