//! `backstop judge`: what Backstop would say to actions, without running any. One line of JSON in, one out, in order.

mod http;
mod postgres;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use backstop_core::effect::{Analysis, Effect};
use backstop_core::verdict::{Decision, Verdict};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::JudgeProtocol;
use crate::failure::{Context, Failure, Outcome};
use crate::output::Output;

/// The longest line of input; nothing that long is analysed.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Judges what comes in.
///
/// # Errors
/// When the input or the configuration cannot be read; with a log, when something would not have been allowed.
pub fn run(path: &Path, protocol: &JudgeProtocol, output: Output) -> Outcome {
    match protocol {
        JudgeProtocol::Postgres(args) => postgres::run(path, args, output),
        JudgeProtocol::Http(args) => http::run(path, args),
    }
}

/// Judges one case of a protocol.
trait Cases {
    /// The verdict and all effects; or why the object is no case.
    fn judge(&self, case: &Value) -> Result<(Verdict, Analysis), String>;
}

/// An answer, as the contract says.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Value>,
    verdict: Decision,
    effects: Vec<Shown<'a>>,
    rule: &'a str,
    reason: &'a str,
}

#[derive(Debug, PartialEq, Serialize)]
struct Shown<'a> {
    kind: &'static str,
    object: Option<&'a str>,
    reversible: bool,
}

fn verdict(decision: Decision, rule: &str, reason: &str) -> Verdict {
    Verdict {
        decision,
        rule: rule.to_owned(),
        reason: reason.to_owned(),
        people: 0,
    }
}

fn stream(cases: &impl Cases) -> Outcome {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut out = std::io::stdout().lock();
    while let Some(line) = next_line(&mut input)? {
        let answer = answer_line(cases, &line);
        match writeln!(out, "{answer}").and_then(|()| out.flush()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => return Err(Failure::unheard()),
            written => written.doing("cannot write to standard output")?,
        }
    }
    Ok(())
}

/// The next line; one that is too long comes cut, and does not parse.
fn next_line(input: &mut impl BufRead) -> Outcome<Option<Vec<u8>>> {
    let mut line = vec![];
    let doing = "cannot read standard input";
    let read = input
        .by_ref()
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)
        .doing(doing)?;
    if read == 0 {
        return Ok(None);
    }
    if !line.ends_with(b"\n") && u64::try_from(read).is_ok_and(|n| n == LONGEST_LINE) {
        input.skip_until(b'\n').doing(doing)?;
    }
    Ok(Some(line))
}

fn answer_line(cases: &impl Cases, line: &[u8]) -> String {
    let case: Value = match serde_json::from_slice(line) {
        Ok(case) => case,
        Err(_) => return refuse(None, "the line is not a JSON object of at most 16 MiB"),
    };
    let id = case.get("id");
    match cases.judge(&case) {
        Ok((verdict, analysis)) => answer(id, &verdict, &analysis),
        Err(why) => refuse(id, &why),
    }
}

fn refuse(id: Option<&Value>, reason: &str) -> String {
    answer(
        id,
        &verdict(Decision::Deny, "input", reason),
        &Analysis::default(),
    )
}

fn answer(id: Option<&Value>, verdict: &Verdict, analysis: &Analysis) -> String {
    let answer = Answer {
        id: Some(id.unwrap_or(&Value::Null)),
        verdict: verdict.decision,
        effects: shown(&analysis.effects),
        rule: &verdict.rule,
        reason: &verdict.reason,
    };
    serde_json::to_string(&answer)
        .unwrap_or_else(|_| json!({ "verdict": "deny", "rule": "input" }).to_string())
}

fn shown(effects: &[Effect]) -> Vec<Shown<'_>> {
    let mut out: Vec<Shown<'_>> = vec![];
    for effect in effects {
        let one = Shown {
            kind: effect.kind.word(),
            object: effect.object.as_deref(),
            reversible: effect.reversible,
        };
        if !out.contains(&one) {
            out.push(one);
        }
    }
    out
}
