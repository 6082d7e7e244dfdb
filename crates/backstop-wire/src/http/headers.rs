//! Headers: names and values as every server would take them.
//!
//! A header that is not a list stands once (RFC 9110, section 5.3). Of two with different values some servers take
//! the first, some the last, some both joined; so two are refused.

use super::place::OTHER_HOSTS;
use super::refuse::refused;
use super::token::is_token;
use super::{Raw, Refused, Version, method};

/// Headers that may come again: what they hold is a list, or servers take each for itself.
const LISTS: &[&str] = &[
    "a-im",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "anthropic-beta",
    "baggage",
    "cache-control",
    "connection",
    "content-digest",
    "content-language",
    "digest",
    "forwarded",
    "if-match",
    "if-none-match",
    "impersonate-group",
    "keep-alive",
    "link",
    "openai-beta",
    "pragma",
    "prefer",
    "priority",
    "proxy-connection",
    "repr-digest",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "signature",
    "signature-input",
    "te",
    "tracestate",
    "trailer",
    "upgrade",
    "via",
    "want-digest",
    "warning",
    "x-forwarded-for",
];

/// Headers of which there may not even be two that say the same: each line counts for somebody.
const STRICTLY_ONE: &[&str] = &[
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
];

/// Others that may neither be named by `Connection` nor be spelt with `_`.
const MATTER_TOO: &[&str] = &[
    "connection",
    "cookie",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "x-amz-target",
];

/// By these some servers take another path than the one that was asked for, or take its beginning off.
const OTHER_PATHS: &[&str] = &[
    "path-info",
    "script-name",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-uri",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-rewrite-url",
    "x-script-name",
];

/// Headers that were read: names in lower case, values without white space around them.
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(super) fn read(raw: &Raw<'_>) -> Result<Self, Refused> {
        let headers = raw
            .headers
            .iter()
            .map(|(name, value)| Ok((read_name(name, raw.version)?, read_value(value)?)))
            .collect::<Result<_, Refused>>()?;
        let headers = Self(headers);
        headers.check_names()?;
        headers.check_repetitions(raw.version)?;
        headers.check_other_paths(raw.target)?;
        Ok(headers)
    }

    /// The value of a header that stands once.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.one(name).is_some()
    }

    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Behind CGI and WSGI `Content_Length` and `Content-Length` are one name; elsewhere they are two.
    fn check_names(&self) -> Result<(), Refused> {
        for (name, _) in self.0.iter().filter(|(name, _)| name.contains('_')) {
            let meant = name.replace('_', "-");
            if matters(&meant)
                || self
                    .0
                    .iter()
                    .any(|(n, _)| n != name && n.replace('_', "-") == meant)
            {
                return Err(refused(
                    "a header with `_` in its name is the one with `-` for some servers",
                    "write its name with `-`",
                ));
            }
        }
        Ok(())
    }

    fn check_repetitions(&self, version: Version) -> Result<(), Refused> {
        for (at, (name, value)) in self.0.iter().enumerate() {
            // HTTP/2 splits cookies to compress them, and everybody joins them again.
            let is_list = LISTS.contains(&name.as_str())
                || name.starts_with("impersonate-extra-")
                || (version == Version::Http2 && name == "cookie");
            if is_list {
                continue;
            }
            let strict = STRICTLY_ONE.contains(&name.as_str());
            let mut later = self.0.iter().skip(at + 1).filter(|(n, _)| n == name);
            if later.any(|(_, other)| strict || other != value) {
                let which =
                    known_name(name).map_or("a header".to_owned(), |name| format!("`{name}`"));
                return Err(refused(
                    format!("{which} stands twice, and servers differ in which they take"),
                    "send it once",
                ));
            }
        }
        Ok(())
    }

    fn check_other_paths(&self, target: &str) -> Result<(), Refused> {
        for name in OTHER_PATHS {
            if self.all(name).any(|path| path != target) {
                return Err(refused(
                    format!("`{name}` names another path, which some servers serve instead"),
                    "leave it out",
                ));
            }
        }
        Ok(())
    }
}

/// Whether what is meant hangs on it, for any server.
pub(super) fn matters(name: &str) -> bool {
    known_name(name).is_some()
}

/// The same name out of our own lists: safe to show.
fn known_name(name: &str) -> Option<&'static str> {
    [
        STRICTLY_ONE,
        MATTER_TOO,
        OTHER_PATHS,
        OTHER_HOSTS,
        method::HEADERS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .find(|known| *known == name)
}

fn read_name(name: &str, version: Version) -> Result<String, Refused> {
    if !is_token(name) {
        return Err(refused(
            "the name of a header is not a token",
            "use letters, digits and `-`",
        ));
    }
    // RFC 9113, section 8.2.1.
    if version == Version::Http2 && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(refused(
            "the name of a header has capital letters in HTTP/2",
            "write it in lower case",
        ));
    }
    Ok(name.to_ascii_lowercase())
}

/// Folded lines hold CR and LF and are refused with all other controls.
fn read_value(value: &[u8]) -> Result<String, Refused> {
    if value
        .iter()
        .any(|&byte| byte.is_ascii_control() && byte != b'\t')
    {
        return Err(refused(
            "the value of a header has a line break or another control character",
            "send it in one line without them",
        ));
    }
    let text = std::str::from_utf8(value).map_err(|_| {
        refused(
            "the value of a header is not UTF-8",
            "use ASCII, or encode it",
        )
    })?;
    Ok(text.trim_matches([' ', '\t']).to_owned())
}
