//! A mail server that records what it is sent: RFC 5321's commands, no TLS, any password.
//!
//! It must not deliver anything.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::http::read_line;
use super::recorder::{Listener, Records};

/// One mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedMail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Headers and body, lines ended by `\n`, dots unstuffed.
    pub text: String,
    /// The words of the last AUTH command, if there was one.
    pub auth: Option<String>,
}

impl RecordedMail {
    /// The first header of a name, whatever its case; continuation lines are not joined.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// What follows the headers.
    pub fn body(&self) -> &str {
        self.text.split_once("\n\n").map_or("", |(_, body)| body)
    }
}

/// The server; dropping it stops it.
#[derive(Debug)]
pub struct SmtpDouble {
    records: Arc<Records<RecordedMail>>,
    listener: Listener,
}

impl SmtpDouble {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        let records = Records::new();
        let into = Arc::clone(&records);
        let listener = Listener::start(move |stream| serve(stream, &into))?;
        Ok(Self { records, listener })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// What came in so far.
    pub fn mails(&self) -> Vec<RecordedMail> {
        self.records.all()
    }

    /// What came in, as soon as there are `count` mails.
    ///
    /// # Errors
    /// When there are fewer after `patience`.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Result<Vec<RecordedMail>> {
        self.records.wait_for(count, patience)
    }
}

/// What the client said of the mail to come.
#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Vec<String>,
    auth: Option<String>,
}

fn serve(mut stream: BufReader<TcpStream>, records: &Records<RecordedMail>) -> std::io::Result<()> {
    let mut envelope = Envelope::default();
    reply(&mut stream, "220 127.0.0.1 ESMTP double")?;
    while let Some(line) = read_line(&mut stream)? {
        let verb = line
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => reply(
                &mut stream,
                "250-127.0.0.1\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
            )?,
            "HELO" | "NOOP" => reply(&mut stream, "250 ok")?,
            "RSET" => {
                envelope = Envelope {
                    auth: envelope.auth,
                    ..Envelope::default()
                };
                reply(&mut stream, "250 ok")?;
            }
            "AUTH" => authenticate(&mut stream, &line, &mut envelope)?,
            "MAIL" => {
                envelope.from = Some(address(&line));
                reply(&mut stream, "250 ok")?;
            }
            "RCPT" => {
                envelope.to.push(address(&line));
                reply(&mut stream, "250 ok")?;
            }
            "DATA" => receive(&mut stream, &mut envelope, records)?,
            "QUIT" => return reply(&mut stream, "221 bye"),
            _ => reply(&mut stream, "502 not known here")?,
        }
    }
    Ok(())
}

/// PLAIN with its initial response, or LOGIN's two questions.
fn authenticate(
    stream: &mut BufReader<TcpStream>,
    line: &str,
    envelope: &mut Envelope,
) -> std::io::Result<()> {
    let mut words: Vec<String> = line.split(' ').skip(1).map(str::to_owned).collect();
    let questions = if words.len() > 1 {
        0
    } else if words
        .first()
        .is_some_and(|word| word.eq_ignore_ascii_case("LOGIN"))
    {
        2
    } else {
        1
    };
    for _ in 0..questions {
        reply(stream, "334 ")?;
        words.extend(read_line(stream)?);
    }
    envelope.auth = Some(words.join(" "));
    reply(stream, "235 ok")
}

fn receive(
    stream: &mut BufReader<TcpStream>,
    envelope: &mut Envelope,
    records: &Records<RecordedMail>,
) -> std::io::Result<()> {
    let Some(from) = envelope.from.take().filter(|_| !envelope.to.is_empty()) else {
        return reply(stream, "503 sender and recipient first");
    };
    reply(stream, "354 go on")?;
    let mut text = String::new();
    while let Some(line) = read_line(stream)? {
        if line == "." {
            let to = std::mem::take(&mut envelope.to);
            records.push(RecordedMail {
                from,
                to,
                text,
                auth: envelope.auth.clone(),
            });
            return reply(stream, "250 taken");
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
    Ok(())
}

/// What stands between `<` and `>`.
fn address(line: &str) -> String {
    line.split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(inside, _)| inside.to_owned())
        .unwrap_or_default()
}

fn reply(stream: &mut BufReader<TcpStream>, text: &str) -> std::io::Result<()> {
    write!(stream.get_mut(), "{text}\r\n")
}
