//! The grammar of paths: `/api/v1/namespaces/{namespace}/{resource}/{name}/{subresource}`.

use crate::sql::ident;

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub enum Path<'a> {
    /// Discovery, versions, health, schemas, metrics.
    Information,
    /// A resource.
    Resource(Target<'a>),
    /// Nothing that is known.
    Unknown,
}

/// A resource, or one of its parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// `apps`; empty for the core group.
    pub group: &'a str,
    /// In the plural: `deployments`.
    pub resource: &'a str,
    /// Where it lies, if in one.
    pub namespace: Option<&'a str>,
    /// Which one, if one is named.
    pub name: Option<&'a str>,
    /// `scale`, `exec`.
    pub subresource: Option<&'a str>,
    /// Whether the path itself asks to watch.
    pub watch: bool,
}

/// Reads a path.
pub fn of(segments: &[String]) -> Path<'_> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    // A slash within a name is none to the server, but may be one to a proxy before it.
    if parts.iter().any(|p| p.contains(['/', '\\'])) && !is_proxied(&parts) {
        return Path::Unknown;
    }
    match parts.as_slice() {
        ["api" | "apis"] | ["api", _] | ["apis", _] | ["apis", _, _] => Path::Information,
        [
            "version" | "healthz" | "livez" | "readyz" | "metrics" | "openapi",
            ..,
        ]
        | [".well-known", "openid-configuration"]
        | ["openid", "v1", "jwks"]
        | [] => Path::Information,
        ["api", _, rest @ ..] => resource("", rest),
        ["apis", group, _, rest @ ..] => resource(group, rest),
        _ => Path::Unknown,
    }
}

/// What lies behind `proxy` is a path of somebody else's.
fn is_proxied(parts: &[&str]) -> bool {
    let behind = parts.iter().position(|p| *p == "proxy");
    behind.is_some_and(|at| !parts.iter().take(at).any(|p| p.contains(['/', '\\'])))
}

fn resource<'a>(group: &'a str, rest: &[&'a str]) -> Path<'a> {
    let (watch, rest) = match rest {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        rest => (false, rest),
    };
    let (namespace, rest) = match rest {
        // The namespace itself, and the two parts that it has.
        ["namespaces", name] => return named(group, "namespaces", name, None, watch),
        ["namespaces", name, part @ ("status" | "finalize")] => {
            return named(group, "namespaces", name, Some(part), watch);
        }
        ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (resource, name, subresource) = match rest {
        [resource] => (*resource, None, None),
        [resource, name] => (*resource, Some(*name), None),
        // Behind `proxy` comes the path of another server.
        [resource, name, part, ..] => (*resource, Some(*name), Some(*part)),
        [] => return Path::Unknown,
    };
    let deep = rest.len() > 3 && subresource != Some("proxy");
    match deep {
        true => Path::Unknown,
        false => Path::Resource(Target {
            group,
            resource,
            namespace,
            name,
            subresource,
            watch,
        }),
    }
}

fn named<'a>(
    group: &'a str,
    resource: &'a str,
    name: &'a str,
    subresource: Option<&'a str>,
    watch: bool,
) -> Path<'a> {
    Path::Resource(Target {
        group,
        resource,
        namespace: None,
        name: Some(name),
        subresource,
        watch,
    })
}

impl Target<'_> {
    /// `deployments."prod/api"`; the kind alone where neither namespace nor name is given.
    pub fn object(&self) -> String {
        let kind = match super::resources::is_built_in(self.group) {
            true => ident(self.resource),
            false => ident(&format!("{}.{}", self.resource, self.group)),
        };
        match (self.namespace, self.name) {
            (Some(namespace), Some(name)) => {
                format!("{kind}.{}", ident(&format!("{namespace}/{name}")))
            }
            (None, Some(name)) => format!("{kind}.{}", ident(name)),
            (Some(namespace), None) => format!("{kind}.{}", ident(namespace)),
            (None, None) => kind,
        }
    }

    /// In a sentence: `one of the deployments`. Names come from the request and stay out of it (invariant 6).
    pub fn words(&self) -> String {
        let kind = word(self.resource);
        match (self.name, self.namespace) {
            (Some(_), _) => format!("one of the {kind}"),
            (None, Some(_)) => format!("all {kind} of one namespace"),
            (None, None) => format!("all {kind}"),
        }
    }
}

/// The name of a resource or a part, where it looks like one.
pub fn word(text: &str) -> &str {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    match text.len() <= 63 && text.bytes().all(plain) {
        true => text,
        false => "things of an unknown kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str) -> Vec<String> {
        path.split('/')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn names_what_a_path_names() {
        for (path, object, subresource) in [
            ("/api/v1/namespaces/prod", "namespaces.prod", None),
            (
                "/api/v1/namespaces/prod/finalize",
                "namespaces.prod",
                Some("finalize"),
            ),
            ("/api/v1/namespaces/prod/pods", "pods.prod", None),
            ("/api/v1/pods", "pods", None),
            ("/api/v1/watch/pods", "pods", None),
            (
                "/api/v1/namespaces/prod/pods/web-0/exec",
                "pods.\"prod/web-0\"",
                Some("exec"),
            ),
            ("/api/v1/nodes/n1/proxy/run/a/b", "nodes.n1", Some("proxy")),
            (
                "/apis/apps/v1/namespaces/prod/deployments/api/scale",
                "deployments.\"prod/api\"",
                Some("scale"),
            ),
            ("/apis/x.io/v1/clusters/a", "\"clusters.x.io\".a", None),
            (
                "/apis/x.io/v1/namespaces/p/deployments/a",
                "\"deployments.x.io\".\"p/a\"",
                None,
            ),
        ] {
            let segments = split(path);
            let Path::Resource(target) = of(&segments) else {
                panic!("{path}");
            };
            assert_eq!(
                (target.object().as_str(), target.subresource),
                (object, subresource)
            );
        }
    }

    #[test]
    fn knows_what_it_does_not_know() {
        for path in [
            "/logs/x",
            "/api/v1/namespaces/a/pods/b/c/d",
            "/apis/a/b/namespaces/x/y/z/q/r",
            "/x",
        ] {
            assert_eq!(of(&split(path)), Path::Unknown, "{path}");
        }
        let slash = ["api", "v1", "namespaces", "a/pods", "b"].map(str::to_owned);
        assert_eq!(of(&slash), Path::Unknown);
        for path in [
            "/",
            "/api",
            "/apis/apps/v1",
            "/version",
            "/openapi/v3/apis/apps/v1",
        ] {
            assert_eq!(of(&split(path)), Path::Information, "{path}");
        }
    }
}
