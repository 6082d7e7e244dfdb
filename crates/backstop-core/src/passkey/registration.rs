//! Verifying a registration (section 7.1): a new passkey, made here, now, by a person.
//!
//! Does not ask who made the authenticator: attestation is "none" or the passkey's own.

use ciborium::Value;

use super::authenticator_data::AuthenticatorData;
use super::client_data::ClientData;
use super::cose::PublicKey;
use super::{Expected, Passkey, PasskeyError, Registration, cbor, signed_bytes};

/// Longer than an attestation object without certificates comes to.
const MAX_BYTES: usize = 20 * 1024;

/// Checks a registration and gives the passkey to keep, with `created_ms` 0 and no label.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify_registration(
    expected: &Expected<'_>,
    registration: &Registration,
) -> Result<Passkey, PasskeyError> {
    let client_data = ClientData::parse(&registration.client_data_json)?;
    client_data.check(expected, "webauthn.create")?;
    let object = AttestationObject::parse(&registration.attestation_object)?;
    let data = AuthenticatorData::parse(&object.authenticator_data)?;
    data.check(expected)?;
    let attested = data
        .attested
        .as_ref()
        .ok_or(PasskeyError::AuthenticatorData("it holds no credential"))?;
    if attested.credential_id != registration.credential_id {
        return Err(PasskeyError::WrongCredential);
    }
    let key = PublicKey::from_value(&attested.key)?;
    object.check_statement(&key, &registration.client_data_json)?;
    Ok(Passkey {
        credential_id: attested.credential_id.to_vec(),
        cose_key: attested.cose_key.to_vec(),
        spki: key.spki()?,
        algorithm: key.algorithm(),
        backup_eligible: data.backup_eligible(),
        sign_count: data.sign_count,
        rp_id: expected.rp_id.to_owned(),
        origin: client_data.origin,
        created_ms: 0,
        label: String::new(),
    })
}

/// An attestation object (section 6.5.4), taken apart.
struct AttestationObject {
    format: String,
    statement: Vec<(Value, Value)>,
    authenticator_data: Vec<u8>,
}

impl AttestationObject {
    fn parse(bytes: &[u8]) -> Result<Self, PasskeyError> {
        if bytes.len() > MAX_BYTES {
            return Err(PasskeyError::TooLong("attestation object"));
        }
        let bad = PasskeyError::Cbor("attestation object");
        let Value::Map(entries) = cbor::only(bytes, "attestation object")? else {
            return Err(bad);
        };
        let (mut format, mut statement, mut data) = (None, None, None);
        for (key, value) in entries {
            match (key.as_text(), value) {
                (Some("fmt"), Value::Text(text)) => format = Some(text),
                (Some("attStmt"), Value::Map(map)) => statement = Some(map),
                (Some("authData"), Value::Bytes(bytes)) => data = Some(bytes),
                _ => return Err(bad),
            }
        }
        match (format, statement, data) {
            (Some(format), Some(statement), Some(authenticator_data)) => Ok(Self {
                format,
                statement,
                authenticator_data,
            }),
            _ => Err(bad),
        }
    }

    /// Accepts "none" (section 8.7), and "packed" without certificates (section 8.2), which clients let
    /// through although "none" was asked for: then the passkey's own signature must hold.
    fn check_statement(
        &self,
        key: &PublicKey,
        client_data_json: &[u8],
    ) -> Result<(), PasskeyError> {
        match (self.format.as_str(), self.statement.as_slice()) {
            ("none", []) => Ok(()),
            ("packed", [(alg, algorithm), (sig, Value::Bytes(signature))])
                if alg.as_text() == Some("alg")
                    && sig.as_text() == Some("sig")
                    && *algorithm == Value::from(key.algorithm().cose()) =>
            {
                key.verify(
                    &signed_bytes(&self.authenticator_data, client_data_json),
                    signature,
                )
            }
            _ => Err(PasskeyError::Attestation),
        }
    }
}
