//! One request, five steps: read, judge, hold, act; nothing is measured, an API has no ROLLBACK.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use backstop_core::action::Ask;
use backstop_core::effect::{Analysis, EffectKind};
use backstop_core::hold::{Hold, HoldText};
use backstop_core::lease::LeaseRecord;
use backstop_core::policy::{Asker, Policy};
use backstop_core::verdict::{Decision, Verdict};
use backstop_store::NewHold;
use backstop_wire::http::{self, Request};
use backstop_wire::providers::{self, Reading};
use bytes::Bytes;
use hyper::{Method, header};

use super::beyond::Passage;
use super::config::{Api, Placing};
use super::foreign::{Found, Stands};
use super::guard::Guard;
use super::journal::{self, Written};
use super::known::{Owner, Ring};
use super::place;
use super::raw;
use super::reply::{Inside, Watching};
use super::who::{Standing, standing};
use super::{
    HttpShared, anew, answer, aws, foreign, hold, lives, mismatch, objects, pack_of, quotes, rpc,
    swap,
};
use crate::http::{Carried, Forward, Head, Outcome, Problem, Sent, Site};

/// What is known of one request between its steps.
pub struct Case {
    pub(super) record: LeaseRecord,
    pub(super) standing: Standing,
    pub(super) api: Option<Arc<Api>>,
    pub(super) placeholder: Option<String>,
    pub(super) site: Site,
    pub(super) source: String,
    pub(super) tls_name: Option<String>,
    pub(super) tunnel: Option<Site>,
    /// Whether the client took the listener for the target.
    pub(super) reverse: bool,
    pub(super) connection: u64,
    pub(super) action: u64,
    /// Whether its intent stands in the journal.
    pub(super) journaled: bool,
    /// What its outcome is called if nothing else comes of it.
    pub(super) result: &'static str,
    /// How its answer may say that the credential was refused, beside its status.
    pub(super) inside: Inside,
    /// Set when a body that passes as it comes carried a known credential.
    pub(super) tripped: Option<Arc<AtomicBool>>,
    /// Whether the lease's own placeholder stood in its place.
    pub(super) taken: bool,
    /// What the client's signature was for, at AWS.
    pub(super) signed: Option<aws::Scope>,
    /// Where credentials stand in its answer.
    pub(super) reveals: Vec<String>,
    /// Its body without what that only quotes, where it quotes anything.
    pub(super) said: Option<Bytes>,
    /// Where it goes beyond an answer.
    pub(super) passage: Passage,
}

impl Case {
    /// Whether a known credential is the placeholder of what this target revealed to this lease.
    fn kept(&self, owner: &Owner) -> bool {
        let at = self.api.as_ref().map(|api| api.name.as_str());
        matches!(owner, Owner::Kept { lease, api } if *lease == self.record.lease.id && at == Some(api))
    }

    /// Whether a value is what was left in the place of the lease's own placeholder.
    fn is_neutral(&self, value: &str) -> bool {
        let left = |api: &Arc<Api>| place::leaves_neutral(&api.placing);
        self.taken && value == place::NEUTRAL && self.api.as_ref().is_some_and(left)
    }

    /// Whether a known credential is a placeholder of this lease: worth nothing where it is only quoted.
    fn own(&self, owner: &Owner) -> bool {
        matches!(
            owner,
            Owner::Placeholder { lease, .. } | Owner::Kept { lease, .. } if *lease == self.record.lease.id
        )
    }

    fn is_kept(&self, ring: &Ring, value: &str) -> bool {
        let api = self.api.as_ref();
        api.is_some_and(|api| ring.is_kept(value, &self.record.lease.id, &api.name))
    }
}

/// A request that was read and judged.
struct Judged {
    /// What is sent in its place, with kept credentials in it.
    swapped: Option<(Head, Bytes)>,
    clean: Head,
    reading: Reading,
    verdict: Verdict,
    text: String,
    origin: String,
}

impl HttpShared {
    /// What becomes of a request.
    pub(super) async fn decide(&self, case: &mut Case, head: Head, body: &Carried) -> Outcome {
        match self.try_to_decide(case, head, body).await {
            Ok(forward) => Outcome::Forward(Box::new(forward)),
            Err(problem) => Outcome::Answer(problem),
        }
    }

