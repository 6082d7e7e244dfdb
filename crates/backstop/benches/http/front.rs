//! The HTTP gate in a process of its own: whole, with journals on a disk, a lease and its judge, or the carrier alone.
//!
//! It must not be gentler than `backstop serve`: the same limits, journal, policy and threads. Only its listeners of
//! single APIs speak TLS here, which those of `serve` do not yet: what it is compared with does.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow};
use backstop_core::lease::{Also, LeaseSpec};
use backstop_core::policy::Policy;
use backstop_core::scope::Scope;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_gates::http::gate::config::{Api, HttpConfig, Placing};
use backstop_gates::http::gate::explain::Silent;
use backstop_gates::http::gate::{HttpShared, Reachable, placeholder_at};
use backstop_gates::http::{
    Authority, Judge, Leaves, Limits, Listener, Mode, Proxy, Reach, Site, System, Target,
    TargetSetting,
};
use backstop_testing::tls::Identity;
use backstop_wire::http::Scheme;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use serde::{Deserialize, Serialize};

use crate::asks::{APIS, CREDENTIAL, HOST_NAME, Version};
use crate::carrier::Carrier;
use crate::child::{self, Child};
use crate::machine;
use crate::people::{ORIGIN, People};
use crate::upstream::{self, Upstream};

/// What this process is called.
pub const ROLE: &str = "gate";

const LEASE_SECONDS: u64 = 4 * 3600;
/// As the configuration has it without a word.
const JUDGED: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Order {
    folder: PathBuf,
    judges: bool,
    ports: Vec<u16>,
    trusted_pem: String,
    certificate_pem: String,
    key_pem: String,
    threads: usize,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    ports: Vec<u16>,
    authority_pem: String,
    authorization: String,
    placeholders: Vec<String>,
}

/// A running gate.
pub struct Front {
    /// The port of the forward proxy.
    pub forward: u16,
    /// The port of each API's own listener.
    pub reverse: Vec<u16>,
    /// Whom its clients trust.
    pub authority_pem: String,
    /// What a client presents to the proxy.
    pub authorization: String,
    /// What a client presents to each API.
    pub placeholders: Vec<String>,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Front {
    /// The gate, as it is served.
    pub fn judging(server: &Upstream, identity: &Identity, trusted_pem: &str) -> Result<Self> {
        Self::start(server, identity, trusted_pem, true)
    }

    /// The carrier alone.
    pub fn carrying(server: &Upstream, identity: &Identity, trusted_pem: &str) -> Result<Self> {
        Self::start(server, identity, trusted_pem, false)
    }

    fn start(
        server: &Upstream,
        identity: &Identity,
        trusted_pem: &str,
        judges: bool,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("backstop-bench-")
            .tempdir_in(machine::disk()?)
            .context("making the gate's folder")?;
        let order = Order {
            folder: folder.path().to_owned(),
            judges,
            ports: server.ports.clone(),
            trusted_pem: trusted_pem.to_owned(),
            certificate_pem: identity.certificate_pem.clone(),
            key_pem: identity.key_pem.clone(),
            threads: machine::threads(),
        };
        let (child, answer): (_, Answer) = Child::start(ROLE, &order)?;
        let (forward, reverse) = answer.ports.split_first().context("the gate's ports")?;
        Ok(Self {
            forward: *forward,
            reverse: reverse.to_vec(),
            authority_pem: answer.authority_pem,
            authorization: answer.authorization,
            placeholders: answer.placeholders,
            child,
            _folder: folder,
        })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }
}

/// What the process does.
pub fn serve() -> Result<()> {
    let order: Order = child::order()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(order.threads.max(2))
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (proxy, answer) = if order.judges {
            judging(&order).await?
        } else {
            carrying(&order).await?
        };
        child::ready(&answer)?;
        proxy.shutdown(Duration::from_secs(2)).await;
        Ok(())
    })
}

