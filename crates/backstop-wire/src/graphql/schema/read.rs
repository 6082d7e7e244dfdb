//! From the schema language to a [`Schema`].
//!
//! It reads what `scripts/packs` writes: type definitions without descriptions, directives or extensions. Whatever else
//! comes is an error, never skipped.

use super::super::document::Wraps;
use super::sdl::{Token, Tokens};
use super::{Field, Input, Scalar, Schema, Type, TypeId, TypeKind, TypeRef};

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The text is not what this reads.
    #[error("the schema is not understood at line {line}")]
    Text {
        /// From 1.
        line: usize,
    },
    /// A type is named that is not defined.
    #[error("the schema names a type `{name}` that it does not define")]
    Missing {
        /// The type's name.
        name: String,
    },
    /// A type is defined twice.
    #[error("the schema defines the type `{name}` twice")]
    Twice {
        /// The type's name.
        name: String,
    },
}

/// The types of introspection and the five scalars, as the specification defines them in every schema.
const EVERYWHERE: &str = include_str!("everywhere.graphql");

/// A type as written, its references still names.
struct Raw<'a> {
    name: &'a str,
    kind: TypeKind,
    fields: Vec<RawField<'a>>,
    inputs: Vec<RawInput<'a>>,
    values: Vec<&'a str>,
    others: Vec<&'a str>,
}

struct RawField<'a> {
    name: &'a str,
    of: RawRef<'a>,
    arguments: Vec<RawInput<'a>>,
}

struct RawInput<'a> {
    name: &'a str,
    of: RawRef<'a>,
    has_default: bool,
}

#[derive(Clone, Copy)]
struct RawRef<'a> {
    named: &'a str,
    wraps: Wraps,
}

impl<'a> Schema<'a> {
    /// Reads a schema whose root types are called `Query`, `Mutation` and `Subscription`.
    ///
    /// # Errors
    ///
    /// If the text is not the schema language without descriptions and directives, or the types do not fit together.
    pub fn parse(text: &'a str) -> Result<Self, SchemaError> {
        let mut raw = definitions(EVERYWHERE)?;
        raw.extend(definitions(text)?);
        raw.sort_by_key(|t| t.name);
        for (a, b) in raw.iter().zip(raw.iter().skip(1)) {
            if a.name == b.name {
                return Err(SchemaError::Twice {
                    name: a.name.to_owned(),
                });
            }
        }
        let names: Vec<&str> = raw.iter().map(|t| t.name).collect();
        let types = raw
            .into_iter()
            .map(|raw| resolve(raw, &names))
            .collect::<Result<_, _>>()?;
        let mut schema = Self {
            types,
            query: id(&names, "Query")?,
            mutation: id(&names, "Mutation").ok(),
            subscription: id(&names, "Subscription").ok(),
            string: id(&names, "String")?,
            boolean: id(&names, "Boolean")?,
        };
        schema.fill_possible();
        Ok(schema)
    }

    /// Interfaces learn who implements them; objects are themselves.
    fn fill_possible(&mut self) {
        let mut found: Vec<(TypeId, TypeId)> = Vec::new();
        for (at, of) in (0_u32..).zip(&self.types) {
            if of.kind == TypeKind::Object {
                found.push((TypeId(at), TypeId(at)));
                found.extend(of.interfaces.iter().map(|&i| (i, TypeId(at))));
            }
        }
        for (of, object) in found {
            if let Some(of) = self.types.get_mut(of.0 as usize) {
                of.possible.push(object);
            }
        }
        for of in &mut self.types {
            of.possible.sort_unstable();
        }
    }
}

fn id(names: &[&str], name: &str) -> Result<TypeId, SchemaError> {
    names
        .binary_search(&name)
        .ok()
        .and_then(|at| u32::try_from(at).ok())
        .map(TypeId)
        .ok_or_else(|| SchemaError::Missing {
            name: name.to_owned(),
        })
}

