//! What a provider's operations do, as data, and the reading of a request by it.
//!
//! A pack is two texts: the provider's schema, and a TOML file with one entry for each operation whose effect is more
//! than reading:
//!
//! ```toml
//! [pack]
//! name = "example"
//! hosts = ["api.example.com"]
//! paths = ["/graphql"]
//!
//! [mutation.volumeDelete]
//! does = "Deletes the volume and all that is stored in it."
//! effects = ["destroy drop volume.{volumeId}", "destroy drop volume_backup safeguard"]
//! along = ["every backup of the volume"]
//! grace = "48 hours"            # how long it can be taken back
//! preview = "query { … }"       # how to see beforehand what it would hit
//! reveals = true                # its answer is a credential
//!
//! [[mutation.volumeDelete.when]]        # the first that holds replaces what it names; one with `also` adds effects
//! if = [{ argument = "force", is = true }]
//! grace = ""
//!
//! [[secret]]                            # selecting it returns a credential
//! field = "Deployment.variables"        # or: type = "Variables", every field that returns one
//! object = "variable"
//!
//! [[test]]
//! what = "deletes a volume"
//! query = 'mutation { volumeDelete(volumeId: "v1") }'
//! effects = ["destroy drop volume.v1", "destroy drop volume_backup safeguard"]
//! ```
//!
//! An effect is its kind, verb and object, `{…}` standing for an argument's value, then any of `reversible`,
//! `safeguard` and `many`. Queries without an entry read. A mutation without one is unknown.

mod condition;
mod effect;
mod faults;
mod file;
mod kinds;
mod read;
mod secrets;

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::providers::Knowledge;

use super::call::{Call, Kind};
use super::schema::{Scalar, TypeKind};
use super::{Documents, Schema, SchemaError};
use condition::Condition;
use effect::Template;
pub use faults::faults;

/// A provider's schema and what its operations do.
#[derive(Debug)]
pub struct Pack<'a> {
    name: String,
    hosts: Vec<String>,
    paths: Vec<Vec<String>>,
    knowledge: Knowledge,
    schema: Schema<'a>,
    queries: HashMap<String, Entry>,
    mutations: HashMap<String, Entry>,
    secrets: secrets::Secrets<'a>,
    kinds: kinds::Kinds<'a>,
    documents: Documents,
}

/// Why a pack cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The schema is not understood.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The entries are not TOML of this format.
    #[error("the pack is not understood: {0}")]
    Text(#[from] toml::de::Error),
    /// An effect is not written as it should be.
    #[error(
        "the effect `{0}` is not understood; hint: write it as `destroy drop volume.{{volumeId}} safeguard`"
    )]
    Effect(String),
    /// A secret is neither of a field nor of a type that the schema has.
    #[error("the secret `{0}` is not in the schema")]
    Secret(String),
}

/// What one operation does.
#[derive(Debug)]
struct Entry {
    whole: Facts,
    when: Vec<When>,
}

/// What differs where an argument says so.
#[derive(Debug)]
struct When {
    conditions: Vec<Condition>,
    then: Then,
}

#[derive(Debug)]
enum Then {
    /// Instead of all others: the first that holds.
    Replaced(Facts),
    /// Beside the others: every one that holds.
    Added {
        effects: Vec<Template>,
        along: Vec<String>,
    },
}

#[derive(Debug, Clone)]
struct Facts {
    does: String,
    effects: Vec<Template>,
    along: Vec<String>,
    grace: Option<String>,
    preview: Option<String>,
    reveals: bool,
    /// What the request does not tell, where it does not.
    incomplete: Option<String>,
}

/// Bytes of documents that a pack remembers.
const REMEMBERED: usize = 256 * 1024;

impl<'a> Pack<'a> {
    /// Reads a pack.
    ///
    /// # Errors
    ///
    /// If one of the texts is not understood. That they fit together is for [`faults`] to find, in a test.
    pub fn parse(entries: &str, schema: &'a str) -> Result<Self, PackError> {
        let file: file::File = toml::from_str(entries)?;
        let schema = Schema::parse(schema)?;
        Ok(Self {
            secrets: secrets::Secrets::of(&file.secret, &schema)?,
            kinds: kinds::Kinds::of(&schema),
            queries: compile(file.query)?,
            mutations: compile(file.mutation)?,
            name: file.pack.name,
            hosts: file.pack.hosts,
            paths: file.pack.paths.iter().map(|path| segments(path)).collect(),
            knowledge: file.pack.knowledge,
            schema,
            documents: Documents::new(REMEMBERED),
        })
    }

