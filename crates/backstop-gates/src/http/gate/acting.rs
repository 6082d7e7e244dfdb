//! The last step: the credential is put in, and the request goes.

use std::sync::Arc;

use backstop_core::effect::EffectKind;
use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::http::{self, Request};
use bytes::Bytes;
use hyper::{Method, header};

use super::beyond::Passage;
use super::case::{Case, Judged};
use super::config::{Api, Placing};
use super::decide::deny;
use super::guard::Guard;
use super::journal::{self, Written};
use super::reply::{Inside, Watching};
use super::{HttpShared, answer, aws, place, rpc};
use crate::http::{Carried, Forward, Head, Problem, Sent, Site};

impl HttpShared {
    /// To a host that is no target of the lease: only reads without a credential, only from hosts on the list.
    pub(super) async fn outside(
        &self,
        case: &mut Case,
        clean: Head,
        request: &Request,
        body: &Carried,
    ) -> Result<Forward, Box<Problem>> {
        let host = case.site.host().to_owned();
        if !self.is_allowed(&host) || !only_reads(request) {
            let verdict = deny("not-in-lease", "the host is no target of the lease");
            self.deny(case, &verdict).await;
            return Err(answer::elsewhere(&host));
        }
        let verdict = Verdict {
            decision: Decision::Allow,
            rule: "allowed-host".into(),
            reason: "a read without a credential, from a host on the list".into(),
            people: 0,
        };
        let text = journal::text(&clean, &origin(&clean, &case.site), &[], &[]);
        let written = Written {
            lease: &case.record.lease.id,
            target: &host,
            connection: case.connection,
            action: case.action,
            text: &text,
            body: &[],
            effect: EffectKind::Read,
            verdict: &verdict,
            hold: None,
        };
        journal::intent(&self.traffic, &self.store, &written, false)
            .await
            .map_err(|e| answer::broken(&e))?;
        case.journaled = true;
        case.result = "failed";
        Ok(Forward {
            target: self.public(),
            scheme: clean.scheme,
            site: case.site.clone(),
            head: clean,
            body: self.sent(case, body)?,
            upgrade: None,
            repeatable: true,
        })
    }

    /// Puts the credential in and lets it go.
    pub(super) fn act(
        &self,
        case: &mut Case,
        api: &Api,
        judged: Judged,
        bytes: &Bytes,
        body: &Carried,
    ) -> Result<Forward, Box<Problem>> {
        // Only what this target revealed may stand in the credential's place; all else is written over.
        let own = place::presented(&judged.clean, &api.placing).is_some_and(|value| {
            let kept = self.keep.of(&case.record.lease.id, &api.name);
            kept.iter().any(|one| one.placeholder == value)
        });
        let is_other = judged.swapped.is_some() || api.placing.is_in_body();
        let (mut head, mut bytes) = judged
            .swapped
            .unwrap_or_else(|| (judged.clean, bytes.clone()));
        if let Some(secret) = &api.secret {
            if !own {
                place::put_in(&mut head, &mut bytes, &api.placing, secret)
                    .map_err(|e| answer::broken(&e))?;
            }
            // What is compressed could not be masked.
            let plain = header::HeaderValue::from_static("identity");
            head.headers.insert(header::ACCEPT_ENCODING, plain);
        }
        let whole;
        let body = match body {
            Carried::Whole { .. } if is_other => {
                // Of the body as it was.
                head.headers.remove("x-amz-content-sha256");
                whole = Carried::Whole {
                    bytes,
                    trailers: None,
                };
                &whole
            }
            body => body,
        };
        if api.placing == Placing::Aws {
            let scope = case.signed.as_ref();
            if let Err(problem) =
                aws::sign(&mut head, api, &case.site, scope, body, self.store.now_ms())
            {
                case.result = "denied";
                return Err(problem);
            }
        }
        case.result = "failed";
        let graphql = api.own.as_ref().is_some_and(|pack| pack.is_graphql());
        case.inside = match judged.reading.provider.as_str() {
            _ if graphql => Inside::Graphql,
            "railway" | "github-graphql" | "generic-graphql" => Inside::Graphql,
            "aws" => Inside::Aws,
            _ => Inside::Nothing,
        };
        case.reveals = judged
            .reading
            .operations
            .iter()
            .flat_map(|o| o.reveals.clone())
            .collect();
        Ok(Forward {
            target: Arc::clone(&api.target),
            scheme: api.scheme,
            site: case.site.clone(),
            repeatable: judged.reading.analysis.is_read(),
            upgrade: self.duplex(case, &head.target),
            head,
            body: self.sent(case, body)?,
        })
    }

    /// The body that is sent. Trailers are not: nothing looked at them.
    fn sent(&self, case: &mut Case, body: &Carried) -> Result<Sent, Box<Problem>> {
        match body {
            Carried::Absent => Ok(Sent::AsCame),
            Carried::Whole { bytes, .. } => Ok(Sent::Replaced(bytes.clone())),
            Carried::Streamed { .. } => {
                let ring = self.ring().map_err(|e| answer::broken(&e))?;
                let guard = Guard::of(&self.store, &case.record.lease.id);
                if let Passage::Call(call) = case.passage {
                    let guard = guard.writing(call.writes);
                    let calling = rpc::Calling::new(
                        ring.of_requests(),
                        guard,
                        self.tripper(&case.record.lease.id, &case.source),
                    );
                    return Ok(Sent::Filtered(Box::new(calling)));
                }
                let watching = Watching::new(ring.of_requests(), guard);
                case.tripped = Some(watching.tripped());
                Ok(Sent::Filtered(Box::new(watching)))
            }
        }
    }
}

fn only_reads(request: &Request) -> bool {
    let method = request.method.as_str();
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS];
    let safe = safe.iter().any(|m| m.as_str() == method) && request.body == http::Body::Absent;
    // What `git clone` and `git fetch` ask with.
    let fetch = method == "POST"
        && request
            .segments
            .last()
            .is_some_and(|last| last == "git-upload-pack");
    safe || fetch
}

/// Scheme, host and port, as the gate connects.
pub(super) fn origin(head: &Head, site: &Site) -> String {
    let scheme = match head.scheme {
        http::Scheme::Http => "http",
        http::Scheme::Https => "https",
    };
    format!("{scheme}://{site}")
}
