//! What a lease may do: verbs on patterns of objects, `insert,update:public.reservations`.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::effect::Verb;

/// One scope of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The verbs granted.
    pub verbs: BTreeSet<ScopeVerb>,
    /// The schema, `None` for any.
    pub schema: Option<String>,
    /// The object in it, `None` for any.
    pub name: Option<String>,
}

/// A verb that a scope can grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeVerb {
    /// SELECT.
    Read,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// CREATE in a schema.
    Create,
    /// Temporary tables.
    Temp,
    /// Tunnels that nobody reads, to an opaque target. Whatever is done in one no other verb grants.
    Tunnel,
}

impl ScopeVerb {
    const ALL: [(&'static str, Self); 7] = [
        ("read", Self::Read),
        ("insert", Self::Insert),
        ("update", Self::Update),
        ("delete", Self::Delete),
        ("create", Self::Create),
        ("temp", Self::Temp),
        ("tunnel", Self::Tunnel),
    ];

    /// The word in a scope.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, v)| *v == self)
            .map_or("read", |(w, _)| w)
    }

    /// The verb of an effect that this one grants.
    #[must_use]
    pub const fn grants(self, verb: Verb) -> bool {
        matches!(
            (self, verb),
            (Self::Read, Verb::Read)
                | (Self::Insert, Verb::Insert)
                | (Self::Update, Verb::Update)
                | (Self::Delete, Verb::Delete)
                | (Self::Create | Self::Temp, Verb::Create)
        )
    }
}

impl Scope {
    /// Whether this scope grants `verb` on `schema.name`.
    #[must_use]
    pub fn covers(&self, verb: Verb, schema: &str, name: &str) -> bool {
        // Temporary tables have a schema of their own; a right to them is none to any other.
        let there = |v: &ScopeVerb| *v != ScopeVerb::Temp || schema == "pg_temp";
        self.verbs.iter().any(|v| v.grants(verb) && there(v)) && self.matches(schema, name)
    }

    /// Whether the pattern matches `schema.name`.
    #[must_use]
    pub fn matches(&self, schema: &str, name: &str) -> bool {
        self.schema.as_deref().is_none_or(|s| s == schema)
            && self.name.as_deref().is_none_or(|n| n == name)
    }

    /// Whether everything `other` grants is granted by this scope too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other.verbs.is_subset(&self.verbs)
            && (self.schema.is_none() || self.schema == other.schema)
            && (self.name.is_none() || self.name == other.name)
    }
}

/// Whether everything in `narrow` is granted by `wide`, verb by verb.
#[must_use]
pub fn included(narrow: &[Scope], wide: &[Scope]) -> bool {
    narrow.iter().all(|n| {
        n.verbs.iter().all(|verb| {
            let one = Scope {
                verbs: BTreeSet::from([*verb]),
                schema: n.schema.clone(),
                name: n.name.clone(),
            };
            wide.iter().any(|w| w.includes(&one))
        })
    })
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (verbs, pattern) = text.split_once(':').unwrap_or((text, "*.*"));
        let verbs = parse_verbs(verbs, text)?;
        let (schema, name) =
            split_object(pattern).ok_or_else(|| bad(text, "the object is not `schema.name`"))?;
        let star = |s: String| if s == "*" { None } else { Some(s) };
        let (schema, name) = match name {
            Some(name) => (star(schema), star(name)),
            None if schema == "*" || verbs.contains(&ScopeVerb::Create) => (star(schema), None),
            None => (Some("public".to_owned()), Some(schema)),
        };
        if schema.is_none() && name.is_some() {
            return Err(bad(text, "a name needs its schema"));
        }
        Ok(Self {
            verbs,
            schema,
            name,
        })
    }
}

