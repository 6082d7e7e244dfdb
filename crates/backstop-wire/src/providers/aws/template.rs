//! The URI that an operation is called by: `/{Bucket}/{Key+}?tagging`.
//!
//! Labels stand for one segment, `{Key+}` for one or more. Behind the query may stand headers that the operation needs.

use std::borrow::Cow;

use crate::http::Request;

/// Method, path, and what else tells an operation from its neighbours.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) method: &'static str,
    segments: Vec<Segment>,
    query: Vec<(&'static str, Wanted)>,
    headers: Vec<&'static str>,
}

#[derive(Debug)]
enum Segment {
    Literal(&'static str),
    Label(&'static str),
    Rest(&'static str),
}

#[derive(Debug)]
enum Wanted {
    /// With any value, or none.
    Present,
    /// With any value but none.
    Filled,
    Is(&'static str),
}

/// What the labels of a template stand for in a request.
pub(super) type Labels = Vec<(&'static str, String)>;

impl Template {
    /// From `METHOD URI[ HEADER]…`; `None` for an empty field.
    pub(super) fn parse(text: &'static str) -> Option<Self> {
        let mut words = text.split(' ');
        let method = words.next().filter(|m| !m.is_empty())?;
        let (path, query) = words
            .next()
            .map(|uri| uri.split_once('?').unwrap_or((uri, "")))?;
        Some(Self {
            method,
            segments: path
                .split('/')
                .filter(|s| !s.is_empty())
                .map(segment)
                .collect(),
            query: query
                .split('&')
                .filter(|q| !q.is_empty())
                .map(wanted)
                .collect(),
            headers: words.collect(),
        })
    }

    /// The labels, if the request is of this shape.
    pub(super) fn matches(&self, request: &Request, path: &[Cow<'_, str>]) -> Option<Labels> {
        let query = self.query.iter().all(|(name, wanted)| {
            let mut values = request.query.iter().filter(|(n, _)| n == name);
            values.any(|(_, v)| match wanted {
                Wanted::Present => true,
                Wanted::Filled => !v.is_empty(),
                Wanted::Is(value) => v == value,
            })
        });
        let headers = self
            .headers
            .iter()
            .all(|h| header(request, h).next().is_some());
        // Labels last: most templates fall out before.
        (query && headers).then(|| self.labels(path)).flatten()
    }

    /// Whether the path can be of this shape: length and the literals before a rest, without copying anything.
    fn fits(&self, path: &[Cow<'_, str>]) -> bool {
        let rest = |s: &Segment| matches!(s, Segment::Rest(_));
        let fixed = self.segments.iter().position(rest);
        let long = match fixed {
            None => path.len() == self.segments.len(),
            Some(_) => path.len() >= self.segments.len(),
        };
        let before = self
            .segments
            .iter()
            .zip(path)
            .take(fixed.unwrap_or(usize::MAX));
        long && before.into_iter().all(|(segment, here)| match segment {
            Segment::Literal(word) => here == word,
            _ => true,
        })
    }

    fn labels(&self, path: &[Cow<'_, str>]) -> Option<Labels> {
        if !self.fits(path) {
            return None;
        }
        let mut labels = Labels::new();
        let mut left = path;
        for (i, segment) in self.segments.iter().enumerate() {
            let behind = self.segments.len().saturating_sub(i + 1);
            let taken = match segment {
                Segment::Rest(_) => left.len().checked_sub(behind)?,
                _ => 1,
            };
            let (here, rest) = left.split_at_checked(taken)?;
            left = rest;
            match segment {
                Segment::Literal(word) => here.first().filter(|s| s == word).map(|_| ())?,
                Segment::Label(name) => labels.push((name, here.first()?.to_string())),
                Segment::Rest(name) if !here.is_empty() => labels.push((name, here.join("/"))),
                Segment::Rest(_) => return None,
            }
        }
        left.is_empty().then_some(labels)
    }

    /// How closely it fits, segment by segment: a literal is closer than a label.
    pub(super) fn rank(&self) -> Vec<u8> {
        let rank = |s: &Segment| match s {
            Segment::Literal(_) => 3,
            Segment::Label(_) => 2,
            Segment::Rest(_) => 1,
        };
        self.segments.iter().map(rank).collect()
    }

    /// Whether everything that `other` asks of query and headers is asked here too, and more.
    pub(super) fn asks_more_than(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.needs(), other.needs());
        mine.len() > theirs.len() && theirs.iter().all(|n| mine.contains(n))
    }

    fn needs(&self) -> Vec<&'static str> {
        let query = self.query.iter().map(|(name, _)| *name);
        query.chain(self.headers.iter().copied()).collect()
    }

    /// The names in the query that it asks for.
    pub(super) fn asks(&self, name: &str) -> bool {
        self.query.iter().any(|(n, _)| *n == name)
    }
}

/// The values of a header. S3 takes `x-amz-…` from the query as well, where presigned requests carry it.
pub(super) fn header<'a>(request: &'a Request, name: &'a str) -> impl Iterator<Item = &'a str> {
    let signed = name.starts_with("x-amz-");
    let query = request.query.iter().filter(move |_| signed);
    let pairs = request.headers.iter().chain(query);
    pairs
        .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn segment(text: &'static str) -> Segment {
    let label = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    match label.map(|l| (l, l.strip_suffix('+'))) {
        None => Segment::Literal(text),
        Some((_, Some(name))) => Segment::Rest(name),
        Some((name, None)) => Segment::Label(name),
    }
}

fn wanted(text: &'static str) -> (&'static str, Wanted) {
    match text.split_once('=') {
        None => (text, Wanted::Present),
        Some((name, "*")) => (name, Wanted::Filled),
        Some((name, value)) => (name, Wanted::Is(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(template: &'static str, path: &[&str]) -> Option<Vec<String>> {
        let path: Vec<_> = path.iter().map(|s| Cow::Borrowed(*s)).collect();
        let template = Template::parse(template).unwrap();
        let labels = template.labels(&path)?;
        Some(
            labels
                .into_iter()
                .map(|(n, v)| format!("{n}={v}"))
                .collect(),
        )
    }

    #[test]
    fn labels_take_one_segment_and_rests_what_is_left() {
        assert_eq!(labels("GET /a/{b}", &["a", "x"]).unwrap(), ["b=x"]);
        assert_eq!(labels("GET /a/{b}", &["a"]), None);
        assert_eq!(labels("GET /a/{b}", &["a", "x", "y"]), None);
        assert_eq!(
            labels("GET /{b}/{k+}", &["a", "x", "y"]).unwrap(),
            ["b=a", "k=x/y"]
        );
        assert_eq!(labels("GET /{b}/{k+}", &["a"]), None);
        assert_eq!(
            labels("GET /p/{k+}/end", &["p", "x", "y", "end"]).unwrap(),
            ["k=x/y"]
        );
        assert_eq!(labels("GET /p/{k+}/end", &["p", "end"]), None);
        assert_eq!(labels("GET /", &[]).unwrap(), Vec::<String>::new());
    }
}