    async fn try_to_decide(
        &self,
        case: &mut Case,
        head: Head,
        body: &Carried,
    ) -> Result<Forward, Box<Problem>> {
        // Its body may have taken its time.
        self.still(case)?;
        let (mut clean, bytes) = self.clean(case, head, body);
        let mut request = self.read(case, &clean, &bytes, body).await?;
        self.take_passage(case, &mut clean, &request).await?;
        let Some(api) = case.api.clone() else {
            return self.outside(case, clean, &request, body).await;
        };
        if api.placing == Placing::Aws {
            match &case.signed {
                Some(scope) => aws::tell(&mut request, scope),
                None => {
                    let why = "a request to AWS that is not signed";
                    self.intend_refused(case, "unsigned", Decision::Deny, why)
                        .await?;
                    return Err(answer::unsigned());
                }
            }
        }
        if let Some(unplaced) = place::missing(&api.placing, case.taken, &request) {
            self.intend_refused(case, "unplaced", Decision::Deny, &unplaced.what)
                .await?;
            return Err(answer::unplaced(&unplaced));
        }
        let reading = self.understand(&api, &request);
        self.may_pass(case, &api, &clean, &reading).await?;
        let swapped = self
            .swapped(case, &api, &clean, &bytes, body, &reading)
            .await?;
        let policy = self.policy();
        let verdict = judge(&policy, case, &api, &reading.analysis);
        let origin = origin(&clean, &case.site);
        let judged = Judged {
            swapped,
            // INVARIANT 8: what an agent came across and quotes is not kept.
            text: journal::text(&clean, &origin, case.said.as_ref().unwrap_or(&bytes), &[]),
            clean,
            reading,
            verdict,
            origin,
        };
        if let Err(problem) = may_write(case, &judged.reading.analysis) {
            self.intend(case, &judged, &bytes, None).await?;
            case.result = "denied";
            return Err(problem);
        }
        if judged.verdict.decision == Decision::Hold && matches!(body, Carried::Streamed { .. }) {
            // INVARIANT 4: what was not read is bound by no digest.
            self.intend(case, &judged, &bytes, None).await?;
            case.result = "denied";
            return Err(case.passage.not_to_be_held(&judged.verdict));
        }
        let spent = self.enforce(case, &api, &policy, &judged, &bytes).await?;
        self.intend(case, &judged, &bytes, spent.as_ref()).await?;
        self.act(case, &api, judged, &bytes, body)
    }

    /// The lease as it stands now: halts, ends and freezes since the head came count.
    fn still(&self, case: &mut Case) -> Result<(), Box<Problem>> {
        if let Some(record) = self.store.lease(&case.record.lease.id) {
            case.record = record;
        }
        case.standing = standing(&self.store, &case.record)?;
        Ok(())
    }

    /// Takes the lease's own placeholder out of its place.
    fn clean(&self, case: &mut Case, mut head: Head, body: &Carried) -> (Head, Bytes) {
        let mut bytes = match body {
            Carried::Whole { bytes, .. } => bytes.clone(),
            Carried::Absent | Carried::Streamed { .. } => Bytes::new(),
        };
        if let (Some(api), Some(placeholder)) = (&case.api, &case.placeholder) {
            let scope = aws::scope(&head.headers);
            case.taken = place::take_out(&mut head, &mut bytes, &api.placing, placeholder);
            if case.taken && api.placing == Placing::Aws {
                case.signed = scope;
            }
        }
        (head, bytes)
    }

    /// Reads it. A credential that is not the lease's stops the lease, however the rest reads.
    async fn read(
        &self,
        case: &mut Case,
        clean: &Head,
        bytes: &Bytes,
        body: &Carried,
    ) -> Result<Request, Box<Problem>> {
        let headers = raw::headers(clean);
        let told = raw::told(case);
        let raw = raw::raw(clean, &headers, &told, bytes, body);
        let read = http::read(&raw);
        let ring = self.ring().map_err(|e| answer::broken(&e))?;
        let request = read.as_ref().ok();
        let said = request.and_then(|request| self.without_quoted(case, request));
        case.said = said.as_ref().map(text_of);
        let read_as = request.map(|request| foreign::Read {
            request,
            raw: &raw,
            said: said.as_ref().zip(case.said.as_deref()),
        });
        let found = foreign::find(
            &self.engine,
            &ring,
            clean,
            bytes,
            read_as.as_ref(),
            |owner, stands| case.kept(owner) || stands == Stands::Quoted && case.own(owner),
            |value| {
                case.is_neutral(value) || self.issued(case, value) || case.is_kept(&ring, value)
            },
        );
        if let Found::Missed(why) = found {
            self.intend_refused(case, "unsearched", Decision::Deny, why)
                .await?;
            self.count_denial(case).await;
            return Err(answer::unsearched(why));
        }
        if let Found::Foreign(found) = found {
            let why = mismatch::foreign(
                &self.store,
                &*self.config.explain,
                &case.record.lease.id,
                &case.source,
                case.site.host(),
                *found,
            )
            .await;
            self.intend_refused(case, "foreign-credential", Decision::Halt, &why)
                .await?;
            case.result = "halted";
            return Err(super::who::stopped(&why));
        }
        match read {
            Ok(request) => Ok(request),
            Err(refused) => {
                self.intend_refused(case, "ambiguous", Decision::Deny, &refused.what)
                    .await?;
                self.count_denial(case).await;
                Err(answer::ambiguous(&refused))
            }
        }
    }

