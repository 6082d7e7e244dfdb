//! A GraphQL document: its operations and fragments, as spans into its text.
//!
//! It must not know a schema or a variable's value: one text is read once, whatever it is sent with.

mod build;
mod events;
mod names;
mod string;
mod text;

use super::Refused;
use super::call::Kind;

/// Where something stands in the document's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// An executable document that every GraphQL server reads in the same way.
pub struct Document {
    text: Box<str>,
    pub(super) operations: Vec<Operation>,
    pub(super) fragments: Vec<Fragment>,
    /// Places in `fragments`, sorted by name.
    by_name: Vec<usize>,
}

/// A query, mutation or subscription.
pub(super) struct Operation {
    pub(super) kind: Kind,
    pub(super) name: Option<Span>,
    pub(super) variables: Vec<Variable>,
    pub(super) selections: Vec<Selection>,
}

/// `fragment name on Type { … }`.
pub(super) struct Fragment {
    pub(super) name: Span,
    pub(super) on: Span,
    pub(super) selections: Vec<Selection>,
}

/// `$name: Type = default`.
pub(super) struct Variable {
    pub(super) name: Span,
    pub(super) of: Type,
    pub(super) default: Option<Value>,
}

/// A type as a variable's definition writes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    pub(super) named: Span,
    pub(super) wraps: Wraps,
}

/// The lists and exclamation marks around a named type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wraps {
    /// How many lists stand around it.
    pub(super) lists: u8,
    /// Bit 0 for `!` at the name itself, bit n for `!` at the nth list from within.
    pub(super) required: u16,
}

impl Wraps {
    /// More lists than this nobody writes.
    pub(super) const DEEPEST: u8 = 12;

    pub(super) fn is_required(self) -> bool {
        self.required & (1 << self.lists) != 0
    }

    /// The same without the outermost `!`.
    pub(super) fn optional(mut self) -> Self {
        self.required &= !(1 << self.lists);
        self
    }

    pub(super) fn require(mut self) -> Self {
        self.required |= 1 << self.lists;
        self
    }

    /// What an element of the outermost list is; `None` where there is no list.
    pub(super) fn element(self) -> Option<Self> {
        let lists = self.lists.checked_sub(1)?;
        Some(Self {
            lists,
            required: self.optional().required,
        })
    }

    pub(super) fn in_list(mut self) -> Option<Self> {
        self.lists = self.lists.checked_add(1).filter(|&n| n <= Self::DEEPEST)?;
        Some(self)
    }
}

/// One of a selection set.
pub(super) enum Selection {
    Field(Field),
    Spread {
        name: Span,
        directives: Vec<Directive>,
    },
    Inline {
        on: Option<Span>,
        directives: Vec<Directive>,
        selections: Vec<Selection>,
    },
}

/// `alias: name(arguments) @directives { selections }`.
pub(super) struct Field {
    pub(super) alias: Option<Span>,
    pub(super) name: Span,
    pub(super) arguments: Vec<Argument>,
    pub(super) directives: Vec<Directive>,
    /// Never empty where there is one.
    pub(super) selections: Option<Vec<Selection>>,
}

/// `name: value`.
pub(super) struct Argument {
    pub(super) name: Span,
    pub(super) value: Value,
}

/// `@name(arguments)`.
pub(super) struct Directive {
    pub(super) name: Span,
    pub(super) arguments: Vec<Argument>,
}

/// A value as the text writes it.
pub(super) enum Value {
    Variable(Span),
    Int(Span),
    Float(Span),
    /// Escapes taken off.
    String(String),
    Boolean(bool),
    Null,
    Enum(Span),
    List(Vec<Value>),
    Object(Vec<Argument>),
}

impl Document {
    /// Reads `text` with apollo-parser, and refuses what another server's parser could read otherwise.
    ///
    /// # Errors
    ///
    /// If the text is no executable document of the October 2021 specification, or uses what parsers differ in: block
    /// strings, escapes beyond `\uXXXX`, line ends and marks that not all take for such.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        text::check(text)?;
        let events = events::parse(text)?;
        let (operations, fragments) = build::definitions(text, &events)?;
        let mut document = Self {
            text: text.into(),
            operations,
            fragments,
            by_name: Vec::new(),
        };
        document.check_names()?;
        Ok(document)
    }

    /// The text at `span`.
    pub(super) fn str(&self, span: Span) -> &str {
        slice(&self.text, span)
    }

    /// The place of the fragment of that name.
    pub(super) fn fragment(&self, name: &str) -> Option<usize> {
        let at = self
            .by_name
            .binary_search_by(|&at| self.fragment_name(at).cmp(name));
        at.ok().and_then(|at| self.by_name.get(at)).copied()
    }

    fn fragment_name(&self, at: usize) -> &str {
        self.fragments
            .get(at)
            .map_or("", |fragment| self.str(fragment.name))
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Shows its size alone: literals may hold credentials.
impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a document of {} operations and {} fragments",
            self.operations.len(),
            self.fragments.len()
        )
    }
}

fn slice(text: &str, span: Span) -> &str {
    text.get(span.start as usize..span.end as usize)
        .unwrap_or_default()
}
