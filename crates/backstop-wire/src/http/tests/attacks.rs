//! Roads past the reader: each would let a server see another request than the one that is judged.

use super::*;

/// A request that is in order, with these lines behind its `Host`.
fn with(lines: &str) -> Sent {
    Sent::new(&format!("POST /volumes\nHost: api.example.com\n{lines}"))
}

#[track_caller]
fn refused(attack: &str, sent: &Sent, why: &str) {
    match sent.read() {
        Ok(request) => panic!("{attack}: read as {request:?} from {:?}", sent.head),
        Err(refusal) => assert!(
            refusal.what.contains(why),
            "{attack}: {refusal}, not for `{why}`"
        ),
    }
}

#[test]
fn the_request_that_attacks_change_is_in_order() {
    assert!(with("Content-Length: 1\n\nx").read().is_ok());
    assert!(with("X-Any: 1").read().is_ok());
}

#[test]
fn two_servers_that_disagree_where_a_request_ends() {
    for (attack, lines, why) in [
        (
            "CL.TE",
            "Content-Length: 1\nTransfer-Encoding: chunked\n\nx",
            "length is told twice",
        ),
        (
            "TE.CL",
            "Transfer-Encoding: chunked\nContent-Length: 1\n\nx",
            "length is told twice",
        ),
        (
            "TE.TE",
            "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n\nx",
            "`transfer-encoding` stands twice",
        ),
        (
            "TE.TE, the second unknown",
            "Transfer-Encoding: chunked\nTransfer-Encoding: x\n\nx",
            "stands twice",
        ),
        (
            "a coding more",
            "Transfer-Encoding: gzip, chunked\n\nx",
            "not exactly `chunked`",
        ),
        (
            "identity",
            "Transfer-Encoding: identity\n\nx",
            "not exactly `chunked`",
        ),
        (
            "a name alike",
            "Transfer-Encoding: xchunked\n\nx",
            "not exactly `chunked`",
        ),
        (
            "capitals",
            "Transfer-Encoding: Chunked\n\nx",
            "not exactly `chunked`",
        ),
        (
            "quotes",
            "Transfer-Encoding: \"chunked\"\n\nx",
            "not exactly `chunked`",
        ),
        (
            "vertical tab",
            "Transfer-Encoding: \x0Bchunked\n\nx",
            "control character",
        ),
        (
            "folded",
            "Transfer-Encoding: x\r\x0Bchunked\n\nx",
            "control character",
        ),
        (
            "a space before the colon",
            "Transfer-Encoding : chunked\n\nx",
            "not a token",
        ),
        ("an underscore", "Transfer_Encoding: chunked\n\nx", "`_`"),
        (
            "two lengths",
            "Content-Length: 1\nContent-Length: 2\n\nx",
            "`content-length` stands twice",
        ),
        (
            "two equal lengths",
            "Content-Length: 1\nContent-Length: 1\n\nx",
            "`content-length` stands twice",
        ),
        (
            "a list of lengths",
            "Content-Length: 1, 1\n\nx",
            "plain number",
        ),
        ("a plus", "Content-Length: +1\n\nx", "plain number"),
        ("a minus", "Content-Length: -1\n\nx", "plain number"),
        ("a zero in front", "Content-Length: 01\n\nx", "plain number"),
        ("hexadecimal", "Content-Length: 0x1\n\nx", "plain number"),
        ("a fraction", "Content-Length: 1.0\n\nx", "plain number"),
        (
            "digits of another script",
            "Content-Length: １\n\nx",
            "plain number",
        ),
        ("none", "Content-Length: \n\nx", "plain number"),
        (
            "too large for 64 bits",
            "Content-Length: 18446744073709551617\n\nx",
            "plain number",
        ),
        (
            "shorter than the body",
            "Content-Length: 1\n\nxGET /",
            "not the length",
        ),
        (
            "longer than the body",
            "Content-Length: 9\n\nx",
            "not the length",
        ),
        (
            "a length without a body",
            "Content-Length: 9",
            "not the length",
        ),
        (
            "an underscore in the length",
            "Content_Length: 9\n\nx",
            "`_`",
        ),
        ("an expectation", "Expect: 100-continue, x\n\nx", "`expect`"),
    ] {
        refused(attack, &with(lines), why);
    }
    let chunked = "POST /volumes\nhost: api.example.com\ntransfer-encoding: chunked\n\nx";
    refused(
        "TE in HTTP/2",
        &Sent::new(chunked).http2(),
        "version of HTTP",
    );
    let old = Sent {
        version: Version::Http10,
        ..Sent::new(chunked)
    };
    refused("TE in HTTP/1.0", &old, "version of HTTP");
    let told = "POST /volumes\nhost: api.example.com\ncontent-length: 9\n\nx";
    refused(
        "another length in HTTP/2",
        &Sent::new(told).http2(),
        "not the length",
    );
}

