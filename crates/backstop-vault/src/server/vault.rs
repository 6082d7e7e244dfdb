//! A vault that is served: its store, its key, its people, and what is looked at now and then.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use backstop_core::person::Person;
use backstop_journal::SigningKey;
use signed_note::StandardSigner;
use tokio::sync::{Semaphore, watch};

use crate::{
    error::{Result, VaultError},
    store::{Options, Status, Store, clock::Time},
};

/// Bytes of small objects that may be in memory at a time, in KiB.
const IN_MEMORY: usize = 128 * 1024;
/// Uploads that may be under way at a time.
const UPLOADS: usize = 16;
/// How often what is due is done.
const ROUND: Duration = Duration::from_secs(5);

/// A vault that is open.
pub struct Vault {
    dir: PathBuf,
    pub(crate) store: Store,
    name: String,
    pub(crate) signer: StandardSigner,
    pub(crate) people: Vec<Person>,
    pub(crate) origins: Vec<String>,
    pub(crate) signatures: usize,
    pub(crate) memory: Arc<Semaphore>,
    pub(crate) uploads: Arc<Semaphore>,
    pub(crate) cosigning: tokio::sync::Mutex<()>,
    pub(crate) extending: tokio::sync::Mutex<()>,
    /// Held while a deletion is done or cancelled: what was cancelled is not done.
    pub(crate) deleting: tokio::sync::Mutex<()>,
}

/// The file of the cosigning key, below the vault's directory.
pub const KEY_FILE: &str = "keys/cosign.key";

/// The cosigning key of a vault: its public half in text, and what signs.
pub(crate) fn read_key(dir: &Path) -> Result<(String, StandardSigner)> {
    let bad = |error: &dyn std::fmt::Display| {
        let error = error.to_string();
        VaultError::key(
            format!(
                "the vault's cosigning key: {}",
                error.lines().next().unwrap_or_default()
            ),
            "`backstop vault init` makes it; restore it from where it was kept",
        )
    };
    let path = dir.join(KEY_FILE);
    let key = SigningKey::load(&path).map_err(|e| bad(&e))?;
    let text = std::fs::read_to_string(&path).map_err(|e| bad(&e))?;
    let signer = StandardSigner::new(text.trim()).map_err(|e| bad(&e))?;
    Ok((key.verifier().text().to_owned(), signer))
}

/// Who may sign deletions, and where they sign.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// The people with their passkeys.
    pub people: Vec<Person>,
    /// The console's origins, such as `https://backstop.example`.
    pub origins: Vec<String>,
}

impl Vault {
    /// Opens a vault's directory. Blocks; reads the whole index.
    ///
    /// # Errors
    /// As [`Store::open`]; when the key cannot be read.
    pub fn open(dir: &Path, options: Options, people: People, time: Arc<dyn Time>) -> Result<Self> {
        let (name, signer) = read_key(dir)?;
        let signatures = options.signatures.max(1);
        Ok(Self {
            store: Store::open(dir, options, time)?,
            dir: dir.to_owned(),
            name,
            signer,
            people: people.people,
            origins: people.origins,
            signatures,
            memory: Arc::new(Semaphore::new(IN_MEMORY)),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            cosigning: tokio::sync::Mutex::new(()),
            extending: tokio::sync::Mutex::new(()),
            deleting: tokio::sync::Mutex::new(()),
        })
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Its name: the public half of its cosigning key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        Status {
            deletions: self.scheduled(),
            ..self.store.status(self.name())
        }
    }

    /// Does what is due, until told to stop.
    pub(crate) async fn keep(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.delete_due().await {
                tracing::error!(%error, "a deletion that was due was not done");
            }
            // Nobody left to tell it means the same.
            let told = tokio::time::timeout(ROUND, stop.wait_for(|stop| *stop));
            if told.await.is_ok() {
                return;
            }
        }
    }

    /// Does what is due now: the deletions that people have signed and whose delay is over.
    ///
    /// # Errors
    /// When the store has stopped.
    pub async fn do_due(&self) -> Result<()> {
        self.delete_due().await
    }

    /// Ends it; everything that was acknowledged has its own file then. Blocks.
    ///
    /// # Errors
    /// The failure that stopped it, if one did.
    pub fn close(self) -> Result<()> {
        self.store.close()
    }
}
