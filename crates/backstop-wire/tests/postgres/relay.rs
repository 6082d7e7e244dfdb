//! The smallest gate there can be: it walks a script through a [`Session`] to a server, and notes what
//! the client sees.
//!
//! It reads from the server only when it must, so that as much as can be is in flight.

use backstop_wire::postgres::backend::{
    BackendMessage, DataRow, Report, SqlState, TransactionStatus,
};
use backstop_wire::postgres::frame::{self, Frame, Limits, Peek};
use backstop_wire::postgres::frontend::FrontendMessage;
use backstop_wire::postgres::session::{
    Action, Admission, Config, Meaning, Outcome, Sent, Session, Show,
};
use bytes::Bytes;

use crate::connection::bytes;
use crate::script::{COPY_IN, Message, SETUP, Sql, Step, changes};

/// What is seen last when a connection ends.
const CLOSED: &str = "closed";

/// Something that answers messages.
pub trait Server {
    fn write(&mut self, bytes: &[u8]);
    /// The next message; `None` if the connection is closed. Panics if none will ever come.
    fn read(&mut self) -> Option<Frame>;
}

/// What a client sees of a message: what it can act on, without what differs between sessions.
pub fn seen(tag: u8, body: &[u8]) -> Option<String> {
    let letter = char::from(tag);
    Some(match BackendMessage::parse(tag, body).unwrap() {
        BackendMessage::ParameterStatus(_) => return None,
        BackendMessage::ErrorResponse(fields) | BackendMessage::NoticeResponse(fields) => {
            format!("{letter} {}", fields.code())
        }
        BackendMessage::CommandComplete(done) => format!("{letter} {}", done.0),
        BackendMessage::ReadyForQuery(status) => format!("{letter} {status:?}"),
        BackendMessage::DataRow(row) => format!("{letter} {}", values(&row)),
        BackendMessage::CopyData(data) => format!("{letter} {}", String::from_utf8_lossy(data)),
        _ => letter.to_string(),
    })
}

fn values(row: &DataRow<'_>) -> String {
    let text = |value: Option<&[u8]>| {
        value.map_or("NULL".to_owned(), |value| {
            String::from_utf8_lossy(value).into()
        })
    };
    row.values().map(text).collect::<Vec<_>>().join(",")
}

/// What a client sees that talks to the server itself.
pub fn directly(server: &mut impl Server, script: &[Step]) -> Vec<String> {
    server.write(&Message::Query(SETUP).to_bytes());
    while server.read().is_some_and(|frame| frame.tag != b'Z') {}
    for step in script {
        match step {
            Step::Pause => {}
            Step::Send(message) => server.write(&message.to_bytes()),
            Step::Wrapped(sql) => server.write(&Message::Query(sql).to_bytes()),
            Step::Refused(message) => match message.refused_directly() {
                None => server.write(&message.to_bytes()),
                Some((instead, _)) => {
                    for message in instead {
                        server.write(&message.to_bytes());
                    }
                }
            },
        }
    }
    server.write(&Message::Query("SELECT 'the end'").to_bytes());
    let mut all = Vec::new();
    let mut over = false;
    loop {
        let Some(frame) = server.read() else {
            // First an error, then that the connection ends for it.
            while all.last().is_some_and(|last| last == "E 08P01") {
                all.pop();
            }
            all.push(CLOSED.to_owned());
            return all;
        };
        all.extend(seen(frame.tag, frame.body()));
        over |= all.last().is_some_and(|last| last == "D the end");
        if over && frame.tag == b'Z' {
            return all;
        }
    }
}

/// A message in flight, as the gate notes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    /// The statement that it runs, as far as the session knows.
    sql: Option<Sql>,
    number: usize,
}

