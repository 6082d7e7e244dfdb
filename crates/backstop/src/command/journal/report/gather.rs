//! Acts, put together from intents, outcomes, and what was kept.
//!
//! An outcome is matched by connection and action, and numbers begin anew with every start of the gate. Where two
//! intents could own an outcome, neither is sure of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::acts::{Act, Kept};
use super::select::Scope;
use crate::entries::Row;

/// Acts that are told at most; more are only counted.
const MOST: usize = 5_000;
/// More actions than this are in no transaction that can be told.
const LONGEST: u64 = 100_000;

/// What agents did.
#[derive(Debug, Default)]
pub(super) struct Acts {
    /// What is to be told, in order.
    pub(super) told: Vec<Act>,
    /// What only looked and passed.
    pub(super) reads: u64,
    /// What was too much to be told.
    pub(super) more: u64,
}

/// An open transaction block of a connection.
#[derive(Default)]
struct Block {
    /// Places of its acts.
    acts: Vec<usize>,
}

#[derive(Default)]
struct Gathering {
    all: Vec<Act>,
    /// The newest intent of each connection and action.
    newest: BTreeMap<(u64, u64), usize>,
    blocks: BTreeMap<u64, Block>,
    /// Which acts an entry about images is about.
    images: BTreeMap<u64, Vec<(usize, usize)>>,
}

/// Puts the acts of a scope together. `starts` are the moments at which the gate began to serve, `undone` the intents of
/// undos that are of no single lease and belong to the scope all the same.
pub(super) fn gather(rows: &[Row], scope: &Scope, starts: &[i64], undone: &[u64]) -> Acts {
    let mut gathering = Gathering::default();
    for row in rows {
        let number = |key: &str| row.entry.get(key).and_then(Value::as_u64).unwrap_or(0);
        let key = (number("connection"), number("action"));
        match row.kind.as_str() {
            "intent" => gathering.intent(row, key, starts),
            "outcome" => gathering.outcome(row, key),
            kind @ ("images" | "objects") => {
                let rows = kind == "images";
                let first = if rows { number("first") } else { key.1 };
                gathering.kept(row, rows, key.0, first, key.1);
            }
            "settled" => gathering.settled(row, number("images")),
            _ => {}
        }
    }
    for block in std::mem::take(&mut gathering.blocks).into_values() {
        gathering.close(&block);
    }
    sifted(gathering.all, scope, undone)
}

impl Gathering {
    fn intent(&mut self, row: &Row, key: (u64, u64), starts: &[i64]) {
        let mut act = intent(row);
        if let Some(before) = self.newest.get(&key).and_then(|at| self.all.get_mut(*at)) {
            let anew = starts
                .iter()
                .any(|at| (before.at_ms..=act.at_ms).contains(at));
            let clash = !anew || before.result.is_none();
            act.doubtful = clash;
            before.doubtful |= clash;
            if anew && let Some(block) = self.blocks.remove(&key.0) {
                self.close(&block);
            }
        }
        if let Some(block) = self.blocks.get_mut(&key.0) {
            block.acts.push(self.all.len());
        }
        self.newest.insert(key, self.all.len());
        self.all.push(act);
    }

    fn outcome(&mut self, row: &Row, key: (u64, u64)) {
        let text = |key: &str| row.entry.get(key).and_then(Value::as_str);
        let result = text("result").unwrap_or_default().to_owned();
        let code = text("sqlstate").map(str::to_owned);
        let Some(at) = self.newest.get(&key).copied() else {
            return;
        };
        match result.as_str() {
            "BEGIN" | "START TRANSACTION" => {
                let block = Block { acts: vec![at] };
                if let Some(before) = self.blocks.insert(key.0, block) {
                    self.close(&before);
                }
            }
            "COMMIT" | "PREPARE TRANSACTION" => {
                self.blocks.remove(&key.0);
            }
            // Perhaps only to a savepoint: what follows tells.
            _ => {}
        }
        if let Some(act) = self.all.get_mut(at) {
            // A later one takes an earlier one back: what failed at COMMIT was not done.
            act.result = Some((result, code));
        }
    }

    /// A block that nobody committed.
    fn close(&mut self, block: &Block) {
        let indexes: Vec<u64> = block
            .acts
            .iter()
            .filter_map(|at| self.all.get(*at))
            .map(|act| act.index)
            .collect();
        for at in &block.acts {
            if let Some(act) = self.all.get_mut(*at) {
                act.uncommitted = Some(indexes.clone());
            }
        }
    }

    fn kept(&mut self, row: &Row, rows: bool, connection: u64, first: u64, last: u64) {
        let kept = kept(row, rows);
        for action in first..=last.min(first.saturating_add(LONGEST)) {
            let at = self.newest.get(&(connection, action)).copied();
            if let Some((at, act)) = at.and_then(|at| Some((at, self.all.get_mut(at)?))) {
                let about = self.images.entry(row.index).or_default();
                about.push((at, act.kept.len()));
                act.kept.push(kept.clone());
            }
        }
    }

    fn settled(&mut self, row: &Row, images: u64) {
        let result = row.entry.get("result").and_then(Value::as_str);
        for (at, n) in self.images.get(&images).into_iter().flatten() {
            if let Some(kept) = self.all.get_mut(*at).and_then(|act| act.kept.get_mut(*n)) {
                kept.settled = result.map(str::to_owned);
            }
        }
    }
}

