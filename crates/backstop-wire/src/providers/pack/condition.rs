//! `when`: what a request must say for a case to hold.
//!
//! A case that makes an operation worse is looked for generously, one that makes it milder strictly: a request that two
//! servers could read in two ways gets the worse of both (invariant 1).

use serde_json::Value;

use super::file;
use super::subject::{Found, Item, Look, Subject};

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// The request hides it.
    Unknown,
}

/// Which way a case moves an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It adds to what the operation does.
    Worse,
    /// It stands in the operation's place.
    Milder,
}

/// A condition, read and checked.
#[derive(Debug)]
pub struct Condition {
    at: At,
    test: Test,
}

#[derive(Debug)]
enum At {
    Query,
    QueryOf(String),
    Header(String),
    Path(String),
    Body,
    Within(Vec<String>),
    Argument(Vec<String>),
}

#[derive(Debug)]
enum Test {
    Any(Vec<Value>),
    Not(Vec<Value>),
    Only(Vec<String>),
    Besides(Vec<String>),
    Begins(Vec<String>),
    NotBegins(Vec<String>),
    Absent,
    Present,
    Empty,
    Less(f64),
    More(f64),
}

impl Condition {
    /// Reads a condition at one of its places; `names` are those that the path binds.
    pub fn of(place: &str, written: &file::Condition, names: &[&str]) -> Result<Self, String> {
        let at = At::of(place, names)?;
        let test = Test::of(written)?;
        let whole = matches!(at, At::Query | At::Body);
        let one = matches!(at, At::QueryOf(_) | At::Header(_) | At::Path(_));
        let only = matches!(test, Test::Only(_) | Test::Besides(_));
        if (whole && !only) || (one && only) {
            return Err(
                "`only` goes with `query`, `body` and what lies in a body, and the first two with nothing else but `besides`"
                    .to_owned(),
            );
        }
        Ok(Self { at, test })
    }

    /// Whether it holds for `subject`.
    pub fn holds(&self, subject: &Subject<'_>, way: Way) -> Truth {
        match &self.test {
            Test::Only(names) => self.only(names, subject, way),
            Test::Besides(names) => self.besides(names, subject, way),
            test => test.holds(&self.at.look(subject, test.looks(way)), way),
        }
    }

    fn only(&self, names: &[String], subject: &Subject<'_>, way: Way) -> Truth {
        let listed = |name: &&str| match way {
            Way::Worse => names.iter().any(|n| n.eq_ignore_ascii_case(name)),
            Way::Milder => names.iter().any(|n| n == name),
        };
        let query = subject.query_names();
        match (self.names(subject, way), way) {
            (None, _) => Truth::Unknown,
            (Some(there), Way::Worse) => truth(there.iter().all(listed)),
            // A body without names says nothing; and some servers read the query for it.
            (Some(there), Way::Milder) => {
                let both = matches!(self.at, At::Query) || query.iter().all(listed);
                let both = both || !matches!(self.at, At::Body);
                truth(!there.is_empty() && both && there.iter().all(listed))
            }
        }
    }

    /// Whether a name is there that is not written exactly so.
    fn besides(&self, names: &[String], subject: &Subject<'_>, way: Way) -> Truth {
        self.names(subject, way).map_or(Truth::Unknown, |there| {
            truth(there.iter().any(|name| !names.iter().any(|n| n == name)))
        })
    }

    fn names<'a>(&self, subject: &Subject<'a>, way: Way) -> Option<Vec<&'a str>> {
        match &self.at {
            At::Query => Some(subject.query_names()),
            At::Body => subject.body_names(),
            at => at.names(subject, way),
        }
    }
}

impl At {
    fn of(text: &str, names: &[&str]) -> Result<Self, String> {
        let (place, what) = text.split_once('.').unwrap_or((text, ""));
        Ok(match (place, what) {
            ("query", "") => Self::Query,
            ("body", "") => Self::Body,
            ("query", name) => Self::QueryOf(name.to_owned()),
            ("header", name) if !name.is_empty() => {
                if name.chars().any(|c| c.is_ascii_uppercase()) {
                    return Err(format!("the header `{name}` is not in lower case"));
                }
                Self::Header(name.to_owned())
            }
            ("path", name) if names.contains(&name) => Self::Path(name.to_owned()),
            ("path", name) => return Err(format!("the path has no `{{{name}}}`")),
            ("body", at) => Self::Within(pointer(at)?),
            ("argument", at) => Self::Argument(pointer(at)?),
            _ => {
                return Err(format!(
                    "`{text}` is no place; places are query.x, body./x, header.x, path.x, argument./x, query and body"
                ));
            }
        })
    }

