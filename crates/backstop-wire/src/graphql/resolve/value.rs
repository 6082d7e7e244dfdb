//! Values, literal and given, against the type that is expected.
//!
//! What comes out is what the server's resolver gets: a single value for a list is a list of it, an integer for a float
//! or an ID is one.

use serde_json::{Map, Number, Value as Json};

use super::super::Refused;
use super::super::document::{Argument, Document, Span, Value};
use super::super::refuse::{VALID, refused, shown};
use super::super::schema::{Scalar, Schema, Type, TypeKind, TypeRef};
use super::{Place, WORK, Walk, note, spend};

type Fits<T> = Result<T, String>;

impl<'d> Walk<'d, '_, '_> {
    /// A value in a place that expects `of`; `None` for a variable that nobody gave a value.
    pub(super) fn value(
        &mut self,
        value: &'d Value,
        of: Option<TypeRef>,
        has_default: bool,
        place: Place,
    ) -> Result<Option<Json>, Refused> {
        let mut unknown = Vec::new();
        let mut reader = Literal {
            schema: self.schema,
            document: self.document,
            variables: Some(&mut self.variables),
            unknown: &mut unknown,
            work: self.work,
        };
        let read = reader.read(value, of, has_default)?;
        for what in unknown {
            self.note(place, what);
        }
        Ok(read)
    }
}

/// A default: a literal without variables.
pub(super) fn constant(
    schema: Option<&Schema<'_>>,
    document: &Document,
    value: &Value,
    of: Option<TypeRef>,
    unknown: &mut Vec<String>,
) -> Result<Json, Refused> {
    let mut work = WORK;
    let mut reader = Literal {
        schema,
        document,
        variables: None,
        unknown,
        work: &mut work,
    };
    let read = reader.read(value, of, false)?;
    Ok(read.unwrap_or(Json::Null))
}

struct Literal<'d, 'v, 's> {
    schema: Option<&'v Schema<'s>>,
    document: &'v Document,
    variables: Option<&'v mut super::Variables<'d>>,
    unknown: &'v mut Vec<String>,
    work: &'v mut usize,
}

fn wrong(what: &str) -> Refused {
    refused(format!("a value does not fit: {what}"), VALID)
}