    /// The request without what its body only quotes, by the pack of the API that it is for.
    fn without_quoted(&self, case: &Case, request: &Request) -> Option<Request> {
        let api = case.api.as_ref().filter(|api| quotes(api))?;
        http::without_quoted(request, self.understand(api, request).quoted())
    }

    /// The request with what this target revealed to this lease in the place of its placeholders. It must do the same
    /// then: a value that people saw as a credential could be anything.
    async fn swapped(
        &self,
        case: &mut Case,
        api: &Api,
        clean: &Head,
        bytes: &Bytes,
        body: &Carried,
        reading: &Reading,
    ) -> Result<Option<(Head, Bytes)>, Box<Problem>> {
        let kept = self.keep.of(&case.record.lease.id, &api.name);
        let said = case.said.as_ref().unwrap_or(bytes);
        if kept.is_empty() || !swap::stands(clean, said, &kept) {
            return Ok(None);
        }
        let mut head = clean.clone();
        let put = match &case.said {
            None => swap::put_in(&mut head, bytes, &kept),
            Some(said) => swap::put_in_head(&mut head, said, &kept).map(|()| bytes.clone()),
        };
        let place = match put {
            Ok(bytes) if self.does_the_same(case, api, &mut head, &bytes, body, reading) => {
                return Ok(Some((head, bytes)));
            }
            Ok(_) => "a place where it changes what the request does",
            Err(swap::Misplaced(place)) => place,
        };
        self.intend_refused(case, "misplaced", Decision::Deny, place)
            .await?;
        Err(answer::misplaced(place))
    }

    fn does_the_same(
        &self,
        case: &Case,
        api: &Api,
        head: &mut Head,
        bytes: &Bytes,
        body: &Carried,
        reading: &Reading,
    ) -> bool {
        if head.headers.contains_key(header::CONTENT_LENGTH) {
            head.headers
                .insert(header::CONTENT_LENGTH, bytes.len().into());
        }
        let Some(mut again) = read_again(case, head, bytes, body) else {
            return false;
        };
        if let Some(scope) = &case.signed {
            aws::tell(&mut again, scope);
        }
        let again = self.understand(api, &again);
        let names = |reading: &Reading| -> Vec<String> {
            reading.operations.iter().map(|o| o.name.clone()).collect()
        };
        again.analysis == reading.analysis && names(&again) == names(reading)
    }

    fn understand(&self, api: &Api, request: &Request) -> Reading {
        let mut reading = match &api.own {
            Some(pack) => providers::read_by(request, pack),
            None => providers::read(request, Some(&pack_of(api))),
        };
        objects::any_of_a_kind(&mut reading.analysis);
        reading
    }

    /// Enforces the verdict. The hold whose approval was spent, if one was.
    async fn enforce(
        &self,
        case: &mut Case,
        api: &Api,
        policy: &Policy,
        judged: &Judged,
        bytes: &Bytes,
    ) -> Result<Option<Hold>, Box<Problem>> {
        match judged.verdict.decision {
            Decision::Allow | Decision::Measure => Ok(None),
            Decision::Deny => {
                self.intend(case, judged, bytes, None).await?;
                Err(self.deny(case, &judged.verdict).await)
            }
            Decision::Halt => {
                self.intend(case, judged, bytes, None).await?;
                let why = judged.verdict.reason.clone();
                crate::mismatch::halt(&self.store, &case.record.lease.id, &why, false).await;
                case.result = "halted";
                Err(super::who::stopped(&why))
            }
            Decision::Hold => self.hold(case, api, policy, judged, bytes).await.map(Some),
        }
    }

