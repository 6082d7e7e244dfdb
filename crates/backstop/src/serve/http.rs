//! The HTTP gate from configuration and data directory.

use std::net::SocketAddr;
use std::sync::Arc;

use backstop_core::policy::Policy;
use backstop_core::secret::Secret;
use backstop_gates::http::gate::config::{Api, HttpConfig, Placing};
use backstop_gates::http::gate::{
    HttpShared, Reachable, environment, placeholder_at, placeholder_key,
};
use backstop_gates::http::sigv4::AwsCredential;
use backstop_gates::http::{
    Leaves, Limits, Listener, Mode, Proxy, Reach, Site, System, Target, TargetSetting,
    machine_roots,
};
use backstop_gates::postgres::TrafficLog;
use backstop_store::{SealKey, Store};
use backstop_wire::http::Scheme;
use rustls::RootCertStore;

use super::Service;
use crate::config::{self, Config};
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;
use crate::home::http_authority;

/// The HTTP gate, running.
pub(super) struct HttpGate {
    shared: Arc<HttpShared>,
    proxy: Proxy,
    /// Where the forward proxy listens.
    pub(super) address: SocketAddr,
}

/// Starts it, where the configuration has one.
///
/// # Errors
/// When a credential is missing, a certificate cannot be used, or an address is taken.
pub(super) async fn start(
    config: &Config,
    home: &Home,
    key: &SealKey,
    store: &Store,
    traffic: Arc<TrafficLog>,
    policy: Arc<Policy>,
) -> Outcome<Option<HttpGate>> {
    let Some(http) = &config.http else {
        if let Some(api) = config.apis.first() {
            return Err(Failure::usage(format!(
                "the target `{}` is an HTTP API, and there is no HTTP gate",
                api.name
            ))
            .hint("add a section [http] to the configuration"));
        }
        return Ok(None);
    };
    let installation = store.state().installation.clone();
    let authority = http_authority::open(home, key, &installation)?;
    crate::home::write_public(&http.ca_file, authority.certificate_pem().as_bytes())?;
    let shared = HttpShared::new(
        HttpConfig {
            judged: http.judged,
            pause: config.gate.pause,
            console_url: config.console.origin(),
            denials_before_halt: 50,
            kept: home.revealed(),
            explain: Arc::new(super::explain::Audit),
        },
        reachable(config, home, key)?,
        store.clone(),
        traffic,
        policy,
    );
    let shared = shared.map_err(Failure::new)?;
    let leaves = Leaves::new(authority).doing("the HTTP gate can make no certificates")?;
    let proxy = Proxy::start(
        listeners(config, http.listen),
        Limits::default(),
        Arc::new(leaves),
        Arc::new(System),
        Arc::clone(&shared),
    )
    .await
    .map_err(|e| {
        Failure::new("the HTTP gate cannot start")
            .because(e)
            .hint("another program has the address; set `listen` in [http]")
    })?;
    let address = proxy.local_addrs().first().copied();
    Ok(Some(HttpGate {
        address: address.unwrap_or(http.listen),
        shared,
        proxy,
    }))
}

impl HttpGate {
    /// Takes up a changed configuration.
    pub(super) fn reload(&self, reachable: Reachable, policy: Arc<Policy>) {
        self.shared.change(reachable, policy);
    }

    /// Ends it: what runs may finish for so long.
    pub(super) async fn stop(self, grace: std::time::Duration) {
        self.proxy.shutdown(grace).await;
    }
}

/// The forward proxy first, then one for each API that has an address of its own.
fn listeners(config: &Config, forward: SocketAddr) -> Vec<Listener> {
    let plain = |name: &str, address, mode| Listener {
        name: name.to_owned(),
        address,
        mode,
        tls: None,
    };
    let reverse = config
        .apis
        .iter()
        .filter_map(|api| Some(plain(&api.name, api.reverse?, Mode::Reverse)));
    std::iter::once(plain("proxy", forward, Mode::Forward))
        .chain(reverse)
        .collect()
}

/// Where requests may go by a configuration.
///
/// # Errors
/// When a credential is missing or a certificate cannot be used.
pub(super) fn reachable(config: &Config, home: &Home, key: &SealKey) -> Outcome<Reachable> {
    let machine = machine_roots();
    let apis = config
        .apis
        .iter()
        .map(|configured| api(configured, home, key, &machine).map(Arc::new))
        .collect::<Outcome<_>>()?;
    let public = Target::new("elsewhere", &machine, &TargetSetting::default());
    Ok(Reachable {
        apis,
        allow: config
            .http
            .as_ref()
            .map_or_else(Vec::new, |http| http.allow.clone()),
        public: Arc::new(public.doing("the HTTP gate cannot verify servers")?),
    })
}

