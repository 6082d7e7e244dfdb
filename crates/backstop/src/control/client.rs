//! The command line's end of the control socket.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::protocol::{Held, Reply, Request};
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;

/// A connection to a running `serve`.
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nothing serves, or this user may not ask.
    pub fn connect(home: &Home) -> Outcome<Self> {
        home.check()?;
        Self::find(home)?.ok_or_else(|| {
            Failure::new("backstop is not running").hint("start it with `backstop serve`")
        })
    }

    /// Connects, if something serves.
    ///
    /// # Errors
    /// When it is there but does not let this user in.
    pub fn find(home: &Home) -> Outcome<Option<Self>> {
        Self::at(&home.socket())
    }

    /// Connects to the socket at `path`, if something serves there.
    ///
    /// # Errors
    /// As [`Client::find`].
    pub fn at(path: &Path) -> Outcome<Option<Self>> {
        match UnixStream::connect(path) {
            Ok(stream) => Ok(Some(Self {
                stream: BufReader::new(stream),
            })),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(e) => Err(Failure::new("cannot reach the running backstop")
                .because(e)
                .hint("run as Backstop's own user")),
        }
    }

    /// Gives up what takes longer than this to be sent or to be answered, a line at a time.
    ///
    /// # Errors
    /// When that cannot be set.
    pub fn patient(&mut self, at_most: std::time::Duration) -> Outcome {
        let stream = self.stream.get_ref();
        stream
            .set_read_timeout(Some(at_most))
            .and_then(|()| stream.set_write_timeout(Some(at_most)))
            .doing("cannot limit how long the running backstop may take")
    }

    /// Asks, calling `held` if a person must decide first, and gives back the answer; `None` when the request
    /// said not to wait.
    ///
    /// # Errors
    /// What the other end says failed, or that it went away.
    pub fn ask_held(
        &mut self,
        request: &Request,
        mut held: impl FnMut(&Held) -> Outcome<bool>,
    ) -> Outcome<Option<Value>> {
        self.send(request)?;
        loop {
            match self.reply()? {
                Reply::Held(hold) => {
                    if !held(&hold)? {
                        return Ok(None);
                    }
                }
                Reply::Done { value } => return Ok(Some(value)),
                Reply::Failed {
                    what,
                    causes,
                    hint,
                    exit,
                } => {
                    return Err(Failure {
                        code: exit,
                        what,
                        causes,
                        hint,
                    });
                }
            }
        }
    }

    /// Asks what needs no person.
    ///
    /// # Errors
    /// What the other end says failed, or that it went away.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Outcome<T> {
        let value = self.ask_held(request, |_| Ok(true))?.unwrap_or(Value::Null);
        serde_json::from_value(value)
            .doing("the running backstop answered in another form than this version knows")
    }

    fn send(&mut self, request: &Request) -> Outcome {
        let mut line = serde_json::to_string(request).doing("cannot write the request")?;
        line.push('\n');
        self.stream
            .get_mut()
            .write_all(line.as_bytes())
            .doing("cannot ask the running backstop")
    }

    fn reply(&mut self) -> Outcome<Reply> {
        let mut line = String::new();
        let n = self
            .stream
            .read_line(&mut line)
            .doing("cannot hear the running backstop")?;
        if n == 0 {
            return Err(
                Failure::new("the running backstop went away before it answered")
                    .hint("`backstop status` says whether it is up"),
            );
        }
        serde_json::from_str(&line)
            .doing("the running backstop answered in another form than this version knows")
    }
}
