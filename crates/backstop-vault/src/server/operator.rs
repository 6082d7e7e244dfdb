//! What the vault's own user can ask at the socket inside the vault's directory: look after deletion, retention
//! and the clock.
//!
//! None of it removes anything by itself. A deletion takes passkeys and a delay, and every step of it is a
//! record in the index.

use std::collections::{BTreeSet, HashMap};

use backstop_core::{deletion, digest::Digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncWriteExt as _, split},
    net::UnixStream,
};

use super::{OPERATOR_SOCKET, vault::Vault};
use crate::{
    client::{expect, next},
    deletion::{Cancellation, Doomed, Request, SIGNING_MS, Scheduled, Signature, Ticket},
    error::{Refusal, Result, VaultError},
    protocol::{Frame, Kind},
    store::{Status, options::millis, record::Event},
};

/// Objects that one request names at most: what fits a frame.
const NAMES: usize = 10_000;
/// Longest reason, in bytes.
const REASON: usize = 1024;
/// Requests that may be open at a time.
const REQUESTS: usize = 64;
/// How far retention can be extended at a time, in milliseconds: what every calendar still knows.
const LONGEST_MS: i64 = 100 * 365 * 86_400_000;

/// What the operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operate {
    /// Give every object its own file now.
    Settle,
    /// Keep objects at least until then. There is no way to keep them shorter.
    Extend {
        /// Which.
        names: Vec<Digest>,
        /// Unix time in milliseconds.
        until_ms: i64,
    },
    /// Ask for objects to be deleted that are past their retention. Nothing happens until people sign.
    AskDeletion {
        /// Which.
        names: Vec<Digest>,
        /// Why.
        reason: String,
    },
    /// What people are to sign, and are to be shown.
    Ticket {
        /// The request's id.
        request: String,
    },
    /// A person's signature.
    Sign {
        /// The request's id.
        request: String,
        /// The signature with what it is over.
        signature: Box<Signature>,
    },
    /// Do not do it after all. Takes nobody's passkey.
    CancelDeletion {
        /// The request's id.
        request: String,
        /// Why.
        reason: String,
    },
    /// Which deletions are asked for.
    Requests,
    /// Trust the clock again, after a look at it.
    LiftFreeze {
        /// Why.
        reason: String,
    },
}

/// What the operator is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "with", rename_all = "kebab-case")]
pub enum Operated {
    /// It is done.
    Done,
    /// A request as it now stands.
    Request(Request),
    /// What people are to sign.
    Ticket(Ticket),
    /// All requests that are open.
    Requests(Vec<Request>),
}

impl Vault {
    /// Does what the operator asks.
    pub(crate) async fn operate(&self, asked: &Operate) -> Result<Operated> {
        match asked {
            Operate::Settle => {
                tokio::task::block_in_place(|| self.store.settle())?;
                Ok(Operated::Done)
            }
            Operate::Extend { names, until_ms } => self.extend(names, *until_ms).await,
            Operate::AskDeletion { names, reason } => self.ask_deletion(names, reason).await,
            Operate::Ticket { request } => self.ticket(request).map(Operated::Ticket),
            Operate::Sign { request, signature } => self.sign(request, signature).await,
            Operate::CancelDeletion { request, reason } => {
                check_reason(reason)?;
                let _not_while_deleting = self.deleting.lock().await;
                self.request(request)?;
                let event = Event::DeletionCancelled {
                    request: request.clone(),
                    reason: reason.clone(),
                    by: None,
                };
                self.store.note(event).await?;
                Ok(Operated::Done)
            }
            Operate::Requests => {
                let state = self.store.shared().state();
                Ok(Operated::Requests(
                    state.requests.values().cloned().collect(),
                ))
            }
            Operate::LiftFreeze { reason } => self.lift(reason).await,
        }
    }

    /// Cancels a deletion on the word of one person who is enrolled at this vault. Whoever carries it gains nothing: it
    /// only keeps what would be gone.
    pub(crate) async fn cancel(&self, signed: &Cancellation) -> Result<()> {
        let _not_while_deleting = self.deleting.lock().await;
        let request = self.request(&signed.challenge.request)?;
        request.check_cancellation(self.name(), &self.people, &self.origins, signed)?;
        let event = Event::DeletionCancelled {
            request: request.id,
            reason: format!("{} cancelled it with a passkey", signed.challenge.person),
            by: Some(Box::new(signed.clone())),
        };
        self.store.note(event).await.map(drop)
    }

