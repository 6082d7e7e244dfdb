//! What opens, and what does not.

use anyhow::Result;
use backstop_wire::websocket::{Kind, close, frame};
use serde_json::Value;

use super::client::{Client, KEY, MASK, piece};
use super::scene::{REAL, STRAY, Scene};

/// Status and problem of an answer that is no 101.
fn problem(client: &Client) -> Result<(u16, Value)> {
    let (head, body) = client.answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok((status, serde_json::from_str(body)?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_its_pack_calls_harmless_carries_both_ways() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = Client::opened_with(
        &scene,
        &held,
        "live",
        "/harmless/echo",
        &[
            &format!("authorization: Bearer {}", held.placeholder("live")),
            "sec-websocket-extensions: permessage-deflate; client_max_window_bits",
            "sec-websocket-protocol: chat, superchat",
        ],
    )
    .await?;
    assert!(
        client.answer.contains("sec-websocket-protocol: chat\r\n"),
        "{}",
        client.answer
    );
    let head = scene.server.head();
    assert!(
        head.contains(&format!("authorization: Bearer {REAL}\r\n")),
        "{head}"
    );
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
    assert!(
        head.contains(&format!("sec-websocket-key: {KEY}\r\n")),
        "{head}"
    );
    // Text in pieces with a ping between them, bytes, a pong nobody asked for.
    let said = [
        piece(0x01, b"Hel"),
        piece(0x89, b"there?"),
        piece(0x80, "l\u{f6}".as_bytes()),
        piece(0x82, &[0xff; 300]),
        piece(0x8a, b""),
    ]
    .concat();
    client.send(&said).await?;
    let mut heard = vec![];
    for _ in 0..3 {
        let one = client.next().await?.expect("it goes on");
        heard.push((one.kind, one.payload));
    }
    assert_eq!(
        heard,
        [
            (Kind::Pong, b"there?".to_vec()),
            (Kind::Text, "Hell\u{f6}".as_bytes().to_vec()),
            (Kind::Binary, vec![0xff; 300]),
        ]
    );
    client.send(&close(1000, "bye", Some(MASK))).await?;
    assert_eq!(client.close().await?, (1000, "bye".to_owned()));
    assert_eq!(client.next().await?, None);
    // Frames came as they were sent; only a ping may have come before the pieces around it.
    let frames = [
        piece(0x89, b"there?"),
        piece(0x01, b"Hel"),
        piece(0x80, "l\u{f6}".as_bytes()),
        piece(0x82, &[0xff; 300]),
        piece(0x8a, b""),
        close(1000, "bye", Some(MASK)),
    ];
    assert_eq!(scene.server.bytes(), frames.concat());
    assert_eq!(scene.front.halted(&held.lease), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_pack_lets_be_is_refused_in_words() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let other = ["connection: Upgrade", "upgrade: shouting"];
    let both = ["connection: Upgrade", "upgrade: websocket, shouting"];
    for (api, path, headers, status, kind) in [
        // A read all the same, and no socket of its pack's.
        ("live", "/things", None, 403, "socket"),
        ("rest", "/things", None, 403, "socket"),
        ("docs", "/page", None, 403, "socket"),
        (
            "live",
            "/harmless/echo",
            Some(&other[..]),
            403,
            "change-of-protocol",
        ),
        (
            "live",
            "/harmless/echo",
            Some(&both[..]),
            403,
            "change-of-protocol",
        ),
        // GraphQL is read, so that nothing else may be spoken.
        ("rail", "/graphql/v2", None, 403, "socket"),
        ("live", "/graph", None, 403, "socket"),
        ("rail", "/elsewhere", None, 403, "socket"),
    ] {
        let client = match headers {
            None => Client::open(&scene, &held, api, path, &[]).await?,
            Some(headers) => Client::ask(&scene, &held, api, path, headers).await?,
        };
        let (got, value) = problem(&client)?;
        assert_eq!(got, status, "{api}{path}: {value}");
        let expected = format!("urn:backstop:problem:{kind}");
        assert_eq!(value["type"], expected.as_str(), "{api}{path}: {value}");
        assert!(value["hint"].is_string(), "{api}{path}: {value}");
    }
    let beside = ["sec-websocket-protocol: graphql-transport-ws, chat"];
    let client = Client::open(&scene, &held, "rail", "/graphql/v2", &beside).await?;
    assert_eq!(problem(&client)?.0, 403);
    assert_eq!(scene.server.connections(), 0);
    assert_eq!(scene.front.halted(&held.lease), None);
    let decided = scene.decided(&held);
    let socket = ("deny".to_owned(), "socket".to_owned());
    assert!(decided.contains(&socket), "{decided:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_handshake_opens_nothing() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let (up, to) = ("connection: Upgrade", "upgrade: websocket");
    let version = "sec-websocket-version: 13";
    let key = format!("sec-websocket-key: {KEY}");
    for headers in [
        &[up, to, version][..],
        &[up, to, key.as_str()],
        &[up, to, "sec-websocket-version: 8", key.as_str()],
        &[up, to, version, "sec-websocket-key: dGhlIHNhbXBsZQ=="],
        &[
            up,
            to,
            version,
            key.as_str(),
            "sec-websocket-protocol: a,,b",
        ],
        // Named as one of this connection, it would be gone.
        &[
            "connection: Upgrade, sec-websocket-key",
            to,
            version,
            key.as_str(),
        ],
    ] {
        let client = Client::ask(&scene, &held, "live", "/harmless/echo", headers).await?;
        let (status, value) = problem(&client)?;
        assert_eq!(status, 400, "{headers:?}: {value}");
    }
    // Without the word that it changes, a target is not told that it should.
    let client = Client::ask(
        &scene,
        &held,
        "live",
        "/harmless/echo",
        &[to, version, key.as_str()],
    )
    .await?;
    assert!(!client.is_open(), "{}", client.answer);
    assert!(
        !scene.server.head().contains("upgrade:"),
        "{}",
        scene.server.head()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_answer_the_handshake_opens_nothing() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    for path in ["wrong", "chooses", "extends", "becomes"] {
        let path = format!("/harmless/{path}");
        let client = Client::open(&scene, &held, "live", &path, &[]).await?;
        let (status, value) = problem(&client)?;
        assert_eq!(status, 502, "{path}: {value}");
    }
    // Of GraphQL's protocols one is chosen, or nobody could say which messages are meant.
    let offered = ["sec-websocket-protocol: graphql-ws"];
    let client = Client::open(&scene, &held, "live", "/graph?silent", &offered).await?;
    let (status, value) = problem(&client)?;
    assert_eq!(status, 502, "{value}");
    assert_eq!(scene.front.halted(&held.lease), None);
    // It refused the gate's own credential: the lease's writes stop.
    let client = Client::open(&scene, &held, "live", "/harmless/who", &[]).await?;
    let (status, value) = problem(&client)?;
    assert_eq!(
        (status, value["rule"].as_str()),
        (403, Some("credential-mismatch"))
    );
    assert!(scene.halted(&held).await.is_some());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_the_handshake_stops_the_lease() -> Result<()> {
    let scene = Scene::set().await?;
    for header in [
        format!("sec-websocket-protocol: bearer, {STRAY}"),
        format!("sec-websocket-protocol: chat, access_token.{STRAY}"),
        "sec-websocket-protocol: base64url.bearer.authorization.k8s.io.azdRbTJ2WDlwTDR0Wjh3UjFuQjZ5QzNk"
            .to_owned(),
        format!("sec-websocket-protocol: {REAL}"),
        format!("authorization: Bearer {STRAY}"),
        format!("cookie: session={REAL}"),
    ] {
        let held = scene.lease().await?;
        let client = Client::open(&scene, &held, "live", "/harmless/echo", &[&header]).await?;
        let (status, value) = problem(&client)?;
        assert_eq!((status, value["verdict"].as_str()), (403, Some("halt")), "{header}: {value}");
        assert!(scene.front.halted(&held.lease).is_some(), "{header}");
    }
    // The lease's own is good in its place alone.
    let held = scene.lease().await?;
    let own = format!(
        "sec-websocket-protocol: bearer, {}",
        held.placeholder("live")
    );
    let client = Client::open(&scene, &held, "live", "/harmless/echo", &[&own]).await?;
    assert_eq!(problem(&client)?.1["verdict"], "halt");
    assert_eq!(scene.server.connections(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_cannot_change_what_was_not_asked() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let client = Client::ask(&scene, &held, "live", "/harmless/unasked", &["x-a: b"]).await?;
    let (status, value) = problem(&client)?;
    assert_eq!(status, 502, "{value}");
    // A message of its own is not waited for by anybody.
    assert!(!client.answer.contains("rude"), "{}", client.answer);
    let bytes = frame(Kind::Text, b"x", Some(MASK));
    let mut client = client;
    let _ = client.send(&bytes).await;
    assert!(scene.server.bytes().is_empty());
    Ok(())
}
