//! A person decides: the challenge that is handed out, and the assertion that comes back (invariant 5).

use std::sync::PoisonError;

use backstop_core::action::Ask;
use backstop_core::approval::{Answer, Challenge, Decision, Purpose};
use backstop_core::digest::Digest;
use backstop_core::entry::Event;
use backstop_core::hold::{HoldRecord, HoldState};
use backstop_core::passkey::{self, Assertion, Expected};

use crate::error::StoreError;
use crate::seal::random;
use crate::store::Store;

/// How many challenges may wait for a signature at a time; the oldest go first.
const MAX_CHALLENGES: usize = 1_000;

/// What a browser is asked to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Names the challenge when the assertion comes back.
    pub nonce: String,
    /// The WebAuthn challenge.
    pub challenge: [u8; 32],
    /// The credentials that may sign; empty for any discoverable one.
    pub allow: Vec<Vec<u8>>,
    /// The relying party id.
    pub rp_id: String,
}

impl Store {
    /// A challenge for `person` to say yes or no to a hold; a no carries its words.
    ///
    /// # Errors
    /// When there is no such hold or person, or it is not open.
    pub fn ask_to_decide(
        &self,
        person: &str,
        hold: &str,
        answer: Answer,
        reason: &str,
    ) -> Result<Asked, StoreError> {
        let record = self.require_hold(hold)?;
        if !self.can_answer(&record, answer) {
            return Err(StoreError::NotOpen(record.state.word()));
        }
        self.require_person(person)?;
        self.hand_out(Challenge {
            purpose: Purpose::Decide,
            answer,
            hold: Some(hold.to_owned()),
            digest: Some(record.hold.digest),
            person: person.to_owned(),
            reason: Some(Digest::of(reason.as_bytes())),
            ..self.blank()?
        })
    }

