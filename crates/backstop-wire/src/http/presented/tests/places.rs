//! Every place that a credential is made for, and what is told of it.

use super::*;

/// Of each request exactly these credentials, by their place.
#[test]
fn a_credential_is_read_where_it_belongs() {
    let github = github();
    let rows: &[(&str, &[&str])] = &[
        (
            "GET https://api.test.dev/\nAuthorization: Bearer UUID",
            &["header authorization bearer = UUID"],
        ),
        (
            "GET https://api.test.dev/\nauthorization: bearer    x",
            &["header authorization bearer = x"],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: BEARER\tabc",
            &["header authorization bearer = abc"],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: UUID",
            &["header authorization = UUID"],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Token GITHUB",
            &["header authorization token = GITHUB"],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Bearer one\nAuthorization: Bearer two",
            &[
                "header authorization bearer = one",
                "header authorization bearer = two",
            ],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Bearer one, Bearer two",
            &["header authorization bearer = one, Bearer two"],
        ),
        // agent:k3Yp9QxL
        (
            "GET https://git.test.dev/r.git/info/refs?service=git-upload-pack\nAuthorization: Basic YWdlbnQ6azNZcDlReEw=",
            &["header authorization password = k3Yp9QxL"],
        ),
        // UUID:
        (
            "GET https://api.test.dev/\nAuthorization: Basic M2YwYzhiMWUtN2Y0ZC00YTZmLTlhNTItMGQ1ZTNjMWIyYTQ5Og==",
            &["header authorization user = UUID"],
        ),
        // UUID:x-oauth-basic
        (
            "GET https://api.test.dev/\nAuthorization: Basic M2YwYzhiMWUtN2Y0ZC00YTZmLTlhNTItMGQ1ZTNjMWIyYTQ5Ongtb2F1dGgtYmFzaWM=",
            &[
                "header authorization password = x-oauth-basic",
                "header authorization user = UUID",
            ],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Basic not*base64",
            &["header authorization basic = not*base64"],
        ),
        (
            "GET https://api.test.dev/\nProxy-Authorization: Basic YWdlbnQ6azNZcDlReEw=",
            &["proxy password = k3Yp9QxL"],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Negotiate YIIJvwYGKwYBBQUCoIIJszCC",
            &["header authorization negotiate = YIIJvwYGKwYBBQUCoIIJszCC"],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: NTLM TlRMTVNTUAABAAAA",
            &["header authorization ntlm = TlRMTVNTUAABAAAA"],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Digest username=\"u\", response=\"0123\"",
            &["header authorization digest = username=\"u\", response=\"0123\""],
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Hobbit a b",
            &["header authorization hobbit = a b"],
        ),
        (
            "GET https://s3.amazonaws.com/b/k\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAQ3EGZL7XN5WTRVBK/20260425/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024",
            &[
                "header authorization keyid = AKIAQ3EGZL7XN5WTRVBK",
                "header authorization signature = fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024",
            ],
        ),
        (
            "GET https://s3.amazonaws.com/b/k\nAuthorization: AWS AKIAQ3EGZL7XN5WTRVBK:frJIUN8DYpKDtOLCwo//yllqDzg=",
            &[
                "header authorization keyid = AKIAQ3EGZL7XN5WTRVBK",
                "header authorization signature = frJIUN8DYpKDtOLCwo//yllqDzg=",
            ],
        ),
        (
            "GET https://api.test.dev/\nX-Api-Key: abc",
            &["header x-api-key = abc"],
        ),
        (
            "GET https://api.test.dev/\napikey: UUID",
            &["header apikey = UUID"],
        ),
        (
            "GET https://api.test.dev/\nPRIVATE-TOKEN: abc",
            &["header private-token = abc"],
        ),
        (
            "GET https://api.test.dev/\nX-Auth-Token: abc",
            &["header x-auth-token = abc"],
        ),
        (
            "GET https://api.test.dev/\nX-Vault-Token: hvs.x",
            &["header x-vault-token = hvs.x"],
        ),
        (
            "GET https://api.test.dev/\nProject-Access-Token: UUID",
            &["header project-access-token = UUID"],
        ),
        (
            "GET https://api.test.dev/\nX-Acme-Secret: zzz9",
            &["header x-acme-secret = zzz9"],
        ),
        (
            "GET https://api.test.dev/\nX-Forwarded-Authorization: Bearer x",
            &["header x-forwarded-authorization bearer = x"],
        ),
        (
            "GET https://api.test.dev/\nX-Acme: DRAWN",
            &["header x-acme = DRAWN"],
        ),
        (
            "GET https://api.test.dev/\nX-Acme: v=1; k=DRAWN",
            &["header x-acme = DRAWN"],
        ),
        (
            "GET https://agent:k3Yp9QxL@api.test.dev/",
            &["userinfo password = k3Yp9QxL"],
        ),
        ("GET https://UUID@api.test.dev/", &["userinfo user = UUID"]),
        (
            "GET https://api.test.dev/?access_token=UUID",
            &["query access_token = UUID"],
        ),
        (
            "GET https://api.test.dev/?api_key=abc12&x=1",
            &["query api_key = abc12"],
        ),
        (
            "GET https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAQ3EGZL7XN5WTRVBK%2F20260425%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260425T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027d0",
            &[
                "query X-Amz-Credential presigned = AKIAQ3EGZL7XN5WTRVBK",
                "query X-Amz-Signature presigned = fe5f80f77d5fa3beca038a248ff027d0",
            ],
        ),
        (
            "GET https://storage.googleapis.com/b/k?X-Goog-Credential=agent%40p.iam.gserviceaccount.com%2F20260425%2Fauto%2Fstorage%2Fgoog4_request&X-Goog-Signature=0a1b2c",
            &[
                "query X-Goog-Credential presigned = agent@p.iam.gserviceaccount.com",
                "query X-Goog-Signature presigned = 0a1b2c",
            ],
        ),
        (
            "GET https://a.blob.core.windows.net/c/b?sv=2024-11-04&sp=r&sig=q7Zp%2BA%3D",
            &["query sig presigned = q7Zp+A="],
        ),
        (
            "GET https://d1.cloudfront.net/x?Expires=1&Signature=abc~def__&Key-Pair-Id=K2JCJMDEHXQW5F",
            &[
                "query Signature presigned = abc~def__",
                "query Key-Pair-Id presigned = K2JCJMDEHXQW5F",
            ],
        ),
        (
            "GET https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1/getMe",
            &["path 0 = 123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"],
        ),
        (
            "GET https://api.test.dev/download/GITHUB/x",
            &["path 1 = GITHUB"],
        ),
        ("GET https://api.test.dev/token/DRAWN", &["path 1 = DRAWN"]),
        (
            "GET https://api.test.dev/a;jsessionid=0A1B2C3D",
            &["path 0 = 0A1B2C3D"],
        ),
        (
            "GET https://api.test.dev/\nCookie: theme=dark; session=abcd1234; lang=en",
            &["cookie session = abcd1234"],
        ),
        (
            "GET https://api.test.dev/\nCookie: connect.sid=s%3Aabc.def",
            &["cookie connect.sid = s%3Aabc.def"],
        ),
        (
            "GET https://api.test.dev/\nCookie: JSESSIONID=ABCD; __Secure-next-auth.session-token=xyz1",
            &[
                "cookie JSESSIONID = ABCD",
                "cookie __Secure-next-auth.session-token = xyz1",
            ],
        ),
        (
            "GET https://api.test.dev/\nCookie: prefs=DRAWN",
            &["cookie prefs = DRAWN"],
        ),
        // The token of a service account
        (
            "GET https://k8s.test.dev/exec\nSec-WebSocket-Protocol: v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.M2YwYzhiMWUtN2Y0ZC00YTZm",
            &["subprotocol = 3f0c8b1e-7f4d-4a6f"],
        ),
        (
            "GET https://ws.test.dev/\nSec-WebSocket-Protocol: access_token, UUID",
            &["subprotocol = UUID"],
        ),
        (
            "GET https://ws.test.dev/\nSec-WebSocket-Protocol: realtime, openai-insecure-api-key.DRAWN",
            &["subprotocol = DRAWN"],
        ),
        (
            "GET https://ws.test.dev/\nSec-WebSocket-Protocol: graphql-ws, DRAWN",
            &["subprotocol = DRAWN"],
        ),
        (
            "POST https://grpc.test.dev/a.B/C\nContent-Type: application/grpc\nx-token-bin: M2YwYzhiMWUtN2Y0ZA",
            &["metadata x-token-bin = 3f0c8b1e-7f4d"],
        ),
        (
            "POST https://api.test.dev/\nContent-Type: application/json\n\n{\"user\":\"a\",\"password\":\"sunshine\"}",
            &["body /password = sunshine"],
        ),
        (
            "POST https://api.test.dev/\nContent-Type: application/json\n\n{\"input\":{\"apiToken\":\"UUID\"}}",
            &["body /input/apiToken = UUID"],
        ),
        (
            "POST https://api.test.dev/\nContent-Type: application/json\n\n[{\"a/b\":{\"secret\":[\"DRAWN\"]}}]",
            &["body /0/a~1b/secret/0 = DRAWN"],
        ),
        (
            "POST https://api.test.dev/\nContent-Type: application/json\n\n\"GITHUB\"",
            &["body  = GITHUB"],
        ),
        (
            "POST https://id.test.dev/token\nContent-Type: application/x-www-form-urlencoded\n\ngrant_type=refresh_token&refresh_token=abc&client_id=x",
            &["body /refresh_token = abc"],
        ),
        (
            "POST https://id.test.dev/token\nContent-Type: application/x-www-form-urlencoded\n\ngrant_type=authorization_code&code=SplxlO",
            &["body /code = SplxlO"],
        ),
        (
            "POST https://api.test.dev/\nContent-Type: multipart/form-data\n\ntoken|||UUID",
            &["body /token = UUID"],
        ),
        (
            "POST https://api.test.dev/\nContent-Type: application/xml\n\n<a><Password>k3Yp9QxL</Password><b secretKey=\"DRAWN\"/></a>",
            &["body /Password = k3Yp9QxL", "body /b = DRAWN"],
        ),
        (
            "POST https://api.test.dev/\nContent-Type: application/cbor\n\n{\"token\":\"UUID\"}",
            &["body /token = UUID"],
        ),
        (
            "POST https://api.test.dev/\nContent-Type: application/yaml\n\nuser: a\napi_key: DRAWN\n",
            &["body  = DRAWN"],
        ),
        (
            "GET https://api.test.dev/\nX-GitHub-Token: abcd\nnpm-otp: 123456",
            &["header x-github-token = abcd", "header npm-otp = 123456"],
        ),
    ];
    for (request, expected) in rows {
        let fill = |text: &str| {
            text.replace("UUID", UUID)
                .replace("DRAWN", DRAWN)
                .replace("GITHUB", &github)
        };
        let expected: Vec<String> = expected.iter().map(|text| fill(text)).collect();
        assert_eq!(told(&fill(request)), expected, "{request}");
    }
}

