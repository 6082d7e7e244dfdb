//! An operation's variables: their types, defaults and given values.

use serde_json::{Map, Value as Json};

use super::super::Refused;
use super::super::document::{Document, Operation};
use super::super::refuse::{VALID, refused, shown};
use super::super::schema::{Schema, TypeRef};
use super::{note, value};

/// The variables of one operation.
pub(super) struct Variables<'d> {
    known: Vec<Variable<'d>>,
    /// Whether this is the operation that runs: the values are known then.
    runs: bool,
    /// Types that the schema does not know.
    pub(super) unknown: Vec<String>,
}

pub(super) struct Variable<'d> {
    pub(super) name: &'d str,
    /// `None` where there is no schema or it does not know the type.
    pub(super) of: Option<TypeRef>,
    /// Whether it has a default other than `null`.
    pub(super) has_default: bool,
    /// What it stands for; `None` where nothing was given and there is no default.
    pub(super) value: Option<Json>,
    /// How much work it is to copy the value.
    pub(super) weight: usize,
    pub(super) used: bool,
}

impl<'d> Variables<'d> {
    /// # Errors
    ///
    /// If a type cannot be a variable's, or a value or default does not fit its type.
    pub(super) fn of(
        schema: Option<&Schema<'_>>,
        document: &'d Document,
        operation: &'d Operation,
        given: Option<&Map<String, Json>>,
    ) -> Result<Self, Refused> {
        let mut variables = Self {
            known: Vec::with_capacity(operation.variables.len()),
            runs: given.is_some(),
            unknown: Vec::new(),
        };
        for definition in &operation.variables {
            let name = document.str(definition.name);
            let of = variables.type_of(schema, document.str(definition.of.named), name)?;
            let of = of.map(|named| TypeRef {
                named,
                wraps: definition.of.wraps,
            });
            let mut value = None;
            let mut has_default = false;
            if let Some(default) = &definition.default {
                let mut unknown = Vec::new();
                let read = value::constant(schema, document, default, of, &mut unknown)?;
                variables.unknown.append(&mut unknown);
                has_default = !read.is_null();
                value = Some(read);
            }
            match given.and_then(|given| given.get(name)) {
                Some(json) => {
                    let fits = value::coerce(schema, json, of, &mut variables.unknown);
                    value = Some(fits.map_err(|why| does_not_fit(name, &why))?);
                }
                None if given.is_some() && value.is_none() && definition.of.wraps.is_required() => {
                    return Err(refused(
                        format!("the variable {} has no value", shown(name)),
                        "send it in `variables`",
                    ));
                }
                None => {}
            }
            // A null for what needs a value is refused by `coerce`; without a schema nothing else refuses it.
            if definition.of.wraps.is_required() && value.as_ref().is_some_and(Json::is_null) {
                return Err(does_not_fit(name, "it is null"));
            }
            variables.known.push(Variable {
                name,
                of,
                has_default,
                weight: value.as_ref().map_or(0, weight),
                value,
                used: false,
            });
        }
        Ok(variables)
    }

    fn type_of(
        &mut self,
        schema: Option<&Schema<'_>>,
        named: &str,
        variable: &str,
    ) -> Result<Option<super::TypeId>, Refused> {
        let Some(schema) = schema else {
            return Ok(None);
        };
        let Some(id) = schema.named(named) else {
            note(&mut self.unknown, || {
                format!("the type {} is not in the schema", shown(named))
            });
            return Ok(None);
        };
        if schema.get(id).is_input() {
            return Ok(Some(id));
        }
        Err(refused(
            format!("the variable {} cannot be of that type", shown(variable)),
            VALID,
        ))
    }

    /// Whether this operation runs.
    pub(super) fn runs(&self) -> bool {
        self.runs
    }

    /// The variable of that name. Whoever takes it marks it as used.
    pub(super) fn take(&mut self, name: &str) -> Option<&mut Variable<'d>> {
        self.known.iter_mut().find(|known| known.name == name)
    }

    /// One that nothing uses.
    pub(super) fn unused(&self) -> Option<&'d str> {
        self.known
            .iter()
            .find(|known| !known.used)
            .map(|known| known.name)
    }
}

/// The values in a value, and its text by 64 bytes.
fn weight(value: &Json) -> usize {
    match value {
        Json::String(text) => 1 + text.len() / 64,
        Json::Array(list) => 1 + list.iter().map(weight).sum::<usize>(),
        Json::Object(object) => 1 + object.values().map(weight).sum::<usize>() + object.len(),
        _ => 1,
    }
}

fn does_not_fit(name: &str, why: &str) -> Refused {
    refused(
        format!(
            "the value of the variable {} does not fit: {why}",
            shown(name)
        ),
        VALID,
    )
}
