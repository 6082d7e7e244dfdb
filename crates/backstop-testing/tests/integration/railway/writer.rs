//! Writes random requests that are valid for the schema, and reads answers as strictly as the schema has them.

use std::collections::BTreeSet;

use apollo_compiler::ast::Type;
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::{ExtendedType, FieldDefinition, InputValueDefinition};
use apollo_compiler::{ExecutableDocument, Node, Schema};
use serde_json::Value;

/// How deep selections go: past nodes of connections of connections.
const DEEP: usize = 8;

/// A source of choices; the same seed writes the same request.
pub(super) struct Writer<'a> {
    pub(super) schema: &'a Schema,
    /// Ids that exist, by what they are of: `project`, `environment`, …
    pub(super) ids: Vec<(&'static str, String)>,
    /// Fields that are left out, by type.
    pub(super) without: Vec<(&'static str, &'static str)>,
    state: u64,
    fragments: Vec<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(schema: &'a Schema, ids: Vec<(&'static str, String)>, seed: u64) -> Self {
        Self {
            schema,
            ids,
            without: vec![],
            state: seed | 1,
            fragments: vec![],
        }
    }

    /// xorshift64*: what is random here needs to be repeatable, not good.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let value = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(value).unwrap() % bound.max(1)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// A query with some of the named root fields, aliases, fragments and directives.
    pub(super) fn query(&mut self, roots: &[&str]) -> String {
        self.fragments.clear();
        let count = 1 + self.below(3);
        let mut fields = vec![];
        for index in 0..count {
            let name = roots[self.below(roots.len())];
            let definition = self.schema.type_field("Query", name).unwrap().node.clone();
            fields.push(self.field(&definition, &format!("r{index}"), 0));
        }
        let name = if self.one_in(2) {
            "query Random"
        } else {
            "query"
        };
        format!(
            "{name} {{ {} }} {}",
            fields.join(" "),
            self.fragments.join(" ")
        )
    }

    /// One field with its arguments and selection.
    fn field(&mut self, definition: &Node<FieldDefinition>, alias: &str, depth: usize) -> String {
        let arguments = self.arguments(definition.name.as_str(), &definition.arguments);
        let selection = self.selection(definition.ty.inner_named_type().as_str(), depth + 1);
        let directive = ["", "", "", " @include(if: true)", " @skip(if: false)"][self.below(5)];
        format!(
            "{alias}: {}{arguments}{directive}{selection}",
            definition.name
        )
    }

    /// The arguments of a field of that name.
    pub(super) fn arguments(
        &mut self,
        of: &str,
        definitions: &[Node<InputValueDefinition>],
    ) -> String {
        let mut written = vec![];
        for definition in definitions {
            if definition.is_required() || self.one_in(4) {
                let value = self.value(&definition.ty, of, definition.name.as_str());
                written.push(format!("{}: {value}", definition.name));
            }
        }
        if written.is_empty() {
            String::new()
        } else {
            format!("({})", written.join(", "))
        }
    }

    fn value(&mut self, ty: &Type, of: &str, name: &str) -> String {
        if ty.is_list() {
            let item = self.value(ty.item_type(), of, name);
            return format!("[{item}]");
        }
        match self.schema.types.get(ty.inner_named_type()).unwrap() {
            ExtendedType::Enum(definition) => {
                let names: Vec<&str> = definition.values.keys().map(|key| key.as_str()).collect();
                names[self.below(names.len())].to_owned()
            }
            ExtendedType::InputObject(definition) => {
                let mut written = vec![];
                for field in definition
                    .fields
                    .values()
                    .filter(|field| field.is_required())
                {
                    let value = self.value(&field.ty, of, field.name.as_str());
                    written.push(format!("{}: {value}", field.name));
                }
                format!("{{ {} }}", written.join(", "))
            }
            _ => match ty.inner_named_type().as_str() {
                "Int" => self.below(20).to_string(),
                "Float" => "1.5".to_owned(),
                "Boolean" => "true".to_owned(),
                "DateTime" => "\"2026-04-24T20:00:00.000Z\"".to_owned(),
                "String" | "ID" if !self.ids.is_empty() => format!("\"{}\"", self.id(of, name)),
                "String" | "ID" => "\"3d2c42fb-0000-4000-8000-000000000000\"".to_owned(),
                _ => "{ }".to_owned(),
            },
        }
    }

    /// An id for an argument of a field: mostly one that fits, sometimes any.
    fn id(&mut self, of: &str, name: &str) -> String {
        let sort = match name.strip_suffix("Id") {
            Some(sort) => sort,
            None if name == "ids" => "project",
            None => of,
        };
        let fitting: Vec<String> = self
            .ids
            .iter()
            .filter(|(known, _)| *known == sort)
            .map(|(_, id)| id.clone())
            .collect();
        if fitting.is_empty() || self.one_in(12) {
            let chosen = self.below(self.ids.len());
            return self.ids[chosen].1.clone();
        }
        let chosen = self.below(fitting.len());
        fitting[chosen].clone()
    }

    /// A selection of a type; nothing for leaves.
    fn selection(&mut self, type_name: &str, depth: usize) -> String {
        let Some((fields, on)) = self.fields(type_name) else {
            return String::new();
        };
        let mut written = vec![];
        for (index, definition) in fields.iter().enumerate() {
            let leaf = self
                .fields(definition.ty.inner_named_type().as_str())
                .is_none();
            let wanted = matches!(definition.name.as_str(), "edges" | "node");
            let lacking = (type_name, definition.name.as_str());
            let without = self.without.contains(&lacking);
            let chosen = wanted || self.one_in(if leaf { 3 } else { 6 });
            if chosen && !without && (leaf || depth < DEEP) {
                written.push(self.field(definition, &format!("f{index}"), depth));
            }
        }
        if written.is_empty() || self.one_in(4) {
            written.push("__typename".to_owned());
        }
        let inner = written.join(" ");
        match self.below(6) {
            0 => format!(" {{ ... on {on} {{ {inner} }} }}"),
            1 => {
                let name = format!("F{}x{}", self.fragments.len(), depth);
                self.fragments
                    .push(format!("fragment {name} on {on} {{ {inner} }}"));
                format!(" {{ ...{name} __typename }}")
            }
            _ => format!(" {{ {inner} }}"),
        }
    }

    fn fields(&self, type_name: &str) -> Option<(Vec<Node<FieldDefinition>>, String)> {
        match self.schema.types.get(type_name)? {
            ExtendedType::Object(definition) => Some((
                definition
                    .fields
                    .values()
                    .map(|one| one.node.clone())
                    .collect(),
                type_name.to_owned(),
            )),
            ExtendedType::Interface(definition) => Some((
                definition
                    .fields
                    .values()
                    .map(|one| one.node.clone())
                    .collect(),
                type_name.to_owned(),
            )),
            ExtendedType::Union(_) => Some((vec![], type_name.to_owned())),
            _ => None,
        }
    }
}