#[test]
fn it_is_told_what_a_credential_is() {
    let kind = |request: &str| {
        let found = carried(
            &request
                .replace("UUID", UUID)
                .replace("GITHUB", &github())
                .replace("JWT", &jwt()),
        );
        let one = found.presented.first().cloned();
        one.and_then(|one| Some((one.kind?, one.why)))
    };
    for (request, expected, why) in [
        (
            "POST https://backboard.railway.com/graphql/v2\nAuthorization: Bearer UUID",
            "railway.token",
            Why::Position,
        ),
        (
            "POST https://backboard.railway.com/graphql/v2\nProject-Access-Token: UUID",
            "railway.project",
            Why::Position,
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Bearer GITHUB",
            "github.classic",
            Why::Position,
        ),
        (
            "GET https://backboard.railway.com/\nAuthorization: Bearer GITHUB",
            "github.classic",
            Why::Position,
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Bearer JWT",
            "token.jwt",
            Why::Position,
        ),
        (
            "GET https://api.test.dev/GITHUB",
            "github.classic",
            Why::Rule,
        ),
        (
            "GET https://api.test.dev/\nPrivate-Token: abcdefgh1",
            "gitlab.token",
            Why::Position,
        ),
        (
            "GET https://api.test.dev/\nAuthorization: Basic YWdlbnQ6azNZcDlReEw=",
            "password.http",
            Why::Position,
        ),
        (
            "POST https://api.test.dev/\nContent-Type: application/json\n\n{\"url\":\"postgres://app:k3Yp9QxL@db/shop\"}",
            "postgres.password",
            Why::Rule,
        ),
        (
            "GET https://b.s3.amazonaws.com/?X-Amz-Signature=ab&X-Amz-Credential=ASIAQ3EGZL7XN5WTRVBK/x",
            "",
            Why::Position,
        ),
    ] {
        let found = kind(request);
        if expected.is_empty() {
            assert_eq!(found, None, "{request}");
        } else {
            assert_eq!(found, Some((expected.to_owned(), why)), "{request}");
        }
    }
}

