//! What streams: events come at once, and nothing is kept beyond what must be judged.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::client::{BOTH, client, full, text};
use super::target::Frames;
use super::world::{Making, SPEAKS, world};

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn an_event_arrives_before_the_response_ends() {
    for alpn in SPEAKS {
        let world = Making {
            alpn,
            ..Making::default()
        }
        .make()
        .await;
        for (client_speaks, path) in BOTH
            .into_iter()
            .flat_map(|b| [(b, "/events"), (b, "/masked/events")])
        {
            let mut client = client(&world, client_speaks).await;
            let mut body = client.get(&world, path).await.into_body();
            let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(first, "data: one\n\n");
            world.target.counts.go.notify_one();
            let rest = body.collect().await.unwrap().to_bytes();
            assert_eq!(rest, "data: two\n\n");
        }
    }
}

#[tokio::test]
async fn a_download_waits_for_who_takes_it() {
    for alpn in SPEAKS {
        let world = Making {
            alpn,
            ..Making::default()
        }
        .make()
        .await;
        for client_speaks in BOTH {
            let bytes = &world.target.counts.bytes;
            bytes.store(0, Ordering::SeqCst);
            let mut client = client(&world, client_speaks).await;
            let response = client.get(&world, "/big").await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            // What the sockets and windows on the way hold.
            let early = bytes.load(Ordering::SeqCst);
            assert!(early < 20 * MIB, "{early}");
            let mut body = response.into_body();
            let mut taken = 0;
            while let Some(frame) = body.frame().await {
                taken += frame.unwrap().into_data().unwrap().len() as u64;
            }
            assert_eq!(taken, 32 * MIB);
        }
    }
}

#[tokio::test]
async fn an_upload_waits_for_who_takes_it() {
    for path in ["/wait-take", "/stream/wait-take"] {
        for client_speaks in BOTH {
            let world = world().await;
            let mut client = client(&world, client_speaks).await;
            let (out, frames) = mpsc::channel(1);
            let request = client
                .request(&world, "POST", path)
                .body(Frames(frames).boxed())
                .unwrap();
            let sent = tokio::spawn(async move { text(client.send(request).await.unwrap()).await });
            let mut pieces = 0;
            let piece = bytes::Bytes::from(vec![1; 64 * 1024]);
            let all = async {
                while pieces < 512 {
                    let piece = Frame::data(piece.clone());
                    out.send(piece).await.unwrap();
                    pieces += 1;
                }
            };
            assert!(
                tokio::time::timeout(Duration::from_millis(300), all)
                    .await
                    .is_err()
            );
            assert!(pieces < 320, "{pieces}");
            world.target.counts.go.notify_one();
            while pieces < 512 {
                let piece = Frame::data(piece.clone());
                out.send(piece).await.unwrap();
                pieces += 1;
            }
            drop(out);
            assert_eq!(sent.await.unwrap(), (32 * MIB).to_string());
            let seen = world.judge.seen().pop().unwrap();
            assert!(seen.ends_with("Streamed(None)"), "{seen}");
        }
    }
}

/// Exactly the limit is judged whole; one byte more streams.
#[tokio::test]
async fn bodies_up_to_the_limit_are_judged_whole() {
    let world = world().await;
    for client_speaks in BOTH {
        let mut client = client(&world, client_speaks).await;
        for (length, known, seen) in [
            (0, true, "Absent".to_owned()),
            (1, true, "Whole(1 bytes)".to_owned()),
            (MIB, true, format!("Whole({MIB} bytes)")),
            (MIB, false, format!("Whole({MIB} bytes)")),
            (MIB + 1, true, format!("Streamed(Some({}))", MIB + 1)),
            (MIB + 1, false, "Streamed(None)".to_owned()),
        ] {
            let bytes = vec![3; length as usize];
            let body = if known {
                full(bytes)
            } else {
                let (out, frames) = mpsc::channel(128);
                for piece in bytes.chunks(16 * 1024) {
                    out.send(Frame::data(piece.to_vec().into())).await.unwrap();
                }
                Frames(frames).boxed()
            };
            let request = client.request(&world, "PUT", "/take").body(body).unwrap();
            let response = client.send(request).await.unwrap();
            assert_eq!(text(response).await, length.to_string());
            let line = world.judge.seen().pop().unwrap();
            assert!(line.ends_with(&seen), "{line}");
        }
    }
}

/// GET with a body of unknown length is rare, but is one request and not two.
#[tokio::test]
async fn a_get_may_have_a_body() {
    let world = Making {
        alpn: &[b"http/1.1"],
        ..Making::default()
    }
    .make()
    .await;
    for path in ["/echo", "/stream/echo"] {
        let mut client = client(&world, b"h2").await;
        let (out, frames) = mpsc::channel(1);
        out.send(Frame::data("query".into())).await.unwrap();
        drop(out);
        let request = client
            .request(&world, "GET", path)
            .body(Frames(frames).boxed())
            .unwrap();
        assert_eq!(text(client.send(request).await.unwrap()).await, "query");
    }
}
