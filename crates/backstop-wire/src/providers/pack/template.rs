//! `project.{project}`: how an object is named.

use super::condition::pointer;
use super::subject::{Item, Look, Subject};
use crate::sql::ident;

/// The name of an object: its kind, and what makes its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    kind: String,
    id: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Path(String),
    Query(String),
    Body(Vec<String>),
    Argument(Vec<String>),
}

impl Template {
    /// Reads a template; `names` are those that the path binds.
    pub fn of(text: &str, names: &[&str]) -> Result<Self, String> {
        let (kind, id) = text.split_once('.').unwrap_or((text, ""));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if kind.is_empty() || !kind.chars().all(plain) {
            return Err(format!(
                "`{kind}` is no kind: lower-case letters, digits and `_`"
            ));
        }
        Ok(Self {
            kind: kind.to_owned(),
            id: pieces(id, names)?,
        })
    }

    /// The object in `subject`: the kind alone where a piece of its id is missing.
    pub fn render(&self, subject: &Subject<'_>) -> String {
        let pieces: Option<Vec<String>> = self.id.iter().map(|p| p.render(subject)).collect();
        match pieces.map(|p| p.concat()) {
            Some(id) if !id.is_empty() => format!("{}.{}", self.kind, ident(&id)),
            _ => self.kind.clone(),
        }
    }
}

impl Piece {
    fn render(&self, subject: &Subject<'_>) -> Option<String> {
        let found = match self {
            Self::Text(text) => return Some(text.clone()),
            Self::Path(name) => subject.path(name),
            Self::Query(name) => subject.query(name, Look::Exactly),
            Self::Body(at) => subject.body(at, Look::Exactly),
            Self::Argument(at) => subject.argument(at),
        };
        // Two values name no one object.
        match found.items.as_slice() {
            [one] if !found.hidden => Item::text(one),
            _ => None,
        }
    }
}

fn pieces(text: &str, names: &[&str]) -> Result<Vec<Piece>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inner, behind) = after
            .split_once('}')
            .ok_or("a `{` of the object has no `}`")?;
        if !before.is_empty() {
            out.push(Piece::Text(before.to_owned()));
        }
        out.push(piece(inner, names)?);
        rest = behind;
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest.to_owned()));
    }
    Ok(out)
}

fn piece(inner: &str, names: &[&str]) -> Result<Piece, String> {
    Ok(match inner.split_once('.') {
        None if names.contains(&inner) => Piece::Path(inner.to_owned()),
        Some(("query", name)) => Piece::Query(name.to_owned()),
        Some(("body", at)) => Piece::Body(pointer(at)?),
        Some(("argument", at)) => Piece::Argument(pointer(at)?),
        _ => return Err(format!("the path has no `{{{inner}}}`")),
    })
}
