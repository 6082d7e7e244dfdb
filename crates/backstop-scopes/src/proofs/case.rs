//! A counterexample: a question, told so that a person can read it, with the answer of the real authorizer.

use std::fmt::Write as _;

use backstop_core::measure::{Limits, Measured};
use backstop_core::policy::Question;
use backstop_core::verdict::Verdict;
use cedar_policy::{Context, EvalResult, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A question for which a sentence is false.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// What it is, in words.
    pub told: String,
    /// The facts as the policies see them.
    pub request: Value,
    /// What the policies really say to it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The question, to ask again.
    #[serde(skip)]
    pub question: Question,
}

impl Case {
    /// A question with its answer.
    pub(super) fn of(question: Question, verdict: Verdict) -> Self {
        Self {
            told: told(&question),
            request: facts(&question),
            verdict,
            question,
        }
    }
}

/// The question that a request of the solver's is; none if no gate could put it.
pub(super) fn question(request: &Request) -> Option<Question> {
    let context = request.context()?;
    let flag = |name: &str| match context.get(name)? {
        EvalResult::Bool(b) => Some(b),
        _ => None,
    };
    let number = |name: &str| match context.get(name)? {
        EvalResult::Long(n) => Some(n),
        _ => None,
    };
    let count = |name: &str| u64::try_from(number(name)?).ok();
    let share = |name: &str| u32::try_from(number(name)?).ok();
    let id = |uid: Option<&cedar_policy::EntityUid>| uid.map(|uid| uid.id().unescaped().to_owned());
    let measured = Measured {
        share: share("share")?,
        lease_rows: count("leaseRows")?,
        target_rows: count("targetRows")?,
        recoverable: flag("recoverable")?,
    };
    Some(Question {
        lease: id(request.principal())?,
        target: id(request.resource())?,
        environment: word(context, "environment")?,
        kind: word(context, "kind")?,
        verb: word(context, "verb")?,
        object: text(context, "object")?,
        in_scope: flag("inScope")?,
        own: flag("own")?,
        system: flag("system")?,
        safeguard: flag("safeguard")?,
        complete: flag("complete")?,
        measurable: flag("measurable")?,
        rows: number("rows")?,
        limits: Limits {
            rows: count("mostRows")?,
            share: share("mostShare")?,
            few: count("fewRows")?,
            lease_rows: count("mostLeaseRows")?,
            target_rows: count("mostTargetRows")?,
            ..Limits::default()
        },
        measured: flag("measured")?.then_some(measured),
    })
}

fn text(context: &Context, name: &str) -> Option<String> {
    match context.get(name)? {
        EvalResult::String(text) => Some(text),
        _ => None,
    }
}

fn word<T: DeserializeOwned>(context: &Context, name: &str) -> Option<T> {
    serde_json::from_value(Value::String(text(context, name)?)).ok()
}

/// The facts by their names in policies.
fn facts(question: &Question) -> Value {
    let context = question.request().and_then(|request| {
        let context = request.context()?.to_json_value().ok()?;
        Some(context)
    });
    let mut out = Map::new();
    out.insert("lease".into(), json!(question.lease));
    out.insert("target".into(), json!(question.target));
    out.insert("context".into(), context.unwrap_or(Value::Null));
    Value::Object(out)
}

fn told(q: &Question) -> String {
    let verb = serde_json::to_value(q.verb).ok();
    let verb = verb.as_ref().and_then(Value::as_str).unwrap_or("other");
    let object = match q.object.as_str() {
        "" => "no object that has a name".to_owned(),
        name => format!("`{}`", name.escape_debug()),
    };
    let mut out = format!("in {}: {} ({verb}) on {object}", q.environment, q.kind);
    let mut also = |words: &str| {
        let _ = write!(out, ", {words}");
    };
    if q.own {
        also("which is the lease's own");
    }
    if q.system {
        also("which is of the catalogue");
    }
    if q.safeguard {
        also("which takes away what would bring data back");
    }
    also(if q.in_scope {
        "named by a scope"
    } else {
        "named by no scope"
    });
    match q.rows {
        -1 => also("no bound on its rows known"),
        0 => {}
        1 => also("at most 1 row"),
        n => also(&format!("at most {n} rows")),
    }
    match (q.complete, q.measurable) {
        (true, true) => also("to be measured before COMMIT"),
        (true, false) => {}
        (false, true) => also("not wholly known before it is measured"),
        (false, false) => also("not wholly known"),
    }
    if let Some(m) = q.measured {
        also(&format!(
            "measured: {}.{:02} % of the table, {} rows of the lease and {} of all within the window, {}",
            m.share / 100,
            m.share % 100,
            m.lease_rows,
            m.target_rows,
            if m.recoverable {
                "recoverable"
            } else {
                "not recoverable"
            }
        ));
        also(&format!(
            "limits: {} rows, {}.{:02} % beyond {} rows, {} of the lease, {} of all",
            q.limits.rows,
            q.limits.share / 100,
            q.limits.share % 100,
            q.limits.few,
            q.limits.lease_rows,
            q.limits.target_rows
        ));
    }
    out
}
