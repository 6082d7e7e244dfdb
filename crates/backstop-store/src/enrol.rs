//! Enrolling people and passkeys.
//!
//! The first person comes in by an invitation that only the installation's owner has seen; everybody after
//! that by a hold that a passkey approved (invariant 9).

use std::sync::PoisonError;

use backstop_core::action::Ask;
use backstop_core::approval::Purpose;
use backstop_core::digest::Digest;
use backstop_core::entry::Event;
use backstop_core::passkey::{self, Expected, Passkey, Registration};
use backstop_core::person::Person;

use crate::decide::Asked;
use crate::error::StoreError;
use crate::seal::random;
use crate::store::Store;

/// What an invitation lets its bearer do, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invitation {
    /// Become the first person.
    First,
    /// Become a further person, as an approved hold says.
    Person {
        /// The hold.
        hold: String,
        /// The name in it.
        name: String,
    },
    /// Add a passkey to a person: right after enrolling, by recovery code, or by an approved hold.
    Passkey {
        /// The person.
        person: String,
        /// The hold, if one allowed it.
        hold: Option<String>,
    },
}

/// What a registration led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Who.
    pub person: String,
    /// How many passkeys they have now.
    pub passkeys: usize,
    /// An invitation to add the second passkey, right after the first.
    pub next: Option<String>,
}

impl Store {
    /// An invitation for the first person.
    ///
    /// # Errors
    /// When there is a person already.
    pub fn invite_first(&self) -> Result<String, StoreError> {
        if !self.state().people.is_empty() {
            return Err(StoreError::Refused(
                "somebody is enrolled already; hint: they can add people at the console".into(),
            ));
        }
        self.invite(Invitation::First)
    }

    /// An invitation for what an approved hold allows: a person or a passkey.
    ///
    /// # Errors
    /// When the hold is not such a thing, or not approved.
    pub async fn invite_by_hold(&self, hold: &str) -> Result<String, StoreError> {
        let record = self.require_hold(hold)?;
        let invitation = match &record.hold.ask {
            Ask::AddPerson { name } => Invitation::Person {
                hold: hold.to_owned(),
                name: name.clone(),
            },
            Ask::AddPasskey { person } => Invitation::Passkey {
                person: person.clone(),
                hold: Some(hold.to_owned()),
            },
            Ask::Sql { .. }
            | Ask::Http { .. }
            | Ask::GrantLease { .. }
            | Ask::Undo { .. }
            | Ask::Resume { .. }
            | Ask::AcceptPoint { .. }
            | Ask::Unfreeze => {
                return Err(StoreError::Refused(format!("hold `{hold}` invites nobody")));
            }
        };
        self.consume(hold, record.hold.digest).await?;
        self.invite(invitation)
    }

    /// An invitation to add a passkey for whoever has this recovery code; the code is used up.
    ///
    /// # Errors
    /// When nobody has it, or the journal does not take it.
    pub async fn invite_by_recovery(&self, code: &str) -> Result<String, StoreError> {
        let writing = self.inner.writing.lock().await;
        let digest = recovery_digest(code);
        let person = self
            .state()
            .people
            .values()
            .find(|p| p.recovery == Some(digest))
            .map(|p| p.id.clone());
        let person = person.ok_or(StoreError::BadInvitation)?;
        self.record(
            &writing,
            Event::RecoveryUsed {
                person: person.clone(),
            },
            vec![],
        )
        .await?;
        self.invite(Invitation::Passkey { person, hold: None })
    }

    /// Makes a recovery code for `person`, replacing any before it. It is shown once and never stored.
    ///
    /// # Errors
    /// When there is no such person, or the journal does not take it.
    pub async fn make_recovery_code(&self, person: &str) -> Result<String, StoreError> {
        let writing = self.inner.writing.lock().await;
        self.require_person(person)?;
        let raw = backstop_core::id::make("r", random::<10>()?);
        let more = backstop_core::id::make("r", random::<10>()?);
        let letters: Vec<char> = raw
            .chars()
            .skip(2)
            .chain(more.chars().skip(2).take(8))
            .collect();
        let code = letters
            .chunks(4)
            .map(|c| c.iter().collect::<String>())
            .collect::<Vec<_>>()
            .join("-");
        let event = Event::RecoverySet {
            person: person.to_owned(),
            code: recovery_digest(&code),
        };
        self.record(&writing, event, vec![]).await?;
        Ok(code)
    }

