//! A judge that does as it is told, and writes down what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backstop_core::verdict::Decision;
use backstop_gates::http::{
    Begin, Carried, Client, Duplex, End, Filter, Forward, Head, Judge, Outcome, Presented, Problem,
    ResponseHead, Sent, Site, Stop, Target, Treatment, Tunnel, Whole, Wish,
};
use backstop_wire::http::Scheme;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderValue, PROXY_AUTHENTICATE};

/// What it does. Paths choose: `/denied`, `/denied-early`, `/held-for-ever`, `/stream/…`, `/stopped/…`, `/masked/…`,
/// `/whole/…`, `/sealed/…`.
#[derive(Default)]
pub struct Told {
    pub target: Mutex<Option<Arc<Target>>>,
    /// Whether clients must present `lease:secret` to the proxy.
    pub presents: bool,
    pub opaque: bool,
    pub upgrades: bool,
    pub repeats: bool,
    /// Where requests for a host go instead.
    pub elsewhere: Mutex<HashMap<String, Site>>,
    /// Where the reverse listener leads.
    pub reverse: Mutex<Option<(Scheme, Site)>>,
    pub seen: Mutex<Vec<String>>,
    pub ended: Mutex<Vec<(String, End)>>,
}

impl Told {
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The one end of the case with that path.
    pub async fn end_of(&self, path: &str) -> End {
        for _ in 0..300 {
            let ended = self.ended.lock().unwrap().clone();
            let mut ended = ended.into_iter().filter(|(p, _)| p == path);
            if let Some((_, end)) = ended.next() {
                assert!(ended.next().is_none(), "more than one end of {path}");
                return end;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no end of {path}: {:?}", self.ended.lock().unwrap());
    }

    fn challenge(&self, presented: Option<&Presented>) -> Option<Box<Problem>> {
        let known = matches!(
            presented,
            Some(Presented::Basic { user, password })
                if user == "lease" && password.reveal() == "secret"
        );
        if known || !self.presents {
            return None;
        }
        let mut problem = Problem::new(
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            "lease",
            "A lease is needed",
            "Nothing was presented.",
        );
        let challenge = HeaderValue::from_static("Basic realm=\"backstop\"");
        problem.headers.insert(PROXY_AUTHENTICATE, challenge);
        Some(Box::new(problem))
    }
}

pub fn denied() -> Box<Problem> {
    Box::new(
        Problem::new(StatusCode::FORBIDDEN, "denied", "Denied", "It may not be.")
            .decided(Decision::Deny, "test-rule"),
    )
}

impl Judge for Told {
    type Case = String;

    async fn tunnel(&self, client: &Client, to: &Site) -> Tunnel {
        self.seen.lock().unwrap().push(format!("CONNECT {to}"));
        if let Some(problem) = self.challenge(client.presented.as_deref()) {
            return Tunnel::Answer(problem);
        }
        if self.opaque {
            return Tunnel::Opaque(
                self.target.lock().unwrap().clone().unwrap(),
                Duplex::default(),
            );
        }
        Tunnel::Inspect
    }

    async fn begin(&self, _: &Client, head: &Head) -> Begin<String> {
        if let Some(problem) = self.challenge(head.presented.as_deref()) {
            return Begin::Answer(problem);
        }
        let path = head.target.path().to_owned();
        if path == "/denied-early" {
            return Begin::Answer(denied());
        }
        let wish = if path.starts_with("/stream") || path.starts_with("/stopped") {
            Wish::Stream
        } else {
            Wish::Whole { limit: 1024 * 1024 }
        };
        Begin::Judge { case: path, wish }
    }

    async fn judge(&self, path: &mut String, head: Head, body: &Carried) -> Outcome {
        let site = head.site.as_ref().map_or("-".into(), Site::to_string);
        let line = format!("{} {site} {} {body:?}", head.method, head.target);
        self.seen.lock().unwrap().push(line);
        if path == "/denied" {
            return Outcome::Answer(denied());
        }
        if path == "/held-for-ever" {
            std::future::pending::<()>().await;
        }
        let (scheme, site) = match &head.site {
            Some(site) => {
                let elsewhere = self.elsewhere.lock().unwrap().get(site.host()).cloned();
                (head.scheme, elsewhere.unwrap_or_else(|| site.clone()))
            }
            None => self.reverse.lock().unwrap().clone().unwrap(),
        };
        let body = if path.starts_with("/stopped") {
            Sent::Filtered(Box::new(Seek::stopping()))
        } else if path == "/replaced" {
            Sent::Replaced("another body".into())
        } else {
            Sent::AsCame
        };
        Outcome::Forward(Box::new(Forward {
            target: self.target.lock().unwrap().clone().unwrap(),
            scheme,
            site,
            head,
            body,
            upgrade: self.upgrades.then(Duplex::default),
            repeatable: self.repeats,
        }))
    }

    async fn response(&self, path: &mut String, _: &mut ResponseHead) -> Treatment {
        if path.starts_with("/masked") {
            return Treatment::Filter(Box::new(Seek::masking()));
        }
        if path.starts_with("/whole") || path.starts_with("/sealed") {
            return Treatment::Whole { limit: 64 * 1024 };
        }
        Treatment::Pass
    }

    async fn whole(&self, path: &mut String, _: &mut ResponseHead, body: Option<&Bytes>) -> Whole {
        let length = body.map(Bytes::len);
        self.seen.lock().unwrap().push(format!("whole {length:?}"));
        if path.starts_with("/sealed") {
            return Whole::Replaced("sealed".into());
        }
        Whole::AsCame
    }

    fn done(&self, path: String, end: End) {
        self.ended.lock().unwrap().push((path, end));
    }
}

/// What nothing may pass with, or what is masked, however it is cut into pieces.
const SECRET: &[u8] = b"the-real-secret";

/// Looks for the secret.
struct Seek {
    kept: Vec<u8>,
    stops: bool,
}

impl Seek {
    const fn stopping() -> Self {
        Self {
            kept: vec![],
            stops: true,
        }
    }

    const fn masking() -> Self {
        Self {
            kept: vec![],
            stops: false,
        }
    }
}

impl Filter for Seek {
    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        self.kept.extend_from_slice(&bytes);
        while let Some(at) = self.kept.windows(SECRET.len()).position(|w| w == SECRET) {
            if self.stops {
                return Err(Stop("a credential".into()));
            }
            self.kept[at..at + SECRET.len()].fill(b'*');
        }
        // Only what could be its beginning is held back.
        let most = self.kept.len().min(SECRET.len() - 1);
        let back = (1..=most)
            .rev()
            .find(|n| self.kept.ends_with(&SECRET[..*n]));
        let rest = self.kept.split_off(self.kept.len() - back.unwrap_or(0));
        Ok(std::mem::replace(&mut self.kept, rest).into())
    }

    fn end(&mut self) -> Result<Bytes, Stop> {
        Ok(std::mem::take(&mut self.kept).into())
    }

    fn keeps_length(&self) -> bool {
        true
    }
}
