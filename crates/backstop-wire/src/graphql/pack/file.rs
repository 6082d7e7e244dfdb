//! The TOML of a pack, as it stands in the file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::providers::Knowledge;

use super::condition::Condition;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) pack: Head,
    #[serde(default)]
    pub(super) query: BTreeMap<String, Entry>,
    #[serde(default)]
    pub(super) mutation: BTreeMap<String, Entry>,
    #[serde(default)]
    pub(super) secret: Vec<Secret>,
    #[serde(default)]
    pub(super) test: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) hosts: Vec<String>,
    pub(super) paths: Vec<String>,
    #[serde(default = "reviewed")]
    pub(super) knowledge: Knowledge,
    /// Where the facts are from, for people.
    #[serde(default, rename = "source")]
    _source: String,
}

fn reviewed() -> Knowledge {
    Knowledge::Reviewed
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) does: String,
    pub(super) effects: Vec<String>,
    #[serde(default)]
    pub(super) along: Vec<String>,
    pub(super) grace: Option<String>,
    pub(super) preview: Option<String>,
    #[serde(default)]
    pub(super) reveals: bool,
    pub(super) incomplete: Option<String>,
    #[serde(default)]
    pub(super) when: Vec<When>,
}

/// What differs where an argument says so. What it does not name stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    #[serde(rename = "if")]
    pub(super) conditions: Vec<Condition>,
    pub(super) does: Option<String>,
    pub(super) effects: Option<Vec<String>>,
    /// Effects beside the others'. A `when` with this adds, whichever others hold, and replaces nothing.
    pub(super) also: Option<Vec<String>>,
    pub(super) along: Option<Vec<String>>,
    pub(super) grace: Option<String>,
    pub(super) preview: Option<String>,
    pub(super) reveals: Option<bool>,
    pub(super) incomplete: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    /// `Type.field`.
    pub(super) field: Option<String>,
    /// Every field that returns it.
    #[serde(rename = "type")]
    pub(super) of: Option<String>,
    /// The kind of object that is revealed.
    pub(super) object: String,
    /// Why, for people.
    #[serde(default, rename = "why")]
    _why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub(super) what: String,
    pub(super) query: String,
    #[serde(default)]
    pub(super) variables: Map<String, Value>,
    /// All of them, in any order.
    pub(super) effects: Vec<String>,
    #[serde(default)]
    pub(super) reveals: Vec<String>,
    /// Whether something of it is not known.
    #[serde(default)]
    pub(super) incomplete: bool,
}
