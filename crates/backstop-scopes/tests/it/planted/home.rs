//! A home directory: what command lines and people leave there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Tree;
use crate::secrets::{ALNUM, HEX, PRIVATE, Random, UPPER};

pub(super) fn home(tree: &mut Tree, r: &mut Random) {
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
