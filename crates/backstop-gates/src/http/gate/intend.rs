//! Step four: what is going to happen to a request is written down before it does.

use backstop_core::effect::EffectKind;
use backstop_core::hold::Hold;
use backstop_core::verdict::{Decision, Verdict};
use bytes::Bytes;

use super::case::{Case, Judged};
use super::journal::{self, Written};
use super::{HttpShared, answer};
use crate::http::Problem;

impl HttpShared {
    /// INVARIANT 2: the intent, durable where something may change.
    pub(super) async fn intend(
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
}
