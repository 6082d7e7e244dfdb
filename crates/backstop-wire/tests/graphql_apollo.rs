//! What we accept as complete, apollo-compiler accepts too: on random requests over Railway's schema, valid ones and
//! ones that were tampered with.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

use std::fmt::Write as _;

use apollo_compiler::ast::Type;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema as Apollo};
use backstop_wire::graphql::{Document, Incoming, Over, Schema, resolve};
use serde_json::{Map, Value, json};

const SDL: &str = include_str!("../packs/railway/schema.graphql");
/// Raise it to look longer.
const ROUNDS: u64 = 250;

/// A small generator, so that a failing round can be had again by its number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % n.max(1)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}

/// A name, its type, and whether it has a default.
type Expected = (String, Type, bool);
/// A field's name, arguments and type.
type Known = (String, Vec<Expected>, Type);

/// Writes one request.
struct Writer<'s> {
    schema: &'s Apollo,
    dice: Dice,
    variables: Vec<(String, Value)>,
    definitions: Vec<String>,
    fragments: Vec<String>,
}

impl Writer<'_> {
    fn request(&mut self) -> (String, Map<String, Value>) {
        let kind = *self
            .dice
            .pick(&["query", "query", "mutation", "subscription"]);
        let root = match kind {
            "query" => "Query",
            "mutation" => "Mutation",
            _ => "Subscription",
        };
        let most = if kind == "subscription" { 1 } else { 3 };
        let body = self.selections(root, 0, most);
        let mut text = format!("{kind} Op");
        if !self.definitions.is_empty() {
            let _ = write!(text, "({})", self.definitions.join(", "));
        }
        text.push_str(&body);
        for fragment in &self.fragments {
            text.push_str(fragment);
        }
        let variables = self.variables.iter().cloned().collect();
        (text, variables)
    }

    fn selections(&mut self, of: &str, depth: usize, most: usize) -> String {
        let fields: Vec<Known> = match &self.schema.types[of] {
            ExtendedType::Object(object) => object
                .fields
                .iter()
                .map(|(name, field)| {
                    (
                        name.to_string(),
                        arguments(&field.arguments),
                        field.ty.clone(),
                    )
                })
                .collect(),
            ExtendedType::Interface(interface) => interface
                .fields
                .iter()
                .map(|(name, field)| {
                    (
                        name.to_string(),
                        arguments(&field.arguments),
                        field.ty.clone(),
                    )
                })
                .collect(),
            _ => Vec::new(),
        };
        let mut out = " {".to_owned();
        let mut wrote = false;
        for _ in 0..=self.dice.below(most) {
            if fields.is_empty() {
                break;
            }
            let (name, arguments, ty) = self.dice.pick(&fields).clone();
            let named = ty.inner_named_type().to_string();
            let leaf = self.is_leaf(&named);
            if depth >= 4 && !leaf {
                continue;
            }
            wrote = true;
            // Every key once: what shares one must be the same.
            let key = self.dice.below(1_000_000);
            let _ = write!(out, " k{key}: {name}");
            self.arguments(&mut out, &arguments);
            if most > 1 && self.dice.one_in(8) {
                let on = self.dice.one_in(2);
                let _ = write!(out, " @{}(if: {on})", if on { "include" } else { "skip" });
            }
            if !leaf {
                let below = self.selections(&named, depth + 1, 3);
                out.push_str(&below);
            }
        }
        if wrote && depth > 0 && self.dice.one_in(5) {
            let inner = self.selections(of, depth + 2, 2);
            if self.dice.one_in(2) {
                let _ = write!(out, " ... on {of}{inner}");
            } else {
                let name = format!("F{}", self.fragments.len());
                self.fragments
                    .push(format!(" fragment {name} on {of}{inner}"));
                let _ = write!(out, " ...{name}");
            }
        }
        if !wrote {
            if depth == 0 {
                return self.selections(of, depth, most);
            }
            out.push_str(" __typename");
        }
        out + " }"
    }

    fn is_leaf(&self, of: &str) -> bool {
        matches!(
            self.schema.types[of],
            ExtendedType::Scalar(_) | ExtendedType::Enum(_)
        )
    }

    fn arguments(&mut self, out: &mut String, known: &[Expected]) {
        let mut given = Vec::new();
        for (name, ty, has_default) in known {
            if (*has_default || !ty.is_non_null()) && self.dice.one_in(2) {
                continue;
            }
            let (literal, value) = self.value(ty, 0);
            if self.dice.one_in(2) {
                let variable = format!("v{}", self.variables.len());
                self.definitions.push(format!("${variable}: {ty}"));
                self.variables.push((variable.clone(), value));
                given.push(format!("{name}: ${variable}"));
            } else {
                given.push(format!("{name}: {literal}"));
            }
        }
        if !given.is_empty() {
            let _ = write!(out, "({})", given.join(", "));
        }
    }

    /// A value as a literal and as JSON.
    fn value(&mut self, ty: &Type, depth: usize) -> (String, Value) {
        if !ty.is_non_null() && (depth > 3 || self.dice.one_in(10)) {
            return ("null".to_owned(), Value::Null);
        }
        if ty.is_list() {
            let (literal, value) = self.value(ty.item_type(), depth + 1);
            return (format!("[{literal}]"), json!([value]));
        }
        let named = ty.inner_named_type().to_string();
        match (&self.schema.types[named.as_str()], named.as_str()) {
            (_, "Int") => ("7".to_owned(), json!(7)),
            (_, "Float") => ("1.5".to_owned(), json!(1.5)),
            (_, "Boolean") => ("true".to_owned(), json!(true)),
            (_, "ID") if self.dice.one_in(2) => ("7".to_owned(), json!(7)),
            (ExtendedType::Enum(choices), _) => {
                let names: Vec<String> = choices.values.keys().map(ToString::to_string).collect();
                let name = self.dice.pick(&names).clone();
                (name.clone(), json!(name))
            }
            (ExtendedType::InputObject(input), _) => {
                let fields: Vec<Expected> = input
                    .fields
                    .iter()
                    .map(|(name, field)| {
                        (
                            name.to_string(),
                            (*field.ty).clone(),
                            field.default_value.is_some(),
                        )
                    })
                    .collect();
                let mut literals = Vec::new();
                let mut object = Map::new();
                for (name, ty, has_default) in fields {
                    if (ty.is_non_null() && !has_default) || self.dice.one_in(3) {
                        let (literal, value) = self.value(&ty, depth + 1);
                        literals.push(format!("{name}: {literal}"));
                        object.insert(name, value);
                    }
                }
                (
                    format!("{{{}}}", literals.join(", ")),
                    Value::Object(object),
                )
            }
            _ => ("\"x\"".to_owned(), json!("x")),
        }
    }
}