fn parse_verbs(words: &str, text: &str) -> Result<BTreeSet<ScopeVerb>, String> {
    let mut verbs = BTreeSet::new();
    for word in words.split(',').map(str::trim) {
        if word == "write" {
            verbs.extend([ScopeVerb::Insert, ScopeVerb::Update, ScopeVerb::Delete]);
            continue;
        }
        let found = ScopeVerb::ALL.iter().find(|(w, _)| *w == word);
        verbs.insert(
            found
                .ok_or_else(|| bad(text, &format!("`{word}` is not a verb")))?
                .1,
        );
    }
    Ok(verbs)
}

fn bad(text: &str, why: &str) -> String {
    format!(
        "`{text}` is not a scope: {why}; hint: write VERBS:SCHEMA.NAME, as in `read:public.*` or \
         `insert,update:public.orders`; verbs are read, insert, update, delete, write, create, temp, \
         and tunnel for an opaque target"
    )
}

/// Splits `schema.name` as PostgreSQL would print it, double quotes included.
///
/// Returns the first part and, if there is one, the second; `None` when it is not such a name.
#[must_use]
pub fn split_object(text: &str) -> Option<(String, Option<String>)> {
    let (first, rest) = take_part(text)?;
    match rest.strip_prefix('.') {
        None if rest.is_empty() => Some((first, None)),
        None => None,
        Some(rest) => {
            let (second, rest) = take_part(rest)?;
            rest.is_empty().then_some((first, Some(second)))
        }
    }
}

fn take_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let (part, rest) = text.split_at_checked(end)?;
        return (!part.is_empty() && !part.contains('"')).then(|| (part.to_owned(), rest));
    };
    let mut out = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match (c, chars.peek()) {
            ('"', Some((_, '"'))) => {
                chars.next();
                out.push('"');
            }
            ('"', _) => return Some((out, quoted.get(i + 1..)?)),
            _ => out.push(c),
        }
    }
    None
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verbs: Vec<&str> = self.verbs.iter().map(|v| v.word()).collect();
        write!(
            f,
            "{}:{}.{}",
            verbs.join(","),
            pattern(self.schema.as_deref()),
            pattern(self.name.as_deref())
        )
    }
}

fn pattern(part: Option<&str>) -> String {
    match part {
        None => "*".to_owned(),
        Some(p) if p != "*" && !p.is_empty() && !p.contains(['.', '"', ',', ':']) => p.to_owned(),
        Some(p) => format!("\"{}\"", p.replace('"', "\"\"")),
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn scopes_read_and_print() {
        for (text, printed) in [
            ("read", "read:*.*"),
            ("read:public.*", "read:public.*"),
            ("write:public.notes", "insert,update,delete:public.notes"),
            ("read:notes", "read:public.notes"),
            (
                "read:\"Odd.schema\".\"a\"\"b\"",
                "read:\"Odd.schema\".\"a\"\"b\"",
            ),
            ("create:work", "create:work.*"),
            ("temp", "temp:*.*"),
            ("tunnel", "tunnel:*.*"),
        ] {
            assert_eq!(scope(text).to_string(), printed, "{text}");
            assert_eq!(scope(printed), scope(text), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_hint() {
        for text in [
            "",
            "drop:public.x",
            "read:",
            "read:a.b.c",
            "read:*.x",
            "read:\"a",
        ] {
            let error = text.parse::<Scope>().unwrap_err();
            assert!(error.contains("hint:"), "{text}: {error}");
        }
    }

    #[test]
    fn a_scope_covers_only_its_verbs_and_objects() {
        let s = scope("insert,read:public.notes");
        assert!(s.covers(Verb::Insert, "public", "notes"));
        assert!(!s.covers(Verb::Delete, "public", "notes"));
        assert!(!s.covers(Verb::Insert, "public", "other"));
        assert!(!s.covers(Verb::Truncate, "public", "notes"));
    }

    #[test]
    fn narrowing_is_checked_verb_by_verb() {
        let wide = [scope("read:*.*"), scope("insert:public.*")];
        assert!(included(&[scope("read,insert:public.notes")], &wide));
        assert!(!included(&[scope("read,insert:other.notes")], &wide));
        assert!(!included(&[scope("delete:public.notes")], &wide));
    }
}
