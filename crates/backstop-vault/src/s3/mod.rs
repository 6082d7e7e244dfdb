//! A bucket with Object Lock as a second place for what the vault stores: a copy that not even the vault's own
//! user can delete.
//!
//! Locked in compliance mode, for as long as their retention, lie there:
//!
//! - `objects/<name>`: what is stored.
//! - `index/<first>-<last>`: lines of the index as they came, with the vault's signature over the last (`head.rs`).
//! - `rolled/<first>-<last>`: the same lines in fewer objects, locked for as long as anything stored is.
//! - `cosigned/<log>/<size>`: the newest checkpoint of each log, about once a minute while it grows.
//!
//! From these `rebuild/` makes the vault's directory anew. Private keys, people and configuration never go there. The
//! lock is never believed from a setting: `probe.rs` tries it.

mod fetch;
mod head;
mod http;
mod large;
mod mirror;
mod probe;
pub mod rebuild;
mod rolled;
mod versions;

use std::{collections::BTreeMap, time::Duration};

use backstop_core::digest::Digest;
use backstop_https::Endpoint;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Body, Response, Said as _, target};
use jiff::Timestamp;
use rusty_s3::{Bucket as Name, Credentials, Method, UrlStyle, signing::sign};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::Url;

use crate::error::{Result, VaultError};

pub(crate) use mirror::Mirror;
pub use mirror::Mirrored;

/// How long a signed request is good for.
const SIGNED: Duration = Duration::from_secs(900);
/// The header that has the vault's signature under a part of the index.
const HEAD: &str = "x-amz-meta-head";

/// What it takes to reach a bucket.
#[derive(Clone)]
pub struct BucketOptions {
    /// The service's address, such as `https://s3.eu-central-1.amazonaws.com`.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The bucket's name. Object Lock was turned on when it was made.
    pub bucket: String,
    /// The access key's id.
    pub key: String,
    /// The access key's secret.
    pub secret: String,
    /// How far the copy may be behind before the vault refuses to store more.
    pub behind: Duration,
    /// How often the lock is tried.
    pub probe: Duration,
    /// What is larger goes in parts of this many bytes; S3 takes none below 5 MiB.
    pub part: u64,
}

impl BucketOptions {
    /// Parts that a slow line carries within a request's time.
    pub const PART: u64 = 64 << 20;
}

/// A bucket.
#[derive(Clone)]
pub struct Bucket {
    name: Name,
    credentials: Credentials,
    endpoint: Endpoint,
    part: u64,
}

/// A request before it is signed.
struct Ask<'a> {
    method: Method,
    key: &'a str,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

/// What an object is stored with.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) key: &'a str,
    /// Nobody can delete it before: Unix time in milliseconds.
    pub(crate) until_ms: i64,
    /// The vault's signature, for parts of the index.
    pub(crate) head: Option<&'a str>,
}

impl Kept<'_> {
    fn headers(&self) -> Result<Vec<(&'static str, String)>> {
        let mut headers = vec![
            ("x-amz-object-lock-mode", "COMPLIANCE".to_owned()),
            ("x-amz-object-lock-retain-until-date", date(self.until_ms)?),
        ];
        headers.extend(self.head.map(|head| (HEAD, head.to_owned())));
        Ok(headers)
    }
}

impl Bucket {
    /// A bucket as it is configured; connects to nothing.
    ///
    /// # Errors
    /// [`VaultError::Setup`] when the address is none, or is not protected and not on this machine.
    pub fn new(options: &BucketOptions) -> Result<Self> {
        let bad = |what: String| {
            VaultError::setup(
                format!("the bucket's address `{}`: {what}", options.endpoint),
                "write `endpoint` under `[bucket]` as https://host, or http://localhost:port for one on this machine",
            )
        };
        let url: Url = options
            .endpoint
            .parse()
            .map_err(|e: url::ParseError| bad(e.to_string()))?;
        let endpoint = http::endpoint(&url).map_err(bad)?;
        let name = Name::new(
            url,
            UrlStyle::Path,
            options.bucket.clone(),
            options.region.clone(),
        )
        .map_err(|e| bad(e.to_string()))?;
        Ok(Self {
            name,
            credentials: Credentials::new(options.key.clone(), options.secret.clone()),
            endpoint,
            part: options.part,
        })
    }

    /// Stores an object that nobody can delete before its time; gives its version.
    pub(crate) async fn put(&self, kept: Kept<'_>, body: Body, hash: &Digest) -> Result<String> {
        // S3 wants a checksum with every locked object, and ours is its name.
        let mut headers = kept.headers()?;
        headers.extend(checksum(hash));
        let ask = Ask {
            method: Method::Put,
            key: kept.key,
            query: vec![],
            headers,
        };
        let answer = self.send(ask, body).await?;
        if !answer.is_success() {
            return Err(self.refused("store an object", &answer));
        }
        self.version_of(&answer)
    }

    /// The version that was made; a bucket without versions locks nothing.
    fn version_of(&self, answer: &Response) -> Result<String> {
        answer.header("x-amz-version-id").filter(|version| version != "null").ok_or_else(|| {
            VaultError::setup(
                format!("the bucket `{}` keeps no versions, so it locks nothing", self.name.name()),
                "make a bucket with Object Lock turned on; it cannot be turned on later everywhere",
            )
        })
    }

