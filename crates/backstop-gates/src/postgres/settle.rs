//! The last look before COMMIT: what the transaction did is measured, judged, and kept where it can be brought back
//! from; only then may it be committed.

use backstop_core::action::{Ask, SqlBinding};
use backstop_core::digest::Digest;
use backstop_core::effect::Effect;
use backstop_core::hold::{Hold, HoldText};
use backstop_core::measure::{Limits, Measured};
use backstop_core::policy::Asker;
use backstop_core::rehearsal::Why;
use backstop_core::verdict::{Decision, Verdict};
use backstop_store::{NewHold, Opened, StoreError};
use backstop_wire::postgres::backend::Report;
use bytes::Bytes;

use super::budget::Reserved;
use super::error::{GateError, report};
use super::images::Budget;
use super::keep::{Counts, Keep};
use super::ledger::Ledger;
use super::measure::{self, IMMEDIATE, MEASURE, Measurement};
use super::past::Doubt;
use super::refusal;
use super::relay::{End, Relay};

/// What is to become of a transaction.
pub(crate) enum Settled {
    /// It may be committed.
    Commit,
    /// It must be rolled back: people decide.
    Held(Box<Hold>),
    /// It must be rolled back, and the client is told this.
    Refused(Box<Report>),
    /// The server has failed it already; the body of its error.
    Failed(Bytes),
}

/// Whether rows can be brought back, in the words that a person reads.
pub(super) const KEPT: &str = "every row it changes or deletes is copied to the vault before COMMIT and can be put back exactly";

