//! Finds secrets in one text: one pass for the keywords of all rules at once, then each rule only near its own.

use std::ops::Range;
use std::sync::OnceLock;

use super::assign;
use super::class::Class;
use super::dsn;
use super::header;
use super::hit::{Hit, Rank};
use super::keywords::Keywords;
use super::lookalike;
use super::pem;
use super::provider;
use super::rules::Rules;

/// How far before and after its keyword a rule may match.
const BEFORE: usize = 192;
const AFTER: usize = 2048;
/// A match that reaches the end of that is looked for again with this much.
const LONG: usize = 32 << 10;
/// A text may have its rules run over this many times its length, and no more: beyond it somebody made it to be slow.
const PATIENCE: usize = 48;
/// Nor are more finds than this in one text anything but a way to fill memory.
const MOST: usize = 20_000;

/// Everything that finds secrets in a text. Made once, shared by threads.
pub struct Engine {
    rules: Rules,
    keywords: Keywords,
    /// What each keyword calls for.
    calls: Vec<Vec<Call>>,
}

/// What is run where a keyword stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Rule(usize),
    Assignment,
    Address,
    Header,
    Key,
    AwsId,
}

/// Keywords of Backstop's own readers.
const OWN: &[(&str, Call)] = &[
    ("password", Call::Assignment),
    ("passwd", Call::Assignment),
    ("passphrase", Call::Assignment),
    ("passwort", Call::Assignment),
    ("pwd", Call::Assignment),
    ("_pass", Call::Assignment),
    ("sshpass", Call::Assignment),
    ("secret", Call::Assignment),
    ("token", Call::Assignment),
    ("api_key", Call::Assignment),
    ("apikey", Call::Assignment),
    ("api-key", Call::Assignment),
    ("api.key", Call::Assignment),
    ("access_key", Call::Assignment),
    ("accesskey", Call::Assignment),
    ("access-key", Call::Assignment),
    ("private_key", Call::Assignment),
    ("privatekey", Call::Assignment),
    ("auth_key", Call::Assignment),
    ("signing_key", Call::Assignment),
    ("signingkey", Call::Assignment),
    ("encryption_key", Call::Assignment),
    ("encryptionkey", Call::Assignment),
    ("master_key", Call::Assignment),
    ("account_key", Call::Assignment),
    ("service_key", Call::Assignment),
    ("role_key", Call::Assignment),
    ("license_key", Call::Assignment),
    ("deploy_key", Call::Assignment),
    ("credential", Call::Assignment),
    ("github_pat", Call::Assignment),
    (":_auth", Call::Assignment),
    ("://", Call::Address),
    ("bearer ", Call::Header),
    ("basic ", Call::Header),
    ("-----begin ", Call::Key),
    ("akia", Call::AwsId),
];

/// A text and what its path says of it.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// What is looked through.
    pub bytes: &'a [u8],
    /// Where it lies, for rules that ask; empty where it lies nowhere.
    pub path: &'a [u8],
    /// How much a name with a value says in it.
    pub class: Class,
}

/// What was found, and whether the text was looked through to its end.
pub struct Found {
    /// Several in the same bytes where several readers saw one; [`best`](super::best) sifts them.
    pub hits: Vec<Hit>,
    /// Somebody made the text to be slow: it was not looked through to its end.
    pub given_up: bool,
}

impl Engine {
    /// The engine over the published rules and Backstop's own readers.
    ///
    /// # Errors
    /// If the rules that were compiled in cannot be read, which a test excludes.
    pub fn new() -> Result<Self, String> {
        let rules = Rules::published().map_err(|error| error.to_string())?;
        let mut words: Vec<String> = Vec::new();
        let mut calls: Vec<Vec<Call>> = Vec::new();
        let mut add = |word: &str, call: Call| {
            let word = word.to_ascii_lowercase();
            match words
                .iter()
                .position(|known| *known == word)
                .and_then(|at| calls.get_mut(at))
            {
                Some(known) => known.push(call),
                None => {
                    words.push(word);
                    calls.push(vec![call]);
                }
            }
        };
        for (word, call) in OWN {
            add(word, *call);
        }
        for (at, rule) in rules.all.iter().enumerate() {
            for word in &rule.keywords {
                add(word, Call::Rule(at));
            }
        }
        let keywords = Keywords::new(&words)?;
        Ok(Self {
            rules,
            keywords,
            calls,
        })
    }

