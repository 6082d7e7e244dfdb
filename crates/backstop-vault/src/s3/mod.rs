//! A bucket with Object Lock as a second place for what the vault stores: a copy that not even the vault's own
//! user can delete.
//!
//! Objects go there as `objects/<name>`, the index as `index/<first>-<last>`, both locked in compliance mode
//! for as long as their retention. The lock is never believed from a setting: `probe.rs` tries it.

mod http;
mod mirror;
mod probe;

use std::time::Duration;

use backstop_core::digest::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Body, Endpoint, Response};
use rusty_s3::{Bucket as Name, Credentials, S3Action, UrlStyle};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::Url;

use crate::error::{Result, VaultError};

pub(crate) use mirror::Mirror;
pub use mirror::Mirrored;

/// How long a signed request is good for.
const SIGNED: Duration = Duration::from_secs(900);

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
}

/// A bucket.
#[derive(Clone)]
pub struct Bucket {
    name: Name,
    credentials: Credentials,
    endpoint: Endpoint,
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
        let endpoint = Endpoint::new(&url).map_err(bad)?;
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
        })
    }

    /// Stores an object that nobody can delete before `until_ms`; gives its version.
    pub(crate) async fn put(
        &self,
        key: &str,
        body: Body,
        hash: &Digest,
        until_ms: i64,
    ) -> Result<String> {
        // S3 wants a checksum with every locked object, and ours is its name.
        let headers = [
            ("x-amz-object-lock-mode", "COMPLIANCE".to_owned()),
            ("x-amz-object-lock-retain-until-date", date(until_ms)?),
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            ("x-amz-checksum-sha256", STANDARD.encode(hash.0)),
        ];
        let mut action = self.name.put_object(Some(&self.credentials), key);
        for (name, value) in &headers {
            action.headers_mut().insert(*name, value.as_str());
        }
        let answer = self
            .send("PUT", action.sign(SIGNED), &headers, body)
            .await?;
        if !answer.is_success() {
            return Err(self.refused("store an object", &answer));
        }
        answer.header("x-amz-version-id").filter(|version| version != "null").ok_or_else(|| {
            VaultError::setup(
                format!("the bucket `{}` keeps no versions, so it locks nothing", self.name.name()),
                "make a bucket with Object Lock turned on; it cannot be turned on later everywhere",
            )
        })
    }

    pub(crate) async fn get(&self, key: &str, version: &str) -> Result<Response> {
        let mut action = self.name.get_object(Some(&self.credentials), key);
        action.query_mut().insert("versionId", version);
        self.send("GET", action.sign(SIGNED), &[], Body::empty())
            .await
    }

    /// Tries to delete one version for good.
    pub(crate) async fn delete(&self, key: &str, version: &str) -> Result<Response> {
        let headers = [("x-amz-bypass-governance-retention", "true".to_owned())];
        let mut action = self.name.delete_object(Some(&self.credentials), key);
        action.query_mut().insert("versionId", version);
        for (name, value) in &headers {
            action.headers_mut().insert(*name, value.as_str());
        }
        self.send("DELETE", action.sign(SIGNED), &headers, Body::empty())
            .await
    }

    /// Sets the retention of a version, or of the newest.
    pub(crate) async fn retain(
        &self,
        key: &str,
        version: Option<&str>,
        mode: &str,
        until_ms: i64,
    ) -> Result<Response> {
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{mode}</Mode>\
             <RetainUntilDate>{}</RetainUntilDate></Retention>",
            date(until_ms)?
        );
        let hash = STANDARD.encode(crate::seal::sha256(body.as_bytes()).0);
        let headers = [
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            ("x-amz-checksum-sha256", hash),
            ("x-amz-bypass-governance-retention", "true".to_owned()),
        ];
        let mut action = self.name.put_object(Some(&self.credentials), key);
        action.query_mut().insert("retention", "");
        if let Some(version) = version {
            action.query_mut().insert("versionId", version);
        }
        for (name, value) in &headers {
            action.headers_mut().insert(*name, value.as_str());
        }
        self.send(
            "PUT",
            action.sign(SIGNED),
            &headers,
            Body::bytes(body.into_bytes()),
        )
        .await
    }

    async fn send(
        &self,
        method: &str,
        url: Url,
        headers: &[(&'static str, String)],
        body: Body,
    ) -> Result<Response> {
        self.endpoint
            .send(method, &url, headers, body)
            .await
            .map_err(|why| {
                VaultError::unreachable(format!("the bucket `{}`", self.name.name()), why)
            })
    }

    fn refused(&self, what: &str, answer: &Response) -> VaultError {
        VaultError::setup(
            format!(
                "the bucket `{}` refused to {what}: status {} {}",
                self.name.name(),
                answer.status,
                answer.code()
            ),
            "the vault's access key needs s3:PutObject and s3:PutObjectRetention there, and the bucket needs Object Lock",
        )
    }
}

fn date(ms: i64) -> Result<String> {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000))
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .ok_or_else(|| VaultError::protocol("a retention beyond any calendar"))
}
