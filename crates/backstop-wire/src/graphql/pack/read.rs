//! The reading of a request by a pack.

use backstop_core::effect::{Effect, EffectKind, Verb};

use super::super::call::{Call, Kind};
use super::super::refuse::shown;
use super::super::{Incoming, Refused, requests, resolve};
use super::Pack;
use crate::http::Request;
use crate::providers::{Knowledge, Operation, Reading, graphql_socket};
use crate::sql::ident;

impl Pack<'_> {
    /// What `request` does. What does not read is incomplete, with the reason.
    #[must_use]
    pub fn read(&self, request: &Request) -> Reading {
        let mut reading = Reading {
            provider: self.name.clone(),
            ..Reading::default()
        };
        if !self.paths.contains(&request.segments) {
            reading.analysis.incomplete.push(format!(
                "the path is none of those at which {} serves GraphQL",
                self.name
            ));
            return reading;
        }
        if let Some(opens) = graphql_socket(request, &self.name) {
            return opens;
        }
        match requests(request) {
            Ok(asked) => self.asked(&asked, &mut reading),
            Err(refused) => refuse(&refused, &mut reading),
        }
        reading
    }

    /// What requests that are read already do: those of a WebSocket, too.
    pub fn asked(&self, asked: &[Incoming], reading: &mut Reading) {
        for incoming in asked {
            if let Err(refused) = self.one(incoming, reading) {
                refuse(&refused, reading);
            }
        }
        if asked.is_empty() || (reading.operations.is_empty() && reading.analysis.is_complete()) {
            reading
                .analysis
                .incomplete
                .push("the request asks nothing".to_owned());
        }
    }

    fn one(&self, incoming: &Incoming, reading: &mut Reading) -> Result<(), Refused> {
        let text = incoming.text(&|_| None)?;
        let document = self.documents.read(text)?;
        for call in resolve(Some(&self.schema), &document, incoming)? {
            self.call(&call, incoming.place, reading);
        }
        Ok(())
    }

    /// What one call does; gives the places of the conditions that hold.
    pub(super) fn call(
        &self,
        call: &Call<'_>,
        place: Option<usize>,
        reading: &mut Reading,
    ) -> Vec<usize> {
        let mut operation = Operation {
            name: call.field.to_owned(),
            knowledge: self.knowledge,
            does: format!("Reads {}.", call.field),
            along: Vec::new(),
            grace: None,
            preview: None,
            reveals: Vec::new(),
        };
        let prefix = place.map(|place| format!("/{place}")).unwrap_or_default();
        let mut effects = Vec::new();
        let mut held = Vec::new();
        if let Some(entry) = self.entry(call) {
            let (facts, conditions) = entry.facts(&call.arguments);
            held = conditions;
            for template in &facts.effects {
                effects.extend(template.effects(&call.arguments, call.field));
            }
            if facts.reveals {
                operation.reveals.push(prefix.clone() + &call.pointer());
            }
            operation.does = facts.does;
            operation.along = facts.along;
            operation.grace = facts.grace;
            operation.preview = facts.preview;
            if let Some(what) = &facts.incomplete {
                note(reading, what);
            }
        } else if call.kind == Kind::Mutation {
            operation.knowledge = Knowledge::Generic;
            operation.does = format!(
                "Does what is not known: {} has no entry.",
                shown(call.field)
            );
            reading
                .analysis
                .incomplete
                .push(format!("the mutation {} is not known", shown(call.field)));
        } else {
            effects.extend(
                self.kinds
                    .objects(call)
                    .into_iter()
                    .map(|object| Effect::new(EffectKind::Read, Verb::Read, object)),
            );
        }
        self.reveal(call, &prefix, &mut operation, &mut effects);
        for what in &call.incomplete {
            note(reading, what);
        }
        for effect in effects {
            if reading.analysis.effects.contains(&effect) {
                continue;
            }
            if reading.analysis.effects.len() >= EFFECTS {
                note(reading, "the request has more than 500 effects");
                break;
            }
            reading.analysis.effects.push(effect);
        }
        reading.operations.push(operation);
        held
    }

    /// Credentials that are selected anywhere in the call.
    fn reveal(
        &self,
        call: &Call<'_>,
        prefix: &str,
        operation: &mut Operation,
        effects: &mut Vec<Effect>,
    ) {
        let mut found = |object: &str, field: String, pointer: String| {
            let object = ident(object);
            let kind = object.clone() + ".";
            // The entry may have said so already, with the object's id.
            let known = |effect: &Effect| {
                effect.kind == EffectKind::Reveal
                    && effect
                        .object
                        .as_ref()
                        .is_some_and(|known| *known == object || known.starts_with(&kind))
            };
            if !effects.iter().any(known) {
                let effect = Effect::new(EffectKind::Reveal, Verb::Read, object);
                effects.push(effect.because(format!("returns {field}")));
            }
            let within =
                |known: &String| pointer == *known || pointer.starts_with(&format!("{known}/"));
            if !operation.reveals.iter().any(within) {
                operation.reveals.push(pointer);
            }
            // So many that the whole answer is sealed.
            if operation.reveals.len() > POINTERS {
                operation.reveals = vec![String::new()];
            }
        };
        if let Some(object) = self.secrets.call(call) {
            found(
                object,
                call.field.to_owned(),
                prefix.to_owned() + &call.pointer(),
            );
        }
        for (at, select) in call.selects.iter().enumerate() {
            if let Some(object) = self.secrets.select(select) {
                let field = format!("{}.{}", select.on.unwrap_or_default(), select.field);
                found(object, field, prefix.to_owned() + &call.pointer_to(at));
            }
        }
    }
}

/// Effects that one reading lists.
const EFFECTS: usize = 500;
/// Places of credentials in one operation's answer.
const POINTERS: usize = 100;

/// Notes what is not known, once.
fn note(reading: &mut Reading, what: &str) {
    let notes = &mut reading.analysis.incomplete;
    if notes.len() < 100 && !notes.iter().any(|known| known == what) {
        notes.push(what.to_owned());
    }
}

fn refuse(refused: &Refused, reading: &mut Reading) {
    reading
        .analysis
        .incomplete
        .push(format!("refused: {refused}"));
}
