//! A session of `psql` that is asked one statement after the other.
//!
//! `psql` reaches a server by every road that `pg_dump` does, so that both copy the same database. Where an
//! answer ends is marked by a random word that nobody else knows, so that no value can look like an end.

use std::process::Stdio;

use memchr::memmem;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use super::question::{Question, Row};
use super::{PointError, Source, csv};

/// The most that one answer in memory may take, in bytes; rows of tables are streamed instead.
const MOST: usize = 64 << 20;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// Makes every value print the same everywhere, and to the last digit.
const SETTINGS: &str = "\
SET search_path = '';
SET standard_conforming_strings = on;
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET bytea_output = 'hex';
SET extra_float_digits = 3;
SET xmloption = 'content';
SET row_security = off;
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET default_transaction_read_only = on;
SET synchronize_seqscans = off;
";

/// A connection by `psql`; dropping it ends the session.
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    said: JoinHandle<String>,
    mark: String,
    rest: Vec<u8>,
}

/// How a statement ended.
struct End {
    sqlstate: Option<String>,
    message: String,
}

impl Session {
    /// How `psql` is started for it.
    pub(crate) const ARGUMENTS: [&'static str; 5] = [
        "--no-psqlrc",
        "--quiet",
        "--csv",
        "--tuples-only",
        "--no-password",
    ];

    /// Connects. The session is read-only until a statement says otherwise, and its `search_path` is empty.
    ///
    /// # Errors
    /// When `psql` cannot be started or does not reach the server.
    pub async fn open(source: &Source) -> Result<Self, PointError> {
        let mut command = source.command("psql");
        command.args(Self::ARGUMENTS);
        Self::start(command).await
    }

