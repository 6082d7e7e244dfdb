//! The intent before an act, and the wait for the disk (invariant 2).

use backstop_core::digest::Digest;
use backstop_core::effect::EffectKind;
use backstop_core::entry::Intent;

use super::judge::Judged;
use super::relay::{End, Relay};
use super::traffic::name_of;

impl Relay<'_> {
    pub(crate) const fn next_action(&mut self) -> u64 {
        self.actions += 1;
        self.actions
    }

    /// INVARIANT 2: before an act its intent is in the journal; [`Self::await_durable`] makes it durable.
    pub(crate) fn journal_intent(
        &mut self,
        action: u64,
        judged: &Judged,
        parameters: Option<Digest>,
        hold: Option<&str>,
    ) -> Result<(), End> {
        let sealed = judged.sealed(&self.shared.traffic)?;
        let intent = Intent {
            at_ms: self.shared.store.now_ms(),
            lease: &self.lease.id,
            target: &self.target.config.name,
            connection: self.number,
            action,
            text: name_of(sealed),
            parameters,
            effect: judged.analysis.worst(),
            verdict: judged.verdict.decision,
            rule: &judged.verdict.rule,
            hold,
        };
        let index = self.shared.traffic.intent(intent, Some(sealed))?;
        if judged.writes || hold.is_some() {
            self.pending_intent = Some(index);
        }
        Ok(())
    }

    /// Waits for the disk where the act could take effect without a COMMIT that the gate sees first.
    pub(super) async fn await_durable(&mut self, judged: &Judged) -> Result<(), End> {
        let stays_open = self.in_block && !judged.traits.ends_transaction;
        if stays_open && judged.analysis.worst() < EffectKind::Destroy {
            return Ok(());
        }
        self.await_durable_now().await
    }

    pub(crate) async fn await_durable_now(&mut self) -> Result<(), End> {
        if let Some(index) = self.pending_intent.take() {
            self.shared.traffic.durable(index).await?;
        }
        Ok(())
    }
}
