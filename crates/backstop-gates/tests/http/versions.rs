//! Many requests: at once, one after the other, and on connections that ended meanwhile.

use std::time::Duration;

use backstop_gates::http::How;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::client::{BOTH, Client, client, full, none, text};
use super::judge::Told;
use super::target::Frames;
use super::world::{Making, SPEAKS};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_at_once() {
    for alpn in SPEAKS {
        let world = Making {
            alpn,
            ..Making::default()
        }
        .make()
        .await;
        let Client::Http2(sender) = client(&world, b"h2").await else {
            panic!("not HTTP/2");
        };
        let mut asked = tokio::task::JoinSet::new();
        for n in 0..100 {
            let mut sender = sender.clone();
            let uri = format!("https://{}/echo", world.site());
            asked.spawn(async move {
                let sent = format!("{n} {}", "x".repeat(n * 100));
                let request = Request::post(uri).body(full(sent.clone())).unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(text(response).await, sent);
            });
        }
        while let Some(done) = asked.join_next().await {
            done.unwrap();
        }
        assert_eq!(world.requests(), 100);
        if alpn == SPEAKS[0] {
            assert_eq!(world.connections(), 1);
        } else {
            assert!(world.connections() <= 100);
        }
    }
}

#[tokio::test]
async fn connections_to_targets_are_kept() {
    for alpn in SPEAKS {
        let world = Making {
            alpn,
            ..Making::default()
        }
        .make()
        .await;
        for client_speaks in BOTH {
            for _ in 0..3 {
                let mut client = client(&world, client_speaks).await;
                for path in [
                    "/hello",
                    "/masked/hello",
                    "/head",
                    "/204",
                    "/304",
                    "/trailers",
                    "/hello",
                ] {
                    client
                        .get(&world, path)
                        .await
                        .into_body()
                        .collect()
                        .await
                        .unwrap();
                }
                let request = client
                    .request(&world, "HEAD", "/hello")
                    .body(none())
                    .unwrap();
                text(client.send(request).await.unwrap()).await;
            }
        }
        assert_eq!((world.connections(), world.requests()), (1, 48));
        // Whoever knows an answer's length asks for no more than that.
        let ended = world.judge.ended.lock().unwrap();
        let masked = ended.iter().filter(|(path, _)| path == "/masked/hello");
        assert!(
            masked.clone().count() == 6
                && masked.into_iter().all(|(_, end)| end.how == How::Finished)
        );
        assert_eq!(
            world.names.asked.load(std::sync::atomic::Ordering::SeqCst),
            1
        );
    }
}

/// A target that closes after each answer without saying so: the next request goes over a new connection.
#[tokio::test]
async fn a_kept_connection_that_ended_is_no_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
        }
    });
    let making = Making {
        tls: false,
        ..Making::default()
    };
    let world = making.make().await;
    for pause in [0, 0, 1, 20] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let ask = format!(
            "POST http://{address}/ HTTP/1.1\r\nhost: {address}\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx"
        );
        let said = super::client::raw(world.address, ask.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    }
}

/// A target that reads a request on a kept connection and hangs up: it is asked again only if the judge said so.
#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for (repeats, statuses, requests) in [(false, [200, 502], 2), (true, [200, 200], 3)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let read = std::sync::Arc::new(AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&read);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await;
                if let Ok(1..) = stream.read(&mut [0; 1024]).await {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let judge = Told {
            repeats,
            ..Told::default()
        };
        let world = Making {
            tls: false,
            judge,
            ..Making::default()
        }
        .make()
        .await;
        for status in statuses {
            let ask = format!(
                "GET http://{address}/ HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
            );
            let said = super::client::raw(world.address, ask.as_bytes()).await;
            assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{said}");
        }
        assert_eq!(read.load(Ordering::SeqCst), requests);
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    for alpn in SPEAKS {
        let world = Making {
            alpn,
            ..Making::default()
        }
        .make()
        .await;
        for (client_speaks, path) in BOTH
            .into_iter()
            .flat_map(|b| [(b, "/trailers"), (b, "/stream/trailers")])
        {
            let mut client = client(&world, client_speaks).await;
            let (out, frames) = mpsc::channel(2);
            out.send(Frame::data("body".into())).await.unwrap();
            let trailers = [("x-sum".parse().unwrap(), "7".parse().unwrap())];
            out.send(Frame::trailers(trailers.into_iter().collect()))
                .await
                .unwrap();
            drop(out);
            let request = client
                .request(&world, "POST", path)
                .header("te", "trailers")
                .header("trailer", "x-sum");
            let response = client
                .send(request.body(Frames(frames).boxed()).unwrap())
                .await
                .unwrap();
            assert_eq!(response.headers()["x-got"], "7", "{client_speaks:?} {path}");
            let all = response.into_body().collect().await.unwrap();
            assert_eq!(all.trailers().unwrap()["x-end"], "1");
            assert_eq!(all.to_bytes(), "body");
        }
    }
}
