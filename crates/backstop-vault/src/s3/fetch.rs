//! Getting objects back as a stream, one version at a time. A download that breaks off goes on where it was.

use super::{Ask, Bucket, HEAD, http::Response, http::target};
use crate::error::Result;
use rusty_s3::Method;

/// How often a request is sent again without a byte having come.
const TRIES: u32 = 4;
/// How long to wait before that, for each time that it failed.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// What came along with an object.
pub(crate) struct Fetched {
    /// The vault's signature, on parts of the index.
    pub(crate) head: Option<String>,
}

/// Takes a download's bytes.
pub(crate) type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + Send + 'a;

impl Bucket {
    /// Fetches a version, or the newest, into `sink`; `None` when there is none, or a marker hides it.
    ///
    /// # Errors
    /// What `sink` said, at once; [`crate::VaultError::Unreachable`] when it broke off and did not go on;
    /// [`crate::VaultError::Setup`] when the bucket does not let it be read.
    pub(crate) async fn fetch(
        &self,
        key: &str,
        version: Option<&str>,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Fetched>> {
        let (mut come, mut failed) = (0_u64, 0);
        loop {
            let before = come;
            let mut refused = None;
            let mut count = |piece: &[u8]| {
                come += piece.len() as u64;
                sink(piece).map_err(|error| {
                    refused = Some(error);
                    std::io::ErrorKind::Other.into()
                })
            };
            let answer = self.fetch_from(key, version, before, &mut count).await;
            if let Some(error) = refused {
                return Err(error);
            }
            failed = if come > before { 0 } else { failed + 1 };
            match answer {
                Ok(answer) if answer.is_success() => {
                    let head = answer.header(HEAD);
                    return Ok(Some(Fetched { head }));
                }
                Ok(answer) if matches!(answer.status, 404 | 405) => return Ok(None),
                Ok(answer) if answer.status < 500 && answer.status != 429 => {
                    return Err(self.refused("give an object back", &answer));
                }
                Ok(answer) if failed >= TRIES => {
                    return Err(self.refused("give an object back", &answer));
                }
                Err(error) if failed >= TRIES => return Err(error),
                _ => {}
            }
            // That it goes on with the same bytes is found out by their hash.
            tokio::time::sleep(PAUSE * failed.max(1)).await;
        }
    }

    async fn fetch_from(
        &self,
        key: &str,
        version: Option<&str>,
        from: u64,
        sink: &mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send),
    ) -> Result<Response> {
        let ask = Ask::of(Method::Get, key, version);
        let range = (from > 0).then(|| ("range", format!("bytes={from}-")));
        let range: Vec<_> = range.into_iter().collect();
        self.endpoint
            .download(&target(&self.sign(&ask)), &range, sink)
            .await
            .map_err(|why| self.lost(why))
    }
}
