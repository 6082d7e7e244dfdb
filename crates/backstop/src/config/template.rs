//! The configuration that `init` writes: commented, runnable, and the same keys as the reference lists.

use std::path::Path;

use backstop_core::target::Environment;

use super::{Dsn, Tls};

/// Hosts that agents read packages and documentation from: a GET changes nothing at them, and what they serve is packages
/// and documentation. Not among them: what fetches from other hosts when it is asked (the proxies of Go), and what serves
/// whatever anybody has put there (code hosting, their raw files, CDNs, pastes, pages of one's own).
const ALLOW: &[&str] = &[
    "*.npmjs.org",
    "pypi.org",
    "*.pythonhosted.org",
    "crates.io",
    "*.crates.io",
    "static.rust-lang.org",
    "rubygems.org",
    "*.rubygems.org",
    "repo.maven.apache.org",
    "repo1.maven.org",
    "deb.debian.org",
    "security.debian.org",
    "archive.ubuntu.com",
    "security.ubuntu.com",
    "dl-cdn.alpinelinux.org",
    "nodejs.org",
    "docs.python.org",
    "docs.rs",
    "doc.rust-lang.org",
    "pkg.go.dev",
    "developer.mozilla.org",
];

/// Model providers that agents may use, whatever their lease names.
const MODELS: &[(&str, &str)] = &[
    ("anthropic", "https://api.anthropic.com"),
    ("openai", "https://api.openai.com"),
    ("gemini", "https://generativelanguage.googleapis.com"),
];

/// What the first configuration says.
pub struct First<'a> {
    /// Where keys, journal and store go.
    pub data_dir: &'a Path,
    /// Where agents connect.
    pub gate: std::net::SocketAddr,
    /// Where the console listens.
    pub console: std::net::SocketAddr,
    /// The console's origin.
    pub origin: &'a str,
    /// The console's certificate and key.
    pub identity: Option<(&'a Path, &'a Path)>,
}

/// The whole file, without targets.
pub fn file(first: &First<'_>) -> String {
    let identity = match first.identity {
        Some((certificate, key)) => {
            format!("certificate = {}\nkey = {}\n", quoted(certificate), quoted(key))
        }
        None => "# certificate = \"fullchain.pem\"     # with an https origin\n# key = \"privkey.pem\"\n".to_owned(),
    };
    format!(
        r##"# Backstop's configuration. Every key is explained in docs/configuration.md.
# A change is taken up while `backstop serve` runs, except where a comment says otherwise.

# Keys, journal, store and control socket; only Backstop's own user may read it. Needs a restart.
data_dir = {data_dir}

# Where agents connect. Needs a restart.
[gate]
listen = ["{gate}"]
# unix_socket = "/run/backstop"      # a directory; agents connect with host=/run/backstop
# hosts = ["db-gate.internal"]       # further names, for the certificate and the agents' DSN
require_tls = true                   # verify-full against backstop-ca.pem beside this file
pause = "45s"                        # how long a held call waits before it is answered "held"

# Where people decide. Needs a restart; the origin is fixed for good.
[console]
listen = "{console}"
origin = "{origin}"
{identity}
# Cedar policies that come after the default ones; docs/configuration.md shows the form.
[policy]
files = []

# Bounds on what one lease can put before people. Needs a restart.
[limits]
open_holds = 5                       # of one lease at a time
holds_per_hour = 60                  # of one lease
denials_before_halt = 3              # in a row
decide_within = "24h"                # then a hold expires
execute_within = "15m"               # then an approval expires
alone_delay = "10m"                  # when fewer people are enrolled than must approve

# Where old rows go before they are changed, so that they can be put back. `backstop vault init` prints these
# lines. With them, what a lease writes is measured before COMMIT, and most of it passes unasked. Needs a restart.
# [vault]
# socket = "/run/backstop-vault/gate.sock"
# recipients = ["age1…"]
# [measure]
# rows = 1000                        # of one table in one transaction
# share = 10.0                       # percent of a table in one transaction, beyond 20 rows
# lease_rows = 5000                  # changed or deleted within the window by a lease and its children
# target_rows = 20000                # and by all leases
# window = "1h"

{http}
# The agent's own model provider: its key stays in the gate, and every lease may use it. These commands ask for the key,
# and add its section, and [http] where it is missing:
{models}# [[target]]
# name = "anthropic"
# kind = "http"
# environment = "production"         # asking a model is a read anywhere; what deletes or administers is held here
# url = "https://api.anthropic.com"
# credential = "header x-api-key"
# everyone = true                    # whatever a lease names

# The control log (leases, holds, decisions, halts) is kept for ever.
[journal]
keep_traffic = "90d"                 # what agents did; or "forever"

# Where people are called. A notification carries the hold's id, one sentence and the link, no data.
# [notify.command]
# program = "/usr/local/bin/page-me"
# [[notify.webhook]]
# url = "https://ntfy.example.com/some-secret-topic"
# shape = "ntfy"                     # or "slack"
"##,
        http = commented(&section()),
        models = models(),
        data_dir = quoted(first.data_dir),
        gate = first.gate,
        console = first.console,
        origin = first.origin,
    )
}

