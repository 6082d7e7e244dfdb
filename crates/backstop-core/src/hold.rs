//! An action waiting for people, and what can become of it.

use serde::{Deserialize, Serialize};

use crate::action::Ask;
use crate::digest::Digest;
use crate::effect::Effect;
use crate::rehearsal::Rehearsal;
use crate::target::Environment;

/// An action waiting for people. Holds no statement text: that lies sealed beside the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// `hold_…`.
    pub id: String,
    /// What an approval of it binds ([`crate::action::digest`]).
    pub digest: Digest,
    /// What is asked.
    pub ask: Ask,
    /// The lease that asks, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// The target it is about, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The target's environment.
    pub environment: Environment,
    /// One sentence without data: `DELETE on public.payments`.
    pub summary: String,
    /// The facts found by the gate.
    pub effects: Vec<Effect>,
    /// What the gate could not find out.
    pub incomplete: Vec<String>,
    /// The policy that held it.
    pub rule: String,
    /// Why, in one sentence.
    pub reason: String,
    /// What could be brought back if it is approved, in one sentence.
    pub recoverable: String,
    /// The recovery point of the whole database to go back to besides, its age and how long restoring it takes, in one
    /// sentence; empty where that is no question.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub whole: String,
    /// How many different people must approve.
    pub people: u8,
    /// The policy version it was judged by.
    pub policy: Digest,
    /// Unix time in milliseconds.
    pub requested_ms: i64,
    /// When an undecided hold expires.
    pub decide_by_ms: i64,
    /// How long an approval stays good, in milliseconds from the last approval.
    pub execute_within_ms: i64,
    /// How long an approval by fewer people than `people` must be announced before it counts.
    pub delay_ms: i64,
}

impl Hold {
    /// What could be brought back and the recovery point to go back to besides, as people are told.
    #[must_use]
    pub fn recoverable_all(&self) -> String {
        match self.whole.as_str() {
            "" => self.recoverable.clone(),
            whole => format!("{}; {whole}", self.recoverable),
        }
    }
}

/// What a person sees besides the hold itself; sealed at rest, never in a leaf.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldText {
    /// The exact statement, or the JSON of what is asked.
    pub statement: String,
    /// Byte ranges of the statement that destroy, for the top of the page.
    #[serde(default)]
    pub destructive: Vec<(usize, usize)>,
    /// The parameters as text, in order, `NULL` for none.
    #[serde(default)]
    pub parameters: Vec<Option<String>>,
    /// The earlier statements of the open transaction.
    #[serde(default)]
    pub earlier: Vec<String>,
    /// What is known of the operations that an HTTP call asks for, one line each, worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
    /// What the agent says about itself: `application_name`, leading comments. Not a fact.
    #[serde(default)]
    pub agent_words: String,
}

/// A person's yes to a hold, as counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yes {
    /// The person.
    pub person: String,
    /// Unix time in milliseconds.
    pub at_ms: i64,
}

/// What has become of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum HoldState {
    /// Nobody, or not yet enough people, have decided.
    Waiting {
        /// Those who said yes so far.
        yes: Vec<Yes>,
    },
    /// Enough people said yes; it can be done once between these two moments.
    Approved {
        /// Those who said yes.
        yes: Vec<Yes>,
        /// Not before: later than the approval when fewer people than required are enrolled.
        from_ms: i64,
        /// Until then.
        until_ms: i64,
    },
    /// A person said no.
    Denied {
        /// The person.
        person: String,
        /// Their words to the agent.
        reason: String,
        /// Unix time in milliseconds.
        at_ms: i64,
    },
    /// The agent took it back, or its lease ended.
    Withdrawn {
        /// Why.
        why: String,
        /// Unix time in milliseconds.
        at_ms: i64,
    },
    /// Nobody decided in time, or nobody used the approval in time.
    Expired {
        /// Unix time in milliseconds.
        at_ms: i64,
    },
    /// The approval was spent: the action was released, once.
    Consumed {
        /// Unix time in milliseconds.
        at_ms: i64,
    },
}

impl HoldState {
    /// The word shown for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Approved { .. } => "approved",
            Self::Denied { .. } => "denied",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Expired { .. } => "expired",
            Self::Consumed { .. } => "consumed",
        }
    }

    /// Whether people can still decide.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }
}

/// A hold and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRecord {
    /// The hold.
    pub hold: Hold,
    /// Its state.
    pub state: HoldState,
    /// How many times the identical action was asked for while this hold was open.
    #[serde(default)]
    pub repeats: u32,
    /// What it did on a drill's copy, once it was run there. To be read; nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed: Option<Box<Rehearsal>>,
}

/// Why an approval cannot be spent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSpendable {
    /// It is for something else.
    #[error("the approval is for another action")]
    OtherAction,
    /// It is not approved, or was spent.
    #[error("the hold is {0}")]
    State(&'static str),
    /// Approved by fewer people than required: the announced delay is not over.
    #[error("the approval counts only after its announced delay")]
    TooEarly,
    /// Approved, but too long ago.
    #[error("the approval has expired")]
    TooLate,
}

impl HoldRecord {
    /// Whether the approval can be spent at `now_ms` on an action with `digest`.
    ///
    /// INVARIANT 4: exactly this action, in time, once.
    ///
    /// # Errors
    /// Why not.
    pub fn spendable(&self, digest: Digest, now_ms: i64) -> Result<(), NotSpendable> {
        if self.hold.digest != digest {
            return Err(NotSpendable::OtherAction);
        }
        match &self.state {
            HoldState::Approved { from_ms, .. } if now_ms < *from_ms => Err(NotSpendable::TooEarly),
            HoldState::Approved { until_ms, .. } if now_ms >= *until_ms => {
                Err(NotSpendable::TooLate)
            }
            HoldState::Approved { .. } => Ok(()),
            other => Err(NotSpendable::State(other.word())),
        }
    }

    /// The state after `person` says yes at `now_ms`, when `enrolled` people could decide.
    ///
    /// The same person never counts twice.
    #[must_use]
    pub fn after_yes(&self, person: &str, now_ms: i64, enrolled: usize) -> HoldState {
        let HoldState::Waiting { yes } = &self.state else {
            return self.state.clone();
        };
        let mut yes = yes.clone();
        if !yes.iter().any(|y| y.person == person) {
            yes.push(Yes {
                person: person.to_owned(),
                at_ms: now_ms,
            });
        }
        let required = usize::from(self.hold.people);
        let alone = enrolled < required;
        if yes.len() < required.min(enrolled.max(1)) {
            return HoldState::Waiting { yes };
        }
        let from_ms = if alone {
            now_ms.saturating_add(self.hold.delay_ms)
        } else {
            now_ms
        };
        HoldState::Approved {
            yes,
            from_ms,
            until_ms: from_ms.saturating_add(self.hold.execute_within_ms),
        }
    }
}
