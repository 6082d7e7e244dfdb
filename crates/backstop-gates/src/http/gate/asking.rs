//! Step three: what has to wait for people is put to them, with all that they should know.

use backstop_core::action::Ask;
use backstop_core::hold::{Hold, HoldText};
use backstop_core::policy::Policy;
use backstop_store::NewHold;
use backstop_wire::providers::Reading;
use bytes::Bytes;

use super::case::{Case, Judged};
use super::config::Api;
use super::decide::{judge, may_write};
use super::reading::read_again;
use super::{HttpShared, anew, answer, hold, lives};
use crate::http::{Carried, Problem};

impl HttpShared {
    pub(super) async fn hold(
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
