//! A pack as it is written. Every key is here, and no other is taken.

use backstop_core::effect::{EffectKind, Verb};
use serde::Deserialize;

use super::several::Several;
use crate::providers::{Knowledge, Socket};

/// The whole of a pack's first file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    pub name: String,
    pub title: String,
    pub source: String,
    pub version: String,
    pub licence: Option<String>,
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub base: Several<String>,
    #[serde(default)]
    pub protocol: Protocol,
    #[serde(default)]
    pub reads: Reads,
    pub knowledge: Option<Knowledge>,
    pub credential: Option<String>,
    pub variable: Option<String>,
    #[serde(default)]
    pub everyone: bool,
    #[serde(default)]
    pub reveal_fields: Vec<String>,
    #[serde(default)]
    pub operation: Vec<toml::Table>,
    #[serde(default)]
    pub test: Vec<Test>,
}

/// A further file of the same pack: its entries stand in the place of those that match the same requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Layer {
    pub knowledge: Option<Knowledge>,
    #[serde(default)]
    pub operation: Vec<toml::Table>,
    #[serde(default)]
    pub test: Vec<Test>,
}

/// What the API speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Methods and paths.
    #[default]
    Rest,
    /// Mutations and queries.
    Graphql,
}

/// What GET, HEAD and OPTIONS without an entry are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// Unknown.
    #[default]
    Listed,
    /// Reads, unless the path smells of an action or of credentials.
    ByMethod,
}

/// What an entry or a case says of what happens.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Facts {
    pub effect: Option<Several<EffectKind>>,
    pub verb: Option<Verb>,
    pub object: Option<String>,
    pub reversible: Option<bool>,
    pub bound: Option<toml::Value>,
    pub safeguard: Option<bool>,
    pub does: Option<String>,
    pub along: Option<Vec<String>>,
    pub grace: Option<String>,
    pub preview: Option<String>,
    pub reveals: Option<Vec<String>>,
    pub incomplete: Option<String>,
}

/// What an entry says beside its facts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    #[serde(rename = "match")]
    pub matches: Several<String>,
    pub id: Option<String>,
    pub knowledge: Option<Knowledge>,
    pub socket: Option<Socket>,
    pub grpc: Option<Grpc>,
    #[serde(default)]
    pub idempotency: Several<String>,
    #[serde(default)]
    pub quotes: Vec<String>,
    #[serde(default)]
    pub when: Vec<toml::Table>,
}

impl Entry {
    pub const KEYS: [&str; 8] = [
        "match",
        "id",
        "knowledge",
        "idempotency",
        "quotes",
        "socket",
        "grpc",
        "when",
    ];
}

/// What a gRPC call may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grpc {
    /// Whatever it is, it does no more than its name says.
    Harmless,
}

/// What a case says beside its facts: a condition, and how it counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    #[serde(default)]
    pub each: Several<String>,
    pub quotes: Option<bool>,
    #[serde(default)]
    pub and: Vec<Condition>,
    #[serde(default)]
    pub instead: bool,
}

impl Case {
    pub const KEYS: [&str; 4] = ["each", "quotes", "and", "instead"];
}

/// One condition: where, and exactly one test. The first one of a case may name several places.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Condition {
    pub at: Several<String>,
    pub is: Option<toml::Value>,
    pub any: Option<Vec<toml::Value>>,
    pub not: Option<Vec<toml::Value>>,
    pub begins: Option<Several<String>>,
    pub not_begins: Option<Several<String>>,
    pub only: Option<Vec<String>>,
    pub besides: Option<Vec<String>>,
    pub absent: Option<bool>,
    pub present: Option<bool>,
    pub empty: Option<bool>,
    pub less_than: Option<f64>,
    pub more_than: Option<f64>,
}

impl Condition {
    pub const KEYS: [&str; 13] = [
        "at",
        "is",
        "any",
        "not",
        "begins",
        "not-begins",
        "only",
        "besides",
        "absent",
        "present",
        "empty",
        "less-than",
        "more-than",
    ];
}

/// A request and what is to be read from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Test {
    pub request: String,
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    pub body: Option<String>,
    pub operation: Option<String>,
    #[serde(default)]
    pub effects: Vec<String>,
    #[serde(default)]
    pub incomplete: bool,
}