#[test]
fn headers_that_are_there_for_one_and_not_for_another() {
    for (attack, lines, why) in [
        (
            "a line break in a value",
            "X-Any: a\rX-Other: b",
            "control character",
        ),
        ("a NUL in a value", "X-Any: a\0b", "control character"),
        ("a delete in a value", "X-Any: a\x7Fb", "control character"),
        ("a space in a name", "X Any: a", "not a token"),
        ("no name", ": a", "not a token"),
        ("a pseudo-header", ":path: /other", "not a token"),
        ("a name of another script", "X-Änderung: a", "not a token"),
        (
            "two media types",
            "Content-Type: text/plain\nContent-Type: application/json\n\n{}",
            "`content-type` stands twice",
        ),
        (
            "two encodings",
            "Content-Encoding: gzip\nContent-Encoding: identity\n\n{}",
            "`content-encoding` stands twice",
        ),
        (
            "two credentials",
            "Authorization: Bearer a\nAuthorization: Bearer b",
            "`authorization` stands twice",
        ),
        (
            "two operations of AWS",
            "X-Amz-Target: A.List\nX-Amz-Target: A.Delete",
            "`x-amz-target` stands twice",
        ),
        (
            "two values of any header",
            "X-Dry-Run: true\nX-Dry-Run: false",
            "stands twice",
        ),
        (
            "one more with an underscore",
            "X-Dry-Run: true\nX_Dry_Run: false",
            "`_`",
        ),
        (
            "the operation with an underscore",
            "X_Amz_Target: A.Delete",
            "`_`",
        ),
        (
            "the media type with an underscore",
            "Content_Type: application/json\n\n{}",
            "`_`",
        ),
        (
            "two cookies in HTTP/1.1",
            "Cookie: a=1\nCookie: a=2",
            "`cookie` stands twice",
        ),
        (
            "a header named by Connection",
            "Connection: X-Dry-Run\nX-Dry-Run: true",
            "`connection` names",
        ),
        (
            "the credential named by Connection",
            "Connection: close, Authorization\nAuthorization: x",
            "`connection` names",
        ),
        (
            "the host named by Connection",
            "Connection: host",
            "`connection` names",
        ),
        (
            "the length named by Connection",
            "Connection: Content-Length\nContent-Length: 1\n\nx",
            "`connection` names",
        ),
        (
            "a header named by Proxy-Connection",
            "Proxy-Connection: x-a\nX-A: 1",
            "`connection` names",
        ),
        (
            "nonsense in Connection",
            "Connection: a b",
            "`connection` names",
        ),
    ] {
        refused(attack, &with(lines), why);
    }
    for (attack, line, why) in [
        (
            "Connection",
            "connection: close",
            "HTTP/1.1 for one connection",
        ),
        ("Upgrade", "upgrade: h2c", "HTTP/1.1 for one connection"),
        ("capitals", "X-Any: 1", "capital letters"),
    ] {
        let sent = Sent::new(&format!("GET /\nhost: api.example.com\n{line}"));
        refused(attack, &sent.http2(), why);
    }
    let latin = [("host", &b"api.example.com"[..]), ("x-any", b"\xFC")];
    let mut raw = raw("GET", "/", &latin);
    assert!(read(&raw).unwrap_err().what.contains("not UTF-8"));
    let broken = [("host", &b"api.example.com"[..]), ("x-any", b"a\r\n b")];
    raw.headers = &broken;
    assert!(read(&raw).unwrap_err().what.contains("line break"));
}

fn raw<'a>(method: &'a str, target: &'a str, headers: &'a [(&'a str, &'a [u8])]) -> Raw<'a> {
    Raw {
        method,
        version: Version::Http11,
        scheme: Scheme::Https,
        authority: None,
        target,
        headers,
        tls_name: None,
        tunnel: None,
        reverse: None,
        body: RawBody::Absent,
    }
}

