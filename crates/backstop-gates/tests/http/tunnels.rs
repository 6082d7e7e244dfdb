//! CONNECT: what is allowed in a tunnel, and what a tunnel is refused for.

use std::time::Duration;

use backstop_gates::http::Site;
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::client::{connect, tls, until_quiet};
use super::judge::Told;
use super::target;
use super::world::{Making, NAME, world};

#[tokio::test]
async fn the_name_in_tls_must_be_the_tunnels() {
    let world = world().await;
    for (site, name, good) in [
        (world.site(), NAME, true),
        (world.site(), "other.example", false),
        (
            format!("127.0.0.1:{}", world.target.address.port()),
            "127.0.0.1",
            true,
        ),
        (
            format!("127.0.0.1:{}", world.target.address.port()),
            NAME,
            false,
        ),
    ] {
        let (said, stream) = connect(world.address, &site).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        let done = tls(stream, &world.authority, name, b"http/1.1").await;
        assert_eq!(done.is_ok(), good, "{site} {name}");
        if let Err(error) = done {
            assert!(error.to_string().contains("alert"), "{error}");
        }
    }
    assert_eq!(world.requests(), 0);
}

#[tokio::test]
async fn a_request_for_another_site_than_the_tunnels_goes_nowhere() {
    let world = world().await;
    for host in ["other.example", "api.example", "api.example:1"] {
        let (_, stream) = connect(world.address, &world.site()).await;
        let mut stream = tls(stream, &world.authority, NAME, b"http/1.1")
            .await
            .unwrap();
        let ask = format!("GET /head HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said).await;
        assert!(said.starts_with("HTTP/1.1 421"), "{host}: {said}");
    }
    assert_eq!(world.requests(), 0);
    assert_eq!(
        world.names.asked.load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[tokio::test]
async fn what_is_not_tls_is_not_passed() {
    let world = world().await;
    for first in [
        "SSH-2.0-x\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\0\0\0\x08\x04\u{d2}\x16/",
    ] {
        let (said, mut stream) = connect(world.address, &world.site()).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        stream.write_all(first.as_bytes()).await.unwrap();
        let (said, ended) = until_quiet(&mut stream, Duration::from_secs(2)).await;
        assert!(said.starts_with("HTTP/1.1 403"), "{said}");
        assert!(said.contains("urn:backstop:problem:not-tls"), "{said}");
        assert!(ended);
    }
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn plain_http_in_a_tunnel_is_read_at_its_usual_port() {
    let world = Making {
        tls: false,
        ..Making::default()
    }
    .make()
    .await;
    let site = Site::parse(&world.site(), None).unwrap();
    world
        .judge
        .elsewhere
        .lock()
        .unwrap()
        .insert("plain.example".into(), site);
    let (said, mut stream) = connect(world.address, "plain.example:80").await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let ask = "GET /hello HTTP/1.1\r\nhost: plain.example\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let (said, _) = until_quiet(&mut stream, Duration::from_millis(300)).await;
    assert!(said.ends_with("hello"), "{said}");
    let ask = "GET /hello HTTP/1.1\r\nhost: other.example\r\nconnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let (said, _) = until_quiet(&mut stream, Duration::from_millis(300)).await;
    assert!(said.starts_with("HTTP/1.1 421"), "{said}");
    assert_eq!(world.requests(), 1);
}

#[tokio::test]
async fn there_is_no_tunnel_in_a_tunnel() {
    let world = world().await;
    let (_, stream) = connect(world.address, &world.site()).await;
    let mut stream = tls(stream, &world.authority, NAME, b"http/1.1")
        .await
        .unwrap();
    let site = world.site();
    let ask = format!("CONNECT {site} HTTP/1.1\r\nhost: {site}\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut said = String::new();
    // Up to a TLS end in order.
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 501"), "{said}");
    let mut client = super::client::client(&world, b"h2").await;
    let request = hyper::Request::builder()
        .method("CONNECT")
        .uri(world.site())
        .body(super::client::none())
        .unwrap();
    assert_eq!(client.send(request).await.unwrap().status(), 501);
}

#[tokio::test]
async fn a_tunnels_end_is_read_in_one_way() {
    let world = world().await;
    for site in [
        "api.example",
        "api.example:0",
        "127.1:443",
        "2130706433:443",
        "user@api.example:443",
    ] {
        let (said, _) = connect(world.address, site).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{site}: {said}");
    }
    assert!(world.judge.seen().is_empty());
}

#[tokio::test]
async fn an_opaque_target_is_not_read() {
    let judge = Told {
        opaque: true,
        ..Told::default()
    };
    let world = Making {
        judge,
        ..Making::default()
    }
    .make()
    .await;
    let said = target::say(b"pong", b"").await;
    let (answer, mut stream) = connect(world.address, &said.address.to_string()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream.write_all(b"\x01ping").await.unwrap();
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"pong");
    assert_eq!(said.read.lock().unwrap().as_slice(), b"\x01ping");
    // The target's own certificate is seen, not the gate's.
    let (_, stream) = connect(world.address, &world.site()).await;
    assert!(tls(stream, &world.authority, NAME, b"h2").await.is_err());
    let (answer, _) = connect(world.address, "127.0.0.1:1").await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
}

/// A client that does not trust the authority is not served.
#[tokio::test]
async fn the_gates_certificate_is_by_its_authority_only() {
    let world = world().await;
    let (_, stream) = connect(world.address, &world.site()).await;
    let mut other = RootCertStore::empty();
    let authority = backstop_testing::tls::Authority::new("other").unwrap();
    use rustls::pki_types::pem::PemObject as _;
    let pem = authority.certificate_pem();
    let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    other.add(der).unwrap();
    assert!(tls(stream, &other, NAME, b"h2").await.is_err());
}
