//! A client that sends what it is told to, also what no browser would, and a person with a software
//! authenticator.

use std::collections::HashMap;

use backstop_testing::authenticator::Authenticator;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::site::Site;

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.body))
    }
}

/// A browser's memory: one cookie jar and the origin it talks to.
pub struct Client {
    pub port: u16,
    pub origin: String,
    pub cookie: Option<String>,
    pub csrf: String,
}

impl Client {
    pub fn of(site: &Site) -> Self {
        Self {
            port: site.port,
            origin: site.origin.clone(),
            cookie: None,
            csrf: String::new(),
        }
    }

    /// One request on a connection of its own; `headers` replace those of a browser.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        self.send_over(stream, method, path, headers, body).await
    }

    pub async fn send_over<S>(
        &mut self,
        stream: S,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut all: HashMap<String, String> = HashMap::from([
            (
                "host".to_owned(),
                self.origin.split_once("://").unwrap().1.to_owned(),
            ),
            ("origin".to_owned(), self.origin.clone()),
        ]);
        all.extend(
            self.cookie
                .iter()
                .map(|cookie| ("cookie".to_owned(), cookie.clone())),
        );
        all.extend(
            headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in all.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(bytes::Bytes::from(body.to_owned())))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        if let Some(cookie) = parts.headers.get("set-cookie") {
            self.cookie = cookie
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .map(str::to_owned);
        }
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Opens a page and remembers its token.
    pub async fn get(&mut self, path: &str) -> Answer {
        let answer = self.send("GET", path, &[("origin", "")], "").await;
        for marker in ["data-csrf=\"", "name=\"csrf\" value=\""] {
            if let Some((_, rest)) = answer.body.split_once(marker) {
                self.csrf = rest.split('"').next().unwrap().to_owned();
            }
        }
        answer
    }

    pub async fn form(&mut self, path: &str, fields: &str) -> Answer {
        let body = format!("csrf={}&{fields}", self.csrf);
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &kind, &body).await
    }

    pub async fn json(&mut self, path: &str, body: &Value) -> Answer {
        let csrf = self.csrf.clone();
        let headers = [
            ("content-type", "application/json"),
            ("x-csrf-token", csrf.as_str()),
        ];
        self.send("POST", path, &headers, &body.to_string()).await
    }
}

/// Somebody with an authenticator of their own.
pub struct Somebody {
    pub client: Client,
    pub authenticator: Authenticator,
}

impl Somebody {
    pub fn at(site: &Site) -> Self {
        Self {
            client: Client::of(site),
            authenticator: Authenticator::new(),
        }
    }

    /// Enrols under an invitation, and says where the console sends them next.
    pub async fn enrol(&mut self, token: &str, name: &str) -> String {
        let path = format!("/enrol/{token}");
        assert_eq!(self.client.get(&path).await.status, StatusCode::OK);
        let asked = self
            .client
            .json(&format!("{path}/challenge"), &json!({ "name": name }))
            .await
            .json();
        let origin = self.client.origin.clone();
        let credential = self.authenticator.create_json(&origin, &asked).unwrap();
        let done = json!({ "nonce": asked["nonce"], "name": name, "label": "software", "credential": credential });
        let done = self.client.json(&path, &done).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.body);
        done.json()["next"].as_str().unwrap().to_owned()
    }

    pub async fn sign_in(&mut self) -> Answer {
        self.client.get("/sign-in").await;
        let asked = self
            .client
            .json("/sign-in/challenge", &json!({}))
            .await
            .json();
        let origin = self.client.origin.clone();
        let credential = self.authenticator.get_json(&origin, &asked).unwrap();
        let body = json!({ "nonce": asked["nonce"], "credential": credential });
        let answer = self.client.json("/sign-in", &body).await;
        self.client.get("/holds").await;
        answer
    }

    /// What is to be signed for a decision.
    pub async fn ask(&mut self, hold: &str, answer: &str, reason: &str) -> Value {
        let body = json!({ "answer": answer, "reason": reason });
        let asked = self
            .client
            .json(&format!("/holds/{hold}/challenge"), &body)
            .await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        asked.json()
    }

    pub async fn give(&mut self, hold: &str, asked: &Value, reason: &str) -> Answer {
        let origin = self.client.origin.clone();
        let credential = self.authenticator.get_json(&origin, asked).unwrap();
        let body = json!({ "nonce": asked["nonce"], "reason": reason, "credential": credential });
        self.client
            .json(&format!("/holds/{hold}/decide"), &body)
            .await
    }

    pub async fn decide(&mut self, hold: &str, answer: &str, reason: &str) -> Answer {
        let asked = self.ask(hold, answer, reason).await;
        self.give(hold, &asked, reason).await
    }
}

/// The first person, enrolled and signed in.
pub async fn first(site: &Site) -> Somebody {
    let mut ada = Somebody::at(site);
    let token = site.store.invite_first().unwrap();
    let next = ada.enrol(&token, "Ada").await;
    assert!(next.starts_with("/enrol/"), "{next}");
    assert_eq!(ada.sign_in().await.status, StatusCode::OK);
    ada
}
