//! From what was asked for to a lease and its DSN: the one place where a secret is handed out, once.

use std::sync::Arc;

use backstop_core::action::Ask;
use backstop_core::lease::{Also, Lease, LeaseSpec};
use backstop_core::scope::{Scope, ScopeVerb};
use backstop_gates::http::gate::config::Placing;
use backstop_gates::postgres::lease_verifier;
use backstop_store::{Granted, Opened};
use tokio::sync::mpsc::Sender;

use super::answer::{done, finish, refused};
use super::{Doorway, Service};
use crate::config::Config;
use crate::control::protocol::{Grant, LeaseAsk, Reply};
use crate::duration::Span;
use crate::failure::{Context, Failure, Outcome};

/// The shortest and the longest life of a lease, in seconds.
const TTL: std::ops::RangeInclusive<u64> = 10..=7 * 86_400;
/// The longest life of one that stands in for a credential that a program has for good.
const STANDING: u64 = 366 * 86_400;
/// More scopes than a person can read are not understood by who approves them.
const MOST_SCOPES: usize = 64;
/// The longest task, in characters.
const LONGEST_TASK: usize = 500;

impl Service {
    pub(super) async fn create_lease(
        self: &Arc<Self>,
        ask: LeaseAsk,
        told: &Sender<Reply>,
    ) -> Outcome<Reply> {
        let spec = self.spec(&ask)?;
        let (record, approved) = match self.open(Ask::GrantLease { spec }).await? {
            Opened::Waiting(record) => (record, false),
            Opened::Approved(record) => (record, true),
        };
        let hold = record.hold.id.clone();
        if !approved {
            self.tell_held(&record, told).await?;
            if !ask.wait {
                return done(&serde_json::Value::Null);
            }
            refused(&self.decided(&hold).await?)?;
        }
        let service = Arc::clone(self);
        finish(async move { service.grant(&hold).await }).await
    }

    async fn grant(&self, hold: &str) -> Outcome<Reply> {
        let granted = self
            .store
            .grant_lease(hold, self.verifier())
            .await
            .doing("cannot grant the lease")?;
        self.hand_out(granted).await
    }

    pub(super) async fn child_lease(
        &self,
        parent: &str,
        task: String,
        ttl_seconds: u64,
        scopes: Vec<Scope>,
    ) -> Outcome<Reply> {
        check(&task, ttl_seconds, &scopes, *TTL.end())?;
        self.require_lease(parent)?;
        let granted = self
            .store
            .child_lease(parent, task, scopes, ttl_seconds, self.verifier())
            .await
            .doing(format!("cannot narrow `{parent}` into a child lease"))?;
        self.hand_out(granted).await
    }

    pub(super) async fn narrow_lease(
        &self,
        lease: &str,
        scopes: Option<Vec<Scope>>,
        ttl_seconds: Option<u64>,
    ) -> Outcome<Reply> {
        self.store
            .narrow_lease(lease, scopes, ttl_seconds)
            .await
            .doing(format!("cannot narrow `{lease}`"))?;
        let record = self
            .store
            .lease(lease)
            .ok_or_else(|| Failure::new(format!("there is no lease `{lease}`")))?;
        // The gate holds the lease to its scopes from here on; the role at the target follows.
        if let Err(error) = self.provision(&record.lease).await {
            tracing::warn!(lease, %error, "the lease is narrowed, but its role at the target still has the old grants");
        }
        let scopes: Vec<String> = record
            .lease
            .spec
            .scopes
            .iter()
            .map(ToString::to_string)
            .collect();
        done(
            &serde_json::json!({ "lease": lease, "scopes": scopes, "expires_ms": record.lease.expires_ms }),
        )
    }

    async fn hand_out(&self, granted: Granted) -> Outcome<Reply> {
        let (lease, secret) = (granted.lease, granted.secret);
        let config = self.config();
        let is_api = config.apis.iter().any(|api| api.name == lease.spec.target);
        if !is_api && let Err(error) = self.provision(&lease).await {
            // A lease without its role is of no use to anybody, and must not lie around.
            let why = "its role could not be made at the target";
            let ended = self.store.end_lease(&lease.id, why).await;
            ended.doing("cannot end a lease whose role could not be made")?;
            return Err(Failure::new(format!("the lease was ended: {why}"))
                .because(error)
                .hint("`backstop doctor` says what the gate's role lacks"));
        }
        let dsn = if is_api {
            String::new()
        } else {
            let target = config.target(&lease.spec.target)?;
            let doorway = Doorway::of(&config, &self.addresses)?;
            doorway.dsn(&lease.id, secret.reveal(), &target.dsn.database)
        };
        done(&Grant {
            dsn,
            environment: self.environment(&config, &lease, &secret),
            target: lease.spec.target.clone(),
            expires_ms: lease.expires_ms,
            lease: lease.id,
        })
    }

