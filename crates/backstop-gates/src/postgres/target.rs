//! A target as it runs: its catalogue, its greeting, and the connection that makes and ends roles.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use backstop_core::lease::Lease;
use backstop_core::measure::Limits;
use backstop_store::SealKey;

use super::budget::Budgets;
use super::catalogue::Keeper;
use super::config::TargetConfig;
use super::error::GateError;
use super::question;
use super::roles::{self, RoleLimits};
use super::upstream::{ServerConnection, Upstream};
use crate::denials::Denials;

/// Idle connections for reading old rows that are kept.
const OBSERVERS: usize = 4;

/// A target with its state.
pub(crate) struct Target {
    /// How it was configured.
    pub(crate) config: TargetConfig,
    /// The server's major version.
    pub(crate) major: u16,
    /// Its catalogue.
    pub(crate) catalogue: Keeper,
    /// What the server says of its settings at the start of a session.
    pub(crate) greeting: Vec<(String, String)>,
    admin: tokio::sync::Mutex<Option<ServerConnection>>,
    denials: Denials,
    /// Connections that read old rows, idle.
    observers: Mutex<Vec<ServerConnection>>,
    /// The limits on what is measured, as they were configured last; none where nothing is.
    measures: RwLock<Option<Limits>>,
    /// What leases have changed lately.
    pub(crate) budgets: Arc<Budgets>,
}

impl Target {
    /// Connects to the target and reads what the gate must know of it.
    pub(crate) async fn open(config: TargetConfig) -> Result<Self, GateError> {
        let mut server = config.upstream.connect(&question::settings()).await?;
        let rows = server
            .ask("select pg_catalog.current_setting('server_version_num')")
            .await?;
        let number = rows
            .first()
            .and_then(|r| r.first())
            .cloned()
            .flatten()
            .unwrap_or_default();
        let major: u16 = number
            .parse::<u32>()
            .ok()
            .and_then(|n| u16::try_from(n / 10_000).ok())
            .unwrap_or(0);
        if !(15..=18).contains(&major) {
            return Err(GateError::Config(format!(
                "target `{}` runs PostgreSQL {major}; hint: Backstop knows 15 to 18",
                config.name
            )));
        }
        // As a client would see them: without the gate's own choices.
        let plain = config
            .upstream
            .connect(&[("client_encoding".to_owned(), "UTF8".to_owned())])
            .await?;
        let catalogue = Keeper::open(config.upstream.clone(), major).await?;
        Ok(Self {
            measures: RwLock::new(config.measures),
            config,
            major,
            catalogue,
            greeting: plain.settings,
            admin: tokio::sync::Mutex::new(Some(server)),
            denials: Denials::default(),
            observers: Mutex::default(),
            budgets: Arc::default(),
        })
    }

    /// The limits on what is measured, where it is.
    pub(crate) fn measures(&self) -> Option<Limits> {
        *self.measures.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up other limits, for open sessions as well. What was counted stays counted.
    pub(crate) fn limit(&self, limits: Limits) {
        let mut current = self
            .measures
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(was) = current.replace(limits) {
            self.budgets.resize(was.window_ms, limits.window_ms);
        }
    }

    /// A connection of the gate's own to read old rows by. What fails on it is not given back.
    pub(crate) async fn observer(&self) -> Result<ServerConnection, GateError> {
        let kept = self.idle_observers().pop();
        match kept {
            Some(server) => Ok(server),
            None => self.config.upstream.connect(&question::settings()).await,
        }
    }

    /// The connection is idle and may be used again.
    pub(crate) fn give_back(&self, server: ServerConnection) {
        let mut idle = self.idle_observers();
        if idle.len() < OBSERVERS {
            idle.push(server);
        }
    }

    fn idle_observers(&self) -> std::sync::MutexGuard<'_, Vec<ServerConnection>> {
        self.observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a lease's role, or brings it up to the lease.
    pub(crate) async fn provision(
        &self,
        lease: &Lease,
        key: &SealKey,
        limits: &RoleLimits,
    ) -> Result<(), GateError> {
        let mut admin = self.admin.lock().await;
        let server = self.connected(&mut admin).await?;
        let result = async {
            // In one transaction: what an agent may do still must not be gone in between.
            server.tell("begin read write").await?;
            roles::strip(server, &lease.id).await?;
            roles::provision(server, lease, key, limits).await?;
            server.tell("commit").await
        }
        .await;
        if result.is_err() {
            *admin = None;
        }
        result
    }

    /// Ends a lease's role.
    pub(crate) async fn retire(&self, role: &str) -> Result<(), GateError> {
        let mut admin = self.admin.lock().await;
        let server = self.connected(&mut admin).await?;
        let result = roles::retire(server, role).await;
        if result.is_err() {
            *admin = None;
        }
        result
    }

    /// The lease roles that exist at the target.
    pub(crate) async fn lease_roles(&self) -> Result<Vec<String>, GateError> {
        let mut admin = self.admin.lock().await;
        let server = self.connected(&mut admin).await?;
        let result = roles::lease_roles(server).await;
        if result.is_err() {
            *admin = None;
        }
        result
    }

    async fn connected<'a>(
        &self,
        admin: &'a mut Option<ServerConnection>,
    ) -> Result<&'a mut ServerConnection, GateError> {
        let alive = match admin.as_mut() {
            Some(server) => server.tell("select 1").await.is_ok(),
            None => false,
        };
        if !alive {
            *admin = Some(self.config.upstream.connect(&question::settings()).await?);
        }
        admin
            .as_mut()
            .ok_or_else(|| GateError::Config("no connection".into()))
    }

    /// The way in for a lease's role: the gate alone can make its password.
    pub(crate) fn upstream_for(&self, lease: &Lease, key: &SealKey) -> Upstream {
        self.config
            .upstream
            .as_role(&lease.id, key.password_for(&lease.id))
    }

    /// Counts a denial; tells how many there were within ten minutes.
    pub(crate) fn count_denial(&self, lease: &str, now_ms: i64) -> usize {
        self.denials.count(lease, now_ms)
    }
}
