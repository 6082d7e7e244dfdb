//! Sealing: what lies on disk beside the journal and the index can be read only with the installation's key.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backstop_core::digest::Digest;
use backstop_core::secret::Secret;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::StoreError;

/// The installation's master key, with what is derived from it for every statement.
#[derive(Clone)]
pub struct SealKey {
    key: Secret<[u8; 32]>,
    salt: [u8; 32],
    /// None only if the library refused a key of the right length, which it never does.
    aead: Option<Arc<LessSafeKey>>,
}

impl SealKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        let aead = UnboundKey::new(&CHACHA20_POLY1305, &derive(&bytes, "seal")).ok();
        Self {
            salt: derive(&bytes, "text salt"),
            aead: aead.map(|key| Arc::new(LessSafeKey::new(key))),
            key: Secret::new(bytes),
        }
    }

    /// A new random key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, StoreError> {
        random::<32>().map(Self::new)
    }

    /// The key's bytes, for the key file.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        self.key.reveal()
    }

    /// A key for one use, so that no two uses share one.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        derive(self.bytes(), purpose)
    }

    /// A password for a role that only the gate logs in as: 43 characters, made anew from the key each time.
    #[must_use]
    pub fn password_for(&self, role: &str) -> Secret<String> {
        use base64::Engine as _;
        let bytes = self.derive(&format!("role password\0{role}"));
        Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
    }

    fn aead(&self) -> Result<&LessSafeKey, StoreError> {
        self.aead.as_deref().ok_or(StoreError::Seal)
    }

    /// A salted digest of `bytes`: equal for equal texts here, meaningless elsewhere.
    #[must_use]
    pub fn salted(&self, bytes: &[u8]) -> Digest {
        Digest::of_parts(&[&self.salt, bytes])
    }

    /// Seals `plain`; `context` must be given again to open it.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce = fresh_nonce()?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let text = sealed.get_mut(NONCE_LEN..).unwrap_or_default();
        let tag = self
            .aead()?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                text,
            )
            .map_err(|_| StoreError::Seal)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// When the key or the context is another one, or a byte was changed.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(StoreError::Seal)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| StoreError::Seal)?;
        let mut body = body.to_vec();
        let plain = self
            .aead()?
            .open_in_place(nonce, Aad::from(context), &mut body)
            .map_err(|_| StoreError::Seal)?;
        Ok(plain.to_vec())
    }
}

fn derive(key: &[u8; 32], purpose: &str) -> [u8; 32] {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let tag = ring::hmac::sign(&key, purpose.as_bytes());
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    out
}

/// A random nonce. The system is asked for many at a time: one call for each text would cost more than sealing it.
fn fresh_nonce() -> Result<[u8; NONCE_LEN], StoreError> {
    const MANY: usize = 128;
    thread_local! {
        static READY: RefCell<Vec<[u8; NONCE_LEN]>> = const { RefCell::new(Vec::new()) };
    }
    READY.with_borrow_mut(|ready| {
        if ready.is_empty() {
            let mut block = [0; MANY * NONCE_LEN];
            SystemRandom::new()
                .fill(&mut block)
                .map_err(|_| StoreError::Random)?;
            ready.extend_from_slice(block.as_chunks().0);
        }
        // INVARIANT: each is taken out, so that none is ever used twice.
        ready.pop().ok_or(StoreError::Random)
    })
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| StoreError::Random)?;
    Ok(bytes)
}

/// A file of sealed bytes: a target's real credential.
pub struct SealedFile {
    path: PathBuf,
}

impl SealedFile {
    /// The file at `path`.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Writes `plain`, sealed, replacing what was there at once or not at all; only its owner can read it.
    ///
    /// # Errors
    /// When it cannot be sealed or written.
    pub fn write(&self, key: &SealKey, plain: &[u8]) -> Result<(), StoreError> {
        let sealed = key.seal(self.context().as_bytes(), plain)?;
        let fail = |source| StoreError::File {
            path: self.path.display().to_string(),
            source,
        };
        let temporary = self.path.with_extension("new");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary).map_err(fail)?;
        file.write_all(&sealed)
            .and_then(|()| file.sync_all())
            .map_err(fail)?;
        std::fs::rename(&temporary, &self.path).map_err(fail)
    }

    /// Reads and opens it.
    ///
    /// # Errors
    /// When it cannot be read, or the key is another one.
    pub fn read(&self, key: &SealKey) -> Result<Secret<Vec<u8>>, StoreError> {
        let fail = |source| StoreError::File {
            path: self.path.display().to_string(),
            source,
        };
        let sealed = std::fs::read(&self.path).map_err(fail)?;
        key.open(self.context().as_bytes(), &sealed)
            .map(Secret::new)
    }

    fn context(&self) -> String {
        self.path
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_only_whole_with_their_key_and_context() {
        let key = SealKey::new([7; 32]);
        let sealed = key.seal(b"a", b"secret").unwrap();
        assert_eq!(key.open(b"a", &sealed).unwrap(), b"secret");
        assert!(key.open(b"b", &sealed).is_err());
        assert!(SealKey::new([8; 32]).open(b"a", &sealed).is_err());
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(key.open(b"a", &changed).is_err(), "byte {i}");
        }
        assert!(key.open(b"a", &[]).is_err());
    }

    #[test]
    fn no_nonce_is_used_twice_on_any_thread() {
        let seal = || {
            let key = SealKey::new([7; 32]);
            let one = |_| key.seal(b"a", b"secret").unwrap()[..NONCE_LEN].to_vec();
            (0..1_000).map(one).collect::<Vec<_>>()
        };
        let other = std::thread::spawn(seal);
        let mut nonces = [seal(), other.join().unwrap()].concat();
        nonces.sort();
        nonces.dedup();
        assert_eq!(nonces.len(), 2_000);
    }

    #[test]
    fn a_role_password_is_stable_and_its_own() {
        let key = SealKey::new([7; 32]);
        assert_eq!(
            key.password_for("a").reveal(),
            key.password_for("a").reveal()
        );
        assert_ne!(
            key.password_for("a").reveal(),
            key.password_for("b").reveal()
        );
    }
}
