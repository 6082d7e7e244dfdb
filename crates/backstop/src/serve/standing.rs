//! How things stand: what `status` prints.

use std::time::Duration;

use backstop_core::deletion::Scheduled;
use backstop_core::lease::{LeaseRecord, LeaseState};
use backstop_gates::postgres::Upstream;
use backstop_journal::Journal;
use serde::{Deserialize, Serialize};

use super::cosign::{CosignStanding, Cosigning};
use super::points::{PointsStanding, points_of};
use super::{Service, upstream};
use crate::config::{Config, Target, Vault, Whereabouts};
use crate::failure::Outcome;

/// How long a target may take to answer before it counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(3);
/// What is true of every installation without a vault.
pub const RECOVERABLE: &str = "no vault yet: nothing is recoverable";

/// How things stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether the gate serves.
    pub serving: bool,
    /// The program's version.
    pub version: String,
    /// Since when it serves: Unix time in milliseconds.
    pub since_ms: i64,
    /// Where agents connect.
    pub gate: Vec<String>,
    /// The console's origin.
    pub console: String,
    /// The policy version.
    pub policy: Option<String>,
    /// The targets.
    pub targets: Vec<TargetStanding>,
    /// Leases that may act.
    pub leases_active: usize,
    /// Leases that are halted.
    pub leases_halted: usize,
    /// Standing leases that are over, or will be within two weeks, and that nobody ended.
    #[serde(default)]
    pub leases_ending: Vec<LeaseEnding>,
    /// Holds that wait for people.
    pub holds_waiting: usize,
    /// People who can decide.
    pub people: usize,
    /// Why everything is halted, if it is.
    pub halted: Option<String>,
    /// Why only reads pass, if so.
    pub frozen: Option<String>,
    /// The two logs.
    pub journal: Vec<LogStanding>,
    /// What could be brought back.
    pub recoverable: String,
    /// Deletions from the vault that are asked for and not done.
    #[serde(default)]
    pub deletions: Vec<Scheduled>,
    /// Keys of the configuration that were changed and take effect at the next start.
    #[serde(default)]
    pub pending: Vec<String>,
}

/// A standing lease whose time is nearly over, or over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseEnding {
    /// The lease.
    pub lease: String,
    /// Its target.
    pub target: String,
    /// What it is for.
    pub task: String,
    /// Unix time in milliseconds.
    pub expires_ms: i64,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStanding {
    /// Its name.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// Where it is.
    pub address: String,
    /// Its database.
    #[serde(default)]
    pub database: String,
    /// What no two clusters share; none where the server does not say.
    #[serde(default)]
    pub system_identifier: Option<String>,
    /// Whether it can be reached with the gate's credential.
    pub reachable: bool,
    /// Why not.
    pub error: Option<String>,
    /// Its recovery points, where there is a vault for them.
    #[serde(default)]
    pub points: Option<PointsStanding>,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStanding {
    /// `control` or `traffic`.
    pub log: String,
    /// Durable entries.
    pub entries: u64,
    /// The oldest entry that retention has kept.
    #[serde(default)]
    pub oldest: u64,
    /// Entries under the newest signed checkpoint.
    pub checkpoint: u64,
    /// The root of that checkpoint.
    pub root: String,
    /// Why it takes no more entries, if so.
    pub failure: Option<String>,
    /// How far the vault has cosigned it; none without a vault, and before it was first asked.
    #[serde(default)]
    pub cosigned: Option<CosignStanding>,
}

impl Service {
    /// How things stand.
    pub(super) async fn standing(&self) -> Standing {
        let config = self.config();
        let targets = self.targets(&config).await;
        let recoverable = recoverable(config.vault.as_ref()).await;
        let deletions = self.deletions().await;
        let state = self.store.state();
        let leases = |wanted: fn(&LeaseState) -> bool| {
            state.leases.values().filter(|r| wanted(&r.state)).count()
        };
        Standing {
            serving: true,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since_ms: self.since_ms,
            gate: self.addresses.iter().map(ToString::to_string).collect(),
            console: config.console.origin(),
            policy: state.policy.map(|p| p.to_hex()),
            targets,
            leases_active: leases(|s| *s == LeaseState::Active),
            leases_halted: leases(|s| matches!(s, LeaseState::Halted { .. })),
            leases_ending: ending(state.leases.values(), self.store.now_ms()),
            holds_waiting: state.holds.values().filter(|r| r.state.is_open()).count(),
            people: state.people.len(),
            halted: state.halted.clone(),
            frozen: state.frozen.clone(),
            journal: vec![
                log("control", &self.control, &self.cosigned),
                log("traffic", &self.traffic, &self.cosigned),
            ],
            recoverable,
            deletions,
            pending: self.pending.borrow().clone(),
        }
    }
}

/// How long before its end a standing lease is shown, in milliseconds.
const SOON_MS: i64 = 14 * 86_400_000;
/// What lives longer than a task's lease may is a standing one, in milliseconds.
const STANDING_MS: i64 = 7 * 86_400_000;

fn ending<'a>(
    leases: impl Iterator<Item = &'a LeaseRecord> + Clone,
    now_ms: i64,
) -> Vec<LeaseEnding> {
    let standing =
        |r: &&LeaseRecord| r.lease.expires_ms.saturating_sub(r.lease.created_ms) > STANDING_MS;
    // One with the same task has taken the place of one that is over.
    let replaced = |one: &LeaseRecord| {
        leases.clone().any(|r| {
            r.is_active(now_ms)
                && (&r.lease.spec.target, &r.lease.spec.task)
                    == (&one.lease.spec.target, &one.lease.spec.task)
        })
    };
    let near = |r: &&LeaseRecord| {
        let left_ms = r.lease.expires_ms.saturating_sub(now_ms);
        match &r.state {
            LeaseState::Ended { why, .. } => why == "expired" && left_ms > -SOON_MS && !replaced(r),
            _ => left_ms <= SOON_MS,
        }
    };
    let mut all: Vec<LeaseEnding> = leases
        .clone()
        .filter(standing)
        .filter(near)
        .map(|r| LeaseEnding {
            lease: r.lease.id.clone(),
            target: r.lease.spec.target.clone(),
            task: r.lease.spec.task.clone(),
            expires_ms: r.lease.expires_ms,
        })
        .collect();
    all.sort_by_key(|l| l.expires_ms);
    all
}