fn sifted(all: Vec<Act>, scope: &Scope, undone: &[u64]) -> Acts {
    let mut acts = Acts::default();
    for act in all {
        // What took it back belongs to the story, however late.
        let undoes = act.rule == "undo"
            && act.at_ms >= scope.since_ms
            && (scope.has(&act.lease) || undone.contains(&act.index));
        let own = scope.has(&act.lease) && scope.at(act.at_ms);
        let of_hold = scope.hold.as_ref().is_none_or(|id| {
            act.hold.as_ref() == Some(id)
                || matches!(&act.result, Some((result, _)) if result == "held")
        });
        if !(undoes || (own && of_hold)) {
            continue;
        }
        if act.is_dull() {
            acts.reads += 1;
        } else if acts.told.len() < MOST {
            acts.told.push(act);
        } else {
            acts.more += 1;
        }
    }
    acts
}

fn intent(row: &Row) -> Act {
    let text = |key: &str| {
        let value = row.entry.get(key).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Act {
        index: row.index,
        at_ms: row.at_ms,
        lease: text("lease"),
        target: text("target"),
        effect: text("effect"),
        verdict: text("verdict"),
        rule: text("rule"),
        hold: row.hold.clone(),
        result: None,
        doubtful: false,
        uncommitted: None,
        kept: vec![],
    }
}

fn kept(row: &Row, rows: bool) -> Kept {
    let of = row.entry.get("rows").and_then(Value::as_array);
    let of = of.into_iter().flatten().map(|one| {
        let count = |key: &str| one.get(key).and_then(Value::as_u64).unwrap_or(0);
        let relation = one.get("relation").and_then(Value::as_str);
        (
            relation.unwrap_or_default().to_owned(),
            count("old"),
            count("new"),
        )
    });
    Kept {
        index: row.index,
        rows,
        of: of.collect(),
        settled: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::journal::report::acts::{Did, Texts};
    use crate::command::journal::report::read::Text;

    fn rows(entries: &[Value]) -> Vec<Row> {
        let rows = entries.iter().enumerate();
        rows.map(|(n, entry)| Row::of("traffic", n as u64, entry.to_string().as_bytes()))
            .collect()
    }

    fn scope() -> Scope {
        Scope {
            leases: None,
            hold: None,
            since_ms: 0,
            until_ms: 1_000,
        }
    }

    fn intent(action: u64, at_ms: i64, effect: &str) -> Value {
        json!({ "entry": "intent", "at_ms": at_ms, "lease": "lease_a", "target": "prod", "connection": 1, "action": action, "effect": effect, "verdict": "allow", "rule": "x" })
    }

    fn outcome(action: u64, result: &str) -> Value {
        json!({ "entry": "outcome", "at_ms": 9, "connection": 1, "action": action, "result": result })
    }

    #[test]
    fn a_block_counts_once_it_was_committed() {
        let told = |end: &[Value]| {
            let mut all = vec![
                intent(1, 1, "read"),
                outcome(1, "BEGIN"),
                intent(2, 2, "write"),
                outcome(2, "DELETE 5"),
            ];
            all.extend(end.iter().cloned());
            let acts = gather(&rows(&all), &scope(), &[], &[]);
            let texts = Texts::from([
                (0, Text::Said("begin".into())),
                (2, Text::Said("delete from a".into())),
                (4, Text::Said("rollback".into())),
            ]);
            acts.told[0].did(&texts)
        };
        let end = |result: &str| [intent(3, 3, "read"), outcome(3, result)];
        assert_eq!(told(&end("COMMIT")), Did::Yes);
        assert_eq!(told(&end("ROLLBACK")), Did::Not);
        assert_eq!(told(&[]), Did::Not);
        // It went back to a savepoint only.
        let savepoint = [
            intent(3, 3, "read"),
            outcome(3, "ROLLBACK"),
            intent(4, 4, "read"),
            outcome(4, "COMMIT"),
        ];
        assert_eq!(told(&savepoint), Did::Yes);
    }

    #[test]
    fn an_outcome_that_two_could_own_is_nobodys() {
        let all = rows(&[
            intent(1, 1, "write"),
            intent(1, 5, "write"),
            outcome(1, "held"),
        ]);
        let acts = gather(&all, &scope(), &[], &[]);
        assert!(acts.told.iter().all(|act| act.doubtful));
        // After a start, and with an outcome of its own before, numbers are anew.
        let all = rows(&[
            intent(1, 1, "write"),
            outcome(1, "DELETE 1"),
            intent(1, 5, "write"),
            outcome(1, "held"),
        ]);
        let acts = gather(&all, &scope(), &[3], &[]);
        assert!(acts.told.iter().all(|act| !act.doubtful));
    }

    #[test]
    fn images_belong_to_every_act_of_their_transaction() {
        let all = rows(&[
            intent(1, 1, "write"),
            intent(2, 2, "write"),
            json!({ "entry": "images", "at_ms": 3, "lease": "lease_a", "connection": 1, "first": 1, "action": 2, "rows": [{ "relation": "public.a", "old": 5, "new": 1 }] }),
            outcome(1, "lost"),
            outcome(2, "lost"),
            json!({ "entry": "settled", "at_ms": 4, "images": 2, "result": "committed" }),
        ]);
        let acts = gather(&all, &scope(), &[], &[]);
        for act in &acts.told {
            assert_eq!(act.kept[0].of, [("public.a".to_owned(), 5, 1)]);
            assert_eq!(act.did(&Texts::new()), Did::Yes);
        }
    }
}
