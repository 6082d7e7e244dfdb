//! XML bodies as JSON, by their shape where it is known.
//!
//! Text is everything in an element but comments, in one piece: `Sus<!-- -->pended` is `Suspended` to a server.

use roxmltree::{Document, Node};
use serde_json::{Map, Value};

use super::shapes::{Kind, Place, Shape, Shapes};
use super::value::scalar;

/// The content of the root element; `None` for what is not XML.
pub(super) fn decode(
    text: &str,
    shape: Option<(&Shapes, &Shape)>,
    doubts: &mut Vec<String>,
) -> Option<Value> {
    let document = Document::parse(text.trim_start_matches('\u{feff}')).ok()?;
    let root = document.root_element();
    Some(match shape {
        Some((shapes, shape)) => Reader { shapes, doubts }.shaped(root, shape, false),
        None => unshaped(root),
    })
}

fn content(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text);
    texts.filter_map(|n| n.text()).collect()
}

fn elements<'a, 'input: 'a>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

/// Without a shape: what stands more than once is a list.
fn unshaped(node: Node<'_, '_>) -> Value {
    if elements(node).next().is_none() {
        return Value::from(content(node));
    }
    let mut out = Map::new();
    for child in elements(node) {
        let value = unshaped(child);
        match out.get_mut(child.tag_name().name()) {
            None => {
                out.insert(child.tag_name().name().to_owned(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(before) => *before = Value::Array(vec![before.take(), value]),
        }
    }
    Value::Object(out)
}

struct Reader<'a> {
    shapes: &'a Shapes,
    doubts: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn shaped(&mut self, node: Node<'_, '_>, shape: &Shape, flat: bool) -> Value {
        match shape {
            Shape::Structure(_) => self.structure(node, shape),
            Shape::List { kind, .. } if flat => self.value(node, kind, false),
            Shape::List { kind, .. } => {
                elements(node).map(|n| self.value(n, kind, false)).collect()
            }
            Shape::Map { kind, key, value } => {
                let mut out = Map::new();
                for entry in elements(node) {
                    let named = |name: &str| elements(entry).find(|n| n.tag_name().name() == name);
                    if let (Some(key), Some(value)) = (named(key), named(value)) {
                        let value = self.value(value, kind, false);
                        out.insert(content(key), value);
                    }
                }
                Value::Object(out)
            }
        }
    }

    fn structure(&mut self, node: Node<'_, '_>, shape: &Shape) -> Value {
        let Shape::Structure(members) = shape else {
            return Value::Null;
        };
        let mut out = Map::new();
        for child in elements(node) {
            let name = child.tag_name().name();
            let member = members
                .iter()
                .find(|m| m.place == Place::Body && m.wire == name);
            let Some(member) = member else {
                self.doubts
                    .push(format!("the pack does not know the element `{name}`"));
                continue;
            };
            let value = self.value(child, &member.kind, member.flat);
            if member.flat {
                match out
                    .entry(member.name)
                    .or_insert_with(|| Value::Array(Vec::new()))
                {
                    Value::Array(list) => list.push(value),
                    other => *other = value,
                }
            } else if out.insert(member.name.to_owned(), value).is_some() {
                self.doubts
                    .push(format!("the element `{name}` stands twice"));
            }
        }
        Value::Object(out)
    }

    fn value(&mut self, node: Node<'_, '_>, kind: &Kind, flat: bool) -> Value {
        let Kind::Of(name) = kind else {
            return scalar(&content(node), kind);
        };
        match self.shapes.shape(name) {
            Some(shape) => self.shaped(node, shape, flat),
            None => unshaped(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_does_not_hide_a_word() {
        let read = |text: &str| decode(text, None, &mut Vec::new());
        let value = read("<V><Status>Sus<!-- x -->pen<![CDATA[ded]]></Status></V>").unwrap();
        assert_eq!(value["Status"], "Suspended");
        assert_eq!(read("<V><a>1</a><a>2</a></V>").unwrap()["a"][1], "2");
        assert_eq!(read("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"), None);
        assert_eq!(read("{}"), None);
    }
}
