//! What a throwaway server shall be like, before it is started.

use anyhow::Result;

use super::{Major, Server, server};
use crate::tls::Identity;

/// A server to be started.
#[derive(Debug, Clone)]
pub struct PostgresServer {
    pub(super) major: Major,
    pub(super) settings: Vec<(String, String)>,
    pub(super) hba: Vec<String>,
    pub(super) tls: Option<Identity>,
    pub(super) require_tls: bool,
    pub(super) on_disk: bool,
}

impl PostgresServer {
    /// Starts a server as it comes: no TLS, `fsync` off.
    ///
    /// # Errors
    /// When that version is not installed or does not start; the error carries its log.
    pub fn start(major: Major) -> Result<Server> {
        Self::of(major).run()
    }

    /// Starts whatever supported version is here, oldest first.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub fn start_any() -> Result<Server> {
        Self::start(Major::any()?)
    }

    /// A server of a version, to be described further.
    #[must_use]
    pub fn of(major: Major) -> Self {
        let server = Self {
            major,
            settings: Vec::new(),
            hba: Vec::new(),
            tls: None,
            require_tls: false,
            on_disk: false,
        };
        server.fsync(false)
    }

    /// Whether it waits for the disk, as a real one does. Without, its data may lie in memory.
    #[must_use]
    pub fn fsync(mut self, on: bool) -> Self {
        self.on_disk = on;
        let value = if on { "on" } else { "off" };
        self.setting("fsync", value)
            .setting("full_page_writes", value)
    }

    /// Sets a server setting; the last one of a name counts.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a line before the others in `pg_hba.conf`.
    #[must_use]
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// Offers TLS with a certificate, and still serves those who do without.
    #[must_use]
    pub fn tls(mut self, identity: Identity) -> Self {
        self.tls = Some(identity);
        self
    }

    /// Offers TLS with a certificate, and refuses TCP without it, as managed PostgreSQL does.
    #[must_use]
    pub fn tls_only(mut self, identity: Identity) -> Self {
        self.require_tls = true;
        self.tls(identity)
    }

    /// Starts it.
    ///
    /// # Errors
    /// When that version is not installed or does not start; the error carries its log.
    pub fn run(self) -> Result<Server> {
        server::start(self)
    }
}
