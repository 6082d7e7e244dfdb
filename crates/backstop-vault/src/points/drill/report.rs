//! What came of a drill, signed: whoever merely reaches the gate cannot claim that a point was drilled.
//!
//! A signed note, as C2SP has it: the first line says what it is, the second is the [`Drill`] in canonical JSON.
//! The private half of the key stays with whoever drills; the gate has the public half.

use backstop_core::canonical;
use backstop_core::digest::Digest;
use backstop_core::point::Drill;
use backstop_journal::VerifierKey;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};

use super::Drilled;
use crate::error::{Result, VaultError};
use crate::points::PointError;
use crate::points::database::Manifest;

/// The first line: nothing else that a key signs begins with it.
const PURPOSE: &str = "backstop.drill/1";
/// How many differences a report names.
const FIRST: usize = 20;
/// How much of each, in bytes, more or less.
const WORDS: usize = 300;
/// Longest report, in bytes.
pub const LONGEST: usize = 16 * 1024;
/// Longest name of a target, in bytes.
const NAME: usize = 256;

/// What is to be reported of a drill that came to its end.
///
/// # Errors
/// When the point has no name, or its manifest cannot be written.
pub fn of(
    drilled: &Drilled,
    target: &str,
    manifest: &Manifest,
) -> std::result::Result<Drill, PointError> {
    let point = Digest::from_hex(&drilled.point)
        .ok_or_else(|| PointError::Broken(format!("`{}` is no point's name", drilled.point)))?;
    Ok(Drill {
        manifest: Some(Digest::of(&manifest.to_bytes()?)),
        milliseconds: drilled.milliseconds,
        restore_ms: drilled.restore_ms,
        tables: drilled.tables,
        rows: drilled.rows,
        differences: drilled.differences.len() as u64,
        first: drilled
            .differences
            .iter()
            .take(FIRST)
            .map(|one| short(one))
            .collect(),
        left_out: drilled.left_out.len() as u64,
        ..unfinished(point, target, drilled.started_at_ms, None)
    })
}

/// What is to be reported of a drill that did not come to its end, and why.
#[must_use]
pub fn of_failure(point: Digest, target: &str, started_ms: i64, why: &str) -> Drill {
    unfinished(point, target, started_ms, Some(short(why)))
}

fn unfinished(point: Digest, target: &str, started_ms: i64, failure: Option<String>) -> Drill {
    Drill {
        point,
        target: target.to_owned(),
        manifest: None,
        started_ms,
        milliseconds: 0,
        restore_ms: 0,
        tables: 0,
        rows: 0,
        differences: 0,
        first: vec![],
        left_out: 0,
        failure,
    }
}

