//! In what form a client reads the gate's own answers: that of the API that it believes to ask.

use backstop_wire::providers::aws::error_form;
use backstop_wire::providers::kubernetes;
use hyper::{HeaderMap, header};

use super::aws;
use crate::http::{Dialect, Head};

/// By the pack of the API, and by how it is asked.
pub(super) fn of(pack: &str, head: &Head) -> Dialect {
    let name = pack.split('/').next().unwrap_or_default();
    match name {
        kubernetes::NAME if finds_out(head.target.path()) => Dialect::Text,
        kubernetes::NAME if takes_json(&head.headers) => Dialect::Kubernetes,
        "github" | "github-graphql" => Dialect::Json,
        "aws" => {
            let service = aws::service(&head.headers);
            Dialect::Aws(error_form(service, &media_type(&head.headers)))
        }
        _ => Dialect::Problem,
    }
}

/// Whether a client of Kubernetes asks what there is to be asked for.
fn finds_out(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    ["api", "apis", "version"].contains(&last) || path.contains("/openapi/")
}

fn takes_json(headers: &HeaderMap) -> bool {
    let mut told = headers.get_all(header::ACCEPT).iter().peekable();
    let takes = |value: &str| {
        ["json", "*/*", "application/*"]
            .iter()
            .any(|m| value.contains(*m))
    };
    told.peek().is_none() || told.any(|value| value.to_str().is_ok_and(takes))
}

fn media_type(headers: &HeaderMap) -> String {
    let told = headers.get(header::CONTENT_TYPE);
    let told = told
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = told.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use backstop_wire::http::Scheme;
    use backstop_wire::providers::aws::ErrorForm;
    use hyper::header::HeaderName;
    use hyper::{Method, Version};

    use super::*;

    fn head(headers: &[(&str, &str)]) -> Head {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        Head {
            method: Method::DELETE,
            version: Version::HTTP_11,
            scheme: Scheme::Https,
            site: None,
            authority: None,
            target: "/".parse().unwrap(),
            headers: map,
            presented: None,
            upgrade: None,
            trailers: false,
        }
    }

    #[test]
    fn what_kubectl_finds_the_api_by_is_answered_in_plain_words() {
        let asked = |path: &str| {
            let mut head = head(&[("accept", "application/json")]);
            head.target = path.parse().unwrap();
            of("kubernetes", &head)
        };
        for (path, expected) in [
            ("/api?timeout=32s", Dialect::Text),
            ("/apis", Dialect::Text),
            ("/version", Dialect::Text),
            ("/openapi/v2", Dialect::Text),
            ("/k8s/clusters/c-1/api", Dialect::Text),
            ("/api/v1", Dialect::Kubernetes),
            (
                "/apis/apps/v1/namespaces/a/deployments",
                Dialect::Kubernetes,
            ),
        ] {
            assert_eq!(asked(path), expected, "{path}");
        }
    }

    #[test]
    fn each_api_has_its_own_and_all_others_problem_details() {
        let signed = |service: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIA1/20260424/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
            )
        };
        let (s3, ec2) = (signed("s3"), signed("ec2"));
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        for (pack, headers, expected) in [
            ("kubernetes", &[][..], Dialect::Kubernetes),
            ("kubernetes", &[("accept", table)], Dialect::Kubernetes),
            ("kubernetes", &[("accept", "*/*")], Dialect::Kubernetes),
            (
                "kubernetes",
                &[("accept", "application/vnd.kubernetes.protobuf")],
                Dialect::Problem,
            ),
            ("github", &[], Dialect::Json),
            ("github-graphql", &[], Dialect::Json),
            (
                "aws",
                &[("authorization", s3.as_str())],
                Dialect::Aws(ErrorForm::S3),
            ),
            (
                "aws/*",
                &[
                    ("authorization", ec2.as_str()),
                    (
                        "content-type",
                        "application/x-www-form-urlencoded; charset=utf-8",
                    ),
                ],
                Dialect::Aws(ErrorForm::Ec2),
            ),
            ("aws/*", &[], Dialect::Aws(ErrorForm::Json)),
            ("railway", &[], Dialect::Problem),
            ("generic-rest", &[("accept", "*/*")], Dialect::Problem),
            ("githubber", &[], Dialect::Problem),
            ("", &[], Dialect::Problem),
        ] {
            assert_eq!(of(pack, &head(headers)), expected, "{pack} {headers:?}");
        }
    }
}
