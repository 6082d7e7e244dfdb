//! What the names of statements and portals mean to the server.
//!
//! A change counts when the server has confirmed it. Between sending and confirmation it is pending: a
//! message of the same series (up to Sync) is reached only if the change before it succeeded, so there
//! the pending meaning is certain; beyond that nobody knows yet.

use std::collections::{HashMap, VecDeque};

use super::super::backend::SqlState;

/// What a name means to the server when it gets the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning<'a, S> {
    /// This, if the server has the name at all.
    Known(&'a S),
    /// Nothing, or something that must not be used any more. A Bind or an Execute of it is to be refused
    /// (26000 or 34000), not sent on.
    Unknown,
    /// It depends on what is still unanswered: [settle](super::Session::settle) and ask again.
    Unsettled,
}

/// What a message does to names if it succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<S> {
    /// A statement is prepared.
    SetStatement(Box<str>, S),
    /// A statement is forgotten.
    DropStatement(Box<str>),
    /// All statements are forgotten (`DEALLOCATE ALL`, `DISCARD ALL`).
    DropAllStatements,
    /// A portal or cursor is made.
    SetPortal {
        /// Its name.
        name: Box<str>,
        /// What running it means.
        means: S,
        /// Whether it outlives its transaction (`WITH HOLD`).
        holdable: bool,
    },
    /// A portal or cursor is closed.
    DropPortal(Box<str>),
    /// All portals and cursors are closed (`CLOSE ALL`, `DISCARD ALL`).
    DropAllPortals,
}

/// Takes the first of a queue if it is one of those wanted.
pub(super) fn pop_if<T>(queue: &mut VecDeque<T>, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
    if queue.front().is_some_and(wanted) {
        queue.pop_front()
    } else {
        None
    }
}

/// A change that waits for its confirmation.
#[derive(Debug)]
struct Pending<S> {
    /// The message that makes it.
    item: u64,
    /// The series of messages it stands in.
    segment: u64,
    /// How many statements of the message come before the one that makes it.
    after: u32,
    /// Whether what is committed with it may fail after it: an implicit COMMIT then reports the failure
    /// in its place.
    in_company: bool,
    change: Change<S>,
}

/// Names of one kind; the unnamed one apart, since it is the hot one.
#[derive(Debug)]
struct Table<T> {
    unnamed: Option<T>,
    named: HashMap<Box<str>, T>,
}

impl<T> Table<T> {
    fn new() -> Self {
        Self {
            unnamed: None,
            named: HashMap::new(),
        }
    }

    fn get(&self, name: &str) -> Option<&T> {
        if name.is_empty() {
            self.unnamed.as_ref()
        } else {
            self.named.get(name)
        }
    }

    fn set(&mut self, name: Box<str>, value: T) {
        if name.is_empty() {
            self.unnamed = Some(value);
        } else {
            self.named.insert(name, value);
        }
    }

    fn drop(&mut self, name: &str) {
        if name.is_empty() {
            self.unnamed = None;
        } else {
            self.named.remove(name);
        }
    }

    fn clear(&mut self) {
        self.unnamed = None;
        self.named.clear();
    }
}

#[derive(Debug)]
struct Portal<S> {
    means: S,
    holdable: bool,
}

/// Everything known about names.
#[derive(Debug)]
pub(super) struct Names<S> {
    statements: Table<S>,
    portals: Table<Portal<S>>,
    pending: VecDeque<Pending<S>>,
    segment: u64,
    most: usize,
}