/// What a client sees that talks through the gate. If that ends the connection, the script is cut there:
/// what comes later would not have been sent.
pub fn through_gate(server: &mut impl Server, script: &mut Vec<Step>) -> Vec<String> {
    let mut relay = Relay::new(server);
    relay.step(&Step::Send(Message::Query(SETUP)));
    relay.settle();
    relay.seen.clear();
    for at in 0..script.len() {
        relay.dropped = false;
        relay.step(&script[at]);
        if let (true, Step::Refused(message)) = (relay.dropped, &script[at]) {
            // The gate was not asked, so a client without it would have sent just this.
            script[at] = Step::Send(message.clone());
        }
        if relay.closed {
            script.truncate(at + 1);
            relay.seen.push(CLOSED.to_owned());
            return relay.seen;
        }
    }
    relay.step(&Step::Send(Message::Query("SELECT 'the end'")));
    relay.settle();
    relay.finish()
}

struct Relay<'a, T> {
    server: &'a mut T,
    session: Session<Note, Sql>,
    seen: Vec<String>,
    noted: usize,
    ended: usize,
    closed: bool,
    dropped: bool,
}

impl<'a, T: Server> Relay<'a, T> {
    fn new(server: &'a mut T) -> Self {
        Self {
            server,
            session: Session::new(Config::default()),
            seen: Vec::new(),
            noted: 0,
            ended: 0,
            closed: false,
            dropped: false,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Pause => self.settle(),
            Step::Send(message) => self.client_sends(message, |relay| relay.forward(message)),
            Step::Refused(message) => self.client_sends(message, |relay| relay.refuse(message)),
            Step::Wrapped(sql) => {
                self.client_sends(&Message::Query(sql), |relay| relay.wrap(sql));
            }
        }
    }

    fn client_sends(&mut self, message: &Message, mut judge: impl FnMut(&mut Self) -> bool) {
        let tag = message.to_bytes()[0];
        loop {
            let Ok(admission) = self.session.admit(tag) else {
                self.closed = true;
                return;
            };
            self.drain();
            match admission {
                Admission::Drop => {
                    self.dropped = true;
                    return;
                }
                Admission::Wait => self.hear(),
                Admission::Close => unreachable!("no script says good bye"),
                Admission::Judge => {
                    let done = judge(self);
                    self.drain();
                    if done {
                        return;
                    }
                    self.hear();
                }
            }
        }
    }

    /// Sends a message on; `false` if an answer has to come first.
    fn forward(&mut self, message: &Message) -> bool {
        let mut known = Vec::new();
        let mut sql = None;
        let sent = match *message {
            Message::Parse { statement, sql } => Sent::Parse {
                statement,
                means: sql,
            },
            Message::Bind { portal, statement } => match self.session.statement(statement) {
                Meaning::Known(&means) => Sent::Bind { portal, means },
                Meaning::Unknown => return self.unknown(message, "26000"),
                Meaning::Unsettled => return self.session.settle(),
            },
            Message::Execute { portal, .. } => match self.session.portal(portal) {
                Meaning::Known(&means) => {
                    known = changes(means);
                    sql = Some(means);
                    Sent::Execute {
                        copy_in: means == COPY_IN,
                    }
                }
                Meaning::Unknown => return self.unknown(message, "34000"),
                Meaning::Unsettled => return self.session.settle(),
            },
            Message::DescribeStatement(name) => match self.session.statement(name) {
                Meaning::Known(_) => Sent::DescribeStatement,
                Meaning::Unknown => return self.unknown(message, "26000"),
                Meaning::Unsettled => return self.session.settle(),
            },
            // It runs nothing; and a Bind that failed in a block leaves its portal to be described.
            Message::DescribePortal(_) => Sent::DescribePortal,
            Message::CloseStatement(name) => Sent::CloseStatement(name),
            Message::ClosePortal(name) => Sent::ClosePortal(name),
            Message::Sync => Sent::Sync,
            Message::Flush => Sent::Flush,
            Message::Query(sql) => {
                known = changes(sql);
                Sent::Query {
                    copy_in: sql == COPY_IN,
                }
            }
            Message::Call(_) => Sent::FunctionCall,
            Message::CopyData(_) => Sent::CopyData,
            Message::CopyDone => Sent::CopyDone,
            Message::CopyFail => Sent::CopyFail,
        };
        let note = (sent != Sent::CopyData).then(|| self.note(sql));
        self.session
            .send_changing(sent, Show::ALL, note, known)
            .unwrap();
        self.drain();
        self.server.write(&message.to_bytes());
        true
    }

