//! A blocking connection to a real server, made with this crate's own messages.
//!
//! It must not be clever: what it reads is what a client would see.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use backstop_testing::postgres::Connection as Address;
use bytes::{Bytes, BytesMut};

use backstop_wire::postgres::backend::{Authentication, BackendMessage};
use backstop_wire::postgres::frame::{self, Frame, Limits};
use backstop_wire::postgres::frontend::{SaslInitialResponse, write_sasl_response};
use backstop_wire::postgres::scram::{Binding, Client};
use backstop_wire::postgres::startup::{CancelKey, Minor, Startup};

use crate::relay::Server;

/// Longer than any answer takes; a hang fails the test instead of stopping it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A session with a real server.
pub struct Connection {
    stream: TcpStream,
    input: BytesMut,
    limits: Limits,
    /// What names the session to a cancel request.
    pub key: Option<CancelKey>,
    /// The newest minor version that the server offered in place of ours.
    pub negotiated: Option<u16>,
}

impl Connection {
    /// Logs in with SCRAM.
    pub fn open(to: &Address, minor: Minor) -> Result<Self, String> {
        let mut connection = Self::dial(to);
        let parameters = vec![
            ("user".to_owned(), to.user.clone()),
            ("database".to_owned(), to.database.clone()),
        ];
        let mut out = BytesMut::new();
        Startup::new(minor, parameters).write(&mut out).unwrap();
        connection.write(&out);
        connection.log_in(&to.password)?;
        Ok(connection)
    }

    fn dial(to: &Address) -> Self {
        let stream = TcpStream::connect((to.host.as_str(), to.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            input: BytesMut::new(),
            limits: Limits::backend(1 << 20, 1 << 20),
            key: None,
            negotiated: None,
        }
    }

    fn log_in(&mut self, password: &str) -> Result<(), String> {
        let (mut waiting, mut proving) = (None, None);
        loop {
            let frame = self.read().expect("the login goes on");
            match BackendMessage::parse(frame.tag, frame.body()).unwrap() {
                BackendMessage::Authentication(Authentication::Sasl(offered)) => {
                    let client = Client::choose(offered.iter(), Binding::None).unwrap();
                    let mechanism = client.mechanism();
                    let (first, next) = client.first().unwrap();
                    let data = Some(&first[..]);
                    let mut out = BytesMut::new();
                    SaslInitialResponse { mechanism, data }
                        .write(&mut out)
                        .unwrap();
                    self.write(&out);
                    waiting = Some(next);
                }
                BackendMessage::Authentication(Authentication::SaslContinue(challenge)) => {
                    let waiting = waiting.take().expect("a challenge comes once");
                    let (proof, next) = waiting.prove(password, challenge).unwrap();
                    let mut out = BytesMut::new();
                    write_sasl_response(&proof, &mut out).unwrap();
                    self.write(&out);
                    proving = Some(next);
                }
                BackendMessage::Authentication(Authentication::SaslFinal(answer)) => {
                    let proving = proving.take().expect("an answer comes once");
                    proving.finish(answer).unwrap();
                }
                BackendMessage::BackendKeyData(key) => self.key = Some(key),
                BackendMessage::NegotiateProtocolVersion(answer) => {
                    self.negotiated = Some(answer.minor());
                }
                BackendMessage::ErrorResponse(fields) => {
                    return Err(fields.code().as_str().to_owned());
                }
                BackendMessage::ReadyForQuery(_) => return Ok(()),
                BackendMessage::Authentication(Authentication::Ok)
                | BackendMessage::ParameterStatus(_) => {}
                other => panic!("{other:?} has no place in a login"),
            }
        }
    }

    /// Cancels what the session of this key is doing, on a connection of its own.
    pub fn cancel(to: &Address, key: &CancelKey) {
        let mut connection = Self::dial(to);
        let mut out = BytesMut::new();
        key.write_request(&mut out).unwrap();
        connection.write(&out);
        let mut rest = Vec::new();
        connection.stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"", "a cancel request is not answered");
    }
}

impl Server for Connection {
    fn write(&mut self, bytes: &[u8]) {
        // A server that has closed the connection is noticed by reading.
        let _ = self.stream.write_all(bytes);
    }

    fn read(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = frame::next_frame(&mut self.input, &self.limits).unwrap() {
                return Some(frame);
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the server should have answered: {error}"),
            }
        }
    }
}

/// A message as bytes.
pub fn bytes(message: backstop_wire::postgres::frontend::FrontendMessage<'_>) -> Bytes {
    let mut out = BytesMut::new();
    message.write(&mut out).unwrap();
    out.freeze()
}