/// What could be brought back, and whether the vault is where an accident here does not reach it.
pub(super) async fn recoverable(vault: Option<&Vault>) -> String {
    let Some(vault) = vault else {
        return RECOVERABLE.to_owned();
    };
    let (place, reached) = match &vault.place {
        Whereabouts::Socket(path) => {
            let reached = tokio::net::UnixStream::connect(path).await.map(drop);
            (format!("`{}`", path.display()), reached)
        }
        Whereabouts::Address { at, .. } => {
            let connecting = tokio::net::TcpStream::connect(at.as_str());
            let reached = match tokio::time::timeout(PATIENCE, connecting).await {
                Ok(reached) => reached.map(drop),
                Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
            };
            (format!("`{at}`"), reached)
        }
    };
    if let Err(error) = reached {
        return format!(
            "the vault at {place} does not answer ({error}): what would destroy is not done"
        );
    }
    let isolated = if vault.place.is_near() {
        "; not isolated: vault and gate share a machine"
    } else {
        ""
    };
    format!(
        "rows that were changed and objects that were dropped, from the vault at {place}{isolated}"
    )
}

impl Service {
    /// The deletions that the vault says are scheduled; none while it does not answer, which is said elsewhere.
    async fn deletions(&self) -> Vec<Scheduled> {
        let Some(vault) = &self.vault else {
            return vec![];
        };
        match tokio::time::timeout(PATIENCE, vault.status()).await {
            Ok(Ok(status)) => status.deletions,
            _ => vec![],
        }
    }

    async fn targets(&self, config: &Config) -> Vec<TargetStanding> {
        let mut all = tokio::task::JoinSet::new();
        for (at, target) in config.targets.iter().cloned().enumerate() {
            let (home, key) = (self.home.clone(), self.key.clone());
            let has_vault = config.vault.is_some();
            let points = self.store.state().points.get(&target.name).cloned();
            let now_ms = self.store.now_ms();
            all.spawn(async move {
                let upstream = upstream(&home, &key, &target);
                let points = async {
                    let upstream = upstream.as_ref().ok();
                    match has_vault {
                        true => Some(points_of(points, &target, upstream, now_ms).await),
                        false => None,
                    }
                };
                let (found, points) = tokio::join!(look(&upstream, &target), points);
                (at, TargetStanding { points, ..found })
            });
        }
        let mut found = all.join_all().await;
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, standing)| standing).collect()
    }
}

async fn look(upstream: &Outcome<Upstream>, target: &Target) -> TargetStanding {
    let mut system_identifier = None;
    let error = match upstream {
        Err(failure) => Some(failure.what.clone()),
        Ok(upstream) => {
            match tokio::time::timeout(PATIENCE, backstop_gates::postgres::probe(upstream)).await {
                Err(_) => Some(format!(
                    "it did not answer within {} seconds",
                    PATIENCE.as_secs()
                )),
                Ok(Err(error)) => Some(error.to_string()),
                Ok(Ok(probe)) => {
                    system_identifier = probe.system_identifier;
                    None
                }
            }
        }
    };
    TargetStanding {
        name: target.name.clone(),
        environment: target.environment.to_string(),
        address: target.dsn.to_string(),
        database: target.dsn.database.clone(),
        system_identifier,
        reachable: error.is_none(),
        error,
        points: None,
    }
}

fn log(name: &str, journal: &Journal, cosigned: &Cosigning) -> LogStanding {
    let checkpoint = journal.checkpoint();
    LogStanding {
        log: name.to_owned(),
        entries: journal.size(),
        oldest: journal.oldest(),
        checkpoint: checkpoint.size(),
        root: checkpoint.root().to_string(),
        failure: journal.failure().map(|e| e.to_string()),
        cosigned: cosigned.of(name),
    }
}