async fn judging(order: &Order) -> Result<(Proxy, Answer)> {
    let mut people = People::new(&order.folder).await?;
    let target = target(order)?;
    let apis = APIS.iter().zip(sites(order)?).map(|(api, site)| {
        Arc::new(Api {
            name: api.name.into(),
            environment: Environment::Production,
            scheme: Scheme::Https,
            site,
            base: "/".into(),
            hosts: vec![],
            pack: Some(api.pack.into()),
            placing: Placing::Header {
                name: "authorization".into(),
                prefix: "Bearer ".into(),
            },
            secret: Some(Secret::new(CREDENTIAL.into())),
            target: Arc::clone(&target),
            everyone: false,
            reverse: None,
            own: None,
            lives: std::collections::BTreeMap::new(),
        })
    });
    let reachable = Reachable {
        apis: apis.collect(),
        allow: vec![],
        public: Arc::clone(&target),
    };
    let config = HttpConfig {
        judged: JUDGED,
        pause: Duration::from_secs(1),
        console_url: ORIGIN.into(),
        denials_before_halt: 50,
        kept: order.folder.join("revealed"),
        explain: Arc::new(Silent),
    };
    let policy = Arc::new(Policy::with("")?);
    let shared = HttpShared::new(
        config,
        reachable,
        people.store.clone(),
        people.log(),
        policy,
    );
    let shared = shared.map_err(anyhow::Error::msg)?;
    let (proxy, mut answer) = listen(order, shared).await?;
    let granted = people.lease(lease()?).await?;
    let (id, secret) = (&granted.lease.id, granted.secret.reveal());
    answer.authorization = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let key = people.store.key();
    let placeholders = APIS
        .iter()
        .map(|api| placeholder_at(key, id, api.name, Some(api.pack), HOST_NAME));
    answer.placeholders = placeholders.collect();
    Ok((proxy, answer))
}

async fn carrying(order: &Order) -> Result<(Proxy, Answer)> {
    let reverse = APIS.iter().zip(sites(order)?);
    let carrier = Carrier {
        target: target(order)?,
        reverse: reverse.map(|(api, site)| (api.name.into(), site)).collect(),
    };
    let (proxy, mut answer) = listen(order, Arc::new(carrier)).await?;
    answer.placeholders = vec![CREDENTIAL.into(); APIS.len()];
    Ok((proxy, answer))
}

async fn listen<J: Judge>(order: &Order, judge: Arc<J>) -> Result<(Proxy, Answer)> {
    let authority = Authority::generate("bench", &[], SystemTime::now())?;
    let authority_pem = authority.certificate_pem().to_owned();
    let tls = upstream::tls(&order.certificate_pem, &order.key_pem, &Version::ALL)?;
    let forward = Listener {
        name: "proxy".into(),
        address: "127.0.0.1:0".parse()?,
        mode: Mode::Forward,
        tls: None,
    };
    let reverse = APIS.iter().map(|api| Listener {
        name: api.name.into(),
        mode: Mode::Reverse,
        tls: Some(Arc::clone(&tls)),
        ..forward.clone()
    });
    let listeners = std::iter::once(forward.clone()).chain(reverse).collect();
    let leaves = Arc::new(Leaves::new(authority)?);
    let proxy = Proxy::start(
        listeners,
        Limits::default(),
        leaves,
        Arc::new(System),
        judge,
    )
    .await?;
    let ports = proxy.local_addrs().iter().map(|address| address.port());
    let answer = Answer {
        ports: ports.collect(),
        authority_pem,
        authorization: String::new(),
        placeholders: vec![],
    };
    Ok((proxy, answer))
}

fn target(order: &Order) -> Result<Arc<Target>> {
    let setting = TargetSetting {
        reach: Reach::Private,
        authorities_pem: Some(order.trusted_pem.clone()),
        only_those: true,
        identity_pem: None,
    };
    let target = Target::new("bench", &RootCertStore::empty(), &setting)?;
    Ok(Arc::new(target))
}

fn sites(order: &Order) -> Result<Vec<Site>> {
    let sites = order
        .ports
        .iter()
        .map(|port| Site::parse(&format!("{HOST_NAME}:{port}"), None));
    Ok(sites.collect::<Result<_, _>>()?)
}

/// One lease for all APIs, which reads.
fn lease() -> Result<LeaseSpec> {
    let scopes = || -> Result<Vec<Scope>> {
        let read = "read".parse().map_err(|e: String| anyhow!(e))?;
        Ok(vec![read])
    };
    let (first, others) = APIS.split_first().context("an API")?;
    let also = others.iter().map(|api| -> Result<Also> {
        Ok(Also {
            target: api.name.into(),
            environment: Environment::Production,
            scopes: scopes()?,
        })
    });
    Ok(LeaseSpec {
        target: first.name.into(),
        environment: Environment::Production,
        task: "to be measured".into(),
        ttl_seconds: LEASE_SECONDS,
        scopes: scopes()?,
        also: also.collect::<Result<_>>()?,
        parent: None,
    })
}
