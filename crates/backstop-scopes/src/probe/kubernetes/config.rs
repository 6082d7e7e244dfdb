//! Which cluster a token or key belongs to: what its own kubeconfig says, and no other file. Nothing that it names is
//! run or read: no exec plugin, no file of a key, no proxy.

use backstop_core::secret::Secret;
use backstop_https::Trust;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::find::known::{Entry, yaml};
use crate::probe::wire::Proof;
use crate::probe::words::word;

/// A cluster, and who asks it.
pub(crate) struct Cluster {
    pub(crate) server: Url,
    pub(crate) trust: Trust,
    pub(crate) proof: Proof,
    pub(crate) namespace: String,
    /// The user's name in the file.
    pub(crate) user: String,
    /// Other contexts with the same user, which were not asked.
    pub(crate) others: Vec<String>,
}

struct Config(Vec<Entry>);

impl Config {
    fn get(&self, path: &[&str]) -> Option<&str> {
        self.0
            .iter()
            .find(|entry| entry.path.iter().eq(path))
            .map(|entry| entry.value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The numbers of the items of `list` that have `value` there.
    fn items(&self, list: &str, rest: &[&str], value: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|entry| {
                entry.value == value
                    && entry.path.first().is_some_and(|first| first == list)
                    && entry
                        .path
                        .get(2..)
                        .is_some_and(|found| found.iter().eq(rest))
            })
            .filter_map(|entry| entry.path.get(1).cloned())
            .collect()
    }
}

/// Reads the cluster of the user who has `secret` in `text`.
pub(crate) fn read(text: &[u8], secret: &str) -> Result<Cluster, String> {
    let config = Config(yaml::read(text));
    let by_token = config.items("users", &["user", "token"], secret);
    let by_key = config.items("users", &["user", "client-key-data"], secret);
    let user = by_token
        .first()
        .or(by_key.first())
        .ok_or("no user of a kubeconfig has it any more")?;
    for other in ["as", "as-uid"] {
        if config.get(&["users", user, "user", other]).is_some() {
            return Err("it takes on another user, which was not asked".into());
        }
    }
    let name = config
        .get(&["users", user, "name"])
        .ok_or("its user has no name")?
        .to_owned();
    let contexts = config.items("contexts", &["context", "user"], &name);
    let current = config.get(&["current-context"]).and_then(|current| {
        config
            .items("contexts", &["name"], current)
            .into_iter()
            .find(|n| contexts.contains(n))
    });
    let context = current
        .or_else(|| contexts.first().cloned())
        .ok_or("no context uses its user, so that its cluster is not known")?;
    let of_context = |what: &str| config.get(&["contexts", &context, "context", what]);
    let cluster = of_context("cluster").ok_or("its context names no cluster")?;
    let clusters = config.items("clusters", &["name"], cluster);
    let cluster = clusters.first().ok_or("its cluster is not in the file")?;
    let of_cluster = |what: &str| config.get(&["clusters", cluster, "cluster", what]);
    for (setting, why) in [
        (
            "insecure-skip-tls-verify",
            "its file turns the check of the cluster's certificate off",
        ),
        (
            "proxy-url",
            "its cluster is behind a proxy, which was not asked",
        ),
        (
            "tls-server-name",
            "its cluster goes by another name than its address",
        ),
    ] {
        if of_cluster(setting).is_some_and(|value| value != "false") {
            return Err(why.into());
        }
    }
    let server: Url = of_cluster("server")
        .and_then(|server| server.parse().ok())
        .ok_or("its cluster has no address")?;
    if server.scheme() != "https" {
        return Err("its cluster's address is not protected by TLS".into());
    }
    let decoded = |text: &str| {
        STANDARD
            .decode(text)
            .map_err(|_| "a certificate or key in it is not base64")
    };
    let own = match by_token.is_empty() {
        false => None,
        true => {
            let certificate = config
                .get(&["users", user, "user", "client-certificate-data"])
                .ok_or("its certificate lies in another file, which is not read")?;
            Some((decoded(certificate)?, decoded(secret)?))
        }
    };
    let trust = match (of_cluster("certificate-authority-data"), of_cluster("certificate-authority")) {
        (Some(authority), _) => {
            let own = own.as_ref().map(|(c, k)| (c.as_slice(), k.as_slice()));
            Trust::only(&decoded(authority)?, own)
        }
        (None, Some(_)) => return Err("its cluster's authority lies in another file, which is not read; `kubectl config view --flatten --minify --raw` puts it in".into()),
        (None, None) if own.is_none() => Trust::system(),
        (None, None) => return Err("its cluster's authority is not in the file".into()),
    };
    Ok(Cluster {
        server,
        trust: trust.map_err(|error| error.to_string())?,
        proof: match own {
            None => Proof::KubeToken(Secret::new(secret.to_owned())),
            Some(_) => Proof::KubeCertificate,
        },
        namespace: of_context("namespace").unwrap_or("default").to_owned(),
        user: word(&name),
        others: contexts
            .iter()
            .filter(|n| **n != context)
            .filter_map(|n| config.get(&["contexts", n, "name"]).map(word))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read(text.as_bytes(), "t0k3n-of-a-user").err().unwrap()
    }

    fn with(cluster: &str) -> String {
        format!(
            "clusters:\n- cluster:\n    server: https://10.0.0.1:6443\n{cluster}  name: c\ncontexts:\n- context:\n    cluster: c\n    user: u\n  name: x\nusers:\n- name: u\n  user:\n    token: t0k3n-of-a-user\n"
        )
    }

    #[test]
    fn nothing_that_the_file_names_is_run_read_or_asked() {
        let check = |cluster: &str, why: &str| {
            let said = refused(&with(cluster));
            assert!(said.contains(why), "{said}");
        };
        check("    insecure-skip-tls-verify: true\n", "turns the check");
        check("    proxy-url: http://127.0.0.1:1\n", "behind a proxy");
        check("    tls-server-name: evil.example\n", "another name");
        check(
            "    certificate-authority: /etc/ca.pem\n",
            "in another file",
        );
        check("    certificate-authority-data: '%%%'\n", "not base64");
        let plain = with("").replace("https://", "http://");
        assert!(refused(&plain).contains("TLS"));
        let other = with("").replace("token: t0k3n-of-a-user", "token: another");
        assert!(refused(&other).contains("any more"));
        let nowhere = with("").replace("user: u\n", "user: v\n");
        assert!(refused(&nowhere).contains("no context"));
        let other = with("").replace("    token:", "    as: root\n    token:");
        assert!(refused(&other).contains("another user"));
    }

    #[test]
    fn the_cluster_is_the_one_of_its_own_context() {
        let text = "clusters:\n- cluster:\n    server: https://first.example\n  name: a\n- cluster:\n    server: https://second.example/k8s/x\n  name: b\ncontexts:\n- context:\n    cluster: a\n    user: other\n  name: one\n- context:\n    cluster: b\n    namespace: shop\n    user: u\n  name: two\ncurrent-context: one\nusers:\n- name: other\n  user:\n    token: different\n- name: u\n  user:\n    token: t0k3n-of-a-user\n";
        let found = read(text.as_bytes(), "t0k3n-of-a-user").unwrap();
        assert_eq!(found.server.as_str(), "https://second.example/k8s/x");
        assert_eq!(found.namespace, "shop");
    }
}
