//! A credential that should not have been presented: the lease is frozen at once, then the person is told all that can
//! be found out.

use std::time::Duration;

use backstop_store::Store;

use super::explain::{Explain, Explained};
use super::foreign::Foreign;
use crate::mismatch::{halt, note};

/// The longest that is looked for more; the lease is frozen already.
const PATIENCE: Duration = Duration::from_secs(10);

/// Freezes the lease and tells the person. Gives back why, as the agent is told it.
pub(super) async fn foreign(
    store: &Store,
    explain: &dyn Explain,
    lease: &str,
    source: &str,
    host: &str,
    found: Foreign,
) -> String {
    let brief = format!("{}, on its way to `{host}`", found.told());
    halt(store, lease, &brief, false).await;
    let more = match found.value {
        None => Explained::default(),
        Some(value) => tokio::time::timeout(PATIENCE, explain.explain(value, found.kind))
            .await
            .unwrap_or_default(),
    };
    note(store, Some(lease), source, &told(&brief, &more)).await;
    brief
}

/// The target refused the gate's own credential: reads go on, writes wait for a person.
pub(super) async fn refused(store: &Store, lease: &str, source: &str, api: &str, how: &str) {
    let why = format!("`{api}` refused the gate's own credential ({how})");
    halt(store, lease, &why, true).await;
    note(store, Some(lease), source, &why).await;
}

fn told(brief: &str, more: &Explained) -> String {
    let mut all = vec![brief.to_owned()];
    all.extend(more.what.as_ref().map(|what| format!("it is {what}")));
    all.extend(more.could.clone());
    match more.lies.as_slice() {
        [] => {}
        lies => all.push(format!("it lies in {}", lies.join(", "))),
    }
    all.join("; ")
}
