//! What names say: headers, cookies, parameters and fields that hold a credential, and those that never do. Data.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::draw::{self, Looks};
use crate::secrets::{Shape, is_placeholder, meaning, variable};

/// Headers whose value is a credential, and of what kind. Those that end as the names of credentials do, such as
/// `x-…-token`, need not stand here.
const CREDENTIAL_HEADERS: &[(&str, Option<&str>)] = &[
    ("api-key", None),
    ("apikey", None),
    ("authentication", None),
    ("authorization", None),
    ("circle-token", None),
    ("dd-api-key", None),
    ("dd-application-key", None),
    ("deploy-token", Some("gitlab.deploy")),
    ("fastly-key", None),
    ("job-token", Some("gitlab.job-token")),
    ("macaroon", None),
    ("npm-otp", None),
    ("ocp-apim-subscription-key", None),
    ("private-token", Some("gitlab.token")),
    ("project-access-token", Some("railway.project")),
    ("x-access-token", None),
    ("x-algolia-api-key", None),
    ("x-amz-security-token", Some("aws.session")),
    ("x-api-key", None),
    ("x-api-secret", None),
    ("x-apikey", None),
    ("x-appwrite-key", None),
    ("x-auth", None),
    ("x-auth-key", Some("cloudflare.global-key")),
    ("x-auth-token", None),
    ("x-auth-user-service-key", Some("cloudflare.origin-ca-key")),
    ("x-authorization", None),
    ("x-cisco-meraki-api-key", None),
    ("x-consul-token", None),
    ("x-figma-token", None),
    ("x-forwarded-access-token", None),
    ("x-forwarded-authorization", None),
    ("x-functions-key", None),
    ("x-github-otp", None),
    ("x-gitlab-token", None),
    ("x-goog-api-key", Some("gcp.api-key")),
    ("x-goog-iam-authorization-token", Some("gcp.user")),
    ("x-hasura-admin-secret", None),
    ("x-honeycomb-team", None),
    ("x-jfrog-art-api", None),
    ("x-jwt-assertion", None),
    ("x-master-key", None),
    ("x-nomad-token", None),
    ("x-original-authorization", None),
    ("x-parse-master-key", None),
    ("x-parse-rest-api-key", None),
    ("x-password", None),
    ("x-rapidapi-key", None),
    ("x-redmine-api-key", None),
    ("x-registry-auth", Some("docker.registry")),
    ("x-registry-config", Some("docker.registry")),
    ("x-sentry-auth", None),
    ("x-serverless-authorization", None),
    ("x-service-key", None),
    ("x-subject-token", None),
    ("x-vault-token", None),
    ("xi-api-key", None),
];

/// Headers that every client may send and that hold no credential, hashes, identifiers and random numbers included. A
/// `*` at the end stands for anything.
const ORDINARY_HEADERS: &[&str] = &[
    "accept*",
    "access-control-*",
    "age",
    "allow",
    "alt-used",
    "amz-sdk-*",
    "anthropic-*",
    "b3",
    "baggage",
    "cache-control",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ray",
    "connection",
    "content-*",
    "correlation-context",
    "date",
    "depth",
    "destination",
    "digest",
    "dnt",
    "docker-content-digest",
    "docker-upload-uuid",
    "early-data",
    "etag",
    "expect",
    "forwarded",
    "from",
    "git-protocol",
    "github-verified*",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "grpc-trace-bin",
    "host",
    "http2-settings",
    "idempotency-key",
    "if",
    "if-*",
    "keep-alive",
    "last-event-id",
    "last-modified",
    "link",
    "location",
    "lock-token",
    "mcp-*",
    "mime-version",
    "newrelic",
    "npm-*",
    "openai-*",
    "origin",
    "overwrite",
    "pragma",
    "prefer",
    "priority",
    "range",
    "referer",
    "repr-digest",
    "save-data",
    "sec-*",
    "sentry-trace",
    "soapaction",
    "te",
    "timeout",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "tus-resumable",
    "uber-trace-id",
    "upgrade",
    "upgrade-insecure-requests",
    "upload-*",
    "user-agent",
    "via",
    "want-digest",
    "x-amz-acl",
    "x-amz-checksum-*",
    "x-amz-content-sha256",
    "x-amz-copy-source*",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-meta-*",
    "x-amz-target",
    "x-amz-user-agent",
    "x-amzn-trace-id",
    "x-b3-*",
    "x-bz-content-sha1",
    "x-checksum-*",
    "x-client-data",
    "x-client-info",
    "x-client-trace-id",
    "x-cloud-trace-context",
    "x-csrf-token",
    "x-csrftoken",
    "x-datadog-*",
    "x-forwarded-*",
    "x-github-*",
    "x-goog-api-client",
    "x-goog-content-sha256",
    "x-goog-hash",
    "x-goog-request-params",
    "x-goog-request-reason",
    "x-goog-user-project",
    "x-http-method-override",
    "x-idempotency-key",
    "x-ms-client-*",
    "x-ms-content-sha256",
    "x-ms-continuation*",
    "x-ms-correlation-*",
    "x-ms-date",
    "x-ms-version",
    "x-ot-span-context",
    "x-real-ip",
    "x-requested-with",
    "x-stainless-*",
    "x-vercel-id",
    "x-xsrf-token",
];

