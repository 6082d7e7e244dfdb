//! What people approved, while it waits or runs: it can be stopped like anything else, and keeps nobody waiting.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use backstop_wire::postgres::backend::Report;
use backstop_wire::postgres::startup::CancelKey;
use backstop_wire::sql::StatementKind;

use super::judge::Judged;
use super::relay::Relay;

impl Relay<'_> {
    /// Waits for an approved action. The client can cancel it like any other statement, and a halt stops it.
    pub(super) async fn watched<T>(
        &mut self,
        key: Option<CancelKey>,
        doing: impl Future<Output = Result<T, Box<Report>>>,
    ) -> Result<T, Box<Report>> {
        let there = key.map(|key| (self.target.config.upstream.clone(), key));
        let here = self.cancellable.set_server(there);
        let mut signal = self.signal.clone();
        let mut doing = pin!(doing);
        let result = loop {
            tokio::select! {
                result = &mut doing => break result,
                changed = signal.changed() => {
                    if changed.is_err() || !signal.borrow_and_update().active {
                        self.cancellable.cancel().await;
                        // What the server makes of it is what became of the action.
                        break doing.as_mut().await;
                    }
                }
            }
        };
        self.cancellable.set_server(here);
        result
    }

    /// An approved action that was bound keeps locks until it is executed: not for longer than `most`.
    pub(crate) fn let_go_of_approved(&mut self, most: Duration) {
        if let Some(approved) = self.approved.take_if(|a| a.since.elapsed() > most) {
            self.write_outcome(approved.action, "not executed", None);
        }
    }
}

/// Whether a text begins a transaction that it does not end. An approved action has no more than its text.
pub(super) fn leaves_open(judged: &Judged) -> bool {
    let mut open = false;
    for statement in &judged.script.statements {
        match &statement.kind {
            StatementKind::Begin(_) => open = true,
            StatementKind::Commit { chain } | StatementKind::Rollback { chain } => open = *chain,
            StatementKind::PrepareTransaction(_) => open = false,
            _ => {}
        }
    }
    open
}