/// A target, to be added to the end of the file.
pub fn target(name: &str, environment: Environment, dsn: &Dsn) -> String {
    let tls = match &dsn.tls {
        Tls::Disable => "tls = \"disable\"\n".to_owned(),
        Tls::Verify { ca: None } => "tls = \"verify-full\"\n".to_owned(),
        Tls::Verify { ca: Some(ca) } => format!("tls = \"verify-full\"\nca = {}\n", quoted(ca)),
        Tls::Pinned(hash) => format!("pin = \"{}\"\n", backstop_core::digest::Digest(*hash)),
    };
    format!(
        "\n# The password is sealed in the data directory; `backstop init --target {name} --dsn …` replaces it.\n\
         [[target]]\nname = \"{name}\"\nkind = \"postgres\"\nenvironment = \"{environment}\"\ndsn = {}\n{tls}",
        toml::Value::String(dsn.to_url())
    )
}

/// The HTTP gate's own section, to be added to the end of the file.
pub fn http() -> String {
    format!("\n{}", section())
}

fn section() -> String {
    let hosts: String = ALLOW
        .iter()
        .map(|host| format!("    \"{host}\",\n"))
        .collect();
    format!(
        "# Where agents send HTTP requests: a proxy that reads them. Needs a restart.\n\
         [http]\nlisten = \"127.0.0.1:7443\"\n\
         allow = [                            # hosts that any lease may read from, without a credential\n{hosts}]\n"
    )
}

/// The same as comments, which need only their marks taken away.
fn commented(section: &str) -> String {
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(comment) => format!("# {comment}\n"),
        None => format!("# {line}\n"),
    };
    section.lines().map(line).collect()
}

fn models() -> String {
    MODELS
        .iter()
        .map(|(name, url)| format!("#     backstop init --target {name} --url {url}\n"))
        .collect()
}

/// The section of an HTTP API.
pub fn api(
    name: &str,
    environment: Environment,
    url: &str,
    credential: &str,
    everyone: bool,
) -> String {
    format!(
        "\n# The credential is sealed in the data directory; `backstop init --target {name} --url …` replaces it.\n\
         [[target]]\nname = \"{name}\"\nkind = \"http\"\nenvironment = \"{environment}\"\nurl = {}\ncredential = {}\n{}",
        toml::Value::String(url.to_owned()),
        toml::Value::String(credential.to_owned()),
        if everyone {
            "everyone = true                      # whatever a lease names\n"
        } else {
            ""
        },
    )
}

/// What the section of an API says besides: how its requests are read, and how it is reached.
pub fn reach(pack: Option<&str>, ca: Option<&Path>, private: bool) -> String {
    let pack = pack.map(|pack| format!("pack = {}\n", toml::Value::String(pack.to_owned())));
    let ca = ca.map(|ca| format!("ca = {}\n", quoted(ca)));
    let private = private.then(|| "private = true\n".to_owned());
    [pack, ca, private].into_iter().flatten().collect()
}