#[test]
fn another_method_than_the_one_that_is_sent() {
    let form = "Content-Type: application/x-www-form-urlencoded\n\n";
    let json = "Content-Type: application/json\n\n";
    let parts = "Content-Type: multipart/form-data; boundary=b\n\n";
    for lines in [
        "X-HTTP-Method-Override: DELETE".to_owned(),
        "x-http-method: PUT".to_owned(),
        "X-Method-Override: delete".to_owned(),
        "X-HTTP-Method-Override: POST, DELETE".to_owned(),
        "X-HTTP-Method-Override: ".to_owned(),
        format!("{form}a=1&_method=DELETE"),
        format!("{form}_method=POST&_method=delete"),
        format!("{form}%5Fmethod=DELETE"),
        format!("{form}+.method=DELETE"),
        format!("{form}_METHOD[]=DELETE"),
        format!("{json}{{\"_method\":\"DELETE\"}}"),
        format!("{json}{{\"\\u005fmethod\":[\"DELETE\"]}}"),
        format!(
            "{parts}--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--"
        ),
    ] {
        refused(&lines, &with(&lines), "another method");
    }
    for query in [
        "_method=DELETE",
        "a=1&%5fmethod=put",
        "x-http-method-override=DELETE",
        "_HttpMethod=PATCH",
    ] {
        let sent = Sent::new(&format!("POST /volumes?{query}\nHost: api.example.com"));
        refused(query, &sent, "another method");
    }
    refused(
        "an underscore",
        &with("X_HTTP_Method_Override: DELETE"),
        "`_`",
    );
    for (method, why) in [
        ("get", "lower-case"),
        ("Delete", "lower-case"),
        ("patch", "lower-case"),
        ("GET/", "not a token"),
        ("", "not a token"),
        ("GET\t", "not a token"),
        ("CONNECT", "a tunnel"),
    ] {
        refused(
            method,
            &Sent::new(&format!("{method} /\nHost: api.example.com")),
            why,
        );
    }
}

#[test]
fn another_place_than_the_one_that_is_judged() {
    for (attack, lines, why) in [
        (
            "two hosts",
            "Host: api.example.com\nHost: other.example.com",
            "`host` stands twice",
        ),
        (
            "two equal hosts",
            "Host: api.example.com\nHost: api.example.com",
            "`host` stands twice",
        ),
        ("another host", "Host: other.example.com", "than the tunnel"),
        (
            "another port",
            "Host: api.example.com:8443",
            "than the tunnel",
        ),
        ("no host", "X-Any: 1", "names no host"),
        ("an empty host", "Host: ", "not a name"),
        (
            "a user",
            "Host: api.example.com@other.example.com",
            "a user stands",
        ),
        (
            "a list",
            "Host: api.example.com, other.example.com",
            "not a name",
        ),
        ("a path", "Host: api.example.com/x", "not a name"),
        ("an escape", "Host: %61pi.example.com", "not a name"),
        ("full-width letters", "Host: ａpi.example.com", "in a form"),
        (
            "another absolute target",
            ":authority: other.example.com\nHost: api.example.com",
            "two places",
        ),
        (
            "another absolute target and host",
            ":authority: other.example.com\nHost: other.example.com",
            "than the tunnel",
        ),
        (
            "another port in the target",
            ":authority: api.example.com:80\nHost: api.example.com",
            "two places",
        ),
        (
            "a forwarded host",
            "Host: api.example.com\nX-Forwarded-Host: other.example.com",
            "forwarding header",
        ),
        (
            "one of two",
            "Host: api.example.com\nX-Forwarded-Host: api.example.com, other.example.com",
            "forwarding header",
        ),
        (
            "another name for it",
            "Host: api.example.com\nX-Host: other.example.com",
            "forwarding header",
        ),
        (
            "the standard's",
            "Host: api.example.com\nForwarded: for=1.2.3.4;HOST=other.example.com",
            "forwarding header",
        ),
        (
            "an underscore",
            "Host: api.example.com\nX_Forwarded_Host: other.example.com",
            "`_`",
        ),
        (
            "another path",
            "Host: api.example.com\nX-Original-URL: /admin",
            "another path",
        ),
        (
            "another path still",
            "Host: api.example.com\nX-Rewrite-Url: /admin",
            "another path",
        ),
    ] {
        refused(attack, &Sent::new(&format!("GET /\n{lines}")), why);
    }
    let get = "GET /\nHost: api.example.com";
    let fronted = Sent {
        tls_name: Some("cdn.example.net"),
        ..Sent::new(get)
    };
    refused("domain fronting", &fronted, "TLS handshake");
    let tunnelled = Sent {
        tunnel: Some("cdn.example.net:443"),
        ..Sent::new(get)
    };
    refused("another tunnel", &tunnelled, "than the tunnel");
    let other_port = Sent {
        tunnel: Some("api.example.com:22"),
        ..Sent::new(get)
    };
    refused("another port of the tunnel", &other_port, "than the tunnel");
    let plain = Sent {
        scheme: Scheme::Http,
        tunnel: None,
        ..Sent::new(get)
    };
    refused("plain inside TLS", &plain, "came over TLS");
    let odd = Sent::to("GET /\nHost: 0x7f.1", "0x7f.1", "0x7f.1:443");
    refused("an odd address", &odd, "in a form");
    let decimal = Sent {
        tls_name: None,
        ..Sent::to("GET /\nHost: 2130706433", "", "2130706433:443")
    };
    refused("a decimal address", &decimal, "in a form");
    let proxied = Sent {
        reverse: Some("api.example.com"),
        tunnel: None,
        tls_name: None,
        ..Sent::new("GET /\n:authority: other.example.com\nHost: other.example.com")
    };
    refused("a proxy's request by a base URL", &proxied, "as to a proxy");
    let both = Sent {
        reverse: Some("api.example.com"),
        ..Sent::new(get)
    };
    refused("a tunnel by a base URL", &both, "as to a proxy");
}