fn resolve<'a>(raw: Raw<'a>, names: &[&str]) -> Result<Type<'a>, SchemaError> {
    let reference = |raw: RawRef<'_>| {
        Ok(TypeRef {
            named: id(names, raw.named)?,
            wraps: raw.wraps,
        })
    };
    let inputs = |raw: Vec<RawInput<'a>>| {
        let mut inputs = raw
            .into_iter()
            .map(|raw| {
                Ok(Input {
                    name: raw.name,
                    of: reference(raw.of)?,
                    has_default: raw.has_default,
                })
            })
            .collect::<Result<Vec<_>, SchemaError>>()?;
        inputs.sort_unstable_by_key(|input| input.name);
        Ok::<_, SchemaError>(inputs)
    };
    let mut fields = raw
        .fields
        .into_iter()
        .map(|raw| {
            Ok(Field {
                name: raw.name,
                of: reference(raw.of)?,
                arguments: inputs(raw.arguments)?,
            })
        })
        .collect::<Result<Vec<_>, SchemaError>>()?;
    fields.sort_unstable_by_key(|field| field.name);
    let mut values = raw.values;
    values.sort_unstable();
    let mut others = raw
        .others
        .iter()
        .map(|name| id(names, name))
        .collect::<Result<Vec<_>, _>>()?;
    others.sort_unstable();
    let (interfaces, possible) = match raw.kind {
        TypeKind::Union => (Vec::new(), others),
        _ => (others, Vec::new()),
    };
    Ok(Type {
        name: raw.name,
        kind: raw.kind,
        fields,
        inputs: inputs(raw.inputs)?,
        values,
        possible,
        interfaces,
    })
}

fn definitions(text: &str) -> Result<Vec<Raw<'_>>, SchemaError> {
    let mut tokens = Tokens::new(text)?;
    let mut types = Vec::new();
    while tokens.peek().is_some() {
        types.push(definition(&mut tokens)?);
    }
    Ok(types)
}

fn definition<'a>(tokens: &mut Tokens<'a>) -> Result<Raw<'a>, SchemaError> {
    let word = tokens.name()?;
    let name = tokens.name()?;
    let mut raw = Raw {
        name,
        kind: TypeKind::Object,
        fields: Vec::new(),
        inputs: Vec::new(),
        values: Vec::new(),
        others: Vec::new(),
    };
    match word {
        "scalar" => raw.kind = TypeKind::Scalar(scalar(name)),
        "enum" => {
            raw.kind = TypeKind::Enum;
            raw.values = block(tokens, Tokens::name)?;
        }
        "input" => {
            raw.kind = TypeKind::Input;
            raw.inputs = block(tokens, input)?;
        }
        "union" => {
            raw.kind = TypeKind::Union;
            tokens.expect(b'=')?;
            raw.others = list(tokens, b'|')?;
        }
        "type" | "interface" => {
            if word == "interface" {
                raw.kind = TypeKind::Interface;
            }
            if tokens.peek() == Some(Token::Name("implements")) {
                tokens.bump()?;
                raw.others = list(tokens, b'&')?;
            }
            raw.fields = block(tokens, field)?;
        }
        _ => return Err(tokens.odd()),
    }
    Ok(raw)
}

fn scalar(name: &str) -> Scalar {
    match name {
        "Int" => Scalar::Int,
        "Float" => Scalar::Float,
        "String" => Scalar::String,
        "Boolean" => Scalar::Boolean,
        "ID" => Scalar::Id,
        _ => Scalar::Custom,
    }
}

fn block<'a, T>(
    tokens: &mut Tokens<'a>,
    item: impl Fn(&mut Tokens<'a>) -> Result<T, SchemaError>,
) -> Result<Vec<T>, SchemaError> {
    tokens.expect(b'{')?;
    let mut items = Vec::new();
    while !tokens.eat(b'}')? {
        items.push(item(tokens)?);
    }
    Ok(items)
}

fn list<'a>(tokens: &mut Tokens<'a>, between: u8) -> Result<Vec<&'a str>, SchemaError> {
    tokens.eat(between)?;
    let mut names = vec![tokens.name()?];
    while tokens.eat(between)? {
        names.push(tokens.name()?);
    }
    Ok(names)
}

