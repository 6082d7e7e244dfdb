//! What clients in use send: none of it may be refused.

use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::http::{Carried, Part};

#[track_caller]
fn reads(sent: &Sent) -> Request {
    sent.read()
        .unwrap_or_else(|refusal| panic!("{}: {refusal}", sent.head))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn curl() {
    let request = reads(&Sent::new(
        "GET /v1/volumes/4f2c?limit=10&q=a%20b+c\nHost: api.example.com\nUser-Agent: curl/8.5.0\nAccept: */*\n\
         Authorization: Bearer placeholder",
    ));
    assert_eq!(
        (request.method.as_str(), request.host.as_str(), request.port),
        ("GET", "api.example.com", 443)
    );
    assert_eq!(request.segments, ["v1", "volumes", "4f2c"]);
    assert_eq!(request.raw_path, "/v1/volumes/4f2c");
    assert_eq!(request.query, pairs(&[("limit", "10"), ("q", "a b c")]));
    assert_eq!(request.query("limit").collect::<Vec<_>>(), ["10"]);
    assert_eq!(request.header("authorization"), Some("Bearer placeholder"));
    assert_eq!(request.media_type(), "");
    assert_eq!(request.body, Body::Absent);

    let request = reads(&Sent::new(
        "POST /form\nHost: api.example.com\nContent-Length: 13\nContent-Type: application/x-www-form-urlencoded\n\na=1&b=two+%26",
    ));
    assert_eq!(
        request.body,
        Body::Form(pairs(&[("a", "1"), ("b", "two &")]))
    );

    // Through a plain proxy, with the target in absolute form.
    let request = reads(&Sent {
        scheme: Scheme::Http,
        tls_name: None,
        tunnel: None,
        ..Sent::new(
            "GET /x\n:authority: api.example.com:8080\nHost: api.example.com:8080\nProxy-Connection: Keep-Alive",
        )
    });
    assert_eq!(request.port, 8080);

    let request = reads(&Sent {
        version: Version::Http10,
        ..Sent::new("GET /\nHost: API.Example.com.\nConnection: close")
    });
    assert_eq!(request.host, "api.example.com");

    // An upload with a name of nothing but what -T makes of it.
    let sent = Sent::new(
        "PUT /a%5Bb.txt\nHost: api.example.com\nTransfer-Encoding: chunked\nExpect: 100-continue\n\nhello",
    );
    let bytes = Carried(b"hello".to_vec());
    assert_eq!(
        reads(&sent).body,
        Body::Bytes {
            media_type: String::new(),
            bytes
        }
    );
}

#[test]
fn boto3() {
    let host = "sts.eu-central-1.amazonaws.com";
    let request = reads(&Sent::to(
        "POST /\nHost: sts.eu-central-1.amazonaws.com\nAccept-Encoding: identity\nContent-Type: \
         application/x-www-form-urlencoded; charset=utf-8\nUser-Agent: Boto3/1.40.1 md/Botocore#1.40.1 ua/2.1 os/linux#6.1\n\
         X-Amz-Date: 20260401T000000Z\nAuthorization: AWS4-HMAC-SHA256 Credential=X/20260401/eu-central-1/sts/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, Signature=abc\nContent-Length: 43\n\n\
         Action=GetCallerIdentity&Version=2011-06-15",
        host,
        "sts.eu-central-1.amazonaws.com:443",
    ));
    assert_eq!(
        request.body,
        Body::Form(pairs(&[
            ("Action", "GetCallerIdentity"),
            ("Version", "2011-06-15")
        ]))
    );

    let request = reads(&Sent::to(
        "POST /\nHost: dynamodb.us-east-1.amazonaws.com\nX-Amz-Target: DynamoDB_20120810.GetItem\nContent-Type: \
         application/x-amz-json-1.0\n\n{\"TableName\":\"t\",\"Key\":{\"Id\":{\"S\":\"1\"},\"id\":{\"S\":\"2\"}}}",
        "dynamodb.us-east-1.amazonaws.com",
        "dynamodb.us-east-1.amazonaws.com:443",
    ));
    assert_eq!(request.media_type(), "application/x-amz-json-1.0");
    assert!(matches!(request.body, Body::Json(_)));

    // put_object over TLS sends its checksum behind the upload.
    let request = reads(&Sent::to(
        "PUT /bucket/a//b%2Bc%20d?x-id=PutObject\nHost: s3.amazonaws.com\nTransfer-Encoding: chunked\nContent-Encoding: \
         aws-chunked\nX-Amz-Content-SHA256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nX-Amz-Trailer: x-amz-checksum-crc32\n\
         X-Amz-Decoded-Content-Length: 5\nExpect: 100-continue\n\n5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
        "s3.amazonaws.com",
        "s3.amazonaws.com:443",
    ));
    assert_eq!(request.segments, ["bucket", "a", "b+c d"]);
    assert!(request.has_empty_segment() && !request.has_encoded_slash());
    assert_eq!(
        request.body,
        Body::Bytes {
            media_type: String::new(),
            bytes: Carried(b"hello".to_vec())
        }
    );

    let request = reads(&Sent::to(
        "POST /bucket?delete\nHost: s3.amazonaws.com\nContent-Type: application/xml\n\n<Delete xmlns=\"http://s3.amazonaws.com/doc/\
         2006-03-01/\"><Object><Key>a</Key></Object></Delete>",
        "s3.amazonaws.com",
        "s3.amazonaws.com:443",
    ));
    assert_eq!(request.query, pairs(&[("delete", "")]));
    assert!(matches!(request.body, Body::Xml(_)));

    // CloudWatch's metrics are compressed from 10 KiB on.
    let form = format!("Action=PutMetricData&Namespace={}", "n".repeat(10_240));
    let sent = Sent::to(
        "POST /\nHost: monitoring.us-east-1.amazonaws.com\nContent-Encoding: gzip\nContent-Type: \
         application/x-www-form-urlencoded; charset=utf-8",
        "monitoring.us-east-1.amazonaws.com",
        "monitoring.us-east-1.amazonaws.com:443",
    );
    assert!(matches!(
        reads(&sent.body(gzip(form.as_bytes()))).body,
        Body::Form(_)
    ));

    let sent = Sent::to(
        "POST /service/X/operation/Y\nHost: x.amazonaws.com\nsmithy-protocol: rpc-v2-cbor\nContent-Type: application/cbor",
        "x.amazonaws.com",
        "x.amazonaws.com:443",
    );
    let body = b"\xBF\x64name\x61x\x64when\xC1\xFB\x41\xD9\x8A\x00\x00\x00\x00\x00\xFF";
    assert_eq!(
        reads(&sent.body(&body[..])).body,
        Body::Cbor(json!({"name": "x", "when": 1713897472.0}))
    );
}

#[test]
fn kubectl() {
    let sent = |text: &str| Sent {
        tls_name: None,
        ..Sent::to(text, "", "10.0.0.1:6443")
    };
    let request = reads(
        &sent(
            "PATCH /apis/apps/v1/namespaces/default/deployments/web?fieldManager=kubectl-client-side-apply&fieldValidation=Strict\n\
             host: 10.0.0.1:6443\naccept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json\ncontent-type: \
             application/strategic-merge-patch+json\nkubectl-command: kubectl apply\nkubectl-session: 1\nuser-agent: \
             kubectl/v1.30.0 (linux/amd64) kubernetes/7c48c2b\nimpersonate-group: a\nimpersonate-group: b\n\n\
             {\"spec\":{\"replicas\":0}}",
        )
        .http2(),
    );
    assert_eq!((request.host.as_str(), request.port), ("10.0.0.1", 6443));
    assert_eq!(request.body, Body::Json(json!({"spec": {"replicas": 0}})));
    assert_eq!(
        request.media_type(),
        "application/strategic-merge-patch+json"
    );

    let request = reads(&sent(
        "PATCH /api/v1/namespaces/default/configmaps/c?fieldManager=kubectl&force=false\nHost: 10.0.0.1:6443\nContent-Type: \
         application/apply-patch+yaml\n\napiVersion: v1\nkind: ConfigMap\n",
    ));
    assert!(
        matches!(request.body, Body::Text { ref media_type, .. } if media_type == "application/apply-patch+yaml")
    );

    let request = reads(&sent(
        "GET /api/v1/namespaces/default/pods/web-0/exec?command=ls&command=-la&container=web&stdout=true\nHost: 10.0.0.1:6443\n\
         Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: dGVzdA==\nSec-WebSocket-Protocol: v5.channel.k8s.io\n\
         Sec-WebSocket-Version: 13",
    ));
    assert_eq!(request.query("command").collect::<Vec<_>>(), ["ls", "-la"]);
    assert_eq!(request.header("upgrade"), Some("websocket"));

    let delete = "DELETE /api/v1/namespaces/default\nHost: 10.0.0.1:6443\nContent-Type: application/json\n\n{\"propagationPolicy\":\"Background\"}";
    assert_eq!(
        reads(&sent(delete)).body,
        Body::Json(json!({"propagationPolicy": "Background"}))
    );
}

#[test]
fn git_over_http() {
    let want = b"0011command=fetch0001000fno-progress0000";
    let request = reads(
        &Sent::to(
            "POST /o/r.git/git-upload-pack\nHost: github.com\nUser-Agent: git/2.43.0\nAccept-Encoding: deflate, gzip, br, zstd\n\
             Content-Type: application/x-git-upload-pack-request\nAccept: application/x-git-upload-pack-result\n\
             Content-Encoding: gzip\nGit-Protocol: version=2",
            "github.com",
            "github.com:443",
        )
        .body(gzip(want)),
    );
    assert_eq!(
        request.body,
        Body::Bytes {
            media_type: "application/x-git-upload-pack-request".to_owned(),
            bytes: Carried(want.to_vec()),
        }
    );
    let sent = Sent::to(
        "GET /o/r.git/info/refs?service=git-receive-pack\nhost: github.com\npragma: no-cache\ngit-protocol: version=2",
        "github.com",
        "github.com:443",
    );
    assert_eq!(
        reads(&sent.http2()).query,
        pairs(&[("service", "git-receive-pack")])
    );
}

#[test]
fn browsers() {
    let request = reads(
        &Sent::new(
            "POST /comment?utf8=%E2%9C%93\n:authority: api.example.com\ncontent-length: 26\ncache-control: max-age=0\nsec-ch-ua: \
             \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\norigin: https://api.example.com\ncontent-type: \
             application/x-www-form-urlencoded\nreferer: https://api.example.com/a?b=c;d\naccept-encoding: gzip, deflate, br, zstd\n\
             accept-language: de-DE,de;q=0.9\ncookie: a=1\ncookie: b=\"2; 3\"\npriority: u=0, i\nte: trailers\n\n\
             _method=POST&text=a%0D%0Ab",
        )
        .http2(),
    );
    assert_eq!(request.query, pairs(&[("utf8", "✓")]));
    assert_eq!(
        request.body,
        Body::Form(pairs(&[("_method", "POST"), ("text", "a\r\nb")]))
    );
    // CORS asks first; about the server as a whole it may, too.
    reads(&Sent::new(
        "OPTIONS /v1\nHost: api.example.com\nAccess-Control-Request-Method: DELETE\nOrigin: https://a.example.com",
    ));
    assert!(
        reads(&Sent::new("OPTIONS *\nHost: api.example.com"))
            .segments
            .is_empty()
    );
}

#[test]
fn graphql_clients() {
    let text = r#"{"operationName":"Delete","variables":{"id":"4f2c"},"query":"mutation Delete($id: String!) {\n  volumeDelete(volumeId: $id)\n}"}"#;
    let request = reads(&Sent::new(&format!(
        "POST /graphql/v2\nHost: api.example.com\nContent-Type: application/json; charset=utf-8\nAccept: \
         application/graphql-response+json, application/json;q=0.9\nAuthorization: Bearer x\nContent-Length: {}\n\n{text}",
        text.len()
    )));
    assert_eq!(
        request.body,
        Body::Json(serde_json::from_str(text).unwrap())
    );

    let batch = format!("[{text},{text}]");
    let request = reads(&Sent::new(&format!(
        "POST /graphql\nHost: api.example.com\nContent-Type: application/json\n\n{batch}"
    )));
    assert_eq!(
        request.body,
        Body::Json(serde_json::from_str(&batch).unwrap())
    );

    let request = reads(&Sent::new(
        "GET /graphql?query=%7Bme%7Bid%7D%7D&variables=%7B%7D&extensions=%7B%22persistedQuery%22%3A%7B%22version%22%3A1%7D%7D\n\
         Host: api.example.com\nApollo-Require-Preflight: true",
    ));
    assert_eq!(request.query("query").next(), Some("{me{id}}"));

    let request = reads(&Sent::new(
        "POST /graphql\nHost: api.example.com\nContent-Type: application/graphql\n\n{ me { id } }",
    ));
    let text = "{ me { id } }".to_owned();
    assert_eq!(
        request.body,
        Body::Text {
            media_type: "application/graphql".to_owned(),
            text
        }
    );
}

#[test]
fn python_requests() {
    let boundary = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n--{boundary}\r\nContent-Disposition: \
         form-data; name=\"file\"; filename=\"train.jsonl\"\r\n\r\n{{}}\n{{}}\n\r\n--{boundary}--\r\n"
    );
    let request = reads(&Sent::new(&format!(
        "POST /v1/files/\nHost: api.example.com\nUser-Agent: python-requests/2.32.3\nAccept-Encoding: gzip, deflate\nAccept: */*\n\
         Connection: keep-alive\nContent-Length: {}\nContent-Type: multipart/form-data; boundary={boundary}\n\n{body}",
        body.len()
    )));
    assert_eq!(request.segments, ["v1", "files"]);
    let part = |name: &str, file: Option<&str>, content: &str| Part {
        name: Some(name.to_owned()),
        file: file.map(ToOwned::to_owned),
        media_type: "text/plain".to_owned(),
        content: Carried(content.as_bytes().to_vec()),
    };
    let parts = vec![
        part("purpose", None, "fine-tune"),
        part("file", Some("train.jsonl"), "{}\n{}\n"),
    ];
    assert_eq!(request.body, Body::Multipart(parts));

    let request = reads(&Sent::new(
        "DELETE /x\nHost: api.example.com\nContent-Length: 0\nContent-Type: application/json",
    ));
    assert_eq!(request.body, Body::Absent);
}

