//! Objects that are too large for one request: uploaded in parts, each with its own checksum, and there for anybody
//! only when the last part is. Nothing is held in memory but the piece on its way.
//!
//! Like a put, completing makes a new version and changes none. What is locked is looked at afterwards, not believed.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
};

use backstop_core::digest::Digest;
use ring::digest::{Context, SHA256};
use rusty_s3::Method;

use super::{
    Ask, Bucket, Kept, checksum,
    http::{Body, Response, Said as _},
    versions::between,
};
use crate::{
    error::{Result, VaultError},
    seal::digest,
};

/// Parts that one object has at most: S3's own limit.
const PARTS: u64 = 10_000;
/// How much is hashed at a time, in bytes.
const PIECE: usize = 256 * 1024;

/// A stretch of a file that can be opened as often as need be.
pub(crate) struct Stretch<'a> {
    pub(crate) open: &'a (dyn Fn() -> Result<File> + Send + Sync),
    pub(crate) from: u64,
    pub(crate) bytes: u64,
    /// For messages.
    pub(crate) file: &'a str,
}

impl Stretch<'_> {
    fn at(&self, from: u64) -> Result<File> {
        let mut file = (self.open)()?;
        file.seek(SeekFrom::Start(self.from + from))
            .map_err(|e| VaultError::io("read", self.file, e))?;
        Ok(file)
    }

    /// The hash of one part, which goes into that of the whole, too.
    fn hash(&self, from: u64, bytes: u64, whole: &mut Context) -> Result<Digest> {
        let mut file = self.at(from)?.take(bytes);
        let (mut part, mut piece, mut read) = (Context::new(&SHA256), vec![0; PIECE], 0);
        loop {
            let now = file
                .read(&mut piece)
                .map_err(|e| VaultError::io("read", self.file, e))?;
            if now == 0 {
                break;
            }
            let got = piece.get(..now).unwrap_or_default();
            part.update(got);
            whole.update(got);
            read += now as u64;
        }
        if read != bytes {
            return Err(VaultError::integrity(
                self.file,
                "it is shorter than it was",
            ));
        }
        Ok(digest(part))
    }
}

/// A part that the bucket has.
struct Part {
    number: u64,
    tag: String,
    hash: Digest,
}

impl Bucket {
    /// Stores a stretch of a file, in parts if it is large. With `hash`, bytes that are not of that hash are not
    /// stored.
    pub(crate) async fn put_stretch(
        &self,
        kept: Kept<'_>,
        stretch: &Stretch<'_>,
        hash: Option<&Digest>,
    ) -> Result<()> {
        if stretch.bytes > self.part {
            return self.put_parts(kept, stretch, hash).await;
        }
        let found = match hash {
            // The bucket compares: bytes that rotted on the vault's disk are refused by it.
            Some(hash) => *hash,
            None => stretch.hash(0, stretch.bytes, &mut Context::new(&SHA256))?,
        };
        let body = Body::file(stretch.at(0)?, stretch.bytes);
        self.put(kept, body, &found).await.map(drop)
    }

    async fn put_parts(
        &self,
        kept: Kept<'_>,
        stretch: &Stretch<'_>,
        hash: Option<&Digest>,
    ) -> Result<()> {
        let id = self.begin(kept).await?;
        let done = async {
            let parts = self.send_parts(kept.key, &id, stretch, hash).await?;
            self.complete(kept, &id, &parts).await
        };
        let done = done.await;
        if done.is_err()
            && let Err(error) = self.abort(kept.key, &id).await
        {
            // It is given up with the next try of the lock.
            tracing::warn!(%error, "an upload in parts was not given up");
        }
        done
    }

    async fn begin(&self, kept: Kept<'_>) -> Result<String> {
        let mut headers = kept.headers()?;
        headers.push(("x-amz-checksum-algorithm", "SHA256".to_owned()));
        let ask = Ask {
            method: Method::Post,
            key: kept.key,
            query: vec![("uploads", String::new())],
            headers,
        };
        let answer = self.send(ask, Body::empty()).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let id = between(&text, "<UploadId>", "</UploadId>").filter(|_| answer.is_success());
        id.map(str::to_owned)
            .ok_or_else(|| self.refused("begin an upload in parts", &answer))
    }

    async fn send_parts(
        &self,
        key: &str,
        id: &str,
        stretch: &Stretch<'_>,
        hash: Option<&Digest>,
    ) -> Result<Vec<Part>> {
        let size = self.part.max(stretch.bytes.div_ceil(PARTS));
        let (mut whole, mut parts, mut from) = (Context::new(&SHA256), Vec::new(), 0);
        while from < stretch.bytes {
            let bytes = size.min(stretch.bytes - from);
            let part = tokio::task::block_in_place(|| stretch.hash(from, bytes, &mut whole))?;
            let number = parts.len() as u64 + 1;
            let mut ask = Ask::of(Method::Put, key, None);
            ask.query.push(("partNumber", number.to_string()));
            ask.query.push(("uploadId", id.to_owned()));
            ask.headers.extend(checksum(&part));
            let body = Body::file(stretch.at(from)?, bytes);
            let answer = self.send(ask, body).await?;
            let tag = answer.header("etag").filter(|_| answer.is_success());
            parts.push(Part {
                number,
                tag: tag.ok_or_else(|| self.refused("store a part of an object", &answer))?,
                hash: part,
            });
            from += bytes;
        }
        match hash {
            Some(hash) if digest(whole) != *hash => Err(VaultError::integrity(
                stretch.file,
                "it is not what its name says, and does not go to the bucket",
            )),
            _ => Ok(parts),
        }
    }

    async fn complete(&self, kept: Kept<'_>, id: &str, parts: &[Part]) -> Result<()> {
        let listed: String = parts.iter().map(Part::listed).collect();
        let body = format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{listed}</CompleteMultipartUpload>"
        );
        let mut ask = Ask::of(Method::Post, kept.key, None);
        ask.query.push(("uploadId", id.to_owned()));
        let answer = self.send(ask, Body::bytes(body.into_bytes())).await?;
        // It may say 200 first and fail then.
        if !answer.is_success() || !answer.code().is_empty() {
            return Err(self.refused("put the parts of an object together", &answer));
        }
        let version = self.version_of(&answer)?;
        self.must_be_locked(kept, &version).await
    }

    /// The lock was asked for when the upload began; one that did not come with it is set now, and looked at.
    async fn must_be_locked(&self, kept: Kept<'_>, version: &str) -> Result<()> {
        if self.locked_until(kept.key, version, kept.until_ms).await? {
            return Ok(());
        }
        let done = self
            .retain(kept.key, version, "COMPLIANCE", kept.until_ms)
            .await?;
        if done.is_success() && self.locked_until(kept.key, version, kept.until_ms).await? {
            return Ok(());
        }
        Err(self.refused("lock an object that came in parts", &done))
    }

    /// Gives an upload up, with the parts that it has.
    pub(crate) async fn abort(&self, key: &str, id: &str) -> Result<()> {
        let mut ask = Ask::of(Method::Delete, key, None);
        ask.query.push(("uploadId", id.to_owned()));
        let answer: Response = self.send(ask, Body::empty()).await?;
        if answer.is_success() || answer.status == 404 {
            return Ok(());
        }
        Err(self.refused("give up an upload", &answer))
    }
}

impl Part {
    fn listed(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        format!(
            "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag><ChecksumSHA256>{}</ChecksumSHA256></Part>",
            self.number,
            self.tag.replace('"', "&quot;"),
            STANDARD.encode(self.hash.0)
        )
    }
}
