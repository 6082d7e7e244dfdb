//! A web server that records every request and answers as a test decides: by itself, or by passing it on to moto.
//!
//! It must not be lenient: a request it cannot read is not recorded, and gets no answer.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::Result;

use super::http::{RecordedRequest, read_request};
use super::recorder::{Listener, Records};

/// An answer as it goes over the wire.
pub type Raw = Vec<u8>;

/// The server; dropping it stops it.
#[derive(Debug)]
pub struct AnsweringDouble {
    records: Arc<Records<RecordedRequest>>,
    listener: Listener,
}

impl AnsweringDouble {
    /// Starts one on a free port of 127.0.0.1. `answer` makes each answer; an error breaks the connection off.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(
        answer: impl Fn(&RecordedRequest) -> std::io::Result<Raw> + Send + Sync + 'static,
    ) -> Result<Self> {
        let records = Records::new();
        let into = Arc::clone(&records);
        let listener = Listener::start(move |mut stream: BufReader<TcpStream>| {
            while let Some(request) = read_request(&mut stream)? {
                into.push(request.clone());
                let bytes = answer(&request)?;
                stream.get_mut().write_all(&bytes)?;
                if bytes
                    .windows(17)
                    .any(|w| w.eq_ignore_ascii_case(b"connection: close"))
                {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(Self { records, listener })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.listener.port())
    }

    /// What came in so far.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.records.all()
    }
}

/// An answer of a status, headers and a body.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Raw {
    let mut out = format!(
        "HTTP/1.1 {status} Told\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{out}\r\n{body}").into_bytes()
}