#[test]
fn other_clients() {
    for (text, segments) in [
        (
            "GET /@types%2fnode\nHost: api.example.com\nnpm-command: install",
            &["@types/node"][..],
        ),
        (
            "PUT /api/v4/projects/a%2Fb/variables/X\nHost: api.example.com",
            &["api", "v4", "projects", "a/b", "variables", "X"],
        ),
        (
            "GET /v2/library/nginx/blobs/sha256:abc\nHost: api.example.com",
            &["v2", "library", "nginx", "blobs", "sha256:abc"],
        ),
        // Java's client on a plain connection.
        (
            "GET /\nConnection: Upgrade, HTTP2-Settings\nHost: api.example.com\nHTTP2-Settings: AAEAAEAA\nUpgrade: h2c",
            &[],
        ),
        (
            "GET /search?q=a%3Bb%20OR%20%2A&sort=-created\nHost: api.example.com\napi_key: placeholder",
            &["search"],
        ),
        (
            "GET /\nHost: api.example.com:443\nX-Forwarded-Host: api.example.com\nX-Name: bücher",
            &[],
        ),
        (
            "GET /a\nHost: api.example.com\nPrefer: count=exact\nPrefer: return=minimal",
            &["a"],
        ),
        (
            "POST /a?_method=post\nHost: api.example.com\nX-HTTP-Method-Override: POST",
            &["a"],
        ),
        (
            "PROPFIND /dav/\nHost: api.example.com\nDepth: 1\nContent-Type: text/xml\n\n<propfind xmlns='DAV:'/>",
            &["dav"],
        ),
    ] {
        assert_eq!(reads(&Sent::new(text)).segments, segments, "{text}");
    }
    for (media, body) in [
        ("text/csv", &b"a;\xFC\n"[..]),
        ("text/plain; charset=windows-1252", b"\x80"),
        ("application/octet-stream", b"\0\x01"),
        ("image/png", b"\x89PNG"),
    ] {
        let sent = Sent::new(&format!(
            "PUT /a\nHost: api.example.com\nContent-Type: {media}"
        ))
        .body(body);
        assert!(matches!(reads(&sent).body, Body::Bytes { .. }), "{media}");
    }
}

