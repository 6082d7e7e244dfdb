//! Holding: the hold is opened, the client told, people waited for; nothing has run and no lock is held.

use std::sync::Arc;
use std::time::Duration;

use backstop_core::action::{Ask, SqlBinding};
use backstop_core::digest::Digest;
use backstop_core::hold::{Hold, HoldState, HoldText};
use backstop_core::rehearsal::Why;
use backstop_core::verdict::Decision;
use backstop_store::{NewHold, Opened, StoreError};
use backstop_wire::postgres::backend::{BackendMessage, Report, TransactionStatus};
use backstop_wire::postgres::frontend::Bind;
use backstop_wire::postgres::tag::frontend as tag;
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::approved::leaves_open;
use super::client::{Turn, write_backend};
use super::envelope::Envelope;
use super::error::report;
use super::execute::Elsewhere;
use super::images::Budget;
use super::judge::Judged;
use super::recover::{self, Keeping};
use super::refusal;
use super::relay::{End, Meaning, Note, Relay};

/// Without a vault, nothing can be brought back.
const RECOVERABLE: &str = "nothing is recoverable yet: no vault is set up";
/// Settings that change what a statement means.
pub(super) const MEANING: [&str; 3] = ["DateStyle", "IntervalStyle", "TimeZone"];

/// What is to be done with an action.
pub(crate) enum Decided {
    /// Send it on, on the lease's own connection.
    Act {
        /// The hold whose approval was spent on it.
        spent: Option<String>,
    },
    /// Tell the client no.
    Refused(Box<Report>),
    /// Run it in a fresh connection of the gate's: its approval is spent.
    Elsewhere(Ticket),
}

/// A spent approval.
pub(crate) struct Ticket {
    /// The hold.
    pub(crate) hold: Box<Hold>,
}

/// An approved action of the extended protocol, bound and described, not executed yet.
pub(crate) struct Approved {
    portal: String,
    pub(super) action: u64,
    elsewhere: Elsewhere,
    description: Bytes,
    pub(super) since: Instant,
    envelope: Envelope,
    /// What is put before people if it goes beyond that.
    anew: NewHold,
}

/// Why waiting for people is over.
pub(super) enum Waited {
    Decided,
    TimedOut,
    Cancelled,
}

