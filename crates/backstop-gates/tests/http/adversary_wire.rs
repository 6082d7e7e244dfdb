//! Requests that could be read in two ways, as bytes on the wire: refused, or passed on in one way only.

use super::client::raw;
use super::target::say;
use super::world::Making;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// What became of a request.
#[derive(Debug, PartialEq)]
enum Became {
    /// Answered with this status; nothing reached the target.
    Refused(u16),
    /// The target got exactly this body, in one framing, and nothing more.
    Passed(&'static str),
}

#[tokio::test]
async fn nothing_is_smuggled() {
    use Became::{Passed, Refused};
    // Each after `POST http://…/ HTTP/1.1` and `host`.
    for (rest, became) in [
        // The coding wins, the connection ends, and what follows is not a request.
        (
            "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET http://x/ HTTP/1.1\r\nhost: x\r\n\r\n",
            Passed(""),
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 60\r\n\r\n0\r\n\r\nGET http://x/ HTTP/1.1\r\nhost: x\r\n\r\n",
            Passed(""),
        ),
        (
            "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Passed("abc"),
        ),
        (
            "content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
            Passed("abc"),
        ),
        (
            "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
            Refused(400),
        ),
        ("content-length: 3, 3\r\n\r\nabc", Refused(400)),
        ("content-length: +3\r\n\r\nabc", Refused(400)),
        ("content-length: 0x3\r\n\r\nabc", Refused(400)),
        ("content-length: -1\r\n\r\nabc", Refused(400)),
        (
            "content-length: 99999999999999999999\r\n\r\nabc",
            Refused(400),
        ),
        ("content-length : 3\r\n\r\nabc", Refused(400)),
        (
            "transfer-encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "transfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Refused(501),
        ),
        (
            "transfer-encoding: chunked, identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "transfer-encoding:\x0bchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "transfer-encoding\r\n : chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "x-folded: a\r\n b\r\ncontent-length: 3\r\n\r\nabc",
            Refused(400),
        ),
        ("x-null: a\0b\r\ncontent-length: 3\r\n\r\nabc", Refused(400)),
        ("x-cr: a\rb\r\ncontent-length: 3\r\n\r\nabc", Refused(400)),
        ("x y: z\r\ncontent-length: 3\r\n\r\nabc", Refused(400)),
        (": z\r\ncontent-length: 3\r\n\r\nabc", Refused(400)),
        (
            "transfer-encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "transfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "transfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
            Refused(400),
        ),
        (
            "transfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
            Passed("abc"),
        ),
        ("host: other\r\ncontent-length: 3\r\n\r\nabc", Refused(400)),
        // A line may end in LF alone (RFC 9112, section 2.2); what is sent on does not.
        ("x-lf: 1\ncontent-length: 3\n\nabc", Passed("abc")),
    ] {
        let said = say(OK, b"").await;
        let world = Making {
            tls: false,
            ..Making::default()
        }
        .make()
        .await;
        let address = said.address;
        let ask = format!("POST http://{address}/ HTTP/1.1\r\nhost: {address}\r\n{rest}");
        let answer = raw(world.address, ask.as_bytes()).await;
        let read = String::from_utf8(said.read.lock().unwrap().clone()).unwrap();
        let status: u16 = answer.get(9..12).unwrap_or("0").parse().unwrap();
        let found = if read.is_empty() {
            assert!(status >= 400, "{rest:?}: {answer}");
            Refused(status)
        } else {
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{rest:?}: {answer}");
            Passed(body(&read, rest))
        };
        assert_eq!(found, became, "{rest:?}: {answer}\n{read}");
    }
}

/// The one request's body.
fn body(read: &str, rest: &str) -> &'static str {
    let (head, body) = read.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert_eq!(head.matches("http/1.1").count(), 1, "{read}");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{read}");
    let lengths = head.matches("content-length:").count();
    let codings = head.matches("transfer-encoding:").count();
    assert!(lengths + codings <= 1, "{rest:?}: {read}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    assert_eq!(codings, 0, "{read}");
    assert_eq!(body.len(), length, "{read}");
    if body.is_empty() { "" } else { "abc" }
}

/// Pseudo-headers, hosts and paths with something else in them do not become another request.
#[tokio::test]
async fn nothing_is_injected() {
    let said = say(OK, b"").await;
    let world = Making {
        tls: false,
        ..Making::default()
    }
    .make()
    .await;
    let address = said.address;
    for (line, status) in [
        (format!("GET http://{address}/\x7f HTTP/1.1"), 400),
        (format!("GET http://{address}/ x HTTP/1.1"), 400),
        (format!("GET  http://{address}/ HTTP/1.1"), 400),
        (format!("GET\thttp://{address}/ HTTP/1.1"), 400),
        (format!("G(T http://{address}/ HTTP/1.1"), 400),
        (format!("GET http://{address}/ HTTP/1.2"), 400),
        (format!("GET http://{address}/"), 400),
        (format!("GET {address} HTTP/1.1"), 400),
        ("GET /x HTTP/1.1".into(), 400),
        ("PRI * HTTP/2.0".into(), 400),
    ] {
        let ask = format!("{line}\r\nhost: {address}\r\n\r\n");
        let answer = raw(world.address, ask.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{line}: {answer}"
        );
    }
    assert!(said.read.lock().unwrap().is_empty());
}