impl Relay<'_> {
    /// The limits on what is measured, at a target where it is.
    pub(crate) fn measures(&self) -> Option<Limits> {
        self.target.measures()
    }

    /// Whether what this session writes is measured before COMMIT. A lease that can only read has no transaction in
    /// which the server would let it write.
    pub(crate) fn counts(&self) -> bool {
        self.measures().is_some() && self.lease.can_write()
    }

    /// Measures the open transaction and decides whether it may be committed. Everything sent must be answered, and
    /// nothing may be sent in between.
    pub(crate) async fn settle(&mut self, ledger: &Ledger) -> Result<Settled, End> {
        let Some(limits) = self.measures() else {
            return Ok(Settled::Commit);
        };
        let asked = self
            .ask_here(&[
                ("backstop_immediate", IMMEDIATE),
                ("backstop_measure", MEASURE),
            ])
            .await?;
        if let Some(error) = asked.failed {
            return Ok(Settled::Failed(error));
        }
        let Some(measurement) = Measurement::read(&asked.rows) else {
            return Err(GateError::Protocol("a measurement cannot be read".into()).into());
        };
        if measurement.xid.is_none() && measurement.held_cursors.is_empty() {
            // Without a number it has written nothing, whatever it called.
            return Ok(Settled::Commit);
        }
        if let Some(why) = blind(&measurement, ledger) {
            return Ok(Settled::Refused(Box::new(
                report(refusal::FORBIDDEN, why).hint("do it in a transaction without that"),
            )));
        }
        if ledger.unproven
            && let Some(why) = self.unseen_behind(&measurement)
        {
            return Ok(Settled::Refused(Box::new(
                report(refusal::FORBIDDEN, why).hint("write that table by itself"),
            )));
        }
        self.settle_measured(ledger, &measurement, limits).await
    }

    /// Code that reached a table which nobody foresaw may have set off what counters do not show.
    fn unseen_behind(&self, measurement: &Measurement) -> Option<String> {
        measurement.touched.iter().find_map(|one| {
            let why = backstop_wire::sql::unseen_behind(&self.context.catalog, one.oid)?;
            Some(format!(
                "this wrote {}, which {why}, so that it cannot be measured",
                one.object().unwrap_or_default()
            ))
        })
    }

    async fn settle_measured(
        &mut self,
        ledger: &Ledger,
        measurement: &Measurement,
        limits: Limits,
    ) -> Result<Settled, End> {
        let effects = measurement.effects(&self.lease.id, !ledger.unproven);
        let lost = measurement.lost_rows(&self.lease.id);
        // Counted before it is judged: other connections of the lease are judged at the same time.
        let now_ms = self.shared.store.now_ms();
        let reserved = self
            .target
            .budgets
            .reserve(&self.line, lost, now_ms, limits.window_ms);
        let mut verdict = self.judge_measured(&effects, &reserved, true, limits);
        let mut spent = None;
        // What people approved of a statement before is no envelope for what else the transaction did.
        if verdict.decision == Decision::Hold {
            match self.ask_people(ledger, &effects, &verdict, KEPT).await? {
                Asked::Approved(hold) => spent = Some(hold),
                Asked::Answer(settled) => return Ok(settled),
            }
        } else if verdict.decision > Decision::Hold {
            return Ok(Settled::Refused(Box::new(refusal::forbidden(&verdict))));
        }
        let limits_of = &self.shared.config.limits;
        let (bytes, millis) = if spent.is_some() || ledger.approved {
            limits_of.approved_images
        } else {
            limits_of.images
        };
        let budget = Budget { bytes, millis };
        let counts = Counts {
            lost,
            approved: spent.is_some(),
        };
        let kept = self.keep_rows(ledger, measurement, budget, counts).await?;
        let mut images = None;
        match kept {
            Keep::Done(entry) => images = entry,
            Keep::Failed(error) => {
                if let Some(hold) = &spent {
                    self.give_up(hold, "its transaction has failed").await;
                }
                return Ok(Settled::Failed(error));
            }
            Keep::Not(why) => {
                let already = spent
                    .as_ref()
                    .is_some_and(|h| !h.recoverable.starts_with("every row"));
                if !already {
                    verdict = self.judge_measured(&effects, &reserved, false, limits);
                }
                if !already && verdict.decision >= Decision::Hold {
                    verdict.reason = format!("{}: {why}", verdict.reason);
                    if let Some(hold) = &spent {
                        self.give_up(hold, "its rows cannot be kept").await;
                    }
                    let what = format!("nothing: {why}");
                    match self.ask_people(ledger, &effects, &verdict, &what).await? {
                        Asked::Approved(hold) => spent = Some(hold),
                        Asked::Answer(settled) => return Ok(settled),
                    }
                }
            }
        }
        if let Some(hold) = spent {
            if let Some(report) = self.consume_for(&hold).await? {
                return Ok(Settled::Refused(report));
            }
            drop(reserved);
            self.target.budgets.renew(&self.line);
        } else {
            reserved.keep();
        }
        self.await_durable_now().await?;
        self.check_standing()?;
        let signal = self.signal.borrow();
        if signal.reads_only {
            // A freeze that came while it ran.
            return Ok(Settled::Refused(Box::new(refusal::halted(&signal.why))));
        }
        drop(signal);
        self.doubt = images
            .zip(measurement.xid.clone())
            .map(|(images, xid)| Doubt {
                images,
                target: self.target.config.name.clone(),
                xid,
            });
        Ok(Settled::Commit)
    }

    fn judge_measured(
        &self,
        effects: &[(Effect, u32)],
        reserved: &Reserved,
        recoverable: bool,
        limits: Limits,
    ) -> Verdict {
        // Who takes nothing is not held for what others took.
        let (lease_rows, target_rows) = match reserved.rows() {
            0 => (0, 0),
            _ => reserved.sums,
        };
        let measured: Vec<Measured> = effects
            .iter()
            .map(|(_, share)| Measured {
                share: *share,
                lease_rows,
                target_rows,
                recoverable,
            })
            .collect();
        let asker = Asker {
            lease: Some(&self.lease),
            target: &self.target.config.name,
            environment: self.target.config.environment,
            limits: Some(limits),
        };
        if effects.is_empty() {
            return Verdict {
                decision: Decision::Allow,
                rule: "nothing-written".into(),
                reason: "it changed no row of others".into(),
                people: 0,
            };
        }
        self.context
            .policy
            .judge_measured(asker, &measure::analysis(effects), &measured)
    }

    /// Puts what was measured before people, or finds that they have said yes to it already.
    async fn ask_people(
        &mut self,
        ledger: &Ledger,
        effects: &[(Effect, u32)],
        verdict: &Verdict,
        recoverable: &str,
    ) -> Result<Asked, End> {
        if ledger.streamed {
            let report = report(
                refusal::FORBIDDEN,
                format!(
                    "this needs a person, and its parameters are too long to be held: {}",
                    verdict.reason
                ),
            );
            let report = report.hint("send the data in smaller pieces");
            return Ok(Asked::Answer(Settled::Refused(Box::new(report))));
        }
        loop {
            let new = self.measured_hold(ledger, effects, verdict, recoverable);
            match self.shared.store.open_hold(new).await {
                Ok(Opened::Approved(record)) => {
                    let hold = record.hold;
                    let kept = hold.recoverable == recoverable || recoverable == KEPT;
                    if kept && measure::within(effects, &hold.effects) {
                        return Ok(Asked::Approved(Box::new(hold)));
                    }
                    // What it does now is not what was approved: that approval is over.
                    self.give_up(&hold, "what it does has left what was approved")
                        .await;
                }
                Ok(Opened::Waiting(record)) => {
                    let ask = match ledger.texts().as_deref() {
                        Some([earlier @ .., judged]) => self.to_rehearse(earlier, judged, None),
                        _ => Err(Why::InsideTransaction),
                    };
                    self.have_rehearsed(&record, ask);
                    let hold = record.hold;
                    if measure::within(effects, &hold.effects) && hold.recoverable == recoverable {
                        return Ok(Asked::Answer(Settled::Held(Box::new(hold))));
                    }
                    self.give_up(&hold, "it does something else by now").await;
                }
                Err(error @ StoreError::TooManyHolds(_)) => {
                    let report = super::hold::too_many(&error);
                    return Ok(Asked::Answer(Settled::Refused(Box::new(report))));
                }
                Err(error) => return Err(GateError::Store(error).into()),
            }
        }
    }

    async fn give_up(&self, hold: &Hold, why: &str) {
        if let Err(error) = self.shared.store.withdraw(&hold.id, why).await {
            tracing::error!(%error, "a hold was not withdrawn");
        }
    }

    /// INVARIANT 4: consumed before the COMMIT that it releases.
    async fn consume_for(&mut self, hold: &Hold) -> Result<Option<Box<Report>>, End> {
        match self.shared.store.consume(&hold.id, hold.digest).await {
            Ok(()) => Ok(None),
            Err(StoreError::NotSpendable(why)) => {
                let url = self.hold_url(hold);
                Ok(Some(Box::new(refusal::held(
                    hold,
                    &url,
                    &format!("; {why}"),
                ))))
            }
            Err(StoreError::LeaseNotActive(why)) => Ok(Some(Box::new(refusal::halted(&why)))),
            Err(error) => Err(GateError::Store(error).into()),
        }
    }

    fn measured_hold(
        &self,
        ledger: &Ledger,
        effects: &[(Effect, u32)],
        verdict: &Verdict,
        recoverable: &str,
    ) -> NewHold {
        let said: Vec<&[u8]> = self.said.parts();
        let chosen = self.startup.parameters();
        let chosen = chosen.filter(|(name, _)| !matches!(*name, "user" | "application_name"));
        let chosen: Vec<&[u8]> = chosen
            .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
            .collect();
        let settings = Digest::of_parts(&[said, chosen].concat());
        let traffic = &self.shared.traffic;
        let binding = SqlBinding {
            // Salted: a leaf must not let anybody try out what a statement or a parameter was.
            text: traffic.salted(&ledger.digest().0),
            parameters: traffic.salted(b""),
            copy_data: None,
            extended: false,
            // It runs as the lease itself.
            role: self.lease.id.clone(),
            search_path: self.context.path.clone(),
            settings: self.meaning_settings(),
            objects: ledger.objects(),
            earlier: Some(traffic.salted(&settings.0)),
        };
        NewHold {
            ask: Ask::Sql { binding },
            lease: Some(self.lease.id.clone()),
            target: Some(self.target.config.name.clone()),
            environment: self.target.config.environment,
            summary: measure::summary(&effects.iter().map(|(e, _)| e.clone()).collect::<Vec<_>>()),
            analysis: measure::analysis(effects),
            verdict: verdict.clone(),
            recoverable: recoverable.to_owned(),
            whole: self.whole(),
            policy: self.context.policy.version(),
            text: HoldText {
                statement: ledger.text(),
                destructive: vec![],
                parameters: vec![],
                earlier: self.said.shown().map(ToString::to_string).collect(),
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
}

enum Asked {
    Approved(Box<Hold>),
    Answer(Settled),
}

/// Why a measurement does not show what COMMIT would do.
fn blind(measurement: &Measurement, ledger: &Ledger) -> Option<String> {
    if !measurement.counts {
        return Some(
            "the server does not count what transactions do (`track_counts` is off), so that this cannot be measured"
                .into(),
        );
    }
    measurement
        .held_cursors
        .iter()
        .find(|name| !ledger.cursors.contains(name))
        .map(|name| {
            format!(
                "the cursor {name} would run its query at COMMIT, after everything was measured"
            )
        })
}
