//! The vault cosigns the journal's checkpoints, so that an older copy of the whole journal is found out.
//!
//! Whoever can write the gate's directory can put back an old copy of all of it, keys and index included, and it
//! verifies by itself. The vault remembers how far each log had come, under another user. A log that has less, or
//! something else, is not gone on with: the gate does not start, or stops acting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backstop_journal::Journal;
use backstop_vault::cosign::Cosigned;
use backstop_vault::{Refusal, VaultError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Service, assemble};
use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::home::{Keys, LOGS};

/// How often it is looked whether the logs have grown.
const LOOK: Duration = Duration::from_secs(1);
/// The longest between two tries while the vault is away.
const LONGEST: Duration = Duration::from_secs(60);
/// How long the vault is waited for at the start and at the end.
const PATIENCE: Duration = Duration::from_secs(3);

/// How far the vault has cosigned each log.
#[derive(Debug, Default)]
pub struct Cosigning {
    logs: Mutex<BTreeMap<&'static str, CosignStanding>>,
}

/// How far the vault has cosigned a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CosignStanding {
    /// Entries under the newest checkpoint that the vault cosigned since this start.
    pub size: u64,
    /// When that was: Unix time in milliseconds.
    pub at_ms: i64,
    /// Why it does not cosign now, if so.
    pub failure: Option<String>,
}

impl Cosigning {
    /// How a log stands; none before the vault was first asked.
    pub fn of(&self, log: &str) -> Option<CosignStanding> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.get(log).cloned()
    }

    fn set(&self, log: &'static str, change: impl FnOnce(&mut CosignStanding)) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        change(logs.entry(log).or_default());
    }
}

/// Whether a journal holds all that the vault has cosigned of it; why not, in a sentence.
///
/// # Errors
/// What is missing.
fn holds(journal: &Journal, cosigned: &Cosigned) -> Result<(), String> {
    let size = journal.size();
    if size < cosigned.size {
        return Err(format!(
            "it holds {size} entries, and the vault has cosigned {}: an older copy was put in its place",
            cosigned.size
        ));
    }
    match journal.root(cosigned.size) {
        Ok(root) if root.0 == cosigned.root.0 => Ok(()),
        Ok(_) => Err(format!(
            "its first {} entries are not those that the vault has cosigned: its history was rewritten",
            cosigned.size
        )),
        Err(error) => Err(format!(
            "what the vault has cosigned cannot be found in it: {error}"
        )),
    }
}

/// Before anything acts: no log is gone on with that is not the one that the vault knows. A vault that does not answer
/// is asked again later, by [`run`].
pub(super) async fn look_back(config: &Config, logs: [(&str, &Journal); 2]) -> Outcome {
    let Some(client) = assemble::vault(config)? else {
        return Ok(());
    };
    for (log, journal) in logs {
        let asked = tokio::time::timeout(PATIENCE, client.cosigned(journal.origin())).await;
        match asked {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(cosigned))) => {
                holds(journal, &cosigned).map_err(|why| set_back(log, &why))?;
            }
            Ok(Err(error @ VaultError::Integrity { .. })) => {
                return Err(set_back(log, &error.to_string()));
            }
            Ok(Err(error)) => {
                tracing::warn!(log, %error, "the vault did not say how far it has cosigned the log");
            }
            Err(_) => {
                tracing::warn!(
                    log,
                    "the vault did not say in time how far it has cosigned the log"
                );
                // One that does not answer does not answer twice.
                break;
            }
        }
    }
    Ok(())
}

fn set_back(log: &str, why: &str) -> Failure {
    Failure::integrity(format!("the {log} log is not the one that the vault knows"))
        .because(why)
        .hint(
            "keep the data directory as it is: `backstop journal verify` says more. If you restored an older copy on \
             purpose, everything after it is lost to the journal: set up a new data directory",
        )
}

/// Has the logs cosigned while they grow, until told to stop.
pub(super) async fn run(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let mut wait = LOOK;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        wait = if once(&service).await {
            LOOK
        } else {
            (wait * 2).min(LONGEST)
        };
    }
}

/// The last checkpoints, at the end of serving.
pub(super) async fn last(service: &Service) {
    if tokio::time::timeout(PATIENCE, once(service)).await.is_err() {
        tracing::warn!("the vault did not cosign the last checkpoints in time");
    }
}

/// Has both logs cosigned, as far as they have grown. Whether the vault answered.
async fn once(service: &Service) -> bool {
    let client = match assemble::vault(&service.config()) {
        Ok(Some(client)) => client,
        // What is wrong with it is said where it is used.
        Ok(None) | Err(_) => return true,
    };
    let mut answered = true;
    for (log, journal) in LOGS.into_iter().zip(service.journals()) {
        let done = service.cosigned.of(log).unwrap_or_default();
        let checkpoint = journal.checkpoint();
        if checkpoint.size() == 0 || (checkpoint.size() == done.size && done.failure.is_none()) {
            continue;
        }
        let key = match Keys::verifier(&service.home, log) {
            Ok(key) => key,
            Err(failure) => {
                service
                    .cosigned
                    .set(log, |standing| standing.failure = Some(failure.what));
                continue;
            }
        };
        let note = checkpoint.note();
        let prove = |old, new| journal.consistency_proof(old, new);
        match client.cosign(&key, note, checkpoint.size(), prove).await {
            Ok(cosigned) => service.cosigned.set(log, |standing| {
                *standing = CosignStanding {
                    size: cosigned.size,
                    at_ms: service.store.now_ms(),
                    failure: None,
                };
            }),
            Err(error) => {
                answered = false;
                let first = done.failure.is_none();
                failed(service, log, &error, first).await;
            }
        }
    }
    answered
}

async fn failed(service: &Service, log: &'static str, error: &VaultError, first: bool) {
    let why = error.to_string();
    let broken = match error {
        VaultError::Refused(fault) => fault.code == Refusal::Inconsistent,
        VaultError::Integrity { .. } => true,
        _ => false,
    };
    service
        .cosigned
        .set(log, |standing| standing.failure = Some(why.clone()));
    if !first {
        return;
    }
    if !broken {
        tracing::warn!(log, why, "the vault does not cosign the log now");
        return;
    }
    tracing::error!(log, why, "the vault refuses to cosign the log");
    // Invariant 7: nothing acts on a journal that may not be what it was.
    let halt = format!("the {log} log is not the one that the vault knows: {why}");
    if let Err(error) = service.store.halt(None, &halt, false).await {
        tracing::error!(%error, "not everything could be halted");
    }
}
