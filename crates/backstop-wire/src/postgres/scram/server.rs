//! SCRAM as the server: challenge, and believe only a proof.
//!
//! A user who does not exist takes exactly the steps of one who does.

use super::crypto;
use super::message::{Attributes, BindingFlag, ClientFirst, text};
use super::{BINDING, PLAIN, PLUS, ScramError, Verifier};

/// A server that has not heard of the client yet.
#[derive(Debug)]
pub struct Server {
    verifier: Verifier,
    /// The hash of our certificate, where TLS is spoken.
    certificate: Option<Vec<u8>>,
}

/// A server that has sent its challenge.
pub struct Challenged {
    verifier: Verifier,
    /// What `c=` must be: the header and, if bound, the certificate's hash.
    bound: Vec<u8>,
    nonce: String,
    /// The messages so far, which the proof covers.
    transcript: String,
}

impl Server {
    /// For one attempt. With the hash of our certificate (by `tls-server-end-point`), channel binding is
    /// offered; without TLS it cannot be.
    #[must_use]
    pub fn new(verifier: Verifier, certificate_hash: Option<&[u8]>) -> Self {
        Self {
            verifier,
            certificate: certificate_hash.map(<[u8]>::to_vec),
        }
    }

    /// The mechanisms to offer, as `AuthenticationSASL` lists them.
    #[must_use]
    pub fn mechanisms(&self) -> &'static [u8] {
        match self.certificate {
            Some(_) => b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0",
            None => b"SCRAM-SHA-256\0",
        }
    }

    /// Answers the client's first message with the challenge.
    ///
    /// # Errors
    /// When the message is malformed or the mechanism does not fit, or the client was deceived.
    pub fn challenge(
        self,
        mechanism: &str,
        client_first: &[u8],
    ) -> Result<(Vec<u8>, Challenged), ScramError> {
        let nonce = crypto::nonce()?;
        self.challenge_with(mechanism, client_first, &nonce)
    }

    pub(super) fn challenge_with(
        self,
        mechanism: &str,
        client_first: &[u8],
        our_nonce: &str,
    ) -> Result<(Vec<u8>, Challenged), ScramError> {
        let first = ClientFirst::read(text(client_first)?)?;
        let bound = self.bound(mechanism, &first)?;
        let nonce = format!("{}{our_nonce}", first.nonce);
        let salt = crypto::encode(&self.verifier.salt);
        let challenge = format!("r={nonce},s={salt},i={}", self.verifier.iterations);
        let challenged = Challenged {
            transcript: format!("{},{challenge}", first.bare),
            verifier: self.verifier,
            bound,
            nonce,
        };
        Ok((challenge.into_bytes(), challenged))
    }

    /// What the client's last message must bind to.
    fn bound(&self, mechanism: &str, first: &ClientFirst<'_>) -> Result<Vec<u8>, ScramError> {
        let mut bound = first.header.as_bytes().to_vec();
        match (mechanism, first.flag, &self.certificate) {
            (PLUS, BindingFlag::Bound(BINDING), Some(certificate)) => {
                bound.extend_from_slice(certificate);
            }
            (PLAIN, BindingFlag::Unsupported, _) | (PLAIN, BindingFlag::NotOffered, None) => {}
            // The client could bind and was not told that we offer it: somebody changed our offer.
            (PLAIN, BindingFlag::NotOffered, Some(_)) => return Err(ScramError::Downgrade),
            (PLUS, _, Some(_)) | (PLAIN, BindingFlag::Bound(_), _) => {
                return Err(ScramError::Malformed("binding flag"));
            }
            _ => return Err(ScramError::Mechanism),
        }
        Ok(bound)
    }
}

impl Challenged {
    /// Checks the client's proof, and answers with ours.
    ///
    /// # Errors
    /// When the password or the channel is not the right one, or the message is malformed.
    pub fn finish(self, client_final: &[u8]) -> Result<Vec<u8>, ScramError> {
        let message = text(client_final)?;
        // The proof is the last attribute and covers all before it.
        let (without_proof, proof) = message
            .rsplit_once(",p=")
            .ok_or(ScramError::Malformed("proof"))?;
        let mut attributes = Attributes::new(without_proof);
        let bound = crypto::decode(attributes.take('c', "channel binding")?, "channel binding")?;
        let nonce = attributes.take('r', "nonce")?;
        attributes.extensions()?;
        let proof = crypto::decode_key(proof, "proof")?;
        if !crypto::same(&bound, &self.bound) {
            return Err(ScramError::Binding);
        }
        if nonce != self.nonce {
            return Err(ScramError::Malformed("nonce"));
        }
        let transcript = format!("{},{without_proof}", self.transcript);
        self.check(&proof, transcript.as_bytes())
    }

    /// Whose secret made this proof, among others whose verifiers have the same salt and work: tells who is
    /// presenting a secret under a name that is not theirs. Nothing is granted on the strength of it.
    pub fn presenter<'v, T>(
        &self,
        client_final: &[u8],
        others: impl IntoIterator<Item = (T, &'v Verifier)>,
    ) -> Option<T> {
        let (without_proof, proof) = text(client_final).ok()?.rsplit_once(",p=")?;
        let proof = crypto::decode_key(proof, "proof").ok()?;
        let transcript = format!("{},{without_proof}", self.transcript);
        let made = |verifier: &Verifier| {
            let signature = crypto::hmac(&verifier.stored_key, transcript.as_bytes());
            let client_key = crypto::xor(&proof, &signature);
            crypto::same(&crypto::sha256(&client_key), &verifier.stored_key)
        };
        let comparable =
            |v: &Verifier| v.salt == self.verifier.salt && v.iterations == self.verifier.iterations;
        others
            .into_iter()
            .find(|(_, v)| !v.doomed && comparable(v) && made(v))
            .map(|(who, _)| who)
    }

    fn check(&self, proof: &crypto::Key, transcript: &[u8]) -> Result<Vec<u8>, ScramError> {
        let signature = crypto::hmac(&self.verifier.stored_key, transcript);
        let client_key = crypto::xor(proof, &signature);
        let proved = crypto::same(&crypto::sha256(&client_key), &self.verifier.stored_key);
        // Both are computed for everybody, so that time tells nothing of who exists.
        let ours = crypto::hmac(&self.verifier.server_key, transcript);
        if !proved || self.verifier.doomed {
            return Err(ScramError::Failed);
        }
        Ok(format!("v={}", crypto::encode(&ours)).into_bytes())
    }
}