/// Words in a header's name that say that its value tells things apart, and opens none.
const IDENTIFYING: &[&str] = &[
    "checksum",
    "commit",
    "correlation",
    "crc32",
    "csrf",
    "cursor",
    "delivery",
    "digest",
    "etag",
    "event",
    "fingerprint",
    "hash",
    "id",
    "ids",
    "idempotency",
    "integrity",
    "md5",
    "nonce",
    "request",
    "revision",
    "sha",
    "sha1",
    "sha256",
    "sha512",
    "span",
    "trace",
    "traceid",
    "tracing",
    "transaction",
    "version",
    "xsrf",
];

/// Fields and parameters that end as credentials do and hold none, beside those that every text may have. In lower case,
/// without anything between their words.
const HARMLESS_FIELDS: &[&str] = &[
    "authenticitytoken",
    "captchatoken",
    "clienttoken",
    "clientrequesttoken",
    "creationtoken",
    "deltatoken",
    "devicetoken",
    "idempotencytoken",
    "locktoken",
    "markertoken",
    "paginationtoken",
    "pushtoken",
    "recaptchatoken",
    "registrationtoken",
    "requesttoken",
    "sequencetoken",
    "skiptoken",
    "startingtoken",
    "uploadtoken",
];

/// Parameters of a query, and fields of a form, that hold a credential whatever their value is.
const CREDENTIAL_PARAMETERS: &[&str] = &[
    "access_key",
    "access_token",
    "api_key",
    "apikey",
    "app_key",
    "application_key",
    "auth_token",
    "authkey",
    "authorization",
    "awsaccesskeyid",
    "client_assertion",
    "client_secret",
    "hapikey",
    "id_token",
    "jwt",
    "oauth_signature",
    "oauth_token",
    "ossaccesskeyid",
    "passwd",
    "password",
    "private_token",
    "pwd",
    "refresh_token",
    "session_token",
    "sig",
    "signature",
    "subscription_key",
    "token",
    "x_amz_credential",
    "x_amz_security_token",
    "x_amz_signature",
    "x_goog_credential",
    "x_goog_signature",
];

/// Parameters that hold a credential only where the value looks like one.
const DOUBTFUL_PARAMETERS: &[&str] = &[
    "appid",
    "appkey",
    "assertion",
    "auth",
    "code",
    "credential",
    "key",
    "pass",
    "secret",
    "session",
    "sid",
    "sign",
];

/// Fields of a request for a token (RFC 6749, 7521, 8628, 8693), beside what their names tell.
const GRANT_FIELDS: &[&str] = &[
    "actor_token",
    "assertion",
    "client_assertion",
    "code",
    "device_code",
    "refresh_token",
    "subject_token",
];

