//! Changes of protocol.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::client::{raw, until_quiet};
use super::judge::Told;
use super::world::{Making, world};

const ASK: &str =
    "GET /change HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: shouting\r\n\r\n";

#[tokio::test]
async fn a_change_of_protocol_is_refused() {
    let world = world().await;
    let said = raw(world.reverse, ASK.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 501"), "{said}");
    assert!(said.contains("urn:backstop:problem:upgrade"), "{said}");
    assert_eq!(world.requests(), 0);
}

#[tokio::test]
async fn an_offer_of_http_2_is_passed_over() {
    let world = world().await;
    let ask = "GET /hello HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\n\
               upgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n";
    let said = raw(world.reverse, ask.as_bytes()).await;
    assert!(
        said.starts_with("HTTP/1.1 200") && said.ends_with("hello"),
        "{said}"
    );
}

#[tokio::test]
async fn where_it_is_allowed_bytes_pass_both_ways() {
    let judge = Told {
        upgrades: true,
        ..Told::default()
    };
    let world = Making {
        judge,
        ..Making::default()
    }
    .make()
    .await;
    let mut stream = TcpStream::connect(world.reverse).await.unwrap();
    // The first words come with the request.
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let (said, _) = until_quiet(&mut stream, Duration::from_millis(300)).await;
    assert!(
        said.starts_with("HTTP/1.1 101 Switching Protocols"),
        "{said}"
    );
    assert!(said.contains("upgrade: shouting\r\n"), "{said}");
    for word in ["hello", "again"] {
        stream.write_all(word.as_bytes()).await.unwrap();
        let (said, _) = until_quiet(&mut stream, Duration::from_millis(100)).await;
        assert_eq!(said, word.to_uppercase());
    }
    drop(stream);
    let end = world.judge.end_of("/change").await;
    assert_eq!(end.status.unwrap(), 101);
}

/// A target that changes without being asked, or asked in vain, does not get at the client's connection.
#[tokio::test]
async fn nobody_changes_unasked() {
    let judge = Told {
        upgrades: true,
        ..Told::default()
    };
    let world = Making {
        judge,
        tls: false,
        ..Making::default()
    }
    .make()
    .await;
    let said = super::target::say(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nrude",
        b"",
    )
    .await;
    let address = said.address;
    let ask = format!("GET http://{address}/ HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let answer = raw(world.address, ask.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(!answer.contains("rude"), "{answer}");
}
