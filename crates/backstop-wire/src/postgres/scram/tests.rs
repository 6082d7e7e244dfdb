//! SCRAM against the RFC's example, against itself, and against those who cheat.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::message::ClientFirst;
use super::*;

const USER_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const CHALLENGE: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const PROOF: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                     p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SIGNATURE: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn few() -> NonZeroU32 {
    NonZeroU32::new(2).unwrap()
}

fn pencil() -> Verifier {
    Verifier::derive("pencil", b"salt", few())
}

fn salt_of_the_rfc() -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode("W22ZaJ0SNY7soEsUEjb6gQ==")
        .unwrap()
}

fn offered(server: &Server) -> Vec<&'static [u8]> {
    let names = server.mechanisms().split(|&byte| byte == 0);
    names.filter(|name| !name.is_empty()).collect()
}

/// A whole conversation; the hash is the certificate's as each side sees it.
fn converse(
    verifier: Verifier,
    password: &str,
    server_sees: Option<&[u8]>,
    client_sees: Binding<'_>,
) -> Result<(), ScramError> {
    let server = Server::new(verifier, server_sees);
    let client = Client::choose(offered(&server), client_sees)?;
    let mechanism = client.mechanism();
    let (first, waiting) = client.first()?;
    let (challenge, challenged) = server.challenge(mechanism, &first)?;
    let (proof, proving) = waiting.prove(password, &challenge)?;
    proving.finish(&challenged.finish(&proof)?)
}

#[test]
fn the_server_agrees_with_rfc_7677() {
    let iterations = NonZeroU32::new(4096).unwrap();
    let verifier = Verifier::derive("pencil", &salt_of_the_rfc(), iterations);
    let first = format!("n,,n=user,r={USER_NONCE}");
    let (challenge, challenged) = Server::new(verifier, None)
        .challenge_with(PLAIN, first.as_bytes(), SERVER_NONCE)
        .unwrap();
    assert_eq!(challenge, CHALLENGE.as_bytes());
    let answer = challenged.finish(PROOF.as_bytes()).unwrap();
    assert_eq!(answer, SIGNATURE.as_bytes());
}

#[test]
fn the_client_agrees_with_rfc_7677() {
    let client = Client::choose([PLAIN.as_bytes()], Binding::None).unwrap();
    let (first, waiting) = client.first_with("user", USER_NONCE.to_owned());
    assert_eq!(first, format!("n,,n=user,r={USER_NONCE}").into_bytes());
    let (proof, proving) = waiting.prove("pencil", CHALLENGE.as_bytes()).unwrap();
    assert_eq!(proof, PROOF.as_bytes());
    assert_eq!(proving.finish(SIGNATURE.as_bytes()), Ok(()));
}

#[test]
fn client_and_server_agree_with_and_without_binding() {
    let hash = [7_u8; 32];
    let bound = Binding::Certificate(&hash);
    assert_eq!(converse(pencil(), "pencil", None, Binding::None), Ok(()));
    assert_eq!(converse(pencil(), "pencil", Some(&hash), bound), Ok(()));
    // A server without binding behind TLS: the client says `y`, and that is fine.
    assert_eq!(converse(pencil(), "pencil", None, bound), Ok(()));
}

#[test]
fn a_wrong_password_and_an_unknown_user_fail_alike() {
    let wrong = converse(pencil(), "pencils", None, Binding::None);
    let unknown = converse(
        Verifier::mock(b"secret", "nobody"),
        "pencil",
        None,
        Binding::None,
    );
    assert_eq!(wrong, Err(ScramError::Failed));
    assert_eq!(unknown, Err(ScramError::Failed));
}

#[test]
fn an_unknown_user_has_the_same_salt_every_time() {
    let challenge = |user: &str| {
        let server = Server::new(Verifier::mock(b"secret", user), None);
        server
            .challenge_with(PLAIN, b"n,,n=,r=abc", "def")
            .unwrap()
            .0
    };
    assert_eq!(challenge("nobody"), challenge("nobody"));
    assert_ne!(challenge("nobody"), challenge("somebody"));
    let text = String::from_utf8(challenge("nobody")).unwrap();
    assert!(text.ends_with(",i=4096"), "{text}");
    assert_eq!(Verifier::mock(b"secret", "nobody").to_postgres(), None);
}

#[test]
fn somebody_between_is_noticed() {
    let (ours, theirs) = ([1_u8; 32], [2_u8; 32]);
    let bound = converse(
        pencil(),
        "pencil",
        Some(&ours),
        Binding::Certificate(&theirs),
    );
    assert_eq!(bound, Err(ScramError::Binding));
    // The offer of PLUS was taken out: the client says that it could have bound.
    let server = Server::new(pencil(), Some(&ours));
    let downgraded = server.challenge(PLAIN, b"y,,n=,r=abc").err();
    assert_eq!(downgraded, Some(ScramError::Downgrade));
    // PLUS offered where there is no TLS.
    let client = Client::choose([PLUS.as_bytes(), PLAIN.as_bytes()], Binding::None).err();
    assert_eq!(client, Some(ScramError::Downgrade));
}

#[test]
fn a_client_without_binding_may_say_so() {
    let server = Server::new(pencil(), Some(&[1; 32]));
    assert!(server.challenge(PLAIN, b"n,,n=,r=abc").is_ok());
}

