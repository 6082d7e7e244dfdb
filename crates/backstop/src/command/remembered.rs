//! What the vault remembers of a log: a copy of the whole journal from before that is found out by it.

use std::path::Path;
use std::time::Duration;

use backstop_journal::{Finding, FindingKind, Report, VerifierKey};
use backstop_vault::VaultError;
use backstop_vault::cosign::{Cosigned, cosigned_in};

use crate::config::Config;
use crate::failure::{Context, Outcome};
use crate::serve::vault_client;

/// How long the vault may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The file that the vault's word is about.
const CHECKPOINT: &str = "checkpoint";

/// What the vault remembers of one log.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    cosigned: Option<Cosigned>,
    /// Why it is not known, or what is unusual.
    note: Option<String>,
    /// What is wrong with what the vault says.
    wrong: Option<String>,
}

impl Remembered {
    fn noted(note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..Self::default()
        }
    }

    /// The checkpoint that the log must contain.
    pub(super) fn checkpoint(&self) -> Option<Vec<u8>> {
        let cosigned = self.cosigned.as_ref()?;
        Some(cosigned.checkpoint.clone().into_bytes())
    }

    /// How many entries the vault has cosigned.
    pub(super) fn size(&self) -> Option<u64> {
        self.cosigned.as_ref().map(|cosigned| cosigned.size)
    }

    /// Says in a report what is to be said of it.
    pub(super) fn add_to(&self, report: &mut Report) {
        if let Some(what) = &self.wrong {
            report.findings.push(Finding {
                kind: FindingKind::Rollback,
                file: CHECKPOINT.to_owned(),
                entry: None,
                what: what.clone(),
            });
        }
        report.notes.extend(self.note.clone());
        if let Some(size) = self.size() {
            report
                .notes
                .push(format!("the vault has cosigned {size} entries"));
        }
    }
}

/// Asks the vault of the configuration, or reads the vault in `dir`. To be asked before the journal is read, which may
/// grow meanwhile.
///
/// # Errors
/// When `dir` cannot be read.
pub(super) fn by_vault(
    config: &Config,
    dir: Option<&Path>,
    log: &VerifierKey,
) -> Outcome<Remembered> {
    if let Some(dir) = dir {
        let found = match cosigned_in(dir, log.name()) {
            Err(VaultError::Integrity { .. }) => {
                Err("what the vault has cosigned is damaged".to_owned())
            }
            other => Ok(other.doing(format!("cannot read the vault in `{}`", dir.display()))?),
        };
        return Ok(told(found));
    }
    if config.vault.is_none() {
        return Ok(Remembered::noted(
            "there is no vault: that the journal as a whole is not an older copy is not checked",
        ));
    }
    let asked = super::runtime(1)?
        .block_on(async { tokio::time::timeout(PATIENCE, ask(config, log)).await });
    Ok(match asked {
        Ok(Ok(found)) => told(found),
        Ok(Err(why)) => unasked(&why),
        Err(_) => unasked("it does not answer"),
    })
}

fn unasked(why: &str) -> Remembered {
    Remembered::noted(format!(
        "the vault could not be asked ({why}): that the journal as a whole is not an older copy is not checked"
    ))
}

fn told(found: Result<Option<Cosigned>, String>) -> Remembered {
    match found {
        Ok(Some(cosigned)) => Remembered {
            cosigned: Some(cosigned),
            ..Remembered::default()
        },
        Ok(None) => Remembered::noted("the vault has cosigned nothing of this log"),
        Err(wrong) => Remembered {
            wrong: Some(wrong),
            ..Remembered::default()
        },
    }
}

/// The outer error says why it could not be asked, the inner one what is wrong with the answer.
async fn ask(
    config: &Config,
    log: &VerifierKey,
) -> Result<Result<Option<Cosigned>, String>, String> {
    let client = match vault_client(config) {
        Ok(Some(client)) => client,
        Ok(None) => return Ok(Ok(None)),
        Err(failure) => return Err(failure.what),
    };
    let cosigned = match client.cosigned(log.name()).await {
        Ok(None) => return Ok(Ok(None)),
        Ok(Some(cosigned)) => cosigned,
        Err(VaultError::Refused(fault)) => return Ok(Err(fault.what)),
        Err(error) => return Err(error.to_string()),
    };
    let vault = client.status().await.map_err(|e| e.to_string())?.vault;
    let vault = VerifierKey::parse(&vault).map_err(|e| e.to_string())?;
    Ok(match cosigned.check(&vault, log) {
        Ok(()) => Ok(Some(cosigned)),
        Err(error) => Err(format!(
            "what the vault says that it has cosigned is not of this log's key: {error}"
        )),
    })
}
