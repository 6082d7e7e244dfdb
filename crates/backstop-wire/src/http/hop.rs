//! Headers that are for the next hop alone (RFC 9110, section 7.6.1). The gate is that hop.

/// Dropped before a message is passed on, whether `Connection` names them or not.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header of this name, in any case, is for the next hop alone.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.iter().any(|hop| hop.eq_ignore_ascii_case(name))
}

/// The headers to pass on: those that are not hop-by-hop and that no `Connection` names, in order.
#[must_use]
pub fn forwardable<N: AsRef<str>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Vec<&(N, V)> {
    let named: Vec<&[u8]> = headers
        .iter()
        .filter(|(name, _)| is_connection(name.as_ref()))
        .flat_map(|(_, value)| value.as_ref().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    headers
        .iter()
        .filter(|(name, _)| {
            let name = name.as_ref();
            !is_hop_by_hop(name)
                && !named
                    .iter()
                    .any(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        })
        .collect()
}

fn is_connection(name: &str) -> bool {
    name.eq_ignore_ascii_case("connection") || name.eq_ignore_ascii_case("proxy-connection")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_the_next_hop_alone_is_dropped() {
        let headers = [
            ("Host", "a"),
            ("Connection", "keep-alive, X-One"),
            ("connection", "x-two"),
            ("X-One", "1"),
            ("x-TWO", "2"),
            ("X-Three", "3"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authorization", "Basic eA=="),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABk"),
            ("Authorization", "Bearer x"),
        ];
        let names: Vec<_> = forwardable(&headers)
            .iter()
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(names, ["Host", "X-Three", "Authorization"]);
    }
}
