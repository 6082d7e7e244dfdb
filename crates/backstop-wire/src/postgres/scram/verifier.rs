//! What a server keeps in place of a password, in PostgreSQL's own spelling.
//!
//! A verifier proves a password and cannot be turned back into one; it is a secret nonetheless, so it is
//! never shown.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::ScramError;
use super::crypto::{self, Key};

/// As many iterations as PostgreSQL takes when nobody says otherwise.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4_096).unwrap();
const SALT: usize = 16;
const PREFIX: &str = "SCRAM-SHA-256";

/// What a server keeps in place of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    pub(super) iterations: NonZeroU32,
    pub(super) salt: Vec<u8>,
    pub(super) stored_key: Key,
    pub(super) server_key: Key,
    /// There is no such user; every proof is wrong.
    pub(super) doomed: bool,
}

impl Verifier {
    /// For a password, with a fresh salt.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate(password: &str) -> Result<Self, ScramError> {
        Ok(Self::derive(
            password,
            &crypto::random::<SALT>()?,
            ITERATIONS,
        ))
    }

    /// For a password, with this salt and work.
    #[must_use]
    pub fn derive(password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        let salted = crypto::salted_password(password, salt, iterations);
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: crypto::sha256(&crypto::hmac(&salted, b"Client Key")),
            server_key: crypto::hmac(&salted, b"Server Key"),
            doomed: false,
        }
    }

    /// For a user who does not exist: looks like a real one, the same one at every attempt, and fails.
    ///
    /// `secret` is the installation's own and must not change, or unknown users could be told by it.
    #[must_use]
    pub fn mock(secret: &[u8], user: &str) -> Self {
        let mut salt = crypto::hmac(secret, user.as_bytes()).to_vec();
        salt.truncate(SALT);
        Self {
            iterations: ITERATIONS,
            salt,
            stored_key: Key::default(),
            server_key: crypto::hmac(secret, b"mock server key"),
            doomed: true,
        }
    }

    /// As [`Verifier::mock`], with the salt that all real ones here share.
    #[must_use]
    pub fn mock_with_salt(secret: &[u8], user: &str, salt: &[u8]) -> Self {
        Self {
            salt: salt.to_vec(),
            ..Self::mock(secret, user)
        }
    }

    /// PostgreSQL's spelling, as it stands in `pg_authid` and as `CREATE ROLE … PASSWORD` takes it.
    /// `None` for a user who does not exist.
    #[must_use]
    pub fn to_postgres(&self) -> Option<String> {
        let (iterations, salt) = (self.iterations, crypto::encode(&self.salt));
        let (stored, server) = (
            crypto::encode(&self.stored_key),
            crypto::encode(&self.server_key),
        );
        (!self.doomed).then(|| format!("{PREFIX}${iterations}:{salt}${stored}:{server}"))
    }
}

impl FromStr for Verifier {
    type Err = ScramError;

    fn from_str(text: &str) -> Result<Self, ScramError> {
        let wrong = ScramError::Malformed("verifier");
        let mut parts = text.split('$');
        let (Some(PREFIX), Some(work), Some(keys), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong);
        };
        let (iterations, salt) = work.split_once(':').ok_or(wrong)?;
        let (stored, server) = keys.split_once(':').ok_or(wrong)?;
        Ok(Self {
            iterations: iterations.parse().map_err(|_| wrong)?,
            salt: crypto::decode(salt, "verifier")?,
            stored_key: crypto::decode_key(stored, "verifier")?,
            server_key: crypto::decode_key(server, "verifier")?,
            doomed: false,
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}
