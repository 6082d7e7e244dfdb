//! The HTTP gate in front of APIs: a store, journals, the proxy, and leases with what their agents hold.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use backstop_core::hold::HoldRecord;
use backstop_core::lease::{Also, LeaseSpec, LeaseState};
use backstop_core::policy::Policy;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_gates::http::gate::config::{Api, HttpConfig, Placing};
use backstop_gates::http::gate::explain::Silent;
use backstop_gates::http::gate::{HttpShared, Reachable, environment, placeholder_at};
use backstop_gates::http::{
    Addresses, Authority, Leaves, Limits, Listener, Mode, Proxy, Reach, Resolve, Site, System,
    Target, TargetSetting, machine_roots,
};
use backstop_gates::postgres::TrafficLog;
use backstop_wire::http::Scheme;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::world::World;

/// A gate for HTTP.
pub struct Front {
    pub world: World,
    pub proxy: Proxy,
    pub shared: Arc<HttpShared>,
    pub ca: PathBuf,
}

/// A lease, and the proxy's address with its secret.
pub struct Granted {
    pub lease: String,
    pub proxy: String,
}

impl Granted {
    /// Where the proxy listens.
    pub fn address(&self) -> &str {
        self.parts().1
    }

    /// Of `Proxy-Authorization`.
    pub fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(self.parts().0))
    }

    fn parts(&self) -> (&str, &str) {
        self.proxy["http://".len()..].split_once('@').unwrap()
    }
}

/// Names that lead to 127.0.0.1, as nobody's names do.
pub struct Here;

impl Resolve for Here {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Addresses<'a> {
        let known = host.ends_with(".example") || host == "127.0.0.1";
        Box::pin(async move {
            if known {
                Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
            } else {
                Err(io::Error::other("no such name"))
            }
        })
    }
}

/// How a gate is made.
pub struct Making {
    pub limits: Limits,
    pub names: Arc<dyn Resolve>,
    /// An API with a listener of its own.
    pub reverse: Option<&'static str>,
}

impl Default for Making {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            names: Arc::new(System),
            reverse: None,
        }
    }
}

/// How the gate reaches a server of a test: inside, and where the server has an authority, by that one alone.
pub fn inside(name: &str, authority_pem: Option<&str>) -> Result<Target> {
    let setting = TargetSetting {
        reach: Reach::Private,
        authorities_pem: authority_pem.map(ToOwned::to_owned),
        only_those: authority_pem.is_some(),
        ..TargetSetting::default()
    };
    Ok(Target::new(name, &machine_roots(), &setting)?)
}

/// An API of production at a server of a test, with a credential after `Bearer`; over TLS where the server has an authority.
pub fn api(name: &str, site: &str, secret: &str, authority_pem: Option<&str>) -> Result<Api> {
    Ok(Api {
        name: name.into(),
        environment: Environment::Production,
        scheme: match authority_pem {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        },
        site: Site::parse(site, None)?,
        base: "/".into(),
        hosts: vec![],
        pack: None,
        placing: Placing::Header {
            name: "authorization".into(),
            prefix: "Bearer ".into(),
        },
        secret: Some(Secret::new(secret.to_owned())),
        target: Arc::new(inside(name, authority_pem)?),
        everyone: false,
        reverse: None,
        own: None,
        lives: BTreeMap::new(),
    })
}

/// How the gate reaches what is not an API of its own: by the machine's authorities, and nowhere inside.
pub fn public() -> Result<Target> {
    let setting = TargetSetting::default();
    Ok(Target::new("elsewhere", &machine_roots(), &setting)?)
}

impl Making {
    pub async fn before(self, reachable: Reachable) -> Result<Front> {
        let world = World::new("").await?;
        let log = TrafficLog::new(Arc::clone(&world.traffic), world.store.key().clone());
        let config = HttpConfig {
            judged: 1 << 20,
            pause: Duration::from_millis(200),
            console_url: "http://localhost:7480".into(),
            denials_before_halt: 50,
            kept: world.folder.path().join("revealed"),
            explain: Arc::new(Silent),
        };
        let policy = Arc::new(Policy::with("")?);
        let shared = HttpShared::new(
            config,
            reachable,
            world.store.clone(),
            Arc::new(log),
            policy,
        );
        let shared = shared.map_err(anyhow::Error::msg)?;
        let authority = Authority::generate("test", &[], SystemTime::now())?;
        let ca = world.folder.path().join("http-ca.pem");
        std::fs::write(&ca, authority.certificate_pem())?;
        let listener = |name: &str, mode| Listener {
            name: name.into(),
            address: "127.0.0.1:0".parse().unwrap(),
            mode,
            tls: None,
        };
        let mut listeners = vec![listener("proxy", Mode::Forward)];
        listeners.extend(self.reverse.map(|name| listener(name, Mode::Reverse)));
        let proxy = Proxy::start(
            listeners,
            self.limits,
            Arc::new(Leaves::new(authority)?),
            self.names,
            Arc::clone(&shared),
        )
        .await?;
        Ok(Front {
            world,
            proxy,
            shared,
            ca,
        })
    }
}

impl Front {
    /// A lease that is approved, with these scopes at these APIs.
    pub async fn grant(&self, apis: &[(&str, Environment, &[&str])]) -> Result<Granted> {
        let also = apis.iter().map(|(target, environment, scopes)| Also {
            target: (*target).into(),
            environment: *environment,
            scopes: scopes.iter().map(|s| s.parse().unwrap()).collect(),
        });
        let spec = LeaseSpec {
            target: "prod".into(),
            environment: Environment::Production,
            task: "a staging task".into(),
            ttl_seconds: 600,
            scopes: vec!["read".parse().unwrap()],
            also: also.collect(),
            parent: None,
        };
        let hold = self.world.ask(Ask::GrantLease { spec }).await?;
        self.world.decide(&hold, Answer::Approve, "").await?;
        let store = self.world.store.clone();
        let granted = self
            .world
            .store
            .grant_lease(&hold, move |secret| {
                backstop_gates::postgres::lease_verifier(&store, secret)
                    .ok_or_else(|| "no verifier".to_owned())
            })
            .await?;
        let address = self.proxy.local_addrs()[0];
        let lease = granted.lease.id;
        Ok(Granted {
            proxy: format!("http://{lease}:{}@{address}", granted.secret.reveal()),
            lease,
        })
    }

    /// What a lease presents at an API.
    pub fn placeholder(&self, lease: &str, api: &Api) -> String {
        placeholder_at(
            self.world.store.key(),
            lease,
            &api.name,
            api.pack.as_deref(),
            api.site.host(),
        )
    }

    /// The environment of the lease's agent, without placeholders.
    pub fn environment(&self, granted: &Granted) -> Vec<(String, String)> {
        environment(&granted.proxy, &self.ca.display().to_string())
    }

    /// Why a lease is halted, if it is.
    pub fn halted(&self, lease: &str) -> Option<String> {
        match self.world.store.lease(lease)?.state {
            LeaseState::Halted { why, .. } => Some(why),
            _ => None,
        }
    }

    /// The same, once it is: the person is told while the agent is answered.
    pub async fn halted_soon(&self, lease: &str) -> Option<String> {
        for _ in 0..200 {
            if let Some(why) = self.halted(lease) {
                return Some(why);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// The holds of a lease.
    pub fn holds(&self, lease: &str) -> Vec<HoldRecord> {
        let state = self.world.store.state();
        let all = state.holds.values();
        all.filter(|record| record.hold.lease.as_deref() == Some(lease))
            .cloned()
            .collect()
    }
}
