//! Rolling the journal back, forking it, and lying about it: the vault signs none of that, and knows the newest.

use backstop_journal::{Hash, Journal, Options, SigningKey, VerifyOptions};
use backstop_vault::{Refusal, VaultError, client::Client, verify::verify};

use crate::support::Served;

const ORIGIN: &str = "backstop.test/control";

pub struct Log {
    journal: Journal,
    key: backstop_journal::VerifierKey,
    home: tempfile::TempDir,
    text: std::path::PathBuf,
}

impl Log {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let text = home.path().join("key");
        SigningKey::generate(ORIGIN).unwrap().save(&text).unwrap();
        let key = SigningKey::load(&text).unwrap();
        let verifier = key.verifier().clone();
        let journal =
            Journal::open(&home.path().join("log"), ORIGIN, key, Options::default()).unwrap();
        Self {
            journal,
            key: verifier,
            home,
            text,
        }
    }

    pub fn grow(&self, entries: u32, word: &str) {
        for n in 0..entries {
            let _ = self
                .journal
                .append(format!("{word} {n}").as_bytes(), None)
                .unwrap();
        }
    }

    pub async fn cosign(
        &self,
        client: &Client,
    ) -> Result<backstop_vault::cosign::Cosigned, VaultError> {
        let checkpoint = self.journal.checkpoint_now().unwrap();
        client
            .cosign(
                &self.key,
                checkpoint.note(),
                checkpoint.size(),
                |old, new| self.journal.consistency_proof(old, new),
            )
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_grows_is_cosigned_and_remembered_over_a_restart() {
    let served = Served::new().await;
    let (log, client) = (Log::new(), served.client());
    assert_eq!(client.cosigned(ORIGIN).await.unwrap(), None);
    for round in 1..=4_u64 {
        log.grow(300, "entry");
        let cosigned = log.cosign(&client).await.unwrap();
        assert_eq!(cosigned.size, round * 300);
        assert_eq!(
            log.cosign(&client).await.unwrap(),
            cosigned,
            "the same again is the same"
        );
    }
    let newest = client.cosigned(ORIGIN).await.unwrap().unwrap();
    let vault =
        backstop_journal::VerifierKey::parse(&client.status().await.unwrap().vault).unwrap();
    newest.check(&vault, &log.key).unwrap();
    let mut other = newest.clone();
    other.size += 1;
    assert!(other.check(&vault, &log.key).is_err());
    other = newest.clone();
    other.cosigned = other.checkpoint.clone();
    assert!(other.check(&vault, &log.key).is_err());
    let stranger = SigningKey::generate("vault.test").unwrap();
    assert!(newest.check(stranger.verifier(), &log.key).is_err());
    let (home, identity) = served.stop().await;
    assert!(verify(&home.path().join("vault")).unwrap().is_sound());
    let served = Served::serve(home, identity, Default::default(), Default::default()).await;
    assert_eq!(
        served.client().cosigned(ORIGIN).await.unwrap(),
        Some(newest)
    );
}

/// An older copy of the whole directory verifies by itself; what the vault remembers finds it out.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_set_back_as_a_whole_is_found_out() {
    let served = Served::new().await;
    let (log, client) = (Log::new(), served.client());
    log.grow(10, "entry");
    log.cosign(&client).await.unwrap();
    log.journal.checkpoint_now().unwrap();
    let older = log.home.path().join("older");
    crate::directory::copy(&log.home.path().join("log"), &older);
    log.grow(10, "what the agent would rather forget");
    let newest = log.cosign(&client).await.unwrap();
    let alone =
        backstop_journal::verify(&older, ORIGIN, &log.key, &VerifyOptions::default()).unwrap();
    assert!(alone.is_sound(), "{alone:?}");
    let at_least = [newest.checkpoint.clone().into_bytes()];
    let options = VerifyOptions {
        at_least: &at_least,
        ..VerifyOptions::default()
    };
    let found = backstop_journal::verify(&older, ORIGIN, &log.key, &options).unwrap();
    assert!(!found.is_sound());
    // And the vault does not cosign what the older copy says, nor how it goes on.
    let key = SigningKey::load(&log.text).unwrap();
    let journal = Journal::open(&older, ORIGIN, key, Options::default()).unwrap();
    for entries in [0, 5, 5, 20] {
        for n in 0..entries {
            let _ = journal
                .append(format!("another history {n}").as_bytes(), None)
                .unwrap();
        }
        let checkpoint = journal.checkpoint_now().unwrap();
        let error = client
            .cosign(
                &log.key,
                checkpoint.note(),
                checkpoint.size(),
                |old, new| journal.consistency_proof(old, new),
            )
            .await
            .unwrap_err();
        assert_eq!(error.refusal(), Some(Refusal::Inconsistent), "{error}");
    }
    assert_eq!(client.cosigned(ORIGIN).await.unwrap(), Some(newest));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_proofs_keys_and_notes_are_refused() {
    let served = Served::new().await;
    let (log, client) = (Log::new(), served.client());
    log.grow(7, "entry");
    log.cosign(&client).await.unwrap();
    log.grow(20, "entry");
    let checkpoint = log.journal.checkpoint_now().unwrap();
    let note = checkpoint.note().to_vec();
    let proof = log.journal.consistency_proof(7, 27).unwrap();
    let mut wrong: Vec<Vec<Hash>> = vec![
        Vec::new(),
        proof[1..].to_vec(),
        [&proof[..], &proof[..1]].concat(),
    ];
    for n in 0..proof.len() {
        let mut flipped = proof.clone();
        flipped[n].0[5] ^= 1;
        wrong.push(flipped);
    }
    for proof in wrong {
        let error = client
            .cosign(&log.key, &note, 27, |_, _| Ok::<_, String>(proof.clone()))
            .await
            .unwrap_err();
        assert_eq!(error.refusal(), Some(Refusal::Inconsistent), "{error}");
    }
    let stranger = Log::new();
    stranger.grow(40, "entry");
    let error = stranger.cosign(&client).await.unwrap_err();
    assert!(
        error.to_string().contains("the log's key is not the one"),
        "{error}"
    );
    for at in 0..note.len() {
        let mut flipped = note.clone();
        flipped[at] ^= 1;
        let done = client
            .cosign(&log.key, &flipped, 27, |_, _| {
                Ok::<_, String>(proof.clone())
            })
            .await;
        assert!(done.is_err(), "byte {at}");
    }
    assert_eq!(log.cosign(&client).await.unwrap().size, 27);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_or_changed_checkpoint_of_the_vaults_own_is_damage() {
    let served = Served::new().await;
    let (log, client) = (Log::new(), served.client());
    log.grow(7, "entry");
    log.cosign(&client).await.unwrap();
    let (home, _) = served.stop().await;
    let dir = home.path().join("vault");
    let file = std::fs::read_dir(dir.join("cosigned"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = std::fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&file, flipped).unwrap();
        let report = verify(&dir).unwrap();
        assert!(!report.is_sound(), "byte {at}");
        assert!(report.findings[0].file.starts_with("cosigned/"));
    }
    std::fs::remove_file(&file).unwrap();
    assert!(!verify(&dir).unwrap().is_sound());
    let served = Served::serve(
        home,
        backstop_vault::reader::Identity::generate(),
        Default::default(),
        Default::default(),
    )
    .await;
    log.grow(1, "entry");
    assert!(
        log.cosign(&served.client()).await.is_err(),
        "it does not begin anew"
    );
}