    /// A challenge to sign in with any enrolled passkey.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn ask_to_sign_in(&self) -> Result<Asked, StoreError> {
        self.hand_out(Challenge {
            purpose: Purpose::SignIn,
            ..self.blank()?
        })
    }

    /// Takes a signed decision. Nothing before this call has changed anything.
    ///
    /// # Errors
    /// When the challenge, the passkey, the person or the hold does not fit, or the journal does not take it.
    pub async fn decide(
        &self,
        nonce: &str,
        reason: &str,
        assertion: Assertion,
    ) -> Result<HoldState, StoreError> {
        let writing = self.inner.writing.lock().await;
        let challenge = self.take_challenge(nonce, Purpose::Decide)?;
        if challenge.reason != Some(Digest::of(reason.as_bytes())) {
            return Err(StoreError::UnknownChallenge);
        }
        let hold = challenge.hold.clone().ok_or(StoreError::UnknownChallenge)?;
        let record = self.require_hold(&hold)?;
        if !self.can_answer(&record, challenge.answer) {
            return Err(StoreError::NotOpen(record.state.word()));
        }
        if challenge.digest != Some(record.hold.digest) {
            return Err(StoreError::UnknownChallenge);
        }
        let person = challenge.person.clone();
        self.verify(&challenge, &assertion, Some(&person))?;
        let answer = challenge.answer;
        let decision = Decision {
            challenge,
            reason: reason.to_owned(),
            assertion,
        };
        self.record(
            &writing,
            Event::Decided {
                hold: hold.clone(),
                decision,
            },
            vec![],
        )
        .await?;
        drop(writing);
        if answer == Answer::Deny {
            self.halt_if_denied_again(record.hold.lease.as_deref())
                .await?;
        }
        let now_ms = self.now_ms();
        if self
            .hold(&hold)
            .is_some_and(|r| crate::holds::is_ripe(&r, now_ms))
        {
            self.carry_out(&hold).await?;
        }
        self.require_hold(&hold).map(|r| r.state)
    }

    /// Takes a signed sign-in and says who it is.
    ///
    /// # Errors
    /// When the challenge or the passkey does not fit.
    pub fn sign_in(&self, nonce: &str, assertion: &Assertion) -> Result<String, StoreError> {
        let challenge = self.take_challenge(nonce, Purpose::SignIn)?;
        self.verify(&challenge, assertion, None)
    }

    /// Whether an answer can still be given: to what waits, and a no to an approval that is announced and does
    /// not count yet.
    fn can_answer(&self, record: &HoldRecord, answer: Answer) -> bool {
        let now_ms = self.now_ms();
        match &record.state {
            HoldState::Waiting { .. } => now_ms < record.hold.decide_by_ms,
            HoldState::Approved { from_ms, .. } => answer == Answer::Deny && now_ms < *from_ms,
            _ => false,
        }
    }

    pub(crate) fn require_person(
        &self,
        id: &str,
    ) -> Result<backstop_core::person::Person, StoreError> {
        let person = self.state().people.get(id).cloned();
        person.ok_or_else(|| StoreError::Unknown {
            what: "person",
            id: id.to_owned(),
        })
    }

    /// A challenge without its purpose.
    pub(crate) fn blank(&self) -> Result<Challenge, StoreError> {
        Ok(Challenge {
            version: 1,
            purpose: Purpose::SignIn,
            installation: self.state().installation.clone(),
            answer: Answer::None,
            hold: None,
            digest: None,
            person: String::new(),
            reason: None,
            expires_ms: self.now_ms().saturating_add(self.inner.limits.challenge_ms),
            nonce: hex::encode(random::<16>()?),
        })
    }

    pub(crate) fn hand_out(&self, challenge: Challenge) -> Result<Asked, StoreError> {
        let allow = self
            .state()
            .people
            .get(&challenge.person)
            .map_or_else(Vec::new, |p| {
                p.passkeys.iter().map(|k| k.credential_id.clone()).collect()
            });
        let asked = Asked {
            nonce: challenge.nonce.clone(),
            challenge: challenge.bytes()?,
            allow,
            rp_id: self.state().rp_id.clone(),
        };
        let mut waiting = self
            .inner
            .challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MAX_CHALLENGES {
            let oldest = waiting
                .values()
                .min_by_key(|c| c.expires_ms)
                .map(|c| c.nonce.clone());
            oldest.and_then(|nonce| waiting.remove(&nonce));
        }
        waiting.insert(challenge.nonce.clone(), challenge);
        Ok(asked)
    }

    /// Each challenge can be answered once.
    pub(crate) fn take_challenge(
        &self,
        nonce: &str,
        purpose: Purpose,
    ) -> Result<Challenge, StoreError> {
        let mut waiting = self
            .inner
            .challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let challenge = waiting.remove(nonce).ok_or(StoreError::UnknownChallenge)?;
        let good = challenge.purpose == purpose && self.now_ms() < challenge.expires_ms;
        if good {
            Ok(challenge)
        } else {
            Err(StoreError::UnknownChallenge)
        }
    }

    pub(crate) fn forget_challenges(&self, now_ms: i64) {
        let mut waiting = self
            .inner
            .challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, c| now_ms < c.expires_ms);
    }

    /// Who signed: the owner of the passkey, who must be `who` where it matters.
    fn verify(
        &self,
        challenge: &Challenge,
        assertion: &Assertion,
        who: Option<&str>,
    ) -> Result<String, StoreError> {
        let state = self.state();
        let refused = |e: String| StoreError::Passkey(e);
        let (person, passkey) = state
            .people
            .values()
            .find_map(|p| p.passkey(&assertion.credential_id).map(|k| (p, k)))
            .ok_or_else(|| refused("nobody here has this passkey".into()))?;
        if who.is_some_and(|w| w != person.id) {
            return Err(refused("it is another person's passkey".into()));
        }
        let origins = [passkey.origin.clone()];
        let bytes = challenge.bytes()?;
        let expected = Expected {
            rp_id: &passkey.rp_id,
            origins: &origins,
            challenge: &bytes,
        };
        // The counter is remembered when the decision is applied.
        let _outcome = passkey::verify_assertion(&expected, passkey, assertion)
            .map_err(|e| refused(e.to_string()))?;
        Ok(person.id.clone())
    }

    async fn halt_if_denied_again(&self, lease: Option<&str>) -> Result<(), StoreError> {
        let Some(record) = lease.and_then(|l| self.lease(l)) else {
            return Ok(());
        };
        if record.denials < self.inner.limits.denials_before_halt {
            return Ok(());
        }
        let why = format!("{} of its actions in a row were denied", record.denials);
        self.halt(Some(&record.lease.id), &why, false).await
    }

    /// Does what an approved ask of the console's own says, once.
    pub(crate) async fn carry_out(&self, hold: &str) -> Result<(), StoreError> {
        let writing = self.inner.writing.lock().await;
        let record = self.require_hold(hold)?;
        let event = match &record.hold.ask {
            Ask::Resume { lease } => Event::Resumed {
                lease: lease.clone(),
                hold: hold.to_owned(),
            },
            Ask::Unfreeze => Event::Unfrozen {
                hold: hold.to_owned(),
            },
            Ask::AcceptPoint { target, point } => Event::PointAccepted {
                target: target.clone(),
                point: *point,
                hold: hold.to_owned(),
            },
            Ask::Sql { .. }
            | Ask::Http { .. }
            | Ask::GrantLease { .. }
            | Ask::Undo { .. }
            | Ask::AddPerson { .. }
            | Ask::AddPasskey { .. } => return Ok(()),
        };
        record.spendable(record.hold.digest, self.now_ms())?;
        let spent = Event::Consumed {
            hold: hold.to_owned(),
            digest: record.hold.digest,
        };
        self.record(&writing, spent, vec![]).await?;
        self.record(&writing, event, vec![]).await
    }
}
