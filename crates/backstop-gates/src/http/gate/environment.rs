//! What programs of an agent find in their environment: the proxy, and whom to trust. Placeholders are beside it.

/// Where clients look for a proxy. Not all of them read both cases.
const PROXY: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"];

/// Where clients look for authorities: what is built on OpenSSL and Go, curl, Python, Node, git, cargo, AWS, gRPC.
const TRUST: [&str; 8] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
];

/// The variables that lead clients through the proxy. `proxy` is its URL with the lease and its secret, `ca` the file
/// that the gate's own certificate is in.
#[must_use]
pub fn environment(proxy: &str, ca: &str) -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all: Vec<_> = PROXY.iter().map(|name| pair(name, proxy)).collect();
    all.extend(TRUST.iter().map(|name| pair(name, ca)));
    // Node reads the proxy's variables from version 24 on, when it is told to.
    all.push(pair("NODE_USE_ENV_PROXY", "1"));
    all
}
