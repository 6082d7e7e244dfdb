//! The few computations of SCRAM, all of them ring's.

use std::borrow::Cow;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

use super::ScramError;

/// A SHA-256 value: a key, a signature or a proof.
pub(super) type Key = [u8; 32];

/// Bytes of randomness in a nonce, as many as PostgreSQL takes.
const NONCE: usize = 18;

pub(super) fn hmac(key: &[u8], data: &[u8]) -> Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    to_key(tag.as_ref())
}

pub(super) fn sha256(data: &[u8]) -> Key {
    to_key(digest::digest(&digest::SHA256, data).as_ref())
}

/// Copies what is known to have 32 bytes.
fn to_key(bytes: &[u8]) -> Key {
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(bytes) {
        *to = *from;
    }
    key
}

pub(super) fn xor(left: &Key, right: &Key) -> Key {
    let mut result = *left;
    for (to, with) in result.iter_mut().zip(right) {
        *to ^= with;
    }
    result
}

/// Compares without telling by time where the difference is.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    // Both sides pass through a keyed hash, whose comparison ring does in constant time.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"backstop scram compare");
    hmac::verify(&key, left, hmac::sign(&key, right).as_ref()).is_ok()
}

pub(super) fn salted_password(password: &str, salt: &[u8], iterations: NonZeroU32) -> Key {
    let mut salted = Key::default();
    let prepared = prepare(password);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        prepared.as_bytes(),
        &mut salted,
    );
    salted
}

/// SASLprep; as PostgreSQL does, a password that it forbids is taken as it is.
fn prepare(password: &str) -> Cow<'_, str> {
    match stringprep::saslprep(password) {
        Ok(prepared) if !prepared.is_empty() => prepared,
        _ => Cow::Borrowed(password),
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], ScramError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| ScramError::Random)?;
    Ok(bytes)
}

/// A fresh nonce: printable, without commas.
pub(super) fn nonce() -> Result<String, ScramError> {
    Ok(encode(&random::<NONCE>()?))
}

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn decode(text: &str, what: &'static str) -> Result<Vec<u8>, ScramError> {
    STANDARD
        .decode(text)
        .map_err(|_| ScramError::Malformed(what))
}

pub(super) fn decode_key(text: &str, what: &'static str) -> Result<Key, ScramError> {
    decode(text, what)?
        .try_into()
        .map_err(|_| ScramError::Malformed(what))
}
