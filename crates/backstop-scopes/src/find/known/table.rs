//! Which files are known, where their secrets stand, and of what kind they are.

/// How a file is written.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Json,
    Toml,
    Yaml,
    Ini,
    Netrc,
    Pgpass,
    Npmrc,
    /// The file is the secret.
    Whole(&'static str),
}

/// A file that is known.
pub(crate) struct Known {
    /// The end of its path.
    pub(crate) path: &'static str,
    pub(crate) format: Format,
    /// Names that lead to a secret, and its kind; an empty kind is told by the last name.
    pub(crate) keys: &'static [(&'static str, &'static str)],
}

const fn known(
    path: &'static str,
    format: Format,
    keys: &'static [(&'static str, &'static str)],
) -> Known {
    Known { path, format, keys }
}

/// Servers of the Model Context Protocol, as every editor writes them down.
const MCP: &[(&str, &str)] = &[
    ("**/env/*", ""),
    ("**/headers/*", ""),
    ("**/environment/*", ""),
];
const AWS: &[(&str, &str)] = &[
    ("*/aws_secret_access_key", "aws.access-key"),
    ("*/aws_session_token", "aws.session"),
];
const TFSTATE: &[(&str, &str)] = &[
    ("**/attributes/password", "database.password"),
    ("**/attributes/master_password", "database.password"),
    ("**/attributes/administrator_password", "database.password"),
    (
        "**/attributes/administrator_login_password",
        "database.password",
    ),
    ("**/attributes/auth_token", "database.password"),
    ("**/attributes/result", "terraform.state"),
    ("**/attributes/secret", "aws.access-key"),
    ("**/attributes/private_key", "gcp.service-account"),
    ("**/attributes/private_key_pem", "key.private"),
    ("**/attributes/private_key_openssh", "ssh.key"),
    ("**/attributes/secret_string", "terraform.state"),
    ("**/attributes/token", "terraform.state"),
    ("**/attributes/client_secret", "azure.client-secret"),
    ("**/attributes/primary_access_key", "azure.storage-key"),
    ("**/attributes/secondary_access_key", "azure.storage-key"),
    ("**/attributes/*", ""),
];
const KUBE: &[(&str, &str)] = &[
    ("users/*/user/token", "kubernetes.token"),
    ("users/*/user/client-key-data", "kubernetes.client-key"),
    ("users/*/user/password", "kubernetes.token"),
    (
        "users/*/user/auth-provider/config/*-token",
        "kubernetes.token",
    ),
    (
        "users/*/user/auth-provider/config/access-token",
        "kubernetes.token",
    ),
    (
        "users/*/user/auth-provider/config/refresh-token",
        "kubernetes.token",
    ),
    (
        "users/*/user/auth-provider/config/id-token",
        "kubernetes.token",
    ),
];
const CLOUDFLARE: &[(&str, &str)] = &[
    ("oauth_token", "cloudflare.session"),
    ("refresh_token", "cloudflare.session"),
    ("api_token", "cloudflare.token"),
];
const TERRAFORM: &[(&str, &str)] = &[("credentials/*/token", "terraform.token")];
const DOCTL: &[(&str, &str)] = &[
    ("access-token", "digitalocean.token"),
    ("auth-contexts/*", "digitalocean.token"),
];
const VERCEL: &[(&str, &str)] = &[
    ("token", "vercel.session"),
    ("refreshToken", "vercel.session"),
];
const PGSERVICE: &[(&str, &str)] = &[("*/password", "postgres.password")];
const MYSQL: &[(&str, &str)] = &[("*/password", "database.password")];

