//! What agents asked for, with what they sent, as far as the journal may tell it.
//!
//! Texts were sealed without their credentials; whatever still looks like one is left out here.

use super::acts::{Act, Texts};
use super::mask::masked;
use super::page::Tried;
use super::read::Text;
use super::say::{Say, after, count, plain};

/// What is told at most.
const MOST: usize = 100;
/// Lines of a text, and characters of a line.
const LINES: usize = 40;
const WIDTH: usize = 300;

/// The texts that [`of`] shows.
pub(super) fn wanted(acts: &[Act]) -> Vec<u64> {
    acts.iter().take(MOST * 5).map(|act| act.index).collect()
}

/// One entry for each thing that was asked for; what was asked for again the same way is one.
pub(super) fn of(
    acts: &[Act],
    reads: u64,
    texts: &Texts,
    no_texts: bool,
    begun_ms: i64,
) -> Vec<Tried> {
    let mut all: Vec<(&Act, u64)> = vec![];
    for act in acts {
        let same = |other: &Act| {
            let key = |a: &Act| {
                (
                    a.lease.clone(),
                    a.rule.clone(),
                    a.result.clone(),
                    a.effect.clone(),
                )
            };
            matches!(texts.get(&act.index), Some(Text::Said(_)))
                && texts.get(&act.index) == texts.get(&other.index)
                && key(act) == key(other)
        };
        match all.last_mut() {
            Some((last, times)) if same(last) => *times += 1,
            _ => all.push((act, 1)),
        }
    }
    let more = all.len().saturating_sub(MOST);
    let mut tried: Vec<Tried> = all
        .into_iter()
        .take(MOST)
        .map(|(act, times)| {
            let mut what = Say::new(format!("{}: ", after(act.at_ms.saturating_sub(begun_ms))))
                .then(sentence(act));
            if times > 1 {
                what = what.ours(format!(" {times} times in a row."));
            }
            let text = texts.get(&act.index).filter(|_| !no_texts);
            match text {
                Some(Text::Said(text)) => Tried {
                    what,
                    text: Some(shown(text)),
                },
                Some(Text::Erased) => Tried {
                    what: what.ours(" Its text was erased."),
                    text: None,
                },
                Some(Text::None) | None => Tried { what, text: None },
            }
        })
        .collect();
    if more > 0 {
        tried.push(only(format!(
            "And {}.",
            count(more as u64, "thing more", "things more")
        )));
    }
    if tried.is_empty() {
        let reads = count(reads, "read", "reads");
        tried.push(only(format!(
            "Nothing that the journal has in this time, but for {reads}."
        )));
    }
    tried
}

fn only(words: String) -> Tried {
    Tried {
        what: Say::new(words),
        text: None,
    }
}

/// What was asked for, what was said to it and what came of it.
pub(super) fn sentence(act: &Act) -> Say {
    let say = Say::default()
        .theirs(&act.lease)
        .ours(" asked for something that could ")
        .theirs(&act.effect);
    let say = if act.target.is_empty() {
        say
    } else {
        say.ours(" at ").theirs(&act.target)
    };
    let say = say
        .ours(": ")
        .theirs(&act.verdict)
        .ours(" by the rule ")
        .theirs(&act.rule);
    let say = match &act.hold {
        Some(hold) => say.ours(", released by ").theirs(hold),
        None => say,
    };
    match &act.result {
        None => say.ours("; the journal has no outcome."),
        Some((result, None)) => say.ours("; ").theirs(result).ours("."),
        Some((result, Some(code))) => say.ours("; ").theirs(format!("{result} {code}")).ours("."),
    }
}

/// A text line by line, without what looks like a credential.
fn shown(text: &str) -> Vec<String> {
    let masked = masked(text);
    let mut lines: Vec<String> = masked
        .lines()
        .take(LINES)
        .map(|line| {
            let line = plain(line);
            let cut: String = line.chars().take(WIDTH).collect();
            if cut.len() < line.len() {
                format!("{cut}…")
            } else {
                cut
            }
        })
        .collect();
    if masked.lines().nth(LINES).is_some() {
        lines.push("[the rest is in the journal]".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::acts::tests::act;
    use super::*;

    #[test]
    fn the_same_again_is_told_once_and_long_texts_are_cut() {
        let (mut one, mut other) = (act("destroy", "held"), act("destroy", "held"));
        (one.index, other.index) = (1, 2);
        let long = "x\n".repeat(100);
        let texts = Texts::from([(1, Text::Said(long.clone())), (2, Text::Said(long))]);
        let told = of(&[one, other], 0, &texts, false, 0);
        assert_eq!(told.len(), 1);
        assert!(told[0].what.text().contains("2 times in a row"));
        assert_eq!(told[0].text.as_ref().unwrap().len(), LINES + 1);
    }

    #[test]
    fn texts_can_be_left_out() {
        let texts = Texts::from([(1, Text::Said("drop table a".into()))]);
        assert!(
            of(&[act("destroy", "held")], 0, &texts, true, 0)[0]
                .text
                .is_none()
        );
    }
}
