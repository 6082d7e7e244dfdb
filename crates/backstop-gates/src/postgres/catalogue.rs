//! The target's catalogue as the gate knows it, and how soon it notices a change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use backstop_wire::sql::Catalog;
use tokio::sync::Mutex;

use super::error::GateError;
use super::question;
use super::upstream::{ServerConnection, Upstream};

/// How often the catalogue is compared with the server's.
pub(crate) const EVERY: Duration = Duration::from_secs(2);

/// Keeps a target's catalogue current.
pub(crate) struct Keeper {
    upstream: Upstream,
    major: u16,
    current: RwLock<Arc<Catalog>>,
    version: AtomicU64,
    link: Mutex<Link>,
}

#[derive(Default)]
struct Link {
    server: Option<ServerConnection>,
    fingerprint: String,
}

impl Keeper {
    /// Reads the catalogue for the first time.
    pub(crate) async fn open(upstream: Upstream, major: u16) -> Result<Self, GateError> {
        let keeper = Self {
            upstream,
            major,
            current: RwLock::new(Arc::new(Catalog::default())),
            version: AtomicU64::new(0),
            link: Mutex::default(),
        };
        keeper.refresh().await?;
        Ok(keeper)
    }

    /// The catalogue, and a number that changes with it.
    pub(crate) fn current(&self) -> (u64, Arc<Catalog>) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        (self.version.load(Ordering::Acquire), Arc::clone(&current))
    }

    /// The number alone: cheap.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Compares with the server and reads anew what has changed. Tells whether anything had.
    pub(crate) async fn refresh(&self) -> Result<bool, GateError> {
        let mut link = self.link.lock().await;
        let used = link.server.is_some();
        let mut result = self.refresh_over(&mut link).await;
        if result.is_err() && used {
            // The server may have been restarted since: once more, over a new connection.
            link.server = None;
            result = self.refresh_over(&mut link).await;
        }
        if result.is_err() {
            link.server = None;
        }
        result
    }

    async fn refresh_over(&self, link: &mut Link) -> Result<bool, GateError> {
        if link.server.is_none() {
            link.server = Some(self.upstream.connect(&question::settings()).await?);
        }
        let Some(server) = link.server.as_mut() else {
            return Ok(false);
        };
        let fingerprint = fingerprint(server).await?;
        if fingerprint == link.fingerprint {
            return Ok(false);
        }
        let catalog = Arc::new(self.load(server).await?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = catalog;
        self.version.fetch_add(1, Ordering::AcqRel);
        link.fingerprint = fingerprint;
        Ok(true)
    }

    /// All questions in one snapshot, so that their answers fit together.
    async fn load(&self, server: &mut ServerConnection) -> Result<Catalog, GateError> {
        server
            .tell("begin isolation level repeatable read, read only")
            .await?;
        let mut answers = vec![];
        for query in Catalog::queries() {
            answers.push((query.name, server.ask(query.sql).await?));
        }
        server.tell("commit").await?;
        Catalog::load(self.major, answers).map_err(|e| GateError::Catalogue(e.to_string()))
    }
}

async fn fingerprint(server: &mut ServerConnection) -> Result<String, GateError> {
    let rows = server.ask(Catalog::fingerprint_query()).await?;
    let text = rows
        .into_iter()
        .flatten()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n");
    Ok(text)
}
