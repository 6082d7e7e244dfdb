//! The published rules (gitleaks' format, `rules/betterleaks.toml`): what each matches and what it lets pass. Data
//! only; a rule's expression is compiled when its keyword is first met.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Deserialize;

const PUBLISHED: &str = include_str!("../../rules/betterleaks.toml");

/// A compiled expression may not take more memory than this, so that no rule can.
const MAX_COMPILED: usize = 64 << 20;

#[derive(Deserialize)]
struct File {
    allowlist: RawAllow,
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: String,
    description: String,
    regex: Option<String>,
    path: Option<String>,
    #[serde(rename = "secretGroup")]
    secret_group: Option<usize>,
    #[serde(default)]
    keywords: Vec<String>,
    entropy: Option<f64>,
    #[serde(default)]
    allowlists: Vec<RawAllow>,
    #[serde(default)]
    required: Vec<RawAllow>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAllow {
    #[serde(default)]
    regexes: Vec<String>,
    #[serde(default)]
    stopwords: Vec<String>,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(rename = "regexTarget")]
    target: Option<String>,
}

/// All published rules.
pub(crate) struct Rules {
    pub(crate) all: Vec<Rule>,
    general: Allow,
}

/// One rule.
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) keywords: Vec<String>,
    regex: Option<Lazy<Regex>>,
    path: Option<Lazy<Regex>>,
    secret_group: Option<usize>,
    entropy: f64,
    allow: Vec<Allow>,
    required: Vec<Allow>,
}

struct Allow {
    regexes: Lazy<RegexSet>,
    stopwords: Vec<String>,
    paths: Option<Lazy<RegexSet>>,
    whole_match: bool,
}

/// What a rule matched, by places in the text that it was given.
pub(crate) struct Match {
    pub(crate) whole: std::ops::Range<usize>,
    pub(crate) secret: std::ops::Range<usize>,
}

impl Rules {
    /// The rules that ship with Backstop.
    ///
    /// # Errors
    /// If the file that was compiled in is no such file, which a test excludes.
    pub(crate) fn published() -> Result<Self, toml::de::Error> {
        let file: File = toml::from_str(PUBLISHED)?;
        Ok(Self {
            all: file.rules.into_iter().map(Rule::new).collect(),
            general: Allow::new(file.allowlist),
        })
    }

    /// Whether this secret is one that every rule lets pass.
    pub(crate) fn passes(&self, secret: &[u8]) -> bool {
        self.general.holds(secret, secret, b"")
    }
}

impl Rule {
    fn new(raw: RawRule) -> Self {
        Self {
            id: raw.id,
            description: raw.description,
            keywords: raw.keywords,
            regex: raw.regex.map(Lazy::new),
            path: raw.path.map(Lazy::new),
            secret_group: raw.secret_group,
            entropy: raw.entropy.unwrap_or(0.0),
            allow: raw.allowlists.into_iter().map(Allow::new).collect(),
            required: raw.required.into_iter().map(Allow::new).collect(),
        }
    }

    /// Whether the rule looks at files of this path.
    pub(crate) fn wants_path(&self, path: &[u8]) -> bool {
        self.path
            .as_ref()
            .is_none_or(|lazy| lazy.regex().is_some_and(|regex| regex.is_match(path)))
    }

    /// Whether the rule is about the file itself, whatever it holds.
    pub(crate) fn is_about_paths(&self) -> bool {
        self.regex.is_none()
    }

    /// The first match that begins at or after `from` in `text`, whatever comes before it in view.
    pub(crate) fn find(&self, text: &[u8], from: usize, path: &[u8]) -> Option<Match> {
        let regex = self.regex.as_ref()?.regex()?;
        let mut from = from;
        // A match that the rule lets pass does not hide the next one.
        while from < text.len() {
            let found = regex.captures_at(text, from)?;
            let whole = found.get(0)?;
            let secret = match self.secret_group {
                Some(group) => found.get(group),
                None => found
                    .iter()
                    .skip(1)
                    .flatten()
                    .find(|group| !group.is_empty()),
            }
            .unwrap_or(whole);
            if self.keeps(secret.as_bytes(), whole.as_bytes(), path) {
                return Some(Match {
                    whole: whole.range(),
                    secret: secret.range(),
                });
            }
            from = whole.end().max(from + 1);
        }
        None
    }

