//! The one place where a probe's requests leave: it takes a [`Call`], says it, and sends it where its provider is and
//! nowhere else.

use std::time::{Duration, Instant};

use backstop_core::secret::Secret;
use backstop_https::{Body, Endpoint, Limits, Response, Trust};
use time::OffsetDateTime;
use url::Url;

use super::aws::Credential;
use super::aws::sign::{self, Signable};
use super::call::{Call, LIST, Plain};
use super::words::word;

/// An answer that is longer or slower costs this probe, not the run.
const LIMITS: Limits = Limits {
    patience: Duration::from_secs(15),
    stalled: Duration::from_secs(15),
    answer: 8 << 20,
};
/// Calls for one credential, and how long they may take together.
const MOST: usize = 400;
const LONGEST: Duration = Duration::from_secs(90);
/// How often a call that was throttled is sent again, and how long to wait before the first time.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(400);

const GITHUB: &str = "https://api.github.com";
const RAILWAY: &str = "https://backboard.railway.com";

/// What proves who asks.
pub(crate) enum Proof {
    Aws(Credential),
    Github(Secret<String>),
    RailwayBearer(Secret<String>),
    RailwayProject(Secret<String>),
    /// A bearer token for this cluster.
    KubeToken(Secret<String>),
    /// A certificate, shown in the handshake.
    KubeCertificate,
}

impl Proof {
    const fn provider(&self) -> &'static str {
        match self {
            Self::Aws(_) => "aws",
            Self::Github(_) => "github",
            Self::RailwayBearer(_) | Self::RailwayProject(_) => "railway",
            Self::KubeToken(_) | Self::KubeCertificate => "kubernetes",
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The provider said that this credential may not ask that.
    Denied(String),
    /// The provider does not know the credential, or not any more.
    Refused(String),
    /// There is no such thing.
    Absent,
    /// Nobody answered, or nothing that can be read.
    Lost(String),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Denied(code) => write!(f, "it may not ask ({code})"),
            Self::Refused(code) => write!(f, "the credential was refused ({code})"),
            Self::Absent => f.write_str("there is none"),
            Self::Lost(why) => f.write_str(why),
        }
    }
}

/// The way to one provider with one credential.
pub(crate) struct Wire<'a> {
    proof: Proof,
    /// The one host of everything but AWS; of AWS, only a person's own choice.
    base: Option<Endpoint>,
    /// What stands before every path: of clusters behind one address.
    prefix: String,
    trust: Option<Trust>,
    tell: &'a dyn Fn(&str),
    began: Instant,
    asked: Vec<String>,
}

impl<'a> Wire<'a> {
    /// To the provider's own host, or, where a person named one on the command line, to that port of this machine.
    pub(crate) fn new(
        proof: Proof,
        at: Option<&Url>,
        tell: &'a dyn Fn(&str),
    ) -> Result<Self, String> {
        let own = match proof {
            Proof::Github(_) => Some(GITHUB),
            Proof::RailwayBearer(_) | Proof::RailwayProject(_) => Some(RAILWAY),
            _ => None,
        };
        let own = own.and_then(|own| Url::parse(own).ok());
        let base = match at.or(own.as_ref()) {
            Some(url) => Some(Endpoint::new(url, LIMITS, Trust::system)?),
            None => None,
        };
        Ok(Self {
            proof,
            base,
            prefix: String::new(),
            trust: None,
            tell,
            began: Instant::now(),
            asked: vec![],
        })
    }

    /// To a cluster, at the address and with the trust that stand in the credential's own file.
    pub(crate) fn to_cluster(
        proof: Proof,
        url: &Url,
        trust: Trust,
        tell: &'a dyn Fn(&str),
    ) -> Result<Self, String> {
        if url.scheme() != "https" {
            return Err("the cluster's address is not protected by TLS".to_owned());
        }
        Ok(Self {
            proof,
            base: Some(Endpoint::new(url, LIMITS, || Ok(trust))?),
            prefix: url.path().trim_end_matches('/').to_owned(),
            trust: None,
            tell,
            began: Instant::now(),
            asked: vec![],
        })
    }

