//! Bounds on clients, and the end of the proxy.

use std::time::{Duration, Instant};

use backstop_gates::http::Limits;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::client::{BOTH, client, connect, full, raw, tls, until_quiet};
use super::target::Frames;
use super::world::{Making, NAME, World, world};

async fn limited(limits: Limits) -> World {
    Making {
        limits,
        ..Making::default()
    }
    .make()
    .await
}

#[tokio::test]
async fn a_slow_head_is_cut() {
    let world = limited(Limits {
        head: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let mut stream = TcpStream::connect(world.reverse).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let begun = Instant::now();
    for _ in 0..100 {
        if stream.write_all(b"x: y\r\n").await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        begun.elapsed() < Duration::from_millis(1500),
        "{:?}",
        begun.elapsed()
    );
    // Within HTTP/2, silence is cut, and what has nothing open.
    let (_, stream) = connect(world.address, &world.site()).await;
    let mut silent = tls(stream, &world.authority, NAME, b"h2").await.unwrap();
    let begun = Instant::now();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut vec![]).await;
    assert!(
        begun.elapsed() < Duration::from_secs(7),
        "{:?}",
        begun.elapsed()
    );
}

/// A stream that is open and silent is not an idle connection.
#[tokio::test]
async fn a_silent_stream_is_not_cut() {
    let world = limited(Limits {
        head: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    for alpn in BOTH {
        let mut client = client(&world, alpn).await;
        let mut body = client.get(&world, "/events").await.into_body();
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.target.counts.go.notify_one();
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!(rest, "data: two\n\n");
    }
}

#[tokio::test]
async fn a_slow_body_is_refused() {
    let world = limited(Limits {
        stalled: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    for alpn in BOTH {
        let mut client = client(&world, alpn).await;
        let (out, frames) = mpsc::channel(1);
        out.send(Frame::data("a".into())).await.unwrap();
        let request = client
            .request(&world, "POST", "/echo")
            .body(Frames(frames).boxed())
            .unwrap();
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), 408);
        drop(out);
    }
    assert_eq!(world.requests(), 0);
}

#[tokio::test]
async fn a_head_has_bounds() {
    let world = world().await;
    let long = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(70_000)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(101)
    );
    let path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(70_000));
    for ask in [long, many, path] {
        let said = raw(world.reverse, ask.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let well = format!(
        "GET /head HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(14_000)
    );
    let said = raw(world.reverse, well.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let mut client = client(&world, b"h2").await;
    let mut request = client.request(&world, "GET", "/head");
    for n in 0..110 {
        request = request.header(format!("x-{n}"), "1");
    }
    let response = client.send(request.body(full("")).unwrap()).await.unwrap();
    assert_eq!(response.status(), 431);
    assert_eq!(world.requests(), 1);
}

#[tokio::test]
async fn there_are_so_many_places() {
    let world = limited(Limits {
        connections_per_address: 2,
        ..Limits::default()
    })
    .await;
    let first = TcpStream::connect(world.reverse).await.unwrap();
    let _second = TcpStream::connect(world.reverse).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let said = raw(world.reverse, b"").await;
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let ask = "GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let said = raw(world.reverse, ask.as_bytes()).await;
    assert!(said.ends_with("hello"), "{said}");
}

#[tokio::test]
async fn what_is_kept_to_be_judged_has_a_bound() {
    let world = limited(Limits {
        kept_bytes: 100,
        ..Limits::default()
    })
    .await;
    let mut client = client(&world, b"h2").await;
    for (length, status) in [(100, 200), (101, 503), (100, 200)] {
        let body = full(vec![1; length]);
        let request = client.request(&world, "POST", "/echo").body(body).unwrap();
        assert_eq!(client.send(request).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn what_was_begun_ends_before_the_proxy_does() {
    for alpn in BOTH {
        let mut world = world().await;
        let mut client = client(&world, alpn).await;
        let mut body = client.get(&world, "/events").await.into_body();
        body.frame().await.unwrap().unwrap();
        let idle = TcpStream::connect(world.reverse).await.unwrap();
        let proxy = world.proxy.take().unwrap();
        let ending = tokio::spawn(proxy.shutdown(Duration::from_secs(10)));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!ending.is_finished());
        assert!(TcpStream::connect(world.address).await.is_err());
        world.target.counts.go.notify_one();
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!(rest, "data: two\n\n");
        let ended = tokio::time::timeout(Duration::from_secs(8), ending).await;
        ended.unwrap().unwrap();
        drop(idle);
    }
}

#[tokio::test]
async fn the_proxy_does_not_wait_for_ever() {
    let mut world = world().await;
    let mut client = client(&world, b"h2").await;
    let mut body = client.get(&world, "/events").await.into_body();
    body.frame().await.unwrap().unwrap();
    let begun = Instant::now();
    world
        .proxy
        .take()
        .unwrap()
        .shutdown(Duration::from_millis(100))
        .await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    let cut = tokio::time::timeout(Duration::from_secs(2), body.collect()).await;
    assert!(cut.unwrap().is_err());
}

/// Whoever takes nothing of what was asked for is given up.
#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let limits = Limits {
        stalled: Duration::from_millis(300),
        ..Limits::default()
    };
    let world = limited(limits).await;
    let mut stream = TcpStream::connect(world.reverse).await.unwrap();
    stream
        .write_all(b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let end = world.judge.end_of("/big").await;
    assert!(end.bytes < 32 * 1024 * 1024);
    let (_, ended) = until_quiet(&mut stream, Duration::from_secs(2)).await;
    assert!(ended);
}