    /// The names in an object that lies in a body or in arguments.
    fn names<'a>(&self, subject: &Subject<'a>, way: Way) -> Option<Vec<&'a str>> {
        let look = match way {
            Way::Worse => Look::Anywhere,
            Way::Milder => Look::Exactly,
        };
        let found = self.look(subject, look);
        let mut out = Vec::new();
        for item in found.items {
            match item {
                Item::Json(Value::Object(map)) => out.extend(map.keys().map(String::as_str)),
                _ => return None,
            }
        }
        (!found.hidden).then_some(out)
    }

    fn look<'a>(&self, subject: &Subject<'a>, look: Look) -> Found<'a> {
        match self {
            Self::QueryOf(name) => subject.query(name, look),
            Self::Header(name) => subject.header(name),
            Self::Path(name) => subject.path(name),
            Self::Within(at) => subject.body(at, look),
            Self::Argument(at) => subject.argument(at),
            Self::Query | Self::Body => Found::default(),
        }
    }
}

impl Test {
    fn of(written: &file::Condition) -> Result<Self, String> {
        let flag = |value: Option<bool>, test: Self| match value {
            Some(true) => Ok(Some(test)),
            Some(false) => Err("a test is `true` or is left out".to_owned()),
            None => Ok(None),
        };
        let tests = [
            written
                .is
                .as_ref()
                .map(|one| scalar(one).map(|v| Self::Any(vec![v])))
                .transpose()?,
            written
                .any
                .as_ref()
                .map(|many| scalars(many).map(Self::Any))
                .transpose()?,
            written
                .not
                .as_ref()
                .map(|many| scalars(many).map(Self::Not))
                .transpose()?,
            written.only.clone().map(Self::Only),
            written.besides.clone().map(Self::Besides),
            written.begins.clone().map(|b| Self::Begins(b.0)),
            written.not_begins.clone().map(|b| Self::NotBegins(b.0)),
            flag(written.absent, Self::Absent)?,
            flag(written.present, Self::Present)?,
            flag(written.empty, Self::Empty)?,
            written.less_than.map(Self::Less),
            written.more_than.map(Self::More),
        ];
        let mut given = tests.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(test), None) => Ok(test),
            _ => Err("a condition has exactly one of is, any, not, begins, not-begins, only, besides, absent, present, empty, less-than, more-than".to_owned()),
        }
    }

    /// A condition that holds because something is missing must not be talked away by a name in another case.
    const fn looks(&self, way: Way) -> Look {
        match (self, way) {
            (Self::Absent, Way::Milder) => Look::Anywhere,
            (Self::Absent, Way::Worse) | (_, Way::Milder) => Look::Exactly,
            (_, Way::Worse) => Look::Anywhere,
        }
    }

    fn holds(&self, found: &Found<'_>, way: Way) -> Truth {
        if let Self::Absent = self {
            return match (found.items.is_empty(), found.hidden) {
                (false, _) => Truth::No,
                (true, true) => Truth::Unknown,
                (true, false) => Truth::Yes,
            };
        }
        let each: Vec<Truth> = found.items.iter().map(|item| self.one(item, way)).collect();
        let yes = match way {
            Way::Worse => each.contains(&Truth::Yes),
            Way::Milder => !each.is_empty() && each.iter().all(|t| *t == Truth::Yes),
        };
        match yes {
            true => Truth::Yes,
            false if found.hidden || each.contains(&Truth::Unknown) => Truth::Unknown,
            false => Truth::No,
        }
    }

    fn one(&self, item: &Item<'_>, way: Way) -> Truth {
        match self {
            Self::Any(values) => worst(values.iter().map(|v| equal(v, item, way))),
            Self::Not(values) => {
                // The other way round: what is only nearly equal deviates.
                let exact = values
                    .iter()
                    .any(|v| equal(v, item, Way::Milder) == Truth::Yes);
                truth(!exact)
            }
            Self::Begins(with) => match item.text() {
                Some(text) => truth(with.iter().any(|w| begins(&text, w, way))),
                None => Truth::Unknown,
            },
            // As with `not`, what only nearly begins so deviates.
            Self::NotBegins(with) => match item {
                Item::Json(Value::Null) => Truth::No,
                item => item.text().map_or(Truth::Unknown, |text| {
                    truth(!with.iter().any(|w| text.starts_with(w.as_str())))
                }),
            },
            Self::Present => Truth::Yes,
            Self::Empty => truth(is_empty(item)),
            Self::Less(limit) => number(item).map_or(Truth::Unknown, |n| truth(n < *limit)),
            Self::More(limit) => number(item).map_or(Truth::Unknown, |n| truth(n > *limit)),
            Self::Only(_) | Self::Besides(_) | Self::Absent => Truth::Unknown,
        }
    }
}