#[test]
fn another_path_or_query_than_the_one_that_is_judged() {
    for (target, why) in [
        ("/volumes/../admin", "`.` or `..`"),
        ("/volumes/%2e%2e/admin", "`.` or `..`"),
        ("/volumes/.%2E/admin", "`.` or `..`"),
        ("/volumes/..%2fadmin", "`.` or `..`"),
        ("/volumes/..;/admin", "a `;`"),
        ("/volumes/..%3b/admin", "`.` or `..`"),
        ("/volumes/%252e%252e/admin", "encoded twice"),
        ("/volumes/%2564elete", "encoded twice"),
        ("/volumes%255c..%255cadmin", "encoded twice"),
        ("/volumes\\..\\admin", "backslash"),
        ("/volumes%5C..%5Cadmin", "backslash"),
        ("/volumes/%c0%ae%c0%ae/admin", "not UTF-8"),
        ("/volumes/%00/admin", "control character"),
        ("/volumes%0d%0aX-Any:%20x", "control character"),
        ("/volumes/delete;x=1", "a `;`"),
        ("//other.example.com/volumes", "two slashes"),
        ("/volumes#/admin", "fragment"),
        ("/volumes/%u002e%u002e/admin", "hexadecimal"),
        ("volumes", "begin with a slash"),
        ("https://other.example.com/", "begin with a slash"),
        ("", "begin with a slash"),
        ("*", "OPTIONS alone"),
        ("/volumes?dryRun=All;", "a `;`"),
        ("/volumes?a=1;action=delete", "a `;`"),
        ("/volumes?a=%zz", "hexadecimal"),
        ("/volumes?a=%ff", "not UTF-8"),
        ("/volumes?action%00=delete", "a NUL"),
        ("/volumes?a=1#&action=delete", "fragment"),
    ] {
        refused(
            target,
            &Sent::new(&format!("GET {target}\nHost: api.example.com")),
            why,
        );
    }
}

