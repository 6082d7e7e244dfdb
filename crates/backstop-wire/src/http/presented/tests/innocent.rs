//! Requests of ordinary clients, in which there is no credential.

use super::*;

#[test]
fn an_ordinary_request_carries_none() {
    let rows: &[(&str, &str)] = &[
        (
            "curl",
            "GET https://api.test.dev/v1/things?page=2&limit=100\nHost: api.test.dev\nUser-Agent: curl/8.5.0\nAccept: */*",
        ),
        (
            "a browser",
            "GET https://www.test.dev/\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif\nAccept-Language: en-GB,en;q=0.9\nSec-Fetch-Site: none\nSec-CH-UA: \"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\nUpgrade-Insecure-Requests: 1\nX-Client-Data: CIa2yQEIorbJAQipncoBCMKTywEIkqHLAQj1os0BGPbJzQE=\nCookie: _ga=GA1.2.1234567890.1712345678; _gid=GA1.2.987654321.1712345678; _ga_AB12CD34EF=GS1.1.1712345678.1.1.1712345680.0.0.0; _fbp=fb.1.1712345678901.1234567890; theme=dark; lang=en-GB; OptanonConsent=isGpcEnabled=0&datestamp=Thu+Apr+25+2026; __cf_bm=kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5t-1712345678-1.0.1.1; csrftoken=kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eU; XSRF-TOKEN=kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eU; logged_in=no; cookieyes-consent=consentid:Zm9vYmFy; ajs_anonymous_id=3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49; tz=Europe%2FBerlin; session=; author=jane-doe",
        ),
        (
            "tracing",
            "GET https://api.test.dev/\nX-Request-Id: 3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\ntracestate: congo=t61rcWkgMzE,rojo=00f067aa0ba902b7\nbaggage: userId=alice,serverNode=DF%2028,isProduction=false\nX-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7\nX-Correlation-Id: kT9vQ2mLx8ZbN4rW7yHc3JpD\nsentry-trace: 771a43a4192642f0b136d5159a501700-b0e6f15b45c36b12-1\nx-datadog-trace-id: 1234567890123456789\nX-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\nX-Cloud-Trace-Context: 105445aa7843bc8bf206b12000100000/1;o=1\nX-My-Trace: 4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        (
            "idempotency",
            "POST https://api.test.dev/\nIdempotency-Key: 3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\nContent-Type: application/json\n\n{\"amount\":100}",
        ),
        (
            "a conditional request",
            "GET https://api.test.dev/\nIf-None-Match: \"33a64df551425fcc55e4d42a148795d9f25f89d4\", W/\"kT9vQ2mLx8ZbN4rW7yHc3JpD\"\nIf-Modified-Since: Sat, 25 Apr 2026 09:12:44 GMT",
        ),
        (
            "nothing after bearer",
            "GET https://api.test.dev/\nAuthorization: Bearer",
        ),
        (
            "nothing after bearer but a space",
            "GET https://api.test.dev/\nAuthorization: Bearer ",
        ),
        (
            "nothing at all",
            "GET https://api.test.dev/\nAuthorization:\nX-Api-Key:",
        ),
        (
            "csrf",
            "POST https://www.test.dev/\nX-CSRF-Token: kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5t\nX-XSRF-TOKEN: kT9vQ2mLx8ZbN4rW7yHc3JpD\nContent-Type: application/x-www-form-urlencoded\n\nauthenticity_token=kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eU&csrfmiddlewaretoken=kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eU&name=x",
        ),
        (
            "hashes of S3",
            "PUT https://b.s3.amazonaws.com/k\nX-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nX-Amz-Date: 20260425T091244Z\nContent-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\nx-amz-checksum-crc32: AAAAAA==\nx-amz-sdk-checksum-algorithm: CRC32\namz-sdk-invocation-id: 3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\namz-sdk-request: attempt=1; max=3\nx-amz-user-agent: aws-sdk-js/3.540.0",
        ),
        (
            "a registry",
            "GET https://images.test.dev/v2/library/nginx/blobs/sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b\nAccept: application/vnd.oci.image.manifest.v1+json\nDocker-Content-Digest: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b",
        ),
        (
            "an upload to a registry",
            "PUT https://images.test.dev/v2/a/blobs/uploads/3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49?_state=kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5t&digest=sha256%3A6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b",
        ),
        (
            "npm",
            "PUT https://packages.test.dev/x\nnpm-command: publish\nContent-Type: application/json\n\n{\"_id\":\"x\",\"dist-tags\":{\"latest\":\"1.0.0\"},\"versions\":{\"1.0.0\":{\"dist\":{\"integrity\":\"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==\",\"shasum\":\"da39a3ee5e6b4b0d3255bfef95601890afd80709\"}}}}",
        ),
        (
            "npm audit",
            "POST https://packages.test.dev/-/npm/v1/security/advisories/bulk\nnpm-session: 4bf92f3577b34da6\nnpm-auth-type: web\nContent-Type: application/json\n\n{\"debug\":[\"4.3.4\"],\"jsonwebtoken\":[\"9.0.2\"],\"csrf-token\":[\"1.0.0\"]}",
        ),
        (
            "git, fetching",
            "POST https://git.test.dev/r.git/git-upload-pack\nGit-Protocol: version=2\nUser-Agent: git/2.43.0\nContent-Type: application/x-git-upload-pack-request\n\n0032want 33a64df551425fcc55e4d42a148795d9f25f89d4\n0032have da39a3ee5e6b4b0d3255bfef95601890afd80709\n0009done\n",
        ),
        (
            "a WebSocket",
            "GET https://ws.test.dev/socket\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\nSec-WebSocket-Protocol: graphql-transport-ws, v4.base64.channel.k8s.io, chat, mqtt",
        ),
        (
            "GraphQL",
            "POST https://backboard.railway.com/graphql/v2\nContent-Type: application/json\n\n{\"query\":\"query project($id: String!, $first: Int) { project(id: $id) { id name environments { edges { node { id } } } } }\",\"variables\":{\"id\":\"3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\",\"environmentId\":\"4f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\"},\"operationName\":\"project\"}",
        ),
        (
            "a mutation of GraphQL",
            "POST https://backboard.railway.com/graphql/v2\nContent-Type: application/json\n\n{\"query\":\"mutation { volumeDelete(volumeId: \\\"3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\\\") }\"}",
        ),
        (
            "queries about tokens",
            "POST https://backboard.railway.com/graphql/v2\nContent-Type: application/json\n\n{\"query\":\"mutation($id: String!) { projectTokenDelete(id: $id) apiTokens { edges { node { id name } } } }\",\"variables\":{\"id\":\"3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\"}}",
        ),
        (
            "JSON with identifiers",
            "POST https://api.test.dev/\nContent-Type: application/json\n\n{\"session_id\":\"3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\",\"sessionId\":\"kT9vQ2mLx8ZbN4rW7yHc\",\"next_token\":\"kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5t\",\"cursor\":\"Y3Vyc29yOnYyOpK5MjAyNi0wNC0yNVQwOToxMjo0NFo=\",\"max_tokens\":1024,\"token_type\":\"bearer\",\"password_hash\":null,\"sha\":\"33a64df551425fcc55e4d42a148795d9f25f89d4\",\"secretName\":\"db\",\"hasPassword\":true,\"title\":\"Basic usage of the Bearer token\",\"plan\":\"Basic plan\",\"type\":\"password\",\"id\":\"01HV3Z5K8N2Q4R6T8W0Y2A4C6E\"}",
        ),
        (
            "ClientToken",
            "POST https://ecs.eu-west-1.amazonaws.com/\nX-Amz-Target: AmazonEC2ContainerServiceV20141113.RunTask\nContent-Type: application/json\n\n{\"clientToken\":\"3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\",\"ClientRequestToken\":\"kT9vQ2mLx8ZbN4rW7yHc3JpD\",\"cluster\":\"prod\"}",
        ),
        (
            "the tokens of Service Catalog",
            "POST https://servicecatalog.eu-west-1.amazonaws.com/\nX-Amz-Target: AWS242ServiceCatalogService.ProvisionProduct\nContent-Type: application/x-amz-json-1.1\n\n{\"ProvisionToken\":\"3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\",\"UpdateToken\":\"4f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\",\"TerminateToken\":\"5f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\",\"ExecuteToken\":\"6f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\",\"ProvisionedProductName\":\"p\"}",
        ),
        (
            "an LLM",
            "POST https://llm.test.dev/v1/messages\nanthropic-version: 2023-06-01\nanthropic-beta: tools-2024-04-04\nX-Stainless-OS: Linux\nX-Stainless-Runtime-Version: v20.11.1\nContent-Type: application/json\n\n{\"model\":\"m\",\"max_tokens\":1024,\"system\":\"You are helpful.\",\"messages\":[{\"role\":\"user\",\"content\":\"How do I read a token from the environment? My code says `const token = process.env.API_TOKEN;` and password = getpass()\"}],\"tools\":[{\"name\":\"login\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"password\":{\"type\":\"string\"},\"token\":{\"type\":\"string\"}},\"required\":[\"password\"]}}]}",
        ),
        (
            "a schema's default",
            "POST https://api.test.dev/\nContent-Type: application/json\n\n{\"password\":\"string\",\"token\":\"string\",\"secret\":{\"valueFrom\":{\"secretKeyRef\":{\"name\":\"db\",\"key\":\"password\"}}}}",
        ),
        (
            "Kubernetes",
            "PATCH https://k8s.test.dev/apis/apps/v1/namespaces/prod/deployments/web?fieldManager=kubectl-client-side-apply\nUser-Agent: kubectl/v1.29.3 (linux/amd64) kubernetes/6813625\nKubectl-Command: kubectl apply\nKubectl-Session: 3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\nContent-Type: application/json\n\n{\"metadata\":{\"uid\":\"3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\",\"resourceVersion\":\"123456\"},\"spec\":{\"template\":{\"spec\":{\"imagePullSecrets\":[{\"name\":\"regcred\"}],\"containers\":[{\"image\":\"nginx@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b\",\"env\":[{\"name\":\"LOG_LEVEL\",\"value\":\"debug\"},{\"name\":\"DB_PASSWORD\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"db\",\"key\":\"password\"}}}]}]}}}}",
        ),
        (
            "GitHub",
            "GET https://api.github.com/repos/o/r/git/commits/33a64df551425fcc55e4d42a148795d9f25f89d4\nX-GitHub-Api-Version: 2022-11-28\nAccept: application/vnd.github+json",
        ),
        (
            "Google",
            "GET https://storage.googleapis.com/storage/v1/b/x/o?pageToken=CiBwYXRoL3RvL29iamVjdC9mb28vYmFyLmpzb24&key=objects\nx-goog-api-client: gl-python/3.11.4 grpc/1.59.2 gax/2.12.0 gapic/1.3.1 gccl/1.0\nx-goog-hash: crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==",
        ),
        (
            "Azure",
            "GET https://management.azure.com/subscriptions/3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49/resourceGroups?api-version=2022-09-01\nx-ms-client-request-id: 3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49\nx-ms-version: 2024-11-04\nx-ms-date: Sat, 25 Apr 2026 09:12:44 GMT",
        ),
        (
            "Supabase's client",
            "GET https://x.supabase.co/rest/v1/t?select=*\nX-Client-Info: supabase-js-web/2.38.0\nPrefer: return=representation",
        ),
        (
            "MCP",
            "POST https://mcp.test.dev/\nMcp-Session-Id: 1868a90c-5f3e-4a6f-9a52-0d5e3c1b2a49\nMCP-Protocol-Version: 2025-06-18\nContent-Type: application/json\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}",
        ),
        (
            "gRPC",
            "POST https://grpc.test.dev/google.storage.v2.Storage/ReadObject\nContent-Type: application/grpc\nTE: trailers\ngrpc-timeout: 20S\ngrpc-accept-encoding: gzip,deflate\ngrpc-trace-bin: AAAkT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5tQ==",
        ),
        (
            "WebDAV",
            "UNLOCK https://dav.test.dev/f\nLock-Token: <urn:uuid:3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49>\nDepth: infinity",
        ),
        (
            "an upload in base64",
            "PUT https://api.github.com/repos/o/r/contents/a.txt\nContent-Type: application/json\n\n{\"message\":\"Add a\",\"content\":\"SGVsbG8sIHdvcmxkISBUaGlzIGlzIGEgZmlsZSB3aXRoIG5vdGhpbmcgc2VjcmV0IGluIGl0Lgo=\",\"sha\":\"95b966ae1c166bd92f8ae7d1c313e738c731dfc3\"}",
        ),
        (
            "a hash as a file",
            "PUT https://docs.example/a.sha256\nContent-Type: text/plain\n\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.tar.gz\n",
        ),
        (
            "an object's name in the path",
            "GET https://docs.example/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit?usp=sharing",
        ),
        (
            "switches",
            "GET https://api.test.dev/?token=true&auth=google&signature=none&secret=my-app&token=2\nX-Use-Token: 1\nX-GitHub-Api-Version: 2022-11-28\nX-Auth-Token: null",
        ),
        (
            "a working directory",
            "POST https://x.dev/\nContent-Type: application/json\n\n{\"pwd\":\"/home/agent/work\",\"cmd\":\"ls\"}",
        ),
        (
            "XML",
            "POST https://x.dev/\nContent-Type: application/xml\n\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a/b/c.txt</Key><VersionId>3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY</VersionId></Object><Quiet>true</Quiet></Delete>",
        ),
        (
            "AWS's query protocol",
            "POST https://rds.amazonaws.com/\nContent-Type: application/x-www-form-urlencoded\n\nAction=DescribeDBInstances&Version=2014-10-31&Marker=kT9vQ2mLx8ZbN4rW7yHc3JpD6sFg&DBInstanceIdentifier=prod",
        ),
        (
            "Elasticsearch",
            "POST https://es.test.dev/_bulk\nContent-Type: application/x-ndjson\n\n{\"index\":{\"_id\":\"kT9vQ2mLx8ZbN4rW7yHc\"}}\n{\"user\":\"a\",\"n\":1}",
        ),
        (
            "a text to read",
            "POST https://paste.test.dev/\nContent-Type: text/plain\n\nThe token is sent in a header. A password must be long.\nSee https://docs.test.dev/auth?section=token for more.\n",
        ),
        (
            "versions and dates",
            "GET https://api.test.dev/?since=2026-04-25T09:12:44.123Z&version=v1.2.3-rc.4\nX-Api-Version: 2022-11-28-preview\nX-Client-Version: agent-sdk-python/1.24.0-beta.3\nX-App-Build: release-2026.04.25-1234\nX-Feature-Flags: new-checkout-flow,dark-mode-v2\nX-Device-Model: Pixel-8-Pro\nX-Timestamp: 1712345678901",
        ),
    ];
    for (client, request) in rows {
        let found = carried(request);
        let kinds: Vec<_> = found
            .presented
            .iter()
            .map(|one| (one.kind.clone(), one.why))
            .collect();
        assert!(
            found.presented.is_empty(),
            "{client}: {:?} {kinds:?}",
            told(request)
        );
        assert_eq!(found.missed, None, "{client}");
    }
}

/// A pack of git is bytes by chance, and megabytes of them.
#[test]
fn bytes_by_chance_carry_none() {
    let mut seed = 42u64;
    let mut random = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    let bytes: Vec<u8> = b"PACK\0\0\0\x02"
        .iter()
        .copied()
        .chain((0..2 << 20).map(|_| random()))
        .collect();
    let mut sheet = Sheet::new(Engine::shared().unwrap(), "git.test.dev");
    let body = Body::Bytes {
        media_type: "application/x-git-receive-pack-request".to_owned(),
        bytes: Carried(bytes),
    };
    body::read(&mut sheet, &body);
    assert_eq!(sheet.finish(), Credentials::default());
}