impl Literal<'_, '_, '_> {
    fn str(&self, span: Span) -> &str {
        self.document.str(span)
    }

    fn read(
        &mut self,
        value: &Value,
        of: Option<TypeRef>,
        has_default: bool,
    ) -> Result<Option<Json>, Refused> {
        spend(self.work, 1)?;
        if let Value::Variable(name) = value {
            return self.variable(*name, of, has_default);
        }
        let (Some(schema), Some(of)) = (self.schema, of) else {
            return self.any(value);
        };
        if let Value::Null = value {
            return if of.wraps.is_required() {
                Err(wrong("null where a value is needed"))
            } else {
                Ok(Some(Json::Null))
            };
        }
        if let Some(element) = of.element() {
            return self.list(value, element);
        }
        let named = schema.get(of.named);
        match named.kind {
            TypeKind::Scalar(Scalar::Custom) => self.any(value),
            TypeKind::Scalar(scalar) => self.scalar(value, scalar).map(Some),
            TypeKind::Enum => self.choice(value, named).map(Some),
            TypeKind::Input => self.object(value, named),
            _ => Err(wrong("the type takes no value")),
        }
    }

    fn list(&mut self, value: &Value, element: TypeRef) -> Result<Option<Json>, Refused> {
        let Value::List(values) = value else {
            let one = self.read(value, Some(element), false)?;
            return Ok(Some(Json::Array(vec![one.unwrap_or(Json::Null)])));
        };
        let mut out = Vec::with_capacity(values.len());
        for value in values {
            // An element that a variable leaves out is null; where that may not be, the variable's type said so.
            out.push(
                self.read(value, Some(element), false)?
                    .unwrap_or(Json::Null),
            );
        }
        Ok(Some(Json::Array(out)))
    }

    fn variable(
        &mut self,
        name: Span,
        of: Option<TypeRef>,
        has_default: bool,
    ) -> Result<Option<Json>, Refused> {
        let name = self.document.str(name);
        let runs = self.variables.as_ref().is_some_and(|all| all.runs());
        let variable = self
            .variables
            .as_mut()
            .and_then(|all| all.take(name))
            .ok_or_else(|| {
                refused(
                    format!("the variable {} is not defined", shown(name)),
                    VALID,
                )
            })?;
        if let (Some(is), Some(of)) = (variable.of, of) {
            let of = if variable.has_default || has_default {
                of.optional()
            } else {
                of
            };
            if !assignable(is, of) {
                return Err(refused(
                    format!("the variable {} is of another type", shown(name)),
                    VALID,
                ));
            }
        }
        // The first copy is what the client sent; more of them the document asks for.
        let again = std::mem::replace(&mut variable.used, true);
        if again {
            spend(self.work, variable.weight)?;
        }
        let value = variable.value.clone();
        // With a default in one place or the other a null can still be given, which the server then refuses.
        let needed = of.is_some_and(|of| of.wraps.is_required());
        if runs && needed && (value == Some(Json::Null) || (value.is_none() && !has_default)) {
            return Err(refused(
                format!(
                    "the variable {} is null where a value is needed",
                    shown(name)
                ),
                VALID,
            ));
        }
        Ok(if runs { value } else { None })
    }

    /// A value for a type that is not known or takes anything.
    fn any(&mut self, value: &Value) -> Result<Option<Json>, Refused> {
        spend(self.work, 1)?;
        Ok(Some(match value {
            Value::Variable(name) => return self.variable(*name, None, false),
            Value::Int(span) | Value::Float(span) => {
                number(self.str(*span)).ok_or_else(|| wrong("a number is beyond 64 bits"))?
            }
            Value::String(text) => Json::String(text.clone()),
            Value::Boolean(yes) => Json::Bool(*yes),
            Value::Null => Json::Null,
            Value::Enum(span) => Json::String(self.str(*span).to_owned()),
            Value::List(values) => {
                let mut out = Vec::with_capacity(values.len());
                for value in values {
                    out.push(self.any(value)?.unwrap_or(Json::Null));
                }
                Json::Array(out)
            }
            Value::Object(fields) => {
                let mut out = Map::new();
                for field in fields {
                    if let Some(value) = self.any(&field.value)? {
                        out.insert(self.str(field.name).to_owned(), value);
                    }
                }
                Json::Object(out)
            }
        }))
    }

    fn scalar(&self, value: &Value, scalar: Scalar) -> Result<Json, Refused> {
        match (scalar, value) {
            (Scalar::Int, Value::Int(span)) => self
                .str(*span)
                .parse::<i32>()
                .map(Json::from)
                .map_err(|_| wrong("an Int is beyond 32 bits")),
            (Scalar::Float, Value::Int(span) | Value::Float(span)) => {
                number(self.str(*span)).ok_or_else(|| wrong("a Float is beyond bounds"))
            }
            (Scalar::String | Scalar::Id, Value::String(text)) => Ok(Json::String(text.clone())),
            (Scalar::Id, Value::Int(span)) => Ok(Json::String(self.str(*span).to_owned())),
            (Scalar::Boolean, Value::Boolean(yes)) => Ok(Json::Bool(*yes)),
            _ => Err(wrong("it is of another kind")),
        }
    }

    fn choice(&mut self, value: &Value, of: &Type<'_>) -> Result<Json, Refused> {
        let Value::Enum(span) = value else {
            return Err(wrong("it is none of the enum's values"));
        };
        let name = self.document.str(*span);
        if of.values.binary_search(&name).is_err() {
            note(self.unknown, || unknown_choice(name, of));
        }
        Ok(Json::String(name.to_owned()))
    }

    fn object(&mut self, value: &Value, of: &Type<'_>) -> Result<Option<Json>, Refused> {
        let Value::Object(fields) = value else {
            return Err(wrong("it is not an input object"));
        };
        let mut out = Map::new();
        for field in fields {
            let name = self.document.str(field.name);
            let input = of.input(name);
            if input.is_none() {
                note(self.unknown, || unknown_field(name, of));
            }
            let has_default = input.is_some_and(|input| input.has_default);
            let value = self.read(&field.value, input.map(|input| input.of), has_default)?;
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        }
        for input in of.inputs.iter().filter(|input| input.is_needed()) {
            let there = |field: &Argument| self.str(field.name) == input.name;
            if !fields.iter().any(there) {
                return Err(wrong(&format!("it lacks {}", shown(input.name))));
            }
        }
        Ok(Some(Json::Object(out)))
    }
}

fn unknown_choice(name: &str, of: &Type<'_>) -> String {
    format!(
        "the value {} of {} is not in the schema",
        shown(name),
        shown(of.name)
    )
}

