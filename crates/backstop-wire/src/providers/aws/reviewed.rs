//! The entries that a person wrote, argument by argument where it matters: `packs/aws/reviewed`.

use std::collections::HashMap;
use std::sync::OnceLock;

use backstop_core::effect::{Bound, Effect};
use serde::Deserialize;
use serde_json::Value;

use super::called::Call;
use super::condition::Condition;
use super::object::{Objects, count, filled, phrase};
use super::outcome::{Outcome, Rows, Written};
use crate::providers::{Knowledge, Operation};

macro_rules! packs {
    ($($service:literal)*) => {
        /// Service and text of each file.
        pub(super) const PACKS: &[(&str, &str)] =
            &[$(($service, include_str!(concat!("../../../packs/aws/reviewed/", $service, ".toml")))),*];
    };
}

packs! {
    "backup" "cloudformation" "dynamodb" "ebs" "ec2" "efs" "iam" "kms" "lambda" "rds" "rds-data" "route53" "s3"
    "s3control" "secretsmanager" "ssm" "sts"
}

/// A file of entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pack {
    /// As the SDKs call it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test compares it with the file's name")
    )]
    pub(super) service: String,
    pub(super) operation: Vec<Entry>,
    /// Read by the tests.
    #[serde(default)]
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests stand beside the entries")
    )]
    pub(super) test: Vec<toml::Value>,
}

/// What one operation does, or several that do the same.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: Names,
    pub(super) does: String,
    #[serde(default)]
    pub(super) effects: Vec<Line>,
    #[serde(default)]
    along: Vec<String>,
    grace: Option<String>,
    preview: Option<String>,
    #[serde(default)]
    reveals: Vec<String>,
    /// Why the effects are not all there is, whatever the arguments.
    incomplete: Option<String>,
    #[serde(default)]
    pub(super) when: Vec<When>,
}

/// A name, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    pub(super) fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// What is otherwise where arguments meet a condition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    pub(super) r#if: Condition,
    /// In place of the entry's own effects, not beside them.
    #[serde(default)]
    instead: bool,
    #[serde(default)]
    pub(super) effects: Vec<Line>,
    does: Option<String>,
    because: Option<String>,
    #[serde(default)]
    along: Vec<String>,
    grace: Option<String>,
    #[serde(default)]
    reveals: Vec<String>,
    incomplete: Option<String>,
}

/// An effect in the words of [`Written`].
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Line(pub(super) Written);

impl TryFrom<String> for Line {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Written::parse(&text).map(Self)
    }
}

#[derive(Debug, Default)]
struct Entries {
    all: Vec<Entry>,
    by_name: HashMap<String, usize>,
}

impl Entries {
    /// A file that cannot be read has no entries: its operations are then judged by the generated data. A test reads all.
    fn parse(text: &str) -> Self {
        let all = toml::from_str::<Pack>(text).map_or_else(|_| Vec::new(), |p| p.operation);
        let mut by_name = HashMap::new();
        for (i, entry) in all.iter().enumerate() {
            for name in entry.name.all() {
                by_name.insert(name.clone(), i);
            }
        }
        Self { all, by_name }
    }
}

/// The entry of an operation, if somebody wrote one.
pub(super) fn entry(service: &str, operation: &str) -> Option<&'static Entry> {
    type Files = HashMap<&'static str, (&'static str, OnceLock<Entries>)>;
    static FILES: OnceLock<Files> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let named = PACKS.iter();
        named
            .map(|(name, text)| (*name, (*text, OnceLock::new())))
            .collect()
    });
    let (text, entries) = files.get(service)?;
    let entries = entries.get_or_init(|| Entries::parse(text));
    entries.all.get(*entries.by_name.get(operation)?)
}

/// What a call does by its entry.
pub(super) fn outcome(call: &Call, entry: &Entry, arguments: &Value) -> Outcome {
    let met: Vec<&When> = entry
        .when
        .iter()
        .filter(|w| w.r#if.holds(arguments))
        .collect();
    let mut effects = Vec::new();
    if !met.iter().any(|w| w.instead) {
        add(&mut effects, &entry.effects, None, arguments);
    }
    for when in &met {
        add(
            &mut effects,
            &when.effects,
            when.because.as_deref(),
            arguments,
        );
    }
    let last = |of: fn(&When) -> Option<&String>| met.iter().rev().find_map(|w| of(w)).cloned();
    let along = met.iter().flat_map(|w| w.along.iter());
    let reveals = met.iter().flat_map(|w| w.reveals.iter());
    let incomplete = met.iter().filter_map(|w| w.incomplete.as_ref());
    let grace = last(|w| w.grace.as_ref()).or_else(|| entry.grace.clone());
    Outcome {
        operation: Operation {
            name: format!("{}:{}", call.service.name, call.known.name),
            knowledge: Knowledge::Reviewed,
            does: last(|w| w.does.as_ref()).unwrap_or_else(|| entry.does.clone()),
            along: entry.along.iter().chain(along).cloned().collect(),
            grace: grace
                .map(|g| phrase(&g, arguments))
                .filter(|g| !g.is_empty()),
            preview: entry.preview.clone(),
            reveals: entry.reveals.iter().chain(reveals).cloned().collect(),
        },
        effects,
        incomplete: entry.incomplete.iter().chain(incomplete).cloned().collect(),
    }
}

fn add(effects: &mut Vec<Effect>, lines: &[Line], because: Option<&str>, arguments: &Value) {
    for Line(written) in lines {
        let bound = match &written.rows {
            Rows::Structure => Bound::Structure,
            Rows::Exactly(n) => Bound::Rows(*n),
            Rows::At(path) => Bound::Rows(count(arguments, path)),
            Rows::Unbounded => Bound::Unbounded,
        };
        let made = match written.object.as_deref().map(|t| filled(t, arguments)) {
            None => vec![written.effect(None, bound)],
            Some(Objects::Counted(kind, n)) => {
                vec![written.effect(Some(kind), Bound::Rows(n))]
            }
            Some(Objects::Named(names)) => {
                let named = names.into_iter();
                named
                    .map(|name| written.effect(Some(name), bound))
                    .collect()
            }
        };
        for mut effect in made {
            effect.because = because.map(ToOwned::to_owned);
            if !effects.contains(&effect) {
                effects.push(effect);
            }
        }
    }
}
