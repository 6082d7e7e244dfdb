//! What was lost, as far as the journal proves it.
//!
//! "Nothing" is said only where every act is known not to have taken anything away; what is not known is said to be so.

use std::collections::BTreeMap;

use super::acts::{Act, Did, Texts};
use super::say::{Say, count};

/// Items told one by one at most.
const MOST: usize = 50;

/// What the loss is computed from.
pub(super) struct Whole<'a> {
    /// The acts, in order.
    pub(super) acts: &'a [Act],
    /// Their texts, as far as they are needed.
    pub(super) texts: &'a Texts,
    /// Whether both logs verify.
    pub(super) sound: bool,
    /// Why the acts may not be all there were; empty if they are.
    pub(super) gaps: Vec<Say>,
    /// Whether what a lease writes at a target is measured and copied wherever it passes.
    pub(super) measured: &'a dyn Fn(&Act) -> bool,
    /// Whether all that an act destroys are rows.
    pub(super) only_rows: &'a dyn Fn(&Act) -> bool,
}

/// The answer.
pub(super) struct Lost {
    /// The answer first, then what it is made of.
    pub(super) said: Vec<Say>,
    /// Acts that took something away of which the vault has nothing.
    pub(super) gone: usize,
    /// Whether nothing is lost, and that is proved.
    pub(super) nothing: bool,
}

/// Rows of each relation.
type Rows = BTreeMap<String, u64>;

#[derive(Default)]
struct Sums {
    items: Vec<Say>,
    /// Rows whose old versions the vault has.
    kept: Rows,
    /// Rows that undos put back.
    back: Rows,
    /// Copies of whole objects.
    objects: u64,
    gone: usize,
    doubts: usize,
    /// Images that were counted, since those of a transaction are of several acts.
    seen: Vec<u64>,
}

/// Computes it.
pub(super) fn of(whole: &Whole<'_>) -> Lost {
    let mut sums = Sums::default();
    for act in whole.acts {
        sums.add(act, whole);
    }
    let undone = !sums.kept.is_empty()
        && sums
            .kept
            .iter()
            .all(|(relation, rows)| sums.back.get(relation).is_some_and(|back| back >= rows));
    let nothing = whole.sound
        && whole.gaps.is_empty()
        && sums.gone + sums.doubts == 0
        && sums.objects == 0
        && (sums.kept.is_empty() || undone);
    let mut said = vec![answer(whole, &sums, undone)];
    let more = sums.items.len().saturating_sub(MOST);
    said.extend(sums.items.into_iter().take(MOST));
    if more > 0 {
        said.push(Say::new(format!("And {more} more.")));
    }
    said.extend(whole.gaps.iter().cloned());
    said.push(Say::new(
        "The journal tells of what went through Backstop, and of nothing else.",
    ));
    Lost {
        said,
        gone: sums.gone,
        nothing,
    }
}

fn answer(whole: &Whole<'_>, sums: &Sums, undone: bool) -> Say {
    let rows: u64 = sums.kept.values().sum();
    if !whole.sound {
        return Say::new("What was lost cannot be said: the journal does not verify.");
    }
    if sums.gone > 0 {
        return Say::new(format!(
            "Something may be lost for good: the vault has nothing of what {} took away or changed.",
            count(sums.gone as u64, "act", "acts")
        ));
    }
    if sums.doubts > 0 {
        return Say::new(format!(
            "The journal does not prove that nothing was lost: of {} it does not say whether it took effect.",
            count(sums.doubts as u64, "act", "acts")
        ));
    }
    if !whole.gaps.is_empty() {
        return Say::new(
            "The journal does not prove that nothing was lost: not all of what happened was read.",
        );
    }
    if sums.objects > 0 {
        return Say::new(
            "What was destroyed had been copied into the vault before; whether it was put back, the journal does not say.",
        );
    }
    if rows > 0 && undone {
        return Say::new(format!(
            "Nothing is lost any more: of {} that were changed or deleted as many were put back.",
            count(rows, "row", "rows")
        ));
    }
    if rows > 0 {
        return Say::new(format!(
            "{} changed or deleted, and the vault has all of them as they were: ",
            count(rows, "row was", "rows were")
        ))
        .theirs("backstop undo")
        .ours(" brings them back.");
    }
    Say::new("Nothing: no act that could have destroyed or changed anything took effect.")
}

impl Sums {
    fn add(&mut self, act: &Act, whole: &Whole<'_>) {
        if act.effect == "define" {
            return;
        }
        let did = act.did(whole.texts);
        if act.effect == "read" && act.kept.is_empty() {
            // It could only have read; or it ran to be measured, and had touched nothing.
            if act.verdict != "measure" || did == Did::Not || (whole.measured)(act) {
                return;
            }
        }
        match did {
            Did::Not => {}
            Did::Unknown => {
                self.doubts += 1;
                self.items
                    .push(of_act(act).ours(": the journal does not say whether it took effect."));
            }
            Did::Yes if act.rule == "undo" => self.undo(act),
            Did::Yes if act.kept.is_empty() => self.bare(act, whole),
            Did::Yes => {
                self.kept(act);
                let more = matches!(
                    act.effect.as_str(),
                    "destroy" | "reveal" | "admin" | "escape"
                );
                if more && act.kept.iter().all(|kept| kept.rows) && !(whole.only_rows)(act) {
                    self.bare(act, whole);
                }
            }
        }
    }