    async fn hold(
        &self,
        case: &mut Case,
        api: &Api,
        policy: &Policy,
        judged: &Judged,
        bytes: &Bytes,
    ) -> Result<Hold, Box<Problem>> {
        let tied = lives::tied(&self.store, api, &judged.reading.analysis);
        if let Some(problem) = tied.refused {
            self.intend(case, judged, bytes, None).await?;
            case.result = "denied";
            return Err(problem);
        }
        let ask = self.ask(case, judged, bytes);
        let new = NewHold {
            ask: ask.clone(),
            lease: Some(case.record.lease.id.clone()),
            target: Some(api.name.clone()),
            environment: api.environment,
            summary: summary(&judged.reading),
            analysis: judged.reading.analysis.clone(),
            verdict: judged.verdict.clone(),
            recoverable: tied.recoverable,
            whole: String::new(),
            policy: policy.version(),
            text: HoldText {
                statement: judged.text.clone(),
                known: said(&judged.reading),
                ..HoldText::default()
            },
        };
        let asked = hold::ask(
            &self.store,
            new,
            self.config.pause,
            &self.config.console_url,
        )
        .await;
        let held = match asked {
            Ok(held) => held,
            Err(problem) => {
                self.intend(case, judged, bytes, None).await?;
                case.result = "held";
                return Err(problem);
            }
        };
        // Policy, lease and configuration may have changed while people thought.
        self.still(case)?;
        may_write(case, &judged.reading.analysis)?;
        let now = self.policy();
        let verdict = judge(&now, case, api, &judged.reading.analysis);
        let lease = &case.record.lease.id;
        let same = verdict.rule == held.rule
            && hold::digest(&self.store, lease, &api.name, now.version(), &ask)
                == Some(held.digest);
        if !same {
            let link = hold::link(&self.config.console_url, &held);
            return Err(answer::held(
                &held,
                &link,
                "; what it means has changed since it was approved, send it again",
            ));
        }
        hold::spend(&self.store, &held, &self.config.console_url).await?;
        Ok(held)
    }

    fn ask(&self, case: &Case, judged: &Judged, bytes: &Bytes) -> Ask {
        let operations = judged.reading.operations.iter();
        // What passes as it comes is never held.
        let (head, bytes) = anew::settled(
            &judged.clean,
            bytes,
            &judged.reading.tokens,
            |head, bytes| {
                let body = Carried::Whole {
                    bytes: bytes.clone(),
                    trailers: None,
                };
                read_again(case, head, bytes, &body)
            },
        );
        Ask::Http {
            binding: hold::binding(
                &head,
                judged.origin.clone(),
                &bytes,
                operations.map(|o| o.name.clone()).collect(),
                |part| self.traffic.salted(part),
            ),
        }
    }

    /// INVARIANT 2: the intent, durable where something may change.
    async fn intend(
        &self,
        case: &mut Case,
        judged: &Judged,
        bytes: &Bytes,
        spent: Option<&Hold>,
    ) -> Result<(), Box<Problem>> {
        let target = case
            .api
            .as_ref()
            .map_or_else(String::new, |api| api.name.clone());
        let analysis = &judged.reading.analysis;
        let written = Written {
            lease: &case.record.lease.id,
            target: &target,
            connection: case.connection,
            action: case.action,
            text: &judged.text,
            body: bytes,
            effect: analysis.worst(),
            verdict: &judged.verdict,
            hold: spent.map(|hold| hold.id.as_str()),
        };
        let durable = !analysis.is_read() || spent.is_some();
        journal::intent(&self.traffic, &self.store, &written, durable)
            .await
            .map_err(|e| answer::broken(&e))?;
        case.journaled = true;
        Ok(())
    }

    /// The same for what was never understood. Nothing of it is kept but why.
    pub(super) async fn intend_refused(
        &self,
        case: &mut Case,
        rule: &str,
        decision: Decision,
        why: &str,
    ) -> Result<(), Box<Problem>> {
        let verdict = Verdict {
            decision,
            rule: rule.to_owned(),
            reason: why.to_owned(),
            people: 0,
        };
        let target = case
            .api
            .as_ref()
            .map_or_else(String::new, |api| api.name.clone());
        let written = Written {
            lease: &case.record.lease.id,
            target: &target,
            connection: case.connection,
            action: case.action,
            text: &format!("a request to {}: {why}", case.site.host()),
            body: &[],
            effect: EffectKind::Escape,
            verdict: &verdict,
            hold: None,
        };
        journal::intent(&self.traffic, &self.store, &written, false)
            .await
            .map_err(|e| answer::broken(&e))?;
        case.journaled = true;
        case.result = "denied";
        Ok(())
    }

