//! A server of WebSockets that answers by the end of the URL, and writes down every byte that came after a handshake.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use backstop_wire::websocket::{Item, Kind, Messages, accept, close, frame};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::scene::REAL;

/// With TLS or without.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The server; it ends with the test.
pub struct Server {
    pub port: u16,
    noted: Arc<Noted>,
}

#[derive(Default)]
struct Noted {
    heads: Mutex<Vec<String>>,
    /// By connection, in the order of their handshakes.
    bytes: Mutex<Vec<Vec<u8>>>,
    connections: AtomicUsize,
}

impl Server {
    pub async fn start() -> Result<Self> {
        Self::speaking(None).await
    }

    /// With TLS by these names, and the authority that vouches for it.
    pub async fn with_tls(names: &[&str]) -> Result<(Self, String)> {
        let (acceptor, authority_pem) = crate::calls::server::tls(names, b"http/1.1")?;
        Ok((Self::speaking(Some(acceptor)).await?, authority_pem))
    }

    async fn speaking(tls: Option<TlsAcceptor>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let noted = Arc::<Noted>::default();
        let shared = Arc::clone(&noted);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let noted = Arc::clone(&shared);
                noted.connections.fetch_add(1, Ordering::SeqCst);
                let tls = tls.clone();
                // Who hangs up is a test's own business.
                tokio::spawn(async move {
                    let _ = match tls {
                        None => serve(&mut stream, &noted).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(mut stream) => serve(&mut stream, &noted).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Ok(Self { port, noted })
    }

    /// The last head that came.
    pub fn head(&self) -> String {
        self.noted
            .heads
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap_or_default()
    }

    /// What came after the last handshake.
    pub fn bytes(&self) -> Vec<u8> {
        let all = self.noted.bytes.lock().unwrap();
        all.last().cloned().unwrap_or_default()
    }

    /// The same as messages and control frames; none of them came in part.
    pub fn items(&self) -> Vec<Item> {
        let bytes = self.bytes();
        let (mut messages, mut input, mut all) = (Messages::new(1 << 24), &bytes[..], vec![]);
        while let Ok(Some(item)) = messages.next(&mut input) {
            all.push(item);
        }
        assert_eq!(messages.held(), 0, "a part of a message came");
        all
    }

    /// The messages among that.
    pub fn messages(&self) -> Vec<String> {
        let text = |item: &Item| match item {
            Item::Message(message) => Some(String::from_utf8_lossy(&message.payload).into_owned()),
            Item::Control(_) => None,
        };
        self.items().iter().filter_map(text).collect()
    }

    pub fn connections(&self) -> usize {
        self.noted.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: &mut impl Stream, noted: &Noted) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    noted.heads.lock().unwrap().push(head.clone());
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let how = path.rsplit(['/', '?']).next().unwrap_or_default();
    let number = {
        let mut bytes = noted.bytes.lock().unwrap();
        bytes.push(vec![]);
        bytes.len() - 1
    };
    let answer = answer(how, &head);
    stream.write_all(answer.as_bytes()).await?;
    match how {
        "secret" => stream.write_all(&secret()).await?,
        "near" => {
            // It ends as the credential begins.
            let text = format!("see {}", &REAL[..6]);
            stream
                .write_all(&frame(Kind::Text, text.as_bytes(), None))
                .await?;
        }
        "masked" => {
            stream
                .write_all(&frame(Kind::Text, b"x", Some([1, 2, 3, 4])))
                .await?
        }
        "unasked" => stream.write_all(b"rude").await?,
        _ => {}
    }
    let graphql = head
        .to_ascii_lowercase()
        .contains("sec-websocket-protocol: graphql");
    talk(stream, noted, number, graphql).await
}

fn answer(how: &str, head: &str) -> String {
    if how == "events" {
        return "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: one\n\n"
            .to_owned();
    }
    if how == "who" {
        return "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".to_owned();
    }
    let told = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let line = lines.find(|(n, _)| n.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value)
    };
    let proof = match how {
        "wrong" => accept("AAAAAAAAAAAAAAAAAAAAAA=="),
        "things" => return "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        _ => accept(told("sec-websocket-key").unwrap_or_default()),
    };
    let mut lines = vec![format!("sec-websocket-accept: {proof}")];
    let offered = told("sec-websocket-protocol");
    match (how, offered) {
        ("chooses", _) => lines.push("sec-websocket-protocol: other".to_owned()),
        ("silent", _) => {}
        (_, Some(offered)) => {
            let first = offered.split(',').next().unwrap_or_default();
            lines.push(format!("sec-websocket-protocol: {first}"));
        }
        _ => {}
    }
    if how == "extends" {
        lines.push("sec-websocket-extensions: permessage-deflate".to_owned());
    }
    let protocol = if how == "becomes" {
        "other"
    } else {
        "websocket"
    };
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n{}\r\n\r\n",
        lines.join("\r\n")
    )
}

/// The credential: in a text, in pieces with a ping between them, and in the ping.
fn secret() -> Vec<u8> {
    let (first, rest) = REAL.split_at(9);
    let piece = |first_byte: u8, text: &str| {
        let mut bytes = frame(Kind::Text, text.as_bytes(), None);
        bytes[0] = first_byte;
        bytes
    };
    [
        frame(Kind::Text, format!("it is {REAL}, yes").as_bytes(), None),
        piece(0x01, &format!("it is {first}")),
        frame(Kind::Ping, REAL.as_bytes(), None),
        piece(0x80, &format!("{rest}!")),
    ]
    .concat()
}

/// Sends every message back; of GraphQL's, what a server says to them.
async fn talk(
    stream: &mut impl Stream,
    noted: &Noted,
    number: usize,
    graphql: bool,
) -> std::io::Result<()> {
    let mut messages = Messages::new(1 << 24);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        noted.bytes.lock().unwrap()[number].extend_from_slice(&piece[..read]);
        let mut input = &piece[..read];
        while let Ok(Some(item)) = messages.next(&mut input) {
            let said = match item {
                Item::Message(message) if graphql => told(&message.payload),
                Item::Message(message) if message.is_text => {
                    frame(Kind::Text, &message.payload, None)
                }
                Item::Message(message) => frame(Kind::Binary, &message.payload, None),
                Item::Control(control) if control.kind == Kind::Close => {
                    stream
                        .write_all(&frame(Kind::Close, &control.payload, None))
                        .await?;
                    return stream.shutdown().await;
                }
                Item::Control(control) => frame(Kind::Pong, &control.payload, None),
            };
            stream.write_all(&said).await?;
        }
    }
}

fn told(message: &[u8]) -> Vec<u8> {
    let asked: Value = serde_json::from_slice(message).unwrap_or_default();
    if asked["payload"]["close"] == 4403 {
        return close(4403, "Forbidden", None);
    }
    let said = match asked["type"].as_str() {
        Some("connection_init") => json!({ "type": "connection_ack" }),
        Some("ping") => json!({ "type": "pong" }),
        _ => {
            json!({ "type": "next", "id": asked["id"], "payload": { "data": { "line": "a line" } } })
        }
    };
    frame(Kind::Text, said.to_string().as_bytes(), None)
}
