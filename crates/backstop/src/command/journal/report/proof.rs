//! Whether the page is to be believed: what came of verifying both logs.

use super::say::Say;
use super::story::Story;

impl Story<'_> {
    /// What is wrong with the journal, for the top of the page.
    pub(super) fn alarms(&self) -> Vec<Say> {
        let broken = self.checked.iter().filter(|c| !c.report.is_sound());
        broken
            .map(|checked| {
                let mut say = Say::new(format!(
                    "THE JOURNAL DOES NOT VERIFY: the {} log is not what was written, and nothing on this page is proved by it.",
                    checked.log
                ));
                if let Some(finding) = checked.report.findings.first() {
                    say = say
                        .ours(" First finding: ")
                        .theirs(format!("{}: {}", finding.file, finding.what));
                }
                say
            })
            .collect()
    }

    /// Whether the journal verifies, and how anybody can find that out.
    pub(super) fn proof(&self) -> Vec<Say> {
        let mut all = vec![];
        for checked in self.checked {
            let report = &checked.report;
            let word = if report.is_sound() {
                "verifies"
            } else {
                "DOES NOT VERIFY"
            };
            let root = report
                .root
                .map_or_else(|| "no checkpoint".to_owned(), |root| root.to_string());
            let say = Say::new(format!(
                "The {} log {word}: {} entries, {} of them under a signed checkpoint with the root ",
                checked.log, report.entries, report.size
            ))
            .theirs(root);
            all.push(match checked.cosigned {
                Some(size) => say.ours(format!("; a vault has cosigned {size}.")),
                None => say.ours("; no vault has cosigned it."),
            });
            let findings = report.findings.iter().take(10);
            all.extend(findings.map(|finding| {
                Say::new(format!("In the {} log: ", checked.log))
                    .theirs(format!("{}: {}", finding.file, finding.what))
                    .ours(".")
            }));
            let notes = report.notes.iter().take(10);
            all.extend(notes.map(|note| {
                Say::new(format!("Of the {} log: ", checked.log))
                    .theirs(note)
                    .ours(".")
            }));
        }
        all.push(Say::default().theirs("backstop journal verify").ours(
            " computes this anew, and others' tools for transparency logs do so without Backstop.",
        ));
        all
    }
}
