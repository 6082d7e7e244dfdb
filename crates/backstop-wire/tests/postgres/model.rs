//! A tiny model of a PostgreSQL server: enough of its rules to answer every script, nothing of SQL.
//!
//! It answers only when it is read from, and gives what it buffers only when a real one would, so that
//! whoever waits for an answer that will not come is found out at once.

use std::collections::{HashMap, VecDeque};

use backstop_wire::postgres::backend::{
    BackendMessage, CommandTag, DataRow, Report, Severity, SqlState, TransactionStatus, write_ready,
};
use backstop_wire::postgres::frame::{self, Frame, Limits};
use backstop_wire::postgres::frontend::{FrontendMessage, Named};
use bytes::BytesMut;

use crate::relay::Server;
use crate::script::COPY_IN;

/// What a statement of a script does.
enum Effect<'a> {
    Rows(&'a str, u32),
    Insert { violates: bool },
    Begin,
    Commit,
    Rollback,
    Fail(&'static str),
    CopyIn,
    CopyOut,
    Prepare(&'a str, &'a str),
    Deallocate(&'a str),
    DeallocateAll,
    Declare(&'a str, &'a str, bool),
    CloseAll,
    CreateTable,
    Empty,
}

fn effect(sql: &str) -> Effect<'_> {
    let words: Vec<_> = sql.splitn(4, ' ').collect();
    match words[..] {
        [""] => Effect::Empty,
        ["SELECT", "1/0"] => Effect::Fail("22012"),
        ["SELECT", value] => Effect::Rows(value.trim_matches('\''), 1),
        ["SELECT", "'the", "end'"] => Effect::Rows("the end", 1),
        ["SELECT", value, "FROM", _] => Effect::Rows(value.trim_matches('\''), 3),
        ["INSERT", "INTO", table, _] => Effect::Insert {
            violates: table == "u",
        },
        ["BEGIN"] => Effect::Begin,
        ["COMMIT"] => Effect::Commit,
        ["ROLLBACK"] => Effect::Rollback,
        ["PREPARE", name, "AS", body] => Effect::Prepare(name, body),
        ["DEALLOCATE", "ALL"] => Effect::DeallocateAll,
        ["DEALLOCATE", name] => Effect::Deallocate(name),
        ["DECLARE", name, _, rest] => match rest.rsplit_once("FOR ") {
            Some((hold, body)) => Effect::Declare(name, body, hold.contains("HOLD")),
            None => Effect::Fail("42601"),
        },
        ["CLOSE", "ALL"] => Effect::CloseAll,
        ["CREATE", ..] => Effect::CreateTable,
        ["COPY", ..] if sql == COPY_IN => Effect::CopyIn,
        ["COPY", ..] => Effect::CopyOut,
        _ => Effect::Fail("42601"),
    }
}

#[derive(Clone)]
struct Portal {
    sql: String,
    given: u32,
    done: bool,
    holdable: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Copying {
    No,
    Simple,
    Extended,
}

/// A server.
pub struct Model {
    input: BytesMut,
    kept: BytesMut,
    output: VecDeque<Frame>,
    status: TransactionStatus,
    violated: bool,
    /// Running the last statement of a Query.
    last: bool,
    skipping: bool,
    copying: Copying,
    closed: bool,
    statements: HashMap<String, String>,
    portals: HashMap<String, Portal>,
}

type Outcome = Result<(), &'static str>;

impl Model {
    pub fn new() -> Self {
        Self {
            input: BytesMut::new(),
            kept: BytesMut::new(),
            output: VecDeque::new(),
            status: TransactionStatus::Idle,
            violated: false,
            last: false,
            skipping: false,
            copying: Copying::No,
            closed: false,
            statements: HashMap::new(),
            portals: HashMap::new(),
        }
    }

    fn say(&mut self, message: &BackendMessage<'_>) {
        message.write(&mut self.kept).unwrap();
    }

    fn done(&mut self, tag: &str) -> Outcome {
        // The last statement of a string is reported done only when all of it is committed.
        if self.last && self.status == TransactionStatus::Idle && self.violated {
            return Err("23505");
        }
        self.say(&BackendMessage::CommandComplete(CommandTag(tag)));
        Ok(())
    }

    fn flush(&mut self) {
        let limits = Limits::backend(1 << 20, 1 << 20);
        while let Some(frame) = frame::next_frame(&mut self.kept, &limits).unwrap() {
            self.output.push_back(frame);
        }
    }

    fn fail(&mut self, code: &str) {
        let report = Report::error(SqlState::new(code).unwrap(), "failed");
        report.write(&mut self.kept);
        if self.status == TransactionStatus::Open {
            self.status = TransactionStatus::Failed;
        }
        self.violated = false;
        self.flush();
    }

    fn warn(&mut self, code: &str) {
        Report::new(Severity::Warning, SqlState::new(code).unwrap(), "careful")
            .write(&mut self.kept);
    }

    fn ready(&mut self) {
        if self.status == TransactionStatus::Idle {
            self.portals.retain(|_, portal| portal.holdable);
        }
        write_ready(self.status, &mut self.kept);
        self.flush();
    }

    /// Ends what was begun without BEGIN.
    fn end_implicit(&mut self) {
        if self.status == TransactionStatus::Idle && std::mem::take(&mut self.violated) {
            self.fail("23505");
        }
    }

    fn end(&mut self, tag: &str, code: Option<&'static str>) -> Outcome {
        let failed = self.status == TransactionStatus::Failed;
        let violated = std::mem::take(&mut self.violated);
        self.status = TransactionStatus::Idle;
        self.portals.retain(|_, portal| portal.holdable);
        match code {
            Some(code) if violated => Err(code),
            _ => self.done(if failed { "ROLLBACK" } else { tag }),
        }
    }

    fn hear(&mut self, frame: &Frame) {
        let message = FrontendMessage::parse(frame.tag, frame.body()).unwrap();
        if self.copying != Copying::No {
            return self.hear_copy(message);
        }
        if self.skipping && message != FrontendMessage::Sync {
            return;
        }
        match message {
            FrontendMessage::Sync => {
                self.skipping = false;
                self.end_implicit();
                self.ready();
            }
            FrontendMessage::Flush => self.flush(),
            FrontendMessage::Query(sql) => self.query(sql),
            FrontendMessage::FunctionCall(call) => {
                let result = self.usable(false).and(match call.function {
                    1610 => Ok(()),
                    _ => Err("42883"),
                });
                match result {
                    Ok(()) => self.say(&BackendMessage::FunctionCallResponse(Some(b"3.14"))),
                    Err(code) => self.fail(code),
                }
                self.end_implicit();
                self.ready();
            }
            FrontendMessage::CopyData(_)
            | FrontendMessage::CopyDone
            | FrontendMessage::CopyFail(_) => {}
            extended => {
                if let Err(code) = self.extended(extended) {
                    self.fail(code);
                    self.skipping = true;
                }
            }
        }
    }

    fn hear_copy(&mut self, message: FrontendMessage<'_>) {
        let extended = self.copying == Copying::Extended;
        let result = match message {
            FrontendMessage::CopyData(data) if data.starts_with(b"no") => Err("22P02"),
            FrontendMessage::CopyData(_) | FrontendMessage::Sync | FrontendMessage::Flush => return,
            FrontendMessage::CopyDone => self.done("COPY 1"),
            FrontendMessage::CopyFail(_) => Err("57014"),
            _ => {
                self.fail("08P01");
                self.closed = true;
                return;
            }
        };
        self.copying = Copying::No;
        if let Err(code) = result {
            self.fail(code);
            self.skipping = extended;
        }
        if !extended {
            self.end_implicit();
            self.ready();
        }
    }

    fn query(&mut self, sql: &str) {
        self.statements.remove("");
        let parts: Vec<_> = sql.split("; ").collect();
        if parts
            .iter()
            .any(|part| matches!(effect(part), Effect::Fail("42601")))
        {
            self.fail("42601");
            return self.ready();
        }
        for (at, part) in parts.iter().enumerate() {
            self.last = at + 1 == parts.len();
            let result = self.run_simple(part);
            self.last = false;
            if self.copying == Copying::Simple {
                return self.flush();
            }
            if let Err(code) = result {
                self.fail(code);
                break;
            }
        }
        self.end_implicit();
        self.ready();
    }

    fn run_simple(&mut self, sql: &str) -> Outcome {
        self.usable(matches!(effect(sql), Effect::Commit | Effect::Rollback))?;
        match effect(sql) {
            Effect::Rows(value, count) => {
                self.say_columns();
                self.give(value, count);
                self.done(&format!("SELECT {count}"))
            }
            Effect::CopyIn => {
                self.copying = Copying::Simple;
                self.say_copy(b'G');
                Ok(())
            }
            _ => self.run(sql),
        }
    }

    fn usable(&self, ends: bool) -> Outcome {
        match self.status {
            TransactionStatus::Failed if !ends => Err("25P02"),
            _ => Ok(()),
        }
    }

    fn extended(&mut self, message: FrontendMessage<'_>) -> Outcome {
        match message {
            FrontendMessage::Parse(parse) => self.parse(parse.statement, parse.sql)?,
            FrontendMessage::Bind(bind) => self.bind(bind.portal, bind.statement)?,
            FrontendMessage::Describe(Named::Statement(name)) => {
                let sql = self.statements.get(name).ok_or("26000")?.clone();
                let none = BackendMessage::parse(b't', b"\0\0").unwrap();
                self.say(&none);
                self.say_result(&sql);
            }
            FrontendMessage::Describe(Named::Portal(name)) => {
                let sql = self.portals.get(name).ok_or("34000")?.sql.clone();
                self.say_result(&sql);
            }
            FrontendMessage::Close(named) => {
                match named {
                    Named::Statement(name) => drop(self.statements.remove(name)),
                    Named::Portal(name) => drop(self.portals.remove(name)),
                }
                self.say(&BackendMessage::CloseComplete);
            }
            FrontendMessage::Execute(execute) => self.execute(execute.portal, execute.max_rows)?,
            other => panic!("{other:?} is in no script"),
        }
        Ok(())
    }

    fn parse(&mut self, name: &str, sql: &str) -> Outcome {
        if name.is_empty() {
            self.statements.remove("");
        }
        if matches!(effect(sql), Effect::Fail("42601")) {
            return Err("42601");
        }
        self.usable(matches!(
            effect(sql),
            Effect::Commit | Effect::Rollback | Effect::Empty
        ))?;
        if self.statements.contains_key(name) {
            return Err("42P05");
        }
        self.statements.insert(name.to_owned(), sql.to_owned());
        self.say(&BackendMessage::ParseComplete);
        Ok(())
    }

    fn bind(&mut self, name: &str, statement: &str) -> Outcome {
        let sql = self.statements.get(statement).ok_or("26000")?.clone();
        self.usable(matches!(
            effect(&sql),
            Effect::Commit | Effect::Rollback | Effect::Empty
        ))?;
        if !name.is_empty() && self.portals.contains_key(name) {
            return Err("42P03");
        }
        self.open(name, &sql, false);
        self.say(&BackendMessage::BindComplete);
        Ok(())
    }

    fn open(&mut self, name: &str, sql: &str, holdable: bool) {
        let portal = Portal {
            sql: sql.to_owned(),
            given: 0,
            done: false,
            holdable,
        };
        self.portals.insert(name.to_owned(), portal);
    }

    fn execute(&mut self, name: &str, max_rows: i32) -> Outcome {
        let portal = self.portals.get(name).ok_or("34000")?.clone();
        let ends = matches!(
            effect(&portal.sql),
            Effect::Commit | Effect::Rollback | Effect::Empty
        );
        self.usable(ends)?;
        if let Effect::Rows(value, count) = effect(&portal.sql) {
            let left = count - portal.given;
            let give = u32::try_from(max_rows)
                .ok()
                .filter(|most| *most > 0)
                .map_or(left, |most| most.min(left));
            self.give(value, give);
            if let Some(portal) = self.portals.get_mut(name) {
                portal.given += give;
            }
            if max_rows > 0 && give == u32::try_from(max_rows).unwrap() {
                self.say(&BackendMessage::PortalSuspended);
                return Ok(());
            }
            return self.done(&format!("SELECT {give}"));
        }
        if portal.done {
            return Err("55000");
        }
        if let Some(portal) = self.portals.get_mut(name) {
            portal.done = true;
        }
        if matches!(effect(&portal.sql), Effect::CopyIn) {
            self.copying = Copying::Extended;
            self.say_copy(b'G');
            self.flush();
            return Ok(());
        }
        self.run(&portal.sql)
    }

    fn run(&mut self, sql: &str) -> Outcome {
        match effect(sql) {
            Effect::Insert { violates } => {
                self.violated |= violates;
                self.done("INSERT 0 1")
            }
            Effect::Begin => {
                if self.status == TransactionStatus::Open {
                    self.warn("25001");
                }
                self.status = TransactionStatus::Open;
                self.done("BEGIN")
            }
            Effect::Commit => {
                if self.status == TransactionStatus::Idle {
                    self.warn("25P01");
                }
                self.end("COMMIT", Some("23505"))
            }
            Effect::Rollback => {
                if self.status == TransactionStatus::Idle {
                    self.warn("25P01");
                }
                self.end("ROLLBACK", None)
            }
            Effect::CopyOut => {
                self.say_copy(b'H');
                self.say(&BackendMessage::CopyData(b"out\n"));
                self.say(&BackendMessage::CopyDone);
                self.done("COPY 1")
            }
            Effect::Prepare(name, _) if self.statements.contains_key(name) => Err("42P05"),
            Effect::Prepare(name, body) => {
                self.statements.insert(name.to_owned(), body.to_owned());
                self.done("PREPARE")
            }
            Effect::Deallocate(name) => {
                self.statements.remove(name).ok_or("26000")?;
                self.done("DEALLOCATE")
            }
            Effect::DeallocateAll => {
                self.statements.clear();
                self.done("DEALLOCATE ALL")
            }
            Effect::Declare(name, ..) if self.portals.contains_key(name) => Err("42P03"),
            Effect::Declare(_, _, false) if self.status == TransactionStatus::Idle => Err("25P01"),
            Effect::Declare(name, body, holdable) => {
                self.open(name, body, holdable);
                self.done("DECLARE CURSOR")
            }
            Effect::CloseAll => {
                self.portals.clear();
                self.done("CLOSE CURSOR ALL")
            }
            Effect::CreateTable => self.done("CREATE TABLE"),
            Effect::Empty => {
                self.say(&BackendMessage::EmptyQueryResponse);
                Ok(())
            }
            Effect::Fail(code) => Err(code),
            Effect::Rows(..) | Effect::CopyIn => unreachable!("whoever runs these does it itself"),
        }
    }

    fn give(&mut self, value: &str, count: u32) {
        for _ in 0..count {
            DataRow::write_values(&[Some(value.as_bytes())], &mut self.kept).unwrap();
        }
    }

    fn say_columns(&mut self) {
        let columns = BackendMessage::parse(b'T', b"\0\0").unwrap();
        self.say(&columns);
    }

    fn say_result(&mut self, sql: &str) {
        match effect(sql) {
            Effect::Rows(..) => self.say_columns(),
            _ => self.say(&BackendMessage::NoData),
        }
    }

    fn say_copy(&mut self, tag: u8) {
        let response = BackendMessage::parse(tag, b"\0\0\0").unwrap();
        self.say(&response);
    }
}

impl Server for Model {
    fn write(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    fn read(&mut self) -> Option<Frame> {
        let limits = Limits::frontend(1 << 20, 1 << 20);
        loop {
            if let Some(frame) = self.output.pop_front() {
                return Some(frame);
            }
            if self.closed {
                return None;
            }
            let frame = frame::next_frame(&mut self.input, &limits).unwrap();
            let frame = frame.expect("nobody will ever answer: a hang");
            self.hear(&frame);
        }
    }
}
