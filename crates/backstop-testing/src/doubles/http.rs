//! A web server that records what it is sent and answers as told.
//!
//! It must not be lenient: a request it cannot read is not recorded.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Result;

use super::recorder::{Listener, Records};

/// More than any notification carries.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl RecordedRequest {
    /// The first header of a name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, invalid bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The server; dropping it stops it.
#[derive(Debug)]
pub struct HttpDouble {
    records: Arc<Records<RecordedRequest>>,
    status: Arc<AtomicU16>,
    listener: Listener,
}

impl HttpDouble {
    /// Starts one on a free port of 127.0.0.1; it answers 200.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        let records = Records::new();
        let status = Arc::new(AtomicU16::new(200));
        let (into, answer) = (Arc::clone(&records), Arc::clone(&status));
        let listener = Listener::start(move |stream| serve(stream, &into, &answer))?;
        Ok(Self {
            records,
            status,
            listener,
        })
    }

    /// The status that it answers with from now on.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    /// What came in so far.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.records.all()
    }

    /// What came in, as soon as there are `count` requests.
    ///
    /// # Errors
    /// When there are fewer after `patience`.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Result<Vec<RecordedRequest>> {
        self.records.wait_for(count, patience)
    }
}

fn serve(
    mut stream: BufReader<TcpStream>,
    records: &Records<RecordedRequest>,
    status: &AtomicU16,
) -> std::io::Result<()> {
    while let Some(request) = read_request(&mut stream)? {
        records.push(request);
        let status = status.load(Ordering::SeqCst);
        write!(
            stream.get_mut(),
            "HTTP/1.1 {status} Told\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok"
        )?;
    }
    Ok(())
}

/// `None` at the end of the connection.
pub(super) fn read_request(stream: &mut impl BufRead) -> std::io::Result<Option<RecordedRequest>> {
    let Some(first) = read_line(stream)? else {
        return Ok(None);
    };
    let mut words = first.split(' ');
    let (Some(method), Some(path), Some("HTTP/1.1" | "HTTP/1.0")) =
        (words.next(), words.next(), words.next())
    else {
        return Err(malformed("no request line"));
    };
    let headers = read_headers(stream)?;
    let length = match headers.iter().find(|(name, _)| name == "content-length") {
        Some((_, value)) => value
            .parse()
            .map_err(|_| malformed("content-length is no number"))?,
        None => 0,
    };
    if length > LARGEST_BODY || headers.iter().any(|(name, _)| name == "transfer-encoding") {
        return Err(malformed("only bodies of a stated, small length are read"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(RecordedRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        headers,
        body,
    }))
}

fn read_headers(stream: &mut impl BufRead) -> std::io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while let Some(line) = read_line(stream)? {
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| malformed("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Err(malformed("the headers broke off"))
}

/// A line without its end; `None` at the end of the connection.
pub(super) fn read_line(stream: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    if stream.take(64 * 1024).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn malformed(why: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why)
}
