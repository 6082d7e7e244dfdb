//! What the browser's authenticator is asked, as JSON with bytes in base64url; the script turns it into
//! buffers and hands the answer back unchanged.

use backstop_core::digest::Digest;
use backstop_core::passkey::Algorithm;
use backstop_store::Asked;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Longer than anybody needs, shorter than a challenge lives.
const TIMEOUT_MS: u32 = 240_000;

/// For `navigator.credentials.get()`.
pub(crate) fn request(asked: &Asked) -> Value {
    json!({
        "nonce": asked.nonce,
        "publicKey": {
            "challenge": encode(&asked.challenge),
            "rpId": asked.rp_id,
            "allowCredentials": descriptors(&asked.allow),
            "userVerification": "required",
            "timeout": TIMEOUT_MS,
        },
    })
}

/// For `navigator.credentials.create()`. `user` names the account on the authenticator: the same person
/// always has the same.
pub(crate) fn creation(asked: &Asked, user: &str, name: &str) -> Value {
    let parameters = Algorithm::ALL.map(|a| json!({ "type": "public-key", "alg": a.cose() }));
    let user_id = Digest::of_parts(&[b"backstop user", user.as_bytes()]);
    json!({
        "nonce": asked.nonce,
        "publicKey": {
            "challenge": encode(&asked.challenge),
            "rp": { "id": asked.rp_id, "name": "Backstop" },
            "user": { "id": encode(&user_id.0), "name": name, "displayName": name },
            "pubKeyCredParams": parameters,
            "excludeCredentials": descriptors(&asked.allow),
            "authenticatorSelection": { "residentKey": "required", "requireResidentKey": true, "userVerification": "required" },
            "attestation": "none",
            "timeout": TIMEOUT_MS,
        },
    })
}

fn descriptors(ids: &[Vec<u8>]) -> Vec<Value> {
    ids.iter()
        .map(|id| json!({ "type": "public-key", "id": encode(id) }))
        .collect()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