/// An API as the gate knows it.
///
/// # Errors
/// When its credential is missing or a certificate cannot be used.
pub fn api(api: &config::Api, home: &Home, key: &SealKey, machine: &RootCertStore) -> Outcome<Api> {
    let secret = match api.placing {
        Placing::None | Placing::Opaque => None,
        _ => Some(credential(api, home, key)?),
    };
    if api.placing == Placing::Aws && secret.as_ref().and_then(AwsCredential::parse).is_none() {
        return Err(Failure::new(format!(
            "the credential of the target `{}` is no key of AWS",
            api.name
        ))
        .hint("seal it as ACCESS_KEY_ID:SECRET_ACCESS_KEY, with :SESSION_TOKEN after it if it is temporary"));
    }
    if let Some(why) = secret
        .as_ref()
        .and_then(|s| api.placing.refuses(s.reveal()))
    {
        return Err(unfit(&api.name, why));
    }
    let authorities_pem = match &api.ca {
        None => None,
        Some(ca) => {
            Some(std::fs::read_to_string(ca).doing(format!("cannot read `{}`", ca.display()))?)
        }
    };
    let setting = TargetSetting {
        reach: if api.private {
            Reach::Private
        } else {
            Reach::Public
        },
        only_those: authorities_pem.is_some(),
        authorities_pem,
        identity_pem: None,
    };
    let target = Target::new(&api.name, machine, &setting)
        .doing(format!("the target `{}` cannot be reached", api.name))?;
    let https = api.url.scheme() == "https";
    let host = api.url.host_str().unwrap_or_default();
    let site = Site::parse(&format!("{host}:{}", api.port()), None).doing(format!(
        "the host of the target `{}` cannot be used",
        api.name
    ))?;
    Ok(Api {
        name: api.name.clone(),
        environment: api.environment,
        scheme: if https { Scheme::Https } else { Scheme::Http },
        site,
        base: api.url.path().to_owned(),
        hosts: api.hosts.clone(),
        pack: api.pack.clone(),
        own: api.own.as_ref().map(|own| Arc::clone(&own.pack)),
        placing: api.placing.clone(),
        secret,
        target: Arc::new(target),
        everyone: api.everyone,
        reverse: api.reverse,
        lives: api.lives.clone(),
    })
}

/// A credential that cannot stand where the configuration puts it.
pub(crate) fn unfit(api: &str, why: &str) -> Failure {
    Failure::usage(format!(
        "the credential of the target `{api}` cannot be put into requests: {why}"
    ))
    .hint("what of it is no secret goes into `credential`, as in `path /services/T0/B0/{}`; then seal the rest anew")
}

fn credential(api: &config::Api, home: &Home, key: &SealKey) -> Outcome<Secret<String>> {
    let sealed = home.credential(&api.name).read(key).map_err(|e| {
        Failure::new(format!(
            "the gate has no credential for the target `{}`",
            api.name
        ))
        .because(e)
        .hint(format!(
            "`backstop init --target {} --url …` seals one",
            api.name
        ))
    })?;
    let text =
        String::from_utf8(sealed.reveal().clone()).doing("a sealed credential is not text")?;
    Ok(Secret::new(text))
}

impl Service {
    /// What an agent puts into its environment: the proxy, whom to trust, and a placeholder for each API; where that
    /// stands in paths, a URL with it, too. It holds the lease's secret.
    pub(super) fn environment(
        &self,
        config: &Config,
        lease: &backstop_core::lease::Lease,
        secret: &Secret<String>,
    ) -> Vec<(String, String)> {
        let (Some(address), Some(http)) = (self.http_address, &config.http) else {
            return vec![];
        };
        let proxy = format!("http://{}:{}@{address}", lease.id, secret.reveal());
        let ca = http.ca_file.display().to_string();
        let mut all = environment(&proxy, &ca);
        let of_lease = |api: &&config::Api| {
            let named = api.everyone || lease.spec.at(&api.name).is_some();
            named && !matches!(api.placing, Placing::None | Placing::Opaque)
        };
        let apis: Vec<&config::Api> = config.apis.iter().filter(of_lease).collect();
        for api in &apis {
            let value = placeholder_at(
                self.store.key(),
                &lease.id,
                &api.name,
                api.pack.as_deref(),
                api.url.host_str().unwrap_or_default(),
            );
            if let Placing::Path { before } = &api.placing {
                let site = api.url.origin().ascii_serialization();
                let url = format!("{site}{before}{value}");
                all.push((variable(&api.name, "URL"), url));
            }
            if api.placing != Placing::Aws {
                all.push((of_credential(api, &apis), value));
                continue;
            }
            let accounts = apis.iter().filter(|api| api.placing == Placing::Aws);
            let alone = accounts.count() == 1;
            let secret = placeholder_key(self.store.key(), &lease.id, &api.name);
            for (name, value) in [
                ("AWS_ACCESS_KEY_ID", value),
                ("AWS_SECRET_ACCESS_KEY", secret),
            ] {
                all.push((usual_or_own(&api.name, name, alone), value));
            }
        }
        all
    }
}

/// Where an API's own clients look for its credential, else a name of its own.
fn of_credential(api: &config::Api, all: &[&config::Api]) -> String {
    let Some(usual) = api.variable() else {
        return variable(&api.name, "TOKEN");
    };
    let of_that_name = all.iter().filter(|api| api.variable() == Some(usual));
    usual_or_own(&api.name, usual, of_that_name.count() == 1)
}

/// Of several accounts none is the usual one.
fn usual_or_own(api: &str, usual: &str, alone: bool) -> String {
    if alone {
        usual.to_owned()
    } else {
        variable(api, usual)
    }
}

/// The variable that an API's placeholder stands in.
fn variable(api: &str, what: &str) -> String {
    let upper: String = api
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    format!("{upper}_{what}")
}