#[test]
fn another_body_than_the_one_that_is_judged() {
    for (attack, media, body, why) in [
        (
            "a key twice",
            "application/json",
            r#"{"query":"{a}","query":"mutation{b}"}"#,
            "stands twice",
        ),
        (
            "a key twice by an escape",
            "application/json",
            r#"{"query":"{a}","quer\u0079":"mutation{b}"}"#,
            "stands twice",
        ),
        (
            "a key in other letters",
            "application/json",
            r#"{"query":"{a}","Query":"mutation{b}"}"#,
            "stands twice",
        ),
        (
            "two values",
            "application/json",
            r#"{"query":"{a}"}{"query":"mutation{b}"}"#,
            "trailing",
        ),
        (
            "a byte order mark",
            "application/json",
            "\u{feff}{}",
            "byte order mark",
        ),
        (
            "a lone surrogate",
            "application/json",
            r#"{"a":"\ud800"}"#,
            "JSON body",
        ),
        (
            "another charset",
            "application/json; charset=utf-7",
            "{}",
            "charset",
        ),
        (
            "a charset twice",
            "application/json; charset=utf-8; charset=utf-16",
            "{}",
            "media type",
        ),
        (
            "two media types in one",
            "text/plain, application/json",
            "{}",
            "media type",
        ),
        ("no media type", "json", "{}", "media type"),
        (
            "a byte order mark in a form",
            "application/x-www-form-urlencoded",
            "\u{feff}a=1",
            "byte order mark",
        ),
        (
            "two separators",
            "application/x-www-form-urlencoded",
            "a=1;action=delete",
            "a `;`",
        ),
        (
            "JSON as a form",
            "application/x-www-form-urlencoded",
            " {\"a\": 1}",
            "said to be a form",
        ),
        (
            "a charset within",
            "application/x-www-form-urlencoded",
            "_charset_=utf-7&a=%2BACI-",
            "another charset",
        ),
        (
            "a document type",
            "application/xml",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            "document type",
        ),
        (
            "another encoding",
            "text/xml",
            "<?xml version='1.0' encoding='utf-16'?><a/>",
            "encoding",
        ),
        (
            "a preamble",
            "multipart/form-data; boundary=b",
            "x\r\n--b--",
            "boundary",
        ),
        ("no boundary", "multipart/form-data", "--b--", "boundary"),
        (
            "GraphQL that is no text",
            "application/graphql; charset=utf-16",
            "{a}",
            "charset",
        ),
    ] {
        refused(
            attack,
            &with(&format!("Content-Type: {media}\n\n{body}")),
            why,
        );
    }
    let cbor = with("Content-Type: application/cbor").body(&b"\xA2\x61a\x01\x61a\x02"[..]);
    refused("a key twice in CBOR", &cbor, "a key twice");
    let packed = with("Content-Type: application/json\nContent-Encoding: br")
        .body(&b"\x0b\x01\x80{}\x03"[..]);
    refused("Brotli", &packed, "Brotli");
    let plain = with("Content-Type: application/json\nContent-Encoding: gzip\n\n{}");
    refused("not encoded at all", &plain, "`content-encoding`");
    let packed = zstd::encode_all(&b"a=1"[..], 3).unwrap();
    let form = with("Content-Type: application/x-www-form-urlencoded\nContent-Encoding: zstd")
        .body(packed);
    refused("a form that is legible encoded", &form, "without decoding");
    let framed =
        with("Content-Type: application/x-www-form-urlencoded\nContent-Encoding: aws-chunked")
            .body(&b"3\r\na=1\r\n0\r\nx:&action=delete&\r\n\r\n"[..]);
    refused("a form in the frame of S3", &framed, "without decoding");
}

#[test]
fn no_refusal_repeats_what_was_sent() {
    let secret = "hunter2";
    for text in [
        "hunter2 /\nHost: api.example.com",
        "GET /hunter2/../x\nHost: api.example.com",
        "GET /?a=hunter2;b\nHost: api.example.com",
        "GET /\nHost: user:hunter2@api.example.com",
        "GET /\nHost: hunter2.example.com",
        "GET /\nHost: api.example.com\nhunter2 x: a",
        "GET /\nHost: api.example.com\nx-hunter2: a\nx-hunter2: b",
        "GET /\nHost: api.example.com\nAuthorization: hunter2\nAuthorization: hunter2",
        "GET /\nHost: api.example.com\nContent-Length: hunter2",
        "GET /\nHost: api.example.com\nContent-Type: hunter2\n\nx",
        "GET /\nHost: api.example.com\nContent-Encoding: hunter2\n\nx",
        "GET /\nHost: api.example.com\nContent-Type: application/json\n\n{\"hunter2\":1,\"hunter2\":2}",
        "GET /\nHost: api.example.com\nContent-Type: application/xml\n\n<hunter2>",
        "GET /?_method=hunter2\nHost: api.example.com",
    ] {
        let refusal = Sent::new(text).read().unwrap_err();
        assert!(
            !format!("{refusal} {refusal:?}").contains(secret),
            "{refusal}"
        );
    }
    let request =
        Sent::new("GET /hunter2?hunter2=hunter2\nHost: api.example.com\nX-A: hunter2\n\nhunter2");
    assert!(!format!("{:?}", request.read()).contains(secret));
}
