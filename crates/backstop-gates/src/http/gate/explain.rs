//! More about a credential that should not have been presented, for the person who is called.

use std::future::Future;
use std::pin::Pin;

use backstop_core::secret::Secret;

/// What could be found out about a credential, nothing of the credential itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explained {
    /// What it is, as in `a Railway token`.
    pub what: Option<String>,
    /// What it could do, in a sentence.
    pub could: Option<String>,
    /// Where on this machine it lies: files and environments.
    pub lies: Vec<String>,
}

/// Says more of a credential. It must not send it anywhere.
pub trait Explain: Send + Sync + 'static {
    /// What can be found out about a credential within a few seconds. `kind` is what its place and form say.
    fn explain(
        &self,
        credential: Secret<String>,
        kind: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Explained> + Send + '_>>;
}

/// Knows nothing.
pub struct Silent;

impl Explain for Silent {
    fn explain(
        &self,
        _credential: Secret<String>,
        _kind: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Explained> + Send + '_>> {
        Box::pin(async { Explained::default() })
    }
}