    async fn deny(&self, case: &mut Case, verdict: &Verdict) -> Box<Problem> {
        if !case.journaled
            && let Err(problem) = self
                .intend_refused(case, &verdict.rule, verdict.decision, &verdict.reason)
                .await
        {
            return problem;
        }
        case.result = "denied";
        self.count_denial(case).await;
        answer::denied(verdict)
    }

    /// A lease past its scope again and again is halted.
    pub(super) async fn count_denial(&self, case: &Case) {
        let lease = &case.record.lease.id;
        let count = self.denials.count(lease, self.store.now_ms());
        if count >= self.config.denials_before_halt {
            let why = format!("{count} of its actions went past its scope within ten minutes");
            crate::mismatch::halt(&self.store, lease, &why, false).await;
        }
    }

    /// To a host that is no target of the lease: only reads without a credential, only from hosts on the list.
    async fn outside(
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
    fn act(
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
                    let calling = rpc::Calling::new(ring.of_requests(), guard, self.tripper(case));
                    return Ok(Sent::Filtered(Box::new(calling)));
                }
                let watching = Watching::new(ring.of_requests(), guard);
                case.tripped = Some(watching.tripped());
                Ok(Sent::Filtered(Box::new(watching)))
            }
        }
    }
}

/// A request that was made of one that was read.
fn read_again(case: &Case, head: &Head, bytes: &Bytes, body: &Carried) -> Option<Request> {
    let headers = raw::headers(head);
    let told = raw::told(case);
    http::read(&raw::raw(head, &headers, &told, bytes, body)).ok()
}

/// The body of a request from which texts were taken out.
fn text_of(request: &Request) -> Bytes {
    match &request.body {
        http::Body::Json(value) => value.to_string().into(),
        _ => Bytes::new(),
    }
}

/// Where only reads pass, whether this is one.
fn may_write(case: &Case, analysis: &Analysis) -> Result<(), Box<Problem>> {
    match &case.standing {
        Standing::ReadsOnly(why) if !analysis.is_read() => Err(answer::reads_only(why)),
        Standing::ReadsOnly(_) | Standing::Active => Ok(()),
    }
}

fn judge(policy: &Policy, case: &Case, api: &Api, analysis: &Analysis) -> Verdict {
    let lease = &case.record.lease;
    let named = lease.spec.at(&api.name).is_some();
    policy.judge(
        Asker {
            // What everyone may use is not narrowed by the lease.
            lease: named.then_some(lease),
            target: &api.name,
            environment: api.environment,
            limits: None,
        },
        analysis,
    )
}

fn deny(rule: &str, reason: &str) -> Verdict {
    Verdict {
        decision: Decision::Deny,
        rule: rule.to_owned(),
        reason: reason.to_owned(),
        people: 0,
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
fn origin(head: &Head, site: &Site) -> String {
    let scheme = match head.scheme {
        http::Scheme::Http => "http",
        http::Scheme::Https => "https",
    };
    format!("{scheme}://{site}")
}

/// One sentence without data.
fn summary(reading: &Reading) -> String {
    let names: Vec<&str> = reading.operations.iter().map(|o| o.name.as_str()).collect();
    match names.as_slice() {
        [] => format!("a request to {}", reading.provider),
        names => format!("{} at {}", names.join(", "), reading.provider),
    }
}

/// What a person should know besides: facts of the pack, one line each.
fn said(reading: &Reading) -> Vec<String> {
    let mut all = Vec::new();
    for operation in &reading.operations {
        all.push(format!(
            "{}: {} ({})",
            operation.name,
            operation.does,
            operation.knowledge.word()
        ));
        all.extend(
            operation
                .along
                .iter()
                .map(|what| format!("with it goes: {what}")),
        );
        all.extend(
            operation
                .grace
                .iter()
                .map(|time| format!("can be taken back at the provider for {time}")),
        );
        all.extend(
            operation
                .preview
                .iter()
                .map(|how| format!("to see what it would hit: {how}")),
        );
    }
    all
}
