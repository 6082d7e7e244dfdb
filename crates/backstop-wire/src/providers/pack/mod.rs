//! Packs: what is known of a provider's API, written as TOML, and the reading of a request by it.
//!
//! The format is in docs/packs.md. What no entry matches is unknown (invariant 1).

mod condition;
mod entry;
mod error;
mod file;
mod pattern;
mod read;
mod several;
mod subject;
mod template;
mod trial;
mod trie;

#[cfg(test)]
mod tests;

pub use error::PackError;
pub use read::{Call, add as add_effect};
pub use trial::Trial;
#[cfg(test)]
pub use trial::{request_of, words as words_of};

use entry::Entry;
use file::{File, Layer, Protocol, Reads};
use trie::Trie;

use super::Knowledge;

/// A provider's API, as far as it is known.
#[derive(Debug)]
pub struct Pack {
    name: String,
    title: String,
    source: String,
    version: String,
    hosts: Vec<String>,
    bases: Vec<Vec<String>>,
    protocol: Protocol,
    reads: Reads,
    credential: Option<String>,
    variable: Option<String>,
    everyone: bool,
    reveal_fields: Vec<String>,
    /// Whether there is one whose body quotes.
    quotes: bool,
    entries: Vec<Entry>,
    trie: Trie,
    trials: Vec<Trial>,
}

impl Pack {
    /// Reads a pack from its text.
    ///
    /// # Errors
    ///
    /// If it is no TOML, has a key that the format has not, an entry that says too little, or two entries that match the
    /// same requests.
    pub fn parse(text: &str) -> Result<Self, PackError> {
        Self::layered(&[text])
    }

    /// Reads a pack from several texts: an entry stands in the place of those in earlier texts that match the same
    /// requests. The first text is a whole pack, the others have `[[operation]]` and `[[test]]` alone.
    ///
    /// # Errors
    ///
    /// As [`Pack::parse`].
    pub fn layered(texts: &[&str]) -> Result<Self, PackError> {
        let (first, others) = texts.split_first().ok_or_else(nothing)?;
        let file: File = toml::from_str(first).map_err(|e| not_read(&e))?;
        let default = file.knowledge.unwrap_or(Knowledge::Reviewed);
        let mut layers = vec![layer(&file.operation, file.protocol, default)?];
        let mut tests = file.test.clone();
        for text in others {
            let more: Layer = toml::from_str(text).map_err(|e| not_read(&e))?;
            let default = more.knowledge.unwrap_or(Knowledge::Reviewed);
            layers.push(layer(&more.operation, file.protocol, default)?);
            tests.extend(more.test);
        }
        let (trie, entries) = upper_first(layers)?;
        let mut pack = Self {
            hosts: hosts(&file.hosts)?,
            bases: bases(&file.base.0)?,
            name: name(&file.name)?,
            title: file.title,
            source: match file.licence {
                Some(licence) => format!("{} ({licence})", file.source),
                None => file.source,
            },
            version: file.version,
            protocol: file.protocol,
            reads: file.reads,
            credential: file.credential,
            variable: file.variable.map(variable).transpose()?,
            everyone: file.everyone,
            reveal_fields: file.reveal_fields,
            quotes: entries.iter().any(|entry| !entry.quotes.is_empty()),
            entries,
            trie,
            trials: Vec::new(),
        };
        pack.trials = trial::read(&pack, &tests)?;
        Ok(pack)
    }

    /// Reads a pack from its text, and runs the tests that stand in it.
    ///
    /// # Errors
    ///
    /// As [`Pack::parse`], and with what the first test that does not hold says.
    pub fn tried(text: &str) -> Result<Self, String> {
        let pack = Self::parse(text).map_err(|error| error.to_string())?;
        match pack.trials.iter().find_map(|trial| trial.run(&pack)) {
            Some(failure) => Err(format!("a test in it does not hold: {failure}")),
            None => Ok(pack),
        }
    }

    /// Whether its operations are the fields of a GraphQL API.
    #[must_use]
    pub fn is_graphql(&self) -> bool {
        matches!(self.protocol, Protocol::Graphql)
    }