    /// The engine that all of this process shares, made when first asked for. Each rule's expression is compiled when
    /// its keyword is first met.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn shared() -> Result<&'static Self, &'static str> {
        static SHARED: OnceLock<Result<Engine, String>> = OnceLock::new();
        SHARED
            .get_or_init(Self::new)
            .as_ref()
            .map_err(String::as_str)
    }

    /// Every secret in `text`; several in the same bytes where several readers saw one.
    #[must_use]
    pub fn find(&self, text: Text<'_>) -> Found {
        let mut found = Found {
            hits: Vec::new(),
            given_up: false,
        };
        let mut looked = Looked::new(self.rules.all.len(), text.bytes.len());
        self.keywords.find(text.bytes, |word, at| {
            for call in self.calls.get(word).into_iter().flatten() {
                match call {
                    Call::Rule(rule) => self.rule(*rule, &at, text, &mut looked, &mut found),
                    _ if text.class == Class::Generated && *call == Call::Assignment => {}
                    Call::Assignment => {
                        found
                            .hits
                            .extend(assign::at(text, &at, &mut looked.assigned));
                    }
                    Call::Address => found.hits.extend(dsn::at(text.bytes, at.start)),
                    Call::Header => found.hits.extend(header::at(text.bytes, at.end)),
                    Call::Key => found.hits.extend(pem::at(text, at.start)),
                    Call::AwsId => found.hits.extend(assign::aws_pair(text.bytes, at.start)),
                }
            }
            found.given_up = looked.spent > looked.budget || found.hits.len() > MOST;
            !found.given_up
        });
        found
    }

    /// The id of a rule about files as such, whatever they hold, that is about the file at `path`.
    #[must_use]
    pub fn by_path(&self, path: &[u8]) -> Option<&str> {
        self.rules
            .all
            .iter()
            .find(|rule| rule.is_about_paths() && rule.wants_path(path))
            .map(|rule| rule.id.as_str())
    }

    fn rule(
        &self,
        number: usize,
        at: &Range<usize>,
        text: Text<'_>,
        looked: &mut Looked,
        found: &mut Found,
    ) {
        let (Some(rule), Some(done)) = (self.rules.all.get(number), looked.done.get_mut(number))
        else {
            return;
        };
        // What a look through a little before showed empty is not looked through again.
        if at.end + AFTER / 2 <= *done
            || at.start < looked.matched.get(number).copied().unwrap_or(0)
        {
            return;
        }
        if !rule.wants_path(text.path) {
            return;
        }
        let from = at
            .start
            .saturating_sub(BEFORE)
            .max(looked.matched.get(number).copied().unwrap_or(0));
        let mut until = (at.end + AFTER).min(text.bytes.len());
        let mut matched = rule.find(text.bytes.get(..until).unwrap_or_default(), from, text.path);
        looked.spent += until - from;
        if until < text.bytes.len()
            && matched
                .as_ref()
                .is_some_and(|found| found.whole.end == until)
        {
            until = (at.end + LONG).min(text.bytes.len());
            matched = rule.find(text.bytes.get(..until).unwrap_or_default(), from, text.path);
            looked.spent += until - from;
        }
        *done = until;
        let Some(matched) = matched else { return };
        // The next keyword after this match is looked at anew.
        *done = matched.whole.end;
        if let Some(end) = looked.matched.get_mut(number) {
            *end = matched.whole.end;
        }
        let Some(secret) = text.bytes.get(matched.secret.clone()) else {
            return;
        };
        if self.rules.passes(secret) || lookalike::is_placeholder(secret) {
            return;
        }
        let kind = provider::kind_of_rule(&rule.id);
        let mut hit = Hit::new(
            kind,
            "",
            matched.secret,
            secret,
            if rule.id == "jwt" || kind == "service.token" {
                Rank::Rule
            } else {
                Rank::Known
            },
        );
        hit.rule = rule.id.clone().into();
        if kind == "service.token" {
            hit = hit
                .with("service", rule.id.as_bytes())
                .with("about", rule.description.as_bytes());
        }
        if matches!(rule.id.as_str(), "jwt" | "jwt-base64") {
            hit = header::explain_jwt(hit);
        }
        if rule.id.starts_with("curl-auth") {
            let near = text.bytes.get(
                matched.whole.start.saturating_sub(400)
                    ..(matched.whole.end + 400).min(text.bytes.len()),
            );
            if let Some(kind) = near.and_then(provider::kind_by_host) {
                hit.kind = kind.into();
                hit.rank = Rank::Known;
            }
        }
        found.hits.push(hit);
    }
}

/// How far each rule has looked, and what that cost.
struct Looked {
    done: Vec<usize>,
    matched: Vec<usize>,
    assigned: usize,
    spent: usize,
    budget: usize,
}

impl Looked {
    fn new(rules: usize, length: usize) -> Self {
        Self {
            done: vec![0; rules],
            matched: vec![0; rules],
            assigned: 0,
            spent: 0,
            budget: (1 << 20) + PATIENCE * length,
        }
    }
}
