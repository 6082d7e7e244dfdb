//! What doubles answer and what is sent, held against what the providers publish, by a validator that is not ours.
//! Where the pieces in `schemas/` come from is said there.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A published description, cut down to what is asked.
pub struct Published {
    document: Value,
}

const PROGRAM: &str = "\
import json, sys, jsonschema
asked = json.load(sys.stdin)
errors = []
for name, schema, value in asked['all']:
    schema = {'$schema': 'http://json-schema.org/draft-07/schema#', 'definitions': asked['definitions'], **schema}
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    errors += [f'{name} {e.json_path}: {e.message[:300]}' for e in kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(value)]
print(json.dumps(errors))
";

impl Published {
    pub fn github() -> Self {
        Self::of(include_str!("schemas/github.json"))
    }

    pub fn kubernetes() -> Self {
        Self::of(include_str!("schemas/kubernetes.json"))
    }

    fn of(text: &str) -> Self {
        Self {
            document: serde_json::from_str(text).unwrap(),
        }
    }

    /// An answer as the description shows one.
    pub fn example(&self, name: &str) -> Value {
        self.document["examples"][name].clone()
    }

    /// Everything in these answers that the description does not allow: each with the name of its schema.
    pub fn errors(&self, answers: &[(&str, Value)]) -> Vec<String> {
        let of = |name: &str| {
            let schema = &self.document["answers"][name];
            assert!(schema.is_object(), "{name} is not in the description");
            schema.clone()
        };
        let all: Vec<Value> = answers
            .iter()
            .map(|(name, value)| json!([name, of(name), value]))
            .collect();
        self.validate(&all)
    }

    /// The same of a request's query. A number is one if it is written as one.
    pub fn query_errors(&self, call: &str, query: &str) -> Vec<String> {
        let known = &self.document["queries"][call];
        assert!(known.is_object(), "{call} is not in the description");
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let all: Vec<Value> = pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                let schema = &known[name];
                let value = value.parse::<i64>().map_or(json!(value), |n| json!(n));
                // A name that is not known allows no value.
                let schema = if schema.is_object() {
                    schema.clone()
                } else {
                    json!({ "enum": [] })
                };
                json!([name, schema, value])
            })
            .collect();
        self.validate(&all)
    }

    fn validate(&self, all: &[Value]) -> Vec<String> {
        let python = Path::new(env!("BACKSTOP_TEST_CACHE")).join("python/bin/python");
        assert!(python.exists(), "hint: scripts/setup.sh clients");
        let asked = json!({ "definitions": self.document["definitions"], "all": all });
        let mut child = Command::new(python)
            .args(["-I", "-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        serde_json::to_writer(child.stdin.take().unwrap(), &asked).unwrap();
        let ran = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{err}");
        serde_json::from_slice(&ran.stdout).unwrap()
    }
}
