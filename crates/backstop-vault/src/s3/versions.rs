//! What is in the bucket, with every version: a marker that hides an object, or another version on top of it, hides
//! nothing here.

use rusty_s3::Method;

use super::{Ask, Bucket, http::Body};
use crate::error::{Result, VaultError};

/// Pages beyond which a list that does not end is given up.
const PAGES: usize = 1_000_000;

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) key: String,
    pub(crate) version: String,
}

impl Bucket {
    /// All versions of all objects whose key begins so: by key, the oldest first. Markers are left out, and so are
    /// keys with characters that the vault's own never have.
    pub(crate) async fn versions(&self, prefix: &str) -> Result<Vec<Version>> {
        let mut found = Vec::new();
        let mut from: Option<(String, String)> = None;
        for _ in 0..PAGES {
            let mut query = vec![("versions", String::new()), ("prefix", prefix.to_owned())];
            if let Some((key, version)) = from.take() {
                query.push(("key-marker", key));
                query.push(("version-id-marker", version));
            }
            let page = self.list(query).await?;
            let listed = between_all(&page, "<Version>", "</Version>").filter_map(|text| {
                let key = between(text, "<Key>", "</Key>")?;
                let version = between(text, "<VersionId>", "</VersionId>")?;
                is_plain(key).then(|| Version {
                    key: key.to_owned(),
                    version: version.to_owned(),
                })
            });
            found.extend(listed);
            if between(&page, "<IsTruncated>", "</IsTruncated>") != Some("true") {
                // S3 lists the newest of each key first.
                found.reverse();
                found.sort_by(|a: &Version, b| a.key.cmp(&b.key));
                return Ok(found);
            }
            let marker = |name: &str| {
                between(&page, &format!("<{name}>"), &format!("</{name}>")).map(str::to_owned)
            };
            from = marker("NextKeyMarker").zip(marker("NextVersionIdMarker"));
            if from.is_none() {
                return Err(self.lost("it did not say where its list goes on"));
            }
        }
        Err(self.lost("its list does not end"))
    }

    /// Gives up every upload in parts that a crash left: nobody but the vault uploads there, and one thing at a time.
    pub(crate) async fn abort_uploads(&self, prefix: &str) -> Result<u64> {
        let mut gone = 0;
        // What was given up is not in the next list.
        for _ in 0..PAGES {
            let query = vec![("uploads", String::new()), ("prefix", prefix.to_owned())];
            let page = self.list(query).await?;
            let mut here = 0;
            for text in between_all(&page, "<Upload>", "</Upload>") {
                let key = between(text, "<Key>", "</Key>").filter(|key| key.starts_with(prefix));
                let id = between(text, "<UploadId>", "</UploadId>");
                if let (Some(key), Some(id)) = (key.filter(|key| is_plain(key)), id) {
                    self.abort(key, id).await?;
                    here += 1;
                }
            }
            gone += here;
            if here == 0 {
                break;
            }
        }
        Ok(gone)
    }

    async fn list(&self, query: Vec<(&'static str, String)>) -> Result<String> {
        let ask = Ask {
            method: Method::Get,
            key: "",
            query,
            headers: vec![],
        };
        let answer = self.send(ask, Body::empty()).await?;
        if !answer.is_success() {
            return Err(self.refused("list what it has", &answer));
        }
        String::from_utf8(answer.body.to_vec())
            .map_err(|_| VaultError::protocol("the bucket's list is no text"))
    }
}

/// Whether a key could be the vault's: no markup, no escapes.
fn is_plain(key: &str) -> bool {
    key.bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'/' || b == b'-')
}

/// The text between two marks.
pub(crate) fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    Some(text.split_once(from)?.1.split_once(to)?.0)
}

fn between_all<'a>(text: &'a str, from: &'a str, to: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(from)
        .skip(1)
        .filter_map(move |rest| Some(rest.split_once(to)?.0))
}
