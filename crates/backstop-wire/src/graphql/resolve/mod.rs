//! The operation that runs, and what it calls.
//!
//! The whole document is validated as a server would, the operations that do not run too. What does not validate is
//! refused, since a server with other rules might run it otherwise; what the schema merely does not know the name of
//! makes the call incomplete.

mod directives;
mod fields;
mod merge;
mod value;
mod variables;

use super::Refused;
use super::call::{Call, Kind};
use super::document::{Document, Operation};
use super::incoming::{Incoming, Over};
use super::refuse::{PLAINER, VALID, refused, shown};
use super::schema::{Schema, TypeId};
use merge::Merge;
use variables::Variables;

/// Selections and values looked at in one document: fragments spread in fragments grow without bound.
const WORK: usize = 40_000;
/// Root fields that one operation runs.
const CALLS: usize = 500;
/// What is noted as unknown, of one call.
const NOTES: usize = 20;

/// What one operation of a document calls, in the order in which the server runs it.
///
/// Without a schema the names are taken as they are, and nothing is known of types.
///
/// # Errors
///
/// If the document is not valid, no operation or more than one could run, a variable's value does not fit, or a mutation
/// came by GET.
pub fn resolve<'d>(
    schema: Option<&'d Schema<'_>>,
    document: &'d Document,
    incoming: &Incoming,
) -> Result<Vec<Call<'d>>, Refused> {
    let runs = selected(document, incoming.operation.as_deref())?;
    if incoming.over == Over::Get && runs.kind == Kind::Mutation {
        return Err(refused("a mutation came by GET", "send a POST"));
    }
    let mut used = vec![false; document.fragments.len()];
    let mut work = WORK;
    let mut calls = Vec::new();
    let mut unknown = Vec::new();
    for operation in &document.operations {
        let given = std::ptr::eq(operation, runs).then_some(&incoming.variables);
        let mut walk = Walk {
            schema,
            document,
            kind: operation.kind,
            variables: Variables::of(schema, document, operation, given)?,
            merge: Merge::new(document.text().len()),
            used: &mut used,
            open: Vec::new(),
            work: &mut work,
            calls: Vec::new(),
            unknown: Vec::new(),
        };
        walk.operation(operation)?;
        let unused = walk.variables.unused();
        unknown.append(&mut walk.variables.unknown);
        unknown.append(&mut walk.unknown);
        let found = walk.calls;
        if let Some(name) = unused {
            return Err(refused(
                format!("the variable {} is not used", shown(name)),
                VALID,
            ));
        }
        if given.is_some() {
            calls = found;
        }
    }
    if let Some((fragment, _)) = document
        .fragments
        .iter()
        .zip(&used)
        .find(|(_, used)| !**used)
    {
        let name = shown(document.str(fragment.name));
        return Err(refused(format!("the fragment {name} is not used"), VALID));
    }
    let mut live: Vec<Call<'d>> = calls
        .into_iter()
        .filter_map(|(call, live)| live.then_some(call))
        .collect();
    for call in &mut live {
        call.incomplete.extend(unknown.iter().take(NOTES).cloned());
    }
    Ok(live)
}

/// The operation of that name, or the only one.
fn selected<'d>(document: &'d Document, name: Option<&str>) -> Result<&'d Operation, Refused> {
    let named = |name: &str| {
        document
            .operations
            .iter()
            .find(|operation| operation.name.map(|n| document.str(n)) == Some(name))
    };
    match (name, document.operations.as_slice()) {
        // An empty name is none to some servers and unknown to others, which then run nothing.
        (None | Some(""), [only]) => Ok(only),
        (Some(name), _) => named(name).ok_or_else(|| {
            refused(
                format!("the document has no operation {}", shown(name)),
                "name one that it has",
            )
        }),
        (None, _) => Err(refused(
            "the document has several operations and none is named",
            "send `operationName`",
        )),
    }
}

/// The walk through one operation.
struct Walk<'d, 'w, 's> {
    schema: Option<&'d Schema<'s>>,
    document: &'d Document,
    kind: Kind,
    variables: Variables<'d>,
    merge: Merge<'d>,
    /// Which fragments have been spread.
    used: &'w mut [bool],
    /// The fragments that we are in.
    open: Vec<usize>,
    work: &'w mut usize,
    /// With whether any of its selections is not skipped.
    calls: Vec<(Call<'d>, bool)>,
    /// What the schema does not know, outside of any call.
    unknown: Vec<String>,
}

/// Where in an operation the walk is.
#[derive(Clone, Copy)]
struct Place {
    /// The type that fields are selected on; `None` where it is not known.
    on: Option<TypeId>,
    /// The merged field that we are below.
    node: usize,
    /// The call that we are in.
    call: Option<usize>,
    /// The select that we are below.
    up: Option<usize>,
    /// Whether nothing above is skipped.
    live: bool,
}

impl<'d> Walk<'d, '_, '_> {
    fn operation(&mut self, operation: &'d Operation) -> Result<(), Refused> {
        let root = match (self.schema, self.kind) {
            (None, _) => None,
            (Some(schema), Kind::Query) => Some(schema.query),
            (Some(schema), Kind::Mutation) => {
                Some(schema.mutation.ok_or_else(|| no_root("mutation"))?)
            }
            (Some(schema), Kind::Subscription) => {
                Some(schema.subscription.ok_or_else(|| no_root("subscription"))?)
            }
        };
        let place = Place {
            on: root,
            node: Merge::ROOT,
            call: None,
            up: None,
            live: true,
        };
        self.selections(&operation.selections, place)?;
        if self.kind == Kind::Subscription
            && (self.calls.len() != 1
                || self
                    .calls
                    .iter()
                    .any(|(call, live)| !live || call.field.starts_with("__")))
        {
            return Err(refused(
                "a subscription takes exactly one field",
                "send one at a time",
            ));
        }
        Ok(())
    }

    /// Notes what the schema does not know: at the call where there is one.
    fn note(&mut self, place: Place, what: String) {
        let notes = match place.call.and_then(|at| self.calls.get_mut(at)) {
            Some((call, _)) => &mut call.incomplete,
            None => &mut self.unknown,
        };
        note(notes, || what);
    }

    fn count(&mut self) -> Result<(), Refused> {
        spend(self.work, 1)
    }
}

/// Notes something, unless there is enough already or it is there.
fn note(notes: &mut Vec<String>, what: impl FnOnce() -> String) {
    if notes.len() < NOTES {
        let what = what();
        if !notes.contains(&what) {
            notes.push(what);
        }
    }
}

fn spend(work: &mut usize, much: usize) -> Result<(), Refused> {
    *work = work.checked_sub(much).ok_or_else(|| {
        refused(
            "the document spreads to more than 40,000 fields and values",
            PLAINER,
        )
    })?;
    Ok(())
}

fn no_root(kind: &str) -> Refused {
    refused(format!("the provider has no {kind}"), VALID)
}

#[cfg(test)]
mod tests;
