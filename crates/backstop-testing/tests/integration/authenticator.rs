//! The software authenticator, verified by code that is not its own.

use backstop_testing::authenticator::{Assertion, Authenticator};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ORIGIN: &str = "http://localhost:8443";
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;

fn verifies(spki: &[u8], assertion: &Assertion) -> bool {
    let key = VerifyingKey::from_public_key_der(spki).unwrap();
    let mut signed = assertion.authenticator_data.clone();
    signed.extend_from_slice(&Sha256::digest(&assertion.client_data_json));
    key.verify(&signed, &Signature::from_der(&assertion.signature).unwrap())
        .is_ok()
}

fn flags(assertion: &Assertion) -> u8 {
    assertion.authenticator_data[32]
}

#[test]
fn what_it_registers_verifies_what_it_asserts() {
    let mut authenticator = Authenticator::new();
    let registration = authenticator
        .register(ORIGIN, "localhost", b"person-1", "Ada", &[7; 32])
        .unwrap();
    let assertion = authenticator
        .assert(
            ORIGIN,
            "localhost",
            &[9; 32],
            std::slice::from_ref(&registration.credential_id),
        )
        .unwrap();

    assert!(verifies(&registration.public_key_spki, &assertion));
    assert_eq!(
        assertion.authenticator_data[..32],
        Sha256::digest(b"localhost")[..]
    );
    assert_eq!(
        flags(&assertion) & (USER_PRESENT | USER_VERIFIED),
        USER_PRESENT | USER_VERIFIED
    );
    assert_eq!(assertion.user_handle.as_deref(), Some(&b"person-1"[..]));
    assert_eq!(authenticator.credential_ids(), [registration.credential_id]);

    let client_data: Value = serde_json::from_slice(&assertion.client_data_json).unwrap();
    assert_eq!(client_data["type"], "webauthn.get");
    assert_eq!(client_data["origin"], ORIGIN, "no slash at its end");
    assert_eq!(client_data["challenge"], URL_SAFE_NO_PAD.encode([9; 32]));
    assert_ne!(client_data["crossOrigin"], true);
}

#[test]
fn the_attestation_object_is_none_and_carries_the_key() {
    let mut authenticator = Authenticator::new();
    let registration = authenticator
        .register(
            "https://gate.example.com",
            "example.com",
            b"p",
            "Ada",
            &[1; 32],
        )
        .unwrap();
    let object: ciborium::Value =
        ciborium::from_reader(&registration.attestation_object[..]).unwrap();
    let map = object.as_map().unwrap();
    let field = |name: &str| {
        map.iter()
            .find(|(key, _)| key.as_text() == Some(name))
            .map(|(_, value)| value)
    };
    assert_eq!(field("fmt").unwrap().as_text(), Some("none"));
    assert_eq!(
        field("authData").unwrap().as_bytes(),
        Some(&registration.authenticator_data)
    );
    let id = &registration.credential_id;
    assert_eq!(&registration.authenticator_data[55..55 + id.len()], &id[..]);
}

#[test]
fn json_goes_in_and_comes_out_as_a_browser_has_it() {
    let mut authenticator = Authenticator::new();
    let options = json!({ "publicKey": {
        "rp": { "id": "localhost", "name": "Backstop" },
        "user": { "id": "cGVyc29uLTE", "name": "ada", "displayName": "Ada" },
        "challenge": "AAECAwQFBgcICQoLDA0ODw",
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }, { "type": "public-key", "alg": -8 }],
        "authenticatorSelection": { "residentKey": "required", "userVerification": "required" },
        "attestation": "none",
        "excludeCredentials": [],
    }});
    let created = authenticator.create_json(ORIGIN, &options).unwrap();
    assert_eq!(created["type"], "public-key");
    assert_eq!(created["id"], created["rawId"]);
    let bytes = |value: &Value| URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap();
    let client_data: Value =
        serde_json::from_slice(&bytes(&created["response"]["clientDataJSON"])).unwrap();
    assert_eq!(client_data["challenge"], "AAECAwQFBgcICQoLDA0ODw");
    assert_eq!(client_data["type"], "webauthn.create");

    let got = authenticator
        .get_json(
            ORIGIN,
            &json!({
                "challenge": "EBESExQVFhcYGRobHB0eHw", "rpId": "localhost", "userVerification": "required",
                "allowCredentials": [{ "type": "public-key", "id": created["id"] }],
            }),
        )
        .unwrap();
    assert_eq!(got["id"], created["id"]);
    let assertion = Assertion {
        credential_id: bytes(&got["rawId"]),
        client_data_json: bytes(&got["response"]["clientDataJSON"]),
        authenticator_data: bytes(&got["response"]["authenticatorData"]),
        signature: bytes(&got["response"]["signature"]),
        user_handle: Some(bytes(&got["response"]["userHandle"])),
    };
    assert!(verifies(
        &bytes(&created["response"]["publicKey"]),
        &assertion
    ));
}

#[test]
fn without_verification_it_signs_with_the_flag_unset() {
    let mut authenticator = Authenticator::new();
    let registration = authenticator
        .register(ORIGIN, "localhost", b"p", "Ada", &[1; 32])
        .unwrap();
    authenticator.verify_person(false);
    let assertion = authenticator
        .assert(ORIGIN, "localhost", &[2; 32], &[])
        .unwrap();
    assert_eq!(
        flags(&assertion) & (USER_PRESENT | USER_VERIFIED),
        USER_PRESENT
    );
    assert!(verifies(&registration.public_key_spki, &assertion));
}

#[test]
fn it_forges_client_data_and_refuses_what_a_browser_refuses() {
    let mut authenticator = Authenticator::new();
    let registration = authenticator
        .register(ORIGIN, "localhost", b"p", "Ada", &[1; 32])
        .unwrap();
    let forged = authenticator
        .forge(
            "localhost",
            &registration.credential_id,
            br#"{"type":"webauthn.get","origin":"https://evil.example"}"#,
        )
        .unwrap();
    assert!(verifies(&registration.public_key_spki, &forged));
    assert!(
        authenticator
            .assert("https://evil.example.com", "localhost", &[1; 32], &[])
            .is_err()
    );
    assert!(
        authenticator
            .assert("http://gate.example.com", "gate.example.com", &[1; 32], &[])
            .is_err()
    );
    assert!(
        authenticator
            .assert(ORIGIN, "localhost", &[1; 32], &[vec![1, 2, 3]])
            .is_err()
    );
}