fn field<'a>(tokens: &mut Tokens<'a>) -> Result<RawField<'a>, SchemaError> {
    let name = tokens.name()?;
    let mut arguments = Vec::new();
    if tokens.eat(b'(')? {
        while !tokens.eat(b')')? {
            arguments.push(input(tokens)?);
        }
    }
    tokens.expect(b':')?;
    Ok(RawField {
        name,
        of: reference(tokens)?,
        arguments,
    })
}

fn input<'a>(tokens: &mut Tokens<'a>) -> Result<RawInput<'a>, SchemaError> {
    let name = tokens.name()?;
    tokens.expect(b':')?;
    let of = reference(tokens)?;
    let has_default = tokens.eat(b'=')?;
    if has_default {
        default(tokens)?;
    }
    Ok(RawInput {
        name,
        of,
        has_default,
    })
}

/// Passes over a default: that there is one is all that matters.
fn default(tokens: &mut Tokens<'_>) -> Result<(), SchemaError> {
    let mut depth = 0_usize;
    loop {
        match tokens.bump()?.ok_or_else(|| tokens.odd())? {
            Token::Mark(b'[' | b'{') => depth += 1,
            Token::Mark(b']' | b'}') => depth = depth.checked_sub(1).ok_or_else(|| tokens.odd())?,
            Token::Mark(b':') if depth > 0 => {}
            Token::Mark(_) => return Err(tokens.odd()),
            _ => {}
        }
        if depth == 0 {
            return Ok(());
        }
    }
}

fn reference<'a>(tokens: &mut Tokens<'a>) -> Result<RawRef<'a>, SchemaError> {
    let mut of = if tokens.eat(b'[')? {
        let mut inner = reference(tokens)?;
        tokens.expect(b']')?;
        inner.wraps = inner.wraps.in_list().ok_or_else(|| tokens.odd())?;
        inner
    } else {
        RawRef {
            named: tokens.name()?,
            wraps: Wraps::default(),
        }
    };
    if tokens.eat(b'!')? {
        of.wraps = of.wraps.require();
    }
    Ok(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_types_with_what_stands_around_them() {
        let schema = Schema::parse(
            "# a comment\ntype Query { a(x: [Int!]! = [1, 2], y: In): [Thing!] }\n\
             interface Named { name: String }\ntype Thing implements Named & Other { name: String }\n\
             interface Other { name: String }\nunion Any = | Thing\nenum E { A B }\n\
             input In { e: E! = A, s: String = \"a \\\" } b\" }\nscalar JSON",
        )
        .unwrap();
        let query = schema.get(schema.query);
        let a = query.field("a").unwrap();
        assert_eq!(schema.get(a.of.named).name, "Thing");
        assert_eq!((a.of.wraps.lists, a.of.wraps.required), (1, 0b01));
        let x = a.argument("x").unwrap();
        assert_eq!((x.of.wraps.lists, x.of.wraps.required), (1, 0b11));
        assert!(x.has_default && !x.is_needed());
        assert!(!a.argument("y").unwrap().has_default);
        let thing = schema.named("Thing").unwrap();
        for name in ["Thing", "Named", "Other", "Any"] {
            let of = schema.named(name).unwrap();
            assert_eq!(schema.get(of).possible, [thing], "{name}");
        }
        assert!(schema.get(schema.named("In").unwrap()).input("s").is_some());
        assert_eq!(
            schema.get(schema.named("JSON").unwrap()).kind,
            TypeKind::Scalar(Scalar::Custom)
        );
        assert!(schema.mutation.is_none());
    }

    #[test]
    fn what_it_does_not_know_is_an_error() {
        for bad in [
            "type Query { a: Missing }",
            "type Query { a: Int } type Query { a: Int }",
            "type Query { \"described\" a: Int }",
            "type Query { a: Int @deprecated }",
            "extend type Query { a: Int }",
            "type Query { a: Int",
            "type Mutation { a: Int }",
            "type Query { a(x: Int = }): Int }",
        ] {
            assert!(Schema::parse(bad).is_err(), "{bad}");
        }
    }
}