    /// As [`Session::open`], with a `psql` that has [`Session::ARGUMENTS`] and knows where to connect.
    pub(crate) async fn start(mut command: tokio::process::Command) -> Result<Self, PointError> {
        command.stdin(Stdio::piped());
        let mut child = command.spawn().map_err(PointError::io("starting psql"))?;
        let gone = || PointError::tool("psql", "it has no pipes");
        let input = child.stdin.take().ok_or_else(gone)?;
        let output = child.stdout.take().ok_or_else(gone)?;
        let mut errors = child.stderr.take().ok_or_else(gone)?;
        let said = tokio::spawn(async move {
            let mut text = Vec::new();
            let mut chunk = [0_u8; 4096];
            while let Ok(read @ 1..) = errors.read(&mut chunk).await {
                text.extend_from_slice(chunk.get(..read).unwrap_or_default());
                let surplus = text.len().saturating_sub(16 << 10);
                text.drain(..surplus);
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut session = Self {
            child,
            input,
            output,
            said,
            mark: random()?,
            rest: Vec::new(),
        };
        let null = format!("\\pset null {}\n", session.mark);
        session.say(&format!("{null}{SETTINGS}")).await?;
        session.ask("SELECT 1").await?;
        Ok(session)
    }

    /// Runs a `COPY … TO STDOUT` in text format and passes its bytes on to `sink`; gives back the number of rows.
    ///
    /// # Errors
    /// When the server refuses it, or the sink takes no more.
    pub async fn copy_out<W>(&mut self, sql: &str, sink: &mut W) -> Result<u64, PointError>
    where
        W: AsyncWrite + Unpin + Send,
    {
        let mut onward = Onward { sink, rows: 0 };
        let end = self.run(sql, &mut onward).await?;
        end.check("a copy")?;
        Ok(onward.rows)
    }

    /// Has `psql` run a script that others may have had a hand in, and throw away what it answers; whether it went well
    /// shows in what follows.
    ///
    /// # Errors
    /// When the script cannot be read to its end or `psql` takes no more.
    pub(crate) async fn feed<R>(&mut self, script: &mut R) -> Result<(), PointError>
    where
        R: tokio::io::AsyncRead + Unpin,
    {
        // Answers that nobody reads would fill the pipe, and `psql` wait for ever.
        self.say("\\o /dev/null\n").await?;
        let fed = tokio::io::copy(script, &mut self.input).await;
        fed.map_err(PointError::unread("a script"))?;
        self.say("\n\\o\n").await?;
        self.ask("SELECT 1").await.map(drop)
    }

    /// Ends the session and waits until `psql` is gone.
    pub async fn close(self) {
        let Self {
            mut child, input, ..
        } = self;
        drop(input);
        let _ = child.wait().await; // it has nothing left to say
    }

    async fn say(&mut self, text: &str) -> Result<(), PointError> {
        let sent = match self.input.write_all(text.as_bytes()).await {
            Ok(()) => self.input.flush().await,
            Err(cause) => Err(cause),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(_) => Err(self.lost().await),
        }
    }

    /// Sends one statement and passes on what it answers.
    async fn run<S: Sink>(&mut self, sql: &str, sink: &mut S) -> Result<End, PointError> {
        let mark = self.mark.clone();
        self.say(&format!(
            "{sql}\n;\n\\echo {mark} :ERROR :SQLSTATE\n\\echo :LAST_ERROR_MESSAGE\n\\echo {mark} end\n"
        ))
        .await?;
        self.until(&format!("{mark} "), sink).await?;
        let mut status = Held(Vec::new());
        self.until("\n", &mut status).await?;
        let mut message = Held(Vec::new());
        self.until(&format!("{mark} end\n"), &mut message).await?;
        let status = String::from_utf8_lossy(&status.0).into_owned();
        let mut words = status.split_whitespace();
        let failed = words.next() == Some("true");
        let sqlstate = words.next().unwrap_or_default().to_owned();
        Ok(End {
            sqlstate: failed.then_some(sqlstate),
            message: String::from_utf8_lossy(&message.0).trim().to_owned(),
        })
    }

    /// Passes on everything before `word` and keeps everything after it.
    async fn until<S: Sink>(&mut self, word: &str, sink: &mut S) -> Result<(), PointError> {
        let finder = memmem::Finder::new(word.as_bytes());
        let mut buffer = std::mem::take(&mut self.rest);
        loop {
            if let Some(at) = finder.find(&buffer) {
                sink.take(buffer.get(..at).unwrap_or_default()).await?;
                self.rest = buffer.split_off(at + word.len());
                return Ok(());
            }
            // The word may have begun in the last bytes.
            let sure = buffer.len().saturating_sub(word.len() - 1);
            sink.take(buffer.get(..sure).unwrap_or_default()).await?;
            buffer.drain(..sure);
            buffer.reserve(CHUNK);
            match self.output.read_buf(&mut buffer).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(self.lost().await),
            }
        }
    }

    /// Why `psql` went away, in its own words.
    async fn lost(&mut self) -> PointError {
        let _ = self.child.start_kill();
        let said = (&mut self.said).await.unwrap_or_default();
        PointError::Tool {
            tool: "psql".to_owned(),
            problem: format!("lost its session: {}", said.trim()),
            hint: "check host, port, role, password and certificate, and the server's log"
                .to_owned(),
        }
    }
}

impl Question for Session {
    type Error = PointError;

    /// `sql` must be one statement.
    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, PointError> {
        let mut held = Held(Vec::new());
        let end = self.run(sql, &mut held).await?;
        end.check("a question")?;
        Ok(csv::rows(&held.0, &self.mark))
    }

    fn sqlstate(error: &PointError) -> Option<String> {
        match error {
            PointError::Server { sqlstate, .. } => Some(sqlstate.clone()),
            _ => None,
        }
    }
}

impl End {
    fn check(self, what: &str) -> Result<Self, PointError> {
        match self.sqlstate {
            None => Ok(self),
            Some(sqlstate) => Err(PointError::Server {
                what: what.to_owned(),
                hint: hint(&sqlstate),
                sqlstate,
                message: self.message,
            }),
        }
    }
}

fn hint(sqlstate: &str) -> &'static str {
    match sqlstate {
        "42501" => {
            "the role that copies must be allowed to read all of it, past row-level security"
        }
        "55P03" => "others hold locks on it; try again",
        "53100" | "53200" | "53300" => "the server lacks room for it",
        _ => "the server's log says more",
    }
}

/// 128 random bits as hex.
pub(crate) fn random() -> Result<String, PointError> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        PointError::io("asking for random bytes")(std::io::Error::other("the system gave none"))
    })?;
    Ok(hex::encode(bytes))
}

/// Where an answer goes.
trait Sink: Send {
    fn take(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), PointError>> + Send;
}

/// Into memory, as long as it is small.
struct Held(Vec<u8>);

impl Sink for Held {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), PointError> {
        if self.0.len() + bytes.len() > MOST {
            return Err(PointError::Refused(format!(
                "a catalogue question answered with more than {MOST} bytes"
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// On to somebody else, with its lines counted: COPY writes one for each row, whatever is in it.
struct Onward<'a, W> {
    sink: &'a mut W,
    rows: u64,
}

impl<W: AsyncWrite + Unpin + Send> Sink for Onward<'_, W> {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), PointError> {
        self.rows += memchr::memchr_iter(b'\n', bytes).count() as u64;
        let passing = PointError::io("passing rows on to the vault");
        self.sink.write_all(bytes).await.map_err(passing)
    }
}
