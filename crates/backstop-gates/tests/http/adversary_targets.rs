//! Targets that do not keep to the protocol cost one connection each, and nothing else.

use std::time::Duration;

use backstop_gates::http::{How, Limits};

use super::client::raw;
use super::target::say;
use super::world::Making;

fn limits() -> Limits {
    Limits {
        first_byte: Duration::from_millis(300),
        silent: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_target_that_breaks_the_protocol_is_no_answer() {
    let world = Making {
        tls: false,
        limits: limits(),
        ..Making::default()
    }
    .make()
    .await;
    for (first, again, status) in [
        (
            &b"HTTP/1.1 200 OK\r\n"[..],
            &b"x-more: and-more\r\n"[..],
            502,
        ),
        (
            b"HTTP/1.1 200 OK\r\nx: ",
            b"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
            502,
        ),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"", 504),
        (b"", b"", 504),
        (b"220 mail.example ESMTP\r\n", b"", 502),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            b"",
            502,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nab", b"", 502),
        (b"HTTP/1.1 200 OK\r\nx y: z\r\n\r\n", b"", 502),
        (b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n", b"", 502),
        (b"HTTP/2 200\r\n\r\n", b"", 502),
    ] {
        let said = say(first, again).await;
        let address = said.address;
        let path = format!("/{}", address.port());
        let ask = format!(
            "GET http://{address}{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        );
        let answer = raw_patiently(world.address, &ask).await;
        let shown = String::from_utf8_lossy(first);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{shown}: {answer}"
        );
        assert!(answer.contains("problem+json"), "{answer}");
        let end = world.judge.end_of(&path).await;
        assert!(
            matches!(end.how, How::Failed(_)) && end.sent,
            "{shown}: {end:?}"
        );
    }
    assert_eq!(world.proxy.as_ref().unwrap().connections(), 0);
}

/// Once the answer has begun, the client sees that it is not whole.
#[tokio::test]
async fn an_answer_that_breaks_off_is_broken_off() {
    let world = Making {
        tls: false,
        limits: limits(),
        ..Making::default()
    }
    .make()
    .await;
    for first in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcdefgh\r\n0\r\n\r\n",
    ] {
        let said = say(first, b"").await;
        let address = said.address;
        let path = format!("/{}", address.port());
        let ask = format!("GET http://{address}{path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        let answer = raw_patiently(world.address, &ask).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
        let end = world.judge.end_of(&path).await;
        assert!(matches!(end.how, How::Failed(_)), "{end:?}");
    }
    assert_eq!(world.proxy.as_ref().unwrap().connections(), 0);
}

/// What a target says beyond its answer belongs to nobody: neither to this request nor to the next.
#[tokio::test]
async fn an_answer_nobody_asked_for_is_nobodys() {
    let world = Making {
        tls: false,
        limits: limits(),
        ..Making::default()
    }
    .make()
    .await;
    let said = say(
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\noneHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        b"",
    )
    .await;
    let address = said.address;
    for _ in 0..3 {
        let ask = format!(
            "GET http://{address}/ HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        );
        let answer = raw(world.address, ask.as_bytes()).await;
        assert!(answer.ends_with("\r\n\r\none"), "{answer}");
    }
}

/// A compressed body is not decompressed: it passes as it is.
#[tokio::test]
async fn a_bomb_passes_unopened() {
    let world = Making {
        tls: false,
        ..Making::default()
    }
    .make()
    .await;
    let said = say(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08",
        b"",
    )
    .await;
    let address = said.address;
    let ask =
        format!("GET http://{address}/ HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let answer = raw(world.address, ask.as_bytes()).await;
    assert!(answer.contains("content-encoding: gzip"), "{answer}");
    assert!(answer.contains("content-length: 3"), "{answer}");
}

async fn raw_patiently(address: std::net::SocketAddr, ask: &str) -> String {
    use tokio::io::AsyncWriteExt as _;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(ask.as_bytes()).await.unwrap();
    super::client::until_quiet(&mut stream, Duration::from_secs(2))
        .await
        .0
}
