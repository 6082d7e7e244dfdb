//! What the judge hears and has done: filters, whole responses, ends.

use std::time::Duration;

use backstop_gates::http::How;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::client::{BOTH, client, full, json, none, raw, text, until_quiet};
use super::judge::Told;
use super::target::Frames;
use super::world::{Making, SPEAKS, world};

#[tokio::test]
async fn a_case_ends_once_with_what_happened() {
    let world = world().await;
    let mut client = client(&world, b"h2").await;
    assert_eq!(client.text(&world, "/hello").await, "hello");
    let end = world.judge.end_of("/hello").await;
    assert_eq!((end.sent, end.bytes, end.how), (true, 5, How::Finished));
    assert_eq!(end.status.unwrap(), 200);
    client.get(&world, "/denied").await;
    let end = world.judge.end_of("/denied").await;
    assert_eq!((end.sent, end.how), (false, How::Finished));
    assert_eq!(end.status.unwrap(), 403);
}

#[tokio::test]
async fn whoever_hangs_up_while_held_is_noticed() {
    let world = world().await;
    for (alpn, n) in BOTH.into_iter().zip(1..) {
        let mut client = client(&world, alpn).await;
        let request = client
            .request(&world, "POST", "/held-for-ever")
            .body(full("x"))
            .unwrap();
        let asking = client.send(request);
        assert!(
            tokio::time::timeout(Duration::from_millis(200), asking)
                .await
                .is_err()
        );
        drop(client);
        let mut ended = vec![];
        for _ in 0..200 {
            ended.clone_from(&world.judge.ended.lock().unwrap());
            if ended.len() == n {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(ended.len(), n);
        let (_, end) = ended.pop().unwrap();
        assert_eq!(
            (end.sent, end.status, end.how),
            (false, None, How::ClientGone)
        );
    }
    assert_eq!(world.requests(), 0);
}

#[tokio::test]
async fn whoever_hangs_up_midway_is_noticed() {
    let world = world().await;
    for (alpn, path) in BOTH.into_iter().zip(["/1/events", "/2/events"]) {
        let mut client = client(&world, alpn).await;
        let mut body = client.get(&world, path).await.into_body();
        body.frame().await.unwrap().unwrap();
        drop((body, client));
        let end = world.judge.end_of(path).await;
        assert_eq!((end.sent, end.how), (true, How::ClientGone));
    }
}

#[tokio::test]
async fn a_filter_stops_what_is_split_over_frames() {
    for target_speaks in SPEAKS {
        let world = Making {
            alpn: target_speaks,
            ..Making::default()
        }
        .make()
        .await;
        for (alpn, path) in BOTH.into_iter().zip(["/stopped/1/take", "/stopped/2/take"]) {
            let mut client = client(&world, alpn).await;
            let (out, frames) = mpsc::channel(4);
            for piece in ["{\"a\": \"the-r", "eal-", "secret", "\"}"] {
                out.send(Frame::data(piece.into())).await.unwrap();
            }
            drop(out);
            let request = client
                .request(&world, "POST", path)
                .body(Frames(frames).boxed())
                .unwrap();
            let response = client.send(request).await.unwrap();
            assert_eq!(response.status(), 400);
            assert_eq!(json(response).await["type"], "urn:backstop:problem:body");
            let end = world.judge.end_of(path).await;
            assert!(matches!(end.how, How::Failed(why) if why.contains("a credential")));
        }
        let taken = &world.target.counts.bytes;
        // Of each, what came before the secret and no more.
        assert!(taken.load(std::sync::atomic::Ordering::SeqCst) <= 14);
    }
}

#[tokio::test]
async fn a_filter_masks_what_is_split_over_frames() {
    let world = world().await;
    for alpn in BOTH {
        let response = client(&world, alpn)
            .await
            .get(&world, "/masked/secret")
            .await;
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(text(response).await, "it is ***************, or the-real");
        let response = client(&world, alpn).await.get(&world, "/masked/204").await;
        assert_eq!(response.status(), 204);
    }
}

#[tokio::test]
async fn a_response_can_be_read_whole_and_replaced() {
    let world = world().await;
    for alpn in BOTH {
        let mut client = client(&world, alpn).await;
        assert_eq!(client.text(&world, "/whole/hello").await, "hello");
        assert_eq!(world.judge.seen().pop().unwrap(), "whole Some(5)");
        assert_eq!(client.text(&world, "/sealed/hello").await, "sealed");
        let long = client.get(&world, "/whole/medium").await;
        assert_eq!(world.judge.seen().pop().unwrap(), "whole None");
        let long = long.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(long.len(), 1024 * 1024);
        let request = client
            .request(&world, "HEAD", "/whole/hello")
            .body(none())
            .unwrap();
        let response = client.send(request).await.unwrap();
        assert_eq!(response.headers()["content-length"], "5");
        let request = client
            .request(&world, "POST", "/replaced")
            .body(full("long one, this"))
            .unwrap();
        client.send(request).await.unwrap();
    }
}

/// The client is asked to send its body only once somebody wants it.
#[tokio::test]
async fn a_client_that_waits_for_100_is_told_after_judging() {
    let world = world().await;
    let ask = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
        )
    };
    let said = raw(world.reverse, ask("/denied-early").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    // Nothing of the body is needed to judge a stream.
    let large = ask("/denied").replace("length: 5", "length: 5000000");
    let said = raw(world.reverse, large.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    for path in ["/echo", "/stream/echo"] {
        let mut stream = tokio::net::TcpStream::connect(world.reverse).await.unwrap();
        stream.write_all(ask(path).as_bytes()).await.unwrap();
        let (said, _) = until_quiet(&mut stream, Duration::from_millis(300)).await;
        assert_eq!(said, "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"hello").await.unwrap();
        let (said, _) = until_quiet(&mut stream, Duration::from_millis(300)).await;
        assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
        assert!(said.ends_with("\r\n\r\nhello"), "{said}");
    }
}

#[tokio::test]
async fn whoever_presents_no_lease_is_challenged() {
    let judge = Told {
        presents: true,
        ..Told::default()
    };
    let world = Making {
        judge,
        tls: false,
        ..Making::default()
    }
    .make()
    .await;
    let (said, _) = super::client::connect(world.address, &world.site()).await;
    assert!(said.starts_with("HTTP/1.1 407"), "{said}");
    assert!(said.contains("proxy-authenticate: Basic realm"), "{said}");
    let site = world.site();
    for (presented, status) in [
        ("", 407),
        ("Basic bGVhc2U6b3RoZXI=", 407),
        ("Basic bGVhc2U6c2VjcmV0", 200),
    ] {
        let ask = format!(
            "GET http://{site}/head HTTP/1.1\r\nhost: {site}\r\nproxy-authorization: {presented}\r\nconnection: close\r\n\r\n"
        );
        let said = raw(world.address, ask.as_bytes()).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{said}");
        assert!(
            !said.to_lowercase().contains("proxy-authorization"),
            "{said}"
        );
    }
}