pub(crate) const KNOWN: &[Known] = &[
    known(
        ".railway/config.json",
        Format::Json,
        &[
            ("user/token", "railway.session"),
            ("user/accessToken", "railway.session"),
            ("user/refreshToken", "railway.session"),
        ],
    ),
    known(".aws/credentials", Format::Ini, AWS),
    known(".aws/config", Format::Ini, AWS),
    known(
        ".aws/sso/cache/*.json",
        Format::Json,
        &[
            ("accessToken", "aws.sso"),
            ("refreshToken", "aws.sso"),
            ("clientSecret", "aws.sso"),
        ],
    ),
    known(
        ".aws/cli/cache/*.json",
        Format::Json,
        &[
            ("Credentials/SecretAccessKey", "aws.access-key"),
            ("Credentials/SessionToken", "aws.session"),
        ],
    ),
    known(
        "gcloud/application_default_credentials.json",
        Format::Json,
        &[
            ("refresh_token", "gcp.user"),
            ("private_key", "gcp.service-account"),
        ],
    ),
    known(
        "gcloud/legacy_credentials/*/adc.json",
        Format::Json,
        &[
            ("refresh_token", "gcp.user"),
            ("private_key", "gcp.service-account"),
        ],
    ),
    known(
        ".azure/msal_token_cache.json",
        Format::Json,
        &[
            ("RefreshToken/*/secret", "azure.session"),
            ("AccessToken/*/secret", "azure.session"),
        ],
    ),
    known(
        ".azure/accessTokens.json",
        Format::Json,
        &[
            ("*/refreshToken", "azure.session"),
            ("*/accessToken", "azure.session"),
        ],
    ),
    known(
        ".azure/service_principal_entries.json",
        Format::Json,
        &[
            ("*/client_secret", "azure.client-secret"),
            ("*/secret", "azure.client-secret"),
        ],
    ),
    known(
        ".fly/config.yml",
        Format::Yaml,
        &[
            ("access_token", "fly.session"),
            ("metrics_token", "fly.metrics"),
        ],
    ),
    known("com.vercel.cli/auth.json", Format::Json, VERCEL),
    known(".vercel/auth.json", Format::Json, VERCEL),
    known(
        ".supabase/access-token",
        Format::Whole("supabase.account"),
        &[],
    ),
    known(
        "neonctl/credentials.json",
        Format::Json,
        &[
            ("access_token", "neon.session"),
            ("refresh_token", "neon.session"),
        ],
    ),
    known(
        ".render/cli.yaml",
        Format::Yaml,
        &[
            ("**/key", "render.api-key"),
            ("**/api_key", "render.api-key"),
            ("**/refresh_token", "render.api-key"),
        ],
    ),
    known(
        "render/cli.yaml",
        Format::Yaml,
        &[
            ("**/key", "render.api-key"),
            ("**/api_key", "render.api-key"),
            ("**/refresh_token", "render.api-key"),
        ],
    ),
    known(".wrangler/config/default.toml", Format::Toml, CLOUDFLARE),
    known(".wrangler/config/*.toml", Format::Toml, CLOUDFLARE),
    known(
        ".cloudflared/cert.pem",
        Format::Whole("cloudflare.tunnel"),
        &[],
    ),
    known("doctl/config.yaml", Format::Yaml, DOCTL),
    known(
        "gh/hosts.yml",
        Format::Yaml,
        &[
            ("*/oauth_token", "github.oauth"),
            ("*/users/*/oauth_token", "github.oauth"),
        ],
    ),
    known(
        "glab-cli/config.yml",
        Format::Yaml,
        &[
            ("hosts/*/token", "gitlab.token"),
            ("hosts/*/oauth2_refresh_token", "gitlab.token"),
        ],
    ),
    known(
        ".docker/config.json",
        Format::Json,
        &[
            ("auths/*/auth", "docker.registry"),
            ("auths/*/identitytoken", "docker.identity-token"),
            ("auths/*/registrytoken", "docker.identity-token"),
        ],
    ),
    known(
        ".dockerconfigjson",
        Format::Json,
        &[("auths/*/auth", "docker.registry")],
    ),
    known(
        "containers/auth.json",
        Format::Json,
        &[("auths/*/auth", "docker.registry")],
    ),
    known(".kube/config", Format::Yaml, KUBE),
    known("kubeconfig", Format::Yaml, KUBE),
    known("kubeconfig*.yaml", Format::Yaml, KUBE),
    known("kubeconfig*.yml", Format::Yaml, KUBE),
    known("k3s.yaml", Format::Yaml, KUBE),
    known("terraform.tfstate", Format::Json, TFSTATE),
    known("*.tfstate", Format::Json, TFSTATE),
    known("terraform.tfstate.backup", Format::Json, TFSTATE),
    known("credentials.tfrc.json", Format::Json, TERRAFORM),
    known(".npmrc", Format::Npmrc, &[]),
    known(
        ".yarnrc.yml",
        Format::Yaml,
        &[
            ("npmAuthToken", "npm.token"),
            ("**/npmAuthToken", "npm.token"),
            ("**/npmAuthIdent", "npm.token"),
        ],
    ),
    known(".pgpass", Format::Pgpass, &[]),
    known("pgpass.conf", Format::Pgpass, &[]),
    known(".pg_service.conf", Format::Ini, PGSERVICE),
    known("pg_service.conf", Format::Ini, PGSERVICE),
    known(".my.cnf", Format::Ini, MYSQL),
    known(".netrc", Format::Netrc, &[]),
    known("_netrc", Format::Netrc, &[]),
    known(".pypirc", Format::Ini, &[("*/password", "password.http")]),
    known(
        ".cargo/credentials.toml",
        Format::Toml,
        &[("**/token", "service.token")],
    ),
    known(
        ".gem/credentials",
        Format::Yaml,
        &[("**/*", "service.token")],
    ),
    known(".mcp.json", Format::Json, MCP),
    known("mcp.json", Format::Json, MCP),
    known("claude_desktop_config.json", Format::Json, MCP),
    known(".claude.json", Format::Json, MCP),
    known(".claude/settings.json", Format::Json, MCP),
    known(".claude/settings.local.json", Format::Json, MCP),
    known(
        ".claude/.credentials.json",
        Format::Json,
        &[
            ("**/accessToken", "service.token"),
            ("**/refreshToken", "service.token"),
        ],
    ),
    known("cline_mcp_settings.json", Format::Json, MCP),
    known("mcp_config.json", Format::Json, MCP),
    known("mcp_settings.json", Format::Json, MCP),
    known(".codex/config.toml", Format::Toml, MCP),
    known(
        ".codex/auth.json",
        Format::Json,
        &[
            ("**/access_token", "service.token"),
            ("**/refresh_token", "service.token"),
            ("OPENAI_API_KEY", "service.token"),
        ],
    ),
    known(".gemini/settings.json", Format::Json, MCP),
    known("Code/User/settings.json", Format::Json, MCP),
    known(".vscode/settings.json", Format::Json, MCP),
];

/// A service account's key, whatever its file is called.
pub(crate) const SERVICE_ACCOUNT: Known = known(
    "*.json",
    Format::Json,
    &[("private_key", "gcp.service-account")],
);

/// Databases and stores that are no text: that one is there is what there is to say.
pub(crate) const PRESENT: &[(&str, &str)] = &[
    ("gcloud/credentials.db", "gcp.user"),
    ("gcloud/access_tokens.db", "gcp.user"),
    (".azure/msal_token_cache.bin", "azure.session"),
    (
        ".azure/service_principal_entries.bin",
        "azure.client-secret",
    ),
];
