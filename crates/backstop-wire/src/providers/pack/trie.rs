//! Finds the entry for a method and a path: segment by segment, the more exact road first.

use std::collections::HashMap;

use super::pattern::{Pattern, Segment, name_and_verb};

/// Entries by path and method.
#[derive(Debug, Default)]
pub struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literal: HashMap<Box<str>, usize>,
    verb: HashMap<Box<str>, usize>,
    one: Option<usize>,
    here: Vec<(Box<str>, usize)>,
    rest: Vec<(Box<str>, usize)>,
}

impl Trie {
    /// A trie without entries.
    pub fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }

    /// Adds `entry`. If another entry matches the same requests it stays, and is returned.
    pub fn add(&mut self, pattern: &Pattern, entry: usize) -> Result<(), usize> {
        let mut at = 0;
        let mut rest = false;
        for segment in &pattern.segments {
            match segment {
                Segment::Literal(text) => at = self.literal(at, text),
                Segment::Verb { verb, .. } => at = self.verb(at, verb),
                Segment::One(_) => at = self.one(at),
                Segment::Rest(_) => rest = true,
            }
        }
        let Some(node) = self.nodes.get_mut(at) else {
            return Ok(());
        };
        let list = if rest { &mut node.rest } else { &mut node.here };
        for method in &pattern.methods {
            if let Some((_, other)) = list.iter().find(|(m, _)| **m == **method) {
                return Err(*other);
            }
            list.push((method.as_str().into(), entry));
        }
        Ok(())
    }

    /// The entry that matches most exactly.
    pub fn find<S: AsRef<str>>(&self, method: &str, path: &[S]) -> Option<usize> {
        self.search(0, method, path)
    }

    fn search<S: AsRef<str>>(&self, at: usize, method: &str, path: &[S]) -> Option<usize> {
        let node = self.nodes.get(at)?;
        let Some((first, others)) = path.split_first() else {
            return of(&node.here, method);
        };
        let literal = node.literal.get(first.as_ref());
        literal
            .and_then(|next| self.search(*next, method, others))
            .or_else(|| {
                let (_, verb) = name_and_verb(first.as_ref())?;
                self.search(*node.verb.get(verb)?, method, others)
            })
            .or_else(|| node.one.and_then(|next| self.search(next, method, others)))
            .or_else(|| of(&node.rest, method))
    }

    fn literal(&mut self, at: usize, text: &str) -> usize {
        let fresh = self.nodes.len();
        let found = self.nodes.get_mut(at).map_or(fresh, |node| {
            *node.literal.entry(text.into()).or_insert(fresh)
        });
        self.grown(found)
    }

    fn verb(&mut self, at: usize, text: &str) -> usize {
        let fresh = self.nodes.len();
        let found = self
            .nodes
            .get_mut(at)
            .map_or(fresh, |node| *node.verb.entry(text.into()).or_insert(fresh));
        self.grown(found)
    }

    fn one(&mut self, at: usize) -> usize {
        let fresh = self.nodes.len();
        let found = self
            .nodes
            .get_mut(at)
            .map_or(fresh, |node| *node.one.get_or_insert(fresh));
        self.grown(found)
    }

    fn grown(&mut self, index: usize) -> usize {
        if index == self.nodes.len() {
            self.nodes.push(Node::default());
        }
        index
    }
}

fn of(entries: &[(Box<str>, usize)], method: &str) -> Option<usize> {
    entries
        .iter()
        .find(|(m, _)| **m == *method)
        .map(|(_, entry)| *entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(patterns: &[&str]) -> Trie {
        let mut trie = Trie::new();
        for (n, text) in patterns.iter().enumerate() {
            trie.add(&Pattern::rest(text).unwrap(), n).unwrap();
        }
        trie
    }

    #[test]
    fn the_more_exact_road_first_and_back() {
        let trie = trie(&[
            "GET /a/b/d",
            "GET /a/{x}/c",
            "GET /a/{x...}",
            "DELETE /a/{x}",
            "GET /",
            "POST /a/{x}:count",
            "POST /a/{x}",
        ]);
        for (method, path, entry) in [
            ("GET", "a/b/d", Some(0)),
            ("GET", "a/b/c", Some(1)),
            ("GET", "a/b/c/d", Some(2)),
            ("GET", "a/b", Some(2)),
            ("GET", "a", None),
            ("DELETE", "a/b", Some(3)),
            ("DELETE", "a/b/d", None),
            ("delete", "a/b", None),
            ("POST", "a/b:count", Some(5)),
            ("POST", "a/b:c:count", Some(5)),
            ("POST", "a/:count", Some(6)),
            ("POST", "a/b:Count", Some(6)),
            ("POST", "a/b:counts", Some(6)),
            ("GET", "a/b:count", Some(2)),
        ] {
            let path: Vec<&str> = path.split('/').collect();
            assert_eq!(trie.find(method, &path), entry, "{method} {path:?}");
        }
        assert_eq!(trie.find::<&str>("GET", &[]), Some(4));
    }

    #[test]
    fn the_same_requests_twice_are_refused() {
        let mut trie = trie(&["GET /a/{x}", "PUT|GET /b"]);
        let add = |trie: &mut Trie, text: &str| trie.add(&Pattern::rest(text).unwrap(), 9);
        assert_eq!(add(&mut trie, "GET /a/{other}"), Err(0));
        assert_eq!(add(&mut trie, "PUT /b"), Err(1));
        assert_eq!(add(&mut trie, "POST /a/{x}"), Ok(()));
        assert_eq!(add(&mut trie, "GET /a/{x...}"), Ok(()));
    }
}
