//! Throwaway journals for the tests: small, fast and on a directory of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use backstop_journal::{
    Journal, Options, Report, SealedText, SigningKey, TextDigest, VerifierKey, VerifyOptions,
    verify,
};

pub const ORIGIN: &str = "backstop.local/test";

/// A directory with a journal's key beside it.
pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        SigningKey::generate(ORIGIN)
            .unwrap()
            .save(&dir.path().join("key"))
            .unwrap();
        Self { dir }
    }

    pub fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub fn key(&self) -> SigningKey {
        SigningKey::load(&self.dir.path().join("key")).unwrap()
    }

    pub fn verifier(&self) -> VerifierKey {
        self.key().verifier().clone()
    }

    pub fn open(&self, options: Options) -> Journal {
        Journal::open(&self.log(), ORIGIN, self.key(), options).unwrap()
    }

    pub fn verify(&self) -> Report {
        self.verify_at(&self.log(), &VerifyOptions::default())
    }

    pub fn verify_at(&self, dir: &Path, options: &VerifyOptions<'_>) -> Report {
        verify(dir, ORIGIN, &self.verifier(), options).unwrap()
    }
}

/// Options under which little time and little data make everything happen.
pub fn small() -> Options {
    Options {
        linger: Duration::from_millis(1),
        segment_bytes: 16 << 10,
        checkpoint_every: Duration::from_millis(20),
        ..Options::default()
    }
}

/// The `n`th entry of the tests.
pub fn entry(n: u64) -> Vec<u8> {
    format!(
        "{{\"entry\":{n},\"pad\":\"{}\"}}",
        "x".repeat(usize::try_from(n % 40).unwrap())
    )
    .into_bytes()
}

/// The `n`th sealed text, and the entry that names it.
pub fn texted(n: u64) -> (Vec<u8>, SealedText) {
    let text = SealedText::new(format!("sealed text number {n:010}").into_bytes()).unwrap();
    (format!("text {}", text.digest()).into_bytes(), text)
}

/// Which text an entry of `texted` names.
pub fn text_of(entry: &[u8]) -> Option<TextDigest> {
    let hex = std::str::from_utf8(entry).ok()?.strip_prefix("text ")?;
    let bytes: Vec<u8> = (0..64)
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    Some(TextDigest(bytes.try_into().unwrap()))
}

/// Appends entries `from..to`, every seventh with a text, and waits for the last.
pub fn fill(journal: &Journal, from: u64, to: u64) {
    let mut last = None;
    for n in from..to {
        let ticket = if n % 7 == 3 {
            let (entry, text) = texted(n);
            journal.append(&entry, Some(&text)).unwrap()
        } else {
            journal.append(&entry(n), None).unwrap()
        };
        assert_eq!(ticket.index, n);
        last = Some(ticket);
    }
    if let Some(last) = last {
        journal.wait_durable(last.index).unwrap();
    }
}

/// What `fill` put at `n`.
pub fn expected(n: u64) -> Vec<u8> {
    if n % 7 == 3 { texted(n).0 } else { entry(n) }
}

/// All regular files below a directory, relative and sorted.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Copies a directory.
pub fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&file), target).unwrap();
    }
}
