//! Selections that share a key in the answer must be the same field with the same arguments.
//!
//! A server merges them and runs the first; one that does not check would run what another does not.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::super::Refused;
use super::super::document::{Argument, Document, Field, Value};
use super::super::refuse::{VALID, refused, shown};
use super::super::schema::{Schema, TypeId, TypeKind, TypeRef};
use super::fields::Met;

/// Different fields that one key may stand for, on different object types.
const MOST: usize = 64;

/// The fields met so far, by where they stand in the answer.
pub(super) struct Merge<'d> {
    nodes: Vec<Node<'d>>,
    below: HashMap<(usize, &'d str), usize>,
}

/// What one key stands for: nearly always one field.
struct Node<'d> {
    first: Variant<'d>,
    more: Vec<Variant<'d>>,
}

struct Variant<'d> {
    on: Option<TypeId>,
    field: &'d Field,
    of: Option<TypeRef>,
}

impl<'d> Merge<'d> {
    /// What the operation's own selections stand below. No field is at it.
    pub(super) const ROOT: usize = usize::MAX;

    /// Nothing met yet in an operation of a text of `length` bytes.
    pub(super) fn new(length: usize) -> Self {
        // A field takes some 16 bytes of an everyday text.
        let fields = (length / 16).min(1024);
        Self {
            nodes: Vec::with_capacity(fields),
            below: HashMap::with_capacity(fields),
        }
    }

    /// Adds a field that is selected on `on` below `node`, and gives the node that it is.
    pub(super) fn add(
        &mut self,
        schema: Option<&Schema<'_>>,
        document: &'d Document,
        node: usize,
        on: Option<TypeId>,
        met: Met<'d>,
    ) -> Result<usize, Refused> {
        let Met { field, key, of, .. } = met;
        let new = Variant { on, field, of };
        let at = match self.below.entry((node, key)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let at = *free.insert(self.nodes.len());
                let more = Vec::new();
                self.nodes.push(Node { first: new, more });
                return Ok(at);
            }
        };
        let Some(known) = self.nodes.get_mut(at) else {
            return Ok(at);
        };
        let same = |other: &Variant<'_>| std::ptr::eq(other.field, field) && other.on == on;
        let all = || std::iter::once(&known.first).chain(&known.more);
        if all().any(same) {
            return Ok(at);
        }
        for other in all() {
            if !fits(schema, document, other, &new) {
                return Err(refused(
                    format!("{} stands for two different things", shown(key)),
                    VALID,
                ));
            }
        }
        if known.more.len() >= MOST {
            return Err(refused(
                format!("{} is selected more than 64 times", shown(key)),
                VALID,
            ));
        }
        known.more.push(new);
        Ok(at)
    }
}

fn fits(
    schema: Option<&Schema<'_>>,
    document: &Document,
    a: &Variant<'_>,
    b: &Variant<'_>,
) -> bool {
    if !same_shape(schema, a.of, b.of) {
        return false;
    }
    let object = |on: Option<TypeId>| {
        on.zip(schema)
            .is_some_and(|(on, schema)| schema.get(on).kind == TypeKind::Object)
    };
    // No value is of two object types, so only one of the two is ever there.
    if a.on != b.on && object(a.on) && object(b.on) {
        return true;
    }
    document.str(a.field.name) == document.str(b.field.name)
        && same_arguments(document, &a.field.arguments, &b.field.arguments)
}

fn same_shape(schema: Option<&Schema<'_>>, a: Option<TypeRef>, b: Option<TypeRef>) -> bool {
    let (Some(schema), Some(a), Some(b)) = (schema, a, b) else {
        return a == b;
    };
    let composite = |of: TypeRef| schema.get(of.named).is_composite();
    a.wraps == b.wraps && (a.named == b.named || (composite(a) && composite(b)))
}

fn same_arguments(document: &Document, a: &[Argument], b: &[Argument]) -> bool {
    a.len() == b.len()
        && a.iter().all(|one| {
            let name = document.str(one.name);
            b.iter().any(|other| {
                document.str(other.name) == name && same(document, &one.value, &other.value)
            })
        })
}

fn same(document: &Document, a: &Value, b: &Value) -> bool {
    use Value::{Boolean, Enum, Float, Int, List, Null, Object, String, Variable};
    match (a, b) {
        (Variable(a), Variable(b))
        | (Int(a), Int(b))
        | (Float(a), Float(b))
        | (Enum(a), Enum(b)) => document.str(*a) == document.str(*b),
        (String(a), String(b)) => a == b,
        (Boolean(a), Boolean(b)) => a == b,
        (Null, Null) => true,
        (List(a), List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(document, a, b))
        }
        (Object(a), Object(b)) => same_arguments(document, a, b),
        _ => false,
    }
}