fn unknown_field(name: &str, of: &Type<'_>) -> String {
    format!("{} of {} is not in the schema", shown(name), shown(of.name))
}

/// Whether a variable of type `is` may stand where `of` is expected.
fn assignable(is: TypeRef, of: TypeRef) -> bool {
    if of.wraps.is_required() && !is.wraps.is_required() {
        return false;
    }
    match (is.element(), of.element()) {
        (Some(is), Some(of)) => assignable(is, of),
        (None, None) => is.named == of.named,
        _ => false,
    }
}

/// A number as JSON: an integer where it is written as one.
fn number(text: &str) -> Option<Json> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    // A whole number beyond 64 bits would lose digits.
    if !text.contains(['.', 'e', 'E']) {
        return None;
    }
    let float = text.parse::<f64>().ok()?;
    Number::from_f64(float).map(Json::Number)
}

/// A value that came as JSON for a variable of type `of`.
pub(super) fn coerce(
    schema: Option<&Schema<'_>>,
    value: &Json,
    of: Option<TypeRef>,
    unknown: &mut Vec<String>,
) -> Fits<Json> {
    let (Some(schema), Some(of)) = (schema, of) else {
        return Ok(value.clone());
    };
    if value.is_null() {
        return if of.wraps.is_required() {
            Err("it is null".to_owned())
        } else {
            Ok(Json::Null)
        };
    }
    if let Some(element) = of.element() {
        let one =
            |value, unknown: &mut Vec<String>| coerce(Some(schema), value, Some(element), unknown);
        return match value {
            Json::Array(values) => values
                .iter()
                .map(|value| one(value, unknown))
                .collect::<Fits<Vec<_>>>()
                .map(Json::Array),
            single => Ok(Json::Array(vec![one(single, unknown)?])),
        };
    }
    let named = schema.get(of.named);
    match (named.kind, value) {
        (TypeKind::Scalar(scalar), value) => coerce_scalar(value, scalar),
        (TypeKind::Enum, Json::String(name)) => {
            if named.values.binary_search(&name.as_str()).is_err() {
                note(unknown, || unknown_choice(name, named));
            }
            Ok(value.clone())
        }
        (TypeKind::Input, Json::Object(object)) => coerce_object(schema, object, named, unknown),
        _ => Err("it is of another kind".to_owned()),
    }
}

fn coerce_scalar(value: &Json, scalar: Scalar) -> Fits<Json> {
    let fits = match (scalar, value) {
        (Scalar::Custom, _)
        | (Scalar::Float, Json::Number(_))
        | (Scalar::String | Scalar::Id, Json::String(_))
        | (Scalar::Boolean, Json::Bool(_)) => value.clone(),
        (Scalar::Int, Json::Number(number)) => whole(number)
            .and_then(|whole| i32::try_from(whole).ok())
            .map(Json::from)
            .ok_or_else(|| "it is no Int of 32 bits".to_owned())?,
        (Scalar::Id, Json::Number(number)) => whole(number)
            .map(|whole| Json::String(whole.to_string()))
            .ok_or_else(|| "it is no ID".to_owned())?,
        _ => return Err("it is of another kind".to_owned()),
    };
    Ok(fits)
}

/// An integer, also where it is written with a fraction of zero, as JavaScript reads it.
fn whole(number: &Number) -> Option<i64> {
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    let float = number.as_f64().filter(|f| f.fract() == 0.0)?;
    // 2^53: beyond it a JavaScript server has lost digits.
    (float.abs() <= 9_007_199_254_740_992.0)
        .then(|| format!("{float:.0}").parse().ok())
        .flatten()
}

fn coerce_object(
    schema: &Schema<'_>,
    object: &Map<String, Json>,
    of: &Type<'_>,
    unknown: &mut Vec<String>,
) -> Fits<Json> {
    let mut out = Map::new();
    for (name, value) in object {
        let input = of.input(name);
        if input.is_none() {
            note(unknown, || unknown_field(name, of));
        }
        let value = coerce(Some(schema), value, input.map(|input| input.of), unknown)?;
        out.insert(name.clone(), value);
    }
    match of
        .inputs
        .iter()
        .find(|input| input.is_needed() && !object.contains_key(input.name))
    {
        Some(input) => Err(format!("it lacks {}", shown(input.name))),
        None => Ok(Json::Object(out)),
    }
}