    fn keeps(&self, secret: &[u8], whole: &[u8], path: &[u8]) -> bool {
        (self.entropy == 0.0 || entropy(secret) > self.entropy)
            && !self
                .allow
                .iter()
                .any(|allow| allow.holds(secret, whole, path))
            && self
                .required
                .iter()
                .all(|needed| needed.holds(secret, whole, path))
    }

    #[cfg(test)]
    pub(crate) fn compiles(&self) -> bool {
        let all = self.allow.iter().chain(&self.required);
        self.regex
            .as_ref()
            .is_none_or(|lazy| lazy.regex().is_some())
            && self.path.as_ref().is_none_or(|lazy| lazy.regex().is_some())
            && all.clone().all(|allow| allow.regexes.set().is_some())
            && all
                .flat_map(|allow| &allow.paths)
                .all(|paths| paths.set().is_some())
    }
}

impl Allow {
    fn new(raw: RawAllow) -> Self {
        Self {
            regexes: Lazy::new_set(raw.regexes),
            stopwords: raw
                .stopwords
                .iter()
                .map(|word| word.to_ascii_lowercase())
                .collect(),
            paths: (!raw.paths.is_empty()).then(|| Lazy::new_set(raw.paths)),
            whole_match: raw.target.as_deref() == Some("match"),
        }
    }

    fn holds(&self, secret: &[u8], whole: &[u8], path: &[u8]) -> bool {
        let looked_at = if self.whole_match { whole } else { secret };
        self.regexes
            .set()
            .is_some_and(|set| set.is_match(looked_at))
            || self
                .paths
                .as_ref()
                .and_then(Lazy::set)
                .is_some_and(|set| set.is_match(path))
            || (!self.stopwords.is_empty() && {
                let lower = secret.to_ascii_lowercase();
                self.stopwords
                    .iter()
                    .any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
            })
    }
}

/// An expression, compiled once and only if it is needed: four hundred of them take a second that most runs need not
/// spend. Bytes and ASCII classes, as the rules were written for.
struct Lazy<T> {
    patterns: Vec<String>,
    compiled: OnceLock<Option<T>>,
}

impl Lazy<Regex> {
    fn new(pattern: String) -> Self {
        Self {
            patterns: vec![pattern],
            compiled: OnceLock::new(),
        }
    }

    fn regex(&self) -> Option<&Regex> {
        let compile = || {
            RegexBuilder::new(self.patterns.first()?)
                .unicode(false)
                .size_limit(MAX_COMPILED)
                .build()
                .ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }
}

impl Lazy<RegexSet> {
    fn new_set(patterns: Vec<String>) -> Self {
        Self {
            patterns,
            compiled: OnceLock::new(),
        }
    }

    fn set(&self) -> Option<&RegexSet> {
        let compile = || {
            RegexSetBuilder::new(&self.patterns)
                .unicode(false)
                .size_limit(MAX_COMPILED)
                .build()
                .ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }
}

/// Shannon's entropy of `bytes`, in bits a byte.
pub(crate) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = bytes.len() as f64;
    let share = |count: u32| f64::from(count) / length;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| -share(*count) * share(*count).log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_rule_compiles() {
        let rules = Rules::published().unwrap();
        assert!(rules.all.len() > 400, "{}", rules.all.len());
        for rule in &rules.all {
            assert!(rule.compiles(), "`{}` does not compile", rule.id);
            assert!(
                rule.is_about_paths() || !rule.keywords.is_empty(),
                "`{}` has no keyword",
                rule.id
            );
            assert!(!rule.description.is_empty());
        }
        assert!(rules.general.regexes.set().is_some());
    }

    #[test]
    fn entropy_is_shannons() {
        assert!(entropy(b"aaaa").abs() < 1e-9);
        assert!((entropy(b"abab") - 1.0).abs() < 1e-9);
        assert!((entropy(b"abcdefgh") - 3.0).abs() < 1e-9);
    }
}
