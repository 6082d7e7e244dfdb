//! What a message of GraphQL asks, judged like a request. Nothing is held here: what is no read is sent as a request.

use std::sync::Arc;

use backstop_core::effect::EffectKind;
use backstop_core::lease::LeaseRecord;
use backstop_core::policy::Asker;
use backstop_core::verdict::{Decision, Verdict};
use backstop_wire::graphql::frames::{Message, message};
use backstop_wire::providers::{self, Reading};

use super::super::journal::{self, Written};
use super::super::{objects, pack_of};
use super::{Talk, code};
use crate::http::Stop;

/// What an agent is told of everything that is no read.
const ONLY_READS: &str = "only reads that show no credential pass here; send it as an HTTP request";

impl Talk {
    /// Whether a message may pass: one that asks nothing, or what only reads. `None` is no text.
    pub(super) fn asked(&self, text: Option<&str>) -> Result<(), Stop> {
        let Some(text) = text else {
            return Err(self.refuse("", None, "messages of GraphQL are texts"));
        };
        let asked = match message(text) {
            Ok(Message::Subscribe { incoming, .. }) => incoming,
            Ok(Message::Init(_) | Message::Complete { .. } | Message::Idle) => return Ok(()),
            Err(refused) => return Err(self.refuse(text, None, &refused.what)),
        };
        let own = self.api.own.as_deref();
        let mut reading = providers::read_message(&asked, &pack_of(&self.api), own);
        objects::any_of_a_kind(&mut reading.analysis);
        let Some(record) = self.gate.store.lease(&self.lease) else {
            return Err(self.broken(&"the lease is gone"));
        };
        let verdict = self.verdict(&record, &reading);
        if verdict.decision > Decision::Measure {
            return Err(self.refuse(text, Some(reading.analysis.worst()), &verdict.reason));
        }
        self.write(text, reading.analysis.worst(), &verdict, "done")
    }

    fn verdict(&self, record: &LeaseRecord, reading: &Reading) -> Verdict {
        let reveals = reading.operations.iter().any(|o| !o.reveals.is_empty());
        if reveals || !reading.analysis.is_read() {
            return deny(ONLY_READS);
        }
        let lease = &record.lease;
        let named = lease.spec.at(&self.api.name).is_some();
        let asker = Asker {
            lease: named.then_some(lease),
            target: &self.api.name,
            environment: self.api.environment,
            limits: None,
        };
        self.gate.policy().judge(asker, &reading.analysis)
    }

    /// Refuses it: written down, counted, and the socket is closed.
    fn refuse(&self, text: &str, effect: Option<EffectKind>, why: &str) -> Stop {
        // Of what was never understood nothing is kept but why.
        let text = if effect.is_some() { text } else { why };
        let effect = effect.unwrap_or(EffectKind::Escape);
        if let Err(stop) = self.write(text, effect, &deny(why), "denied") {
            return stop;
        }
        let gate = &self.gate;
        let count = gate.denials.count(&self.lease, gate.store.now_ms());
        if count >= gate.config.denials_before_halt {
            let (gate, lease) = (Arc::clone(gate), self.lease.clone());
            let why = format!("{count} of its actions went past its scope within ten minutes");
            tokio::spawn(async move {
                crate::mismatch::halt(&gate.store, &lease, &why, false).await;
            });
        }
        self.end(code::FORBIDDEN, &format!("Backstop: {why}"))
    }

    /// INVARIANT 2: the intent before the message goes. It only reads, so that nobody waits for the disk.
    pub(super) fn write(
        &self,
        text: &str,
        effect: EffectKind,
        verdict: &Verdict,
        result: &str,
    ) -> Result<(), Stop> {
        let gate = &self.gate;
        let action = gate.next_action();
        let text = format!("a message on the WebSocket at {}\n\n{text}", self.place);
        let written = Written {
            lease: &self.lease,
            target: &self.api.name,
            connection: self.connection,
            action,
            text: &text,
            body: &[],
            effect,
            verdict,
            hold: None,
        };
        let intent = journal::write(&gate.traffic, &gate.store, &written);
        intent.map_err(|error| self.broken(&error))?;
        journal::outcome(
            &gate.traffic,
            &gate.store,
            self.connection,
            action,
            result,
            None,
        );
        Ok(())
    }
}

fn deny(why: &str) -> Verdict {
    Verdict {
        decision: Decision::Deny,
        rule: "socket".to_owned(),
        reason: why.to_owned(),
        people: 0,
    }
}
