//! Each rule broken once, with a signature that is right all the same: the rule itself must refuse.

use ciborium::Value;

use super::authenticator::*;
use crate::passkey::{
    Algorithm, Assertion, AssertionOutcome, Expected, Passkey, PasskeyError, Registration,
    verify_assertion, verify_registration,
};

fn register(change: impl FnOnce(&mut Create)) -> Result<Passkey, PasskeyError> {
    let mut create = Create::new(Algorithm::ES256);
    change(&mut create);
    verify_registration(&expected(&origins(), &CREATE_CHALLENGE), &create.finish())
}

fn assert_with(change: impl FnOnce(&mut Get)) -> Result<AssertionOutcome, PasskeyError> {
    let mut get = Get::new(Algorithm::ES256);
    change(&mut get);
    verify_assertion(
        &expected(&origins(), &GET_CHALLENGE),
        &passkey(Algorithm::ES256),
        &get.finish(),
    )
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn with_flags(flags: u8) -> Vec<u8> {
    fixed(RP_ID, flags, 5)
}

#[test]
fn both_algorithms_register_and_assert() {
    for algorithm in Algorithm::ALL {
        let passkey = passkey(algorithm);
        assert_eq!(passkey.algorithm, algorithm);
        assert_eq!(
            (passkey.rp_id.as_str(), passkey.origin.as_str()),
            (RP_ID, ORIGIN)
        );
        assert_eq!((passkey.sign_count, passkey.backup_eligible), (4, true));
        let outcome = verify_assertion(
            &expected(&origins(), &GET_CHALLENGE),
            &passkey,
            &Get::new(algorithm).finish(),
        )
        .unwrap();
        assert_eq!(
            outcome,
            AssertionOutcome {
                sign_count: 5,
                backup_eligible: true,
                backed_up: true
            }
        );
    }
}

#[test]
fn client_data_must_be_of_this_ceremony() {
    let with = |kind: &str, challenge: &[u8], origin: &str, more: &str| {
        assert_with(|get| get.client_data = client_data(kind, challenge, origin, more))
    };
    assert!(with("webauthn.get", &GET_CHALLENGE, ORIGIN, "").is_ok());
    assert!(
        with(
            "webauthn.get",
            &GET_CHALLENGE,
            ORIGIN,
            r#","new member":[{"a":[1.5,null,-1]},""]"#
        )
        .is_ok()
    );
    for (kind, challenge, origin, more, error) in [
        (
            "webauthn.create",
            GET_CHALLENGE,
            ORIGIN,
            "",
            PasskeyError::WrongType("webauthn.get"),
        ),
        (
            "payment.get",
            GET_CHALLENGE,
            ORIGIN,
            "",
            PasskeyError::WrongType("webauthn.get"),
        ),
        (
            "webauthn.get",
            CREATE_CHALLENGE,
            ORIGIN,
            "",
            PasskeyError::WrongChallenge,
        ),
        (
            "webauthn.get",
            GET_CHALLENGE,
            "https://console.example",
            "",
            PasskeyError::WrongOrigin,
        ),
        (
            "webauthn.get",
            GET_CHALLENGE,
            "https://console.example:8444",
            "",
            PasskeyError::WrongOrigin,
        ),
        (
            "webauthn.get",
            GET_CHALLENGE,
            "http://console.example:8443",
            "",
            PasskeyError::WrongOrigin,
        ),
        (
            "webauthn.get",
            GET_CHALLENGE,
            "https://console.example:8443/",
            "",
            PasskeyError::WrongOrigin,
        ),
        (
            "webauthn.get",
            GET_CHALLENGE,
            "https://CONSOLE.example:8443",
            "",
            PasskeyError::WrongOrigin,
        ),
        (
            "webauthn.get",
            GET_CHALLENGE,
            ORIGIN,
            r#","crossOrigin":true"#,
            PasskeyError::CrossOrigin,
        ),
        (
            "webauthn.get",
            GET_CHALLENGE,
            ORIGIN,
            r#","topOrigin":"https://evil.example""#,
            PasskeyError::CrossOrigin,
        ),
        (
            "webauthn.get",
            GET_CHALLENGE,
            ORIGIN,
            r#","crossOrigin":"no""#,
            PasskeyError::ClientDataMember("crossOrigin"),
        ),
        (
            "webauthn.get",
            GET_CHALLENGE,
            ORIGIN,
            r#","crossOrigin":null"#,
            PasskeyError::ClientDataMember("crossOrigin"),
        ),
    ] {
        assert_eq!(
            with(kind, &challenge, origin, more).unwrap_err(),
            error,
            "{kind} {origin} {more}"
        );
    }
}

#[test]
fn client_data_must_be_strict_json() {
    let good = String::from_utf8(client_data("webauthn.get", &GET_CHALLENGE, ORIGIN, "")).unwrap();
    let inside = &good[1..good.len() - 1];
    for text in [
        format!("{good} x"),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        format!("[{good}]"),
        format!("{{{inside},{inside}}}"),
        format!(r#"{{{inside},"origin":"https://evil.example"}}"#),
        format!(r#"{{{inside},"\u006frigin":"https://evil.example"}}"#),
        format!(r#"{{{inside},"x":{{"a":1,"a":2}}}}"#),
        format!("{{{inside},}}"),
        String::new(),
    ] {
        let error = assert_with(|get| get.client_data = text.clone().into_bytes()).unwrap_err();
        assert_eq!(error, PasskeyError::ClientData, "{text}");
    }
    let missing = assert_with(|get| get.client_data = b"{}".to_vec()).unwrap_err();
    assert_eq!(missing, PasskeyError::ClientDataMember("challenge"));
    let padded = good.replace("\",\"origin", "=\",\"origin").into_bytes();
    let error = assert_with(|get| get.client_data = padded).unwrap_err();
    assert_eq!(error, PasskeyError::ClientDataMember("challenge"));
    let mut long = good.into_bytes();
    long.extend_from_slice(&[b' '; 16 * 1024]);
    assert_eq!(
        assert_with(|get| get.client_data = long).unwrap_err(),
        PasskeyError::TooLong("clientDataJSON")
    );
}

#[test]
fn flags_must_show_a_verified_person_and_make_sense() {
    for (flags, error) in [
        (UV | BE | BS, PasskeyError::UserNotPresent),
        (UP | BE | BS, PasskeyError::UserNotVerified),
        (UP | UV | BS, PasskeyError::BackupFlags("each other")),
        (UP | UV, PasskeyError::BackupFlags("its registration")),
    ] {
        assert_eq!(
            assert_with(|get| get.auth_data = with_flags(flags)).unwrap_err(),
            error
        );
    }
    let kept_here = assert_with(|get| get.auth_data = with_flags(UP | UV | BE)).unwrap();
    assert!(!kept_here.backed_up);
    for (flags, error) in [
        (UV | AT, PasskeyError::UserNotPresent),
        (UP | AT, PasskeyError::UserNotVerified),
        (UP | UV | BS | AT, PasskeyError::BackupFlags("each other")),
    ] {
        assert_eq!(
            register(|create| create.auth_data[32] = flags).unwrap_err(),
            error
        );
    }
}

#[test]
fn authenticator_data_is_accounted_for_to_the_byte() {
    let data = with_flags(UP | UV | BE);
    for length in 0..37 {
        let error = assert_with(|get| get.auth_data = data[..length].to_vec()).unwrap_err();
        assert_eq!(
            error,
            PasskeyError::AuthenticatorData("it ends before its fixed part")
        );
    }
    let error = assert_with(|get| get.auth_data = [data.as_slice(), &[0]].concat()).unwrap_err();
    assert_eq!(
        error,
        PasskeyError::AuthenticatorData("bytes are left over")
    );
    let other_site = fixed("console.example.", UP | UV | BE, 5);
    assert_eq!(
        assert_with(|get| get.auth_data = other_site).unwrap_err(),
        PasskeyError::WrongRelyingParty
    );
    let key = cbor(&Value::Map(Key::of(Algorithm::ES256).cose_entries()));
    let attested = [with_flags(UP | UV | BE | AT), attested(b"another", &key)].concat();
    let error = assert_with(|get| get.auth_data = attested).unwrap_err();
    assert_eq!(
        error,
        PasskeyError::AuthenticatorData("an assertion brings no new credential")
    );
    let whole = Create::new(Algorithm::ES256).auth_data;
    for length in 37..whole.len() {
        assert!(
            register(|create| create.auth_data.truncate(length)).is_err(),
            "{length}"
        );
    }
    assert!(register(|create| create.auth_data.push(0)).is_err());
    assert!(register(|create| create.auth_data = fixed(RP_ID, UP | UV, 0)).is_err());
}

#[test]
fn extensions_must_be_one_canonical_map() {
    let with = |extensions: &[u8]| {
        assert_with(|get| {
            get.auth_data = [with_flags(UP | UV | BE | ED).as_slice(), extensions].concat()
        })
    };
    assert!(with(&cbor(&Value::Map(vec![("credProtect".into(), 2.into())]))).is_ok());
    let bad = PasskeyError::Cbor("extension data");
    for extensions in [
        vec![],
        vec![0x80],
        vec![0xbf, 0xff],
        cbor(&Value::Map(vec![(1.into(), 2.into())])),
        cbor(&Value::Map(vec![
            ("a".into(), 1.into()),
            ("a".into(), 2.into()),
        ])),
        vec![0xa1, 0x61, b'a', 0x18, 0x01],
        vec![0xa1, 0x61, b'a', 0x78, 0x01, b'b'],
        [vec![0xa1, 0x61, b'a'], vec![0x81; 64], vec![0x00]].concat(),
    ] {
        assert_eq!(with(&extensions).unwrap_err(), bad, "{extensions:02x?}");
    }
    let error = with(&[0xa0, 0x00]).unwrap_err();
    assert_eq!(
        error,
        PasskeyError::AuthenticatorData("bytes are left over")
    );
}

fn register_key(entries: Vec<(Value, Value)>) -> Result<Passkey, PasskeyError> {
    register(|create| {
        let key = cbor(&Value::Map(entries));
        create.auth_data = [fixed(RP_ID, UP | UV | AT, 0), attested(CREDENTIAL_ID, &key)].concat();
    })
}

#[test]
fn keys_have_exactly_the_parameters_they_need() {
    for algorithm in Algorithm::ALL {
        let good = Key::of(algorithm).cose_entries();
        assert!(register_key(good.clone()).is_ok());
        for i in 0..good.len() {
            let mut fewer = good.clone();
            fewer.remove(i);
            assert!(matches!(register_key(fewer), Err(PasskeyError::Key(_))));
        }
        for extra in [2, 4, 5, -4, 99] {
            let mut more = good.clone();
            more.push((Value::from(extra), Value::Bytes(vec![1])));
            let error = register_key(more).unwrap_err();
            assert_eq!(
                error,
                PasskeyError::Key("it has parameters too many or too few")
            );
        }
        let mut twice = good.clone();
        twice.push(good[0].clone());
        assert_eq!(
            register_key(twice).unwrap_err(),
            PasskeyError::Cbor("public key")
        );
    }
    let mut rsa = Key::of(Algorithm::ES256).cose_entries();
    rsa[0].1 = 3.into();
    rsa[1].1 = (-257).into();
    assert!(matches!(register_key(rsa), Err(PasskeyError::Key(_))));
    let mut off_curve = Key::of(Algorithm::ES256).cose_entries();
    off_curve[4].1 = Value::Bytes(vec![1; 32]);
    assert_eq!(
        register_key(off_curve).unwrap_err(),
        PasskeyError::Key("it is not a point of P-256")
    );
    let mut weak = Key::of(Algorithm::EdDSA).cose_entries();
    let mut identity = vec![0; 32];
    identity[0] = 1;
    weak[3].1 = Value::Bytes(identity);
    assert_eq!(
        register_key(weak).unwrap_err(),
        PasskeyError::Key("anybody can sign for it")
    );
    let mut long = Key::of(Algorithm::EdDSA).cose_entries();
    long[3].1 = Value::Bytes(vec![1; 33]);
    assert!(matches!(register_key(long), Err(PasskeyError::Key(_))));
}

#[test]
fn attestation_is_none_or_by_the_passkey_itself() {
    for algorithm in Algorithm::ALL {
        let create = Create::new(algorithm);
        let signature = Key::of(algorithm).sign(&crate::passkey::signed_bytes(
            &create.auth_data,
            &create.client_data,
        ));
        let statement = |alg: i32, signature: &[u8]| {
            vec![
                ("alg".into(), alg.into()),
                ("sig".into(), Value::Bytes(signature.to_vec())),
            ]
        };
        let verify = |format, statement| {
            let create = Create {
                format,
                statement,
                ..Create::new(algorithm)
            };
            verify_registration(&expected(&origins(), &CREATE_CHALLENGE), &create.finish())
        };
        assert!(verify("packed", statement(algorithm.cose(), &signature)).is_ok());
        let forged = [
            &signature[..signature.len() - 1],
            &[signature[signature.len() - 1] ^ 1],
        ]
        .concat();
        assert_eq!(
            verify("packed", statement(algorithm.cose(), &forged)),
            Err(PasskeyError::Signature)
        );
        assert_eq!(
            verify("packed", statement(-257, &signature)),
            Err(PasskeyError::Attestation)
        );
        let mut with_certificate = statement(algorithm.cose(), &signature);
        with_certificate.push(("x5c".into(), Value::Array(vec![])));
        assert_eq!(
            verify("packed", with_certificate),
            Err(PasskeyError::Attestation)
        );
        assert_eq!(
            verify("none", statement(algorithm.cose(), &signature)),
            Err(PasskeyError::Attestation)
        );
        assert_eq!(verify("fido-u2f", vec![]), Err(PasskeyError::Attestation));
    }
}

#[test]
fn an_attestation_object_is_one_canonical_map_of_three() {
    let good = Create::new(Algorithm::ES256).finish();
    let verify = |object: Vec<u8>| {
        let registration = Registration {
            attestation_object: object,
            ..good.clone()
        };
        verify_registration(&expected(&origins(), &CREATE_CHALLENGE), &registration)
    };
    assert!(verify(good.attestation_object.clone()).is_ok());
    let bad = Err(PasskeyError::Cbor("attestation object"));
    assert_eq!(
        verify([good.attestation_object.as_slice(), &[0]].concat()),
        bad
    );
    let Value::Map(entries) = ciborium::from_reader(good.attestation_object.as_slice()).unwrap()
    else {
        panic!()
    };
    let mut more = entries.clone();
    more.push(("epAtt".into(), true.into()));
    assert_eq!(verify(cbor(&Value::Map(more))), bad);
    for i in 0..3 {
        let mut fewer = entries.clone();
        fewer.remove(i);
        assert_eq!(verify(cbor(&Value::Map(fewer))), bad);
    }
}

#[test]
fn the_counter_grows_or_stays_zero() {
    let mut passkey = passkey(Algorithm::ES256);
    let mut verify = |stored: u32, now: u32| {
        passkey.sign_count = stored;
        let get = Get {
            auth_data: fixed(RP_ID, UP | UV | BE, now),
            ..Get::new(Algorithm::ES256)
        };
        verify_assertion(
            &expected(&origins(), &GET_CHALLENGE),
            &passkey,
            &get.finish(),
        )
        .map(|o| o.sign_count)
    };
    assert_eq!(verify(0, 0), Ok(0));
    assert_eq!(verify(0, 1), Ok(1));
    assert_eq!(verify(7, u32::MAX), Ok(u32::MAX));
    for (stored, now) in [(1, 0), (1, 1), (u32::MAX, u32::MAX), (8, 7)] {
        assert_eq!(verify(stored, now), Err(PasskeyError::CounterWentBack));
    }
}

#[test]
fn the_stored_passkey_must_be_whole_and_of_this_site() {
    let assertion = Get::new(Algorithm::ES256).finish();
    let verify = |change: &dyn Fn(&mut Passkey)| {
        let mut passkey = passkey(Algorithm::ES256);
        change(&mut passkey);
        verify_assertion(&expected(&origins(), &GET_CHALLENGE), &passkey, &assertion).unwrap_err()
    };
    assert_eq!(
        verify(&|p| p.rp_id = "console.test".into()),
        PasskeyError::WrongRelyingParty
    );
    assert_eq!(
        verify(&|p| p.credential_id = b"another".to_vec()),
        PasskeyError::WrongCredential
    );
    assert_eq!(
        verify(&|p| p.algorithm = Algorithm::EdDSA),
        PasskeyError::StoredKey
    );
    assert_eq!(verify(&|p| p.spki[30] ^= 1), PasskeyError::StoredKey);
    assert_eq!(
        verify(&|p| p.cose_key.push(0)),
        PasskeyError::Cbor("public key")
    );
    assert_eq!(
        verify(&|p| p.cose_key = cbor(&1.into())),
        PasskeyError::Cbor("public key")
    );
}

#[test]
fn a_short_challenge_is_never_expected() {
    let get = Get {
        client_data: client_data("webauthn.get", &[1; 15], ORIGIN, ""),
        ..Get::new(Algorithm::ES256)
    };
    let expected = Expected {
        rp_id: RP_ID,
        origins: &origins(),
        challenge: &[1; 15],
    };
    let error = verify_assertion(&expected, &passkey(Algorithm::ES256), &get.finish()).unwrap_err();
    assert_eq!(error, PasskeyError::WeakChallenge);
}

#[test]
fn signatures_are_strict_der_in_either_half() {
    let good = Get::new(Algorithm::ES256).finish();
    let verify = |signature: Vec<u8>| {
        let assertion = Assertion {
            signature,
            ..good.clone()
        };
        verify_assertion(
            &expected(&origins(), &GET_CHALLENGE),
            &passkey(Algorithm::ES256),
            &assertion,
        )
        .map(|_| ())
    };
    let signature = p256::ecdsa::Signature::from_der(&good.signature).unwrap();
    let (r, s) = signature.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r, -*s).unwrap();
    assert_eq!(verify(other.to_der().as_bytes().to_vec()), Ok(()));
    assert_eq!(
        verify(signature.to_bytes().to_vec()),
        Err(PasskeyError::Signature)
    );
    assert_eq!(
        verify([good.signature.as_slice(), &[0]].concat()),
        Err(PasskeyError::Signature)
    );
    assert_eq!(verify(vec![]), Err(PasskeyError::Signature));
    assert_eq!(
        verify(vec![0x30; 4096]),
        Err(PasskeyError::TooLong("signature"))
    );
    let mut long_form = good.signature.clone();
    long_form.insert(1, 0x81);
    assert_eq!(verify(long_form), Err(PasskeyError::Signature));
}

#[test]
fn browser_json_is_read_and_anything_else_refused() {
    let assertion = Get::new(Algorithm::EdDSA).finish();
    let part = |bytes: &[u8]| serde_json::Value::String(base64(bytes));
    let json = |kind: &str| {
        serde_json::json!({
            "id": part(&assertion.credential_id), "rawId": part(&assertion.credential_id), "type": kind,
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": part(&assertion.client_data_json),
                "authenticatorData": part(&assertion.authenticator_data),
                "signature": part(&assertion.signature),
                "userHandle": part(b"person_0123456789abcdef"),
            },
        })
        .to_string()
    };
    assert_eq!(
        Assertion::from_webauthn_json(json("public-key").as_bytes()),
        Ok(assertion.clone())
    );
    for text in [
        json("password"),
        "null".into(),
        json("public-key") + "x",
        json("public-key").replace("rawId", "id"),
    ] {
        assert_eq!(
            Assertion::from_webauthn_json(text.as_bytes()),
            Err(PasskeyError::NotCredentialJson)
        );
    }
    assert_eq!(assertion.claimed_challenge(), Ok(GET_CHALLENGE.to_vec()));
}

#[test]
fn what_is_kept_comes_back_the_same() {
    for algorithm in Algorithm::ALL {
        let passkey = passkey(algorithm);
        let text = serde_json::to_string(&passkey).unwrap();
        assert_eq!(serde_json::from_str::<Passkey>(&text).unwrap(), passkey);
        let mut assertion = Get::new(algorithm).finish();
        let text = serde_json::to_string(&assertion).unwrap();
        assert_eq!(serde_json::from_str::<Assertion>(&text).unwrap(), assertion);
        assertion.user_handle = None;
        let text = serde_json::to_string(&assertion).unwrap();
        assert_eq!(serde_json::from_str::<Assertion>(&text).unwrap(), assertion);
        assert!(
            serde_json::from_str::<Assertion>(&text.replace("signature\":\"", "signature\":\"="))
                .is_err()
        );
    }
}
