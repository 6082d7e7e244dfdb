//! As much of XML as AWS answers with: elements and text. No document types, so no entities that grow; bounds on depth
//! and number.

/// How deep elements may nest, and how many there may be.
const DEEPEST: usize = 32;
const MOST: usize = 200_000;

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Node>,
}

impl Node {
    /// The first element that these names lead to.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |node, name| {
            node.children.iter().find(|child| child.name == name)
        })
    }

    /// Its text, if it is there and not empty.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.at(path)
            .map(|node| node.text.trim())
            .filter(|text| !text.is_empty())
    }

    /// Whether it says `true`.
    pub(crate) fn is_true(&self, path: &str) -> bool {
        self.text(path) == Some("true")
    }

    /// The items of the list that these names lead to.
    pub(crate) fn items(&self, path: &str) -> &[Self] {
        self.at(path).map_or(&[], |node| node.children.as_slice())
    }
}

/// The outermost element; `None` if it is no such XML.
pub(crate) fn read(text: &str) -> Option<Node> {
    let mut open = vec![Node::default()];
    let mut count = 0;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at_checked(at)?;
        open.last_mut()?.text.push_str(&unescape(before)?);
        let (tag, after) = tag.strip_prefix('<')?.split_once('>')?;
        rest = after;
        if tag.starts_with('?') {
            continue;
        }
        if tag.starts_with('!') {
            return None;
        }
        if let Some(name) = tag.strip_prefix('/') {
            let done = open.pop()?;
            if done.name != name.trim() {
                return None;
            }
            open.last_mut()?.children.push(done);
            continue;
        }
        count += 1;
        if open.len() > DEEPEST || count > MOST {
            return None;
        }
        let (tag, whole) = tag
            .strip_suffix('/')
            .map_or((tag, false), |tag| (tag, true));
        let name = tag.split_ascii_whitespace().next()?;
        let node = Node {
            name: name.to_owned(),
            ..Node::default()
        };
        if whole {
            open.last_mut()?.children.push(node);
        } else {
            open.push(node);
        }
    }
    let [top] = open.as_mut_slice() else {
        return None;
    };
    top.children.pop().filter(|_| top.children.is_empty())
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = after.split_once(';')?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => {
                let number = other.strip_prefix('#')?;
                let number = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(number)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = "<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><B><C>1 &lt; &#50;</C><D/></B><L><m>x</m><m>y</m></L></A>";
        let node = read(text).unwrap();
        assert_eq!(node.text("B/C"), Some("1 < 2"));
        assert_eq!(node.text("B/D"), None);
        assert_eq!(node.items("L").len(), 2);
    }

    #[test]
    fn what_is_no_such_xml_is_refused() {
        let deep = "<a>".repeat(100);
        for text in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            "<a>&b;</a>",
            "<a></a><b></b>",
            "</a>",
            "<",
            deep.as_str(),
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
