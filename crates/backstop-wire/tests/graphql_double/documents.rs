//! GraphQL documents as nobody would write them: aliases, fragments, directives, variables, several operations.

use std::fmt::Write as _;

use backstop_testing::railway::Tenancy;
use serde_json::{Map, Value};

use super::Dice;

/// A document, what its operations are called, and values for its variables.
#[derive(Debug, Clone)]
pub struct Written {
    pub text: String,
    pub names: Vec<String>,
    pub variables: Map<String, Value>,
}

/// A root field: its name, the arguments that are ids, and what is selected below.
type Root = (&'static str, &'static [&'static str], &'static str);

const MUTATIONS: &[Root] = &[
    ("volumeDelete", &["volumeId"], ""),
    ("serviceDelete", &["id"], ""),
    ("environmentDelete", &["id"], ""),
    ("projectDelete", &["id"], ""),
    (
        "volumeInstanceBackupDelete",
        &["volumeInstanceBackupId", "volumeInstanceId"],
        " { workflowId }",
    ),
];

const QUERIES: &[Root] = &[
    ("me", &[], " { id }"),
    ("projects", &[], " { edges { node { id name } } }"),
    ("project", &["id"], " { id name }"),
    ("service", &["id"], " { id }"),
    ("environment", &["id"], " { id }"),
    ("volumeInstanceBackupList", &["volumeInstanceId"], " { id }"),
    ("variables", &["projectId", "environmentId"], ""),
];

/// Writes one.
pub fn document(dice: &mut Dice, tenancy: &Tenancy) -> Written {
    let mut out = Writing {
        ids: [
            &tenancy.volume,
            &tenancy.app,
            &tenancy.postgres,
            &tenancy.staging,
            &tenancy.project,
            &tenancy.production_instance,
        ],
        variables: Map::new(),
        defined: vec![],
        fragments: String::new(),
        count: 0,
        dice,
    };
    let operations = *out.dice.pick(&[1, 1, 1, 2, 3]);
    let nameless = operations == 1 && out.dice.one_in(2);
    let (mut text, mut names) = (String::new(), vec![]);
    if out.dice.one_in(20) {
        text.push_str("# a comment { }\n,,");
    }
    for at in 0..operations {
        let mutation = !out.dice.one_in(3);
        let word = if mutation { "mutation" } else { "query" };
        out.defined.clear();
        let body = out.selections(mutation);
        let defined = match out.defined.as_slice() {
            [] => String::new(),
            all => format!("({})", all.join(", ")),
        };
        if nameless {
            let bare = !mutation && defined.is_empty() && out.dice.one_in(2);
            let head = if bare {
                String::new()
            } else {
                format!("{word}{defined} ")
            };
            let _ = write!(text, "{head}{body}");
        } else {
            let name = ["A", "B", "C"][at].to_owned();
            let _ = writeln!(text, "{word} {name}{defined} {body}");
            names.push(name);
        }
    }
    text.push_str(&out.fragments);
    Written {
        text,
        names,
        variables: out.variables,
    }
}

struct Writing<'a> {
    ids: [&'a str; 6],
    variables: Map<String, Value>,
    defined: Vec<String>,
    fragments: String,
    count: usize,
    dice: &'a mut Dice,
}

impl Writing<'_> {
    fn selections(&mut self, mutation: bool) -> String {
        let root = if mutation { "Mutation" } else { "Query" };
        let mut out = "{".to_owned();
        for _ in 0..=self.dice.below(3) {
            let field = self.field(mutation);
            let directive = self.directive();
            let glue = *self.dice.pick(&[" ", "\n  ", ", "]);
            out.push_str(glue);
            match self.dice.below(8) {
                0 => {
                    let _ = write!(out, "...{directive} {{ {field} }}");
                }
                1 => {
                    let _ = write!(out, "... on {root}{directive} {{ {field} __typename }}");
                }
                2 | 3 => {
                    self.count += 1;
                    let name = format!("F{}", self.count);
                    let _ = write!(self.fragments, "\nfragment {name} on {root} {{ {field} }}");
                    let _ = write!(out, "...{name}{directive}");
                    // The same twice is once.
                    if self.dice.one_in(4) {
                        let _ = write!(out, " ...{name}");
                    }
                }
                _ => out.push_str(&self.directed(&field, &directive)),
            }
        }
        out + " }"
    }

    /// A field with a directive before what is selected below it.
    fn directed(&mut self, field: &str, directive: &str) -> String {
        match field.split_once(" {") {
            Some((head, below)) => format!("{head}{directive} {{{below}"),
            None => format!("{field}{directive}"),
        }
    }

    fn field(&mut self, mutation: bool) -> String {
        let roots = if mutation { MUTATIONS } else { QUERIES };
        let (name, arguments, below) = *self.dice.pick(roots);
        let alias = *self.dice.pick(&["", "", "", "one: ", "me: ", "projects: "]);
        let mut written: Vec<String> = arguments
            .iter()
            .map(|argument| format!("{argument}: {}", self.value()))
            .collect();
        if self.dice.one_in(2) {
            written.reverse();
        }
        let written = match written.as_slice() {
            [] => String::new(),
            all => format!("({})", all.join(" ")),
        };
        format!("{alias}{name}{written}{below}")
    }

    /// An id, in one of the ways to write it.
    fn value(&mut self) -> String {
        let id = (*self.dice.pick(&self.ids)).to_owned();
        match self.dice.below(8) {
            0 => {
                let (first, rest) = id.split_at(1);
                format!("\"\\u{:04x}{rest}\"", u32::from(first.as_bytes()[0]))
            }
            1 | 2 => {
                let name = self.variable("String!");
                self.variables.insert(name.clone(), id.into());
                format!("${name}")
            }
            3 => {
                let kind = format!("String! = \"{id}\"");
                let name = self.variable(&kind);
                // A default counts where nothing is given.
                if self.dice.one_in(2) {
                    let other = (*self.dice.pick(&self.ids)).to_owned();
                    self.variables.insert(name.clone(), other.into());
                }
                format!("${name}")
            }
            4 if self.dice.one_in(3) => format!("\"\"\"{id}\"\"\""),
            _ => format!("\"{id}\""),
        }
    }

    fn directive(&mut self) -> String {
        let word = *self.dice.pick(&["include", "skip"]);
        match self.dice.below(8) {
            0 => format!(" @{word}(if: {})", self.dice.one_in(2)),
            1 => {
                let name = self.variable("Boolean!");
                let value = self.dice.one_in(2);
                self.variables.insert(name.clone(), value.into());
                format!(" @{word}(if: ${name})")
            }
            _ => String::new(),
        }
    }

    fn variable(&mut self, kind: &str) -> String {
        self.count += 1;
        let name = format!("v{}", self.count);
        self.defined.push(format!("${name}: {kind}"));
        name
    }
}
