//! Calls people: a new hold, a halt, a freeze. What is worth it and how it is worded is the console's to know;
//! this follows the configuration.

use std::sync::Arc;

use backstop_console::Origin;
use backstop_console::notify::Notifier;

use super::Service;
use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::notify::NotifyConfig;

/// The channels of a configuration, made ready.
///
/// # Errors
/// When one cannot work as configured.
pub(crate) fn channels(config: &NotifyConfig) -> Outcome<Notifier> {
    Notifier::new(config)
        .map_err(|e| Failure::usage("people cannot be called as configured").because(e))
}

/// Tells of what changes, for as long as it serves; takes up changed channels.
pub(super) async fn run(service: Arc<Service>, origin: Origin) {
    let mut changes = service.config.subscribe();
    loop {
        let config: Arc<Config> = Arc::clone(&changes.borrow_and_update());
        let another = async {
            // A closed channel never changes again; the task ends with the process.
            let closed = changes
                .wait_for(|c| c.notify != config.notify)
                .await
                .is_err();
            if closed {
                std::future::pending::<()>().await;
            }
        };
        match channels(&config.notify) {
            Ok(notifier) => {
                notifier
                    .follow(service.store.clone(), &origin, another)
                    .await
            }
            // Looked at before it was taken up; a secret's file may have gone since.
            Err(failure) => {
                tracing::error!(
                    causes = failure.causes.join(": "),
                    "nobody is called: {}",
                    failure.what
                );
                another.await;
            }
        }
    }
}