#[test]
fn nothing_shows_a_credential() {
    let found = carried(&format!(
        "GET https://api.test.dev/?token={UUID}\nAuthorization: Bearer {}",
        github()
    ));
    assert_eq!(found.presented.len(), 2);
    let shown = format!("{found:?}");
    assert!(
        !shown.contains(UUID) && !shown.contains(&github()),
        "{shown}"
    );
}

#[test]
fn what_is_not_looked_through_is_said() {
    let engine = Engine::shared().unwrap();
    let mut sheet = Sheet::new(engine, "x");
    let streamed = Body::Streamed {
        media_type: String::new(),
        length: None,
    };
    body::read(&mut sheet, &streamed);
    assert!(sheet.finish().missed.is_some());
    let deep = format!(
        "POST https://x.dev/\nContent-Type: application/json\n\n{}1{}",
        "[".repeat(120),
        "]".repeat(120)
    );
    assert_eq!(carried(&deep), Credentials::default());
    let mut sheet = Sheet::new(engine, "x");
    let grpc = Body::Bytes {
        media_type: "application/grpc+proto".to_owned(),
        bytes: Carried(vec![1, 0, 0, 0, 0]),
    };
    body::read(&mut sheet, &grpc);
    assert!(sheet.finish().missed.is_some());
}

