//! What the reviewed operations take, as the generated data tell: members by name, place and name on the wire.

use std::collections::HashMap;
use std::sync::OnceLock;

const TEXT: &str = include_str!("../../../packs/aws/arguments.txt");

/// A structure, list or map.
#[derive(Debug)]
pub(super) enum Shape {
    Structure(Vec<Member>),
    /// `wire` names the items, where the protocol does.
    List {
        kind: Kind,
        wire: &'static str,
    },
    Map {
        kind: Kind,
        key: &'static str,
        value: &'static str,
    },
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    Int,
    Float,
    Time,
    Blob,
    Of(&'static str),
}

/// Where a member stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Body,
    Uri,
    Query,
    Header,
    /// Every header that begins so.
    Headers,
}

/// A member of a structure.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) place: Place,
    /// A list or map without an element of its own around it.
    pub(super) flat: bool,
    pub(super) wire: &'static str,
}

impl Member {
    fn parse(text: &'static str) -> Option<Self> {
        let mut fields = text.split('|');
        let name = fields.next().filter(|n| !n.is_empty())?;
        let kind = Kind::parse(fields.next()?);
        let marks = fields.next().unwrap_or_default();
        let place = match marks.trim_end_matches('~') {
            "u" => Place::Uri,
            "q" => Place::Query,
            "h" => Place::Header,
            "H" => Place::Headers,
            _ => Place::Body,
        };
        Some(Self {
            name,
            kind,
            place,
            flat: marks.ends_with('~'),
            wire: fields.next().unwrap_or(name),
        })
    }
}

impl Kind {
    fn parse(text: &'static str) -> Self {
        match text {
            "b" => Self::Bool,
            "i" => Self::Int,
            "f" => Self::Float,
            "t" => Self::Time,
            "x" => Self::Blob,
            _ => text.strip_prefix('=').map_or(Self::Text, Self::Of),
        }
    }
}

/// The shape of what one operation takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input {
    shape: Option<&'static str>,
    /// The member that is the whole body.
    pub(super) payload: &'static str,
}

/// The shapes of one service.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    operations: HashMap<&'static str, Input>,
    shapes: HashMap<&'static str, Shape>,
}

impl Shapes {
    fn parse(lines: &'static str) -> Self {
        let mut out = Self::default();
        for line in lines.lines() {
            out.line(line);
        }
        out
    }

    fn line(&mut self, line: &'static str) -> Option<()> {
        let mut fields = line.split('\t');
        let (letter, name) = (fields.next()?, fields.next()?);
        let shape = match letter {
            "O" => {
                let input = Input {
                    shape: fields.next(),
                    payload: fields.next().unwrap_or_default(),
                };
                self.operations.insert(name, input);
                return Some(());
            }
            "S" => Shape::Structure(
                fields
                    .next()?
                    .split(' ')
                    .filter_map(Member::parse)
                    .collect(),
            ),
            "L" => Shape::List {
                kind: Kind::parse(fields.next()?),
                wire: fields.next().unwrap_or_default(),
            },
            _ => Shape::Map {
                kind: Kind::parse(fields.next()?),
                key: fields.next()?,
                value: fields.next()?,
            },
        };
        self.shapes.insert(name, shape);
        Some(())
    }

    /// The shape of that name.
    pub(super) fn shape(&self, name: &str) -> Option<&Shape> {
        self.shapes.get(name)
    }

    /// What an operation takes, where the data tell.
    pub(super) fn input(&self, operation: &str) -> Option<(Input, &Shape)> {
        static EMPTY: Shape = Shape::Structure(Vec::new());
        let input = *self.operations.get(operation)?;
        let shape = match input.shape {
            Some(name) => self.shape(name)?,
            None => &EMPTY,
        };
        Some((input, shape))
    }
}

/// The shapes of a service, read at the first call; `None` for one that nobody reviewed.
pub(super) fn of(service: &str) -> Option<&'static Shapes> {
    type Sections = HashMap<&'static str, (&'static str, OnceLock<Shapes>)>;
    static SECTIONS: OnceLock<Sections> = OnceLock::new();
    let sections = SECTIONS.get_or_init(|| {
        let sections = TEXT.split("\n@\t").skip(1);
        let named = sections.filter_map(|s| s.split_once('\n'));
        named
            .map(|(name, lines)| (name, (lines, OnceLock::new())))
            .collect()
    });
    let (lines, shapes) = sections.get(service)?;
    Some(shapes.get_or_init(|| Shapes::parse(lines)))
}