fn quoted(path: &Path) -> toml::Value {
    toml::Value::String(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use backstop_gates::http::gate::config::{Placing, is_host};

    use super::*;
    use crate::config::{Config, Usual};

    #[test]
    fn what_init_writes_can_be_read() {
        let first = First {
            data_dir: Path::new("/var/lib/back\"stop"),
            gate: "127.0.0.1:7432".parse().unwrap(),
            console: "127.0.0.1:7480".parse().unwrap(),
            origin: "http://localhost:7480",
            identity: None,
        };
        let mut dsn = Dsn::parse("postgresql://gate@[::1]:5433/app").unwrap();
        dsn.tls = Tls::Pinned([7; 32]);
        let text = file(&first) + &target("prod", Environment::Production, &dsn);
        let config = Config::parse(Path::new("backstop.toml"), &text).unwrap();
        assert_eq!(config.data_dir, first.data_dir);
        assert_eq!(config.targets[0].dsn.tls, dsn.tls);
        let usual = backstop_store::Limits::default();
        assert_eq!(config.limits.decide_within_ms, usual.decide_within_ms);
        assert_eq!(config.limits.delay_ms, usual.delay_ms);
        assert!(config.http.is_none() && config.apis.is_empty());
    }

    fn first() -> String {
        file(&First {
            data_dir: Path::new("/var/lib/backstop"),
            gate: "127.0.0.1:7432".parse().unwrap(),
            console: "127.0.0.1:7480".parse().unwrap(),
            origin: "http://localhost:7480",
            identity: None,
        })
    }

    fn parsed(text: &str) -> Config {
        Config::parse(Path::new("backstop.toml"), text).unwrap()
    }

    #[test]
    fn what_agents_read_from_is_on_the_list_and_what_serves_anything_is_not() {
        let config = parsed(&(first() + &http()));
        let allow = config.http.unwrap().allow;
        let reads = |host: &str| allow.iter().any(|pattern| is_host(pattern, host));
        for host in [
            "any.npmjs.org",
            "pypi.org",
            "any.pythonhosted.org",
            "crates.io",
            "static.crates.io",
            "index.crates.io",
            "docs.rs",
            "doc.rust-lang.org",
            "rubygems.org",
            "index.rubygems.org",
            "deb.debian.org",
            "pkg.go.dev",
            "docs.python.org",
            "developer.mozilla.org",
            "nodejs.org",
        ] {
            assert!(reads(host), "{host}");
        }
        for host in [
            "npmjs.org",
            "pypi.org.example",
            "notpypi.org",
            "upload.pypi.org",
            "proxy.golang.org",
            "sum.golang.org",
            "github.com",
            "raw.githubusercontent.com",
            "gist.github.com",
            "salsa.debian.org",
            "cdn.jsdelivr.net",
            "any.readthedocs.io",
            "pastebin.com",
            "api.anthropic.com",
        ] {
            assert!(!reads(host), "{host}");
        }
    }

    #[test]
    fn the_list_without_its_marks_is_the_list() {
        let text = first();
        let from = text.find("# [http]").unwrap();
        let until = from + text[from..].find("# ]\n").unwrap() + "# ]\n".len();
        let plain: String = text[from..until]
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap()))
            .collect();
        let config = parsed(&(text + &plain));
        assert_eq!(config.http.unwrap().allow, ALLOW);
    }

    #[test]
    fn a_model_provider_is_put_where_its_clients_put_it_and_is_for_everyone() {
        let production = Environment::Production;
        let mut text = first() + &http();
        for (name, url) in MODELS {
            let usual = Usual::at(url, None);
            text += &api(name, production, url, usual.credential, usual.everyone);
        }
        let config = parsed(&text);
        let header = |name: &str, prefix: &str| Placing::Header {
            name: name.into(),
            prefix: prefix.into(),
        };
        let wanted = [
            (header("x-api-key", ""), "ANTHROPIC_API_KEY"),
            (header("authorization", "Bearer "), "OPENAI_API_KEY"),
            (header("x-goog-api-key", ""), "GEMINI_API_KEY"),
        ];
        assert_eq!(config.apis.len(), wanted.len());
        for (api, (placing, variable)) in config.apis.iter().zip(wanted) {
            assert_eq!(api.placing, placing, "{}", api.name);
            assert_eq!(api.variable(), Some(variable), "{}", api.name);
            assert!(
                api.everyone && api.environment == production,
                "{}",
                api.name
            );
        }
        // What the file shows as comments is the same section.
        let shown: String = first()
            .lines()
            .skip_while(|line| *line != "# [[target]]")
            .take_while(|line| line.starts_with('#'))
            .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap()))
            .collect();
        let config = parsed(&(first() + &http() + &shown));
        assert_eq!(config.apis[0].name, "anthropic");
        assert_eq!(config.apis[0].placing, header("x-api-key", ""));
        assert!(config.apis[0].everyone);
    }

    #[test]
    fn another_api_is_for_the_leases_that_name_it() {
        let usual = Usual::at("https://api.example", None);
        assert_eq!((usual.credential, usual.everyone), ("bearer", false));
        assert_eq!(
            Usual::at("https://s3.amazonaws.com", None).credential,
            "aws"
        );
        assert_eq!(Usual::at("not a URL", None).credential, "bearer");
        assert_eq!(
            Usual::at("https://api.example", Some("anthropic")).credential,
            "header x-api-key"
        );
        let text = first()
            + &http()
            + &api(
                "a",
                Environment::Staging,
                "https://api.example",
                "bearer",
                false,
            );
        let config = parsed(&text);
        assert!(!config.apis[0].everyone);
        assert_eq!(config.apis[0].variable(), None);
        // Put elsewhere, it is none that its own clients would find.
        let text = first() + &http() + &api("a", Environment::Staging, MODELS[0].1, "bearer", true);
        assert_eq!(parsed(&text).apis[0].variable(), None);
    }
}
