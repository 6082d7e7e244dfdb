//! SCRAM as the client: prove the password, and believe only a server that can do the same.
//!
//! The password is in memory until the proof is made, and in no message.

use std::num::NonZeroU32;

use super::crypto::{self, Key};
use super::message::{Attributes, check_nonce, text};
use super::{BINDING, PLAIN, PLUS, ScramError};

/// More work than this a server cannot ask for: it is about a second.
const MOST_ITERATIONS: u32 = 2_000_000;

/// What this side knows of the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding<'a> {
    /// There is no TLS.
    None,
    /// There is TLS, and this is the hash of the server's certificate by `tls-server-end-point`.
    Certificate(&'a [u8]),
}

/// A client about to begin.
#[derive(Debug)]
pub struct Client {
    mechanism: &'static str,
    /// What `c=` will be: the header and, if bound, the certificate's hash.
    bound: Vec<u8>,
    header: String,
}

/// A client that waits for the challenge.
pub struct Waiting {
    bound: Vec<u8>,
    bare: String,
    nonce: String,
}

/// A client that has proved itself and waits for the server to do so.
pub struct Proving {
    expected: Key,
}

impl Client {
    /// Chooses among the mechanisms offered, as libpq does: with channel binding where it can be had.
    ///
    /// # Errors
    /// When none of those offered is spoken here, or one that needs TLS is offered without it.
    pub fn choose<'o>(
        offered: impl IntoIterator<Item = &'o [u8]>,
        binding: Binding<'_>,
    ) -> Result<Self, ScramError> {
        let (mut plain, mut plus) = (false, false);
        for mechanism in offered {
            plain |= mechanism == PLAIN.as_bytes();
            plus |= mechanism == PLUS.as_bytes();
        }
        match (plus, plain, binding) {
            (true, _, Binding::Certificate(hash)) => {
                let header = format!("p={BINDING},,");
                let bound = [header.as_bytes(), hash].concat();
                Ok(Self::new(PLUS, header, bound))
            }
            // It needs TLS, so a server offers it without TLS only if somebody made it seem so.
            (true, _, Binding::None) => Err(ScramError::Downgrade),
            (false, true, Binding::Certificate(_)) => Ok(Self::unbound("y,,")),
            (false, true, Binding::None) => Ok(Self::unbound("n,,")),
            (false, false, _) => Err(ScramError::Mechanism),
        }
    }

    fn unbound(header: &str) -> Self {
        Self::new(PLAIN, header.to_owned(), header.as_bytes().to_vec())
    }

    fn new(mechanism: &'static str, header: String, bound: Vec<u8>) -> Self {
        Self {
            mechanism,
            bound,
            header,
        }
    }

    /// The mechanism chosen.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        self.mechanism
    }

    /// Whether the proof will be bound to the TLS connection.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.mechanism == PLUS
    }

    /// The first message.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn first(self) -> Result<(Vec<u8>, Waiting), ScramError> {
        let nonce = crypto::nonce()?;
        Ok(self.first_with("", nonce))
    }

    /// PostgreSQL takes the user from the startup packet, so the name here is empty as libpq's is.
    pub(super) fn first_with(self, user: &str, nonce: String) -> (Vec<u8>, Waiting) {
        let bare = format!("n={user},r={nonce}");
        let message = format!("{}{bare}", self.header).into_bytes();
        let waiting = Waiting {
            bound: self.bound,
            bare,
            nonce,
        };
        (message, waiting)
    }
}

impl Waiting {
    /// Answers the challenge with the proof.
    ///
    /// # Errors
    /// When the challenge is malformed, is not for us, or asks for too much work.
    pub fn prove(self, password: &str, challenge: &[u8]) -> Result<(Vec<u8>, Proving), ScramError> {
        let challenge = text(challenge)?;
        let (nonce, salt, iterations) = self.read(challenge)?;
        let salted = crypto::salted_password(password, &salt, iterations);
        let client_key = crypto::hmac(&salted, b"Client Key");
        let server_key = crypto::hmac(&salted, b"Server Key");
        let without_proof = format!("c={},r={nonce}", crypto::encode(&self.bound));
        let transcript = format!("{},{challenge},{without_proof}", self.bare);
        let signature = crypto::hmac(&crypto::sha256(&client_key), transcript.as_bytes());
        let proof = crypto::encode(&crypto::xor(&client_key, &signature));
        let proving = Proving {
            expected: crypto::hmac(&server_key, transcript.as_bytes()),
        };
        Ok((format!("{without_proof},p={proof}").into_bytes(), proving))
    }

    fn read<'a>(&self, challenge: &'a str) -> Result<(&'a str, Vec<u8>, NonZeroU32), ScramError> {
        let mut attributes = Attributes::new(challenge);
        let nonce = attributes.take('r', "nonce")?;
        let salt = crypto::decode(attributes.take('s', "salt")?, "salt")?;
        let iterations: NonZeroU32 = attributes
            .take('i', "iteration count")?
            .parse()
            .map_err(|_| ScramError::Malformed("iteration count"))?;
        attributes.extensions()?;
        check_nonce(nonce)?;
        match nonce.strip_prefix(self.nonce.as_str()) {
            Some(theirs) if !theirs.is_empty() => {}
            _ => return Err(ScramError::Malformed("nonce")),
        }
        if salt.is_empty() {
            return Err(ScramError::Malformed("salt"));
        }
        if iterations.get() > MOST_ITERATIONS {
            return Err(ScramError::Iterations);
        }
        Ok((nonce, salt, iterations))
    }
}

impl Proving {
    /// Checks the server's own proof. Until this has succeeded nothing it says may be believed.
    ///
    /// # Errors
    /// When the server does not know the verifier.
    pub fn finish(self, server_final: &[u8]) -> Result<(), ScramError> {
        let mut attributes = Attributes::new(text(server_final)?);
        let signature = attributes.take('v', "server's proof")?;
        let signature = crypto::decode_key(signature, "server's proof")?;
        attributes.extensions()?;
        if crypto::same(&signature, &self.expected) {
            Ok(())
        } else {
            Err(ScramError::Server)
        }
    }
}