    /// The deletions that are asked for and not done.
    pub(crate) fn scheduled(&self) -> Vec<Scheduled> {
        let state = self.store.shared().state();
        let requests = state.requests.values();
        requests
            .map(|request| Scheduled {
                request: request.id.clone(),
                reason: request.reason.clone(),
                objects: request.names.len() as u64,
                asked_ms: request.asked_ms,
                signed_by: request
                    .signatures
                    .iter()
                    .map(|signature| signature.challenge.person.clone())
                    .collect(),
                due_ms: request.due_ms,
            })
            .collect()
    }

    fn now_ms(&self) -> i64 {
        self.store.shared().stamp()
    }

    fn request(&self, id: &str) -> Result<Request> {
        let state = self.store.shared().state();
        state.requests.get(id).cloned().ok_or_else(|| {
            VaultError::refused(
                Refusal::Unknown,
                "there is no open deletion of that id",
                "it was done or cancelled; ask for the open ones",
            )
        })
    }

    async fn extend(&self, names: &[Digest], until_ms: i64) -> Result<Operated> {
        if until_ms > self.now_ms().saturating_add(LONGEST_MS) {
            return Err(VaultError::refused(
                Refusal::Malformed,
                "a retention of more than a hundred years",
                "times are Unix time in milliseconds",
            ));
        }
        {
            let state = self.store.shared().state();
            for name in names {
                let entry = state.objects.get(name).ok_or_else(|| no_object(name))?;
                if entry.until_ms > until_ms {
                    return Err(VaultError::refused(
                        Refusal::NotAllowed,
                        format!("`{}` is kept longer than that already", name.to_hex()),
                        "retention is extended, never shortened",
                    ));
                }
            }
        }
        let event = Event::Extended {
            names: names.to_vec(),
            until_ms,
        };
        self.store.note(event).await?;
        Ok(Operated::Done)
    }

    async fn ask_deletion(&self, names: &[Digest], reason: &str) -> Result<Operated> {
        check_reason(reason)?;
        let names: Vec<Digest> = names
            .iter()
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        if names.is_empty() || names.len() > NAMES {
            return Err(VaultError::refused(
                Refusal::TooLarge,
                format!("a deletion of {} objects", names.len()),
                format!("name at least one and at most {NAMES} at a time"),
            ));
        }
        self.check_past(&names, self.now_ms())?;
        if self.store.shared().state().requests.len() >= REQUESTS {
            return Err(VaultError::refused(
                Refusal::Busy,
                "too many deletions are open",
                "cancel those that nobody will sign",
            ));
        }
        let id = new_id()?;
        let event = Event::DeletionAsked {
            request: id.clone(),
            shown: deletion::shown(&self.doomed(&names)?).map_err(odd)?,
            names,
            reason: reason.to_owned(),
        };
        self.store.note(event).await?;
        Ok(Operated::Request(self.request(&id)?))
    }

    /// What people sign by, made anew: a later one counts for longer.
    fn ticket(&self, id: &str) -> Result<Ticket> {
        let request = self.request(id)?;
        Ok(Ticket {
            vault: self.name().to_owned(),
            objects: self.doomed(&request.names)?,
            request: request.id,
            reason: request.reason,
            expires_ms: self.now_ms().saturating_add(SIGNING_MS),
        })
    }

    /// What the index says about these; it does not change while they are there.
    fn doomed(&self, names: &[Digest]) -> Result<Vec<Doomed>> {
        let all = tokio::task::block_in_place(|| crate::list(self.dir()))?;
        let mut known: HashMap<Digest, crate::Listed> =
            all.into_iter().map(|one| (one.stored.name, one)).collect();
        let one = |name: &Digest| {
            let one = known.remove(name).ok_or_else(|| no_object(name))?;
            Ok(Doomed {
                name: *name,
                class: one.label.class.word().to_owned(),
                target: one.label.target,
                note: one.label.note,
                bytes: one.stored.bytes,
                at_ms: one.stored.at_ms,
            })
        };
        names.iter().map(one).collect()
    }

    /// Whether all of these are there and past their retention.
    fn check_past(&self, names: &[Digest], now_ms: i64) -> Result<()> {
        let state = self.store.shared().state();
        if let Some(why) = &state.frozen {
            return Err(VaultError::refused(
                Refusal::Frozen,
                format!("nothing is deleted: {why}"),
                "look at the machine's clock, then lift the freeze at the operator's socket",
            ));
        }
        for name in names {
            let entry = state.objects.get(name).ok_or_else(|| no_object(name))?;
            if entry.until_ms > now_ms {
                return Err(VaultError::refused(
                    Refusal::TooEarly,
                    format!(
                        "`{}` has not reached the end of its retention",
                        name.to_hex()
                    ),
                    "retention is never shortened; wait, or leave it out",
                ));
            }
        }
        Ok(())
    }

