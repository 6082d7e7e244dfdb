//! Requests to AWS: whose key signed one and for what, and the gate's own signature in its place.

use backstop_wire::http::Request;
use hyper::{HeaderMap, header};
use time::OffsetDateTime;

use super::answer;
use super::config::Api;
use crate::http::head::usual_port;
use crate::http::sigv4::{self, AwsCredential, Payload, Signing};
use crate::http::{Carried, Head, Problem, Site};

/// What a client's signature says beside itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    date: String,
    region: String,
    service: String,
}

/// The id of the key in an `Authorization` of version 4.
pub(super) fn key_of(value: &str) -> Option<&str> {
    parts(value).map(|[key, ..]| key)
}

/// The service that a request is signed for.
pub(super) fn service(headers: &HeaderMap) -> Option<&str> {
    let [.., service] = parts(headers.get(header::AUTHORIZATION)?.to_str().ok()?)?;
    Some(service)
}

/// What the one `Authorization` of a request is for.
pub(super) fn scope(headers: &HeaderMap) -> Option<Scope> {
    let [_, date, region, service] = parts(headers.get(header::AUTHORIZATION)?.to_str().ok()?)?;
    Some(Scope {
        date: date.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    })
}

/// Key, date, region and service.
fn parts(value: &str) -> Option<[&str; 4]> {
    let fields = value.trim().strip_prefix("AWS4-HMAC-SHA256 ")?;
    let mut told = fields
        .split(',')
        .filter_map(|field| field.trim().strip_prefix("Credential="));
    let (credential, None) = (told.next()?, told.next()) else {
        return None;
    };
    let mut parts = credential.split('/');
    let all = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let ends = parts.next() == Some("aws4_request") && parts.next().is_none();
    (ends && all.iter().all(|part| !part.is_empty())).then_some(all)
}

/// Gives the reader what the signature said, without the key.
pub(super) fn tell(request: &mut Request, scope: &Scope) {
    let Scope {
        date,
        region,
        service,
    } = scope;
    let told = format!("AWS4-HMAC-SHA256 Credential=lease/{date}/{region}/{service}/aws4_request");
    request.headers.push(("authorization".to_owned(), told));
}

/// Signs what is sent, last of all.
pub(super) fn sign(
    head: &mut Head,
    api: &Api,
    site: &Site,
    scope: Option<&Scope>,
    body: &Carried,
    now_ms: i64,
) -> Result<(), Box<Problem>> {
    let Some(scope) = scope else {
        return Err(answer::unsigned());
    };
    let key = api.secret.as_ref().and_then(AwsCredential::parse);
    let key = key.ok_or_else(|| answer::broken(&"the credential of an AWS target is no key"))?;
    let time =
        OffsetDateTime::from_unix_timestamp(now_ms / 1000).map_err(|e| answer::broken(&e))?;
    let told = head.headers.get("x-amz-content-sha256");
    let told = told
        .and_then(|value| value.to_str().ok())
        .map(ToOwned::to_owned);
    let payload = match (&told, body) {
        (Some(told), _) => Payload::Told(told),
        (None, Carried::Absent) => Payload::Bytes(&[]),
        (None, Carried::Whole { bytes, .. }) => Payload::Bytes(bytes),
        // Only what is told could be signed of it.
        (None, Carried::Streamed { .. }) => {
            return Err(answer::cannot_be_signed(&"its body is too long"));
        }
    };
    let host = site.authority(usual_port(head.scheme));
    let signing = Signing {
        method: &head.method,
        host: &host,
        target: &head.target,
        payload,
        region: &scope.region,
        service: &scope.service,
        time,
    };
    sigv4::sign(&mut head.headers, &signing, &key).map_err(|e| answer::cannot_be_signed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_names_its_key_and_what_it_is_for() {
        let header = |credential: &str| {
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00")
        };
        let good = header("AKIA1/20260424/eu-west-1/rds/aws4_request");
        assert_eq!(key_of(&good), Some("AKIA1"));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, good.parse().unwrap());
        let found = scope(&headers).unwrap();
        assert_eq!(
            (found.region.as_str(), found.service.as_str()),
            ("eu-west-1", "rds")
        );
        for bad in [
            header("AKIA1/20260424/rds/aws4_request"),
            header("AKIA1/20260424/eu-west-1/rds/aws4_request/more"),
            header("AKIA1/20260424/eu-west-1/rds/aws4"),
            header("/20260424/eu-west-1/rds/aws4_request"),
            header("A/b/c/d/aws4_request, Credential=B/b/c/d/aws4_request"),
            good.replace("HMAC", "ECDSA"),
            "Bearer AKIA1/20260424/eu-west-1/rds/aws4_request".to_owned(),
        ] {
            assert_eq!(key_of(&bad), None, "{bad}");
        }
    }
}