impl Relay<'_> {
    /// Enforces the verdict.
    pub(crate) async fn decide(
        &mut self,
        judged: &Arc<Judged>,
        bound: Option<(&Bind<'_>, &Meaning)>,
        parse_only: bool,
    ) -> Result<Decided, End> {
        if let Some(report) = self.frozen_out(judged) {
            self.journal_refused(judged, "halted")?;
            return Ok(Decided::Refused(Box::new(report)));
        }
        match judged.verdict.decision {
            Decision::Allow | Decision::Measure => Ok(Decided::Act { spent: None }),
            Decision::Deny => self.deny(judged).await,
            Decision::Halt => self.halt(judged).await,
            Decision::Hold if parse_only => Ok(Decided::Act { spent: None }),
            Decision::Hold => self.hold(judged, bound).await,
        }
    }

    async fn deny(&mut self, judged: &Arc<Judged>) -> Result<Decided, End> {
        self.journal_refused(judged, "denied")?;
        let now_ms = self.shared.store.now_ms();
        let count = self.target.count_denial(&self.lease.id, now_ms);
        if count >= self.shared.config.limits.denials_before_halt {
            let why = format!("{count} of its actions went past its scope within ten minutes");
            self.halt_lease(&why).await;
        }
        Ok(Decided::Refused(Box::new(refusal::forbidden(
            &judged.verdict,
        ))))
    }

    async fn halt(&mut self, judged: &Arc<Judged>) -> Result<Decided, End> {
        self.journal_refused(judged, "halted")?;
        let why = judged.verdict.reason.clone();
        self.shared
            .mismatch(Some(&self.lease.id), &self.source, &why)
            .await;
        Ok(Decided::Refused(Box::new(refusal::halted(&why))))
    }

    async fn halt_lease(&self, why: &str) {
        if let Err(error) = self
            .shared
            .store
            .halt(Some(&self.lease.id), why, false)
            .await
        {
            tracing::error!(%error, "a lease was not halted");
        }
    }

    pub(super) fn journal_refused(
        &mut self,
        judged: &Arc<Judged>,
        result: &str,
    ) -> Result<(), End> {
        let action = self.next_action();
        // It will not act, so nobody waits for its own entry; what ran before it in the transaction still is.
        let earlier = self.pending_intent;
        self.journal_intent(action, judged, None, None)?;
        self.pending_intent = earlier;
        self.write_outcome(action, result, None);
        Ok(())
    }

    async fn hold(
        &mut self,
        judged: &Arc<Judged>,
        bound: Option<(&Bind<'_>, &Meaning)>,
    ) -> Result<Decided, End> {
        let busy = self.is_busy();
        if let Some(report) = self.cannot_wait(judged, busy) {
            self.journal_refused(judged, "refused")?;
            return Ok(refused(report));
        }
        let new = self.new_hold(judged, bound);
        let hold = match self.shared.store.open_hold(new).await {
            Ok(Opened::Approved(record)) => {
                return self.spend(judged, bound, record.hold, busy).await;
            }
            Ok(Opened::Waiting(record)) => {
                let ask = match (busy, self.ledger.texts()) {
                    (false, _) => self.to_rehearse(&[], judged, bound),
                    (true, Some(earlier)) if self.counts() => {
                        self.to_rehearse(&earlier, judged, bound)
                    }
                    (true, _) => Err(Why::InsideTransaction),
                };
                self.have_rehearsed(&record, ask);
                record.hold
            }
            Err(error @ StoreError::TooManyHolds(_)) => {
                self.journal_refused(judged, "refused")?;
                return Ok(refused(too_many(&error)));
            }
            Err(error) => return Err(super::error::GateError::Store(error).into()),
        };
        self.journal_refused(judged, "held")?;
        let url = self.hold_url(&hold);
        if busy {
            return Ok(refused(refusal::held(
                &hold,
                &url,
                "; the transaction is rolled back",
            )));
        }
        self.pause(judged, bound, hold, &url).await
    }

    /// Why an action that needs a person cannot wait for one where it stands.
    fn cannot_wait(&self, judged: &Judged, busy: bool) -> Option<Report> {
        if judged.copies_in() {
            return Some(
                report(
                    refusal::FORBIDDEN,
                    format!(
                        "a COPY from the client cannot wait for a person: {}",
                        judged.verdict.reason
                    ),
                )
                .hint("ask for a lease whose scope names insert on this table"),
            );
        }
        if !busy && leaves_open(judged) {
            return Some(
                report(
                    refusal::FORBIDDEN,
                    format!(
                        "this needs a person, and its text would leave a transaction open: {}",
                        judged.verdict.reason
                    ),
                )
                .hint("send BEGIN by itself, or end the transaction in the same text"),
            );
        }
        if self.segment_ran && !self.in_block && judged.writes {
            return Some(
                report(
                    refusal::FORBIDDEN,
                    format!(
                        "this needs a person, and cannot run in the middle of a pipeline: {}",
                        judged.verdict.reason
                    ),
                )
                .hint("send it after a Sync of its own"),
            );
        }
        if busy && self.is_beyond_lease(&judged.analysis) {
            return Some(
                report(
                    refusal::FORBIDDEN,
                    format!(
                        "this needs a person, and cannot run inside the lease's transaction: {}",
                        judged.verdict.reason
                    ),
                )
                .hint("roll back, and send it by itself outside BEGIN and COMMIT"),
            );
        }
        None
    }

    /// Whether the open transaction has run something: then an approval is spent in it, or not at all.
    fn is_busy(&self) -> bool {
        self.segment_ran || (self.in_block && !self.earlier.is_empty())
    }

    /// What a person should read before what is held: the settings it would run under, and the transaction so far.
    fn said_before(&self) -> Vec<String> {
        let settings = self.said.shown().filter(|_| self.is_busy());
        settings
            .chain(&self.earlier)
            .map(ToString::to_string)
            .collect()
    }

    /// Waits for people. The session is settled: nothing runs, nothing is locked.
    async fn pause(
        &mut self,
        judged: &Arc<Judged>,
        bound: Option<(&Bind<'_>, &Meaning)>,
        hold: Hold,
        url: &str,
    ) -> Result<Decided, End> {
        match self.pause_for(&hold, url).await? {
            Waited::TimedOut => return Ok(refused(refusal::held(&hold, url, ""))),
            Waited::Cancelled => {
                if let Err(error) = self
                    .shared
                    .store
                    .withdraw(&hold.id, "the agent cancelled")
                    .await
                {
                    tracing::error!(%error, "a hold was not withdrawn");
                }
                return Ok(refused(report(
                    "57014",
                    "canceling statement due to user request",
                )));
            }
            Waited::Decided => {}
        }
        match self.shared.store.hold(&hold.id).map(|r| r.state) {
            Some(HoldState::Approved { .. }) => self.spend(judged, bound, hold, false).await,
            Some(HoldState::Denied { reason, .. }) => {
                Ok(refused(refusal::denied(&hold, &reason, url)))
            }
            Some(state) => {
                let why = format!("; the hold is {}", state.word());
                Ok(refused(refusal::held(&hold, url, &why)))
            }
            None => Ok(refused(refusal::held(&hold, url, ""))),
        }
    }

    /// Tells the client that people are asked, and waits for them for as long as a call may be paused.
    pub(super) async fn pause_for(&mut self, hold: &Hold, url: &str) -> Result<Waited, End> {
        let seconds = self.shared.config.pause.as_secs();
        refusal::held_notice(hold, url, seconds).write(&mut self.to_client);
        self.cancellable.set_paused(true);
        self.paused = true;
        let waited = self
            .wait_for_people(&hold.id, self.shared.config.pause)
            .await;
        self.paused = false;
        self.cancellable.set_paused(false);
        waited
    }

    async fn wait_for_people(&mut self, hold: &str, pause: Duration) -> Result<Waited, End> {
        let Some(mut state) = self.shared.store.watch_hold(hold) else {
            return Ok(Waited::TimedOut);
        };
        let deadline = Instant::now() + pause;
        let cancellable = Arc::clone(&self.cancellable);
        loop {
            let now_ms = self.shared.store.now_ms();
            let early = match &*state.borrow_and_update() {
                HoldState::Waiting { .. } => None,
                // Announced: it counts only later.
                HoldState::Approved { from_ms, .. } if *from_ms > now_ms => Some(*from_ms - now_ms),
                _ => return Ok(Waited::Decided),
            };
            let ripe = early.map_or(pause, |ms| {
                Duration::from_millis(u64::try_from(ms).unwrap_or(0))
            });
            tokio::select! {
                changed = state.changed() => {
                    if changed.is_err() {
                        return Ok(Waited::Decided);
                    }
                }
                () = tokio::time::sleep_until(deadline) => return Ok(Waited::TimedOut),
                () = tokio::time::sleep(ripe), if early.is_some() => {}
                () = cancellable.asked.notified() => return Ok(Waited::Cancelled),
                io = self.io(), if !self.server_gone => io?,
            }
            self.check_standing()?;
        }
    }

    /// Spends the approval, if the action still means what was approved.
    async fn spend(
        &mut self,
        judged: &Arc<Judged>,
        bound: Option<(&Bind<'_>, &Meaning)>,
        hold: Hold,
        busy: bool,
    ) -> Result<Decided, End> {
        self.target.catalogue.refresh().await?;
        self.context.follow(self.shared, &self.target);
        let types = bound.map_or_else(Vec::new, |(_, m)| m.types.to_vec());
        let again = self.judged(&judged.text, &types).await?;
        let same = again.as_ref().is_ok_and(|now| {
            self.digest_of(now, bound).is_ok_and(|d| d == hold.digest)
                && now.analysis == judged.analysis
                // A lease that was narrowed since asks for more than the person was told.
                && now.verdict.rule == hold.rule
        });
        if !same {
            return Ok(refused(
                report(refusal::HELD, "what this statement would do has changed since it was approved; nothing has run")
                    .hint("send it again: it will be held anew, with what it would do now"),
            ));
        }
        match self.shared.store.consume(&hold.id, hold.digest).await {
            Ok(()) => {}
            Err(StoreError::NotSpendable(why)) => {
                let url = self.hold_url(&hold);
                return Ok(refused(refusal::held(&hold, &url, &format!("; {why}"))));
            }
            Err(StoreError::LeaseNotActive(why)) => return Ok(refused(refusal::halted(&why))),
            Err(error) => return Err(super::error::GateError::Store(error).into()),
        }
        if busy {
            return Ok(Decided::Act {
                spent: Some(hold.id),
            });
        }
        Ok(Decided::Elsewhere(Ticket {
            hold: Box::new(hold),
        }))
    }

    fn binding(&self, judged: &Judged, bound: Option<(&Bind<'_>, &Meaning)>) -> SqlBinding {
        let parameters = bound.map_or_else(Vec::new, |(bind, meaning)| {
            let formats: Vec<u8> = bind
                .parameter_formats
                .iter()
                .flat_map(i16::to_be_bytes)
                .collect();
            let types: Vec<u8> = meaning.types.iter().flat_map(|t| t.to_be_bytes()).collect();
            let count = u32::try_from(bind.parameters.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes();
            [
                &count[..],
                &types,
                b"/",
                &formats,
                b"/",
                bind.parameters.as_bytes(),
            ]
            .concat()
        });
        let earlier = self.in_block.then(|| {
            let earlier = self.earlier.iter().map(|t| t.as_bytes());
            let texts: Vec<&[u8]> = if self.is_busy() {
                // It will run here, under the settings of this session.
                let chosen = self.startup.parameters();
                let chosen =
                    chosen.filter(|(name, _)| !matches!(*name, "user" | "application_name"));
                let settings = chosen.flat_map(|(name, value)| [name, value]);
                let settings = settings.map(str::as_bytes).chain(self.said.parts());
                settings.chain(earlier).collect()
            } else {
                earlier.collect()
            };
            self.shared.traffic.salted(&Digest::of_parts(&texts).0)
        });
        SqlBinding {
            // Salted: a leaf must not let anybody try out what a statement or a parameter was.
            text: self.shared.traffic.salted(judged.text.as_bytes()),
            parameters: self.shared.traffic.salted(&parameters),
            copy_data: None,
            extended: bound.is_some(),
            role: self.target.config.upstream.user.clone(),
            search_path: self.context.path.clone(),
            settings: self.meaning_settings(),
            objects: judged.objects(),
            earlier,
        }
    }

    /// The session's settings that change what a statement means.
    pub(super) fn meaning_settings(&self) -> Vec<String> {
        self.settings
            .iter()
            .filter(|(name, _)| MEANING.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    fn digest_of(
        &self,
        judged: &Judged,
        bound: Option<(&Bind<'_>, &Meaning)>,
    ) -> Result<Digest, backstop_core::canonical::CanonicalError> {
        let ask = Ask::Sql {
            binding: self.binding(judged, bound),
        };
        let installation = self.shared.store.state().installation.clone();
        backstop_core::action::digest(
            &installation,
            Some(&self.lease.id),
            Some(&self.target.config.name),
            self.context.policy.version(),
            &ask,
        )
    }

    fn new_hold(&self, judged: &Judged, bound: Option<(&Bind<'_>, &Meaning)>) -> NewHold {
        NewHold {
            ask: Ask::Sql {
                binding: self.binding(judged, bound),
            },
            lease: Some(self.lease.id.clone()),
            target: Some(self.target.config.name.clone()),
            environment: self.target.config.environment,
            summary: judged.summary(),
            analysis: judged.analysis.clone(),
            verdict: judged.verdict.clone(),
            recoverable: self.recoverable(judged),
            whole: self.whole_of(judged),
            policy: self.context.policy.version(),
            text: HoldText {
                statement: judged.text.to_string(),
                destructive: judged
                    .script
                    .statements
                    .iter()
                    .flat_map(|s| &s.fragments)
                    .map(|r| (r.start, r.end))
                    .collect(),
                parameters: bound.map_or_else(Vec::new, |(bind, meaning)| {
                    super::shown::parameters(bind, &meaning.types)
                }),
                earlier: self.said_before(),
                known: vec![],
                agent_words: self
                    .startup
                    .get("application_name")
                    .unwrap_or_default()
                    .chars()
                    .take(200)
                    .collect(),
            },
        }
    }

    /// What could be brought back, in the words that a person decides by.
    fn recoverable(&self, judged: &Judged) -> String {
        if self.measures().is_none() {
            return RECOVERABLE.to_owned();
        }
        recover::promise(&recover::plan(judged))
    }

    /// The recovery point of the whole database to go back to, where an action loses anything.
    fn whole_of(&self, judged: &Judged) -> String {
        if self.measures().is_none() || matches!(recover::plan(judged), recover::Plan::None) {
            return String::new();
        }
        self.whole()
    }

    /// The recovery point of the whole database to go back to, how old it is and how long a drill's restore of it took.
    pub(super) fn whole(&self) -> String {
        let state = self.shared.store.state();
        let points = state.points.get(&self.target.config.name);
        super::fallback::sentence(points, self.shared.store.now_ms())
    }

    /// What keeps what an approved action destroys.
    fn keeping(&self, judged: &Judged, action: u64, envelope: &Envelope) -> Option<Keeping> {
        self.measures()?;
        let (bytes, millis) = self.shared.config.limits.approved_images;
        Some(Keeping {
            vault: self.shared.config.vault.clone()?,
            target: Arc::clone(&self.target),
            traffic: Arc::clone(&self.shared.traffic),
            lease: self.lease.id.clone(),
            connection: self.number,
            action,
            at_ms: self.shared.store.now_ms(),
            plan: recover::plan(judged),
            budget: Budget { bytes, millis },
            envelope: envelope.clone(),
        })
    }

    pub(super) fn hold_url(&self, hold: &Hold) -> String {
        format!("{}/holds/{}", self.shared.config.console_url, hold.id)
    }

    // ---- the extended protocol --------------------------------------------------------------------------

    /// A Bind of a held statement. `Some`: send it on, with the hold that was spent on it, if one was.
    pub(crate) async fn held_bind(
        &mut self,
        bind: &Bind<'_>,
        meaning: &Meaning,
    ) -> Result<Option<Option<Arc<str>>>, End> {
        if self.session.is_settled() && self.session.status() == TransactionStatus::Failed {
            // The server refuses it in its own words.
            return Ok(Some(None));
        }
        let judged = Arc::clone(&meaning.judged);
        match self.decide(&judged, Some((bind, meaning)), false).await? {
            Decided::Act { spent } => {
                if judged.writes && !self.in_block {
                    // A hold that is spent on the lease's own connection is spent inside a block only.
                    return Ok(None);
                }
                Ok(Some(spent.map(Arc::from)))
            }
            Decided::Refused(report) => {
                self.refuse(tag::BIND, *report, Note::Other)?;
                Ok(None)
            }
            Decided::Elsewhere(ticket) => {
                self.bind_elsewhere(&ticket, bind, meaning).await?;
                Ok(None)
            }
        }
    }

    async fn bind_elsewhere(
        &mut self,
        ticket: &Ticket,
        bind: &Bind<'_>,
        meaning: &Meaning,
    ) -> Result<(), End> {
        let action = self.next_action();
        self.journal_intent(
            action,
            &meaning.judged,
            meaning.parameters,
            Some(&ticket.hold.id),
        )?;
        self.await_durable_now().await?;
        let envelope = Envelope::of(&ticket.hold);
        let anew = self.new_hold(&meaning.judged, Some((bind, meaning)));
        let opened = Elsewhere::open(
            &self.target,
            &self.context.path,
            &self.settings,
            &meaning.judged,
            &ticket.hold.id,
            self.keeping(&meaning.judged, action, &envelope),
        )
        .await;
        let bound = match opened {
            Ok(mut elsewhere) => elsewhere
                .describe(&meaning.judged.text, &meaning.types, bind)
                .await
                .map(|description| (elsewhere, description)),
            Err(report) => Err(report),
        };
        match bound {
            Ok((elsewhere, description)) => {
                let approved = Approved {
                    portal: bind.portal.to_owned(),
                    action,
                    elsewhere,
                    description,
                    since: Instant::now(),
                    envelope,
                    anew,
                };
                self.approved = Some(Box::new(approved));
                let mut out = BytesMut::new();
                write_backend(&BackendMessage::BindComplete, &mut out)?;
                let sent = self.session.answer(out.freeze(), false, None);
                self.sent(sent)
            }
            Err(report) => {
                self.write_outcome(action, "error", Some(report.code()));
                self.refuse(tag::BIND, *report, Note::Other)
            }
        }
    }

    pub(crate) fn describe_approved(&mut self, portal: &str) -> Result<Option<Turn>, End> {
        let Some(approved) = self.approved.as_ref().filter(|a| a.portal == portal) else {
            return Ok(None);
        };
        let description = approved.description.clone();
        let sent = self.session.answer(description, false, None);
        self.sent(sent)?;
        Ok(Some(Turn::Done))
    }

    pub(crate) async fn execute_approved(&mut self, portal: &str) -> Result<Option<Turn>, End> {
        if self.approved.as_ref().is_none_or(|a| a.portal != portal) {
            return Ok(None);
        }
        let Some(approved) = self.approved.take() else {
            return Ok(None);
        };
        let Approved {
            action,
            mut elsewhere,
            envelope,
            anew,
            ..
        } = *approved;
        let key = elsewhere.cancel_key();
        match self.watched(key, elsewhere.execute()).await {
            Ok(done) => {
                self.write_outcome(action, &done.tag, None);
                let sent = self.session.answer(done.messages, false, None);
                self.sent(sent)?;
            }
            Err(report) => {
                self.write_outcome(action, "error", Some(report.code()));
                let report = self.held_anew(&envelope, anew).await?.unwrap_or(*report);
                self.refuse(tag::EXECUTE, report, Note::Other)?;
            }
        }
        self.after_elsewhere().await?;
        Ok(Some(Turn::Done))
    }

    /// Runs an approved simple query; what comes back is what the client sees, up to ReadyForQuery.
    pub(crate) async fn query_elsewhere(
        &mut self,
        ticket: &Ticket,
        judged: &Arc<Judged>,
    ) -> Result<Bytes, End> {
        let action = self.next_action();
        self.journal_intent(action, judged, None, Some(&ticket.hold.id))?;
        self.await_durable_now().await?;
        let envelope = Envelope::of(&ticket.hold);
        let anew = self.new_hold(judged, None);
        let opened = Elsewhere::open(
            &self.target,
            &self.context.path,
            &self.settings,
            judged,
            &ticket.hold.id,
            self.keeping(judged, action, &envelope),
        )
        .await;
        let done = match opened {
            Ok(mut elsewhere) => {
                let key = elsewhere.cancel_key();
                self.watched(key, elsewhere.query(&judged.text)).await
            }
            Err(report) => Err(report),
        };
        let messages = match done {
            Ok(done) => {
                self.write_outcome(action, &done.tag, done.failed);
                done.messages
            }
            Err(report) => {
                self.write_outcome(action, "error", Some(report.code()));
                let report = self.held_anew(&envelope, anew).await?.unwrap_or(*report);
                report.to_bytes()
            }
        };
        self.after_elsewhere().await?;
        Ok(messages)
    }

    /// What it changed is known before the client's next statement is judged.
    async fn after_elsewhere(&mut self) -> Result<(), End> {
        self.target.catalogue.refresh().await?;
        self.context.follow(self.shared, &self.target);
        Ok(())
    }
}

fn refused(report: Report) -> Decided {
    Decided::Refused(Box::new(report))
}

pub(super) fn too_many(error: &StoreError) -> Report {
    let text = error.to_string();
    let (what, hint) = text.split_once("; hint: ").unwrap_or((&text, "wait"));
    report("53400", what)
        .hint(hint)
        .detail("{\"backstop\":\"too-many-holds\"}")
}