#[test]
fn a_first_message_may_log_in() {
    let engine = Engine::shared().unwrap();
    let message = format!(
        "{{\"type\":\"connection_init\",\"payload\":{{\"Authorization\":\"Bearer {UUID}\"}}}}"
    );
    let found = presented_in_message(engine, "backboard.railway.com", message.as_bytes());
    assert_eq!(found.presented.len(), 1);
    assert_eq!(found.presented[0].value.reveal(), UUID);
    assert_eq!(found.presented[0].kind.as_deref(), Some("railway.token"));
    assert!(
        presented_in_message(engine, "x", b"{\"type\":\"ping\"}")
            .presented
            .is_empty()
    );
}

/// A known secret that was cut in two is one, by way of the request's values.
#[test]
fn values_are_given_in_their_order() {
    let known = crate::secrets::Known::new([(7, Secret::new(DRAWN.to_owned()))]).unwrap();
    let (one, two) = DRAWN.split_at(11);
    let request = Request {
        method: "POST".to_owned(),
        scheme: Scheme::Https,
        host: "x.dev".to_owned(),
        port: 443,
        raw_path: String::new(),
        segments: vec![],
        query: vec![],
        headers: vec![],
        body: Body::Json(serde_json::json!({ "a": two })),
    };
    let headers = [("x-a", one.as_bytes()), ("x-b", &b"gzip"[..])];
    let raw = Raw {
        method: "POST",
        version: Version::Http2,
        scheme: Scheme::Https,
        authority: None,
        target: "/",
        headers: &headers,
        tls_name: None,
        tunnel: None,
        reverse: None,
        body: RawBody::Absent,
    };
    let values = values(&request, &raw);
    let values: Vec<&[u8]> = values.iter().map(AsRef::as_ref).collect();
    assert_eq!(known.across(&values)[0].id, &7);
}
