//! One request, five steps: read, judge, hold, write down, act; nothing is measured, an API has no ROLLBACK.

use backstop_core::effect::Analysis;
use backstop_core::hold::Hold;
use backstop_core::policy::{Asker, Policy};
use backstop_core::verdict::{Decision, Verdict};
use bytes::Bytes;

use super::acting::origin;
use super::case::{Case, Judged};
use super::config::{Api, Placing};
use super::journal;
use super::who::{Standing, standing};
use super::{HttpShared, answer, aws, place};
use crate::http::{Carried, Forward, Head, Outcome, Problem};

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
    pub(super) fn still(&self, case: &mut Case) -> Result<(), Box<Problem>> {
        if let Some(record) = self.store.lease(&case.record.lease.id) {
            case.record = record;
        }
        case.standing = standing(&self.store, &case.record)?;
        Ok(())
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

    pub(super) async fn deny(&self, case: &mut Case, verdict: &Verdict) -> Box<Problem> {
        if !case.journaled
            && let Err(problem) = self
                .intend_refused(case, &verdict.rule, verdict.decision, &verdict.reason)
                .await
        {
            return problem;
        }
        case.result = "denied";
        self.count_denials(&case.record.lease.id).await;
        answer::denied(verdict)
    }

    /// A lease past its scope again and again is halted.
    pub(super) async fn count_denials(&self, lease: &str) {
        let count = self.denials.count(lease, self.store.now_ms());
        if count >= self.config.denials_before_halt {
            let why = format!("{count} of its actions went past its scope within ten minutes");
            crate::mismatch::halt(&self.store, lease, &why, false).await;
        }
    }
}

/// Where only reads pass, whether this is one.
pub(super) fn may_write(case: &Case, analysis: &Analysis) -> Result<(), Box<Problem>> {
    match &case.standing {
        Standing::ReadsOnly(why) if !analysis.is_read() => Err(answer::reads_only(why)),
        Standing::ReadsOnly(_) | Standing::Active => Ok(()),
    }
}

pub(super) fn judge(policy: &Policy, case: &Case, api: &Api, analysis: &Analysis) -> Verdict {
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

pub(super) fn deny(rule: &str, reason: &str) -> Verdict {
    Verdict {
        decision: Decision::Deny,
        rule: rule.to_owned(),
        reason: reason.to_owned(),
        people: 0,
    }
}