    /// The name that a target's configuration uses.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people call the API.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where its facts come from, with the licence where there is one.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The version of its source, or the day it was read.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The hosts that serve the API: names, and `*.suffix` for any name under it.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// How the API usually takes its credential, as a target's configuration writes it: `header x-api-key`.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// The variable in which the API's own clients look for the credential.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    /// Whether every lease is to use it, unless a configuration says otherwise: an agent's own model provider.
    #[must_use]
    pub const fn everyone(&self) -> bool {
        self.everyone
    }

    /// Whether there is an operation whose body quotes.
    #[must_use]
    pub const fn quotes(&self) -> bool {
        self.quotes
    }

    /// How many operations it has.
    #[must_use]
    pub const fn operations(&self) -> usize {
        self.entries.len()
    }

    /// Every operation: what it matches, and the provider's own name for it where it has one.
    pub fn listed(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let entries = self.entries.iter();
        entries.map(|e| (e.pattern.text.as_str(), e.id.as_deref()))
    }

    /// The tests written beside its entries.
    #[must_use]
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }
}

/// Whether `host` is `pattern`, or lies under it where it is `*.suffix`.
#[must_use]
pub fn host_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    }
}

fn layer(
    written: &[toml::Table],
    protocol: Protocol,
    default: Knowledge,
) -> Result<Vec<Entry>, PackError> {
    let mut out = Vec::new();
    for table in written {
        out.extend(entry::entries(table, protocol, default)?);
    }
    Ok(out)
}

/// Puts the last layer in first, so that what it has is not taken from an earlier one.
fn upper_first(layers: Vec<Vec<Entry>>) -> Result<(Trie, Vec<Entry>), PackError> {
    let mut trie = Trie::new();
    let mut all: Vec<Entry> = Vec::new();
    for layer in layers.into_iter().rev() {
        let above = all.len();
        for entry in layer {
            match trie.add(&entry.pattern, all.len()) {
                Err(other) if other >= above => {
                    let other = all.get(other).map_or("", |e| e.pattern.text.as_str());
                    return Err(PackError::new(
                        format!("operation {}", entry.pattern.text),
                        format!("it matches the same requests as `{other}`"),
                        "keep one of the two, and say in `when` what differs",
                    ));
                }
                _ => all.push(entry),
            }
        }
    }
    Ok((trie, all))
}

fn nothing() -> PackError {
    PackError::new("the pack", "there is no text", "give the pack's file")
}

fn not_read(error: &toml::de::Error) -> PackError {
    let text = error.to_string();
    PackError::new(
        "the pack",
        text.trim_end(),
        "see docs/packs.md for the keys of a pack",
    )
}

fn name(text: &str) -> Result<String, PackError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(PackError::new(
        "name",
        format!("`{text}` is no name for a pack"),
        "use lower-case letters, digits and `-`",
    ))
}

fn variable(text: String) -> Result<String, PackError> {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(plain) {
        return Ok(text);
    }
    Err(PackError::new(
        "variable",
        format!("`{text}` is no name of a variable"),
        "write it as `EXAMPLE_API_KEY`",
    ))
}

fn hosts(texts: &[String]) -> Result<Vec<String>, PackError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    let good = |t: &str| {
        let name = t.strip_prefix("*.").unwrap_or(t);
        name.contains('.') && !name.starts_with('.') && name.chars().all(plain)
    };
    match texts.iter().find(|t| !good(t)) {
        None => Ok(texts.to_vec()),
        Some(bad) => Err(PackError::new(
            "hosts",
            format!("`{bad}` is no host"),
            "write the name in lower case without scheme and port, or `*.suffix`",
        )),
    }
}

fn bases(texts: &[String]) -> Result<Vec<Vec<String>>, PackError> {
    let of = |text: &String| {
        let path = text.strip_prefix('/').unwrap_or(text);
        let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        match (text.as_str(), parts.iter().any(String::is_empty)) {
            ("" | "/", _) => Ok(Vec::new()),
            (text, false) if text.starts_with('/') => Ok(parts),
            _ => Err(PackError::new(
                "base",
                format!("`{text}` is no base path"),
                "write it as `/v1`, with a slash before and none behind",
            )),
        }
    };
    match texts {
        [] => Ok(vec![Vec::new()]),
        texts => texts.iter().map(of).collect(),
    }
}
