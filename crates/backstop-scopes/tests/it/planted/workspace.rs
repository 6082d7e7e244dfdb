//! A workspace: settings, addresses, and every format that a secret comes in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Tree;
use crate::secrets::{ALNUM, HEX, LOWER, PRIVATE, Random, UPPER};

pub(super) fn workspace(tree: &mut Tree, r: &mut Random) {
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
