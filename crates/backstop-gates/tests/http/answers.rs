//! What passes unchanged: methods, statuses, heads; and what must not.

use hyper::StatusCode;

use super::client::{BOTH, client, json, none, raw, text};
use super::world::{Making, SPEAKS, world};

#[tokio::test]
async fn a_head_passes_without_what_is_for_one_connection() {
    for alpn in SPEAKS {
        let target_speaks = alpn[0];
        let world = Making {
            alpn,
            ..Making::default()
        }
        .make()
        .await;
        for alpn in BOTH {
            let mut client = client(&world, alpn).await;
            let mut request = client
                .request(&world, "DELETE", "/a/../%2e/head?q=%20+&q")
                .header("authorization", "Bearer placeholder")
                .header("x-twice", "1")
                .header("x-twice", "2")
                .header("proxy-authorization", "Basic eDp5");
            if alpn == b"http/1.1" {
                request = request
                    .header("connection", "x-hop")
                    .header("x-hop", "1")
                    .header("keep-alive", "timeout=5");
            }
            let response = client.send(request.body(none()).unwrap()).await.unwrap();
            let said = text(response).await;
            let site = world.site();
            let first = if target_speaks == b"h2" {
                format!("DELETE https://{site}/a/../%2e/head?q=%20+&q HTTP/2.0")
            } else {
                "DELETE /a/../%2e/head?q=%20+&q HTTP/1.1".to_owned()
            };
            let mut lines: Vec<&str> = said.lines().collect();
            assert_eq!(lines.remove(0), first);
            let host = format!("host: {site}");
            let mut expected = vec![
                "authorization: Bearer placeholder",
                "x-twice: 1",
                "x-twice: 2",
            ];
            if target_speaks == b"http/1.1" {
                expected.insert(1, &host);
            }
            lines.sort_unstable();
            assert_eq!(
                lines, expected,
                "neither Via nor Forwarded, nor anything of a hop"
            );
        }
    }
}

#[tokio::test]
async fn a_response_passes_without_what_is_for_one_connection() {
    let world = world().await;
    for alpn in BOTH {
        let response = client(&world, alpn).await.get(&world, "/hops").await;
        let mut names: Vec<&str> = response.headers().keys().map(|n| n.as_str()).collect();
        names.sort_unstable();
        // Over HTTP/2 a target cannot name headers of its hop.
        assert_eq!(names, ["content-length", "date", "x-kept", "x-mine"]);
    }
    let world = Making {
        alpn: &[b"http/1.1"],
        ..Making::default()
    }
    .make()
    .await;
    for alpn in BOTH {
        let response = client(&world, alpn).await.get(&world, "/hops").await;
        assert!(!response.headers().contains_key("x-mine"));
        assert!(!response.headers().contains_key("proxy-authenticate"));
        assert!(response.headers().contains_key("x-kept"));
    }
}

#[tokio::test]
async fn responses_without_bodies_stay_without() {
    let world = world().await;
    for alpn in BOTH {
        let mut client = client(&world, alpn).await;
        let request = client
            .request(&world, "HEAD", "/hello")
            .body(none())
            .unwrap();
        let response = client.send(request).await.unwrap();
        assert_eq!(response.headers()["content-length"], "5");
        assert_eq!(text(response).await, "");
        let response = client.get(&world, "/204").await;
        assert_eq!(response.status(), 204);
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(text(response).await, "");
        let response = client.get(&world, "/304").await;
        assert_eq!(response.status(), 304);
        assert_eq!(response.headers()["etag"], "\"x\"");
        assert_eq!(text(response).await, "");
        // The connection is still good.
        assert_eq!(client.text(&world, "/hello").await, "hello");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let world = world().await;
    let response = client(&world, b"h2").await.get(&world, "/302").await;
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()["location"], "https://elsewhere.example/");
    assert_eq!(world.requests(), 1);
}

#[tokio::test]
async fn early_hints_do_not_disturb() {
    let world = Making {
        tls: false,
        ..Making::default()
    }
    .make()
    .await;
    let said = super::target::say(
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
          HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"",
    )
    .await;
    let ask = format!(
        "GET http://{0}/ HTTP/1.1\r\nhost: {0}\r\n\r\n",
        said.address
    );
    let answer = raw(world.address, ask.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn the_gates_own_answers_are_problems() {
    let world = world().await;
    for alpn in BOTH {
        let mut client = client(&world, alpn).await;
        for path in ["/denied", "/denied-early"] {
            let response = client.get(&world, path).await;
            assert_eq!(response.status(), 403);
            assert_eq!(response.headers()["backstop-verdict"], "deny");
            let problem = json(response).await;
            assert_eq!(problem["type"], "urn:backstop:problem:denied");
            assert_eq!(problem["rule"], "test-rule");
            let request = client.request(&world, "HEAD", path).body(none()).unwrap();
            let response = client.send(request).await.unwrap();
            assert_eq!(response.status(), 403);
            assert_ne!(response.headers()["content-length"], "0");
            assert_eq!(text(response).await, "");
        }
    }
    assert_eq!(world.requests(), 0);
    assert_eq!(world.connections(), 0);
}

/// The target is asked by the name that the target has, whatever the client calls the gate.
#[tokio::test]
async fn the_reverse_mode_is_the_target() {
    let world = world().await;
    let ask = "GET /head?x HTTP/1.1\r\nhost: localhost:1\r\nconnection: close\r\n\r\n";
    let said = raw(world.reverse, ask.as_bytes()).await;
    let line = format!("GET https://{}/head?x HTTP/2.0", world.site());
    assert!(said.contains(&line), "{said}");
    assert!(!said.contains("localhost"), "{said}");
    let ask = "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n";
    let said = raw(world.reverse, ask.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 501"), "{said}");
}
