//! gRPC through the whole gate. The client and the server here frame messages themselves; `http_clients` has grpcio's.

mod client;
pub mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use backstop_core::target::Environment;
use backstop_gates::http::gate::Reachable;
use backstop_gates::http::gate::config::Api;
use backstop_wire::providers::Pack;
use bytes::Bytes;

use crate::front::{self, Front, Granted, Making};
use client::{Answer, Client, Heard};
use server::Server;

/// The real credential.
const REAL: &str = "k7Qm2vX9pL4tZ8wR1nB6yC3d";
/// A credential that no lease got.
const STRAY: &str = "9b2f6c1e-5d0a-4f6e-8a3c-2d7e1f4b6a90";

const PACK: &str = r#"
name = "acme"
title = "Acme"
source = "a test"
version = "1"

[[operation]]
match = "POST /acme.Items/{method}"
effect = "read"
grpc = "harmless"
does = "Looks at items."

[[operation]]
match = "POST /acme.Items/Rename"
effect = "write"
bound = 1
object = "item.one"
does = "Renames an item."

[[operation]]
match = "POST /acme.Items/Change"
effect = "write"
grpc = "harmless"
object = "item.one"
does = "Changes items."
"#;

/// A message with its length before it.
fn message(flag: u8, payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, payload].concat().into()
}

struct Scene {
    server: Server,
    front: Front,
    api: Arc<Api>,
}

struct Held {
    granted: Granted,
    placeholder: String,
}

impl Scene {
    async fn set() -> Result<Self> {
        let server = Server::start().await?;
        let site = format!("127.0.0.1:{}", server.port);
        let api = Arc::new(Api {
            pack: Some("acme".into()),
            own: Some(Arc::new(Pack::parse(PACK)?)),
            ..front::api("acme", &site, REAL, Some(&server.authority_pem))?
        });
        let reachable = Reachable {
            apis: vec![Arc::clone(&api)],
            allow: vec![],
            public: Arc::new(front::public()?),
        };
        let front = Making::default().before(reachable).await?;
        Ok(Self { server, front, api })
    }

    async fn lease(&self) -> Result<Held> {
        let scopes: &[&str] = &["read", "write"];
        let granted = self
            .front
            .grant(&[("acme", Environment::Production, scopes)])
            .await?;
        let placeholder = self.front.placeholder(&granted.lease, &self.api);
        Ok(Held {
            granted,
            placeholder,
        })
    }

    async fn client(&self, held: &Held) -> Result<Client> {
        let ca = std::fs::read_to_string(&self.front.ca)?;
        Client::connect(&held.granted, self.server.port, &ca).await
    }

    async fn halted(&self, held: &Held) -> Option<String> {
        self.front.halted_soon(&held.granted.lease).await
    }
}