#[test]
fn mechanism_and_flag_must_fit() {
    let cases = [
        (PLUS, "n,,n=,r=abc", true),
        (PLUS, "p=tls-unique,,n=,r=abc", true),
        (PLUS, "p=tls-server-end-point,,n=,r=abc", false),
        (PLAIN, "p=tls-server-end-point,,n=,r=abc", true),
        ("SCRAM-SHA-1", "n,,n=,r=abc", false),
        (PLAIN, "x,,n=,r=abc", false),
    ];
    for (mechanism, first, tls) in cases {
        let hash = tls.then_some(&[1_u8; 32][..]);
        let result = Server::new(pencil(), hash).challenge(mechanism, first.as_bytes());
        assert!(result.is_err(), "{mechanism} {first}");
    }
}

#[test]
fn malformed_first_messages_are_refused() {
    for first in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=",
        "n,,r=abc",
        "n,,n=,r=",
        "n,,n=,r=a b",
        "n,a=x,n=,r=abc",
        "n,,m=x,n=,r=abc",
        "n,,n=,r=abc,",
        "n,,n=,r=abc,x",
    ] {
        assert!(ClientFirst::read(first).is_err(), "{first}");
    }
    assert!(ClientFirst::read("n,,n=,r=abc,x=1").is_ok());
}

#[test]
fn a_changed_byte_in_the_proof_fails() {
    let server = Server::new(pencil(), None);
    let client = Client::choose([PLAIN.as_bytes()], Binding::None).unwrap();
    let (first, waiting) = client.first_with("", "abc".to_owned());
    let (challenge, _) = server.challenge_with(PLAIN, &first, "def").unwrap();
    let (proof, _) = waiting.prove("pencil", &challenge).unwrap();
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at] ^= 1;
        let server = Server::new(pencil(), None);
        let (_, challenged) = server.challenge_with(PLAIN, &first, "def").unwrap();
        assert!(challenged.finish(&changed).is_err(), "byte {at}");
    }
}

#[test]
fn a_server_that_cannot_prove_itself_is_not_believed() {
    let prove = || {
        let client = Client::choose([PLAIN.as_bytes()], Binding::None).unwrap();
        let (_, waiting) = client.first_with("", "abc".to_owned());
        waiting
            .prove("pencil", b"r=abcdef,s=c2FsdA==,i=2")
            .unwrap()
            .1
    };
    let zeros = format!("v={}", crypto::encode(&[0; 32]));
    assert_eq!(prove().finish(zeros.as_bytes()), Err(ScramError::Server));
    assert!(prove().finish(b"e=other-error").is_err());
    assert!(prove().finish(b"").is_err());
}

#[test]
fn bad_challenges_are_refused() {
    for challenge in [
        "r=abc,s=c2FsdA==,i=2",
        "r=xbcdef,s=c2FsdA==,i=2",
        "r=abcdef,s=c2FsdA==,i=0",
        "r=abcdef,s=c2FsdA==,i=99999999",
        "r=abcdef,s=,i=2",
        "r=abcdef,i=2",
        "s=c2FsdA==,r=abcdef,i=2",
    ] {
        let client = Client::choose([PLAIN.as_bytes()], Binding::None).unwrap();
        let (_, waiting) = client.first_with("", "abc".to_owned());
        assert!(
            waiting.prove("x", challenge.as_bytes()).is_err(),
            "{challenge}"
        );
    }
}

#[test]
fn a_verifier_is_spelt_as_postgresql_does_and_not_shown() {
    let verifier = Verifier::generate("pencil").unwrap();
    let text = verifier.to_postgres().unwrap();
    assert!(text.starts_with("SCRAM-SHA-256$4096:"), "{text}");
    assert_eq!(text.parse(), Ok(verifier.clone()));
    assert_eq!(
        converse(text.parse().unwrap(), "pencil", None, Binding::None),
        Ok(())
    );
    assert_eq!(format!("{verifier:?}"), "Verifier { iterations: 4096, .. }");
    for wrong in [
        "",
        "md5abc",
        "SCRAM-SHA-256$0:c2FsdA==$a:b",
        "SCRAM-SHA-256$1:c2FsdA==$a",
    ] {
        assert!(wrong.parse::<Verifier>().is_err(), "{wrong}");
    }
}

#[test]
fn passwords_are_prepared_as_postgresql_does() {
    // A soft hyphen vanishes and a no-break space becomes a space; what is forbidden stays.
    assert_eq!(
        Verifier::derive("I\u{ad}X", b"salt", few()),
        Verifier::derive("IX", b"salt", few())
    );
    assert_eq!(
        Verifier::derive("a\u{a0}b", b"salt", few()),
        Verifier::derive("a b", b"salt", few())
    );
    assert_ne!(
        Verifier::derive("a\u{7}b", b"salt", few()),
        Verifier::derive("ab", b"salt", few())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_password_proves_itself(password in "\\PC{0,20}", other in "\\PC{0,20}") {
        let verifier = Verifier::derive(&password, b"salt", few());
        prop_assert_eq!(converse(verifier.clone(), &password, None, Binding::None), Ok(()));
        if Verifier::derive(&other, b"salt", few()) != verifier {
            let result = converse(verifier, &other, None, Binding::None);
            prop_assert_eq!(result, Err(ScramError::Failed));
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Server::new(pencil(), None).challenge(PLAIN, &bytes);
        let (_, challenged) =
            Server::new(pencil(), None).challenge_with(PLAIN, b"n,,n=,r=abc", "def").unwrap();
        prop_assert!(challenged.finish(&bytes).is_err());
        let client = Client::choose([PLAIN.as_bytes()], Binding::None).unwrap();
        prop_assert!(client.first().unwrap().1.prove("x", &bytes).is_err());
    }
}
