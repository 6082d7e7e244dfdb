//! Replacing bytes in a file's text: each edit by its place, and the way back by what was written there.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::dotenv;

/// Bytes to be replaced.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// Where.
    pub(super) at: Range<usize>,
    /// By what.
    pub(super) new: Vec<u8>,
}

/// The text with `edits` made. `None` when two of them touch or one lies outside.
pub(super) fn apply(text: &[u8], edits: &[Edit]) -> Option<Vec<u8>> {
    let mut ordered: Vec<&Edit> = edits.iter().collect();
    ordered.sort_by_key(|edit| (edit.at.start, edit.at.end));
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for edit in ordered {
        out.extend_from_slice(text.get(done..edit.at.start)?);
        out.extend_from_slice(&edit.new);
        done = edit.at.end;
    }
    out.extend_from_slice(text.get(done..)?);
    Some(out)
}

/// What was written in place of what, so that it can be found again in a file that was edited since.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(super) enum Change {
    /// A text that nothing else in the file is like: it has a lease's secret in it, or is a placeholder.
    Text {
        /// How a person knows it.
        name: String,
        /// What stood there.
        old: String,
        /// What stands there.
        new: String,
    },
    /// A variable's value, which may be as short as a port.
    Value {
        /// The variable.
        name: String,
        /// What stood there.
        old: String,
        /// What stands there.
        new: String,
    },
    /// A line that was not there.
    Line {
        /// The variable.
        name: String,
        /// The line, with its end.
        new: String,
    },
}

impl Change {
    /// What was written.
    pub(super) fn new_text(&self) -> &str {
        match self {
            Self::Text { new, .. } | Self::Value { new, .. } | Self::Line { new, .. } => new,
        }
    }

    /// How a person knows it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Text { name, .. } | Self::Value { name, .. } | Self::Line { name, .. } => name,
        }
    }
}

/// What came of undoing changes in a text that somebody edited.
pub(super) struct Reverted {
    /// The text.
    pub(super) text: Vec<u8>,
    /// Names of what is no longer what was written, and stays.
    pub(super) left: Vec<String>,
    /// How many changes were undone.
    pub(super) done: usize,
}

/// Undoes those of `changes` that still stand in `text` as they were written. Values that belong together (a family
/// of variables) are undone together or not at all: half of them would be a login that nobody had.
pub(super) fn revert(text: &[u8], changes: &[Change]) -> Reverted {
    let mut edits = vec![];
    let mut left = vec![];
    let mut taken: Vec<Range<usize>> = vec![];
    let (mut texts, family): (Vec<&Change>, Vec<&Change>) = changes
        .iter()
        .partition(|change| matches!(change, Change::Text { .. }));
    // A short placeholder may stand inside of a long one.
    texts.sort_by_key(|change| std::cmp::Reverse(change.new_text().len()));
    for change in &texts {
        if let Change::Text { name, old, new } = change {
            let alike = texts.iter().filter(|other| other.new_text() == new).count();
            match find(text, change, alike, &taken) {
                Some(at) => {
                    taken.push(at.clone());
                    edits.push(Edit {
                        at,
                        new: old.clone().into_bytes(),
                    });
                }
                None => left.push(name.clone()),
            }
        }
    }
    match family
        .iter()
        .map(|c| of_family(text, c))
        .collect::<Option<Vec<_>>>()
    {
        Some(found) => edits.extend(found),
        None => left.extend(family.iter().map(|c| c.name().to_owned())),
    }
    let done = edits.len();
    match apply(text, &edits) {
        Some(text) => Reverted { text, left, done },
        None => Reverted {
            text: text.to_vec(),
            left: changes.iter().map(|c| c.name().to_owned()).collect(),
            done: 0,
        },
    }
}

fn of_family(text: &[u8], change: &Change) -> Option<Edit> {
    let only = |name: &str| {
        let mut all = dotenv::variables(text)
            .into_iter()
            .filter(|v| v.name == name);
        all.next().filter(|_| all.next().is_none())
    };
    match change {
        Change::Text { .. } => None,
        Change::Value { name, old, new } => {
            let variable = only(name)?;
            (variable.of(text) == new.as_bytes()).then(|| Edit {
                at: variable.value,
                new: old.clone().into_bytes(),
            })
        }
        Change::Line { name, new } => {
            let variable = only(name)?;
            (text.get(variable.whole.clone())? == new.as_bytes()).then_some(Edit {
                at: variable.whole,
                new: vec![],
            })
        }
    }
}

