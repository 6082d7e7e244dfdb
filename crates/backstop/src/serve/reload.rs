//! Taking up a changed configuration without dropping a connection. A bad one is reported, and the old one kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use backstop_core::entry::Event;
use backstop_core::policy::Policy;

use super::{Service, assemble, changes};
use crate::config::Config;
use crate::failure::{Context, Failure, Outcome};

impl Service {
    /// Reads the configuration again and takes up what can change while serving.
    ///
    /// # Errors
    /// When it is not usable; nothing has changed then.
    pub(super) async fn reload(&self) -> Outcome {
        let _one = self.reloading.lock().await;
        let old = self.config();
        let new = Config::load(&old.path)?;
        let policy = Arc::new(Policy::with(&new.policy).doing("the policies cannot be used")?);
        super::channels(&new.notify)?;
        let targets = assemble::target_configs(&new, &self.home, &self.key)?;
        let reachable = super::http::reachable(&new, &self.home, &self.key)?;
        let pending = changes::at_the_next_start(&old, &new);
        if !pending.is_empty() {
            tracing::warn!(
                "changed in the configuration, takes effect at the next start: {}",
                pending.join(", ")
            );
        }
        let opened = match self.gate.read().await.as_ref() {
            None => vec![],
            Some(gate) => gate
                .reload(targets, Arc::clone(&policy))
                .await
                .doing("the gate keeps its old configuration")?,
        };
        if let Some(http) = self.http.read().await.as_ref() {
            http.reload(reachable, Arc::clone(&policy));
        }
        let mut targets = changes::of_targets(&old.targets, &new.targets, &opened);
        targets.extend(changes::of_apis(&old.apis, &new.apis));
        let policy_before = self.store.state().policy;
        if !targets.is_empty() || policy_before != Some(policy.version()) {
            let event = Event::Reloaded {
                targets,
                policy_before,
                policy: policy.version(),
            };
            self.store
                .note(event)
                .await
                .doing("the changed configuration was not written down")?;
        }
        self.config.send_replace(Arc::new(kept(&old, new)));
        self.pending.send_replace(pending);
        tracing::info!("the configuration was reloaded");
        Ok(())
    }

    /// Says why a reload was refused, where an operator looks.
    pub(super) fn reload_refused(failure: &Failure) {
        let causes = failure.causes.join(": ");
        let hint = failure.hint.clone().unwrap_or_default();
        tracing::error!(
            causes,
            hint,
            "the changed configuration was not taken up: {}",
            failure.what
        );
    }
}

/// The new configuration with the old one's fixed parts: links and DSNs must fit what runs.
fn kept(old: &Config, new: Config) -> Config {
    Config {
        data_dir: old.data_dir.clone(),
        gate: old.gate.clone(),
        http: old.http.clone().map(|http| crate::config::Http {
            // What may be read from outside the lease can change at any time.
            allow: new
                .http
                .as_ref()
                .map_or_else(Vec::new, |new| new.allow.clone()),
            ..http
        }),
        console: old.console.clone(),
        limits: old.limits.clone(),
        ..new
    }
}

/// When the configuration or a policy file of it was last written.
pub(super) struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Option<SystemTime>>,
}

impl Watch {
    /// Begins watching what `config` came from.
    pub(super) fn of(config: &Config) -> Self {
        let files: Vec<PathBuf> = std::iter::once(config.path.clone())
            .chain(config.policy_files.iter().cloned())
            .collect();
        let seen = times(&files);
        Self { files, seen }
    }

    /// Whether anything was written since the last look.
    pub(super) fn changed(&mut self) -> bool {
        let now = times(&self.files);
        let changed = now != self.seen;
        self.seen = now;
        changed
    }
}

fn times(files: &[PathBuf]) -> Vec<Option<SystemTime>> {
    files
        .iter()
        .map(|f| std::fs::metadata(f).and_then(|m| m.modified()).ok())
        .collect()
}