    /// Makes SCRAM verifiers that the gate can tell apart.
    fn verifier(&self) -> impl FnOnce(&str) -> Result<String, String> + Send + 'static {
        let store = self.store.clone();
        move |secret| {
            lease_verifier(&store, secret)
                .ok_or_else(|| "the lease's secret cannot be derived".to_owned())
        }
    }

    /// Makes the lease's role at its target, or brings it up to the lease.
    async fn provision(&self, lease: &Lease) -> Result<(), String> {
        match self.gate.read().await.as_ref() {
            Some(gate) => gate.provision(lease).await.map_err(|e| e.to_string()),
            None => Err("backstop is stopping".to_owned()),
        }
    }

    fn spec(&self, ask: &LeaseAsk) -> Outcome<LeaseSpec> {
        let config = self.config();
        let (target, environment) = config.any_target(&ask.target)?;
        let longest = if ask.standing { STANDING } else { *TTL.end() };
        check(&ask.task, ask.ttl_seconds, &ask.scopes, longest)?;
        fits(&config, target, &ask.scopes)?;
        Ok(LeaseSpec {
            target: target.to_owned(),
            environment,
            task: ask.task.trim().to_owned(),
            ttl_seconds: ask.ttl_seconds,
            scopes: ask.scopes.clone(),
            also: also(&config, &ask.also)?,
            parent: None,
        })
    }
}

/// The further targets, each once with all its scopes.
fn also(config: &Config, asked: &[(String, Scope)]) -> Outcome<Vec<Also>> {
    let mut all: Vec<Also> = vec![];
    for (name, scope) in asked {
        fits(config, name, std::slice::from_ref(scope))?;
        if let Some(known) = all.iter_mut().find(|also| also.target == *name) {
            known.scopes.push(scope.clone());
            continue;
        }
        let api = config.apis.iter().find(|api| api.name == *name);
        let api = api.ok_or_else(|| {
            Failure::usage(format!(
                "there is no HTTP API `{name}` in the configuration"
            ))
            .hint("--also is for targets of kind http; a lease has one database at most")
        })?;
        all.push(Also {
            target: api.name.clone(),
            environment: api.environment,
            scopes: vec![scope.clone()],
        });
    }
    Ok(all)
}

/// An opaque target is given as tunnels or not at all, and nothing else is.
fn fits(config: &Config, target: &str, scopes: &[Scope]) -> Outcome {
    let api = config.apis.iter().find(|api| api.name == target);
    let is_opaque = api.is_some_and(|api| api.placing == Placing::Opaque);
    let tunnel = |scope: &Scope| scope.verbs.iter().all(|verb| *verb == ScopeVerb::Tunnel);
    let with_tunnel = |scope: &Scope| scope.verbs.contains(&ScopeVerb::Tunnel);
    if is_opaque
        && !scopes
            .iter()
            .all(|scope| tunnel(scope) && scope.schema.is_none())
    {
        return Err(Failure::usage(format!(
            "`{target}` is opaque: nobody reads what is done there, and no scope could bound it"
        ))
        .hint("ask for the scope `tunnel`, and nothing else, there"));
    }
    if !is_opaque && scopes.iter().any(with_tunnel) {
        return Err(Failure::usage(format!(
            "`{target}` is not opaque: what passes there is read"
        ))
        .hint("leave `tunnel` out, and ask for what is to be done"));
    }
    Ok(())
}

fn check(task: &str, ttl_seconds: u64, scopes: &[Scope], longest: u64) -> Outcome {
    if task.trim().is_empty() || task.chars().count() > LONGEST_TASK {
        return Err(
            Failure::usage(format!("a task needs 1 to {LONGEST_TASK} characters"))
                .hint("say in a sentence why the agent gets access"),
        );
    }
    if ttl_seconds < *TTL.start() || ttl_seconds > longest {
        let show = |s: &u64| Span(std::time::Duration::from_secs(*s)).to_string();
        return Err(
            Failure::usage(format!("a lease cannot live for {}", show(&ttl_seconds)))
                .hint(format!("from {} to {}", show(TTL.start()), show(&longest))),
        );
    }
    if scopes.is_empty() || scopes.len() > MOST_SCOPES {
        return Err(
            Failure::usage(format!("a lease needs 1 to {MOST_SCOPES} scopes"))
                .hint("add `--scope read:public.*`, for instance"),
        );
    }
    Ok(())
}
