//! Every single byte of every part, changed: never accepted.

use super::authenticator::*;
use crate::passkey::{
    Algorithm, Assertion, Passkey, Registration, verify_assertion, verify_registration,
};

/// Calls `refused` with `bytes` with each byte changed in one bit, changed in all bits, and removed.
fn each_change(bytes: &[u8], mut refused: impl FnMut(Vec<u8>) -> bool) {
    for at in 0..bytes.len() {
        for mask in [1 << (at % 8), 0xff] {
            let mut changed = bytes.to_vec();
            changed[at] ^= mask;
            assert!(
                refused(changed),
                "mask {mask:02x} on byte {at} of {}",
                bytes.len()
            );
        }
        let mut shorter = bytes.to_vec();
        shorter.remove(at);
        // Of two equal neighbours either may go.
        assert!(shorter == bytes || refused(shorter), "byte {at} removed");
    }
}

#[test]
fn no_changed_assertion_is_accepted() {
    for algorithm in Algorithm::ALL {
        let (passkey, good, origins) =
            (passkey(algorithm), Get::new(algorithm).finish(), origins());
        let refused = |passkey: &Passkey, assertion: &Assertion| {
            verify_assertion(&expected(&origins, &GET_CHALLENGE), passkey, assertion).is_err()
        };
        assert!(!refused(&passkey, &good));
        each_change(&good.credential_id, |credential_id| {
            refused(
                &passkey,
                &Assertion {
                    credential_id,
                    ..good.clone()
                },
            )
        });
        each_change(&good.client_data_json, |client_data_json| {
            refused(
                &passkey,
                &Assertion {
                    client_data_json,
                    ..good.clone()
                },
            )
        });
        each_change(&good.authenticator_data, |authenticator_data| {
            refused(
                &passkey,
                &Assertion {
                    authenticator_data,
                    ..good.clone()
                },
            )
        });
        each_change(&good.signature, |signature| {
            refused(
                &passkey,
                &Assertion {
                    signature,
                    ..good.clone()
                },
            )
        });
        each_change(&passkey.cose_key, |cose_key| {
            refused(
                &Passkey {
                    cose_key,
                    ..passkey.clone()
                },
                &good,
            )
        });
        each_change(&passkey.spki, |spki| {
            refused(
                &Passkey {
                    spki,
                    ..passkey.clone()
                },
                &good,
            )
        });
        each_change(&GET_CHALLENGE, |challenge| {
            verify_assertion(&expected(&origins, &challenge), &passkey, &good).is_err()
        });
    }
}

/// A registration with "none" attestation is not signed: what can be changed in it is the counter, flags that
/// say nothing, the authenticator's model, and, together with the client's word for it, the credential's id.
/// A self-attested one is, and none of it can be.
#[test]
fn no_changed_self_attested_registration_is_accepted() {
    for algorithm in Algorithm::ALL {
        let create = Create::new(algorithm);
        let signature = Key::of(algorithm).sign(&crate::passkey::signed_bytes(
            &create.auth_data,
            &create.client_data,
        ));
        let statement = vec![
            ("alg".into(), algorithm.cose().into()),
            ("sig".into(), ciborium::Value::Bytes(signature)),
        ];
        let good = Create {
            format: "packed",
            statement,
            ..create
        }
        .finish();
        let origins = origins();
        let refused = |registration: &Registration| {
            verify_registration(&expected(&origins, &CREATE_CHALLENGE), registration).is_err()
        };
        assert!(!refused(&good));
        each_change(&good.attestation_object, |attestation_object| {
            refused(&Registration {
                attestation_object,
                ..good.clone()
            })
        });
        each_change(&good.client_data_json, |client_data_json| {
            refused(&Registration {
                client_data_json,
                ..good.clone()
            })
        });
        each_change(&good.credential_id, |credential_id| {
            refused(&Registration {
                credential_id,
                ..good.clone()
            })
        });
    }
}