#[test]
fn by_a_base_url_the_target_is_what_the_gate_was_told() {
    let sent = Sent {
        tls_name: None,
        tunnel: None,
        reverse: Some("backboard.railway.app:443"),
        ..Sent::new("POST /graphql/v2\nHost: 127.0.0.1:8765\nContent-Type: application/json\n\n{}")
    };
    let request = reads(&sent);
    assert_eq!(
        (request.host.as_str(), request.port),
        ("backboard.railway.app", 443)
    );
    let http2 = Sent {
        head: "POST /graphql/v2\n:authority: gate.internal:8765\ncontent-type: application/json"
            .to_owned(),
        tls_name: Some("gate.internal"),
        ..sent
    };
    assert_eq!(reads(&http2.http2()).host, "backboard.railway.app");
}

#[test]
fn what_is_streamed_is_not_looked_into() {
    let headers = [
        ("host", &b"api.example.com"[..]),
        ("content-type", b"Application/JSON"),
        ("content-encoding", b"br"),
    ];
    let request = read(&Raw {
        method: "PUT",
        version: Version::Http2,
        scheme: Scheme::Https,
        authority: Some("api.example.com"),
        target: "/a",
        headers: &headers,
        tls_name: None,
        tunnel: None,
        reverse: None,
        body: RawBody::Streamed {
            length: Some(1 << 40),
        },
    });
    let media_type = "application/json".to_owned();
    assert_eq!(
        request.unwrap().body,
        Body::Streamed {
            media_type,
            length: Some(1 << 40)
        }
    );
}
