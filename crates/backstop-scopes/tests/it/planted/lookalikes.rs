//! What must not be found, or only with a doubt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Tree;
use crate::secrets::{ALNUM, HEX, PRIVATE, Random};

pub(super) fn lookalikes(tree: &mut Tree, r: &mut Random) {
    for (number, value) in [
        "changeme",
        "${DB_PASSWORD}",
        "$DB_PASSWORD",
        "<password>",
        "xxxxxxxxxxxx",
        "your-password-here",
        "{{ .Values.password }}",
        "********",
        "%(db_password)s",
        "op://vault/db/password",
        "$(cat /run/secrets/db)",
        "REPLACE_ME_PLEASE",
        "example-password",
        "ENC[AES256_GCM,data:abc,type:str]",
        "vault:secret/data/db#password",
        "${{ secrets.DB_PASSWORD }}",
        "file:///run/secrets/x",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
        "\"\"",
        "null",
        "!vault |",
        "TODO",
        "None",
        "[redacted]",
    ]
    .iter()
    .enumerate()
    {
        tree.none(
            &format!("none/env/{number}/.env"),
            format!("DB_PASSWORD={value}\nAPI_TOKEN={value}\n"),
        );
    }
    for (number, name) in [
        "request_id",
        "traceId",
        "project_id",
        "userUuid",
        "deploymentId",
        "RAILWAY_PROJECT_ID",
        "RAILWAY_ENVIRONMENT_ID",
        "tenant",
        "sub",
        "guid",
    ]
    .iter()
    .enumerate()
    {
        let id = r.uuid();
        tree.none(
            &format!("none/uuid/{number}.json"),
            format!("{{\"{name}\": \"{id}\"}}\n"),
        );
    }
    for (number, name) in [
        "sha256",
        "md5",
        "etag",
        "commit",
        "checksum",
        "digest",
        "integrity",
        "fingerprint",
        "revision",
        "token_hash",
    ]
    .iter()
    .enumerate()
    {
        let hash = r.of(HEX, 64);
        tree.none(
            &format!("none/hash/{number}.yaml"),
            format!("{name}: {hash}\n"),
        );
    }
    for number in 0..6 {
        let integrity = STANDARD.encode(r.bytes(64));
        tree.none(&format!("none/lock/{number}/package-lock.json"), format!("{{\"packages\":{{\"node_modules/token-x\":{{\"resolved\":\"https://packages.corp.io/a/-/a-1.tgz\",\"integrity\":\"sha512-{integrity}\"}}}}}}\n"));
    }
    let sum = STANDARD.encode(r.bytes(32));
    tree.none(
        "none/lock/go.sum",
        format!("github.com/x/token v1.0.0 h1:{sum}\n"),
    );
    let hex = r.of(HEX, 64);
    tree.none(
        "none/lock/Cargo.lock",
        format!("[[package]]\nname = \"secret\"\nversion = \"1.0.0\"\nchecksum = \"{hex}\"\n"),
    );
    tree.none(
        "none/keys/id.pub",
        format!("ssh-ed25519 {} ann@corp\n", STANDARD.encode(r.bytes(51))),
    );
    tree.none("none/keys/public.pem", r.pem("PUBLIC KEY", b"\x30\x59", 91));
    tree.none("none/keys/cert.pem", r.pem("CERTIFICATE", b"\x30\x82", 700));
    tree.none(
        "none/keys/known_hosts",
        format!("github.com ssh-rsa {}\n", STANDARD.encode(r.bytes(270))),
    );
    tree.none(
        "none/keys/how-to.md",
        format!("-----BEGIN {PRIVATE}-----\n...\n-----END {PRIVATE}-----\n"),
    );
    let image = STANDARD.encode(r.bytes(3000));
    tree.none(
        "none/image/a.css",
        format!(".x{{background:url(data:image/png;base64,{image})}}\n"),
    );
    tree.none(
        "none/image/b.html",
        format!("<img src=\"data:image/png;base64,{image}\">\n"),
    );
    let junk = r.of(ALNUM, 4000);
    tree.none(
        "none/js/app.min.js",
        format!(
            "!function(e){{var token=\"{}\",password=\"{}\";e.a={junk}}}();\n",
            r.of(ALNUM, 30),
            r.of(ALNUM, 12)
        ),
    );
    tree.none(
        "none/js/app.js.map",
        format!("{{\"mappings\":\"{junk}\",\"sources\":[\"token.ts\"]}}\n"),
    );
    for (number, line) in [
        "const token = getToken(request.headers);",
        "password = os.environ[\"DB_PASSWORD\"]",
        "let secret = config.secret;",
        "token: string;",
        "if (password !== confirmPassword) {",
        "apiKey: process.env.STRIPE_API_KEY,",
        "secretName: my-app-secrets",
        "const tokenType = \"Bearer\";",
        "type: password",
        "passwordField.setText(\"Enter your password\");",
        "label = \"Forgot your password?\"",
        "token_url = \"https://auth.corp.io/oauth/token\"",
        "self.token = token",
        "fn token(&self) -> &str {",
        "secretKeyRef: { name: db, key: password }",
        "password_regex = \"^[A-Za-z0-9]{8,}$\"",
        "nextPageToken: \"CAUQAAabc123def456ghi\"",
        "csrf_token = \"b64a1f0e9d8c7b6a5f4e3d2c1b0a9f8e\"",
        "const PASSWORD_MIN_LENGTH = 12",
        "autocomplete=\"current-password\"",
        "secret: !Ref DatabaseSecret",
        "token = tokens.next().unwrap()",
        "max_tokens: 4096",
        "AWS_SECRET_ACCESS_KEY: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "// the key is AKIAIOSFODNN7EXAMPLE",
        "password: ${{ secrets.PROD_PASSWORD }}",
        "api_key = \"sk_test_xxxxxxxxxxxxxxxxxxxxxxxx\"",
        "GITHUB_TOKEN: ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ]
    .iter()
    .enumerate()
    {
        let extension = if line.contains(": ") && !line.ends_with([';', ',', '{']) {
            "yaml"
        } else {
            "ts"
        };
        tree.none(
            &format!("none/code/{number}.{extension}"),
            format!("{line}\n"),
        );
    }
    for (number, address) in [
        "postgres://user:password@localhost/db",
        "postgres://app@db.corp.io/shop",
        "https://example.com/a?token=none",
        "postgres://USER:PASSWORD@HOST:PORT/DB",
        "postgres://postgres:postgres@localhost:5432/test",
        "mysql://root:${MYSQL_PW}@db/x",
        "https://user@git.corp.io/x.git",
        "postgres://app:xxxxx@db.example.com/x",
        "redis://localhost:6379",
        "git@github.com:corp/app.git",
    ]
    .iter()
    .enumerate()
    {
        tree.none(
            &format!("none/address/{number}.conf"),
            format!("url={address}\n"),
        );
    }
    let (a, b) = (
        r.jwt(r#"{"iss":"supabase","ref":"abcd","role":"anon","exp":4102444800}"#),
        r.jwt(r#"{"sub":"1","exp":1500000000}"#),
    );
    tree.none(
        "none/jwt/anon.env",
        format!("NEXT_PUBLIC_SUPABASE_ANON_KEY={a}\n"),
    );
    tree.none(
        "none/jwt/expired.txt",
        format!("Authorization: Bearer {b}\n"),
    );
    let test = format!("ghp_{}", r.of(ALNUM, 36));
    tree.none("none/tests/fixtures/token.txt", format!("{test}\n"));
    tree.none(
        "none/node_modules/x/index.js",
        format!("const k = \"{test}\";\n"),
    );
    tree.none(
        "none/.env.example",
        format!("GITHUB_TOKEN={test}\nPGPASSWORD={}\n", r.password()),
    );
}
