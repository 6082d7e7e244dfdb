//! `DELETE /v1/projects/{project}`: methods and segments.

/// What an entry matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Upper case; for GraphQL the kind of operation in lower case.
    pub methods: Vec<String>,
    /// After the base path; for GraphQL the field's name alone.
    pub segments: Vec<Segment>,
    /// As written.
    pub text: String,
}

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This and no other.
    Literal(String),
    /// `{name}:verb`: one that ends so, as Google writes what is done with a thing.
    Verb {
        /// What stands before the last colon.
        name: String,
        /// What stands behind it.
        verb: String,
    },
    /// `{name}`: any one.
    One(String),
    /// `{name...}`: one or more, to the end.
    Rest(String),
}

impl Pattern {
    /// Reads `METHOD|METHOD /path/{name}`.
    pub fn rest(text: &str) -> Result<Self, String> {
        let (methods, path) = text
            .split_once(' ')
            .ok_or("there is no path behind the method")?;
        let path = path
            .strip_prefix('/')
            .ok_or("the path does not begin with a slash")?;
        let segments = match path {
            "" => Vec::new(),
            path => path.split('/').map(segment).collect::<Result<_, _>>()?,
        };
        well_formed(&segments)?;
        Ok(Self {
            methods: methods_of(methods)?,
            segments,
            text: text.to_owned(),
        })
    }

    /// Reads `mutation volumeDelete`.
    pub fn graphql(text: &str) -> Result<Self, String> {
        let (kind, field) = text
            .split_once(' ')
            .ok_or("there is no field behind the kind of operation")?;
        if !["query", "mutation", "subscription"].contains(&kind) {
            return Err(format!(
                "`{kind}` is not `query`, `mutation` or `subscription`"
            ));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if field.is_empty() || !field.chars().all(plain) {
            return Err(format!("`{field}` is not the name of a field"));
        }
        Ok(Self {
            methods: vec![kind.to_owned()],
            segments: vec![Segment::Literal(field.to_owned())],
            text: text.to_owned(),
        })
    }

    /// The names that its path binds.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::name)
    }
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Verb { name, .. } | Self::One(name) | Self::Rest(name) => Some(name),
        }
    }
}

/// A segment of a request, as `{name}:verb` takes it apart.
pub fn name_and_verb(segment: &str) -> Option<(&str, &str)> {
    segment
        .rsplit_once(':')
        .filter(|(name, _)| !name.is_empty())
}

fn methods_of(text: &str) -> Result<Vec<String>, String> {
    let good = |m: &str| !m.is_empty() && m.chars().all(|c| c.is_ascii_uppercase() || c == '-');
    let methods: Vec<String> = text.split('|').map(str::to_owned).collect();
    match methods.iter().find(|m| !good(m)) {
        Some(bad) => Err(format!("`{bad}` is not a method in upper case")),
        None => Ok(methods),
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    if let Some((name, verb)) = text.strip_prefix('{').and_then(|t| t.split_once("}:")) {
        let plain = |t: &str| !t.is_empty() && t.chars().all(|c| c.is_ascii_alphanumeric());
        if !plain(name) || !plain(verb) {
            return Err(format!(
                "the segment `{text}` is no `{{name}}:verb` of letters and digits"
            ));
        }
        return Ok(Segment::Verb {
            name: name.to_owned(),
            verb: verb.to_owned(),
        });
    }
    let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
        return match text {
            "" => Err("there is an empty segment in the path".to_owned()),
            t if t.contains(['{', '}', '?', '#', '%']) => Err(format!(
                "the segment `{t}` is neither a text nor one `{{name}}`"
            )),
            t => Ok(Segment::Literal(t.to_owned())),
        };
    };
    let (name, rest) = match inner.strip_suffix("...") {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!("`{{{inner}}}` has no name of letters and digits"));
    }
    Ok(if rest {
        Segment::Rest(name.to_owned())
    } else {
        Segment::One(name.to_owned())
    })
}

fn well_formed(segments: &[Segment]) -> Result<(), String> {
    let mut seen = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        if matches!(segment, Segment::Rest(_)) && at + 1 != segments.len() {
            return Err("only the last segment can be `{name...}`".to_owned());
        }
        if let Some(name) = segment.name() {
            if seen.contains(&name) {
                return Err(format!("`{{{name}}}` stands in the path twice"));
            }
            seen.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_methods_and_segments() {
        let pattern = Pattern::rest("PUT|PATCH /a/{b}/{c...}").unwrap();
        assert_eq!(pattern.methods, ["PUT", "PATCH"]);
        assert_eq!(
            pattern.segments,
            [
                Segment::Literal("a".into()),
                Segment::One("b".into()),
                Segment::Rest("c".into())
            ]
        );
        assert!(Pattern::rest("GET /").unwrap().segments.is_empty());
        assert_eq!(
            Pattern::rest("POST /{model}:count").unwrap().segments,
            [Segment::Verb {
                name: "model".into(),
                verb: "count".into()
            }]
        );
        assert_eq!(name_and_verb("a:b:count"), Some(("a:b", "count")));
        assert_eq!(name_and_verb(":count"), None);
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for bad in [
            "DELETE",
            "delete /a",
            "DELETE a",
            "DELETE /a//b",
            "DELETE /a/",
            "DELETE /{a...}/b",
            "DELETE /{a}/{a}",
            "DELETE /{a}/{a}:b",
            "DELETE /{a}:",
            "DELETE /{a}:b:c",
            "DELETE /{a...}:b",
            "DELETE /{}",
            "DELETE /x{a}",
            "DELETE /a?b",
            "| /a",
        ] {
            assert!(Pattern::rest(bad).is_err(), "{bad}");
        }
        for bad in ["volumeDelete", "mutate x", "mutation ", "mutation a b"] {
            assert!(Pattern::graphql(bad).is_err(), "{bad}");
        }
    }
}
