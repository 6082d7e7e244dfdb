//! A minimal authenticator with fixed keys that signs whatever it is told to, also what no real one would.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use ed25519_dalek::Signer as _;

use crate::digest::Digest;
use crate::passkey::{
    Algorithm, Assertion, Expected, Passkey, Registration, signed_bytes, verify_registration,
};

pub(super) const RP_ID: &str = "console.example";
pub(super) const ORIGIN: &str = "https://console.example:8443";
pub(super) const CREDENTIAL_ID: &[u8] = b"a credential id of the tests' own";
pub(super) const CREATE_CHALLENGE: [u8; 32] = [7; 32];
pub(super) const GET_CHALLENGE: [u8; 32] = [9; 32];

pub(super) const UP: u8 = 0x01;
pub(super) const UV: u8 = 0x04;
pub(super) const BE: u8 = 0x08;
pub(super) const BS: u8 = 0x10;
pub(super) const AT: u8 = 0x40;
pub(super) const ED: u8 = 0x80;

pub(super) enum Key {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl Key {
    pub(super) fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::ES256 => Self::P256(p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap()),
            Algorithm::EdDSA => Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[5; 32])),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }

    pub(super) fn cose_entries(&self) -> Vec<(Value, Value)> {
        let entry = |label: i64, value: Value| (Value::from(label), value);
        match self {
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let bytes = point.as_bytes();
                vec![
                    entry(1, 2.into()),
                    entry(3, (-7).into()),
                    entry(-1, 1.into()),
                    entry(-2, Value::Bytes(bytes[1..33].to_vec())),
                    entry(-3, Value::Bytes(bytes[33..].to_vec())),
                ]
            }
            Self::Ed25519(key) => vec![
                entry(1, 1.into()),
                entry(3, (-8).into()),
                entry(-1, 6.into()),
                entry(-2, Value::Bytes(key.verifying_key().to_bytes().to_vec())),
            ],
        }
    }
}

pub(super) fn cbor(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).unwrap();
    out
}

pub(super) fn client_data(kind: &str, challenge: &[u8], origin: &str, more: &str) -> Vec<u8> {
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}"{more}}}"#)
        .into_bytes()
}

pub(super) fn fixed(rp_id: &str, flags: u8, count: u32) -> Vec<u8> {
    [
        Digest::of(rp_id.as_bytes()).0.as_slice(),
        &[flags],
        &count.to_be_bytes(),
    ]
    .concat()
}

pub(super) fn attested(credential_id: &[u8], cose_key: &[u8]) -> Vec<u8> {
    let length = u16::try_from(credential_id.len()).unwrap();
    [
        [0xaa; 16].as_slice(),
        &length.to_be_bytes(),
        credential_id,
        cose_key,
    ]
    .concat()
}

pub(super) fn attestation_object(
    format: &str,
    statement: Vec<(Value, Value)>,
    data: &[u8],
) -> Vec<u8> {
    cbor(&Value::Map(vec![
        ("fmt".into(), format.into()),
        ("attStmt".into(), Value::Map(statement)),
        ("authData".into(), Value::Bytes(data.to_vec())),
    ]))
}

/// A registration with everything in order except what the test replaced.
pub(super) struct Create {
    pub client_data: Vec<u8>,
    pub auth_data: Vec<u8>,
    pub format: &'static str,
    pub statement: Vec<(Value, Value)>,
    pub credential_id: Vec<u8>,
}

impl Create {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let cose_key = cbor(&Value::Map(Key::of(algorithm).cose_entries()));
        Self {
            client_data: client_data(
                "webauthn.create",
                &CREATE_CHALLENGE,
                ORIGIN,
                r#","crossOrigin":false"#,
            ),
            auth_data: [
                fixed(RP_ID, UP | UV | BE | BS | AT, 4),
                attested(CREDENTIAL_ID, &cose_key),
            ]
            .concat(),
            format: "none",
            statement: vec![],
            credential_id: CREDENTIAL_ID.to_vec(),
        }
    }

    pub(super) fn finish(self) -> Registration {
        Registration {
            credential_id: self.credential_id,
            client_data_json: self.client_data,
            attestation_object: attestation_object(self.format, self.statement, &self.auth_data),
        }
    }
}

/// An assertion with everything in order except what the test replaced; signed last.
pub(super) struct Get {
    pub client_data: Vec<u8>,
    pub auth_data: Vec<u8>,
    pub algorithm: Algorithm,
}

impl Get {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self {
            client_data: client_data(
                "webauthn.get",
                &GET_CHALLENGE,
                ORIGIN,
                r#","crossOrigin":false"#,
            ),
            auth_data: fixed(RP_ID, UP | UV | BE | BS, 5),
            algorithm,
        }
    }

    pub(super) fn finish(self) -> Assertion {
        let signature =
            Key::of(self.algorithm).sign(&signed_bytes(&self.auth_data, &self.client_data));
        Assertion {
            credential_id: CREDENTIAL_ID.to_vec(),
            client_data_json: self.client_data,
            authenticator_data: self.auth_data,
            signature,
            user_handle: Some(b"person_0123456789abcdef".to_vec()),
        }
    }
}

pub(super) fn origins() -> Vec<String> {
    vec![ORIGIN.to_owned()]
}

pub(super) fn expected<'a>(origins: &'a [String], challenge: &'a [u8]) -> Expected<'a> {
    Expected {
        rp_id: RP_ID,
        origins,
        challenge,
    }
}

pub(super) fn passkey(algorithm: Algorithm) -> Passkey {
    let origins = origins();
    verify_registration(
        &expected(&origins, &CREATE_CHALLENGE),
        &Create::new(algorithm).finish(),
    )
    .unwrap()
}
