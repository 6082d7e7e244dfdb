//! Authenticator data: what the authenticator itself says about the ceremony (section 6.1).
//!
//! Fixed offsets, then what the flags announce, then nothing: every byte is accounted for.

use ciborium::Value;

use super::{Expected, PasskeyError, cbor};
use crate::digest::Digest;

/// Longer than a 1,023-byte credential id with an Ed25519 or P-256 key and extensions comes to.
const MAX_BYTES: usize = 16 * 1024;

/// The longest credential id (section 4, "Credential ID").
pub(super) const MAX_CREDENTIAL_ID: usize = 1023;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// Authenticator data, taken apart.
#[derive(Debug)]
pub(super) struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8; 32],
    flags: u8,
    pub(super) sign_count: u32,
    pub(super) attested: Option<Attested<'a>>,
}

/// The credential that a registration made.
#[derive(Debug)]
pub(super) struct Attested<'a> {
    pub(super) credential_id: &'a [u8],
    /// The exact bytes of the COSE key, and the same parsed.
    pub(super) cose_key: &'a [u8],
    pub(super) key: Value,
}

impl<'a> AuthenticatorData<'a> {
    /// Takes `bytes` apart.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, PasskeyError> {
        if bytes.len() > MAX_BYTES {
            return Err(PasskeyError::TooLong("authenticator data"));
        }
        let short = PasskeyError::AuthenticatorData("it ends before its fixed part");
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(short.clone())?;
        let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or(short.clone())?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let (attested, rest) = match flags & ATTESTED {
            0 => (None, rest),
            _ => attested(rest).map(|(attested, rest)| (Some(attested), rest))?,
        };
        let rest = if flags & EXTENSIONS == 0 {
            rest
        } else {
            extensions(rest)?
        };
        if !rest.is_empty() {
            return Err(PasskeyError::AuthenticatorData("bytes are left over"));
        }
        Ok(Self {
            rp_id_hash,
            flags,
            sign_count: u32::from_be_bytes(*counter),
            attested,
        })
    }

    /// Checks what every ceremony demands: this site, a person, a verified one, flags that make sense.
    pub(super) fn check(&self, expected: &Expected<'_>) -> Result<(), PasskeyError> {
        if *self.rp_id_hash != Digest::of(expected.rp_id.as_bytes()).0 {
            return Err(PasskeyError::WrongRelyingParty);
        }
        if self.flags & USER_PRESENT == 0 {
            return Err(PasskeyError::UserNotPresent);
        }
        if self.flags & USER_VERIFIED == 0 {
            return Err(PasskeyError::UserNotVerified);
        }
        if self.backed_up() && !self.backup_eligible() {
            return Err(PasskeyError::BackupFlags("each other"));
        }
        Ok(())
    }

    /// Whether the passkey may be copied to other devices.
    pub(super) const fn backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }

    /// Whether it has been.
    pub(super) const fn backed_up(&self) -> bool {
        self.flags & BACKED_UP != 0
    }
}

/// Reads attested credential data (section 6.5.1) from the start of `bytes`.
fn attested(bytes: &[u8]) -> Result<(Attested<'_>, &[u8]), PasskeyError> {
    let short = PasskeyError::AuthenticatorData("it ends within the credential");
    let (_aaguid, rest) = bytes.split_first_chunk::<16>().ok_or(short.clone())?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(short.clone())?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 || length > MAX_CREDENTIAL_ID {
        return Err(PasskeyError::AuthenticatorData(
            "the credential id is empty or too long",
        ));
    }
    let (credential_id, rest) = rest.split_at_checked(length).ok_or(short)?;
    let (key, cose_key, rest) = cbor::first(rest, "public key")?;
    Ok((
        Attested {
            credential_id,
            cose_key,
            key,
        },
        rest,
    ))
}

/// Reads the extension map from the start of `bytes`. Its content decides nothing; its form must hold.
fn extensions(bytes: &[u8]) -> Result<&[u8], PasskeyError> {
    let (value, _, rest) = cbor::first(bytes, "extension data")?;
    match value {
        Value::Map(entries) if entries.iter().all(|(key, _)| key.is_text()) => Ok(rest),
        _ => Err(PasskeyError::Cbor("extension data")),
    }
}
