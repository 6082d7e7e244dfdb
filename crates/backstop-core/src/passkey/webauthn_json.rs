//! The JSON that `PublicKeyCredential.toJSON()` makes (section 5.1), as far as it is verified.
//!
//! Members that prove nothing (transports, attachment, extension results) are ignored.

use serde::Deserialize;

use super::{Assertion, PasskeyError, Registration, base64url};

#[derive(Deserialize)]
struct Credential<R> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "rawId", with = "base64url")]
    raw_id: Vec<u8>,
    response: R,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "clientDataJSON", with = "base64url")]
    client_data_json: Vec<u8>,
    #[serde(rename = "attestationObject", with = "base64url")]
    attestation_object: Vec<u8>,
}

#[derive(Deserialize)]
struct Got {
    #[serde(rename = "clientDataJSON", with = "base64url")]
    client_data_json: Vec<u8>,
    #[serde(rename = "authenticatorData", with = "base64url")]
    authenticator_data: Vec<u8>,
    #[serde(with = "base64url")]
    signature: Vec<u8>,
    #[serde(rename = "userHandle", default, with = "base64url::option")]
    user_handle: Option<Vec<u8>>,
}

pub(super) fn registration(json: &[u8]) -> Result<Registration, PasskeyError> {
    let credential: Credential<Created> = read(json)?;
    Ok(Registration {
        credential_id: credential.raw_id,
        client_data_json: credential.response.client_data_json,
        attestation_object: credential.response.attestation_object,
    })
}

pub(super) fn assertion(json: &[u8]) -> Result<Assertion, PasskeyError> {
    let credential: Credential<Got> = read(json)?;
    Ok(Assertion {
        credential_id: credential.raw_id,
        client_data_json: credential.response.client_data_json,
        authenticator_data: credential.response.authenticator_data,
        signature: credential.response.signature,
        user_handle: credential.response.user_handle,
    })
}

fn read<'a, R: Deserialize<'a>>(json: &'a [u8]) -> Result<Credential<R>, PasskeyError> {
    match serde_json::from_slice::<Credential<R>>(json) {
        Ok(credential) if credential.kind == "public-key" => Ok(credential),
        _ => Err(PasskeyError::NotCredentialJson),
    }
}
