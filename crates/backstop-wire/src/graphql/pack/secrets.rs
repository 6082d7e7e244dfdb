//! Fields whose selection returns a credential, wherever they are reached.

use super::super::call::Select;
use super::super::schema::Type;
use super::super::{Call, Schema};
use super::{PackError, file};

/// The kind of object that each such field reveals, by type and field.
#[derive(Debug)]
pub(super) struct Secrets<'a> {
    /// By field, since few fields are called like one of these; then by type.
    of: Vec<(&'a str, Vec<(&'a str, String)>)>,
}

impl<'a> Secrets<'a> {
    pub(super) fn of(listed: &[file::Secret], schema: &Schema<'a>) -> Result<Self, PackError> {
        let mut secrets = Self { of: Vec::new() };
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
        let at = match self.of.binary_search_by(|(known, _)| (*known).cmp(field)) {
            Ok(at) => at,
            Err(at) => {
                self.of.insert(at, (field, Vec::new()));
                at
            }
        };
        if let Some((_, types)) = self.of.get_mut(at)
            && !types.iter().any(|(known, _)| *known == on)
        {
            types.push((on, object.to_owned()));
        }
    }

    fn count(&self) -> usize {
        self.of.iter().map(|(_, types)| types.len()).sum()
    }

    /// What a field of a type reveals.
    pub(super) fn get(&self, on: &str, field: &str) -> Option<&str> {
        let at = self.of.binary_search_by(|(known, _)| (*known).cmp(field));
        let (_, types) = self.of.get(at.ok()?)?;
        let found = types.iter().find(|(known, _)| *known == on);
        found.map(|(_, object)| object.as_str())
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
