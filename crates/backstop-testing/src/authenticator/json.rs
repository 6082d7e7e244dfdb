//! WebAuthn's JSON, in the shape of `PublicKeyCredential.toJSON()`.
//!
//! It must not decide anything: bytes in, text out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Assertion, Registration};

/// Base64url without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Registration {
    /// What a page sends to its server.
    pub fn to_json(&self) -> Value {
        credential(
            &self.credential_id,
            json!({
                "clientDataJSON": encode(&self.client_data_json),
                "attestationObject": encode(&self.attestation_object),
                "authenticatorData": encode(&self.authenticator_data),
                "publicKey": encode(&self.public_key_spki),
                "publicKeyAlgorithm": -7,
                "transports": ["internal"],
            }),
        )
    }
}

impl Assertion {
    /// What a page sends to its server.
    pub fn to_json(&self) -> Value {
        credential(
            &self.credential_id,
            json!({
                "clientDataJSON": encode(&self.client_data_json),
                "authenticatorData": encode(&self.authenticator_data),
                "signature": encode(&self.signature),
                "userHandle": self.user_handle.as_deref().map(encode),
            }),
        )
    }
}

fn credential(id: &[u8], response: Value) -> Value {
    json!({
        "id": encode(id),
        "rawId": encode(id),
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": response,
    })
}