/// Holds an answer against its request: every key, type, list, null, enum value and type name.
pub(super) struct Reader<'a> {
    pub(super) schema: &'a Schema,
    pub(super) document: &'a ExecutableDocument,
    /// What an error excuses: the places that it names, and those above them.
    pub(super) excused: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(schema: &'a Schema, document: &'a ExecutableDocument, body: &Value) -> Self {
        let mut excused = BTreeSet::new();
        for error in body["errors"].as_array().into_iter().flatten() {
            let mut place = String::new();
            excused.insert(place.clone());
            for step in error["path"].as_array().unwrap() {
                place = format!("{place}/{}", step.to_string().trim_matches('"'));
                excused.insert(place.clone());
            }
        }
        Self {
            schema,
            document,
            excused,
        }
    }

    /// Reads the data of an answer.
    pub(super) fn read(&self, data: &Value) -> Result<(), String> {
        let operation = self.document.operations.get(None).unwrap();
        let place = String::new();
        if data.is_null() {
            return self.excuse(&place, "data");
        }
        self.object(
            &place,
            operation.object_type(),
            &[&operation.selection_set],
            data,
        )
    }

    fn excuse(&self, place: &str, what: &str) -> Result<(), String> {
        if self.excused.contains(place) {
            Ok(())
        } else {
            Err(format!("{place}: {what} is null without an error"))
        }
    }

    fn object(
        &self,
        place: &str,
        type_name: &str,
        sets: &[&SelectionSet],
        value: &Value,
    ) -> Result<(), String> {
        let object = value.as_object().ok_or(format!("{place}: no object"))?;
        let mut fields: Vec<(String, String, Type, Vec<&SelectionSet>)> = vec![];
        for set in sets {
            self.collect(type_name, set, &mut fields);
        }
        let expected: BTreeSet<&str> = fields.iter().map(|one| one.0.as_str()).collect();
        let found: BTreeSet<&str> = object.keys().map(String::as_str).collect();
        if expected != found {
            return Err(format!(
                "{place}: {found:?} where {expected:?} was asked for"
            ));
        }
        for (key, name, ty, sets) in &fields {
            let value = &object[key.as_str()];
            if name == "__typename" && value != type_name {
                return Err(format!("{place}: {value} is no {type_name}"));
            }
            self.value(&format!("{place}/{key}"), ty, sets, value)?;
        }
        Ok(())
    }

    fn collect<'b>(
        &'b self,
        type_name: &str,
        set: &'b SelectionSet,
        into: &mut Vec<(String, String, Type, Vec<&'b SelectionSet>)>,
    ) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    let key = field.response_key().to_string();
                    match into.iter_mut().find(|one| one.0 == key) {
                        Some(known) => known.3.push(&field.selection_set),
                        None => into.push((
                            key,
                            field.name.to_string(),
                            field.ty().clone(),
                            vec![&field.selection_set],
                        )),
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.type_condition.as_ref();
                    if on.is_none_or(|on| self.applies(on.as_str(), type_name)) {
                        self.collect(type_name, &fragment.selection_set, into);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &self.document.fragments[&spread.fragment_name];
                    if self.applies(fragment.type_condition().as_str(), type_name) {
                        self.collect(type_name, &fragment.selection_set, into);
                    }
                }
            }
        }
    }

    fn applies(&self, on: &str, type_name: &str) -> bool {
        on == type_name || self.schema.is_subtype(on, type_name)
    }

    fn value(
        &self,
        place: &str,
        ty: &Type,
        sets: &[&SelectionSet],
        value: &Value,
    ) -> Result<(), String> {
        if value.is_null() {
            return if ty.is_non_null() {
                Err(format!("{place}: null where the schema has {ty}"))
            } else {
                Ok(())
            };
        }
        if ty.is_list() {
            let items = value.as_array().ok_or(format!("{place}: no list"))?;
            for (index, item) in items.iter().enumerate() {
                self.value(&format!("{place}/{index}"), ty.item_type(), sets, item)?;
            }
            return Ok(());
        }
        let name = ty.inner_named_type().as_str();
        let fits = match self.schema.types.get(name).unwrap() {
            ExtendedType::Object(_) => return self.object(place, name, sets, value),
            ExtendedType::Enum(definition) => value
                .as_str()
                .is_some_and(|text| definition.values.contains_key(text)),
            ExtendedType::Scalar(_) => match name {
                "Int" => value
                    .as_i64()
                    .is_some_and(|number| i32::try_from(number).is_ok()),
                "Float" => value.is_number(),
                "Boolean" => value.is_boolean(),
                "String" | "ID" => value.is_string(),
                "DateTime" => value.as_str().is_some_and(|text| text.ends_with('Z')),
                _ => true,
            },
            // The double has nothing behind an interface or a union.
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(format!("{place}: {value} is no {ty}"))
        }
    }
}
