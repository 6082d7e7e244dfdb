//! The reviewed entries: they name what exists, every condition has a test, and the tests hold.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::super::data::{Level, catalogue};
use super::super::outcome::Rows;
use super::super::reviewed::{Entry, Line, PACKS, Pack, entry};
use super::super::shapes::{self, Kind, Shape, Shapes};
use super::captured::Captured;
use super::{effects, read};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    call: String,
    with: Value,
    expect: Vec<String>,
    #[serde(default)]
    incomplete: bool,
    grace: Option<String>,
}

fn packs() -> Vec<Pack> {
    let read = |(name, text): &(&str, &str)| {
        let pack: Pack = toml::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(pack.service, *name);
        pack
    };
    PACKS.iter().map(read).collect()
}

fn tests(pack: &Pack) -> Vec<Test> {
    let tests = pack.test.iter().cloned();
    tests.map(|t| t.try_into().unwrap()).collect()
}

#[test]
fn every_entry_names_operations_and_arguments_that_exist() {
    for pack in packs() {
        let service = catalogue().named(&pack.service).unwrap();
        let shapes = shapes::of(&pack.service).unwrap();
        let mut seen = BTreeSet::new();
        for entry in &pack.operation {
            for name in entry.name.all() {
                let id = format!("{}:{name}", pack.service);
                assert!(service.operations().named(name).is_some(), "{id}");
                assert!(seen.insert(name.clone()), "{id} stands twice");
            }
            // A path of a group needs to exist in one of its operations: where it does not, `kind` stands alone.
            for path in paths(entry) {
                let known = entry.name.all().iter().any(|name| {
                    let (_, shape) = shapes.input(name).unwrap();
                    exists(shapes, shape, &path)
                });
                assert!(
                    known,
                    "{}:{:?} has no `{path}`",
                    pack.service,
                    entry.name.all()
                );
            }
        }
    }
}

fn paths(entry: &Entry) -> Vec<String> {
    let whens = entry.when.iter();
    let mut out: Vec<String> = whens
        .clone()
        .flat_map(|w| w.r#if.paths())
        .map(ToOwned::to_owned)
        .collect();
    let lines = entry
        .effects
        .iter()
        .chain(whens.flat_map(|w| w.effects.iter()));
    for Line(written) in lines {
        let object = written.object.as_deref().unwrap_or_default();
        let braced = object.split('{').skip(1);
        out.extend(braced.map(|b| b.split('}').next().unwrap().to_owned()));
        if let Rows::At(path) = &written.rows {
            out.push(path.clone());
        }
    }
    out
}

fn exists(shapes: &Shapes, shape: &Shape, path: &str) -> bool {
    let (step, rest) = path
        .split_once('.')
        .map_or((path, None), |(s, r)| (s, Some(r)));
    let kind = match shape {
        Shape::Structure(members) => match members.iter().find(|m| m.name == step) {
            Some(member) => member.kind,
            // Which member of several does not matter.
            None if step == "*" => {
                return members.iter().any(|m| below(shapes, &m.kind, rest));
            }
            None => return false,
        },
        Shape::Map { .. } if step == "@" => return rest.is_none(),
        Shape::List { kind, .. } | Shape::Map { kind, .. } if step == "*" => *kind,
        _ => return false,
    };
    below(shapes, &kind, rest)
}

fn below(shapes: &Shapes, kind: &Kind, rest: Option<&str>) -> bool {
    match (kind, rest) {
        (_, None) => true,
        (Kind::Of(name), Some(rest)) => shapes.shape(name).is_some_and(|s| exists(shapes, s, rest)),
        (_, Some(_)) => false,
    }
}

/// As it arrives: an empty list leaves nothing on the wire.
fn sent(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, v)| **v != Value::Array(Vec::new()))
            .map(|(k, v)| (k.clone(), sent(v)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn every_condition_is_met_by_a_test() {
    for pack in packs() {
        let tests = tests(&pack);
        for entry in &pack.operation {
            for (i, when) in entry.when.iter().enumerate() {
                let met = tests
                    .iter()
                    .any(|t| entry.name.all().contains(&t.call) && when.r#if.holds(&sent(&t.with)));
                assert!(met, "{}:{:?} when {i}", pack.service, entry.name.all());
            }
        }
    }
}

#[test]
fn every_test_holds_for_what_a_client_sends() {
    let captured = Captured::all();
    for pack in packs() {
        for (number, test) in tests(&pack).iter().enumerate() {
            let id = format!(
                "{} test {number}: {} {}",
                pack.service, test.call, test.with
            );
            let sent = captured
                .iter()
                .find(|c| {
                    c.service == pack.service && c.test == Some(number) && c.operation == test.call
                })
                .unwrap_or_else(|| panic!("{id}; hint: run scripts/packs/aws_requests.py"));
            let reading = read(&sent.request(), None);
            assert_eq!(effects(&reading), test.expect, "{id}");
            let incomplete = !reading.analysis.is_complete();
            assert_eq!(
                incomplete, test.incomplete,
                "{id} {:?}",
                reading.analysis.incomplete
            );
            if test.grace.is_some() {
                assert_eq!(reading.operations[0].grace, test.grace, "{id}");
            }
        }
    }
}

#[test]
fn all_of_s3_is_reviewed() {
    let s3 = catalogue().named("s3").unwrap();
    for known in s3.operations().all() {
        assert!(entry("s3", known.name).is_some(), "{}", known.name);
    }
}

/// What changes anything in the services that hold data or guard it is reviewed, or changes tags, or is nothing that
/// IAM knows; the rest of EC2 is its network.
#[test]
fn the_twelve_services_are_reviewed() {
    let mut left = Vec::new();
    for (name, _) in PACKS {
        let service = catalogue().named(name).unwrap();
        for known in service.operations().all() {
            let changes = matches!(known.level, Level::Write | Level::Permissions);
            if changes && entry(name, known.name).is_none() {
                left.push(format!("{name}:{}", known.name));
            }
        }
    }
    left.retain(|l| !l.starts_with("ec2:") && !l.starts_with("ssm:"));
    assert!(left.len() <= 116, "{} {left:?}", left.len());
}
