//! What was found out about a request.

use backstop_core::effect::{Analysis, EffectKind};

use super::token::IdempotencyToken;

use super::Socket;

/// How far an entry is to be believed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Knowledge {
    /// A person wrote it from the provider's documentation.
    Reviewed,
    /// A generator made it from the provider's specification; conservative.
    Generated,
    /// From method, media type and name alone; conservative.
    Generic,
}

impl Knowledge {
    /// The word used in holds and `--json`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reviewed => "reviewed",
            Self::Generated => "generated",
            Self::Generic => "generic",
        }
    }
}

/// One operation of a provider's API that a request calls.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Operation {
    /// As the provider names it: `volumeDelete`, `s3:DeleteBucket`, `DELETE /repos/{owner}/{repo}`.
    pub name: String,
    /// How far its entry is to be believed.
    pub knowledge: Knowledge,
    /// One sentence that a person decides by: what it does, in the provider's words for things.
    pub does: String,
    /// What goes with it and is not named in the request, one fragment each: `all backups of the volume`.
    pub along: Vec<String>,
    /// How long it can be taken back at the provider, where it can: `48 hours`.
    pub grace: Option<String>,
    /// How to see beforehand what it would hit, where there is a way.
    pub preview: Option<String>,
    /// JSON pointers (RFC 6901, `*` for every element of a list) to the credentials in its answer; `""` for all of it.
    pub reveals: Vec<String>,
}

/// What a request does, as far as its provider's pack knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The pack's name; empty where none knows the host.
    pub provider: String,
    /// The operations that it calls, in order.
    pub operations: Vec<Operation>,
    /// Their effects. Objects are written `kind.id`, quoted as SQL names are: `volume."4f2c…"`; `kind` alone where the
    /// request names none. Never measurable: an HTTP API has no ROLLBACK.
    pub analysis: Analysis,
    /// Where it carries what its client makes anew at every call, and what changes nothing of what it does. Nowhere, unless
    /// it is clear which operation it calls.
    pub tokens: Vec<IdempotencyToken>,
    /// What its body would only quote, as [`quoted`](Self::quoted) says it.
    pub quotes: Vec<Vec<String>>,
    /// What its pack says of a WebSocket that it opens, if it is a request that may.
    pub socket: Option<Socket>,
    /// Whether its pack says that it is a gRPC call whose messages are harmless.
    pub grpc: bool,
}

impl Reading {
    /// Where in its body texts stand that are only quoted, as the tokens of JSON pointers: `*` is every element, a last
    /// `**` all that lies there.
    ///
    /// INVARIANT 1: nothing is, where not everything is known that the request does, or where it does more than to read
    /// and to write at the target itself: what reaches elsewhere could take along what is quoted.
    #[must_use]
    pub fn quoted(&self) -> &[Vec<String>] {
        if self.analysis.is_complete() && self.analysis.worst() <= EffectKind::Write {
            &self.quotes
        } else {
            &[]
        }
    }
}