    async fn sign(&self, id: &str, signature: &Signature) -> Result<Operated> {
        let request = self.request(id)?;
        request.check(
            self.name(),
            &self.people,
            &self.origins,
            signature,
            self.now_ms(),
        )?;
        let event = Event::DeletionSigned {
            request: id.to_owned(),
            signature: Box::new(signature.clone()),
        };
        let record = self.store.note(event).await?;
        if request.signatures.len() + 1 == self.signatures {
            let delay = millis(self.store.shared().options.delay);
            let due_ms = record.at_ms.saturating_add(delay);
            let request = id.to_owned();
            self.store
                .note(Event::DeletionDue { request, due_ms })
                .await?;
        }
        Ok(Operated::Request(self.request(id)?))
    }

    async fn lift(&self, reason: &str) -> Result<Operated> {
        check_reason(reason)?;
        let shared = self.store.shared();
        let reading = shared.time.read();
        shared.clock().lift(&reading);
        let reason = reason.to_owned();
        self.store.note(Event::Lifted { reason }).await?;
        shared.keep_clock()?;
        Ok(Operated::Done)
    }

    /// Deletes what people have signed and whose delay is over. The record is durable before a file goes.
    pub(crate) async fn delete_due(&self) -> Result<()> {
        let now_ms = self.now_ms();
        let due: Vec<Request> = {
            let state = self.store.shared().state();
            let is_due = |r: &&Request| r.due_ms.is_some_and(|due| due <= now_ms);
            state.requests.values().filter(is_due).cloned().collect()
        };
        for request in due {
            let _alone = self.deleting.lock().await;
            // Somebody may have cancelled it since.
            if self.request(&request.id).is_err() {
                continue;
            }
            if let Err(error) = self.check_past(&request.names, now_ms) {
                tracing::warn!(%error, request = request.id, "a deletion waits");
                continue;
            }
            let event = Event::Deleted {
                request: request.id.clone(),
                names: request.names.clone(),
            };
            // Every object has its file before any of them goes, so that none comes back from a segment.
            tokio::task::block_in_place(|| self.store.settle())?;
            self.store.note(event).await?;
            tokio::task::block_in_place(|| self.store.settle())?;
            tokio::task::block_in_place(|| self.store.remove_files(&request.names))?;
        }
        Ok(())
    }
}

fn odd(error: backstop_core::canonical::CanonicalError) -> VaultError {
    VaultError::protocol(error.to_string())
}

fn no_object(name: &Digest) -> VaultError {
    VaultError::refused(
        Refusal::Unknown,
        format!("there is no object `{}`", name.to_hex()),
        "`backstop vault list` shows what there is",
    )
}

fn check_reason(reason: &str) -> Result<()> {
    if reason.trim().is_empty() || reason.len() > REASON || reason.contains(char::is_control) {
        return Err(VaultError::refused(
            Refusal::Malformed,
            "a reason is missing, too long, or has control characters",
            "say in a sentence why; whoever signs reads it",
        ));
    }
    Ok(())
}

fn new_id() -> Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        VaultError::setup("the system gave no random bytes", "check `/dev/urandom`")
    })?;
    Ok(format!("deletion_{}", hex::encode(bytes)))
}

/// Asks a running vault something as its operator.
///
/// # Errors
/// When it does not run, or refuses.
pub async fn operate(dir: &std::path::Path, asked: &Operate) -> Result<Operated> {
    ask(dir, Frame::json(Kind::Operate, 1, asked)?, Kind::Operated).await
}

/// How a running vault stands.
///
/// # Errors
/// When it does not run.
pub async fn status(dir: &std::path::Path) -> Result<Status> {
    let payload = bytes::Bytes::new();
    let (kind, id) = (Kind::Status, 1);
    ask(dir, Frame { kind, id, payload }, Kind::StatusAnswer).await
}

async fn ask<T: serde::de::DeserializeOwned>(
    dir: &std::path::Path,
    frame: Frame,
    kind: Kind,
) -> Result<T> {
    let path = dir.join(OPERATOR_SOCKET);
    let lost = |e: std::io::Error| VaultError::unreachable(path.display().to_string(), e);
    let stream = UnixStream::connect(&path).await.map_err(lost)?;
    let stream: crate::client::Stream = Box::new(stream);
    let (mut read, mut write) = split(stream);
    let mut out = bytes::BytesMut::new();
    frame.write(&mut out);
    write.write_all(&out).await.map_err(lost)?;
    let mut said = bytes::BytesMut::new();
    let answer = next(&mut read, &mut said).await?;
    let answer = answer.ok_or_else(|| {
        VaultError::unreachable(path.display().to_string(), "the connection was lost")
    })?;
    expect(&answer, kind)
}
