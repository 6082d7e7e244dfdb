//! One thing that an agent asked for, and how sure it is that it took effect.
//!
//! What the journal does not prove must not read as harmless.

use std::collections::BTreeMap;

use super::read::Text;

/// The texts of intents, by their indexes in the traffic log.
pub(super) type Texts = BTreeMap<u64, Text>;

/// One thing that an agent asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Act {
    /// Its index in the traffic log.
    pub(super) index: u64,
    /// Unix time in milliseconds.
    pub(super) at_ms: i64,
    /// The lease.
    pub(super) lease: String,
    /// The target.
    pub(super) target: String,
    /// The worst kind of effect.
    pub(super) effect: String,
    /// The verdict.
    pub(super) verdict: String,
    /// The rule that decided.
    pub(super) rule: String,
    /// The hold whose approval released it.
    pub(super) hold: Option<String>,
    /// What came of it, and its SQLSTATE or status.
    pub(super) result: Option<(String, Option<String>)>,
    /// Whether its outcome may be another's.
    pub(super) doubtful: bool,
    /// The transaction block that it was in, where that was never committed: the intents of the block.
    pub(super) uncommitted: Option<Vec<u64>>,
    /// Where its rows' images are, or the objects that it took.
    pub(super) kept: Vec<Kept>,
}

/// What the vault has of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// The entry that says so.
    pub(super) index: u64,
    /// Whether these are rows; objects otherwise.
    pub(super) rows: bool,
    /// Relations with the numbers of their old and new rows.
    pub(super) of: Vec<(String, u64, u64)>,
    /// What the target said of the transaction, where its COMMIT was not seen answered.
    pub(super) settled: Option<String>,
}

/// How sure it is that an act took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Did {
    /// It did not.
    Not,
    /// It did.
    Yes,
    /// The journal does not say.
    Unknown,
}

impl Act {
    /// Whether it took effect, as far as the journal tells.
    pub(super) fn did(&self, texts: &Texts) -> Did {
        if let Some(settled) = self.kept.iter().rev().find_map(|k| k.settled.as_deref()) {
            return match settled {
                "committed" => Did::Yes,
                "rolled back" => Did::Not,
                _ => Did::Unknown,
            };
        }
        let Some((result, code)) = &self.result else {
            return Did::Unknown;
        };
        if self.doubtful {
            return Did::Unknown;
        }
        match result.as_str() {
            "held" | "denied" | "halted" | "refused" | "answered" | "skipped" | "rolled back" => {
                return Did::Not;
            }
            "lost" | "failed" | "client-gone" => return Did::Unknown,
            // An API's answer: what it refused it did not do.
            "done" => match code.as_deref() {
                Some(status) if status.starts_with('4') => return Did::Not,
                Some(status) if status.starts_with('5') => return Did::Unknown,
                _ => {}
            },
            // One transaction, unless the text ended it itself before it failed.
            "error" if cannot_end(texts, &[self.index]) => return Did::Not,
            "error" => return Did::Unknown,
            _ => {}
        }
        match &self.uncommitted {
            None => Did::Yes,
            Some(block) if cannot_end(texts, block) => Did::Not,
            Some(_) => Did::Unknown,
        }
    }

    /// The texts that [`Act::did`] has to see.
    pub(super) fn wants(&self) -> Vec<u64> {
        let failed = matches!(&self.result, Some((result, _)) if result == "error");
        let block = self.uncommitted.iter().flatten().copied();
        block.chain(failed.then_some(self.index)).collect()
    }

    /// Whether Backstop did not let it through.
    pub(super) fn is_stopped(&self) -> bool {
        let result = self.result.as_ref().map(|(result, _)| result.as_str());
        matches!(result, Some("held" | "denied" | "halted" | "refused"))
    }

    /// Whether it only looked, by its text, and was let through.
    pub(super) fn is_dull(&self) -> bool {
        let allowed = self.verdict == "allow" && self.hold.is_none();
        self.effect == "read" && allowed && !self.is_stopped()
    }
}

/// Whether none of these texts can have ended a transaction: each is known, and no word in it does that.
fn cannot_end(texts: &Texts, indexes: &[u64]) -> bool {
    indexes.iter().all(|index| match texts.get(index) {
        Some(Text::Said(text)) => only_opens(text) || !ends(text),
        _ => false,
    })
}

/// Whether a text is the BEGIN of a block and nothing else.
fn only_opens(text: &str) -> bool {
    let text = text
        .trim()
        .trim_end_matches([';', ' '])
        .to_ascii_lowercase();
    (text.starts_with("begin") || text.starts_with("start")) && !text.contains(';')
}

fn ends(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let mut words = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .peekable();
    while let Some(word) = words.next() {
        let ending = match word {
            "commit" | "end" | "prepare" | "call" | "begin" => true,
            "do" => !matches!(words.peek(), Some(&("update" | "nothing"))),
            _ => false,
        };
        if ending {
            return true;
        }
    }
    false
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An act of a test.
    pub(in super::super) fn act(effect: &str, result: &str) -> Act {
        Act {
            index: 1,
            at_ms: 1_000,
            lease: "lease_a".into(),
            target: "prod".into(),
            effect: effect.into(),
            verdict: "allow".into(),
            rule: "scoped-writes".into(),
            hold: None,
            result: Some((result.into(), None)),
            doubtful: false,
            uncommitted: None,
            kept: vec![],
        }
    }

    fn texts(text: &str) -> Texts {
        Texts::from([(1, Text::Said(text.into()))])
    }

    #[test]
    fn only_what_is_proved_did_not_happen() {
        let none = Texts::new();
        for (result, did) in [
            ("held", Did::Not),
            ("DELETE 5", Did::Yes),
            ("lost", Did::Unknown),
            ("error", Did::Unknown),
        ] {
            assert_eq!(act("write", result).did(&none), did, "{result}");
        }
        let failed = act("write", "error");
        assert_eq!(failed.did(&texts("delete from a; select 1/0")), Did::Not);
        assert_eq!(
            failed.did(&texts("delete from a; commit; select 1/0")),
            Did::Unknown
        );
        let mut silent = act("write", "x");
        silent.result = None;
        assert_eq!(silent.did(&none), Did::Unknown);
        let mut doubtful = act("write", "held");
        doubtful.doubtful = true;
        assert_eq!(doubtful.did(&none), Did::Unknown);
    }

    #[test]
    fn what_was_never_committed_did_not_happen() {
        let mut open = act("write", "DELETE 5");
        open.uncommitted = Some(vec![1]);
        assert_eq!(open.did(&texts("delete from a")), Did::Not);
        assert_eq!(open.did(&texts("delete from a; commit")), Did::Unknown);
        assert_eq!(open.did(&Texts::new()), Did::Unknown);
    }

    #[test]
    fn an_api_did_not_do_what_it_refused() {
        let mut asked = act("destroy", "done");
        for (status, did) in [("200", Did::Yes), ("403", Did::Not), ("502", Did::Unknown)] {
            asked.result = Some(("done".into(), Some(status.into())));
            assert_eq!(asked.did(&Texts::new()), did, "{status}");
        }
    }
}