/// Cookies that measure, balance and guard against forgery: random, and open nothing. A `*` at the end stands for
/// anything. From the documentation of those who set them.
const ORDINARY_COOKIES: &[&str] = &[
    "1p_jar",
    "__cf_bm",
    "__cflb",
    "__cfruid",
    "__eoi",
    "__gads",
    "__gpi*",
    "__hs*",
    "__qca",
    "__stripe_mid",
    "__stripe_sid",
    "__utm*",
    "_attrb",
    "_cfuvid",
    "_clck",
    "_clsk",
    "_csrf*",
    "_dd_s",
    "_derived_epik",
    "_device_id",
    "_fbc",
    "_fbp",
    "_ga*",
    "_gac_*",
    "_gat*",
    "_gcl_*",
    "_gid",
    "_hj*",
    "_hp2_*",
    "_hp5_*",
    "_lfa",
    "_mkto_trk",
    "_octo",
    "_parsely*",
    "_pin_unauth",
    "_pk_*",
    "_rdt_uuid",
    "_scid*",
    "_sctr",
    "_shopify_s",
    "_shopify_y",
    "_sp_id*",
    "_sp_ses*",
    "_tt_*",
    "_ttp",
    "_uet*",
    "_vis_opt_*",
    "_vwo_*",
    "_ym_*",
    "ai_session",
    "ai_user",
    "ajs_*",
    "amp_*",
    "amplitude_id*",
    "arraffinity*",
    "awsalb*",
    "awselb*",
    "bigipserver*",
    "bm_*",
    "ak_bmsc",
    "cf_clearance",
    "cookieconsent*",
    "csrf*",
    "datadome",
    "dnn_ismobile",
    "euconsent*",
    "fpid",
    "hubspotutk",
    "ide",
    "intercom-device-id-*",
    "intercom-id-*",
    "li_gc",
    "lidc",
    "mp_*",
    "muid",
    "nid",
    "notice_*",
    "optanon*",
    "optimizely*",
    "ph_phc_*",
    "rl_*",
    "session_tracker",
    "tz",
    "visitor_id*",
    "xsrf-token",
    "xsrf*",
];

/// Values that are switches, not secrets.
const SWITCHES: &[&str] = &[
    "0",
    "1",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "none",
    "null",
    "nil",
    "undefined",
    "deleted",
    "expired",
    "string",
    "text",
    "required",
    "optional",
];

/// A list of names, ready to be asked.
struct List {
    names: HashSet<&'static str>,
    starts: Vec<&'static str>,
}