fn arguments(
    known: &[apollo_compiler::Node<apollo_compiler::ast::InputValueDefinition>],
) -> Vec<Expected> {
    known
        .iter()
        .map(|argument| {
            (
                argument.name.to_string(),
                (*argument.ty).clone(),
                argument.default_value.is_some(),
            )
        })
        .collect()
}

/// Takes a word of the text away, doubles it, or puts another in its place.
fn tamper(text: &str, dice: &mut Dice) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = if is_word(c) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            c.len_utf8()
        };
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    let others = [
        "id",
        "name",
        "Query",
        "Volume",
        "null",
        "7",
        "\"x\"",
        "[]",
        "{}",
        "$v0",
        "$v1",
        "v0",
        "true",
        "{",
        "}",
        "(",
        ")",
        ":",
        "!",
        "...",
        "@skip(if: $v0)",
        "@defer",
        "String",
        "Int!",
        "DAILY",
        "k1: id",
        "environment",
        "__typename",
        "edges { node { id } }",
        "fragment F0 on Volume { id }",
        "query",
        "input: {}",
        "= 1",
        "= null",
    ];
    for _ in 0..=dice.below(2) {
        let at = dice.below(words.len());
        match dice.below(4) {
            0 => {
                words.remove(at);
            }
            1 => words.insert(at, words[at]),
            2 => words[at] = *dice.pick(&others),
            _ => {
                let from = words[dice.below(words.len())];
                words[at] = from;
            }
        }
        if words.is_empty() {
            break;
        }
    }
    words.concat()
}

/// Whether we take the request and know all of it; why not, otherwise.
fn ours(schema: &Schema<'_>, text: &str, variables: &Map<String, Value>) -> Result<(), String> {
    let incoming = Incoming {
        over: Over::Post,
        document: None,
        hash: None,
        operation: None,
        variables: variables.clone(),
        place: None,
    };
    let document = Document::parse(text).map_err(|refused| refused.to_string())?;
    let calls =
        resolve(Some(schema), &document, &incoming).map_err(|refused| refused.to_string())?;
    match calls.iter().flat_map(|call| &call.incomplete).next() {
        Some(unknown) => Err(unknown.clone()),
        None => Ok(()),
    }
}

fn apollo(schema: &Valid<Apollo>, text: &str) -> Result<(), String> {
    ExecutableDocument::parse_and_validate(schema, text, "request.graphql")
        .map(|_| ())
        .map_err(|errors| errors.to_string())
}

#[test]
fn what_we_accept_apollo_accepts() {
    let schema = Schema::parse(SDL).unwrap();
    let theirs = Apollo::parse_and_validate(SDL, "schema.graphql").unwrap();
    let (mut taken, mut refused) = (0, 0);
    for round in 1..=ROUNDS {
        let mut writer = Writer {
            schema: &theirs,
            dice: Dice(round.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            variables: Vec::new(),
            definitions: Vec::new(),
            fragments: Vec::new(),
        };
        let (text, variables) = writer.request();
        assert_eq!(apollo(&theirs, &text), Ok(()), "round {round}: {text}");
        assert_eq!(
            ours(&schema, &text, &variables),
            Ok(()),
            "round {round}: {text}"
        );
        for _ in 0..4 {
            let tampered = tamper(&text, &mut writer.dice);
            match ours(&schema, &tampered, &variables) {
                Ok(()) => {
                    taken += 1;
                    assert_eq!(
                        apollo(&theirs, &tampered),
                        Ok(()),
                        "round {round}: {tampered}"
                    );
                }
                Err(_) => refused += 1,
            }
        }
    }
    // Both happen often, so that the comparison means something.
    assert!(
        taken > 50 && refused > 400,
        "{taken} taken, {refused} refused"
    );
}
