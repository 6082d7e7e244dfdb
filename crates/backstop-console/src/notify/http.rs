//! One POST to a webhook. Follows no redirects and wants no more of the answer than its status.

use std::time::Duration;

use backstop_https::{Body, Endpoint, Limits, Trust};
use hyper::Uri;
use url::Url;

use super::NotifyError;
use super::config::{ConfigError, is_local};

/// What a webhook answers is not looked at.
const LIMITS: Limits = Limits {
    patience: Duration::from_secs(60),
    stalled: Duration::from_secs(60),
    answer: 1 << 20,
};

/// Where to post.
pub(super) struct Address {
    endpoint: Endpoint,
    path: String,
}

impl Address {
    /// Reads `https://host[:port]/path`; plain HTTP only to this machine.
    pub(super) fn parse(url: &str) -> Result<Self, ConfigError> {
        let bad = |what: String| ConfigError {
            field: "webhook.url",
            what,
            hint: "write https://host/path, or http://localhost:port/path for a relay on this machine",
        };
        let uri: Uri = url
            .parse()
            .map_err(|_| bad("it is not an address".to_owned()))?;
        let authority = uri
            .authority()
            .ok_or_else(|| bad("it names no host".to_owned()))?;
        if authority.as_str().contains('@') {
            return Err(bad(
                "it contains a password; put a token into `token_file`".to_owned()
            ));
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_local(authority.host()) => {}
            Some("http") => return Err(bad("it is not protected by TLS".to_owned())),
            _ => return Err(bad("it is neither http nor https".to_owned())),
        }
        let url: Url = url
            .parse()
            .map_err(|error: url::ParseError| bad(error.to_string()))?;
        Ok(Self {
            endpoint: Endpoint::new(&url, LIMITS, Trust::machine)
                .map_err(|error| bad(error.to_string()))?,
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }

    /// Posts, and is content with any status from 200 to 299.
    pub(super) async fn post(
        &self,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<(), NotifyError> {
        let mut all = vec![("user-agent", "backstop".to_owned())];
        all.extend(headers.iter().cloned());
        let status = self
            .endpoint
            .status("POST", &self.path, &all, Body::bytes(body))
            .await
            .map_err(|error| NotifyError(error.to_string()))?;
        if (200..300).contains(&status) {
            Ok(())
        } else {
            Err(NotifyError(format!(
                "{} answered {status}",
                self.endpoint.authority()
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine() {
        assert!(Address::parse("http://localhost:8080/x").is_ok());
        assert!(Address::parse("http://[::1]:8080/x").is_ok());
        for (url, part) in [
            ("http://ntfy.example/x", "not protected"),
            ("ftp://ntfy.example/x", "neither"),
            ("/x", "names no host"),
            ("http://user:secret@localhost/x", "contains a password"),
        ] {
            let error = Address::parse(url).err().unwrap().to_string();
            assert!(
                error.contains(part) && error.contains("hint: ") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