/// An answer's status and message of gRPC, which had no message else.
fn status(answer: &Answer) -> (String, String) {
    let header = |name: &str| {
        let value = answer.headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    (header("grpc-status"), header("grpc-message"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_call_goes_both_ways_at_once() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let own = format!("Bearer {}", held.placeholder);
    let headers = [
        ("authorization", own.as_str()),
        ("grpc-accept-encoding", "gzip"),
        ("te", "trailers"),
        ("x-trace-bin", "AAEC"),
    ];
    let mut client = scene.client(&held).await?;
    let mut call = client.call("/acme.Items/Talk", "application/grpc", &headers)?;
    // Each word is answered before the next is said. The second ends as the credential begins.
    call.say(message(0, b"one")).await?;
    let mut answer = call.answer().await?;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.next().await?, Heard::Bytes(message(0, b"one")));
    for word in [format!("it is {}", &REAL[..7]), "three".to_owned()] {
        call.say(message(0, word.as_bytes())).await?;
        let heard = answer.next().await?;
        assert_eq!(heard, Heard::Bytes(message(0, word.as_bytes())));
    }
    call.end();
    let Heard::Trailers(trailers) = answer.next().await? else {
        panic!("no trailers");
    };
    assert_eq!(trailers["grpc-status"], "0");
    let head = scene.server.head();
    assert_eq!(head["authorization"], format!("Bearer {REAL}").as_str());
    assert_eq!(head["grpc-accept-encoding"], "identity");
    assert_eq!(head["te"], "trailers");
    assert_eq!(head["x-trace-bin"], "AAEC");
    assert_eq!(scene.front.halted(&held.granted.lease), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_pack_calls_harmless_is_refused_as_clients_of_grpc_read_it() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = scene.client(&held).await?;
    for (path, media_type, code, says) in [
        (
            "/acme.Items/Rename",
            "application/grpc+proto",
            "7",
            "harmless",
        ),
        ("/acme.Other/List", "application/grpc", "7", "harmless"),
        (
            "/acme.Items/Rename",
            "application/grpc-web+proto",
            "7",
            "harmless",
        ),
        (
            "/acme.Items/List",
            "application/grpc-web-text",
            "7",
            "base64",
        ),
        // It would have to wait for a person, who would not know for what.
        (
            "/acme.Items/Change",
            "application/grpc",
            "7",
            "cannot be held",
        ),
    ] {
        // The call stays open: nobody waits for its end.
        let mut call = client.call(path, media_type, &[])?;
        call.say(message(0, b"one")).await?;
        let answer = call.answer().await?;
        let (got, text) = status(&answer);
        assert_eq!(
            (answer.status, got.as_str()),
            (200, code),
            "{path} {media_type}: {text}"
        );
        assert!(text.contains(says), "{path} {media_type}: {text}");
        assert!(text.contains("hint:"), "{path} {media_type}: {text}");
        assert_eq!(answer.headers["content-type"], media_type);
    }
    // Clients of Connect read the status of HTTP.
    let mut call = client.call("/acme.Items/Rename", "application/connect+proto", &[])?;
    call.say(message(0, b"one")).await?;
    let answer = call.answer().await?;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(scene.server.calls(), 0);
    assert_eq!(scene.front.halted(&held.granted.lease), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_metadata_stops_the_lease_before_a_byte_goes_out() -> Result<()> {
    use base64::Engine as _;
    let scene = Scene::set().await?;
    let encoded = base64::engine::general_purpose::STANDARD.encode(STRAY);
    for (name, value) in [
        ("authorization", format!("Bearer {STRAY}")),
        ("x-token-bin", encoded),
        ("x-note", REAL.to_owned()),
    ] {
        let held = scene.lease().await?;
        let mut client = scene.client(&held).await?;
        let headers = [(name, value.as_str())];
        let mut call = client.call("/acme.Items/List", "application/grpc", &headers)?;
        let (code, text) = status(&call.answer().await?);
        assert_eq!(code, "7", "{name}: {text}");
        assert!(text.contains("halted"), "{name}: {text}");
        assert!(scene.front.halted(&held.granted.lease).is_some(), "{name}");
    }
    assert_eq!(scene.server.calls(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_a_message_breaks_the_call_off_and_stops_the_lease() -> Result<()> {
    let scene = Scene::set().await?;
    let (head, tail) = REAL.split_at(11);
    for (name, said) in [
        (
            "whole",
            vec![message(0, format!("it is {REAL}").as_bytes())],
        ),
        ("over frames of HTTP", {
            let whole = message(0, REAL.as_bytes());
            vec![whole.slice(..9), whole.slice(9..)]
        }),
        (
            "over messages",
            vec![message(0, head.as_bytes()), message(0, tail.as_bytes())],
        ),
    ] {
        let held = scene.lease().await?;
        let mut client = scene.client(&held).await?;
        let mut call = client.call("/acme.Items/Talk", "application/grpc", &[])?;
        call.say(message(0, b"one")).await?;
        let mut answer = call.answer().await?;
        assert_eq!(answer.next().await?, Heard::Bytes(message(0, b"one")));
        for part in said {
            // Whoever is cut off already hears of it.
            let _ = call.say(part).await;
        }
        answer.over().await;
        assert!(scene.halted(&held).await.is_some(), "{name}");
        let came = scene.server.bytes();
        let has = |part: &str| came.windows(part.len()).any(|w| w == part.as_bytes());
        assert!(!has(tail), "{name}: {came:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_compressed_is_not_carried() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = scene.client(&held).await?;
    let mut call = client.call("/acme.Items/Talk", "application/grpc", &[])?;
    call.say(message(0, b"one")).await?;
    let mut answer = call.answer().await?;
    assert_eq!(answer.next().await?, Heard::Bytes(message(0, b"one")));
    call.say(message(1, b"packed")).await?;
    answer.over().await;
    assert_eq!(scene.server.bytes(), message(0, b"one"));
    // Nor what the target packs though it was asked not to.
    for path in ["/acme.Items/Packed", "/acme.Items/Flagged"] {
        let mut call = client.call(path, "application/grpc", &[])?;
        call.say(message(0, b"one")).await?;
        call.end();
        match call.answer().await {
            Ok(mut answer) if status(&answer).0.is_empty() => {
                assert!(answer.next().await.is_err(), "{path}");
            }
            Ok(answer) => assert_eq!(status(&answer).0, "14", "{path}"),
            Err(_) => {}
        }
    }
    let encoded = [("content-encoding", "gzip")];
    let mut call = client.call("/acme.Items/List", "application/grpc", &encoded)?;
    assert_eq!(status(&call.answer().await?).0, "7");
    assert_eq!(scene.front.halted(&held.granted.lease), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_comes_back_is_masked_in_messages_and_trailers() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = scene.client(&held).await?;
    let mut call = client.call("/acme.Items/Leak", "application/grpc", &[])?;
    call.say(message(0, b"one")).await?;
    call.end();
    let mut answer = call.answer().await?;
    let masked = "*".repeat(REAL.len());
    let leaked = message(0, format!("it is {masked}.").as_bytes());
    let (mut came, mut ended) = (vec![], None);
    while ended.is_none() {
        match answer.next().await? {
            Heard::Bytes(bytes) => came.extend_from_slice(&bytes),
            Heard::Trailers(trailers) => ended = Some(trailers),
            Heard::End => anyhow::bail!("no trailers"),
        }
    }
    assert_eq!(came, leaked);
    let trailers = ended.context("no trailers")?;
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["x-note"], "[credential]");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_refused_for_its_credential_stops_the_writes() -> Result<()> {
    let scene = Scene::set().await?;
    for path in ["/acme.Items/Refuses", "/acme.Items/Late"] {
        let held = scene.lease().await?;
        let mut client = scene.client(&held).await?;
        let mut call = client.call(path, "application/grpc", &[])?;
        call.say(message(0, b"one")).await?;
        call.end();
        let mut answer = call.answer().await?;
        let (code, text) = status(&answer);
        if path.ends_with("Refuses") {
            assert_eq!(code, "7", "{text}");
            assert!(text.contains("refused the gate's own credential"), "{text}");
        } else {
            assert_eq!(answer.trailers().await?["grpc-status"], "7");
        }
        let why = scene.halted(&held).await.context("the lease goes on")?;
        assert!(why.contains("refused"), "{path}: {why}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_call_ends_with_its_lease() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = scene.client(&held).await?;
    let mut call = client.call("/acme.Items/Talk", "application/grpc", &[])?;
    call.say(message(0, b"one")).await?;
    let mut answer = call.answer().await?;
    answer.next().await?;
    let begun = Instant::now();
    let store = &scene.front.world.store;
    store
        .halt(Some(&held.granted.lease), "a test", false)
        .await?;
    assert!(answer.next().await.is_err());
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    Ok(())
}
