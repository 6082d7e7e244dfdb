//! How the bucket's requests are bounded, and S3's own words in its answers.

use std::time::Duration;

use backstop_https::{Endpoint, Limits, Trust};
use url::Url;

pub(crate) use backstop_https::{Body, Response};

/// A large object takes its time to send; an answer that is no download is a page of versions at most, which has about
/// half of that.
const LIMITS: Limits = Limits {
    patience: Duration::from_secs(600),
    stalled: Duration::from_secs(60),
    answer: 2 << 20,
};

/// The service at `url`.
pub(crate) fn endpoint(url: &Url) -> Result<Endpoint, String> {
    Ok(Endpoint::new(url, LIMITS, Trust::machine)?)
}

/// Path and query, as they are sent.
pub(crate) fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// What S3 says of a request.
pub(crate) trait Said {
    /// Whether the service understood and said no. Some say `AccessDenied` with another status than 403.
    fn is_forbidden(&self) -> bool;
    /// S3's own word for what went wrong, such as `AccessDenied`.
    fn code(&self) -> String;
}

impl Said for Response {
    fn is_forbidden(&self) -> bool {
        self.status == 403 || self.code() == "AccessDenied"
    }

    fn code(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
            .map_or("", |(code, _)| code);
        code.chars()
            .filter(char::is_ascii_alphanumeric)
            .take(60)
            .collect()
    }
}
