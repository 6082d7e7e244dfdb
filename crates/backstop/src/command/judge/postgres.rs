//! `backstop judge postgres`: what Backstop would say to statements, without running any.

use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use backstop_core::effect::Analysis;
use backstop_core::policy::{Asker, Policy};
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::sql::{self, Catalog, Session};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Cases, shown, stream, verdict};

use crate::cli::JudgePostgres;
use crate::config::Config;
use crate::failure::{Code, Context, Failure, Outcome};
use crate::judging::log::{self, Logged};
use crate::output::{Output, Paint, safe};

/// Judges standard input, or a server's log.
///
/// # Errors
/// When the input or the configuration cannot be read; with a log, when something would not have been allowed.
pub(super) fn run(path: &Path, args: &JudgePostgres, output: Output) -> Outcome {
    let judge = Judge::new(path, args)?;
    match &args.log {
        Some(file) => replay(&judge, file, output),
        None => stream(&judge),
    }
}

/// What judging needs.
struct Judge {
    policy: Policy,
    catalog: Arc<Catalog>,
    target: String,
    environment: Environment,
    search_path: Vec<String>,
}

impl Judge {
    fn new(path: &Path, args: &JudgePostgres) -> Outcome<Self> {
        let config = if args.target.is_some() || path.exists() {
            Some(Config::load(path)?)
        } else {
            None
        };
        let target = match (&config, &args.target) {
            (Some(config), Some(name)) => Some(config.target(name)?),
            _ => None,
        };
        let more = config.as_ref().map_or("", |c| c.policy.as_str());
        Ok(Self {
            policy: Policy::with(more).doing("the policies cannot be used")?,
            catalog: Catalog::stock(0),
            environment: args
                .environment
                .or(target.map(|t| t.environment))
                .unwrap_or_default(),
            target: target.map_or_else(|| "target".to_owned(), |t| t.name.clone()),
            search_path: vec!["public".to_owned()],
        })
    }

    /// The verdict on one simple-query text: the strictest of its statements, the effects of all.
    fn judge(&self, text: &str) -> (Verdict, Analysis) {
        let session = Session {
            search_path: &self.search_path,
            role: "lease",
            own_roles: &[],
            created: &[],
            prepared: &|_| None,
            parameter_types: &[],
        };
        let script = match sql::analyse(text, &self.catalog, &session) {
            Ok(script) => script,
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().next().unwrap_or_default();
                return (
                    verdict(Decision::Deny, "syntax", reason),
                    Analysis::default(),
                );
            }
        };
        let mut all = Analysis {
            transactional: true,
            ..Analysis::default()
        };
        for statement in script.statements {
            for effect in statement.analysis.effects {
                if !all.effects.contains(&effect) {
                    all.effects.push(effect);
                }
            }
            all.incomplete.extend(statement.analysis.incomplete);
            all.unseen.extend(statement.analysis.unseen);
            all.transactional &= statement.analysis.transactional;
        }
        let asker = Asker {
            lease: None,
            target: &self.target,
            environment: self.environment,
            limits: None,
        };
        (self.policy.judge(asker, &all), all)
    }
}

impl Cases for Judge {
    fn judge(&self, case: &Value) -> Result<(Verdict, Analysis), String> {
        let input = case.get("input").and_then(Value::as_str);
        let input = input.ok_or("the object has no string `input`")?;
        Ok(self.judge(input))
    }
}

/// What replaying a log found.
#[derive(Debug, Default, Serialize)]
struct Summary {
    statements: u64,
    allowed: u64,
    held: u64,
    denied: u64,
    halted: u64,
}

fn replay(judge: &Judge, file: &Path, output: Output) -> Outcome {
    let doing = format!("cannot read the log `{}`", file.display());
    let input = BufReader::new(
        std::fs::File::open(file).map_err(|e| Failure::usage(doing.clone()).because(e))?,
    );
    let mut summary = Summary::default();
    for logged in log::statements(input) {
        let logged = logged.doing(doing.clone())?;
        let (verdict, analysis) = judge.judge(&logged.text);
        summary.count(verdict.decision);
        if verdict.decision != Decision::Allow {
            report(&logged, &verdict, &analysis, output)?;
        }
    }
    if summary.statements == 0 {
        return Err(Failure::usage(format!("`{}` holds no statements", file.display()))
            .hint("the server writes them with log_statement = 'all', or log_min_duration_statement = 0"));
    }
    output.either(&json!({ "summary": summary }), |paint| {
        paint.strong(&format!(
            "{} statements: {} allowed, {} held, {} denied, {} halted",
            summary.statements, summary.allowed, summary.held, summary.denied, summary.halted
        ))
    })?;
    if summary.allowed == summary.statements {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} statements would not have been allowed",
        summary.statements - summary.allowed
    ))
    .code(Code::Verdict))
}

impl Summary {
    fn count(&mut self, decision: Decision) {
        self.statements += 1;
        match decision {
            Decision::Allow | Decision::Measure => self.allowed += 1,
            Decision::Hold => self.held += 1,
            Decision::Deny => self.denied += 1,
            Decision::Halt => self.halted += 1,
        }
    }
}

fn report(logged: &Logged, verdict: &Verdict, analysis: &Analysis, output: Output) -> Outcome {
    let text = sql::redact::redact(&logged.text);
    let value = json!({
        "line": logged.line,
        "verdict": verdict.decision,
        "effects": shown(&analysis.effects),
        "rule": verdict.rule,
        "reason": verdict.reason,
        "statement": text,
    });
    output.either(&value, |paint| line_of(logged.line, verdict, &text, paint))
}

fn line_of(line: u64, verdict: &Verdict, text: &str, paint: Paint) -> String {
    let one_line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let word = match verdict.decision {
        Decision::Hold => paint.warn("hold"),
        other => paint.error(other.word()),
    };
    format!(
        "line {line}: {word} {} ({})\n  {}",
        verdict.reason,
        verdict.rule,
        safe(&one_line)
    )
}
