//! Which service and region a request is signed for: the credential scope of Signature Version 4, in the header or in a
//! presigned query. The signature itself is not looked at.

use crate::http::Request;

/// Service and region that a signature is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) service: String,
    /// Signatures for several regions (4A) name none.
    pub(super) region: Option<String>,
}

/// Every scope that a request names, each once. More than one is a contradiction.
pub(super) fn scopes(request: &Request) -> Vec<Scope> {
    let headers = request
        .headers
        .iter()
        .filter(|(name, _)| name == "authorization")
        .filter_map(|(_, value)| in_header(value));
    let query = request
        .query
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-amz-credential"))
        .filter_map(|(_, value)| of(value));
    let mut found = Vec::new();
    for scope in headers.chain(query) {
        if !found.contains(&scope) {
            found.push(scope);
        }
    }
    found
}

/// `AWS4-HMAC-SHA256 Credential=…/20260101/eu-west-1/s3/aws4_request, SignedHeaders=…, Signature=…`.
fn in_header(value: &str) -> Option<Scope> {
    let rest = value.trim_start().strip_prefix("AWS4-")?;
    let (_, fields) = rest.split_once(' ')?;
    let credential = fields
        .split(',')
        .find_map(|f| f.trim().strip_prefix("Credential="))?;
    of(credential)
}

/// `KEY/date/region/service/aws4_request`, or without region; the key may hold slashes.
fn of(credential: &str) -> Option<Scope> {
    let mut parts = credential.trim().rsplit('/');
    (parts.next()? == "aws4_request").then_some(())?;
    let service = parts.next()?.to_owned();
    let before = parts.next()?;
    let is_date = |p: &str| p.len() == 8 && p.bytes().all(|b| b.is_ascii_digit());
    let region = (!is_date(before)).then(|| before.to_owned());
    Some(Scope { service, region })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_from_the_right() {
        let scope = |service: &str, region: Option<&str>| Scope {
            service: service.to_owned(),
            region: region.map(ToOwned::to_owned),
        };
        for (credential, wanted) in [
            (
                "AK/20260101/eu-west-1/s3/aws4_request",
                Some(scope("s3", Some("eu-west-1"))),
            ),
            (
                "a/b/20260101/us-east-1/rds/aws4_request",
                Some(scope("rds", Some("us-east-1"))),
            ),
            ("AK/20260101/s3/aws4_request", Some(scope("s3", None))),
            ("AK/20260101/eu-west-1/s3/aws4", None),
            ("", None),
        ] {
            assert_eq!(of(credential), wanted, "{credential}");
        }
        let header = "AWS4-HMAC-SHA256 Credential=AK/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=00";
        assert_eq!(in_header(header), Some(scope("s3", Some("eu-west-1"))));
        assert_eq!(
            in_header("Bearer AK/20260101/eu-west-1/s3/aws4_request"),
            None
        );
    }
}