    pub(crate) async fn get(&self, key: &str, version: &str) -> Result<Response> {
        self.send(Ask::of(Method::Get, key, Some(version)), Body::empty())
            .await
    }

    /// Tries to delete one version for good.
    pub(crate) async fn delete(&self, key: &str, version: &str) -> Result<Response> {
        let mut ask = Ask::of(Method::Delete, key, Some(version));
        ask.headers.push(bypass());
        self.send(ask, Body::empty()).await
    }

    /// Sets the retention of a version.
    pub(crate) async fn retain(
        &self,
        key: &str,
        version: &str,
        mode: &str,
        until_ms: i64,
    ) -> Result<Response> {
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{mode}</Mode>\
             <RetainUntilDate>{}</RetainUntilDate></Retention>",
            date(until_ms)?
        );
        let mut ask = Ask::of(Method::Put, key, Some(version));
        ask.query.push(("retention", String::new()));
        ask.headers
            .extend(checksum(&crate::seal::sha256(body.as_bytes())));
        ask.headers.push(bypass());
        self.send(ask, Body::bytes(body.into_bytes())).await
    }

    /// Locks every version of an object until then at least. Whoever put another on top of the vault's own does not
    /// keep that from being locked longer; one that is locked longer already stays so.
    pub(crate) async fn retain_all(&self, key: &str, until_ms: i64) -> Result<()> {
        let versions = self.versions(key).await?;
        let mut refused = None;
        let mut locked = false;
        for one in versions.iter().filter(|one| one.key == key) {
            let done = self
                .retain(key, &one.version, "COMPLIANCE", until_ms)
                .await?;
            // Shortening is refused, and is nothing that is wanted here.
            match done.is_success() || self.locked_until(key, &one.version, until_ms).await? {
                true => locked = true,
                false => refused = Some(done),
            }
        }
        match refused {
            Some(done) => Err(self.refused("lengthen a retention", &done)),
            None if locked => Ok(()),
            None => Err(VaultError::integrity(
                key,
                "it is not in the bucket any more, though its lock has not ended",
            )),
        }
    }

    /// Whether a version is locked in compliance mode until then at least.
    async fn locked_until(&self, key: &str, version: &str, until_ms: i64) -> Result<bool> {
        let found = self
            .send(Ask::of(Method::Head, key, Some(version)), Body::empty())
            .await?;
        let until = found
            .header("x-amz-object-lock-retain-until-date")
            .and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
        let mode = found.header("x-amz-object-lock-mode");
        Ok(found.is_success()
            && mode.as_deref() == Some("COMPLIANCE")
            && until.is_some_and(|until| until.unix_timestamp() >= until_ms.div_euclid(1000)))
    }

    async fn send(&self, ask: Ask<'_>, body: Body) -> Result<Response> {
        self.endpoint
            .send(
                ask.method.to_str(),
                &target(&self.sign(&ask)),
                &ask.headers,
                body,
            )
            .await
            .map_err(|why| self.lost(why))
    }

    fn lost(&self, why: impl ToString) -> VaultError {
        VaultError::unreachable(format!("the bucket `{}`", self.name.name()), why)
    }

    fn sign(&self, ask: &Ask<'_>) -> Url {
        let url = match ask.key {
            "" => self.name.base_url().clone(),
            key => self.name.object_url(key),
        };
        let sorted = |pairs: &[(&'static str, String)]| -> BTreeMap<&'static str, String> {
            pairs.iter().cloned().collect()
        };
        let (query, headers) = (sorted(&ask.query), sorted(&ask.headers));
        sign(
            &Timestamp::now(),
            ask.method,
            url,
            self.credentials.key(),
            self.credentials.secret(),
            None,
            self.name.region(),
            SIGNED.as_secs(),
            query.iter().map(|(name, value)| (*name, value.as_str())),
            headers.iter().map(|(name, value)| (*name, value.as_str())),
        )
    }

    fn refused(&self, what: &str, answer: &Response) -> VaultError {
        let what = format!(
            "the bucket `{}` refused to {what}: status {} {}",
            self.name.name(),
            answer.status,
            answer.code()
        );
        // What is only for now is no reason to stop; what the bucket does not do is.
        if answer.status >= 500 || answer.status == 429 {
            return self.lost(what);
        }
        VaultError::setup(
            what,
            "the vault's access key needs s3:PutObject, s3:PutObjectRetention, s3:GetObject, s3:GetObjectVersion, \
             s3:ListBucketVersions, s3:ListBucketMultipartUploads and s3:AbortMultipartUpload there, and the bucket \
             needs Object Lock",
        )
    }
}

impl<'a> Ask<'a> {
    fn of(method: Method, key: &'a str, version: Option<&str>) -> Self {
        let version = version.map(|version| ("versionId", version.to_owned()));
        Self {
            method,
            key,
            query: version.into_iter().collect(),
            headers: vec![],
        }
    }
}

fn bypass() -> (&'static str, String) {
    ("x-amz-bypass-governance-retention", "true".to_owned())
}

fn checksum(hash: &Digest) -> [(&'static str, String); 2] {
    [
        ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
        ("x-amz-checksum-sha256", STANDARD.encode(hash.0)),
    ]
}

fn date(ms: i64) -> Result<String> {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000))
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .ok_or_else(|| VaultError::protocol("a retention beyond any calendar"))
}