impl<S> Names<S> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            statements: Table::new(),
            portals: Table::new(),
            pending: VecDeque::new(),
            segment: 0,
            most,
        }
    }

    /// A Sync or Query was sent: what is pending so far is uncertain for what follows.
    pub(super) fn end_segment(&mut self) {
        self.segment = self.segment.wrapping_add(1);
    }

    pub(super) fn statement(&self, name: &str) -> Meaning<'_, S> {
        for pending in self.pending.iter().rev() {
            let meaning = match &pending.change {
                Change::SetStatement(set, means) if **set == *name => Meaning::Known(means),
                Change::DropStatement(dropped) if **dropped == *name => Meaning::Unknown,
                Change::DropAllStatements => Meaning::Unknown,
                _ => continue,
            };
            return self.certain(pending, meaning);
        }
        match self.statements.get(name) {
            Some(means) => Meaning::Known(means),
            None => Meaning::Unknown,
        }
    }

    /// Every statement whose meaning is certain.
    pub(super) fn statements(&self) -> impl Iterator<Item = (&str, &S)> {
        let settled = self.statements.named.keys().map(|name| &**name);
        let pending = self.pending.iter().filter_map(|p| match &p.change {
            Change::SetStatement(name, _) => Some(&**name),
            _ => None,
        });
        settled
            .chain(pending)
            .filter_map(|name| match self.statement(name) {
                Meaning::Known(means) => Some((name, means)),
                Meaning::Unknown | Meaning::Unsettled => None,
            })
    }

    pub(super) fn portal(&self, name: &str) -> Meaning<'_, S> {
        for pending in self.pending.iter().rev() {
            let meaning = match &pending.change {
                Change::SetPortal {
                    name: set, means, ..
                } if **set == *name => Meaning::Known(means),
                Change::DropPortal(dropped) if **dropped == *name => Meaning::Unknown,
                Change::DropAllPortals => Meaning::Unknown,
                _ => continue,
            };
            return self.certain(pending, meaning);
        }
        match self.portals.get(name) {
            Some(portal) => Meaning::Known(&portal.means),
            None => Meaning::Unknown,
        }
    }

    fn certain<'a>(&self, pending: &Pending<S>, meaning: Meaning<'a, S>) -> Meaning<'a, S> {
        if pending.segment == self.segment {
            meaning
        } else {
            Meaning::Unsettled
        }
    }

    /// Whether one more name fits, so that no client can make the gate hold names without end.
    pub(super) fn has_room(&self) -> bool {
        let most = self.most;
        self.statements.named.len() < most && self.portals.named.len() < most
    }

    pub(super) fn await_change(
        &mut self,
        item: u64,
        after: u32,
        in_company: bool,
        change: Change<S>,
    ) {
        self.pending.push_back(Pending {
            item,
            segment: self.segment,
            after,
            in_company,
            change,
        });
    }

    /// So many statements of a message are complete: what they changed is changed.
    pub(super) fn progressed(&mut self, item: u64, commands: u32) {
        while let Some(pending) = pop_if(&mut self.pending, |next| {
            next.item == item && next.after < commands
        }) {
            self.apply(pending.change);
        }
    }

    /// A message succeeded: all that it changes is changed.
    pub(super) fn succeeded(&mut self, item: u64) {
        self.progressed(item, u32::MAX);
    }

    /// A message failed after the statements already counted.
    ///
    /// A name that stood before stands still: PostgreSQL never replaces a named statement or portal, and
    /// the unnamed ones it throws away before it tries. But statements are prepared and forgotten outside
    /// of transactions, and what failed may be the implicit COMMIT after the last of the message.
    pub(super) fn failed(&mut self, item: u64, commands: u32, code: SqlState) {
        while let Some(pending) = pop_if(&mut self.pending, |next| next.item == item) {
            if pending.in_company && pending.after == commands {
                self.doubt(pending.change, code);
                continue;
            }
            match pending.change {
                Change::SetStatement(name, _) if name.is_empty() => self.statements.drop(&name),
                Change::SetPortal { name, .. } if name.is_empty() => self.portals.drop(&name),
                _ => {}
            }
        }
    }

    /// A change of a statement's name may have happened, or not: the error is the statement's own, or that
    /// of the COMMIT after it. What may be either is not believed any more.
    fn doubt(&mut self, change: Change<S>, code: SqlState) {
        let is_commits = code.is_integrity_violation() || code.is_transaction_rollback();
        let is_own = matches!(
            code,
            SqlState::DUPLICATE_STATEMENT | SqlState::IN_FAILED_TRANSACTION
        );
        match change {
            _ if is_own => {}
            Change::SetStatement(name, means)
                if is_commits && self.statements.get(&name).is_none() =>
            {
                self.statements.set(name, means);
            }
            Change::SetStatement(name, _) | Change::DropStatement(name) => {
                self.statements.drop(&name);
            }
            Change::DropAllStatements => self.statements.clear(),
            // Cursors are the transaction's, and go with it; closing what outlives it may be in vain.
            Change::SetPortal { .. } | Change::DropPortal(_) | Change::DropAllPortals => {}
        }
    }

    /// A message was skipped: it changed nothing.
    pub(super) fn skipped(&mut self, item: u64) {
        while pop_if(&mut self.pending, |next| next.item == item).is_some() {}
    }

    /// The client believes the unnamed statement to be gone, though the server still has it.
    pub(super) fn drop_unnamed_statement(&mut self) {
        self.statements.unnamed = None;
    }

    /// A transaction is over, and with it all portals that it cannot leave behind.
    pub(super) fn transaction_ended(&mut self) {
        self.portals.unnamed = None;
        if !self.portals.named.is_empty() {
            self.portals.named.retain(|_, portal| portal.holdable);
        }
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
        self.statements.clear();
        self.portals.clear();
    }

    fn apply(&mut self, change: Change<S>) {
        match change {
            Change::SetStatement(name, means) => self.statements.set(name, means),
            Change::DropStatement(name) => self.statements.drop(&name),
            Change::DropAllStatements => self.statements.clear(),
            Change::SetPortal {
                name,
                means,
                holdable,
            } => self.portals.set(name, Portal { means, holdable }),
            Change::DropPortal(name) => self.portals.drop(&name),
            Change::DropAllPortals => self.portals.clear(),
        }
    }
}
