//! What every gate under measurement stands on: store and journals on a disk, and a person with a passkey.
//!
//! It must not be gentler than `backstop serve`: the same journal options and durability.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use backstop_core::digest::Digest;
use backstop_core::effect::Analysis;
use backstop_core::entry::{Control, Event};
use backstop_core::hold::HoldText;
use backstop_core::lease::LeaseSpec;
use backstop_core::passkey;
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_gates::postgres::TrafficLog;
use backstop_journal::{
    Journal, Options as JournalOptions, SealedText, SigningKey, TextDigest, TextState,
};
use backstop_store::{
    Granted, Ledger, LedgerError, LedgerFuture, Limits, NewHold, Opened, Options, SealKey, Store,
    SystemClock,
};
use backstop_testing::authenticator::Authenticator;

/// Where the person's passkey is good for.
pub const ORIGIN: &str = "http://localhost:7777";

/// The control log as the store sees it.
struct ControlLog(Arc<Journal>);

/// A store with its journals, and a person who approves.
pub struct People {
    /// Leases and holds.
    pub store: Store,
    /// What the gate writes.
    pub traffic: Arc<Journal>,
    person: String,
    authenticator: Authenticator,
}

impl People {
    /// New journals in `folder`, and a person whose passkey is enrolled.
    pub async fn new(folder: &Path) -> Result<Self> {
        let store = Store::open(Options {
            index: folder.join("store.sqlite"),
            ledger: Arc::new(ControlLog(journal(folder, "control")?)),
            clock: Arc::new(SystemClock::default()),
            key: SealKey::generate()?,
            limits: Limits::default(),
        })?;
        let installed = Event::Installed {
            installation: "bench".into(),
            rp_id: "localhost".into(),
            origin: ORIGIN.into(),
        };
        store.note(installed).await?;
        let mut people = Self {
            store,
            traffic: journal(folder, "traffic")?,
            person: String::new(),
            authenticator: Authenticator::new(),
        };
        people.enrol().await?;
        Ok(people)
    }

    /// The traffic log as a gate takes it.
    pub fn log(&self) -> Arc<TrafficLog> {
        let key = self.store.key().clone();
        Arc::new(TrafficLog::new(Arc::clone(&self.traffic), key))
    }

    /// A lease, approved by the person.
    pub async fn lease(&mut self, spec: LeaseSpec) -> Result<Granted> {
        let hold = self.ask(Ask::GrantLease { spec }).await?;
        self.approve(&hold).await?;
        let store = self.store.clone();
        let granted = self
            .store
            .grant_lease(&hold, move |secret| {
                backstop_gates::postgres::lease_verifier(&store, secret)
                    .ok_or_else(|| "no verifier".to_owned())
            })
            .await?;
        Ok(granted)
    }

    /// Approves a hold.
    pub async fn approve(&mut self, hold: &str) -> Result<()> {
        let asked = self
            .store
            .ask_to_decide(&self.person, hold, Answer::Approve, "")?;
        let signed =
            self.authenticator
                .assert(ORIGIN, &asked.rp_id, &asked.challenge, &asked.allow)?;
        let assertion = passkey::Assertion {
            credential_id: signed.credential_id,
            client_data_json: signed.client_data_json,
            authenticator_data: signed.authenticator_data,
            signature: signed.signature,
            user_handle: signed.user_handle,
        };
        self.store.decide(&asked.nonce, "", assertion).await?;
        Ok(())
    }

    async fn enrol(&mut self) -> Result<()> {
        let invitation = self.store.invite_first()?;
        let asked = self.store.ask_to_enrol(&invitation)?;
        let made = self.authenticator.register(
            ORIGIN,
            &asked.rp_id,
            b"person",
            "Ada",
            &asked.challenge,
        )?;
        let registration = passkey::Registration {
            credential_id: made.credential_id,
            client_data_json: made.client_data_json,
            attestation_object: made.attestation_object,
        };
        let enrolled = self
            .store
            .enrol(&invitation, &asked.nonce, "Ada", "key", &registration)
            .await?;
        self.person = enrolled.person;
        Ok(())
    }

    async fn ask(&self, ask: Ask) -> Result<String> {
        let reason = "a benchmark asks";
        let opened = self
            .store
            .open_hold(NewHold {
                ask,
                lease: None,
                target: None,
                environment: Environment::Production,
                summary: reason.into(),
                analysis: Analysis::default(),
                verdict: Verdict {
                    decision: Decision::Hold,
                    rule: "bench".into(),
                    reason: reason.into(),
                    people: 1,
                },
                recoverable: String::new(),
                whole: String::new(),
                policy: Digest::of(b""),
                text: HoldText::default(),
            })
            .await?;
        match opened {
            Opened::Waiting(record) | Opened::Approved(record) => Ok(record.hold.id),
        }
    }
}

impl Ledger for ControlLog {
    fn append<'a>(&'a self, entry: &'a Control, texts: Vec<(Digest, Vec<u8>)>) -> LedgerFuture<'a> {
        Box::pin(async move {
            let bytes = serde_json::to_vec(entry).map_err(told)?;
            let text = texts.into_iter().next();
            let text = text.map(|(_, bytes)| SealedText::new(bytes)).transpose();
            let ticket = self
                .0
                .append(&bytes, text.map_err(told)?.as_ref())
                .map_err(told)?;
            self.0.durable(ticket.index).await.map_err(told)?;
            Ok(ticket.index)
        })
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, index: u64) -> Result<Control, LedgerError> {
        serde_json::from_slice(&self.0.read(index).map_err(told)?).map_err(told)
    }

    fn text(&self, digest: Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        match self.0.text(TextDigest(digest.0)).map_err(told)? {
            TextState::Present(text) => Ok(Some(text)),
            TextState::Erased | TextState::Unknown => Ok(None),
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn told(error: impl std::fmt::Display) -> LedgerError {
    LedgerError(error.to_string())
}

fn journal(folder: &Path, name: &str) -> Result<Arc<Journal>> {
    let origin = format!("backstop.bench/{name}");
    let key = SigningKey::generate(&origin)?;
    Journal::open(&folder.join(name), &origin, key, JournalOptions::default())
        .map(Arc::new)
        .with_context(|| format!("opening the {name} log"))
}