/// One line of bounded length.
fn short(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().find(|(at, _)| *at >= WORDS) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// Signs a report with the key whose text is `key`.
///
/// # Errors
/// When the key is malformed; the message does not repeat it.
pub fn sign(drill: &Drill, key: &str) -> Result<String> {
    let bad = |what: String| {
        VaultError::key(
            format!("the key that signs drills: {what}"),
            "`backstop vault init --drill-identity FILE` writes it to FILE.signing; give that file",
        )
    };
    let signer = StandardSigner::new(key.trim()).map_err(|_| bad("it is malformed".to_owned()))?;
    let json = canonical::to_bytes(drill).map_err(|why| bad(why.to_string()))?;
    let mut text = format!("{PURPOSE}\n").into_bytes();
    text.extend(json);
    text.push(b'\n');
    let mut note = Note::new(&text, &[]).map_err(|why| bad(why.to_string()))?;
    note.add_sigs(&[&signer])
        .map_err(|why| bad(why.to_string()))?;
    String::from_utf8(note.to_bytes()).map_err(|why| bad(why.to_string()))
}

/// Reads a report, if it is whole and `key` signed it.
///
/// # Errors
/// [`VaultError::Key`] when it is not.
pub fn open(report: &str, key: &VerifierKey) -> Result<Drill> {
    let bad = |what: &str| {
        VaultError::key(
            format!("the report of a drill: {what}"),
            "only what `backstop vault drill` signed with the key of `drill_key` under `[vault]` is believed",
        )
    };
    if report.len() > LONGEST {
        return Err(bad("it is too long"));
    }
    let note = Note::from_bytes(report.as_bytes()).map_err(|_| bad("it is no signed note"))?;
    let known = StandardVerifier::new(key.text()).map_err(|why| bad(&why.to_string()))?;
    let (ours, others) = note
        .verify(&VerifierList::new(vec![Box::new(known)]))
        .map_err(|_| bad("its signature does not hold, or is by another key"))?;
    // One spelling only: what is written down must be what was signed.
    if ours.len() != 1 || !others.is_empty() || note.to_bytes() != report.as_bytes() {
        return Err(bad("it carries more than one signature"));
    }
    let text = std::str::from_utf8(note.text()).map_err(|_| bad("it is no text"))?;
    let json = text
        .strip_prefix(PURPOSE)
        .and_then(|rest| rest.strip_prefix('\n'))
        .and_then(|rest| rest.strip_suffix('\n'))
        .ok_or_else(|| bad("the key signed something else"))?;
    let drill: Drill = serde_json::from_str(json).map_err(|why| bad(&why.to_string()))?;
    if canonical::to_bytes(&drill).ok().as_deref() != Some(json.as_bytes()) {
        return Err(bad("it is not in its one spelling"));
    }
    let words = drill
        .first
        .iter()
        .chain(&drill.failure)
        .chain([&drill.target]);
    if drill.first.len() > FIRST
        || drill.target.len() > NAME
        || words
            .into_iter()
            .any(|text| text.contains(char::is_control))
    {
        return Err(bad("it says more than reports say"));
    }
    Ok(drill)
}

#[cfg(test)]
mod tests {
    use backstop_journal::SigningKey;

    use super::*;

    fn key(name: &str) -> (String, VerifierKey) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = SigningKey::generate(name).unwrap();
        key.save(&path).unwrap();
        (
            std::fs::read_to_string(&path).unwrap(),
            key.verifier().clone(),
        )
    }

    fn drill() -> Drill {
        of_failure(Digest([7; 32]), "shop", 5, "no sandbox\nat all")
    }

    #[test]
    fn a_report_is_believed_only_whole_and_by_its_key() {
        let (secret, public) = key("drill.local");
        let report = sign(&drill(), &secret).unwrap();
        assert_eq!(open(&report, &public).unwrap(), drill());
        assert_eq!(drill().failure.as_deref(), Some("no sandbox at all"));
        // Another key, of the same name too.
        let (_, other) = key("drill.local");
        assert!(open(&report, &other).is_err());
        // Every byte counts.
        for at in 0..report.len() {
            let mut bytes = report.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(open(&text, &public).is_err(), "byte {at}");
            }
        }
        // What is added, too.
        let twice = format!("{report}{}", report.lines().last().unwrap());
        assert!(open(&twice, &public).is_err());
        assert!(open(&format!("{report}\n"), &public).is_err());
    }

    #[test]
    fn what_the_key_signed_for_another_purpose_is_no_report() {
        let (secret, public) = key("drill.local");
        let signer = StandardSigner::new(secret.trim()).unwrap();
        let json = String::from_utf8(canonical::to_bytes(&drill()).unwrap()).unwrap();
        for text in [
            format!("{json}\n"),
            format!("backstop.local/control\n{json}\n"),
            format!("{PURPOSE}\n {json}\n"),
            format!("{PURPOSE}\n{json}\n{json}\n"),
        ] {
            let mut note = Note::new(text.as_bytes(), &[]).unwrap();
            note.add_sigs(&[&signer]).unwrap();
            let note = String::from_utf8(note.to_bytes()).unwrap();
            assert!(open(&note, &public).is_err(), "{note}");
        }
    }

    #[test]
    fn words_are_bounded() {
        let long = of_failure(Digest([7; 32]), "shop", 5, &"é".repeat(5_000));
        assert!(long.failure.unwrap().len() <= WORDS + 4);
    }
}
