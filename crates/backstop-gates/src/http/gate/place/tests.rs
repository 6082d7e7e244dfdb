use backstop_wire::http::Scheme;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::{HeaderMap, Method, Version};

use super::*;

fn head(target: &str, headers: &[(&'static str, &str)]) -> Head {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    Head {
        method: Method::GET,
        version: Version::HTTP_11,
        scheme: Scheme::Https,
        site: None,
        authority: None,
        target: target.parse().unwrap(),
        headers: map,
        presented: None,
        upgrade: None,
        trailers: false,
    }
}

fn header(name: &str, prefix: &str) -> Placing {
    Placing::Header {
        name: name.into(),
        prefix: prefix.into(),
    }
}

fn path(before: &str) -> Placing {
    Placing::Path {
        before: before.into(),
    }
}

fn text(head: &Head) -> String {
    let mut all: Vec<String> = head
        .headers
        .iter()
        .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
        .collect();
    all.sort();
    format!("{} {}", head.target, all.join(", "))
}

fn put(head: &mut Head, placing: &Placing, secret: &str) -> Result<(), NotPlaced> {
    put_in(
        head,
        &mut Bytes::new(),
        placing,
        &Secret::new(secret.into()),
    )
}

/// The head after taking out and putting in, or none if nothing was taken out.
fn swapped(mut head: Head, placing: &Placing) -> Option<String> {
    if !take_out(&mut head, &mut Bytes::new(), placing, "placeholder") {
        return None;
    }
    assert!(!text(&head).contains("placeholder"));
    put(&mut head, placing, "real&+").unwrap();
    assert!(!text(&head).contains(NEUTRAL));
    Some(text(&head))
}

#[test]
fn it_is_taken_out_of_its_place_and_the_real_one_put_in() {
    let bearer = header("authorization", "Bearer ");
    let key = header("x-api-key", "");
    let basic = Placing::Basic { user: "u".into() };
    let query = Placing::Query { name: "key".into() };
    let cookie = Placing::Cookie { name: "sid".into() };
    let encoded = STANDARD.encode("u:placeholder");
    let of_user = format!("Basic {encoded}");
    for (head, placing, expected) in [
        (
            head("/", &[("authorization", "bearer placeholder")]),
            &bearer,
            "/ authorization: Bearer real&+",
        ),
        (
            head("/", &[("x-api-key", "placeholder"), ("a", "b")]),
            &key,
            "/ a: b, x-api-key: real&+",
        ),
        (
            head("/", &[("authorization", &of_user)]),
            &basic,
            "/ authorization: Basic dTpyZWFsJis=",
        ),
        (
            head("/p?a=1&key=placeholder&b=2", &[]),
            &query,
            "/p?a=1&b=2&key=real%26%2B ",
        ),
        (
            head("/p?k%65y=placeholder", &[]),
            &query,
            "/p?key=real%26%2B ",
        ),
        (
            head("/", &[("cookie", "a=1; sid=placeholder")]),
            &cookie,
            "/ cookie: a=1; sid=real&+",
        ),
        (
            head("/botplaceholder/say?chat=1", &[]),
            &path("/bot"),
            "/botreal&+/say?chat=1 ",
        ),
        (head("/v3/placeholder", &[]), &path("/v3/"), "/v3/real&+ "),
        (head("/placeholder?", &[]), &path("/"), "/real&+? "),
        (
            head("/hooks/T0/B0/placeholder/", &[]),
            &path("/hooks/T0/B0/"),
            "/hooks/T0/B0/real&+/ ",
        ),
    ] {
        assert_eq!(swapped(head, placing).as_deref(), Some(expected));
    }
}

#[test]
fn it_is_taken_out_of_no_other_place() {
    let bearer = header("authorization", "Bearer ");
    let key = header("x-api-key", "");
    let query = Placing::Query { name: "key".into() };
    for (head, placing) in [
        (head("/", &[("authorization", "placeholder")]), &bearer),
        (
            head("/", &[("authorization", "Bearer placeholder2")]),
            &bearer,
        ),
        (head("/", &[("x-other", "Bearer placeholder")]), &bearer),
        (
            head(
                "/",
                &[
                    ("authorization", "Bearer placeholder"),
                    ("authorization", "Bearer x"),
                ],
            ),
            &bearer,
        ),
        (head("/?x-api-key=placeholder", &[]), &key),
        (head("/?other=placeholder", &[]), &query),
        (head("/?key=placeholder&key=placeholder", &[]), &query),
        (head("/xbotplaceholder/say", &[]), &path("/bot")),
        (head("//botplaceholder/say", &[]), &path("/bot")),
        (head("/v1/botplaceholder/say", &[]), &path("/bot")),
        (head("/Botplaceholder/say", &[]), &path("/bot")),
        (head("/%62otplaceholder/say", &[]), &path("/bot")),
        (head("/bot%70laceholder/say", &[]), &path("/bot")),
        (head("/botplaceholder%2Fsay", &[]), &path("/bot")),
        (head("/botplaceholder;x/say", &[]), &path("/bot")),
        (head("/bot/placeholder/say", &[]), &path("/bot")),
        (head("/bot?placeholder", &[]), &path("/bot")),
        (head("/bot", &[]), &path("/bot")),
        (head("/botPLACEHOLDER/say", &[]), &path("/bot")),
        (head("*", &[]), &path("/")),
    ] {
        let before = text(&head);
        assert_eq!(swapped(head, placing), None, "{before}");
    }
    let mut twice = head("/botplaceholder/botplaceholder", &[]);
    let mut none = Bytes::new();
    assert!(take_out(
        &mut twice,
        &mut none,
        &path("/bot"),
        "placeholder"
    ));
    assert_eq!(twice.target, "/botPLACEHOLDER/botplaceholder");
}

/// What looks like no credential, and so was not found, does not pass beside the gate's own or in its place.
#[test]
fn whatever_else_stands_in_the_place_is_written_over() {
    let basic = Placing::Basic { user: "u".into() };
    let query = Placing::Query { name: "key".into() };
    let cookie = Placing::Cookie { name: "sid".into() };
    for (mut head, placing, expected) in [
        (
            head("/", &[("authorization", "Bearer hello")]),
            &header("authorization", "Bearer "),
            "/ authorization: Bearer real",
        ),
        (
            head(
                "/",
                &[("x-key", "hello"), ("x-key", "you"), ("x_key", "all")],
            ),
            &header("x-key", ""),
            "/ x-key: real",
        ),
        (
            head("/", &[("authorization", "Basic dTpoZWxsbw==")]),
            &basic,
            "/ authorization: Basic dTpyZWFs",
        ),
        (
            head("/?key=hello&a=1&&KEY=you&k%65y=all&keys=2&key", &[]),
            &query,
            "/?a=1&keys=2&key=real ",
        ),
        (head("/?", &[]), &query, "/?key=real "),
        (
            head(
                "/",
                &[("cookie", "sid=hello; a=1; sid=you"), ("cookie", "sid=all")],
            ),
            &cookie,
            "/ cookie: a=1; sid=real",
        ),
    ] {
        let told = text(&head);
        let mut none = Bytes::new();
        assert!(!take_out(&mut head, &mut none, placing, "placeholder"));
        put(&mut head, placing, "real").unwrap();
        assert_eq!(text(&head), expected, "{told}");
    }
    // In a path there is no place but the placeholder's own.
    for target in ["/", "/bot", "/bothello/say", "/hello", "/bot%50LACEHOLDER"] {
        let mut head = head(target, &[]);
        assert!(put(&mut head, &path("/bot"), "real").is_err(), "{target}");
        assert_eq!(head.target, target);
    }
}

#[test]
fn what_a_lease_is_known_by_stands_alone() {
    let key = header("x-key", "");
    let query = Placing::Query { name: "key".into() };
    let cookie = Placing::Cookie { name: "sid".into() };
    for (head, placing, found) in [
        (head("/", &[("x-key", "a")]), &key, Some("a")),
        (head("/", &[("x-key", "a"), ("x-key", "b")]), &key, None),
        (head("/?x=1&key=a", &[]), &query, Some("a")),
        (head("/?key=a&Key=b", &[]), &query, None),
        (head("/?KEY=a", &[]), &query, None),
        (head("/", &[("cookie", "x=1; sid=a")]), &cookie, Some("a")),
        (head("/", &[("cookie", "sid=a; sid=a")]), &cookie, None),
        (head("/bota/say", &[]), &path("/bot"), Some("a")),
        (head("/other", &[]), &path("/bot"), None),
    ] {
        let told = text(&head);
        assert_eq!(presented(&head, placing).as_deref(), found, "{told}");
    }
    let json = Placing::Json {
        pointer: "/key".into(),
    };
    assert_eq!(presented(&head("/key", &[]), &json), None);
}

#[test]
fn a_credential_that_would_make_another_header_is_not_put_in() {
    let bearer = header("authorization", "Bearer ");
    assert!(put(&mut head("/", &[]), &bearer, "a\r\nx: y").is_err());
}

#[test]
fn a_credential_in_a_path_is_the_end_of_its_segment() {
    let bot = path("/bot");
    for secret in [
        "123456:AAbb-_",
        "a b",
        "ü世",
        "\"<>?#;&=+,'()*!$~@^`{}|[]",
        "...",
    ] {
        assert_eq!(refuses(&bot, secret), None, "{secret}");
        let mut head = head("/botPLACEHOLDER/say?x=1", &[]);
        put(&mut head, &bot, secret).unwrap();
        let segments: Vec<&str> = head.target.path().split('/').collect();
        let [_, segment, "say"] = segments[..] else {
            panic!("{segments:?}");
        };
        assert!(!segment.contains([';', '?', '#', ' ', '"']), "{segment}");
        let raw: Vec<u8> = url::form_urlencoded::parse(
            format!("v={}", segment.replace('+', "%2B").replace('&', "%26")).as_bytes(),
        )
        .next()
        .map(|(_, v)| v.into_owned().into_bytes())
        .unwrap();
        assert_eq!(String::from_utf8(raw).unwrap(), format!("bot{secret}"));
    }
    for (before, secret) in [
        ("/bot", ""),
        ("/bot", "a/b"),
        ("/bot", "/../x"),
        ("/bot", "a\\b"),
        ("/bot", "a%2fb"),
        ("/bot", "a\nb"),
        ("/v3/", "."),
        ("/v3/", ".."),
        ("/v3/", "..;x"),
        ("/v3/.", "."),
        ("/v3/", ".. "),
    ] {
        let placing = path(before);
        assert!(refuses(&placing, secret).is_some(), "{before}{secret}");
        let mut head = head(&format!("{before}PLACEHOLDER"), &[]);
        assert!(
            put(&mut head, &placing, secret).is_err(),
            "{before}{secret}"
        );
    }
    assert_eq!(refuses(&header("x-key", ""), "a/../b"), None);
}

/// The body after taking out, and after putting in; none if nothing was taken out.
fn in_body(placing: &Placing, body: &str, secret: &str) -> Option<(String, String)> {
    let length = body.len().to_string();
    let mut head = head("/", &[("content-length", &length)]);
    let mut bytes = Bytes::copy_from_slice(body.as_bytes());
    let placeholder = "bsp_placeholder";
    let taken = take_out(&mut head, &mut bytes, placing, placeholder);
    let clean = String::from_utf8(bytes.to_vec()).unwrap();
    if !taken {
        assert_eq!(clean, body, "it stays as it was");
        return None;
    }
    let told = |head: &Head| head.headers["content-length"].to_str().unwrap().to_owned();
    assert_eq!(told(&head), bytes.len().to_string());
    put_in(&mut head, &mut bytes, placing, &Secret::new(secret.into())).unwrap();
    assert_eq!(told(&head), bytes.len().to_string());
    Some((clean, String::from_utf8(bytes.to_vec()).unwrap()))
}

#[test]
fn in_a_body_its_bytes_are_replaced_and_no_others() {
    let json = |pointer: &str| Placing::Json {
        pointer: pointer.into(),
    };
    let form = Placing::Form { name: "key".into() };
    for (placing, body, clean, sent) in [
        (
            json("/key"),
            "{ \"a\":1.0,\n\"key\" : \"bsp_placeholder\" }\n",
            "{ \"a\":1.0,\n\"key\" : \"PLACEHOLDER\" }\n",
            "{ \"a\":1.0,\n\"key\" : \"r\\\"/\\\\&\\u00fc\\ud83d\\ude00\" }\n",
        ),
        (
            json("/key"),
            r#"{"k\u0065y":"\u0062sp_placeholder"}"#,
            r#"{"k\u0065y":"PLACEHOLDER"}"#,
            r#"{"k\u0065y":"r\"/\\&\u00fc\ud83d\ude00"}"#,
        ),
        (
            json("/params/0"),
            r#"{"params":["bsp_placeholder",["x"]]}"#,
            r#"{"params":["PLACEHOLDER",["x"]]}"#,
            r#"{"params":["r\"/\\&\u00fc\ud83d\ude00",["x"]]}"#,
        ),
        (
            form.clone(),
            "a=1+2&key=bsp_placeholder&b=%20",
            "a=1+2&key=PLACEHOLDER&b=%20",
            "a=1+2&key=r%22%2F%5C%26%C3%BC%F0%9F%98%80&b=%20",
        ),
        (
            form.clone(),
            "k%65y=%62sp_placeholder",
            "k%65y=PLACEHOLDER",
            "k%65y=r%22%2F%5C%26%C3%BC%F0%9F%98%80",
        ),
    ] {
        let done = in_body(&placing, body, "r\"/\\&ü😀");
        let wanted = (clean.to_owned(), sent.to_owned());
        assert_eq!(done, Some(wanted), "{body}");
    }
}

#[test]
fn in_a_body_it_is_taken_out_of_no_other_place() {
    let json = Placing::Json {
        pointer: "/key".into(),
    };
    let form = Placing::Form { name: "key".into() };
    for (placing, body) in [
        (&json, r#"{"key":"bsp_placeholder2"}"#),
        (&json, r#"{"key":"Bearer bsp_placeholder"}"#),
        (&json, r#"{"key":"PLACEHOLDER","x":"bsp_placeholder"}"#),
        (&json, r#"{"key":["bsp_placeholder"]}"#),
        (&json, r#"{"bsp_placeholder":"key"}"#),
        (&json, r#"[{"key":"bsp_placeholder"}]"#),
        (&json, r#"{"key":"hello","key":"bsp_placeholder"}"#),
        (&json, r#"{"key":"bsp_placeholder","KEY":"hello"}"#),
        (&json, r#"{"key":"bsp_placeholder"} {"key":"hello"}"#),
        (&json, "key=bsp_placeholder"),
        (&json, ""),
        (&form, "key=bsp_placeholder2"),
        (&form, "key=PLACEHOLDER&x=bsp_placeholder"),
        (&form, "key=bsp_placeholder&key=hello"),
        (&form, "key=bsp_placeholder&key[]=hello"),
        (&form, "Key=hello&key=bsp_placeholder"),
        (&form, r#"{"key":"bsp_placeholder"}"#),
        (&form, ""),
    ] {
        assert_eq!(in_body(placing, body, "real"), None, "{body}");
    }
    // What is compressed is not what it says.
    let mut encoded = head("/", &[("content-encoding", "gzip")]);
    let mut bytes = Bytes::from_static(b"key=bsp_placeholder");
    assert!(!take_out(
        &mut encoded,
        &mut bytes,
        &form,
        "bsp_placeholder"
    ));
    // And nothing is put where nothing was taken out.
    for body in ["key=hello", "x=1", "key=PLACEHOLDER&key=PLACEHOLDER"] {
        let mut bytes = Bytes::copy_from_slice(body.as_bytes());
        let real = Secret::new("real".to_owned());
        assert!(put_in(&mut head("/", &[]), &mut bytes, &form, &real).is_err());
        assert_eq!(bytes, body);
    }
}

proptest::proptest! {
    /// Whatever a credential is made of, the server reads it as it is, and the rest as it was.
    #[test]
    fn a_credential_is_read_as_it_is(secret in "\\PC{1,80}|[\"\\\\/&=%+\u{0}-\u{1f}ü😀]{1,600}", other in "\\PC{0,20}") {
        let json = Placing::Json { pointer: "/a/key".into() };
        let body = serde_json::json!({ "b": other, "a": { "key": "bsp_placeholder" } }).to_string();
        let (_, sent) = in_body(&json, &body, &secret).unwrap();
        proptest::prop_assert!(sent.is_ascii() || !other.is_ascii());
        let read: serde_json::Value = serde_json::from_str(&sent).unwrap();
        proptest::prop_assert_eq!(read, serde_json::json!({ "b": other, "a": { "key": secret } }));
        let form = Placing::Form { name: "key".into() };
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("b", &other)
            .append_pair("key", "bsp_placeholder")
            .finish();
        let (_, sent) = in_body(&form, &body, &secret).unwrap();
        let read: Vec<(String, String)> = url::form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
        proptest::prop_assert_eq!(read, [("b".to_owned(), other), ("key".to_owned(), secret)]);
    }
}
