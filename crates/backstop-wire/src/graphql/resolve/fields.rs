//! Selection sets: fields against the schema, fragments spread.

use serde_json::Map;

use super::super::Refused;
use super::super::call::{Call, Kind, Select};
use super::super::document::Wraps;
use super::super::document::{Argument, Field, Selection, Span};
use super::super::refuse::{VALID, refused, shown};
use super::super::schema::{Field as Known, TypeRef};
use super::{CALLS, Place, Walk};

/// What the schema says about a field.
enum Found<'d, 's> {
    /// It is this one.
    Known(&'d Known<'s>),
    /// `__typename`.
    TypeName,
    /// Its type is known, and has no such field.
    Missing,
    /// Nothing is known of its type.
    Unknown,
}

/// A field as it was met.
#[derive(Clone, Copy)]
pub(super) struct Met<'d> {
    pub(super) field: &'d Field,
    pub(super) name: &'d str,
    /// Its name in the answer.
    pub(super) key: &'d str,
    /// What it returns, where that is known.
    pub(super) of: Option<TypeRef>,
    live: bool,
}

impl<'d, 's> Walk<'d, '_, 's> {
    pub(super) fn selections(
        &mut self,
        selections: &'d [Selection],
        place: Place,
    ) -> Result<(), Refused> {
        for selection in selections {
            self.count()?;
            match selection {
                Selection::Field(field) => self.field(field, place)?,
                Selection::Inline {
                    on,
                    directives,
                    selections,
                } => {
                    let live = self.directives(directives, place)?;
                    let on = on.map_or(Ok(place.on), |on| self.narrow(on, place))?;
                    self.selections(selections, Place { on, live, ..place })?;
                }
                Selection::Spread { name, directives } => {
                    let live = self.directives(directives, place)?;
                    self.spread(*name, Place { live, ..place })?;
                }
            }
        }
        Ok(())
    }

    fn spread(&mut self, name: Span, place: Place) -> Result<(), Refused> {
        let name = self.document.str(name);
        let found = self.document.fragment(name);
        let (Some(at), Some(fragment)) =
            (found, found.and_then(|at| self.document.fragments.get(at)))
        else {
            return Err(refused(
                format!("there is no fragment {}", shown(name)),
                VALID,
            ));
        };
        if self.open.contains(&at) {
            return Err(refused(
                format!("the fragment {} spreads itself", shown(name)),
                VALID,
            ));
        }
        if let Some(used) = self.used.get_mut(at) {
            *used = true;
        }
        self.open.push(at);
        let on = self.narrow(fragment.on, place)?;
        self.selections(&fragment.selections, Place { on, ..place })?;
        self.open.pop();
        Ok(())
    }

    /// The type of a condition, which must have an object in common with the type around it.
    fn narrow(&mut self, on: Span, place: Place) -> Result<Option<super::TypeId>, Refused> {
        let Some(schema) = self.schema else {
            return Ok(None);
        };
        let name = self.document.str(on);
        let Some(id) = schema.named(name) else {
            self.note(
                place,
                format!("the type {} is not in the schema", shown(name)),
            );
            return Ok(None);
        };
        let around = place.on.unwrap_or(id);
        if !schema.get(id).is_composite() || !schema.overlap(id, around) {
            return Err(refused(
                format!("a fragment on {} cannot stand there", shown(name)),
                VALID,
            ));
        }
        Ok(Some(id))
    }

    fn find(&self, name: &str, place: Place) -> Found<'d, 's> {
        if name == "__typename" {
            return Found::TypeName;
        }
        let (Some(schema), Some(on)) = (self.schema, place.on) else {
            return Found::Unknown;
        };
        if let Some(field) = schema.get(on).field(name) {
            return Found::Known(field);
        }
        Found::Missing
    }

    fn field(&mut self, field: &'d Field, place: Place) -> Result<(), Refused> {
        let name = self.document.str(field.name);
        let key = field.alias.map_or(name, |alias| self.document.str(alias));
        let live = self.directives(&field.directives, place)?;
        if place.call.is_none() && self.kind == Kind::Query && matches!(name, "__schema" | "__type")
        {
            let root = if name == "__schema" {
                "__Schema"
            } else {
                "__Type"
            };
            let of = self.schema.and_then(|schema| {
                Some(TypeRef {
                    named: schema.named(root)?,
                    wraps: Wraps::default(),
                })
            });
            return self.introspect(
                Met {
                    field,
                    name,
                    key,
                    of,
                    live,
                },
                place,
            );
        }
        let found = self.find(name, place);
        let of = match &found {
            Found::Known(known) => Some(known.of),
            Found::TypeName => self.schema.map(|schema| TypeRef {
                named: schema.string,
                wraps: Wraps::default().require(),
            }),
            Found::Missing | Found::Unknown => None,
        };
        let met = Met {
            field,
            name,
            key,
            of,
            live,
        };
        let below = self.enter(met, place)?;
        if matches!(found, Found::Missing) {
            let on = place.on.map_or("?", |on| self.type_name(on));
            self.note(
                below,
                format!("{} of {} is not in the schema", shown(name), shown(on)),
            );
        }
        let arguments = self.arguments(field, &found, below)?;
        if place.call.is_none()
            && let Some((call, _)) = below.call.and_then(|at| self.calls.get_mut(at))
        {
            call.arguments = arguments;
        }
        self.check_leaf(field, of, name)?;
        match &field.selections {
            Some(selections) => self.selections(selections, below),
            None => Ok(()),
        }
    }

    fn type_name(&self, id: super::TypeId) -> &'d str {
        self.schema.map_or("?", |schema| schema.get(id).name)
    }

    /// The place below a field: in a new call or the one that the same key began, or below a new select.
    fn enter(&mut self, met: Met<'d>, place: Place) -> Result<Place, Refused> {
        let node = self
            .merge
            .add(self.schema, self.document, place.node, place.on, met)?;
        let below = Place {
            on: met.of.map(|of| of.named),
            node,
            live: met.live,
            up: None,
            ..place
        };
        let lists = met.of.map_or(0, |of| of.wraps.lists);
        let returns = met.of.map(|of| self.type_name(of.named));
        let Some(at) = place.call else {
            let call = Some(self.begin(met, lists, returns)?);
            return Ok(Place { call, ..below });
        };
        let on = place.on.map(|on| self.type_name(on));
        let mut up = None;
        if met.live
            && let Some((call, _)) = self.calls.get_mut(at)
        {
            up = Some(call.selects.len());
            call.selects.push(Select {
                on,
                field: met.name,
                key: met.key,
                lists,
                returns,
                up: place.up,
            });
        }
        Ok(Place { up, ..below })
    }

    fn begin(
        &mut self,
        met: Met<'d>,
        lists: u8,
        returns: Option<&'d str>,
    ) -> Result<usize, Refused> {
        let same = |(call, _): &(Call<'d>, bool)| call.key() == met.key;
        if let Some(at) = self.calls.iter().position(same) {
            if let Some((_, already)) = self.calls.get_mut(at) {
                *already |= met.live;
            }
            return Ok(at);
        }
        if self.calls.len() >= CALLS {
            return Err(refused(
                "the document has more than 500 root fields",
                "send it in parts",
            ));
        }
        let call = Call {
            kind: self.kind,
            field: met.name,
            alias: met.field.alias.map(|alias| self.document.str(alias)),
            arguments: Map::new(),
            lists,
            returns,
            selects: Vec::new(),
            incomplete: Vec::new(),
        };
        self.calls.push((call, met.live));
        Ok(self.calls.len() - 1)
    }

    /// `__schema` and `__type` read the schema, whatever is selected below.
    fn introspect(&mut self, met: Met<'d>, place: Place) -> Result<(), Refused> {
        let Met {
            field, name, of, ..
        } = met;
        let below = self.enter(met, place)?;
        let mut arguments = Map::new();
        for argument in &field.arguments {
            let known = self.document.str(argument.name);
            if name != "__type" || known != "name" {
                return Err(no_argument(known, name));
            }
            let of = self.schema.map(|schema| TypeRef {
                named: schema.string,
                wraps: Wraps::default().require(),
            });
            if let Some(value) = self.value(&argument.value, of, false, below)? {
                arguments.insert(known.to_owned(), value);
            }
        }
        if name == "__type" && field.arguments.is_empty() {
            return Err(refused("`__type` lacks its argument `name`", VALID));
        }
        if let Some((call, _)) = below.call.and_then(|at| self.calls.get_mut(at)) {
            call.arguments = arguments;
        }
        self.check_leaf(field, of, name)?;
        match &field.selections {
            Some(selections) => self.selections(selections, below),
            None => Ok(()),
        }
    }

    /// Objects need a selection set, everything else may not have one.
    fn check_leaf(&self, field: &Field, of: Option<TypeRef>, name: &str) -> Result<(), Refused> {
        let (Some(schema), Some(of)) = (self.schema, of) else {
            return Ok(());
        };
        let composite = schema.get(of.named).is_composite();
        match (composite, field.selections.is_some()) {
            (true, false) => Err(refused(
                format!("{} is selected without its fields", shown(name)),
                VALID,
            )),
            (false, true) => Err(refused(
                format!("{} has no fields to select", shown(name)),
                VALID,
            )),
            _ => Ok(()),
        }
    }

    fn arguments(
        &mut self,
        field: &'d Field,
        found: &Found<'d, 's>,
        place: Place,
    ) -> Result<Map<String, serde_json::Value>, Refused> {
        let name = self.document.str(field.name);
        let mut given = Map::new();
        for argument in &field.arguments {
            let (of, has_default) = self.expected(argument, found, name, place)?;
            let value = self.value(&argument.value, of, has_default, place)?;
            if let Some(value) = value {
                given.insert(self.document.str(argument.name).to_owned(), value);
            }
        }
        let Found::Known(known) = found else {
            return Ok(given);
        };
        for input in known.arguments.iter().filter(|input| input.is_needed()) {
            let there = |argument: &Argument| self.document.str(argument.name) == input.name;
            if !field.arguments.iter().any(there) {
                return Err(refused(
                    format!("{} lacks its argument {}", shown(name), shown(input.name)),
                    VALID,
                ));
            }
        }
        Ok(given)
    }

    fn expected(
        &mut self,
        argument: &Argument,
        found: &Found<'d, 's>,
        field: &str,
        place: Place,
    ) -> Result<(Option<TypeRef>, bool), Refused> {
        let name = self.document.str(argument.name);
        match found {
            Found::TypeName => Err(no_argument(name, field)),
            Found::Missing | Found::Unknown => Ok((None, false)),
            Found::Known(known) => {
                if let Some(input) = known.argument(name) {
                    return Ok((Some(input.of), input.has_default));
                }
                self.note(
                    place,
                    format!(
                        "the argument {} of {} is not in the schema",
                        shown(name),
                        shown(field)
                    ),
                );
                Ok((None, false))
            }
        }
    }
}

fn no_argument(name: &str, field: &str) -> Refused {
    refused(
        format!("{} takes no argument {}", shown(field), shown(name)),
        VALID,
    )
}
