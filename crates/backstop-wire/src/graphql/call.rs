//! What an operation calls: its root fields, with arguments, and everything selected below.

use serde_json::{Map, Value};

/// The three kinds of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Reads, by the specification; what a server does is in its pack.
    Query,
    /// Changes.
    Mutation,
    /// Reads, again and again.
    Subscription,
}

impl Kind {
    /// The word that begins the operation.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// A field of the root type that runs.
#[derive(Clone, PartialEq)]
pub struct Call<'d> {
    /// Of which root type.
    pub kind: Kind,
    /// The field's name in the schema, whatever alias it has.
    pub field: &'d str,
    /// The name that the answer has it under, if another.
    pub alias: Option<&'d str>,
    /// By name: literals, variables and their defaults put in. What was left out is not here.
    pub arguments: Map<String, Value>,
    /// How many lists stand around what it returns.
    pub lists: u8,
    /// The named type that it returns, where the schema knows.
    pub returns: Option<&'d str>,
    /// Everything selected below, parents before children. Skipped selections are left out.
    pub selects: Vec<Select<'d>>,
    /// What the schema does not know of it: a newer API, perhaps. Empty where it knows all.
    pub incomplete: Vec<String>,
}

/// A field selected below a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select<'d> {
    /// The type that it is selected on: an object, interface or union. `None` where the schema does not know.
    pub on: Option<&'d str>,
    /// The field's name in the schema.
    pub field: &'d str,
    /// Its name in the answer.
    pub key: &'d str,
    /// How many lists stand around what it returns.
    pub lists: u8,
    /// The named type that it returns, where the schema knows.
    pub returns: Option<&'d str>,
    /// The place in [`Call::selects`] of the field that it stands below; `None` right below the call.
    pub up: Option<usize>,
}

impl<'d> Call<'d> {
    /// Its name in the answer.
    #[must_use]
    pub fn key(&self) -> &'d str {
        self.alias.unwrap_or(self.field)
    }

    /// Where its answer is, as a JSON pointer with `*` for every element of a list: `/data/projects`.
    #[must_use]
    pub fn pointer(&self) -> String {
        let mut out = format!("/data/{}", self.key());
        stars(&mut out, self.lists);
        out
    }

    /// Where the answer to the select at `place` is: `/data/projects/edges/*/node/name`.
    #[must_use]
    pub fn pointer_to(&self, place: usize) -> String {
        let mut steps = Vec::new();
        let mut at = self.selects.get(place);
        while let Some(select) = at {
            steps.push(select);
            at = select.up.and_then(|up| self.selects.get(up));
        }
        let mut out = self.pointer();
        for select in steps.iter().rev() {
            out.push('/');
            out.push_str(select.key);
            stars(&mut out, select.lists);
        }
        out
    }
}

fn stars(out: &mut String, lists: u8) {
    for _ in 0..lists {
        out.push_str("/*");
    }
}

/// Shows no argument: any may be a credential (invariant 8).
impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} with {} arguments, {} fields below",
            self.kind.word(),
            self.field,
            self.arguments.len(),
            self.selects.len()
        )
    }
}