    fn note(&mut self, sql: Option<Sql>) -> Note {
        self.noted += 1;
        Note {
            sql,
            number: self.noted,
        }
    }

    /// A name that the session does not know must not reach the server.
    fn unknown(&mut self, message: &Message, code: &str) -> bool {
        self.refuse_as(message, code)
    }

    fn refuse(&mut self, message: &Message) -> bool {
        match message.refused_directly() {
            Some((_, code)) => self.refuse_as(message, code),
            None => self.forward(message),
        }
    }

    fn refuse_as(&mut self, message: &Message, code: &str) -> bool {
        let report = Report::error(SqlState::new(code).unwrap(), "refused by the gate");
        let note = self.note(None);
        let tag = message.to_bytes()[0];
        self.session.refuse(tag, report, Some(note)).unwrap();
        true
    }

    /// Runs a Query in a transaction of the gate's own, as it does for what writes.
    fn wrap(&mut self, sql: Sql) -> bool {
        if ["BEGIN", "COMMIT", "ROLLBACK", "COMMIT; BEGIN"].contains(&sql) {
            return self.forward(&Message::Query(sql));
        }
        if !self.session.settle() {
            return false;
        }
        if !self.session.is_idle() {
            return self.forward(&Message::Query(sql));
        }
        for (text, show) in [
            ("BEGIN", Show::NOTHING),
            (sql, Show::UNTIL_ENDED),
            ("COMMIT", Show::ENDING),
        ] {
            let note = self.note(None);
            let sent = Sent::Query { copy_in: false };
            self.session
                .send_changing(sent, show, Some(note), changes(text))
                .unwrap();
            self.server.write(&bytes(FrontendMessage::Query(text)));
        }
        true
    }

    /// Takes one message of the server's.
    fn hear(&mut self) {
        let frame = self.server.read().expect("the server goes on");
        let about = self.session.current().cloned();
        let action = self.session.on_backend(frame.tag, frame.body()).unwrap();
        self.check_meaning(&frame, about.as_ref());
        if action == Action::Relay {
            self.seen.extend(seen(frame.tag, frame.body()));
        }
        self.drain();
    }

    /// A portal must give what the session believed it to give.
    fn check_meaning(&self, frame: &Frame, about: Option<&Note>) {
        let Some(sql) = about.and_then(|note| note.sql) else {
            return;
        };
        if let Ok(BackendMessage::DataRow(row)) = BackendMessage::parse(frame.tag, frame.body()) {
            let value = format!("'{}'", values(&row));
            assert!(sql.contains(&value), "{sql} was believed, and gave {value}");
        }
    }

    fn drain(&mut self) {
        if let Some(bytes) = self.session.take_to_server() {
            self.server.write(&bytes);
        }
        if let Some(bytes) = self.session.take_to_client() {
            self.client_gets(&bytes);
        }
        while let Some(event) = self.session.next_event() {
            assert_ne!(event.outcome, Outcome::Lost);
            self.ended += 1;
        }
    }

    fn client_gets(&mut self, bytes: &Bytes) {
        let limits = Limits::backend(1 << 20, 1 << 20);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Ok(Peek::Whole(message)) = frame::peek(rest, &limits) else {
                panic!("the session made half a message: {rest:?}");
            };
            self.seen.extend(seen(message.tag, message.body));
            rest = &rest[message.total()..];
        }
    }

    fn settle(&mut self) {
        while !self.session.is_copying_in() && !self.session.settle() {
            self.drain();
            self.hear();
        }
    }

    fn finish(self) -> Vec<String> {
        assert!(self.session.is_settled());
        assert_eq!(self.noted, self.ended, "every message ends once");
        let last = self.seen.last().expect("something was seen");
        assert_eq!(*last, format!("Z {:?}", self.session.client_status()));
        if self.session.client_status() == TransactionStatus::Idle {
            assert!(self.session.is_idle());
        }
        self.seen
    }
}
