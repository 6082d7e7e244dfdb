//! Credentials that a target revealed to a lease, or made for it, after people approved that: the gate keeps them, and
//! the lease gets placeholders that are good at that target alone (invariant 8).
//!
//! They are sealed on disk before the agent hears of them, so that a placeholder outlives the gate's process.

use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use backstop_core::digest::Digest;
use backstop_core::secret::Secret;
use backstop_store::{SealKey, SealedFile, StoreError};
use serde::{Deserialize, Serialize};

use super::placeholder::kept as placeholder;

/// So many of one lease at one API.
const MOST: usize = 1_000;

/// One of them.
pub(super) struct Kept {
    pub(super) placeholder: String,
    pub(super) secret: Secret<String>,
}

/// As it lies on disk, sealed.
#[derive(Serialize, Deserialize)]
struct Lying {
    lease: String,
    api: String,
    secrets: Vec<String>,
}

type Places = HashMap<(String, String), Vec<Arc<Kept>>>;

/// All of them.
pub(super) struct Keep {
    folder: PathBuf,
    key: SealKey,
    places: RwLock<Places>,
    version: AtomicU64,
}

impl Keep {
    /// Takes up what lies in a folder, and removes what belongs to leases that are over.
    ///
    /// # Errors
    /// If the folder cannot be made or read, or a file in it cannot be opened.
    pub(super) fn open(
        folder: PathBuf,
        key: SealKey,
        alive: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let told = |e: &dyn std::fmt::Display| {
            format!(
                "what targets revealed cannot be read from `{}`: {e}",
                folder.display()
            )
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|e| told(&e))?;
        let mut places = Places::new();
        for entry in std::fs::read_dir(&folder).map_err(|e| told(&e))? {
            let path = entry.map_err(|e| told(&e))?.path();
            let plain = SealedFile::at(&path).read(&key).map_err(|e| told(&e))?;
            let lying: Lying = serde_json::from_slice(plain.reveal()).map_err(|e| told(&e))?;
            if !alive(&lying.lease) {
                std::fs::remove_file(&path).map_err(|e| told(&e))?;
                continue;
            }
            put(&mut places, &key, lying);
        }
        Ok(Self {
            folder,
            key,
            places: RwLock::new(places),
            version: AtomicU64::new(1),
        })
    }

    /// Seals these, and gives the placeholders, in the same order; none for those that are too many.
    ///
    /// # Errors
    /// If they cannot be written. Nothing is kept then.
    pub(super) fn add(
        &self,
        lease: &str,
        api: &str,
        mut secrets: Vec<String>,
    ) -> Result<Vec<Option<String>>, StoreError> {
        let room = MOST.saturating_sub(self.of(lease, api).len());
        let asked = secrets.len();
        secrets.truncate(room);
        let lying = Lying {
            lease: lease.to_owned(),
            api: api.to_owned(),
            secrets,
        };
        let names = lying
            .secrets
            .iter()
            .map(|secret| self.name(lease, api, secret));
        let mut names: Vec<Option<String>> = names.map(Some).collect();
        names.resize(asked, None);
        if lying.secrets.is_empty() {
            return Ok(names);
        }
        let bytes = serde_json::to_vec(&lying).unwrap_or_default();
        let name = self.key.salted(&bytes).to_string();
        SealedFile::at(&self.folder.join(name)).write(&self.key, &bytes)?;
        put(
            &mut self.places.write().unwrap_or_else(PoisonError::into_inner),
            &self.key,
            lying,
        );
        self.version.fetch_add(1, Ordering::Release);
        Ok(names)
    }

    /// What is kept for a lease at an API.
    pub(super) fn of(&self, lease: &str, api: &str) -> Vec<Arc<Kept>> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places
            .get(&(lease.to_owned(), api.to_owned()))
            .cloned()
            .unwrap_or_default()
    }

    /// Everything: lease, API, and what is kept there.
    pub(super) fn all(&self) -> Vec<(String, String, Arc<Kept>)> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let of = |((lease, api), all): (&(String, String), &Vec<Arc<Kept>>)| {
            let one = |kept: &Arc<Kept>| (lease.clone(), api.clone(), Arc::clone(kept));
            all.iter().map(one).collect::<Vec<_>>()
        };
        places.iter().flat_map(of).collect()
    }

    /// Another number after every change.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn name(&self, lease: &str, api: &str, secret: &str) -> String {
        placeholder(&self.key, lease, api, Digest::of(secret.as_bytes()))
    }
}

fn put(places: &mut Places, key: &SealKey, lying: Lying) {
    let Lying {
        lease,
        api,
        secrets,
    } = lying;
    for secret in secrets {
        let placeholder = placeholder(key, &lease, &api, Digest::of(secret.as_bytes()));
        let place = places.entry((lease.clone(), api.clone())).or_default();
        if !place.iter().any(|kept| kept.placeholder == placeholder) {
            place.push(Arc::new(Kept {
                placeholder,
                secret: Secret::new(secret),
            }));
        }
    }
}

/// Whether it is worth masking wherever it comes back: a word or a number that is set beside credentials is not.
pub(super) fn is_secret(value: &str) -> bool {
    value.len() >= 16
        && value.bytes().any(|b| b.is_ascii_digit())
        && value.bytes().any(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_outlives_the_process_and_not_the_lease() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revealed");
        let open =
            |alive: bool| Keep::open(path.clone(), SealKey::new([7; 32]), |_| alive).unwrap();
        let keep = open(true);
        let names = keep
            .add("lease_a", "api", vec!["s3cret".into(), "other".into()])
            .unwrap();
        let first = names[0].clone().unwrap();
        assert_eq!(first.len(), 44);
        assert_ne!(names[0], names[1]);
        assert!(keep.of("lease_a", "other").is_empty());
        assert!(keep.of("lease_b", "api").is_empty());
        let file = std::fs::read_dir(&path).unwrap().next().unwrap().unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(6).any(|w| w == b"s3cret"), "it is sealed");
        let again = open(true);
        assert_eq!(again.of("lease_a", "api")[0].placeholder, first);
        assert_eq!(again.of("lease_a", "api")[0].secret.reveal(), "s3cret");
        assert!(open(false).all().is_empty());
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn the_same_has_the_same_placeholder_and_there_is_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::open(folder.path().to_owned(), SealKey::new([7; 32]), |_| true).unwrap();
        let one = keep.add("lease", "api", vec!["same".into()]).unwrap();
        assert_eq!(one, keep.add("lease", "api", vec!["same".into()]).unwrap());
        let many: Vec<String> = (0..MOST).map(|n| format!("secret {n}")).collect();
        let names = keep.add("lease", "api", many).unwrap();
        assert_eq!(names.iter().flatten().count(), MOST - 1);
        assert_eq!(names.last(), Some(&None));
    }
}
