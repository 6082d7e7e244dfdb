//! A request before and after reading.

/// The scheme that the request is for at the target, whatever it came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// The version that the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// A request as the HTTP library gave it: frames are decoded, nothing is interpreted.
#[derive(Clone)]
pub struct Raw<'a> {
    /// As sent, case and all.
    pub method: &'a str,
    /// What the client speaks.
    pub version: Version,
    /// Where it is going.
    pub scheme: Scheme,
    /// `:authority`, or the authority of a target in absolute form.
    pub authority: Option<&'a str>,
    /// Path and query as sent, or `*`.
    pub target: &'a str,
    /// In the order they came; names as sent.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The name that the client asked for in TLS, if it came over TLS.
    pub tls_name: Option<&'a str>,
    /// `host:port` of the CONNECT that it came through, if it came through one.
    pub tunnel: Option<&'a str>,
    /// The base URL's `host:port` in reverse mode, where `Host` names the gate.
    pub reverse: Option<&'a str>,
    /// What it carries.
    pub body: RawBody<'a>,
}

/// What a request carries, before it is read.
#[derive(Clone, Copy)]
pub enum RawBody<'a> {
    /// Nothing.
    Absent,
    /// All of it, content encoding still on.
    Whole(&'a [u8]),
    /// More than is kept to be judged: it would be streamed on as it comes.
    Streamed {
        /// In bytes, where the client told.
        length: Option<u64>,
    },
}

/// A request as its server would read it.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// The method that counts: upper case, overrides taken into account.
    pub method: String,
    /// Where it goes.
    pub scheme: Scheme,
    /// Lower case, IDNA in its ASCII form, without a dot at its end; IPv6 without brackets.
    pub host: String,
    /// Also where the request left it out.
    pub port: u16,
    /// The path as sent, without the query: where an empty segment, a slash at the end or an encoded slash counts.
    pub raw_path: String,
    /// Decoded once, empty segments gone: `/a//b/%63` is `["a", "b", "c"]`. An encoded slash stands inside its segment.
    /// Dot segments are refused.
    pub segments: Vec<String>,
    /// Decoded, in order, repetitions kept.
    pub query: Vec<(String, String)>,
    /// Names in lower case, in order, repetitions kept.
    pub headers: Vec<(String, String)>,
    /// What it carries.
    pub body: Body,
}

/// What a request carries.
#[derive(Clone, PartialEq)]
pub enum Body {
    /// Nothing.
    Absent,
    /// `application/json` and `+json`: no key twice, no byte after its end.
    Json(serde_json::Value),
    /// `application/x-www-form-urlencoded`, in order.
    Form(Vec<(String, String)>),
    /// `multipart/*`, in order.
    Multipart(Vec<Part>),
    /// XML and `+xml`, well-formed and without a document type.
    Xml(String),
    /// `application/cbor` and `+cbor`, as the JSON that has the same shape; byte strings as base64.
    Cbor(serde_json::Value),
    /// Other text, and `application/graphql`.
    Text {
        /// Lower case, without parameters.
        media_type: String,
        /// In UTF-8.
        text: String,
    },
    /// Anything else.
    Bytes {
        /// Lower case, without parameters; empty where none was told.
        media_type: String,
        /// Content encoding taken off.
        bytes: Carried,
    },
    /// Not kept to be judged.
    Streamed {
        /// Lower case, without parameters; empty where none was told.
        media_type: String,
        /// In bytes, where the client told.
        length: Option<u64>,
    },
}

/// Shows the shape alone: any value may hold a credential (invariant 8).
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {}:{} ({:?})",
            self.method, self.host, self.port, self.body
        )
    }
}

/// Shows the shape alone.
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "no body",
            Self::Json(_) => "JSON",
            Self::Form(_) => "form",
            Self::Multipart(_) => "multipart",
            Self::Xml(_) => "XML",
            Self::Cbor(_) => "CBOR",
            Self::Text { .. } => "text",
            Self::Bytes { .. } => "bytes",
            Self::Streamed { .. } => "streamed",
        })
    }
}

/// Bytes that are not shown in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Carried(pub Vec<u8>);

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Of `Content-Disposition`.
    pub name: Option<String>,
    /// Of `Content-Disposition`.
    pub file: Option<String>,
    /// Lower case, without parameters; `text/plain` where none was told.
    pub media_type: String,
    /// Its content, transfer encoding taken off.
    pub content: Carried,
}

/// Why a request is not passed on: it could be read in two ways, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; hint: {hint}")]
pub struct Refused {
    /// What is wrong, in one fragment that a person and an agent can read; nothing of a secret in it.
    pub what: String,
    /// What to do.
    pub hint: String,
}
