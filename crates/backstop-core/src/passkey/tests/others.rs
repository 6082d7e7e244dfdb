//! Verifiers that we did not write say the same of the same bytes: the crate `passki`, Python `fido2` and
//! `webauthn`, and plain `openssl`. None of them may be skipped: what is missing fails the test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::authenticator::*;
use crate::passkey::{Algorithm, Assertion, Passkey, Registration, signed_bytes, verify_assertion};

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn ours_says_yes(passkey: &Passkey, assertion: &Assertion) -> bool {
    verify_assertion(&expected(&origins(), &GET_CHALLENGE), passkey, assertion).is_ok()
}

/// A good assertion, and bad ones that every verifier must refuse.
fn cases(algorithm: Algorithm) -> Vec<(bool, Assertion)> {
    let good = Get::new(algorithm).finish();
    let mut forged = good.clone();
    *forged.signature.last_mut().unwrap() ^= 1;
    let elsewhere = Get {
        client_data: client_data(
            "webauthn.get",
            &GET_CHALLENGE,
            "https://console.example",
            "",
        ),
        ..Get::new(algorithm)
    };
    let unverified = Get {
        auth_data: fixed(RP_ID, UP | BE | BS, 5),
        ..Get::new(algorithm)
    };
    let replayed = Get {
        client_data: client_data("webauthn.get", &CREATE_CHALLENGE, ORIGIN, ""),
        ..Get::new(algorithm)
    };
    let create_type = Get {
        client_data: client_data("webauthn.create", &GET_CHALLENGE, ORIGIN, ""),
        ..Get::new(algorithm)
    };
    vec![
        (true, good),
        (false, forged),
        (false, elsewhere.finish()),
        (false, unverified.finish()),
        (false, replayed.finish()),
        (false, create_type.finish()),
    ]
}

fn passki_registration(registration: &Registration) -> passki::StoredPasskey {
    let server = passki::Passki::new(RP_ID, &[ORIGIN], "console");
    let credential = json!({
        "id": base64(&registration.credential_id), "rawId": base64(&registration.credential_id),
        "type": "public-key", "clientExtensionResults": {},
        "response": {
            "clientDataJSON": base64(&registration.client_data_json),
            "attestationObject": base64(&registration.attestation_object),
        },
    });
    let state = json!({
        "challenge": CREATE_CHALLENGE.to_vec(),
        "user": { "id": base64(b"person"), "name": "p", "displayName": "p" },
        "user_verification": "required",
    });
    server
        .finish_passkey_registration(
            &serde_json::from_value(credential).unwrap(),
            &serde_json::from_value(state).unwrap(),
        )
        .unwrap()
}

fn passki_says_yes(stored: &passki::StoredPasskey, assertion: &Assertion) -> bool {
    let server = passki::Passki::new(RP_ID, &[ORIGIN], "console");
    let credential = json!({
        "id": base64(&assertion.credential_id), "rawId": base64(&assertion.credential_id),
        "type": "public-key", "clientExtensionResults": {},
        "response": {
            "clientDataJSON": base64(&assertion.client_data_json),
            "authenticatorData": base64(&assertion.authenticator_data),
            "signature": base64(&assertion.signature),
        },
    });
    let state = json!({
        "challenge": GET_CHALLENGE.to_vec(), "allowed_credentials": [CREDENTIAL_ID.to_vec()],
        "user_verification": "required",
    });
    let credential = serde_json::from_value(credential).unwrap();
    server
        .finish_passkey_authentication(&credential, &serde_json::from_value(state).unwrap(), stored)
        .is_ok()
}

#[test]
fn passki_agrees() {
    for algorithm in Algorithm::ALL {
        let (passkey, stored) = (
            passkey(algorithm),
            passki_registration(&Create::new(algorithm).finish()),
        );
        assert_eq!(stored.credential_id, passkey.credential_id);
        assert_eq!(stored.algorithm, passkey.algorithm.cose());
        assert_eq!(
            (stored.be, stored.counter),
            (passkey.backup_eligible, passkey.sign_count)
        );
        for (i, (good, assertion)) in cases(algorithm).iter().enumerate() {
            assert_eq!(ours_says_yes(&passkey, assertion), *good, "{i}");
            assert_eq!(passki_says_yes(&stored, assertion), *good, "{i}");
        }
    }
}

/// The Python that `make setup` put beside the code.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cache =
        std::env::var_os("BACKSTOP_TEST_CACHE").map_or_else(|| root.join(".cache"), PathBuf::from);
    let python = cache.join("python/bin/python");
    assert!(
        python.exists(),
        "Python with fido2 and webauthn is missing; hint: run `make setup` first"
    );
    python
}

#[test]
fn python_fido2_and_webauthn_agree() {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/passkey/tests/verify_elsewhere.py");
    for algorithm in Algorithm::ALL {
        let passkey = passkey(algorithm);
        for (i, (good, assertion)) in cases(algorithm).iter().enumerate() {
            let case = json!({
                "passkey": passkey, "assertion": assertion,
                "rp_id": RP_ID, "origin": ORIGIN, "challenge": base64(&GET_CHALLENGE),
            });
            let said = pipe(
                Command::new(python()).arg(&script),
                case.to_string().as_bytes(),
            );
            assert_eq!(
                said.0.trim(),
                if *good { "yes yes" } else { "no no" },
                "{algorithm:?} {i}: {}",
                said.1
            );
        }
    }
}

#[test]
fn openssl_agrees() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in Algorithm::ALL {
        let (passkey, good) = (passkey(algorithm), Get::new(algorithm).finish());
        let mut forged = good.clone();
        *forged.signature.last_mut().unwrap() ^= 1;
        let mut flipped = good.clone();
        flipped.authenticator_data[36] ^= 1;
        for (holds, assertion) in [(true, &good), (false, &forged), (false, &flipped)] {
            assert_eq!(ours_says_yes(&passkey, assertion), holds);
            assert_eq!(
                openssl_says_yes(folder.path(), &passkey, assertion),
                holds,
                "{algorithm:?}"
            );
        }
    }
}

/// The signature alone, over what the specification says is signed, with the key's SPKI form.
fn openssl_says_yes(folder: &Path, passkey: &Passkey, assertion: &Assertion) -> bool {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let key = write("key.der", &passkey.spki);
    let signature = write("signature", &assertion.signature);
    let message = write(
        "message",
        &signed_bytes(&assertion.authenticator_data, &assertion.client_data_json),
    );
    let mut command = Command::new("openssl");
    command
        .args([
            "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin", "-inkey",
        ])
        .arg(key);
    if passkey.algorithm == Algorithm::ES256 {
        command.args(["-digest", "sha256"]);
    }
    let output = command
        .arg("-sigfile")
        .arg(signature)
        .arg("-in")
        .arg(message)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let yes = said.contains("Signature Verified Successfully");
    assert!(
        yes || said.contains("Signature Verification Failure") || said.contains("error"),
        "{said}"
    );
    assert_eq!(yes, output.status.success());
    yes
}

fn pipe(command: &mut Command, input: &[u8]) -> (String, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