impl List {
    fn of(list: &[&'static str]) -> Self {
        let start = |name: &&'static str| name.strip_suffix('*');
        Self {
            names: list
                .iter()
                .copied()
                .filter(|name| start(name).is_none())
                .collect(),
            starts: list.iter().filter_map(start).collect(),
        }
    }

    fn starts(&self, name: &str) -> bool {
        self.starts.iter().any(|start| name.starts_with(start))
    }
}

static HEADERS: LazyLock<List> = LazyLock::new(|| List::of(ORDINARY_HEADERS));
static COOKIES: LazyLock<List> = LazyLock::new(|| List::of(ORDINARY_COOKIES));

/// What a header of this name (in lower case) holds.
pub(super) enum Header {
    /// A credential, of this kind if the name tells.
    Credential(Option<&'static str>),
    /// No credential, but what a rule finds.
    Ordinary,
    /// Nobody knows.
    Unknown,
}

/// What the header `name` holds.
pub(super) fn header(name: &str) -> Header {
    if let Ok(at) = CREDENTIAL_HEADERS.binary_search_by_key(&name, |(name, _)| *name) {
        return Header::Credential(CREDENTIAL_HEADERS.get(at).and_then(|(_, kind)| *kind));
    }
    if HEADERS.names.contains(name) {
        return Header::Ordinary;
    }
    if let Some(meaning) = meaning(name.as_bytes()).filter(|_| !is_harmless(name)) {
        return Header::Credential(special(meaning.kind));
    }
    let identifies = || name.split('-').any(|word| IDENTIFYING.contains(&word));
    if HEADERS.starts(name) || identifies() {
        Header::Ordinary
    } else {
        Header::Unknown
    }
}

/// A kind that says whose it is.
fn special(kind: &'static str) -> Option<&'static str> {
    (!matches!(kind, "token.unnamed" | "password.unnamed")).then_some(kind)
}

fn is_harmless(name: &str) -> bool {
    let name = plain(name);
    HARMLESS_FIELDS.iter().any(|field| name.ends_with(field))
}

/// In lower case, with nothing between its words.
fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// In lower case, with `_` between its words where anything was.
fn lower(name: &str) -> String {
    name.trim()
        .chars()
        .map(|c| match c {
            '-' | '.' | ' ' => '_',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

pub(super) fn is_switch(value: &str) -> bool {
    value.trim().is_empty() || SWITCHES.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// The kind of credential that a field `name` of a body holds, if it and its `value` say that it does.
pub(super) fn field(name: &str, value: &str) -> Option<&'static str> {
    let name = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let meaning = meaning(name.as_bytes())?;
    if is_switch(value) || is_harmless(name) {
        return None;
    }
    let found = match meaning.shape {
        // Anything can be a password; what stands for one is none.
        Shape::Password => {
            let is_path = value.starts_with('/') || value.starts_with("~/");
            !(is_path && plain(name).ends_with("pwd")) && !is_stand_in(value)
        }
        _ => {
            variable(name.as_bytes(), value.as_bytes()).is_some()
                || draw::looks(value) != Looks::Ordinary
                || draw::is_key(value) && !is_placeholder(value.as_bytes())
        }
    };
    found.then_some(meaning.kind)
}

/// A hole of a template, or stars: not even a bad password.
fn is_stand_in(value: &str) -> bool {
    ["${", "{{", "<", "$("]
        .iter()
        .any(|start| value.starts_with(start))
        || value.chars().all(|c| matches!(c, '*' | '•' | '.'))
}

/// The kind of credential that a parameter `name` of a query or a form holds, if any; empty if only that it holds one
/// is known.
pub(super) fn parameter(name: &str, value: &str) -> Option<&'static str> {
    if let Some(kind) = field(name, value) {
        return Some(kind);
    }
    let lower = lower(name);
    let always = CREDENTIAL_PARAMETERS.binary_search(&lower.as_str()).is_ok();
    // A number of few digits is a place in a list.
    if always && value.len() >= 4 && !is_switch(value) && !is_stand_in(value) {
        return Some("");
    }
    let doubtful = DOUBTFUL_PARAMETERS.contains(&lower.as_str());
    (doubtful && matches!(draw::looks(value), Looks::Drawn | Looks::Hex)).then_some("")
}

/// Whether `name` is a field of a request for a token that holds a credential.
pub(super) fn is_grant_field(name: &str) -> bool {
    GRANT_FIELDS.contains(&lower(name).as_str())
}

/// What a cookie of this name holds.
pub(super) enum Cookie {
    /// A session, or another credential.
    Credential,
    /// Nothing secret, however random.
    Ordinary,
    /// Nobody knows.
    Unknown,
}

/// What the cookie `name` holds.
pub(super) fn cookie(name: &str) -> Cookie {
    let lower = name.to_ascii_lowercase();
    let name = ["__host-", "__secure-", "__http-"]
        .iter()
        .find_map(|prefix| lower.strip_prefix(prefix))
        .unwrap_or(&lower);
    if [&lower, name]
        .iter()
        .any(|name| COOKIES.names.contains(name) || COOKIES.starts(name))
        || ["csrf", "xsrf", "consent", "antiforgery"]
            .iter()
            .any(|part| name.contains(part))
    {
        return Cookie::Ordinary;
    }
    let words = [
        "session", "token", "jwt", "sess", "secret", "login", "remember", "passw",
    ];
    let says = words.iter().any(|word| name.contains(word))
        || name.contains("auth") && !name.contains("author")
        || name
            .split(['-', '_', '.'])
            .any(|word| word == "sso" || word == "sid")
        || name.ends_with("sid") && name.len() <= 12
        || name == "sb";
    if says {
        Cookie::Credential
    } else {
        Cookie::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_whole() {
        assert!(CREDENTIAL_HEADERS.is_sorted_by_key(|(name, _)| *name));
        assert!(CREDENTIAL_PARAMETERS.is_sorted());
        for (name, _) in CREDENTIAL_HEADERS {
            assert_eq!(*name, name.to_ascii_lowercase());
            assert!(!ORDINARY_HEADERS.contains(name), "{name} is in both");
        }
    }

    #[test]
    fn names_of_fields_are_told_apart() {
        const UUID: &str = "3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49";
        for (name, value) in [
            ("token", UUID),
            ("apiToken", UUID),
            ("input.token", UUID),
            ("password", "sunshine"),
            ("password", "correct horse battery staple"),
            ("client_secret", "a1b2c3d4e5"),
            (
                "awsSecretAccessKey",
                "kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5tQwPz",
            ),
        ] {
            assert!(field(name, value).is_some(), "{name}");
        }
        for (name, value) in [
            ("session_id", UUID),
            ("ClientToken", UUID),
            ("clientRequestToken", UUID),
            ("nextToken", "kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5t"),
            ("projectId", UUID),
            ("password", "${DB_PASSWORD}"),
            ("password", "********"),
            ("pwd", "/home/agent/work"),
            ("secret", "my-app-secret"),
            ("token", "start"),
            ("password", "true"),
            ("tokens", "12"),
        ] {
            assert!(field(name, value).is_none(), "{name}");
        }
    }
}