    /// What an invitation is for, without using it.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn invitation(&self, token: &str) -> Result<Invitation, StoreError> {
        let invitations = self
            .inner
            .invitations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        invitations
            .get(token)
            .cloned()
            .ok_or(StoreError::BadInvitation)
    }

    /// A challenge to register a passkey under an invitation.
    ///
    /// # Errors
    /// When the invitation is not valid.
    pub fn ask_to_enrol(&self, token: &str) -> Result<Asked, StoreError> {
        let mut challenge = self.blank()?;
        challenge.purpose = Purpose::Enrol;
        if let Invitation::Passkey { person, .. } = self.invitation(token)? {
            // The browser is told which passkeys exist, so that the same device is not registered twice.
            challenge.person = person;
        }
        self.hand_out(challenge)
    }

    /// Takes a registration; the invitation is used up when it succeeds.
    ///
    /// # Errors
    /// When the invitation, the challenge or the passkey does not fit, or the journal does not take it.
    pub async fn enrol(
        &self,
        token: &str,
        nonce: &str,
        name: &str,
        label: &str,
        registration: &Registration,
    ) -> Result<Registered, StoreError> {
        let writing = self.inner.writing.lock().await;
        let invitation = self.invitation(token)?;
        if invitation == Invitation::First && !self.state().people.is_empty() {
            return Err(StoreError::BadInvitation);
        }
        let passkey = self.registered(nonce, label, registration)?;
        let (person, event) = match invitation {
            Invitation::First => self.enrolled(name, passkey, None)?,
            Invitation::Person { hold, name } => self.enrolled(&name, passkey, Some(hold))?,
            Invitation::Passkey { person, .. } => {
                (person.clone(), Event::PasskeyAdded { person, passkey })
            }
        };
        self.record(&writing, event, vec![]).await?;
        self.inner
            .invitations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(token);
        let passkeys = self.require_person(&person)?.passkeys.len();
        let next = if passkeys < 2 {
            Some(self.invite(Invitation::Passkey {
                person: person.clone(),
                hold: None,
            })?)
        } else {
            None
        };
        Ok(Registered {
            person,
            passkeys,
            next,
        })
    }

    fn invite(&self, invitation: Invitation) -> Result<String, StoreError> {
        let token = hex::encode(random::<24>()?);
        self.inner
            .invitations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.clone(), invitation);
        Ok(token)
    }

    fn registered(
        &self,
        nonce: &str,
        label: &str,
        registration: &Registration,
    ) -> Result<Passkey, StoreError> {
        let challenge = self.take_challenge(nonce, Purpose::Enrol)?;
        let bytes = challenge.bytes()?;
        let state = self.state();
        let origins = [state.origin.clone()];
        let expected = Expected {
            rp_id: &state.rp_id,
            origins: &origins,
            challenge: &bytes,
        };
        let mut passkey = passkey::verify_registration(&expected, registration)
            .map_err(|e| StoreError::Passkey(e.to_string()))?;
        if state
            .people
            .values()
            .any(|p| p.passkey(&passkey.credential_id).is_some())
        {
            return Err(StoreError::Passkey(
                "it is enrolled already; hint: use another device".into(),
            ));
        }
        passkey.created_ms = challenge
            .expires_ms
            .saturating_sub(self.inner.limits.challenge_ms);
        passkey.label = label.chars().take(60).collect();
        Ok(passkey)
    }

    fn enrolled(
        &self,
        name: &str,
        passkey: Passkey,
        hold: Option<String>,
    ) -> Result<(String, Event), StoreError> {
        let name: String = name
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(60)
            .collect();
        if name.is_empty() {
            return Err(StoreError::Refused(
                "a person needs a name; hint: write the name others know you by".into(),
            ));
        }
        let id = Self::make_id("person")?;
        let person = Person {
            id: id.clone(),
            name,
            enrolled_ms: self.now_ms(),
            passkeys: vec![passkey],
            recovery: None,
        };
        Ok((id, Event::Enrolled { person, hold }))
    }
}

/// Codes are compared without their dashes and in lower case. They carry 120 random bits, so a plain hash
/// keeps them.
fn recovery_digest(code: &str) -> Digest {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    Digest::of_parts(&[
        b"backstop recovery code",
        plain.to_ascii_lowercase().as_bytes(),
    ])
}
