//! Roads past the door, as an attacker would try them. Each must end in the credential being seen, whole or encoded.

use super::*;

#[test]
fn no_road_leads_past() {
    let github = github();
    let uuid = UUID.to_owned();
    let json = "POST https://api.test.dev/x\nContent-Type: application/json\n\n";
    let get = "GET https://api.test.dev/";
    let escaped: String = github
        .bytes()
        .map(|byte| format!("\\u{byte:04x}"))
        .collect();
    let entities: String = github.bytes().map(|byte| format!("&#{byte};")).collect();
    let nested = serde_json::to_string(&format!("{{\"token\":\"{uuid}\"}}")).unwrap();
    let twice = serde_json::to_string(&format!("{{\"a\":{nested}}}")).unwrap();
    let rows: Vec<(&str, String)> = vec![
        (
            "a header that sounds harmless",
            format!("{get}\nX-Request-Id: {github}"),
        ),
        ("traceparent", format!("{get}\ntraceparent: {github}")),
        ("baggage", format!("{get}\nbaggage: user={github},a=b")),
        ("user agent", format!("{get}\nUser-Agent: curl/8 {github}")),
        (
            "referer",
            format!("{get}\nReferer: https://x.dev/?token={uuid}"),
        ),
        (
            "a URL with a user in the referer",
            format!("{get}\nReferer: https://a:k3Yp9QxLw@x.dev/"),
        ),
        ("the name of a header", format!("{get}\n{github}: 1")),
        (
            "content type",
            format!("{get}\nContent-Type: text/plain; x={github}"),
        ),
        ("accept", format!("{get}\nAccept: {github}")),
        (
            "if-none-match",
            format!("{get}\nIf-None-Match: \"{github}\""),
        ),
        (
            "idempotency key",
            format!("{get}\nIdempotency-Key: {github}"),
        ),
        (
            "user metadata of S3",
            format!("{get}\nx-amz-meta-a: {github}"),
        ),
        (
            "an analytics cookie",
            format!("{get}\nCookie: _ga={github}"),
        ),
        (
            "a cookie without a name",
            format!("{get}\nCookie: {github}"),
        ),
        (
            "a second cookie header",
            format!("{get}\nCookie: a=b\nCookie: sid={uuid}"),
        ),
        ("a csrf header", format!("{get}\nX-CSRF-Token: {github}")),
        (
            "a header in base64",
            format!("{get}\nX-A: {}", base64(&github)),
        ),
        (
            "a header in base64 twice",
            format!("{get}\nX-A: {}", base64(&base64(&github))),
        ),
        (
            "a harmless header in base64",
            format!("{get}\nX-Request-Id: {}", base64(&github)),
        ),
        (
            "a header in hex",
            format!("{get}\nX-Trace-Id: {}", hex(&github)),
        ),
        (
            "a header percent-encoded",
            format!("{get}\nX-Request-Id: {}", percent(&github)),
        ),
        (
            "a header percent-encoded twice",
            format!("{get}\nX-Request-Id: {}", percent(&percent(&github))),
        ),
        (
            "JSON in base64 in a header",
            format!(
                "{get}\nX-Request-Id: {}",
                base64(&format!("{{\"token\":\"{uuid}\"}}"))
            ),
        ),
        (
            "registry's auth",
            format!(
                "{get}\nX-Registry-Auth: {}",
                base64("{\"username\":\"a\",\"password\":\"k3Yp9QxL\"}")
            ),
        ),
        (
            "JSON in a header",
            format!("{get}\nDropbox-API-Arg: {{\"token\":\"{uuid}\"}}"),
        ),
        (
            "a scheme of its own",
            format!("{get}\nAuthorization: Railway {uuid}"),
        ),
        (
            "no space after the scheme",
            format!("{get}\nAuthorization: Bearer:{uuid}"),
        ),
        (
            "a wide space after the scheme",
            format!("{get}\nAuthorization: Bearer\u{a0}{uuid}"),
        ),
        (
            "basic without a colon",
            format!("{get}\nAuthorization: Basic {}", base64(&uuid)),
        ),
        (
            "basic with a user only",
            format!(
                "{get}\nAuthorization: Basic {}",
                base64(&format!("{uuid}:"))
            ),
        ),
        (
            "basic, url-safe and without padding",
            format!(
                "{get}\nAuthorization: Basic {}",
                base64(&format!("a:{uuid}")).trim_end_matches('=')
            ),
        ),
        (
            "a token for the user, anything for the password",
            format!(
                "{get}\nAuthorization: Basic {}",
                base64(&format!("{uuid}:placeholder"))
            ),
        ),
        (
            "behind a signature of AWS",
            format!(
                "{get}\nAuthorization: AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=h, Signature=ab, {github}"
            ),
        ),
        (
            "a parameter that sounds harmless",
            format!("{get}?page={github}"),
        ),
        ("the name of a parameter", format!("{get}?{github}")),
        (
            "a parameter percent-encoded twice more",
            format!("{get}?page={}", percent(&percent(&percent(&github)))),
        ),
        (
            "a parameter in base64",
            format!("{get}?state={}", percent(&base64(&github))),
        ),
        (
            "an address in a parameter",
            format!("{get}?next=https%3A%2F%2Fx.dev%2F%3Faccess_token%3D{uuid}"),
        ),
        (
            "a parameter behind a semicolon",
            format!("{get}?a=1;token={uuid}"),
        ),
        (
            "JSON that says it is a form",
            format!(
                "POST https://x.dev/\nContent-Type: application/x-www-form-urlencoded\n\n{{\"a\":\"b=c&d\",\"token\":\"{uuid}\"}}"
            ),
        ),
        (
            "a policy for an upload",
            format!(
                "POST https://b.s3.amazonaws.com/\nContent-Type: multipart/form-data\n\nkey|||a\nX-Amz-Signature|||{uuid}"
            ),
        ),
        ("a path segment", format!("{get}a/{github}")),
        (
            "a path segment percent-encoded twice",
            format!("{get}a/{}", percent(&percent(&github))),
        ),
        (
            "a path segment in base64",
            format!("{get}a/{}", base64(&github).replace('/', "_")),
        ),
        ("a matrix parameter", format!("{get}a;token={uuid}/b")),
        ("the method", format!("{github} https://api.test.dev/")),
        (
            "the host",
            format!("GET https://{}.test.dev/", github.replace("ghp_", "glpat-")),
        ),
        (
            "a webhook of Discord",
            format!("POST https://discord.com/api/webhooks/123456789012345678/{DRAWN}{DRAWN}"),
        ),
        (
            "a webhook of Slack",
            "POST https://hooks.slack.com/services/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"
                .to_owned(),
        ),
        (
            "a subprotocol",
            format!("{get}\nSec-WebSocket-Protocol: chat, {uuid}"),
        ),
        (
            "a subprotocol with a mark",
            format!("{get}\nSec-WebSocket-Protocol: bearer.{uuid}"),
        ),
        (
            "a subprotocol in base64",
            format!("{get}\nSec-WebSocket-Protocol: {}", base64(&github)),
        ),
        (
            "metadata",
            format!(
                "{get}\nContent-Type: application/grpc\nx-trace-bin: {}",
                base64(&github)
            ),
        ),
        (
            "metadata with a name that says so",
            format!("{get}\nauthorization-bin: {}", base64(&uuid)),
        ),
        ("a JSON key", format!("{json}{{\"{github}\":1}}")),
        (
            "a JSON key in front of an object",
            format!("{json}{{\"{github}\":{{}}}}"),
        ),
        (
            "escapes in JSON",
            format!("{json}{{\"note\":\"{escaped}\"}}"),
        ),
        (
            "escapes that stay escapes",
            format!(
                "{json}{{\"note\":{}}}",
                serde_json::to_string(&escaped).unwrap()
            ),
        ),
        ("JSON in JSON", format!("{json}{{\"a\":{nested}}}")),
        ("JSON in JSON in JSON", format!("{json}{{\"a\":{twice}}}")),
        (
            "JSON in base64 in JSON",
            format!(
                "{json}{{\"a\":\"{}\"}}",
                base64(&format!("{{\"token\":\"{uuid}\"}}"))
            ),
        ),
        (
            "a data URL",
            format!(
                "{json}{{\"a\":\"data:text/plain;base64,{}\"}}",
                base64(&github)
            ),
        ),
        (
            "hex in JSON",
            format!("{json}{{\"a\":\"{}\"}}", hex(&github)),
        ),
        (
            "base64 in lines",
            format!(
                "{json}{{\"a\":\"{}\\n{}\"}}",
                &base64(&github)[..20],
                &base64(&github)[20..]
            ),
        ),
        (
            "a name beside its value",
            format!("{json}{{\"variables\":[{{\"name\":\"API_TOKEN\",\"value\":\"{uuid}\"}}]}}"),
        ),
        (
            "headers in a body",
            format!("{json}{{\"headers\":{{\"Authorization\":\"Bearer {uuid}\"}}}}"),
        ),
        (
            "headers in a body, as pairs",
            format!(
                "{json}{{\"headers\":[{{\"name\":\"Authorization\",\"value\":\"Bearer {uuid}\"}}]}}"
            ),
        ),
        (
            "cookies in a body",
            format!("{json}{{\"Cookie\":\"session={uuid}\"}}"),
        ),
        (
            "an address in a body",
            format!("{json}{{\"url\":\"https://x.dev/a?access_token={uuid}\"}}"),
        ),
        (
            "a batch's address",
            format!("{json}[{{\"relative_url\":\"/me?access_token={uuid}\"}}]"),
        ),
        (
            "a scheme under any name",
            format!("{json}{{\"h\":\"Bearer {uuid}\"}}"),
        ),
        (
            "a password that is a number",
            format!("{json}{{\"password\":12345678}}"),
        ),
        (
            "a connection string",
            format!("{json}{{\"dsn\":\"postgres://app:k3Yp9QxL@db/shop\"}}"),
        ),
        (
            "a GraphQL argument",
            format!("{json}{{\"query\":\"mutation{{login(token:\\\"{uuid}\\\"){{id}}}}\"}}"),
        ),
        (
            "a GraphQL argument, escaped",
            format!(
                "{json}{{\"query\":\"mutation{{login(token:\\\"\\\\u0033{}\\\"){{id}}}}\"}}",
                &uuid[1..]
            ),
        ),
        (
            "a GraphQL block string",
            format!(
                "{json}{{\"query\":\"mutation{{login(token:\\\"\\\"\\\"{uuid}\\\"\\\"\\\"){{id}}}}\"}}"
            ),
        ),
        (
            "a GraphQL variable of another name",
            format!(
                "{json}{{\"query\":\"mutation($x:String!){{login(input:{{apiKey:$x}}){{id}}}}\",\"variables\":{{\"x\":\"{uuid}\"}}}}"
            ),
        ),
        (
            "a GraphQL variable by its name",
            format!(
                "{json}{{\"query\":\"query{{a}}\",\"variables\":{{\"accessToken\":\"{uuid}\"}}}}"
            ),
        ),
        (
            "GraphQL in a batch",
            format!(
                "{json}[{{\"query\":\"{{a}}\"}},{{\"query\":\"{{a(token:\\\"{uuid}\\\")}}\"}}]"
            ),
        ),
        (
            "GraphQL by GET",
            format!("{get}?query={}", percent(&format!("{{a(b:\"{github}\")}}"))),
        ),
        (
            "GraphQL as such",
            format!(
                "POST https://x.dev/\nContent-Type: application/graphql\n\n{{a(token:\"{uuid}\")}}"
            ),
        ),
        (
            "GraphQL as a form",
            format!(
                "POST https://x.dev/\nContent-Type: application/x-www-form-urlencoded\n\nquery={}&variables={}",
                percent("query($x:String){a(token:$x)}"),
                percent(&format!("{{\"x\":\"{uuid}\"}}"))
            ),
        ),
        (
            "JSON that says it is text",
            format!("POST https://x.dev/\nContent-Type: text/plain\n\n{{\"token\":\"{uuid}\"}}"),
        ),
        (
            "JSON that says nothing",
            format!("POST https://x.dev/\n\n{{\"token\":\"{uuid}\"}}"),
        ),
        (
            "a form that says it is text",
            format!("POST https://x.dev/\nContent-Type: text/plain\n\na=b&token={uuid}"),
        ),
        (
            "lines of JSON",
            format!(
                "POST https://x.dev/\nContent-Type: application/x-ndjson\n\n{{\"a\":1}}\n{{\"token\":\"{uuid}\"}}"
            ),
        ),
        (
            "a text that is a token",
            format!("POST https://x.dev/\nContent-Type: text/plain\n\n{DRAWN}"),
        ),
        (
            "a text with a setting",
            format!(
                "POST https://x.dev/\nContent-Type: text/plain\n\nplease use\napi_token = {DRAWN}\n"
            ),
        ),
        (
            "a form's field with brackets",
            "POST https://x.dev/\nContent-Type: application/x-www-form-urlencoded\n\nuser[password]=sunshine".to_owned(),
        ),
        (
            "the name of a form's field",
            format!(
                "POST https://x.dev/\nContent-Type: application/x-www-form-urlencoded\n\n{github}=1"
            ),
        ),
        (
            "a part",
            format!("POST https://x.dev/\nContent-Type: multipart/form-data\n\nnote|||{github}"),
        ),
        (
            "a part with JSON",
            format!(
                "POST https://x.dev/\nContent-Type: multipart/form-data\n\nmeta|m.json|application/json|{{\"token\":\"{uuid}\"}}"
            ),
        ),
        (
            "a part's file name",
            format!(
                "POST https://x.dev/\nContent-Type: multipart/form-data\n\nnote|{github}|text/plain|x"
            ),
        ),
        (
            "a part's name",
            format!("POST https://x.dev/\nContent-Type: multipart/form-data\n\n{github}|||x"),
        ),
        (
            "XML with entities",
            format!("POST https://x.dev/\nContent-Type: application/xml\n\n<a>{entities}</a>"),
        ),
        (
            "XML in CDATA",
            "POST https://x.dev/\nContent-Type: application/xml\n\n<a><Password><![CDATA[k3Yp9QxL]]></Password></a>".to_owned(),
        ),
        (
            "an attribute of XML",
            format!("POST https://x.dev/\nContent-Type: application/xml\n\n<a token=\"{uuid}\"/>"),
        ),
        (
            "a comment in XML",
            format!(
                "POST https://x.dev/\nContent-Type: application/xml\n\n<a><!-- {github} --></a>"
            ),
        ),
        (
            "a namespace in XML",
            "POST https://x.dev/\nContent-Type: application/xml\n\n<s:a xmlns:s=\"u\"><s:Password>k3Yp9QxL</s:Password></s:a>".to_owned(),
        ),
        (
            "bytes",
            format!(
                "POST https://x.dev/\nContent-Type: application/octet-stream\n\n\u{1}\u{2}{github}\u{3}"
            ),
        ),
        (
            "a git push option",
            format!(
                "POST https://x.dev/r.git/git-receive-pack\nContent-Type: application/x-git-receive-pack-request\n\n0032push-option={github}\n0000"
            ),
        ),
        (
            "a large body",
            format!(
                "{json}{{\"a\":\"{} {github} \"}}",
                "words and more words. ".repeat(9000)
            ),
        ),
        (
            "an assertion",
            format!(
                "POST https://x.dev/t\nContent-Type: application/x-www-form-urlencoded\n\nassertion={}",
                jwt()
            ),
        ),
        ("DPoP", format!("{get}\nDPoP: {}", jwt())),
    ];
    for (road, request) in rows {
        let found = carried(&request);
        let seen = found.presented.iter().any(|one| {
            let value = one.value.reveal();
            [&github, &uuid, &jwt()].contains(&value)
                || value.contains(DRAWN)
                || value.contains("kT9vQ2mLx8ZbN4rW7yHc3JpD")
                || value == "glpat-kt9vq2mlx8zbn4rw7yhc"
                || value.starts_with("k3Yp9QxL")
                || ["12345678", "sunshine"].contains(&value.as_str())
                || value.contains(&uuid)
                || [base64(&github), base64(&base64(&github))].contains(value)
                || value.ends_with(&base64("{\"username\":\"a\",\"password\":\"k3Yp9QxL\"}"))
        });
        assert!(seen, "{road}: {:?}", told(&request));
    }
}

#[test]
fn a_request_made_to_be_slow_ends_and_is_not_called_whole() {
    let started = std::time::Instant::now();
    let slow = "token: eyJ".repeat(20_000);
    let found = carried(&format!(
        "POST https://x.dev/\nContent-Type: application/json\n\n{{\"a\":\"{slow}\"}}"
    ));
    assert!(found.presented.is_empty() || found.missed.is_some());
    assert!(started.elapsed().as_secs() < 60);
}