    /// What was asked so far, in order.
    pub(crate) fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked)
    }

    /// Makes one call: it is said, then sent.
    pub(crate) async fn read(&mut self, call: &Call) -> Result<Response, Failed> {
        let listed = call
            .listed()
            .filter(|one| one.provider == self.proof.provider());
        let Some(listed) = listed.filter(|one| LIST.contains(one)) else {
            return Err(Failed::Lost(
                "it is not on the list of calls that only read, and was not made".to_owned(),
            ));
        };
        let plain = call.plain();
        if plain.method != listed.method {
            return Err(Failed::Lost(
                "its method is another than on the list, and it was not made".to_owned(),
            ));
        }
        let endpoint = self.endpoint(&plain)?;
        let about = call.about().map(|about| format!(" ({})", word(&about)));
        let said = format!(
            "{}{}: {} {} {}",
            listed.name,
            about.unwrap_or_default(),
            plain.method,
            endpoint.authority(),
            match plain.method {
                "GET" => plain.path.as_str(),
                _ => listed.path,
            }
        );
        if self.asked.len() >= MOST || self.began.elapsed() > LONGEST {
            return Err(Failed::Lost(format!(
                "it would have been more than {MOST} calls or {} seconds for one credential",
                LONGEST.as_secs()
            )));
        }
        (self.tell)(&said);
        self.asked.push(said);
        let mut wait = PAUSE;
        for left in (0..TRIES).rev() {
            let answer = self.send(&endpoint, &plain).await?;
            match judge(&answer) {
                Verdict::Good => return Ok(answer),
                Verdict::Bad(why) => return Err(why),
                Verdict::Throttled if left == 0 => break,
                Verdict::Throttled => {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
            }
        }
        Err(Failed::Lost(
            "it was told to ask less often, and gave up".to_owned(),
        ))
    }

    fn endpoint(&mut self, plain: &Plain) -> Result<Endpoint, Failed> {
        if let Some(base) = &self.base {
            return Ok(base.clone());
        }
        let lost = |why: String| Failed::Lost(why);
        let Some((service, region)) = &plain.service else {
            return Err(lost("it has no host".to_owned()));
        };
        let host = if service.global {
            format!("{}.amazonaws.com", service.signed_as)
        } else {
            format!("{}.{}.amazonaws.com", service.signed_as, region.as_str())
        };
        let url = Url::parse(&format!("https://{host}/")).map_err(|e| lost(e.to_string()))?;
        // What a region is made of lets nothing else come out of this; it is looked at all the same.
        if url.host_str() != Some(host.as_str()) {
            return Err(lost("its host would not be AWS's".to_owned()));
        }
        let trust = match &self.trust {
            Some(trust) => trust.clone(),
            None => Trust::system().map_err(|e| lost(e.to_string()))?,
        };
        self.trust = Some(trust.clone());
        Endpoint::new(&url, LIMITS, || Ok(trust)).map_err(|e| lost(e.to_string()))
    }

    async fn send(&self, endpoint: &Endpoint, plain: &Plain) -> Result<Response, Failed> {
        let mut headers = plain.headers.clone();
        let mut query: Vec<String> = plain
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", sign::escape(name), sign::escape(value)))
            .collect();
        match &self.proof {
            Proof::Aws(credential) => {
                let Some((service, region)) = &plain.service else {
                    return Err(Failed::Lost("it has no service".to_owned()));
                };
                let ask = Signable {
                    method: plain.method,
                    host: &endpoint.authority(),
                    path: &plain.path,
                    query: &plain.query,
                    headers: &plain.headers,
                    body: plain.body.as_bytes(),
                    region: region.as_str(),
                    service: service.signed_as,
                };
                let signed = sign::sign(&ask, credential, OffsetDateTime::now_utc());
                headers = signed.0;
                query = vec![signed.1];
            }
            Proof::Github(token) => {
                headers.push(("authorization", format!("Bearer {}", token.reveal())));
                headers.push(("accept", "application/vnd.github+json".to_owned()));
                headers.push(("x-github-api-version", "2022-11-28".to_owned()));
            }
            Proof::RailwayBearer(token) | Proof::KubeToken(token) => {
                headers.push(("authorization", format!("Bearer {}", token.reveal())));
            }
            Proof::RailwayProject(token) => {
                headers.push(("project-access-token", token.reveal().clone()));
            }
            Proof::KubeCertificate => {}
        }
        headers.push(("user-agent", "backstop-scopes".to_owned()));
        let query = query.join("&");
        let target = match query.as_str() {
            "" => format!("{}{}", self.prefix, plain.path),
            query => format!("{}{}?{query}", self.prefix, plain.path),
        };
        let body = match plain.body.as_str() {
            "" => Body::empty(),
            body => Body::bytes(body.as_bytes().to_vec()),
        };
        endpoint
            .send(plain.method, &target, &headers, body)
            .await
            .map_err(|error| Failed::Lost(word(&error.to_string())))
    }
}

enum Verdict {
    Good,
    Throttled,
    Bad(Failed),
}

/// What an answer's status and the provider's own word for it come to.
fn judge(answer: &Response) -> Verdict {
    const THROTTLED: &[&str] = &[
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "TooManyRequestsException",
    ];
    const UNKNOWN: &[&str] = &[
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "AuthFailure",
        "IncompleteSignature",
    ];
    if answer.is_success() {
        return Verdict::Good;
    }
    let code = code(answer);
    let said = match code.as_str() {
        "" => format!("status {}", answer.status),
        code => code.to_owned(),
    };
    let exhausted = answer.header("x-ratelimit-remaining").as_deref() == Some("0");
    if THROTTLED.contains(&code.as_str()) || matches!(answer.status, 429 | 503) {
        return Verdict::Throttled;
    }
    Verdict::Bad(match answer.status {
        403 if exhausted => Failed::Lost("its rate of calls is used up".to_owned()),
        _ if UNKNOWN.contains(&code.as_str()) => Failed::Refused(said),
        401 => Failed::Refused(said),
        403 => Failed::Denied(said),
        _ if code.starts_with("AccessDenied") || code == "UnauthorizedOperation" => {
            Failed::Denied(said)
        }
        404 => Failed::Absent,
        300..=399 => Failed::Lost(format!("it was sent elsewhere ({said}), and did not go")),
        _ => Failed::Lost(format!("it answered {said}")),
    })
}

/// AWS's word for what went wrong.
fn code(answer: &Response) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let quoted = |text: &str| -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let code = value
            .get("__type")
            .or_else(|| value.get("code"))?
            .as_str()?;
        code.rsplit('#').next().map(str::to_owned)
    };
    let code = match text.split_once("<Code>") {
        Some((_, rest)) => rest.split_once("</Code>").map(|(code, _)| code.to_owned()),
        None => answer
            .header("x-amzn-errortype")
            .map(|code| code.split(':').next().unwrap_or_default().to_owned())
            .or_else(|| quoted(&text)),
    };
    code.unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect()
}