    fn bare(&mut self, act: &Act, whole: &Whole<'_>) {
        let measured = act.verdict == "measure" && act.hold.is_none() && (whole.measured)(act);
        if measured {
            // It was measured before COMMIT, and whatever row it changes would have been copied.
            return;
        }
        self.gone += 1;
        let what = match act.effect.as_str() {
            "write" => {
                ": it wrote. No old rows were kept, and what it may have changed or deleted is not in the vault."
            }
            "destroy" => ": it destroyed, and no copy of what it took is in the vault.",
            "reveal" => {
                ": it asked for a credential. What an API revealed stays in the gate; what a database did, the agent has."
            }
            "admin" => ": it changed roles, rights, safeguards or code, which no copy brings back.",
            _ => ": it reached beyond what a rollback takes back, and no copy was made.",
        };
        self.items.push(of_act(act).ours(what));
    }

    fn kept(&mut self, act: &Act) {
        for kept in &act.kept {
            if self.seen.contains(&kept.index) {
                continue;
            }
            self.seen.push(kept.index);
            let mut say = of_act(act).ours(": ");
            if kept.rows {
                let old: Vec<&(String, u64, u64)> = kept.of.iter().filter(|of| of.1 > 0).collect();
                if old.is_empty() {
                    // It only added rows.
                    continue;
                }
                for (n, (relation, rows, _)) in old.iter().enumerate() {
                    *self.kept.entry(relation.clone()).or_default() += rows;
                    let comma = if n > 0 { ", " } else { "" };
                    say = say
                        .ours(format!("{comma}{} of ", count(*rows, "row", "rows")))
                        .theirs(relation);
                }
                say = say.ours(" changed or deleted; as they were they are in the vault");
            } else {
                self.objects += 1;
                let relations = kept.of.iter().map(|of| &of.0);
                say = say
                    .ours("it destroyed. Definitions, and the rows of ")
                    .list(relations)
                    .ours(", had been copied into the vault");
            }
            self.items
                .push(say.ours(format!(" (traffic {}).", kept.index)));
        }
    }

    fn undo(&mut self, act: &Act) {
        for kept in &act.kept {
            if self.seen.contains(&kept.index) {
                continue;
            }
            self.seen.push(kept.index);
            let mut rows = 0;
            for (relation, _, new) in &kept.of {
                // It takes back what was done before it, and not what came later.
                let most = self.kept.get(relation).copied().unwrap_or(0);
                let back = self.back.entry(relation.clone()).or_default();
                *back = back.saturating_add(*new).min(most);
                rows += new;
            }
            self.items.push(Say::new(format!(
                "An undo put {} back (traffic {}).",
                count(rows, "row", "rows"),
                kept.index
            )));
        }
    }
}

/// Which act is meant.
fn of_act(act: &Act) -> Say {
    let say = Say::new(format!("Act {} (", act.index))
        .theirs(&act.effect)
        .ours(" on ")
        .theirs(&act.target);
    match &act.result {
        Some((result, _)) => say.ours(", answered ").theirs(result).ours(")"),
        None => say.ours(", never answered)"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::acts::Kept;
    use super::super::acts::tests::act;
    use super::*;

    fn lost(acts: &[Act], sound: bool) -> Lost {
        of(&Whole {
            acts,
            texts: &Texts::new(),
            sound,
            gaps: vec![],
            measured: &|_| true,
            only_rows: &|act| act.hold.is_none(),
        })
    }

    fn with_images(effect: &str, of: (u64, u64), rows: bool) -> Act {
        let mut act = act(effect, "DELETE 5");
        act.kept = vec![Kept {
            index: 7,
            rows,
            of: vec![("public.a".into(), of.0, of.1)],
            settled: None,
        }];
        act
    }

    #[test]
    fn nothing_is_said_only_where_it_is_proved() {
        let refused = [
            act("destroy", "held"),
            act("read", "denied"),
            act("define", "CREATE TABLE"),
        ];
        let said = lost(&refused, true);
        assert!(said.nothing && said.said[0].text().starts_with("Nothing:"));
        assert!(!lost(&refused, false).nothing);
        for ran in ["DROP TABLE", "lost"] {
            let said = lost(&[act("destroy", ran)], true);
            assert!(!said.nothing, "{ran}");
            assert!(!said.said[0].text().starts_with("Nothing"), "{ran}");
        }
        let mut measured = act("write", "UPDATE 0");
        assert_eq!(lost(std::slice::from_ref(&measured), true).gone, 1);
        measured.verdict = "measure".into();
        assert!(lost(&[measured], true).nothing);
    }

    #[test]
    fn what_is_in_the_vault_or_was_put_back_is_told_apart() {
        let deleted = with_images("write", (5, 0), true);
        let said = lost(std::slice::from_ref(&deleted), true);
        assert!(!said.nothing && said.gone == 0);
        assert!(
            said.said[0].text().contains("5 rows were"),
            "{}",
            said.said[0].text()
        );
        let mut undo = with_images("write", (0, 5), true);
        undo.rule = "undo".into();
        undo.kept[0].index = 9;
        assert!(lost(&[deleted.clone(), undo.clone()], true).nothing);
        undo.kept[0].of[0].2 = 4;
        assert!(!lost(&[deleted, undo], true).nothing);
        let mut more = with_images("destroy", (5, 0), true);
        assert_eq!(lost(std::slice::from_ref(&more), true).gone, 0);
        more.hold = Some("hold_a".into());
        assert_eq!(lost(&[more], true).gone, 1, "rows are not all that it took");
        let added = with_images("write", (0, 3), true);
        assert!(lost(&[added], true).nothing);
        let dropped = with_images("destroy", (5, 0), false);
        let said = lost(&[dropped], true);
        assert!(!said.nothing && said.said[0].text().contains("copied into the vault before"));
    }
}
