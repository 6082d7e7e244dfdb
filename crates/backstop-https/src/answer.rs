//! What comes back.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use crate::HttpsError;

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    pub(crate) headers: hyper::HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// Whether the status is from 200 to 299.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The first header of that name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }
}

/// What moves a connection on; ends with it.
pub(crate) struct Pump(pub(crate) tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose body is still to come.
pub(crate) struct Answer {
    pub(crate) head: Response,
    pub(crate) body: hyper::body::Incoming,
    pub(crate) _pump: Pump,
}

impl Answer {
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, HttpsError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(HttpsError::of)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The rest, if it is not longer than `most` bytes.
    pub(crate) async fn rest(mut self, most: usize) -> Result<Response, HttpsError> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if body.len() + piece.len() > most {
                return Err(HttpsError("an answer that is too long".to_owned()));
            }
            body.extend_from_slice(&piece);
        }
        self.head.body = body.freeze();
        Ok(self.head)
    }
}
