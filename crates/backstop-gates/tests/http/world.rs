//! A proxy, a judge, a resolver and a target.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use backstop_gates::http::{
    Addresses, Authority, Leaves, Limits, Listener, Mode, Proxy, Reach, Resolve, Site, Target,
    TargetSetting,
};
use backstop_wire::http::Scheme;
use rustls::RootCertStore;

use super::judge::Told;
use super::target::{self, Server};

/// A name that leads to the target.
pub const NAME: &str = "api.example";

/// What a target can speak.
pub const SPEAKS: [&[&[u8]]; 2] = [&[b"h2"], &[b"http/1.1"]];

/// Everything.
pub struct World {
    pub proxy: Option<Proxy>,
    pub address: SocketAddr,
    pub reverse: SocketAddr,
    pub judge: Arc<Told>,
    pub names: Arc<Names>,
    pub authority_pem: String,
    pub authority: RootCertStore,
    pub target: Server,
}

/// How a world is made.
pub struct Making {
    pub limits: Limits,
    pub judge: Told,
    pub alpn: &'static [&'static [u8]],
    pub tls: bool,
    pub setting: TargetSetting,
    /// The names in the target's certificate.
    pub certified: &'static [&'static str],
}

impl Default for Making {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            judge: Told::default(),
            alpn: &[b"h2", b"http/1.1"],
            tls: true,
            setting: TargetSetting {
                reach: Reach::Private,
                ..TargetSetting::default()
            },
            certified: &[NAME, "127.0.0.1"],
        }
    }
}

/// Names of this world. What is not told leads to 127.0.0.1.
#[derive(Default)]
pub struct Names {
    pub known: Mutex<HashMap<String, Vec<IpAddr>>>,
    pub asked: AtomicUsize,
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Addresses<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let known = self.known.lock().unwrap().get(host).cloned();
        let known = known.unwrap_or_else(|| vec!["127.0.0.1".parse().unwrap()]);
        let known = known
            .into_iter()
            .map(|a| SocketAddr::new(a, port))
            .collect();
        Box::pin(async move { io::Result::Ok(known) })
    }
}

impl Making {
    pub async fn make(mut self) -> World {
        let theirs = backstop_testing::tls::Authority::new("theirs").unwrap();
        let identity = theirs.server(self.certified).unwrap();
        let tls = self.tls.then(|| target::tls(&identity, self.alpn));
        let server = target::serve(tls).await;
        if self.setting.authorities_pem.is_none() {
            self.setting.authorities_pem = Some(theirs.certificate_pem());
        }
        let machine = RootCertStore::empty();
        let target = Target::new("api", &machine, &self.setting).unwrap();
        *self.judge.target.lock().unwrap() = Some(Arc::new(target));
        let scheme = if self.tls {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let site = format!("{NAME}:{}", server.address.port());
        let site = Site::parse(&site, None).unwrap();
        *self.judge.reverse.lock().unwrap() = Some((scheme, site));
        let authority = Authority::generate("test", &[], SystemTime::now()).unwrap();
        let authority_pem = authority.certificate_pem().to_owned();
        let mut trusted = RootCertStore::empty();
        trusted.add(authority.certificate().clone()).unwrap();
        let leaves = Arc::new(Leaves::new(authority).unwrap());
        let names = Arc::<Names>::default();
        let judge = Arc::new(self.judge);
        let listener = |name: &str, mode| Listener {
            name: name.to_owned(),
            address: "127.0.0.1:0".parse().unwrap(),
            mode,
            tls: None,
        };
        let listeners = vec![
            listener("proxy", Mode::Forward),
            listener("api", Mode::Reverse),
        ];
        let resolver = Arc::clone(&names) as Arc<dyn Resolve>;
        let proxy = Proxy::start(listeners, self.limits, leaves, resolver, Arc::clone(&judge));
        let proxy = proxy.await.unwrap();
        World {
            address: proxy.local_addrs()[0],
            reverse: proxy.local_addrs()[1],
            proxy: Some(proxy),
            judge,
            names,
            authority_pem,
            authority: trusted,
            target: server,
        }
    }
}

/// A world as most tests need it.
pub async fn world() -> World {
    Making::default().make().await
}

impl World {
    /// `api.example` with the target's port.
    pub fn site(&self) -> String {
        format!("{NAME}:{}", self.target.address.port())
    }

    pub fn requests(&self) -> usize {
        self.target.counts.requests.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.target.counts.connections.load(Ordering::SeqCst)
    }
}
