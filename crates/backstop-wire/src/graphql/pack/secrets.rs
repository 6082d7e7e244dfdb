//! Fields whose selection returns a credential, wherever they are reached.

use std::collections::HashMap;

use super::super::call::Select;
use super::super::schema::Type;
use super::super::{Call, Schema};
use super::{PackError, file};

/// The kind of object that each such field reveals, by type and field.
#[derive(Debug)]
pub(super) struct Secrets<'a> {
    of: HashMap<&'a str, HashMap<&'a str, String>>,
}

impl<'a> Secrets<'a> {
    pub(super) fn of(listed: &[file::Secret], schema: &Schema<'a>) -> Result<Self, PackError> {
        let mut secrets = Self { of: HashMap::new() };
        for secret in listed {
            let named = secret
                .field
                .as_deref()
                .or(secret.of.as_deref())
                .unwrap_or_default();
            let before = secrets.count();
            match (&secret.field, &secret.of) {
                (Some(field), None) => secrets.field(schema, field, &secret.object),
                (None, Some(of)) => secrets.returning(schema, of, &secret.object),
                _ => {}
            }
            if secrets.count() == before {
                return Err(PackError::Secret(named.to_owned()));
            }
        }
        Ok(secrets)
    }

    fn field(&mut self, schema: &Schema<'a>, path: &str, object: &str) {
        let (on, field) = path.split_once('.').unwrap_or_default();
        if let Some(on) = schema.named(on) {
            self.add(schema, schema.get(on), field, object);
        }
    }

    fn returning(&mut self, schema: &Schema<'a>, of: &str, object: &str) {
        for on in &schema.types {
            for field in &on.fields {
                if schema.get(field.of.named).name == of {
                    self.add(schema, on, field.name, object);
                }
            }
        }
    }

    /// Adds a field of a type and, since it can be reached through them, of its interfaces.
    fn add(&mut self, schema: &Schema<'a>, on: &Type<'a>, field: &str, object: &str) {
        let Some(known) = on.field(field) else {
            return;
        };
        self.put(on.name, known.name, object);
        for &interface in &on.interfaces {
            let interface = schema.get(interface);
            if let Some(known) = interface.field(field) {
                self.put(interface.name, known.name, object);
            }
        }
    }

    fn put(&mut self, on: &'a str, field: &'a str, object: &str) {
        self.of
            .entry(on)
            .or_default()
            .insert(field, object.to_owned());
    }

    fn count(&self) -> usize {
        self.of.values().map(HashMap::len).sum()
    }

    /// What a field of a type reveals.
    pub(super) fn get(&self, on: &str, field: &str) -> Option<&str> {
        self.of.get(on)?.get(field).map(String::as_str)
    }

    /// What a call itself reveals.
    pub(super) fn call(&self, call: &Call<'_>) -> Option<&str> {
        let root = match call.kind {
            super::Kind::Query => "Query",
            super::Kind::Mutation => "Mutation",
            super::Kind::Subscription => "Subscription",
        };
        self.get(root, call.field)
    }

    /// What a selected field reveals.
    pub(super) fn select(&self, select: &Select<'_>) -> Option<&str> {
        self.get(select.on?, select.field)
    }
}
