//! The statements in a PostgreSQL server's own log: stderr, csvlog or jsonlog, whatever `log_line_prefix` is.
//!
//! Must not read a whole log into memory, and must not take an error's echo (`STATEMENT:`) for a statement
//! that was logged when it came: it would be counted twice.

use std::io::{self, BufRead};

use serde_json::Value;

/// Where csvlog keeps the message, counted from 0.
const CSV_MESSAGE: usize = 13;
/// Where csvlog keeps the severity.
const CSV_SEVERITY: usize = 11;

/// A statement that the server logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The line it begins on, from 1.
    pub line: u64,
    /// Its text.
    pub text: String,
}

/// The statements of a log, in order.
pub fn statements<R: BufRead>(input: R) -> Statements<R> {
    Statements {
        input,
        line: 0,
        ahead: None,
    }
}

/// Reads a log.
pub struct Statements<R> {
    input: R,
    line: u64,
    /// A line that was read to see whether it continues the one before.
    ahead: Option<(u64, String)>,
}

impl<R: BufRead> Iterator for Statements<R> {
    type Item = io::Result<Logged>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.record() {
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
                Ok(Some((line, message))) => {
                    if let Some(text) = statement_of(&message) {
                        return Some(Ok(Logged {
                            line,
                            text: text.to_owned(),
                        }));
                    }
                }
            }
        }
    }
}

impl<R: BufRead> Statements<R> {
    /// The next record's message, with the line it begins on; empty for records of no interest.
    fn record(&mut self) -> io::Result<Option<(u64, String)>> {
        let Some((line, first)) = self.line()? else {
            return Ok(None);
        };
        if first.starts_with('{') {
            return Ok(Some((line, json_message(&first).unwrap_or_default())));
        }
        if let Some(fields) = self.csv(&first)? {
            let logged = fields.get(CSV_SEVERITY).is_some_and(|s| s == "LOG");
            let message = if logged {
                fields.into_iter().nth(CSV_MESSAGE)
            } else {
                None
            };
            return Ok(Some((line, message.unwrap_or_default())));
        }
        let mut text = first;
        // The stderr format puts a tab before each further line of a message.
        while let Some((at, next)) = self.line()? {
            match next.strip_prefix('\t') {
                Some(more) => {
                    text.push('\n');
                    text.push_str(more);
                }
                None => {
                    self.ahead = Some((at, next));
                    break;
                }
            }
        }
        Ok(Some((
            line,
            after_severity(&text).unwrap_or_default().to_owned(),
        )))
    }

    /// The fields of a csvlog record, which may go on over lines; `None` when it is none.
    fn csv(&mut self, first: &str) -> io::Result<Option<Vec<String>>> {
        let is_time = first
            .get(..10)
            .is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit() || b == b'-'));
        if !is_time || first.split(',').count() < CSV_SEVERITY || first.contains("LOG:  ") {
            return Ok(None);
        }
        let mut record = first.to_owned();
        while record.matches('"').count() % 2 == 1 {
            let Some((_, more)) = self.line()? else { break };
            record.push('\n');
            record.push_str(&more);
        }
        Ok(Some(fields(&record)))
    }

    fn line(&mut self) -> io::Result<Option<(u64, String)>> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let mut bytes = vec![];
        if self.input.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some((
            self.line,
            text.trim_end_matches(['\n', '\r']).to_owned(),
        )))
    }
}

fn json_message(line: &str) -> Option<String> {
    let record: Value = serde_json::from_str(line).ok()?;
    let logged = record.get("error_severity").and_then(Value::as_str) == Some("LOG");
    logged.then(|| {
        record
            .get("message")
            .and_then(Value::as_str)
            .map(str::to_owned)
    })?
}

fn after_severity(text: &str) -> Option<&str> {
    text.split_once("LOG:  ").map(|(_, message)| message)
}

/// `statement: …`, `execute name: …`, both perhaps behind `duration: 0.1 ms`. Parse and bind lines are the same
/// statement again.
fn statement_of(message: &str) -> Option<&str> {
    let rest = match message.strip_prefix("duration: ") {
        Some(rest) => rest.split_once(" ms  ")?.1,
        None => message,
    };
    if let Some(text) = rest.strip_prefix("statement: ") {
        return Some(text);
    }
    let (name, text) = rest.strip_prefix("execute ")?.split_once(": ")?;
    // A fetch from a portal that was executed before runs nothing new to judge.
    (!name.starts_with("fetch from ")).then_some(text)
}

fn fields(record: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    let mut chars = record.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut out, '"');
            }
            ('"', _) => quoted = !quoted,
            (',', false) => out.push(String::new()),
            (c, _) => push(&mut out, c),
        }
    }
    out
}

fn push(fields: &mut [String], c: char) {
    if let Some(last) = fields.last_mut() {
        last.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(log: &str) -> Vec<(u64, String)> {
        statements(log.as_bytes())
            .map(|l| l.map(|l| (l.line, l.text)).unwrap())
            .collect()
    }

    #[test]
    fn the_stderr_format_is_read() {
        let log = "2026-04-25 10:00:00 UTC [7] a@b LOG:  statement: select 1\n\
                   2026-04-25 10:00:00 UTC [7] a@b LOG:  duration: 0.2 ms  execute s1: delete\n\tfrom t\n\
                   2026-04-25 10:00:00 UTC [7] a@b DETAIL:  parameters: $1 = '1'\n\
                   2026-04-25 10:00:00 UTC [7] a@b LOG:  duration: 0.2 ms  parse s1: delete from t\n\
                   2026-04-25 10:00:00 UTC [7] a@b ERROR:  no\n\
                   2026-04-25 10:00:00 UTC [7] a@b STATEMENT:  select 2\n\
                   2026-04-25 10:00:00 UTC [7] a@b LOG:  checkpoint starting: time\n";
        assert_eq!(
            read(log),
            [(1, "select 1".to_owned()), (2, "delete\nfrom t".to_owned())]
        );
    }

    #[test]
    fn csvlog_and_jsonlog_are_read() {
        let csv = "2026-04-25 10:00:00.1 UTC,\"a\",\"b\",7,\"127.0.0.1:1\",6,1,\"SELECT\",2026-04-25 10:00:00 UTC,3/4,0,LOG,00000,\"statement: select \"\"x\"\",\n1\",,,,,,,,,\"psql\",\"client backend\",,0\n";
        assert_eq!(read(csv), [(1, "select \"x\",\n1".to_owned())]);
        let json = "{\"error_severity\":\"LOG\",\"message\":\"statement: select 1\"}\n{\"error_severity\":\"ERROR\",\"message\":\"statement: no\"}\n";
        assert_eq!(read(json), [(1, "select 1".to_owned())]);
    }
}