/// Where the text that `change` wrote stands and is not `taken`: in its own variable, or, if no other change wrote the
/// like, wherever it is.
fn find(
    text: &[u8],
    change: &Change,
    alike: usize,
    taken: &[Range<usize>],
) -> Option<Range<usize>> {
    let wanted = change.new_text().as_bytes();
    if wanted.is_empty() {
        return None;
    }
    let places: Vec<Range<usize>> = text
        .windows(wanted.len())
        .enumerate()
        .filter(|(_, window)| *window == wanted)
        .map(|(at, _)| at..at + wanted.len())
        .filter(|at| taken.iter().all(|t| at.end <= t.start || t.end <= at.start))
        .collect();
    let own = dotenv::variables(text);
    let within = |at: &&Range<usize>| {
        own.iter()
            .any(|v| v.name == change.name() && v.value.start <= at.start && at.end <= v.value.end)
    };
    let in_its_own = places.iter().find(within);
    let anywhere = places.first().filter(|_| alike == 1);
    in_its_own.or(anywhere).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(at: Range<usize>, new: &str) -> Edit {
        Edit {
            at,
            new: new.as_bytes().to_vec(),
        }
    }

    #[test]
    fn edits_that_touch_each_other_are_none() {
        let done = apply(
            b"abcdef",
            &[edit(4..5, "E!"), edit(0..1, ""), edit(2..2, "+")],
        );
        assert_eq!(done.unwrap(), b"b+cdE!f");
        assert!(apply(b"abc", &[edit(0..2, "x"), edit(1..3, "y")]).is_none());
        assert!(apply(b"abc", &[edit(2..9, "x")]).is_none());
    }

    #[test]
    fn what_was_edited_since_stays_and_is_named() {
        let changes = [
            Change::Text {
                name: "URL".into(),
                old: "old-url".into(),
                new: "new-url".into(),
            },
            Change::Text {
                name: "TOKEN".into(),
                old: "t".into(),
                new: "xxxx".into(),
            },
        ];
        let reverted = revert(b"# mine\nURL=new-url\nTOKEN=other\n", &changes);
        assert_eq!(reverted.text, b"# mine\nURL=old-url\nTOKEN=other\n");
        assert_eq!(reverted.left, ["TOKEN"]);
    }

    /// Two tokens of one shape have one placeholder: each comes back where it was, or not at all.
    #[test]
    fn equal_placeholders_are_told_apart_by_their_variables() {
        let change = |name: &str, old: &str, new: &str| Change::Text {
            name: name.into(),
            old: old.into(),
            new: new.into(),
        };
        let changes = [change("A", "one", "xxx"), change("B", "two", "xxx")];
        let swapped = revert(b"B=xxx\nA=xxx\n", &changes);
        assert_eq!(swapped.text, b"B=two\nA=one\n");
        let renamed = revert(b"C=xxx\nA=xxx\n", &changes);
        assert_eq!(renamed.text, b"C=xxx\nA=one\n");
        assert_eq!(renamed.left, ["B"]);
        let inside = [change("S", "abc", "xxx"), change("L", "abcdef", "xxxxxx")];
        let back = revert(b"l: xxxxxx\ns: xxx\n", &inside);
        assert_eq!(back.text, b"l: abcdef\ns: abc\n");
    }

    #[test]
    fn a_family_comes_back_whole_or_not_at_all() {
        let changes = [
            Change::Value {
                name: "PGPORT".into(),
                old: "5432".into(),
                new: "7432".into(),
            },
            Change::Value {
                name: "PGUSER".into(),
                old: "app".into(),
                new: "lease_a".into(),
            },
            Change::Line {
                name: "PGSSLMODE".into(),
                new: "PGSSLMODE=verify-full\n".into(),
            },
        ];
        let written = b"OTHER=7432\nPGPORT=7432\nPGUSER=lease_a\nPGSSLMODE=verify-full\n";
        let reverted = revert(written, &changes);
        assert_eq!(reverted.text, b"OTHER=7432\nPGPORT=5432\nPGUSER=app\n");
        let edited = b"PGPORT=7432\nPGUSER=somebody\nPGSSLMODE=verify-full\n";
        let reverted = revert(edited, &changes);
        assert_eq!((reverted.text.as_slice(), reverted.done), (&edited[..], 0));
        assert_eq!(reverted.left, ["PGPORT", "PGUSER", "PGSSLMODE"]);
    }
}
