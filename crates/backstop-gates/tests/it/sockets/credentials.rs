//! Credentials in messages: none of them goes on, and the lease is stopped.

use std::time::Duration;

use anyhow::{Context as _, Result};
use backstop_wire::websocket::{Item, Kind, frame};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::{Client, MASK, piece};
use super::scene::{REAL, STRAY, Scene};

fn text(text: impl AsRef<str>) -> Vec<u8> {
    frame(Kind::Text, text.as_ref().as_bytes(), Some(MASK))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_a_message_closes_the_socket_and_stops_the_lease() -> Result<()> {
    let scene = Scene::set().await?;
    let others = scene.lease().await?;
    let others = others.placeholder("live").to_owned();
    let (head, tail) = REAL.split_at(11);
    let encoded = STANDARD.encode(format!("see {REAL} there"));
    let escaped: String = REAL.bytes().map(|b| format!("\\u{b:04x}")).collect();
    let mut bytes = vec![0xff, 0x00, 0xfe];
    bytes.extend_from_slice(REAL.as_bytes());
    for (name, first, said) in [
        ("the real one", true, text(REAL)),
        ("in JSON", true, text(format!(r#"{{"note":"my {REAL}"}}"#))),
        ("escaped", true, text(format!(r#"{{"note":"{escaped}"}}"#))),
        ("in base64", true, text(&encoded)),
        ("in bytes", true, frame(Kind::Binary, &bytes, Some(MASK))),
        (
            "in bytes that are base64",
            true,
            frame(Kind::Binary, encoded.as_bytes(), Some(MASK)),
        ),
        (
            "in pieces",
            true,
            [piece(0x01, head.as_bytes()), piece(0x80, tail.as_bytes())].concat(),
        ),
        (
            "in pieces with a ping between them",
            true,
            [
                piece(0x01, head.as_bytes()),
                piece(0x89, b"x"),
                piece(0x00, b""),
                piece(0x80, tail.as_bytes()),
            ]
            .concat(),
        ),
        ("in a ping", true, piece(0x89, REAL.as_bytes())),
        ("in a pong", false, piece(0x8a, REAL.as_bytes())),
        (
            "in the reason of a close",
            false,
            piece(0x88, &[&[0x03_u8, 0xe8][..], REAL.as_bytes()].concat()),
        ),
        (
            "another lease's placeholder",
            true,
            text(format!("token {others}")),
        ),
        (
            "a stray one",
            true,
            text(format!(r#"{{"token":"{STRAY}"}}"#)),
        ),
        (
            "a stray one later",
            false,
            text(format!(r#"{{"token":"{STRAY}"}}"#)),
        ),
        (
            "a stray one in bytes",
            false,
            frame(
                Kind::Binary,
                format!(r#"{{"auth":{{"access_token":"{STRAY}"}}}}"#).as_bytes(),
                Some(MASK),
            ),
        ),
        (
            "drawn by a machine, at first",
            true,
            text("kT9vQ2mLx8ZbN4rW7yHc3JpD6s"),
        ),
    ] {
        let held = scene.lease().await?;
        let mut client = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
        if !first {
            client.text("hello").await?;
            assert_eq!(client.next().await?.context("it ended")?.text(), "hello");
        }
        client.send(&said).await?;
        let (code, reason) = client.close().await?;
        assert_eq!(code, 1008, "{name}: {reason}");
        assert!(reason.contains("stop"), "{name}: {reason}");
        let why = scene.halted(&held).await.context("the lease goes on")?;
        assert!(why.contains("a message on a WebSocket"), "{name}: {why}");
        assert!(!why.contains(REAL) && !why.contains(STRAY), "{name}: {why}");
        let came = scene.server.messages();
        let before: &[&str] = if first { &[] } else { &["hello"] };
        assert_eq!(came, before, "{name}");
        for item in scene.server.items() {
            let payload = match item {
                Item::Message(message) => message.payload,
                Item::Control(control) => control.payload,
            };
            let said = String::from_utf8_lossy(&payload);
            assert!(!said.contains(head) && !said.contains(tail), "{name}");
        }
        let halted = ("halt".to_owned(), "foreign-credential".to_owned());
        assert!(scene.decided(&held).contains(&halted), "{name}");
        // And it stays stopped.
        let again = Client::open(&scene, &held, "live", "/harmless/echo", &[]).await?;
        assert!(
            again.answer.contains("problem:halted"),
            "{name}: {}",
            again.answer
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_cut_by_segments_or_messages_is_found() -> Result<()> {
    let scene = Scene::set().await?;
    // Byte by byte: nothing of the message goes before it is whole.
    let held = scene.lease().await?;
    let mut client = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
    for byte in text(format!("it is {REAL}")).chunks(1) {
        client.send(byte).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(client.close().await?.0, 1008);
    assert!(scene.halted(&held).await.is_some());
    assert!(scene.server.messages().is_empty());
    // Over messages: its end does not go.
    let held = scene.lease().await?;
    let mut client = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
    let (head, tail) = REAL.split_at(11);
    client.text(head).await?;
    assert_eq!(client.next().await?.context("it ended")?.text(), head);
    client.text(tail).await?;
    assert_eq!(client.close().await?.0, 1008);
    assert!(scene.halted(&held).await.is_some());
    assert_eq!(scene.server.messages(), [head]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_messages_are_no_credentials() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
    for said in [
        r#"{"type":"session.update","session":{"modalities":["text"],"instructions":"Be kind."}}"#,
        r#"{"event":"subscribe","channel":"orders","id":"3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49"}"#,
        r#"{"topic":"realtime:public:notes","event":"phx_join","payload":{},"ref":"1"}"#,
        r#"42["message",{"room":"general","text":"see you at noon"}]"#,
        "ping",
        "",
        // Of a kind that a machine draws, and nothing else is told of it: a piece of a picture.
        "kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5tQiVhBnMjKwLz",
    ] {
        client.text(said).await?;
        let heard = client.next().await?.context("it ended")?;
        assert_eq!((heard.kind, heard.text()), (Kind::Text, said.to_owned()));
    }
    assert_eq!(scene.front.halted(&held.lease), None);
    Ok(())
}