    /// The provider's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `host` is the provider's API.
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known == host)
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Schema<'a> {
        &self.schema
    }

    /// Every field of every object and interface: type, name, and the scalar of the provider's own that it returns, if
    /// it does.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
        self.schema.types.iter().flat_map(|of| {
            of.fields.iter().map(|field| {
                let returns = self.schema.get(field.of.named);
                let own = returns.kind == TypeKind::Scalar(Scalar::Custom);
                (of.name, field.name, own.then_some(returns.name))
            })
        })
    }

    /// Whether selecting a field of a type returns a credential.
    #[must_use]
    pub fn reveals(&self, of: &str, field: &str) -> bool {
        let entry = (of == "Query").then(|| self.queries.get(field)).flatten();
        entry.is_some_and(|entry| entry.whole.reveals) || self.secrets.get(of, field).is_some()
    }

    /// Whether a mutation, whatever its arguments, takes away or weakens what would bring data back.
    #[must_use]
    pub fn safeguards(&self, mutation: &str) -> bool {
        let entry = self.mutations.get(mutation);
        entry.is_some_and(|entry| entry.whole.effects.iter().any(Template::is_safeguard))
    }

    fn entry(&self, call: &Call<'_>) -> Option<&Entry> {
        match call.kind {
            Kind::Mutation => self.mutations.get(call.field),
            Kind::Query | Kind::Subscription => self.queries.get(call.field),
        }
    }
}

impl Entry {
    /// What it does with these arguments, and the places of the conditions that hold.
    fn facts(&self, arguments: &Map<String, Value>) -> (Facts, Vec<usize>) {
        let mut replaced = None;
        let mut held = Vec::new();
        let mut effects = Vec::new();
        let mut along = Vec::new();
        for (at, when) in self.when.iter().enumerate() {
            if !when.conditions.iter().all(|c| c.holds(arguments)) {
                continue;
            }
            match &when.then {
                Then::Replaced(_) if replaced.is_some() => continue,
                Then::Replaced(facts) => replaced = Some(facts),
                Then::Added {
                    effects: more,
                    along: with,
                } => {
                    effects.extend(more.iter().cloned());
                    along.extend(with.iter().cloned());
                }
            }
            held.push(at);
        }
        let mut facts = replaced.unwrap_or(&self.whole).clone();
        facts.effects.extend(effects);
        facts.along.extend(along);
        (facts, held)
    }

    /// All effects that it can have.
    fn effects(&self) -> impl Iterator<Item = &Template> {
        let more = self.when.iter().flat_map(|when| match &when.then {
            Then::Replaced(facts) => &facts.effects,
            Then::Added { effects, .. } => effects,
        });
        self.whole.effects.iter().chain(more)
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect()
}

fn compile(
    entries: std::collections::BTreeMap<String, file::Entry>,
) -> Result<HashMap<String, Entry>, PackError> {
    entries
        .into_iter()
        .map(|(name, entry)| Ok((name, entry.compile()?)))
        .collect()
}

impl file::Entry {
    fn compile(self) -> Result<Entry, PackError> {
        let whole = Facts {
            does: self.does,
            effects: templates(&self.effects)?,
            along: self.along,
            grace: self.grace.filter(|grace| !grace.is_empty()),
            preview: self.preview.filter(|preview| !preview.is_empty()),
            reveals: self.reveals,
            incomplete: self.incomplete,
        };
        let mut when = Vec::with_capacity(self.when.len());
        for change in self.when {
            when.push(change.compile(&whole)?);
        }
        Ok(Entry { whole, when })
    }
}

impl file::When {
    fn compile(self, whole: &Facts) -> Result<When, PackError> {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let then = if let Some(also) = self.also {
            Then::Added {
                effects: templates(&also)?,
                along: self.along.unwrap_or_default(),
            }
        } else {
            let old = whole.clone();
            Then::Replaced(Facts {
                does: self.does.unwrap_or(old.does),
                effects: match self.effects {
                    Some(effects) => templates(&effects)?,
                    None => old.effects,
                },
                along: self.along.unwrap_or(old.along),
                grace: self.grace.map_or(old.grace, some),
                preview: self.preview.map_or(old.preview, some),
                reveals: self.reveals.unwrap_or(old.reveals),
                incomplete: self.incomplete.map_or(old.incomplete, some),
            })
        };
        Ok(When {
            conditions: self.conditions,
            then,
        })
    }
}

fn templates(texts: &[String]) -> Result<Vec<Template>, PackError> {
    texts.iter().map(|text| Template::parse(text)).collect()
}

#[cfg(test)]
mod tests;
