//! What a name says about its value: `RAILWAY_TOKEN`, `PGPASSWORD`, `stripeApiKey`. For tokens without a shape of
//! their own the name is all there is.

/// What values a name may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A UUID.
    Uuid,
    /// Forty characters of base64, as AWS makes them.
    Aws,
    /// Anything that a person may have chosen.
    Password,
    /// Something that a machine made.
    Token,
}

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The kind, as the scope audit names it.
    pub kind: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether the name tells whose credential it is.
    pub specific: bool,
}

/// By how a name ends, once it is written in lower case with underscores.
const SPECIFIC: &[(&str, &str, Shape)] = &[
    ("railway_api_token", "railway.token", Shape::Uuid),
    ("railway_token", "railway.project", Shape::Uuid),
    ("railway_project_token", "railway.project", Shape::Uuid),
    ("project_access_token", "railway.project", Shape::Uuid),
    ("pgpassword", "postgres.password", Shape::Password),
    ("postgres_password", "postgres.password", Shape::Password),
    ("postgresql_password", "postgres.password", Shape::Password),
    ("postgres_passwd", "postgres.password", Shape::Password),
    ("postgres_pwd", "postgres.password", Shape::Password),
    ("pg_password", "postgres.password", Shape::Password),
    ("supabase_db_password", "postgres.password", Shape::Password),
    ("db_password", "database.password", Shape::Password),
    ("db_passwd", "database.password", Shape::Password),
    ("db_pass", "database.password", Shape::Password),
    ("db_pwd", "database.password", Shape::Password),
    ("database_password", "database.password", Shape::Password),
    ("mysql_password", "database.password", Shape::Password),
    ("mysql_root_password", "database.password", Shape::Password),
    ("mysql_pwd", "database.password", Shape::Password),
    ("mariadb_password", "database.password", Shape::Password),
    (
        "mariadb_root_password",
        "database.password",
        Shape::Password,
    ),
    ("redis_password", "database.password", Shape::Password),
    (
        "mongo_initdb_root_password",
        "database.password",
        Shape::Password,
    ),
    ("mssql_sa_password", "database.password", Shape::Password),
    ("sa_password", "database.password", Shape::Password),
    ("aws_secret_access_key", "aws.access-key", Shape::Aws),
    ("aws_secret_key", "aws.access-key", Shape::Aws),
    ("aws_session_token", "aws.session", Shape::Token),
    ("aws_security_token", "aws.session", Shape::Token),
    ("cloudflare_api_token", "cloudflare.token", Shape::Token),
    ("cf_api_token", "cloudflare.token", Shape::Token),
    ("cloudflare_api_key", "cloudflare.global-key", Shape::Token),
    ("cf_api_key", "cloudflare.global-key", Shape::Token),
    (
        "digitalocean_access_token",
        "digitalocean.token",
        Shape::Token,
    ),
    ("digitalocean_token", "digitalocean.token", Shape::Token),
    ("digitalocean_api_token", "digitalocean.token", Shape::Token),
    (
        "spaces_secret_access_key",
        "digitalocean.spaces-key",
        Shape::Token,
    ),
    ("vercel_token", "vercel.token", Shape::Token),
    ("vercel_api_token", "vercel.token", Shape::Token),
    ("render_api_key", "render.api-key", Shape::Token),
    ("heroku_api_key", "heroku.token", Shape::Token),
    ("heroku_api_token", "heroku.token", Shape::Token),
    ("fly_api_token", "fly.token", Shape::Token),
    ("fly_access_token", "fly.token", Shape::Token),
    ("supabase_access_token", "supabase.account", Shape::Token),
    (
        "supabase_service_role_key",
        "supabase.secret-key",
        Shape::Token,
    ),
    ("supabase_service_key", "supabase.secret-key", Shape::Token),
    ("supabase_secret_key", "supabase.secret-key", Shape::Token),
    ("service_role_key", "supabase.secret-key", Shape::Token),
    ("supabase_jwt_secret", "supabase.jwt-secret", Shape::Token),
    ("neon_api_key", "neon.api-key", Shape::Token),
    ("npm_token", "npm.token", Shape::Token),
    ("npm_auth_token", "npm.token", Shape::Token),
    ("node_auth_token", "npm.token", Shape::Token),
    ("github_token", "github.token", Shape::Token),
    ("gh_token", "github.token", Shape::Token),
    ("github_pat", "github.token", Shape::Token),
    ("github_personal_access_token", "github.token", Shape::Token),
    ("gitlab_token", "gitlab.token", Shape::Token),
    ("gitlab_access_token", "gitlab.token", Shape::Token),
    ("gitlab_private_token", "gitlab.token", Shape::Token),
    ("gitlab_personal_access_token", "gitlab.token", Shape::Token),
    ("ci_job_token", "gitlab.job-token", Shape::Token),
    ("azure_client_secret", "azure.client-secret", Shape::Token),
    ("arm_client_secret", "azure.client-secret", Shape::Token),
    ("arm_access_key", "azure.storage-key", Shape::Token),
    ("azure_storage_key", "azure.storage-key", Shape::Token),
    (
        "azure_storage_account_key",
        "azure.storage-key",
        Shape::Token,
    ),
    ("dockerhub_token", "docker.registry", Shape::Token),
    ("docker_password", "docker.registry", Shape::Password),
    ("dockerhub_password", "docker.registry", Shape::Password),
    ("tfe_token", "terraform.token", Shape::Token),
    ("sshpass", "ssh.password", Shape::Password),
];

