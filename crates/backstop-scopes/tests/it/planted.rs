//! A home and a workspace with a hundred credentials of all kinds, and a hundred things that only look like them.

use std::fs;
use std::path::Path;

use backstop_scopes::find::{Finding, Look, Place};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secrets::{ALNUM, HEX, LOWER, PRIVATE, Random, UPPER};

/// A credential that was planted: in which file, what it is, and the secret itself.
struct Plant {
    path: String,
    kind: &'static str,
    secret: String,
}

#[derive(Default)]
struct Tree {
    files: Vec<(String, String)>,
    plants: Vec<Plant>,
    lookalikes: Vec<String>,
}

impl Tree {
    fn plant(&mut self, path: &str, text: String, secrets: &[(&'static str, &str)]) {
        for (kind, secret) in secrets {
            assert!(!secret.is_empty());
            self.plants.push(Plant {
                path: path.to_owned(),
                kind,
                secret: (*secret).to_owned(),
            });
        }
        self.files.push((path.to_owned(), text));
    }

    /// One line `NAME=value` in a file of settings of its own.
    fn env(&mut self, name: &str, kind: &'static str, secret: &str) {
        let path = format!("work/env/{}/.env", name.to_ascii_lowercase());
        self.plant(
            &path,
            format!("# settings\nPORT=3000\n{name}={secret}\nDEBUG=false\n"),
            &[(kind, secret)],
        );
    }

    /// Something that is no credential.
    fn none(&mut self, path: &str, text: impl Into<String>) {
        self.lookalikes.push(path.to_owned());
        self.files.push((path.to_owned(), text.into()));
    }

    fn write(&self, root: &Path) {
        for (path, text) in &self.files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
    }
}

fn home(tree: &mut Tree, r: &mut Random) {
    let s = r.uuid();
    tree.plant(
        "home/.railway/config.json",
        format!(r#"{{"projects":{{}},"user":{{"token":"{s}"}},"linkedFunctions":null}}"#),
        &[("railway.session", &s)],
    );
    let (id, s, t) = (
        format!("AKIA{}", r.of(UPPER, 16)),
        r.aws(),
        r.of(ALNUM, 200),
    );
    let (id2, s2) = (format!("ASIA{}", r.of(UPPER, 16)), r.aws());
    tree.plant(
        "home/.aws/credentials",
        format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {s}\n\n[prod]\naws_access_key_id={id2}\naws_secret_access_key={s2}\naws_session_token={t}\n"),
        &[("aws.access-key", &s), ("aws.access-key", &s2), ("aws.session", &t)],
    );
    let (a, b) = (r.of(ALNUM, 300), r.of(ALNUM, 200));
    tree.plant("home/.aws/sso/cache/0a1b.json", format!(r#"{{"startUrl":"https://d-1.awsapps.com/start","region":"eu-west-1","accessToken":"{a}","refreshToken":"{b}"}}"#), &[("aws.sso", &a), ("aws.sso", &b)]);
    let s = format!("1//0{}", r.of(ALNUM, 60));
    tree.plant(
        "home/.config/gcloud/application_default_credentials.json",
        format!(r#"{{"client_id":"764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com","refresh_token":"{s}","type":"authorized_user"}}"#),
        &[("gcp.user", &s)],
    );
    let s = r.of(ALNUM, 900);
    tree.plant("home/.azure/msal_token_cache.json", format!(r#"{{"RefreshToken":{{"uid.tid-login-x":{{"home_account_id":"u.t","secret":"0.A{s}"}}}}}}"#), &[("azure.session", &format!("0.A{s}"))]);
    let s = format!("fm2_{}", STANDARD.encode(r.bytes(150)));
    tree.plant(
        "home/.fly/config.yml",
        format!("access_token: {s}\nlast_login: 2026-01-01\n"),
        &[("fly.session", &s)],
    );
    let s = r.of(ALNUM, 24);
    tree.plant(
        "home/.local/share/com.vercel.cli/auth.json",
        format!("{{\n  \"token\": \"{s}\"\n}}"),
        &[("vercel.session", &s)],
    );
    let s = format!("sbp_{}", r.of(HEX, 40));
    tree.plant(
        "home/.supabase/access-token",
        s.clone(),
        &[("supabase.account", &s)],
    );
    let (a, b) = (r.of(ALNUM, 90), r.of(ALNUM, 90));
    tree.plant(
        "home/.config/neonctl/credentials.json",
        format!(r#"{{"access_token":"{a}","refresh_token":"{b}","scope":"urn:neoncloud"}}"#),
        &[("neon.session", &a), ("neon.session", &b)],
    );
    let s = format!("rnd_{}", r.of(ALNUM, 28));
    tree.plant("home/.render/cli.yaml", format!("version: 1\nworkspace: tea-1\napi:\n    key: {s}\n    host: https://api.render.com/v1\n"), &[("render.api-key", &s)]);
    let (a, b) = (r.of(ALNUM, 60), r.of(ALNUM, 60));
    tree.plant("home/.config/.wrangler/config/default.toml", format!("oauth_token = \"{a}\"\nexpiration_time = \"2026-11-25T12:00:00.000Z\"\nrefresh_token = \"{b}\"\nscopes = [\"account:read\"]\n"), &[("cloudflare.session", &a), ("cloudflare.session", &b)]);
    let (a, b) = (
        format!("dop_v1_{}", r.of(HEX, 64)),
        format!("dop_v1_{}", r.of(HEX, 64)),
    );
    tree.plant(
        "home/.config/doctl/config.yaml",
        format!("access-token: {a}\nauth-contexts:\n  team: {b}\ncontext: default\n"),
        &[("digitalocean.token", &a), ("digitalocean.token", &b)],
    );
    let (a, b) = (
        format!("gho_{}", r.of(ALNUM, 36)),
        format!("gho_{}", r.of(ALNUM, 36)),
    );
    tree.plant("home/.config/gh/hosts.yml", format!("github.com:\n    users:\n        ann:\n            oauth_token: {a}\n    git_protocol: https\n    oauth_token: {b}\n    user: ann\n"), &[("github.oauth", &a), ("github.oauth", &b)]);
    let s = format!("glpat-{}", r.of(ALNUM, 20));
    tree.plant(
        "home/.config/glab-cli/config.yml",
        format!("hosts:\n    gitlab.com:\n        token: {s}\n        api_protocol: https\n"),
        &[("gitlab.token", &s)],
    );
    let s = r.password();
    let auth = STANDARD.encode(format!("robot:{s}"));
    tree.plant(
        "home/.docker/config.json",
        format!(
            r#"{{"auths":{{"https://images.corp.io/v1/":{{"auth":"{auth}"}}}},"credsStore":""}}"#
        ),
        &[("docker.registry", &s)],
    );
    let (a, b) = (STANDARD.encode(r.bytes(400)), r.of(ALNUM, 40));
    tree.plant(
        "home/.kube/config",
        format!("apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: https://10.1.2.3:6443\n  name: prod\nusers:\n- name: admin\n  user:\n    client-certificate-data: {}\n    client-key-data: {a}\n- name: bot\n  user:\n    token: {b}\n", STANDARD.encode(r.bytes(300))),
        &[("kubernetes.client-key", &a), ("kubernetes.token", &b)],
    );
    let s = format!("npm_{}", r.of(ALNUM, 36));
    tree.plant(
        "home/.npmrc",
        format!("registry=https://packages.corp.io/\n//packages.corp.io/:_authToken={s}\n"),
        &[("npm.token", &s)],
    );
    let (a, b) = (r.password(), r.password());
    tree.plant(
        "home/.pgpass",
        format!(
            "# host:port:db:user:password\ndb.internal:5432:shop:app:{a}\n*:*:*:postgres:{b}\n"
        ),
        &[("postgres.password", &a), ("postgres.password", &b)],
    );
    let (a, b) = (r.uuid(), r.password());
    tree.plant("home/.netrc", format!("machine api.heroku.com\n  login ann@corp.io\n  password {a}\nmachine ftp.corp.io login ann password {b}\n"), &[("heroku.token", &a), ("password.http", &b)]);
    let s = format!("{}.atlasv1.{}", r.of(ALNUM, 14), r.of(ALNUM, 64));
    tree.plant(
        "home/.terraform.d/credentials.tfrc.json",
        format!(r#"{{"credentials":{{"app.terraform.io":{{"token":"{s}"}}}}}}"#),
        &[("terraform.token", &s)],
    );
    let s = format!("{}.atlasv1.{}", r.of(ALNUM, 14), r.of(ALNUM, 64));
    tree.plant(
        "home/.terraformrc",
        format!("credentials \"app.terraform.io\" {{\n  token = \"{s}\"\n}}\n"),
        &[("terraform.token", &s)],
    );
    let s = r.openssh("none");
    tree.plant("home/.ssh/id_ed25519", format!("{s}\n"), &[("ssh.key", &s)]);
    let s = r.openssh("aes256-ctr");
    tree.plant(
        "home/.ssh/id_locked",
        format!("{s}\n"),
        &[("ssh.key-encrypted", &s)],
    );
    let s = r.pem(&format!("RSA {PRIVATE}"), b"\x30\x82", 600);
    tree.plant("home/.ssh/id_rsa", format!("{s}\n"), &[("ssh.key", &s)]);
    let s = r.password();
    tree.plant(
        "home/.pg_service.conf",
        format!("[prod]\nhost=db.corp.io\nuser=app\npassword={s}\ndbname=shop\n"),
        &[("postgres.password", &s)],
    );
    let s = r.password();
    tree.plant(
        "home/.my.cnf",
        format!("[client]\nuser=root\npassword={s}\n"),
        &[("database.password", &s)],
    );
    let s = format!("sk-{}", r.of(ALNUM, 48));
    tree.plant("home/.codex/config.toml", format!("model = \"o\"\n[mcp_servers.x]\ncommand = \"npx\"\n[mcp_servers.x.env]\nVENDOR_API_KEY = \"{s}\"\n"), &[("token.unnamed", &s)]);
    history(tree, r);
}

fn history(tree: &mut Tree, r: &mut Random) {
    let (a, b, c, d) = (r.password(), r.uuid(), r.password(), r.of(ALNUM, 40));
    tree.plant(
        "home/.bash_history",
        format!("ls -la\nPGPASSWORD={a} psql -h db.corp.io -U app shop\ncd work\ncurl -H 'Authorization: Bearer {b}' https://backboard.railway.com/graphql/v2\ngit status\nexport VENDOR_TOKEN={d}\nsshpass -p {c} ssh root@10.0.0.1\n"),
        &[("postgres.password", &a), ("railway.token", &b), ("ssh.password", &c), ("token.unnamed", &d)],
    );
    let s = r.password();
    tree.plant(
        "home/.psql_history",
        format!("select 1;\nALTER ROLE app PASSWORD '{s}';\n"),
        &[("password.unnamed", &s)],
    );
    let s = format!("ghp_{}", r.of(ALNUM, 36));
    tree.plant(
        "home/.zsh_history",
        format!(": 1700000000:0;git clone https://{s}@github.com/corp/app.git\n"),
        &[("github.classic", &s)],
    );
}

fn workspace(tree: &mut Tree, r: &mut Random) {
    let names: &[(&str, &'static str, String)] = &[
        ("RAILWAY_TOKEN", "railway.project", r.uuid()),
        ("RAILWAY_API_TOKEN", "railway.token", r.uuid()),
        ("PGPASSWORD", "postgres.password", r.password()),
        ("POSTGRES_PASSWORD", "postgres.password", r.password()),
        ("DB_PASSWORD", "database.password", r.password()),
        ("MYSQL_ROOT_PASSWORD", "database.password", r.password()),
        ("AWS_SECRET_ACCESS_KEY", "aws.access-key", r.aws()),
        ("CLOUDFLARE_API_TOKEN", "cloudflare.token", r.of(ALNUM, 40)),
        ("CLOUDFLARE_API_KEY", "cloudflare.global-key", r.of(HEX, 37)),
        (
            "DIGITALOCEAN_ACCESS_TOKEN",
            "digitalocean.token",
            format!("dop_v1_{}", r.of(HEX, 64)),
        ),
        ("VERCEL_TOKEN", "vercel.token", r.of(ALNUM, 24)),
        (
            "RENDER_API_KEY",
            "render.api-key",
            format!("rnd_{}", r.of(ALNUM, 28)),
        ),
        ("HEROKU_API_KEY", "heroku.token", r.uuid()),
        (
            "FLY_API_TOKEN",
            "fly.token",
            format!("fo1_{}", r.of(ALNUM, 43)),
        ),
        (
            "SUPABASE_ACCESS_TOKEN",
            "supabase.account",
            format!("sbp_{}", r.of(HEX, 40)),
        ),
        (
            "SUPABASE_SERVICE_ROLE_KEY",
            "supabase.secret-key",
            r.jwt(r#"{"iss":"supabase","ref":"abcd","role":"service_role","exp":4102444800}"#),
        ),
        (
            "NEON_API_KEY",
            "neon.api-key",
            format!("napi_{}", r.of(LOWER, 64)),
        ),
        ("NPM_TOKEN", "npm.token", format!("npm_{}", r.of(ALNUM, 36))),
        (
            "GITHUB_TOKEN",
            "github.classic",
            format!("ghp_{}", r.of(ALNUM, 36)),
        ),
        (
            "GH_FINE",
            "github.fine-grained",
            format!("github_pat_{}_{}", r.of(ALNUM, 22), r.of(ALNUM, 59)),
        ),
        (
            "GITLAB_TOKEN",
            "gitlab.token",
            format!("glpat-{}", r.of(ALNUM, 20)),
        ),
        (
            "ARM_CLIENT_SECRET",
            "azure.client-secret",
            format!("{}8Q~{}", r.of(ALNUM, 3), r.of(ALNUM, 34)),
        ),
        (
            "AZURE_STORAGE_KEY",
            "azure.storage-key",
            STANDARD.encode(r.bytes(64)),
        ),
        (
            "DOCKERHUB_TOKEN",
            "docker.registry",
            format!("dckr_pat_{}", r.of(ALNUM, 27)),
        ),
        (
            "TF_TOKEN_app_terraform_io",
            "terraform.token",
            format!("{}.atlasv1.{}", r.of(ALNUM, 14), r.of(ALNUM, 64)),
        ),
        (
            "STRIPE_SECRET_KEY",
            "service.token",
            format!("sk_live_{}", r.of(ALNUM, 24)),
        ),
        (
            "SLACK_BOT",
            "service.token",
            format!(
                "xoxb-{}-{}-{}",
                r.of(b"123456789", 12),
                r.of(b"123456789", 12),
                r.of(ALNUM, 24)
            ),
        ),
        (
            "SENDGRID_API_KEY",
            "service.token",
            format!("SG.{}.{}", r.of(ALNUM, 22), r.of(ALNUM, 43)),
        ),
        (
            "GOOGLE_MAPS",
            "gcp.api-key",
            format!("AIza{}", r.of(ALNUM, 35)),
        ),
        ("SESSION_SECRET", "token.unnamed", r.of(HEX, 64)),
        ("INTERNAL_API_KEY", "token.unnamed", r.of(ALNUM, 40)),
        ("ADMIN_PASSWORD", "password.unnamed", r.password()),
        ("SMTP_PASS", "password.unnamed", r.password()),
        ("REDIS_PASSWORD", "database.password", r.password()),
    ];
    for (name, kind, secret) in names {
        tree.env(name, kind, secret);
    }
    addresses(tree, r);
    formats(tree, r);
}

fn addresses(tree: &mut Tree, r: &mut Random) {
    for (number, (before, scheme, after, kind)) in [
        (
            "DATABASE_URL=",
            "postgres://app:",
            "@db.abcd.supabase.co:5432/postgres",
            "postgres.password",
        ),
        (
            "DATABASE_URL=\"",
            "postgresql://u:",
            "@ep-x.eu-central-1.aws.neon.tech/neondb?sslmode=require\"",
            "postgres.password",
        ),
        (
            "SQLALCHEMY_DATABASE_URI = '",
            "postgresql+psycopg2://u:",
            "@containers-us.railway.app:7777/railway'",
            "postgres.password",
        ),
        (
            "url: ",
            "mysql://root:",
            "@10.0.0.5:3306/shop",
            "database.password",
        ),
        (
            "MONGO=",
            "mongodb+srv://admin:",
            "@c0.mongodb.net/x",
            "database.password",
        ),
        (
            "REDIS_URL=",
            "redis://:",
            "@cache.corp.io:6379",
            "database.password",
        ),
        (
            "BROKER=",
            "amqps://svc:",
            "@mq.corp.io/vhost",
            "database.password",
        ),
        (
            "remote = ",
            "https://deploy:",
            "@git.corp.io/app.git",
            "password.http",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let secret = r.of(ALNUM, 16);
        tree.plant(
            &format!("work/addresses/{number}/settings.conf"),
            format!("{before}{scheme}{secret}{after}\n"),
            &[(kind, &secret)],
        );
    }
    let s = r.password().replace('#', "x");
    tree.plant("work/app/db.py", format!("conn = psycopg2.connect(\"host=db.corp.io port=5432 dbname=shop user=app password={s}\")\n"), &[("postgres.password", &s)]);
    let s = r.of(ALNUM, 14);
    tree.plant("work/app/application.properties", format!("spring.datasource.url=jdbc:postgresql://db.corp.io/shop\nspring.datasource.username=app\nspring.datasource.password={s}\n"), &[("postgres.password", &s)]);
    let s = r.of(ALNUM, 14);
    tree.plant(
        "work/app/jdbc.txt",
        format!("jdbc:postgresql://db.corp.io:5432/shop?user=app&password={s}\n"),
        &[("postgres.password", &s)],
    );
}

fn formats(tree: &mut Tree, r: &mut Random) {
    let (a, b) = (r.uuid(), r.password());
    tree.plant(
        "work/.mcp.json",
        format!(r#"{{"mcpServers":{{"railway":{{"command":"npx","args":["-y","x"],"env":{{"RAILWAY_API_TOKEN":"{a}"}}}},"db":{{"command":"mcp-pg","env":{{"PGHOST":"db","PGPASSWORD":"{b}"}}}}}}}}"#),
        &[("railway.token", &a), ("postgres.password", &b)],
    );
    let s = format!("ghp_{}", r.of(ALNUM, 36));
    tree.plant("work/.cursor/mcp.json", format!("{{\n // servers\n \"mcpServers\": {{\"gh\": {{\"env\": {{\"GITHUB_PERSONAL_ACCESS_TOKEN\": \"{s}\"}}}}}},\n}}"), &[("github.classic", &s)]);
    let s = r.of(ALNUM, 40);
    tree.plant(
        "work/.vscode/mcp.json",
        format!(r#"{{"servers":{{"x":{{"headers":{{"X-Api-Token":"{s}"}}}}}}}}"#),
        &[("token.unnamed", &s)],
    );
    let (a, b) = (r.password(), r.aws());
    tree.plant(
        "work/infra/terraform.tfstate",
        format!(r#"{{"version":4,"resources":[{{"type":"aws_db_instance","instances":[{{"attributes":{{"username":"app","password":"{a}","endpoint":"x.rds.amazonaws.com:5432"}}}}]}},{{"type":"aws_iam_access_key","instances":[{{"attributes":{{"id":"AKIA{}","secret":"{b}"}}}}]}}]}}"#, r.of(UPPER, 16)),
        &[("database.password", &a), ("aws.access-key", &b)],
    );
    let pem = r.pem(PRIVATE, b"\x30\x82", 900);
    let line = pem.replace('\n', "\\n");
    tree.plant(
        "work/deploy/sa-prod.json",
        format!("{{\n  \"type\": \"service_account\",\n  \"project_id\": \"corp-prod\",\n  \"private_key\": \"{line}\\n\",\n  \"client_email\": \"x@corp-prod.iam.gserviceaccount.com\"\n}}\n"),
        &[("gcp.service-account", &pem)],
    );
    let s = r.pem(&format!("EC {PRIVATE}"), b"\x30\x77", 120);
    tree.plant(
        "work/tls/server.key",
        format!("{s}\n"),
        &[("key.private", &s)],
    );
    let s = r.password();
    tree.plant("work/docker-compose.yml", format!("services:\n  db:\n    image: postgres:17\n    environment:\n      POSTGRES_USER: app\n      POSTGRES_PASSWORD: {s}\n"), &[("postgres.password", &s)]);
    let s = r.password();
    tree.plant("work/src/settings.py", format!("DATABASES = {{'default': {{'ENGINE': 'django.db.backends.postgresql', 'PASSWORD': '{s}', 'HOST': 'db'}}}}\n"), &[("postgres.password", &s)]);
    let s = r.of(ALNUM, 40);
    tree.plant(
        "work/src/client.ts",
        format!("export const client = new Client({{ apiKey: \"{s}\", timeout: 30 }});\n"),
        &[("token.unnamed", &s)],
    );
    let (id, s) = (format!("AKIA{}", r.of(UPPER, 16)), r.aws());
    tree.plant(
        "work/notes.txt",
        format!("bucket keys\n{id}\n{s}\n"),
        &[("aws.access-key", &s)],
    );
    let s = r.uuid();
    tree.plant("work/scripts/deploy.sh", format!("#!/bin/sh\ncurl -s https://api.heroku.com/apps \\\n  -H \"Authorization: Bearer {s}\"\n"), &[("heroku.token", &s)]);
    // The published rule takes what begins with an x for a stand-in.
    let s = format!("k{}", r.of(ALNUM, 13));
    tree.plant(
        "work/scripts/call.sh",
        format!("curl -u admin:{s} https://api.corp.io/x\n"),
        &[("password.http", &format!("admin:{s}"))],
    );
    let s = r.of(ALNUM, 20);
    tree.plant(
        "work/.git-credentials",
        format!("https://ann:{s}@git.corp.io\n"),
        &[("password.http", &s)],
    );
    let s = r.password();
    tree.plant(
        "work/windows/.env.prod",
        format!("DB_PASSWORD={s}\r\nX=1\r\n"),
        &[("database.password", &s)],
    );
    let s = r.jwt(r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"x","sub":"system:serviceaccount:x:y"}"#);
    tree.plant("work/k8s/token", s.clone(), &[("kubernetes.token", &s)]);
    let s = r.of(ALNUM, 32);
    tree.plant(
        "work/ci/.gitlab-ci.yml",
        format!("variables:\n  SONAR_TOKEN_X: \"{s}\"\n  WEBHOOK_SECRET: {s}x\n"),
        &[("token.unnamed", &format!("{s}x"))],
    );
    let s = r.password();
    tree.plant(
        "work/wp/wp-config.php",
        format!("<?php\ndefine( 'DB_NAME', 'wp' );\ndefine('DB_PASSWORD', '{s}');\n"),
        &[("database.password", &s)],
    );
    let s = r.password();
    tree.plant(
        "work/xml/settings.xml",
        format!("<server><id>x</id><username>u</username><password>{s}</password></server>\n"),
        &[("password.unnamed", &s)],
    );
}

/// What must not be found, or only with a doubt.
fn lookalikes(tree: &mut Tree, r: &mut Random) {
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

fn path_of(finding: &Finding, root: &Path) -> String {
    let Place::File { path, .. } = &finding.place else {
        panic!("{:?}", finding.place)
    };
    path.to_path()
        .strip_prefix(root)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

fn planted() -> (tempfile::TempDir, Tree) {
    let root = tempfile::tempdir().unwrap();
    let (mut tree, mut random) = (Tree::default(), Random::new());
    home(&mut tree, &mut random);
    workspace(&mut tree, &mut random);
    lookalikes(&mut tree, &mut random);
    tree.write(root.path());
    (root, tree)
}

#[test]
fn all_that_was_planted_is_found_and_what_only_looks_like_it_is_not() {
    let (root, tree) = planted();
    assert!(tree.plants.len() >= 100, "{}", tree.plants.len());
    assert!(tree.lookalikes.len() >= 100, "{}", tree.lookalikes.len());
    let mut look = Look::new().unwrap();
    look.paths.push(root.path().to_owned());
    let report = look.run().unwrap();

    let is = |plant: &Plant, finding: &Finding| {
        plant.path == path_of(finding, root.path())
            && finding.kind == plant.kind
            && finding.reveal_secret() == Some(plant.secret.as_bytes())
    };
    let missed: Vec<&Plant> = tree
        .plants
        .iter()
        .filter(|plant| {
            !report
                .findings
                .iter()
                .any(|finding| !finding.confidence.is_doubtful() && is(plant, finding))
        })
        .collect();
    let certain: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| !finding.confidence.is_doubtful())
        .collect();
    let wrong: Vec<&&Finding> = certain
        .iter()
        .filter(|finding| !tree.plants.iter().any(|plant| is(plant, finding)))
        .collect();
    for plant in &missed {
        println!("missed: {} in {}", plant.kind, plant.path);
        for other in report
            .findings
            .iter()
            .filter(|other| path_of(other, root.path()) == plant.path)
        {
            println!(
                "    instead: {} by {} {:?} {:?}",
                other.kind, other.rule, other.confidence, other.facts
            );
        }
    }
    for finding in &wrong {
        println!(
            "wrong: {} by {} in {} {:?}",
            finding.kind,
            finding.rule,
            path_of(finding, root.path()),
            finding.facts
        );
    }
    let share = |part: usize, whole: usize| 100.0 * part as f64 / whole as f64;
    println!(
        "recall {:.1} % of {} credentials; precision {:.1} % of {} findings; {} more with a doubt; {} look-alikes",
        share(tree.plants.len() - missed.len(), tree.plants.len()),
        tree.plants.len(),
        share(certain.len() - wrong.len(), certain.len()),
        certain.len(),
        report.findings.len() - certain.len(),
        tree.lookalikes.len(),
    );
    assert!(
        missed.is_empty(),
        "{} of {} missed",
        missed.len(),
        tree.plants.len()
    );
    assert!(
        share(certain.len() - wrong.len(), certain.len()) >= 95.0,
        "{} wrong",
        wrong.len()
    );
}

#[test]
fn no_secret_is_in_what_is_printed_and_every_kind_has_an_entry() {
    let (root, tree) = planted();
    let mut look = Look::new().unwrap();
    look.paths.push(root.path().to_owned());
    let report = look.run().unwrap();
    let outputs = [
        serde_json::to_string_pretty(&report).unwrap(),
        format!("{report:?}"),
    ];
    for plant in &tree.plants {
        let json = serde_json::to_string(&plant.secret).unwrap();
        let (first, _) = plant.secret.split_at(plant.secret.len().min(60));
        for output in &outputs {
            assert!(
                !output.contains(json.trim_matches('"')),
                "{} is in the output",
                plant.path
            );
            assert!(
                plant.secret.contains("BEGIN") || !output.contains(first),
                "{} begins in the output",
                plant.path
            );
        }
    }
    for finding in &report.findings {
        assert!(
            backstop_scopes::kinds::of(&finding.kind).is_some(),
            "{}",
            finding.kind
        );
    }
}

/// For scripts/scanners.sh: the same tree, what is where, and what Backstop finds in it.
#[test]
#[ignore = "writes files for other scanners"]
fn plants_for_other_scanners() {
    let Some(into) = std::env::var_os("BACKSTOP_PLANT_INTO") else {
        return;
    };
    let into = Path::new(&into);
    let (root, tree) = planted();
    tree.write(&into.join("tree"));
    let mut look = Look::new().unwrap();
    look.paths.push(root.path().to_owned());
    let report = look.run().unwrap();
    let certain = report
        .findings
        .iter()
        .filter(|finding| !finding.confidence.is_doubtful());
    let found: Vec<String> = certain
        .map(|finding| path_of(finding, root.path()))
        .collect();
    let credentials: Vec<&String> = tree.plants.iter().map(|plant| &plant.path).collect();
    let json = serde_json::json!({ "credentials": credentials, "lookalikes": tree.lookalikes, "found": found });
    fs::write(into.join("planted.json"), json.to_string()).unwrap();
}
