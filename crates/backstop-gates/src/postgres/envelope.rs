//! What an approved action did under the gate's own role, compared with what people approved (invariant 4): what goes
//! beyond is rolled back, and held anew with what was measured.

use std::sync::{Arc, OnceLock};

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use backstop_core::hold::Hold;
use backstop_store::{NewHold, Opened, StoreError};
use backstop_wire::postgres::backend::Report;

use super::error::GateError;
use super::measure::{self, Measurement, Touched};
use super::refusal;
use super::relay::{End, Relay};

/// The effects that people approved of an action that runs elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    approved: Vec<Effect>,
    /// People were told that not everything it does is known, and said yes to that.
    open: bool,
    /// What was measured, once it went beyond.
    beyond: Arc<OnceLock<Vec<Effect>>>,
}

impl Envelope {
    pub(crate) fn of(hold: &Hold) -> Self {
        Self {
            approved: hold.effects.clone(),
            open: !hold.incomplete.is_empty(),
            beyond: Arc::default(),
        }
    }

    /// Whether what was measured stays within; otherwise it is remembered.
    pub(super) fn holds(&self, measured: &Measurement, lease: &str) -> bool {
        if self.open {
            return true;
        }
        let mut measured = measured.clone();
        measured.touched.retain(|t| !self.remakes(t));
        // The text shows what it does to structure; rows are news.
        let effects = measured.effects(lease, true);
        if measure::within(&effects, &self.approved) {
            return true;
        }
        let effects = effects.into_iter().map(|(effect, _)| effect).collect();
        let _ = self.beyond.set(effects);
        false
    }

    /// Rows of what it makes anew, rewrites or takes as a whole belong to that.
    fn remakes(&self, one: &Touched) -> bool {
        let object = one.object();
        one.strongly
            && self.approved.iter().any(|approved| {
                approved.verb == Verb::Create
                    || (approved.kind > EffectKind::Read && approved.object == object)
            })
    }
}

impl Relay<'_> {
    /// Puts an approved action before people again, if it went beyond what they approved.
    pub(super) async fn held_anew(
        &self,
        envelope: &Envelope,
        mut new: NewHold,
    ) -> Result<Option<Report>, End> {
        let Some(beyond) = envelope.beyond.get() else {
            return Ok(None);
        };
        // The counts that were seen, in place of those that were approved.
        new.analysis.effects.retain(|known| {
            let same = |e: &Effect| (e.verb, &e.object) == (known.verb, &known.object);
            !beyond.iter().any(same) || matches!(known.bound, Bound::Structure)
        });
        new.analysis.effects.extend(beyond.iter().cloned());
        new.analysis.incomplete.clear();
        new.summary = measure::summary(beyond);
        new.verdict.reason =
            "what it did when it ran went beyond what was approved, and was rolled back".into();
        match self.shared.store.open_hold(new).await {
            Ok(Opened::Waiting(record) | Opened::Approved(record)) => {
                let url = self.hold_url(&record.hold);
                Ok(Some(refusal::held(&record.hold, &url, "")))
            }
            Err(error @ StoreError::TooManyHolds(_)) => Ok(Some(super::hold::too_many(&error))),
            Err(error) => Err(GateError::Store(error).into()),
        }
    }
}
