//! The configuration that `init` writes: commented, runnable, and the same keys as the reference lists.

use std::path::Path;

use backstop_core::target::Environment;

use super::{Dsn, Tls};

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

# Where agents send HTTP requests: a proxy that reads them. Needs a restart.
# [http]
# listen = "127.0.0.1:7443"
# allow = ["docs.python.org"]        # hosts that any lease may read from, without a credential

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

/// The HTTP gate's own section.
pub const HTTP: &str = "\n# Where agents send HTTP requests: a proxy that reads them. Needs a restart.\n\
    [http]\nlisten = \"127.0.0.1:7443\"\n\
    allow = []                           # hosts that any lease may read from, without a credential\n";

/// The section of an HTTP API.
pub fn api(name: &str, environment: Environment, url: &str, credential: Option<&str>) -> String {
    format!(
        "\n# The credential is sealed in the data directory; `backstop init --target {name} --url …` replaces it.\n\
         [[target]]\nname = \"{name}\"\nkind = \"http\"\nenvironment = \"{environment}\"\nurl = {}\ncredential = {}\n",
        toml::Value::String(url.to_owned()),
        toml::Value::String(credential.unwrap_or("bearer").to_owned()),
    )
}

fn quoted(path: &Path) -> toml::Value {
    toml::Value::String(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

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
    }
}
