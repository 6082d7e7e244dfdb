//! Headers that are for one connection only, and how bodies are framed.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

/// Headers of one connection only (RFC 9110, section 7.6.1), and those that are between a client and its proxy.
const HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
];

/// What a target says about other roads to itself, which would lead around the gate.
const ALT_SVC: HeaderName = HeaderName::from_static("alt-svc");

/// Takes out what is for one connection only, whatever `Connection` names included.
pub(crate) fn take_hops(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers, &header::CONNECTION)
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
            // Without these it is another message; a client that names them is not obeyed.
            .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP {
        headers.remove(name);
    }
}

/// The same for a response.
pub(crate) fn take_response_hops(headers: &mut HeaderMap) {
    take_hops(headers);
    headers.remove(ALT_SVC);
}

/// The members of a list, without their parameters.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|member| member.split(';').next().unwrap_or_default().trim())
        .filter(|member| !member.is_empty())
}

/// Whether the sender takes trailers.
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &header::TE).any(|t| t.eq_ignore_ascii_case("trailers"))
}

/// Says how a message is framed, from the body that really is sent: whatever the sender said is replaced.
pub(crate) fn frame(headers: &mut HeaderMap, length: Option<u64>, chunked: bool) {
    headers.remove(header::TRANSFER_ENCODING);
    match length {
        Some(length) => {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        None => {
            headers.remove(header::CONTENT_LENGTH);
            if chunked {
                let chunked = HeaderValue::from_static("chunked");
                headers.insert(header::TRANSFER_ENCODING, chunked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn headers_of_one_connection_go_and_all_else_stays() {
        let mut headers = map(&[
            ("connection", "close, x-mine,X-OTHER"),
            ("connection", "keep-alive, host, content-length"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic eDp5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("x-mine", "1"),
            ("x-other", "1"),
            ("host", "a.example"),
            ("content-length", "3"),
            ("trailer", "x-sum"),
            ("authorization", "Bearer x"),
        ]);
        take_hops(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "content-length", "host", "trailer"]);
    }

    #[test]
    fn trailers_are_taken_where_te_says_so() {
        assert!(takes_trailers(&map(&[("te", "gzip;q=0.5, Trailers")])));
        assert!(!takes_trailers(&map(&[("te", "gzip")])));
        assert!(!takes_trailers(&map(&[])));
    }

    #[test]
    fn a_body_is_framed_by_what_it_is() {
        let mut headers = map(&[("content-length", "3"), ("transfer-encoding", "gzip")]);
        frame(&mut headers, Some(7), true);
        assert_eq!(headers, map(&[("content-length", "7")]));
        frame(&mut headers, None, true);
        assert_eq!(headers, map(&[("transfer-encoding", "chunked")]));
        frame(&mut headers, None, false);
        assert!(headers.is_empty());
    }
}