const PASSWORDS: &[&str] = &["password", "passwd", "passphrase", "pwd", "passwort"];
const TOKENS: &[&str] = &[
    "token",
    "secret",
    "api_key",
    "apikey",
    "access_key",
    "secret_key",
    "private_key",
    "auth_key",
    "signing_key",
    "encryption_key",
    "master_key",
    "account_key",
    "shared_key",
    "credential",
    "service_key",
    "webhook_key",
    "secret_access_key",
    "license_key",
    "deploy_key",
    "_auth",
    "api_secret",
];

/// Names that end so and hold nothing secret.
const HARMLESS: &[&str] = &[
    "csrf_token",
    "xsrf_token",
    "csrfmiddlewaretoken",
    "page_token",
    "next_token",
    "sync_token",
    "cancel_token",
    "cancellation_token",
    "continuation_token",
    "no_token",
    "stop_token",
    "eos_token",
    "bos_token",
    "pad_token",
    "unk_token",
    "sep_token",
    "mask_token",
    "cls_token",
    "max_token",
    "prev_token",
    "start_token",
    "end_token",
    "this_token",
    "current_token",
    "peek_token",
    "public_token",
    "publishable_key",
    "resume_token",
    "change_token",
    "has_token",
    "use_token",
    "with_token",
    "is_secret",
    "is_password",
    "show_password",
    "forgot_password",
    "reset_password",
    "no_password",
    "has_password",
    "require_password",
    "ask_password",
    "image_pull_secret",
    "old_pwd",
    "oldpwd",
    "site_key",
];

/// What the value of `name` is, by the name.
#[must_use]
pub fn meaning(name: &[u8]) -> Option<Meaning> {
    if !may_mean(name) {
        return None;
    }
    let name = snake(name);
    if name.starts_with("tf_token_") {
        return Some(Meaning {
            kind: "terraform.token",
            shape: Shape::Token,
            specific: true,
        });
    }
    let ends = |pattern: &str| {
        name.strip_suffix(pattern)
            .is_some_and(|before| before.is_empty() || before.ends_with('_'))
    };
    if let Some((_, kind, shape)) = SPECIFIC.iter().find(|(pattern, ..)| ends(pattern)) {
        return Some(Meaning {
            kind,
            shape: *shape,
            specific: true,
        });
    }
    if HARMLESS.iter().any(|pattern| name.ends_with(pattern)) {
        return None;
    }
    if PASSWORDS.iter().any(|word| name.ends_with(word)) || ends("pass") {
        return Some(Meaning {
            kind: "password.unnamed",
            shape: Shape::Password,
            specific: false,
        });
    }
    (TOKENS
        .iter()
        .any(|word| ends(word.trim_start_matches('_')) || (word.len() > 4 && name.ends_with(word))))
    .then_some(Meaning {
        kind: "token.unnamed",
        shape: Shape::Token,
        specific: false,
    })
}

/// Whether a name ends as one that means something does: nearly none does, and the rest costs.
fn may_mean(name: &[u8]) -> bool {
    const ENDS: &[&[u8; 3]] = &[
        b"ken", b"ret", b"key", b"ord", b"swd", b"pwd", b"ass", b"ase", b"ort", b"ial", b"uth",
        b"pat",
    ];
    let end = name.iter().rposition(u8::is_ascii_alphanumeric);
    let end = end.and_then(|end| name.get(end.checked_sub(2)?..=end));
    end.is_some_and(|end| ENDS.iter().any(|known| end.eq_ignore_ascii_case(*known)))
        || name
            .get(..3)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"tf_") || start == b"tf-")
}

/// `stripeApiKey`, `stripe-api-key` and `STRIPE.API.KEY` as `stripe_api_key`.
fn snake(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = b'_';
    for &byte in name {
        if byte.is_ascii_alphanumeric() {
            if byte.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit())
            {
                out.push('_');
            }
            out.push(char::from(byte.to_ascii_lowercase()));
        } else if !out.ends_with('_') {
            out.push('_');
        }
        before = byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quick look before the slow one lets every name of the tables through.
    #[test]
    fn no_name_of_the_tables_is_passed_over() {
        let names = SPECIFIC.iter().map(|(name, ..)| name);
        for name in names.chain(PASSWORDS).chain(TOKENS).chain(&["x_pass"]) {
            let name = name.trim_start_matches('_');
            assert!(may_mean(name.as_bytes()), "{name}");
            assert!(meaning(name.as_bytes()).is_some(), "{name}");
            let dotted = format!("x.{}", name.to_ascii_uppercase().replace('_', "-"));
            assert!(meaning(dotted.as_bytes()).is_some(), "{dotted}");
        }
    }

    #[test]
    fn a_name_is_known_however_it_is_written() {
        let kind = |name: &str| meaning(name.as_bytes()).map(|meaning| meaning.kind);
        assert_eq!(kind("RAILWAY_TOKEN"), Some("railway.project"));
        assert_eq!(kind("PROD_RAILWAY_API_TOKEN"), Some("railway.token"));
        assert_eq!(kind("PGPASSWORD"), Some("postgres.password"));
        assert_eq!(kind("awsSecretAccessKey"), Some("aws.access-key"));
        assert_eq!(kind("spring.datasource.password"), Some("password.unnamed"));
        assert_eq!(kind("stripeApiKey"), Some("token.unnamed"));
        assert_eq!(kind("TF_TOKEN_app_terraform_io"), Some("terraform.token"));
        for harmless in [
            "token_type",
            "passwordHash",
            "secretName",
            "csrf_token",
            "nextPageToken",
            "max_tokens",
            "public_key",
            "primary_key",
        ] {
            assert_eq!(kind(harmless), None, "{harmless}");
        }
    }
}