const fn truth(yes: bool) -> Truth {
    if yes { Truth::Yes } else { Truth::No }
}

fn worst(each: impl Iterator<Item = Truth>) -> Truth {
    let each: Vec<Truth> = each.collect();
    [Truth::Yes, Truth::Unknown]
        .into_iter()
        .find(|t| each.contains(t))
        .unwrap_or(Truth::No)
}

fn is_empty(item: &Item<'_>) -> bool {
    match item {
        Item::Text(text) => text.trim().is_empty(),
        Item::Json(Value::Null) => true,
        Item::Json(Value::String(text)) => text.trim().is_empty(),
        Item::Json(Value::Array(list)) => list.is_empty(),
        Item::Json(Value::Object(map)) => map.is_empty(),
        Item::Json(_) => false,
    }
}

fn number(item: &Item<'_>) -> Option<f64> {
    match item {
        Item::Text(text) => text.trim().parse().ok(),
        Item::Json(Value::Number(n)) => n.as_f64(),
        Item::Json(Value::String(text)) => text.trim().parse().ok(),
        Item::Json(_) => None,
    }
}

/// Whether a value is the expected one. Servers coerce: `"false"`, `0` and `false` are one to many of them.
fn equal(expected: &Value, item: &Item<'_>, way: Way) -> Truth {
    match (item, way) {
        (Item::Json(value), Way::Milder) => truth(*value == expected),
        (Item::Text(text), Way::Milder) => truth(match expected {
            Value::String(wanted) => wanted == text,
            other => &other.to_string() == text,
        }),
        (Item::Json(Value::Null), Way::Worse) => Truth::No,
        (Item::Json(Value::Array(_) | Value::Object(_)), Way::Worse) => Truth::Unknown,
        (item, Way::Worse) => truth(nearly(expected, &item.text().unwrap_or_default())),
    }
}

fn begins(text: &str, with: &str, way: Way) -> bool {
    match way {
        Way::Milder => text.starts_with(with),
        Way::Worse => text
            .trim_start()
            .trim_start_matches('/')
            .get(..with.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(with)),
    }
}

fn nearly(expected: &Value, text: &str) -> bool {
    let text = text.trim();
    match expected {
        Value::String(wanted) => wanted.eq_ignore_ascii_case(text),
        Value::Bool(wanted) => {
            let words: &[&str] = if *wanted {
                &["true", "1", "t", "yes", "y", "on", ""]
            } else {
                &["false", "0", "f", "no", "n", "off"]
            };
            words.iter().any(|w| w.eq_ignore_ascii_case(text))
        }
        Value::Number(wanted) => text.parse::<f64>().ok() == wanted.as_f64(),
        _ => false,
    }
}

/// The tokens of a JSON pointer (RFC 6901).
pub fn pointer(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let tokens = text
        .strip_prefix('/')
        .ok_or_else(|| format!("`{text}` is not a JSON pointer: it begins with no slash"))?;
    let unescape = |t: &str| t.replace("~1", "/").replace("~0", "~");
    Ok(tokens.split('/').map(unescape).collect())
}

fn scalars(many: &[toml::Value]) -> Result<Vec<Value>, String> {
    many.iter().map(scalar).collect()
}

fn scalar(value: &toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Boolean(yes) => Value::from(*yes),
        toml::Value::Integer(n) => Value::from(*n),
        toml::Value::Float(n) => Value::from(*n),
        _ => return Err("a value to compare with is a text, a number, true or false".to_owned()),
    })
}
