//! Verifying an assertion (section 7.2): a known passkey signed this challenge, here, by its person's hand.
//!
//! Everything is checked from the bytes given; nothing is remembered. Whoever hands out the challenge sees to
//! it that it counts once: a signature's bytes are no identity, a second form of an ES256 signature exists.

use super::authenticator_data::{AuthenticatorData, MAX_CREDENTIAL_ID};
use super::client_data::ClientData;
use super::cose::PublicKey;
use super::{Assertion, Expected, Passkey, PasskeyError, signed_bytes};

/// The longest DER of an ES256 signature is 72 bytes, of an Ed25519 one 64.
const MAX_SIGNATURE: usize = 72;

/// What a verified assertion says about its passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the counter must be stored, or a copied passkey goes unnoticed"]
pub struct AssertionOutcome {
    /// The signature counter to store in the passkey.
    pub sign_count: u32,
    /// Whether the passkey may be copied to other devices; the same as when it was registered.
    pub backup_eligible: bool,
    /// Whether it has been.
    pub backed_up: bool,
}

/// Checks that `passkey` signed the expected challenge.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify_assertion(
    expected: &Expected<'_>,
    passkey: &Passkey,
    assertion: &Assertion,
) -> Result<AssertionOutcome, PasskeyError> {
    check_credential(expected, passkey, assertion)?;
    ClientData::parse(&assertion.client_data_json)?.check(expected, "webauthn.get")?;
    let data = AuthenticatorData::parse(&assertion.authenticator_data)?;
    data.check(expected)?;
    if data.attested.is_some() {
        return Err(PasskeyError::AuthenticatorData(
            "an assertion brings no new credential",
        ));
    }
    if data.backup_eligible() != passkey.backup_eligible {
        return Err(PasskeyError::BackupFlags("its registration"));
    }
    let signed = signed_bytes(&assertion.authenticator_data, &assertion.client_data_json);
    stored_key(passkey)?.verify(&signed, &assertion.signature)?;
    check_counter(passkey.sign_count, data.sign_count)?;
    Ok(AssertionOutcome {
        sign_count: data.sign_count,
        backup_eligible: data.backup_eligible(),
        backed_up: data.backed_up(),
    })
}

fn check_credential(
    expected: &Expected<'_>,
    passkey: &Passkey,
    assertion: &Assertion,
) -> Result<(), PasskeyError> {
    if assertion.signature.len() > MAX_SIGNATURE {
        return Err(PasskeyError::TooLong("signature"));
    }
    if assertion.credential_id.len() > MAX_CREDENTIAL_ID {
        return Err(PasskeyError::TooLong("credential id"));
    }
    if assertion.credential_id != passkey.credential_id {
        return Err(PasskeyError::WrongCredential);
    }
    if passkey.rp_id != expected.rp_id {
        return Err(PasskeyError::WrongRelyingParty);
    }
    Ok(())
}

/// The key of a stored passkey, whose forms must agree: nobody can slip in another SPKI for auditors to read.
fn stored_key(passkey: &Passkey) -> Result<PublicKey, PasskeyError> {
    let key = PublicKey::from_bytes(&passkey.cose_key)?;
    if key.algorithm() != passkey.algorithm || key.spki()? != passkey.spki {
        return Err(PasskeyError::StoredKey);
    }
    Ok(key)
}

/// Section 7.2, step 22: two zeros mean that the authenticator does not count.
const fn check_counter(stored: u32, now: u32) -> Result<(), PasskeyError> {
    if (stored != 0 || now != 0) && now <= stored {
        return Err(PasskeyError::CounterWentBack);
    }
    Ok(())
}
