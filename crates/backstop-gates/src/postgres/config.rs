//! What the gate is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backstop_core::measure::Limits;
use backstop_core::target::Environment;

use super::roles::RoleLimits;
use super::upstream::Upstream;

/// The gate's own settings.
#[derive(Clone)]
pub struct GateConfig {
    /// Where to listen for TCP; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Where to listen on a Unix socket: the directory and the port in its name.
    pub unix_socket: Option<(PathBuf, u16)>,
    /// TLS towards agents, with the certificate it shows (DER) for channel binding.
    pub tls: Option<(Arc<rustls::ServerConfig>, Vec<u8>)>,
    /// Whether clients over TCP must use TLS.
    pub require_tls: bool,
    /// How long a held call is paused.
    pub pause: Duration,
    /// Threads that serve connections.
    pub worker_threads: usize,
    /// The console's address, without a slash at the end.
    pub console_url: String,
    /// Where old rows go before they are changed; targets that measure need one.
    pub vault: Option<backstop_vault::client::Client>,
    /// The socket at which a drill's copy has held actions run; none where none is kept.
    pub rehearsals: Option<PathBuf>,
    /// Bounds.
    pub limits: GateLimits,
}

impl GateConfig {
    /// Where its Unix socket is, named as libpq looks for it.
    pub(crate) fn socket_path(&self) -> Option<PathBuf> {
        let (directory, port) = self.unix_socket.as_ref()?;
        Some(directory.join(format!(".s.PGSQL.{port}")))
    }
}

/// What one client or lease can make the gate do (invariant 11).
#[derive(Debug, Clone)]
pub struct GateLimits {
    /// The longest statement that is analysed, in bytes.
    pub statement_bytes: u32,
    /// Messages longer than this are passed through in pieces, in bytes.
    pub streamed_bytes: u32,
    /// Connections that have not authenticated yet; beyond it the oldest silent one is shown out.
    pub greeting_connections: usize,
    /// How long a client may take to authenticate.
    pub greeting: Duration,
    /// Rows that a COPY from the client may bring without asking.
    pub copy_rows: u64,
    /// Denials within ten minutes after which a lease is halted.
    pub denials_before_halt: usize,
    /// What the images of a transaction may cost: bytes, milliseconds.
    pub images: (u64, u64),
    /// As much for one that people have approved.
    pub approved_images: (u64, u64),
    /// What the leases' roles are limited to, enforced by the gate as well.
    pub role: RoleLimits,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            statement_bytes: 1024 * 1024,
            streamed_bytes: 64 * 1024,
            greeting_connections: 256,
            greeting: Duration::from_secs(20),
            copy_rows: 1000,
            denials_before_halt: 50,
            images: (256 * 1024 * 1024, 10_000),
            approved_images: (1024 * 1024 * 1024 * 1024, 4 * 3_600_000),
            role: RoleLimits::default(),
        }
    }
}

/// A target.
#[derive(Debug, Clone)]
pub struct TargetConfig {
    /// Its name in leases.
    pub name: String,
    /// Its environment.
    pub environment: Environment,
    /// The gate's own way in.
    pub upstream: Upstream,
    /// How much passes without a person, where what is written is measured and kept in a vault; `None` without one.
    pub measures: Option<Limits>,
    /// The file of authorities that its certificate is checked by, for PostgreSQL's own programs.
    pub ca: Option<PathBuf>,
    /// Where PostgreSQL's own programs are; looked for if not said.
    pub pg_bin: Option<PathBuf>,
}
