//! Whose a credential is, by the rule that matched it or by a host nearby.

/// The kind that a published rule finds.
#[must_use]
pub fn kind_of_rule(rule: &str) -> &'static str {
    const RULES: &[(&str, &str)] = &[
        ("github-fine-grained-pat", "github.fine-grained"),
        ("github-pat", "github.classic"),
        ("github-oauth", "github.oauth"),
        ("github-app-token", "github.app"),
        ("github-refresh-token", "github.app"),
        ("gitlab-deploy-token", "gitlab.deploy"),
        ("gitlab-runner", "gitlab.runner"),
        ("gitlab-cicd-job-token", "gitlab.job-token"),
        ("gitlab", "gitlab.token"),
        ("aws-amazon-bedrock", "aws.bedrock-key"),
        ("aws", "aws.access-key"),
        ("gcp-service-account", "gcp.service-account"),
        ("gcp-api-key", "gcp.api-key"),
        ("gcp", "gcp.user"),
        ("azure-ad-client-secret", "azure.client-secret"),
        ("azure-storage", "azure.storage-key"),
        ("azure", "azure.connection-string"),
        ("supabase-management-token", "supabase.account"),
        ("supabase", "supabase.secret-key"),
        ("neon", "neon.api-key"),
        ("flyio", "fly.token"),
        ("fly-", "fly.token"),
        ("cloudflare-global", "cloudflare.global-key"),
        ("cloudflare-origin", "cloudflare.origin-ca-key"),
        ("cloudflare", "cloudflare.token"),
        ("digitalocean-access-token", "digitalocean.oauth"),
        ("digitalocean-refresh-token", "digitalocean.oauth"),
        ("digitalocean", "digitalocean.token"),
        ("doctl", "digitalocean.token"),
        ("vercel-ai-gateway", "service.token"),
        ("vercel", "vercel.token"),
        ("render", "render.api-key"),
        ("heroku", "heroku.token"),
        ("npm", "npm.token"),
        ("docker", "docker.registry"),
        ("hashicorp-tf", "terraform.token"),
        ("terraform", "terraform.token"),
        ("kubernetes", "kubernetes.token"),
        ("openshift", "kubernetes.token"),
        ("postgres", "postgres.password"),
        ("mongodb-connection", "database.password"),
        ("jwt", "token.jwt"),
        ("curl-auth-user", "password.http"),
        ("curl-auth-header", "token.http"),
        ("pkcs12-file", "key.store"),
    ];
    RULES
        .iter()
        .find(|(start, _)| rule.starts_with(start))
        .map_or("service.token", |(_, kind)| kind)
}

/// The kind of a credential that is sent to a host named in `near`.
#[must_use]
pub fn kind_by_host(near: &[u8]) -> Option<&'static str> {
    const HOSTS: &[(&str, &str)] = &[
        ("backboard.railway.", "railway.token"),
        ("railway.app/graphql", "railway.token"),
        ("api.heroku.com", "heroku.token"),
        ("git.heroku.com", "heroku.token"),
        ("api.render.com", "render.api-key"),
        ("api.vercel.com", "vercel.token"),
        ("api.cloudflare.com", "cloudflare.token"),
        ("api.digitalocean.com", "digitalocean.token"),
        ("api.machines.dev", "fly.token"),
        ("api.fly.io", "fly.token"),
        ("api.supabase.com", "supabase.account"),
        ("console.neon.tech", "neon.api-key"),
        ("api.github.com", "github.token"),
        ("github.com", "github.token"),
        ("gitlab.com", "gitlab.token"),
        ("registry.npmjs.org", "npm.token"),
        ("app.terraform.io", "terraform.token"),
        ("index.docker.io", "docker.registry"),
        ("registry-1.docker.io", "docker.registry"),
        ("ghcr.io", "github.token"),
    ];
    HOSTS
        .iter()
        .find(|(host, _)| memchr::memmem::find(near, host.as_bytes()).is_some())
        .map(|(_, kind)| *kind)
}

/// Who runs the database at `host`.
pub(crate) fn database_host(host: &[u8]) -> Option<&'static str> {
    const ENDS: &[(&str, &str)] = &[
        (".supabase.co", "supabase"),
        (".supabase.com", "supabase"),
        (".neon.tech", "neon"),
        (".rds.amazonaws.com", "aws"),
        (".rlwy.net", "railway"),
        (".railway.internal", "railway"),
        (".railway.app", "railway"),
        (".render.com", "render"),
        (".fly.dev", "fly"),
        (".flycast", "fly"),
        (".fly.internal", "fly"),
        (".ondigitalocean.com", "digitalocean"),
        (".postgres.database.azure.com", "azure"),
        (".compute-1.amazonaws.com", "aws"),
        (".compute.amazonaws.com", "aws"),
        (".aivencloud.com", "aiven"),
        (".cockroachlabs.cloud", "cockroachdb"),
        (".timescale.com", "timescale"),
        (".psdb.cloud", "planetscale"),
    ];
    let host = host.to_ascii_lowercase();
    ENDS.iter()
        .find(|(end, _)| host.ends_with(end.as_bytes()))
        .map(|(_, provider)| *provider)
}
