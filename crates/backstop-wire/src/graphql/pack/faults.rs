//! Whether a pack's entries fit its schema and its own tests: for the one test that each pack has.

use std::collections::{BTreeMap, BTreeSet};

use super::super::schema::{Input, Schema, Type, TypeKind};
use super::super::{Document, Incoming, Over, resolve};
use super::effect::{Template, shown};
use super::{Entry, Pack, PackError, file};
use crate::providers::Reading;

/// What is wrong with a pack, one sentence each: mutations without an entry, entries and arguments that the schema
/// lacks, tests that fail, conditions without a test.
///
/// # Errors
///
/// If the pack cannot be read at all.
pub fn faults(entries: &str, schema: &str) -> Result<Vec<String>, PackError> {
    let pack = Pack::parse(entries, schema)?;
    let file: file::File = toml::from_str(entries)?;
    let mut faults = Vec::new();
    let schema = &pack.schema;
    if let Some(mutation) = schema.mutation {
        let root = schema.get(mutation);
        for field in &root.fields {
            if !pack.mutations.contains_key(field.name) {
                faults.push(format!("the mutation {} has no entry", field.name));
            }
        }
        fit(schema, root, &pack.mutations, &mut faults);
    }
    fit(schema, schema.get(schema.query), &pack.queries, &mut faults);
    let mut fired = BTreeSet::new();
    for test in &file.test {
        run(&pack, test, &mut fired, &mut faults);
    }
    let entries = pack.mutations.iter().chain(&pack.queries);
    let sorted: BTreeMap<_, _> = entries.collect();
    for (name, entry) in sorted {
        for at in 0..entry.when.len() {
            if !fired.contains(&(name.clone(), at)) {
                faults.push(format!("no test meets the condition {} of {name}", at + 1));
            }
        }
    }
    Ok(faults)
}

fn fit(
    schema: &Schema<'_>,
    root: &Type<'_>,
    entries: &std::collections::HashMap<String, Entry>,
    faults: &mut Vec<String>,
) {
    for (name, entry) in entries {
        let Some(field) = root.field(name) else {
            faults.push(format!("the schema has no {name}"));
            continue;
        };
        if entry.whole.does.is_empty() || entry.effects().next().is_none() {
            faults.push(format!("{name} does nothing"));
        }
        let conditions = entry.when.iter().flat_map(|when| &when.conditions);
        let paths = entry
            .effects()
            .flat_map(Template::arguments)
            .chain(conditions.map(|condition| condition.argument.as_str()));
        for path in paths {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            if !field
                .argument(first)
                .is_some_and(|input| has(schema, input, rest))
            {
                faults.push(format!("{name} has no argument {path}"));
            }
        }
    }
}

/// Whether there is a `path` within an argument: any within a scalar that takes anything.
fn has(schema: &Schema<'_>, input: &Input<'_>, path: &str) -> bool {
    if path.is_empty() {
        return true;
    }
    let of = schema.get(input.of.named);
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match of.kind {
        TypeKind::Input => of
            .input(first)
            .is_some_and(|input| has(schema, input, rest)),
        TypeKind::Scalar(super::super::schema::Scalar::Custom) => true,
        _ => false,
    }
}

fn run(
    pack: &Pack<'_>,
    test: &file::Test,
    fired: &mut BTreeSet<(String, usize)>,
    faults: &mut Vec<String>,
) {
    let mut reading = Reading::default();
    let incoming = Incoming {
        over: Over::Post,
        document: Some(test.query.clone()),
        hash: None,
        operation: None,
        variables: test.variables.clone(),
        place: None,
    };
    let read = Document::parse(&test.query).and_then(|document| {
        for call in resolve(Some(&pack.schema), &document, &incoming)? {
            for at in pack.call(&call, None, &mut reading) {
                fired.insert((call.field.to_owned(), at));
            }
        }
        Ok(())
    });
    if let Err(refused) = read {
        faults.push(format!("{}: {refused}", test.what));
        return;
    }
    let effects: BTreeSet<String> = reading.analysis.effects.iter().map(shown).collect();
    let expected: BTreeSet<String> = test.effects.iter().cloned().collect();
    if effects != expected {
        faults.push(format!(
            "{}: the effects are {effects:?}, not {expected:?}",
            test.what
        ));
    }
    let reveals: Vec<&String> = reading.operations.iter().flat_map(|o| &o.reveals).collect();
    if reveals != test.reveals.iter().collect::<Vec<_>>() {
        faults.push(format!("{}: it reveals {reveals:?}", test.what));
    }
    if reading.analysis.is_complete() == test.incomplete {
        faults.push(format!(
            "{}: incomplete is {:?}",
            test.what, reading.analysis.incomplete
        ));
    }
}
